"""Strata: a rule that asks for the absence of something runs after all that could conclude it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from kb.errors import BadInput
from kb.store.terms import local_name
from reasoner.knowledge.rule_reading import Signature

if TYPE_CHECKING:
    from reasoner.knowledge.rules import Rule


def refuse_unstratified(rules: Sequence[Rule]) -> None:
    """Refuse a rule that rests on the absence of something before it is known which of it holds: on a cycle,
    or concluded too late.
    """
    writers = _Writers(rules)
    for reader in rules:
        for absent, writer in writers.of(reader.negates):
            back = _path(writer, reader, writers)
            if back is not None:
                raise BadInput(
                    f"rule {local_name(reader.iri)}",
                    "it rests on the absence of what follows from its own conclusions "
                    f"({local_name(reader.iri)} -> not {absent} -> {back})",
                    expected="rules without a cycle through a negation",
                )
            if writer.order >= reader.order:
                raise BadInput(
                    f"rule {local_name(reader.iri)}",
                    "it rests on the absence of what a rule of the same or a later stratum concludes "
                    f"({local_name(reader.iri)} -> not {absent} -> {local_name(writer.iri)})",
                    expected=f"a sh:order above {writer.order:g}",
                )


class _Writers:
    """Which rules can conclude what."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._all: list[tuple[Signature, Rule]] = []
        for rule in rules:
            self._all += [(signature, rule) for signature in rule.concludes]
        self._by_predicate: dict[str | None, list[tuple[Signature, Rule]]] = {}
        for predicate in {one.predicate for one, _ in self._all}:
            self._by_predicate[predicate] = [
                pair for pair in self._all if pair[0].predicate in (predicate, None)
            ]
        self._of_any = [pair for pair in self._all if pair[0].predicate is None]
        self._before: dict[str, list[tuple[str, Rule]]] = {}

    def before(self, rule: Rule) -> list[tuple[str, Rule]]:
        """What a rule reads, with the rules that can conclude it, each once: the ways on which rules rest on
        one another meet again and again.
        """
        if rule.iri not in self._before:
            first: dict[str, tuple[str, Rule]] = {}
            for met, writer in self.of(rule.reads):
                first.setdefault(writer.iri, (met, writer))
            self._before[rule.iri] = list(first.values())
        return self._before[rule.iri]

    def of(self, read: Iterable[Signature]) -> Iterator[tuple[str, Rule]]:
        """What is read, by short names, with each rule that can conclude it."""
        for one in read:
            candidates = (
                self._all if one.predicate is None else self._by_predicate.get(one.predicate, self._of_any)
            )
            for signature, rule in candidates:
                if one.meets(signature):
                    yield (
                        " ".join(local_name(iri) for iri in (one.predicate, one.object) if iri) or "anything",
                        rule,
                    )


def _path(start: Rule, goal: Rule, writers: _Writers) -> str | None:
    """The shortest way on which one rule rests on another, as text."""
    reached = {start.iri: local_name(start.iri)}
    queue = [start]
    for rule in queue:
        if rule is goal:
            return reached[rule.iri]
        for met, other in writers.before(rule):
            if other.iri not in reached:
                reached[other.iri] = f"{reached[rule.iri]} -> {met} -> {local_name(other.iri)}"
                queue.append(other)
    return None
