"""Why an option is impossible for a request: what must be supplied, of which every supplier is impossible."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterable, Iterator, Set
from functools import cached_property
from typing import TYPE_CHECKING

from kb.store.terms import local_name
from reasoner.answers.plan import Reason
from reasoner.model.ground import Cause
from reasoner.model.requirements import Requirement

if TYPE_CHECKING:
    from reasoner.answers.reasons import Reasons

_NAMED_WHOLE = 3
"""So many options are named one by one."""


class Obstacles:
    """What keeps options of one solved request from being possible.

    Args:
        reasons: the solved request, and how it is put into words.
    """

    def __init__(self, reasons: Reasons) -> None:
        self._reasons = reasons
        self._problem, self._catalogue = reasons.problem, reasons.catalogue

    def against(self, option: str) -> tuple[Reason, ...]:
        """For an option that no feasible configuration has: what must be supplied, of which every supplier is
        impossible, and why those are.
        """
        decision = self._catalogue.decision_of(option)
        pinned = self._problem.pins.get(decision, option)
        if pinned != option:
            return tuple(self._reasons.cause(Cause("pin", pinned)))
        if option in self._problem.forbid:
            return tuple(self._reasons.cause(Cause("forbid", option)))
        if alone := [
            iri for iri in self._conflicts_about.get(option, ()) if not self._catalogue.conflicts[iri].given
        ]:
            return tuple(self._reasons.cause(Cause("conflict", option, (alone[0],))))
        for requirement in self._supplies_about.get(decision, ()):
            if requirement.is_met(decision, option, self._possible):
                continue
            rows = requirement.rows_with(decision, option)
            against_peers = itertools.chain.from_iterable(map(self._first, self._culprits(option, rows)))
            found = list(itertools.islice(against_peers, 3))
            if found:
                return self._lacking(option) or self._no_partner(option, requirement), *found
        return ()

    def _no_partner(self, option: str, requirement: Requirement) -> Reason:
        others = [one for one in requirement.scope if one != self._catalogue.decision_of(option)]
        names = ", ".join(self._catalogue.name[one] for one in others)
        text = f"no option of {names} that goes with it is possible"
        return Reason("fact", self._catalogue.name[option], text, self._reasons.sources(option))

    def lacking(self, option: str) -> Cause | None:
        """The first capability that an option needs although no option can give it, with those that would;
        None where there is none.
        """
        for need in sorted(
            self._catalogue.needs.get(option, set())
            - self._problem.derived.provides
            - self._catalogue.name.keys()
        ):
            providers = sorted(other for other, given in self._catalogue.provides.items() if need in given)
            if not any(self._reasons.worth(other) is not None for other in providers):
                return Cause("needs", option, (need,), tuple(providers))
        return None

    def _lacking(self, option: str) -> Reason | None:
        if (cause := self.lacking(option)) is None:
            return None
        [need], names = cause.ids, [self._catalogue.name[other] for other in cause.others]
        named = f"which here only {' or '.join(names)} would provide"
        lacking = (
            named
            if len(names) <= _NAMED_WHOLE
            else f"and none of the {len(names)} options that provide it is possible here"
        )
        text = f"{self._catalogue.name[option]} needs {self._reasons.named(need)}, {lacking}"
        return Reason(
            "fact", local_name(need), text, self._reasons.sources(need) or self._reasons.sources(option)
        )

    def _culprits(self, option: str, rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
        """The impossible options that stand beside an option in some combinations, each once; as few as are
        asked for, of thousands.
        """
        seen = {option}
        for peer in itertools.chain.from_iterable(rows):
            if peer not in seen:
                seen.add(peer)
                if self._impossible(peer):
                    yield peer

    @cached_property
    def _possible(self) -> dict[str, Set[str]]:
        """The options that some feasible configuration has, by decision."""
        representative, marginals = self._problem.representative, self._reasons.marginals
        found: dict[str, Set[str]] = {}
        for decision, options in self._catalogue.options.items():
            found[decision] = frozenset(
                option for option in options if representative.get(option, option) in marginals[decision]
            )
        return found

    @cached_property
    def _conflicts_about(self) -> dict[str, list[str]]:
        """The conflicts that apply, by their option."""
        found: dict[str, list[str]] = defaultdict(list)
        for iri in sorted(self._problem.derived.applies & self._catalogue.conflicts.keys()):
            found[self._catalogue.conflicts[iri].option].append(iri)
        return found

    @cached_property
    def _supplies_about(self) -> dict[str, list[Requirement]]:
        """For each decision what options of it need, or can be needed for; over all options, so that nothing
        is left out in silence.
        """
        found: dict[str, list[Requirement]] = defaultdict(list)
        for requirement in self._catalogue.requirements.given(self._problem.derived.provides):
            for decision in requirement.scope:
                found[decision].append(requirement)
        return found

    def _impossible(self, option: str) -> bool:
        return self._reasons.worth(option) is None or bool(self._problem.causes(option))

    def _first(self, option: str) -> list[Reason]:
        causes = self._problem.causes(option)
        if causes:
            return self._reasons.cause(causes[0])[:1]
        pinned = self._problem.pins.get(self._catalogue.decision_of(option))
        return (
            [Reason("request", self._catalogue.name[option], f"you asked for {self._catalogue.name[pinned]}")]
            if pinned and pinned != option
            else []
        )
