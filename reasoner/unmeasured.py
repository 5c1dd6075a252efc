"""What is measured with another framework and not with the one taken: effects that hang on facts of the
machine are looked for in every framework.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence, Set
from typing import Any

from kb.terms import RDF_TYPE, on
from reasoner.menu import Effect
from reasoner.reasons import Reasons
from reasoner.rule_reading import iri_of
from reasoner.rules import Rule

_FRAMEWORK = "framework"


def machine_situations(rules: Sequence[Rule]) -> frozenset[str]:
    """The situations that rules conclude from facts of the target."""
    found = set()
    for rule in rules:
        if any(iri_of(pattern.predicate) == on("target") for pattern in rule.reading.premises):
            found |= {
                iri_of(pattern.object)
                for pattern in rule.reading.head
                if iri_of(pattern.predicate) == RDF_TYPE
            }
    return frozenset(iri for iri in found if iri)


def not_measured(reasons: Reasons, situations: Set[str]) -> Iterator[dict[str, Any]]:
    """Options that could stand beside the framework taken, of which only another one's measurements speak
    here: `{decision, option, known_with}`.

    Args:
        situations: those that facts of the machine bring about.
    """
    menu, problem = reasons.menu, reasons.problem
    decision = next((decision for decision in menu.options if menu.name[decision] == _FRAMEWORK), "")
    frameworks, taken = set(menu.options.get(decision, ())), reasons.taken.get(decision, "")
    known: dict[str, list[Effect]] = defaultdict(list)
    for iri in problem.derived.applies & menu.effects.keys():
        known[menu.effects[iri].option].append(menu.effects[iri])
    for option in sorted(
        known.keys() - frameworks,
        key=lambda option: (list(menu.options).index(menu.decision_of(option)), option),
    ):
        needs = menu.needs.get(option, set()) & frameworks
        if needs - {taken} or problem.causes(option) or reasons.worth(option) is None:
            continue
        if any(taken in effect.context.get(decision, {taken}) for effect in known[option]):
            continue
        told = [
            effect for effect in known[option] if effect.weight and not situations.isdisjoint(effect.when)
        ]
        others = sorted({menu.name[other] for effect in told for other in effect.context[decision]})
        if others:
            yield {
                "decision": menu.name[menu.decision_of(option)],
                "option": menu.name[option],
                "known_with": others,
            }
