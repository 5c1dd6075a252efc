"""The reasoner: plans, says why and why not. The public Python API of Ontune."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Unpack

from kb.errors import BadInput
from kb.records.request_fields import Wishes
from kb.records.target import Target
from kb.store.snapshot import FULL, PLANNING, Snapshot
from kb.store.store import KnowledgeStore
from kb.values import replace
from reasoner.knowledge.compile import compile_snapshot, compile_without, full_store
from reasoner.planner import Asked, Planner


class Reasoner(Planner):
    """Plans for workloads on targets, from one state of the knowledge base. May be used from several threads;
    prints nothing.

    Args:
        additions: folders of Turtle that overlay the shipped knowledge; None takes the user's own (see
            `kb.store.paths.additions`).
        store: a compiled knowledge base to use instead of the snapshot on disk.

    Raises:
        BadInput: the shipped knowledge is broken, or the cache folder cannot be written.
    """

    def __init__(
        self, additions: Sequence[Path] | None = None, *, store: KnowledgeStore | None = None
    ) -> None:
        self._additions = additions
        self.snapshot: Snapshot | None = None
        self.refused: tuple[str, ...] = ()
        if store is None:
            self.snapshot = compile_snapshot(additions)
            self.refused = tuple(self.snapshot.refused.values())
            store = KnowledgeStore()
            store.load_compact(self.snapshot.memory[PLANNING])
        super().__init__(store, compiled=self.snapshot is not None)

    @cached_property
    def full_store(self) -> KnowledgeStore:
        """Every triple of the knowledge base, for queries and explanations.

        Raises:
            BadInput: it was dropped from the cache after others were compiled, and its sources have changed
                since.
        """
        if self.snapshot is None:
            return self.store
        store = KnowledgeStore()
        if (quads := self.snapshot.part(FULL)) is None:
            snapshot, store = full_store(self._additions)
            if snapshot.info.sha256 != self.snapshot.info.sha256:
                raise BadInput(
                    "the knowledge base",
                    "it has changed since this reasoner read it",
                    expected="a new reasoner",
                )
        else:
            store.load_quads(quads)
        return store

    def what_if(
        self,
        changed: Mapping[str, Any],
        asked: Asked,
        target: Target | None = None,
        *,
        without: Sequence[str] = (),
        **choices: Unpack[Wishes],
    ) -> dict[str, Any]:
        """The plan with some facts of the target changed, or some knowledge gone, as a difference: `before`,
        `after`, `changes`.

        Args:
            changed: fact keys (as in the answer of the probe) to new values.
            asked, target, choices: the question, as `request` takes it.
            without: resources of the knowledge base to leave out, such as `rule:ended`.

        Raises:
            BadInput: a key or a name is unknown.
            NoFeasiblePlan: nothing is feasible before or after.
        """
        from reasoner.answers.what_if import difference

        before = self.request(asked, target, **choices)
        after = replace(
            before,
            target=before.target.with_overrides(changed).checked(before.places.get("changes", "what-if")),
        )
        where = before.places.get("without", "without")
        other = Reasoner(store=compile_without(without, self._additions, where)) if without else self
        return difference(self.plan_request(before), other.plan_request(after))
