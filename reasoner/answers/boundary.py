"""Requests for machines that no plans are made for: one sentence says so, and what to do instead."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from kb.store.terms import on
from reasoner.inference.derive import Derivation
from reasoner.knowledge.rules import Rule, message, slots


def beyond(derivation: Derivation, rules: Sequence[Rule]) -> str:
    """What rules say against a request as a whole; empty where plans are made for its machine."""
    return "; ".join(dict.fromkeys(_sentences(derivation, rules)))


def _sentences(derivation: Derivation, rules: Sequence[Rule]) -> Iterator[str]:
    concluded = {iri for iri, said in derivation.said.items() if on("outside") in said}
    for rule in (rule for rule in rules if rule.iri in concluded):
        yield from (
            message(rule, dict(bindings)) for bindings in derivation.matches(rule, sorted(slots(rule)))
        )
