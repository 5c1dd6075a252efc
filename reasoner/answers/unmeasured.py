"""What is measured with another framework and not with the one taken: effects that hang on facts of the
machine are looked for in every framework.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence, Set
from typing import Any

from kb.store.terms import RDF_TYPE, on
from reasoner.answers.reasons import Reasons
from reasoner.knowledge.rule_reading import iri_of
from reasoner.knowledge.rules import Rule
from reasoner.model.catalogue import Effect

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
    catalogue, problem = reasons.catalogue, reasons.problem
    decision = next(
        (decision for decision in catalogue.options if catalogue.name[decision] == _FRAMEWORK), ""
    )
    frameworks, taken = set(catalogue.options.get(decision, ())), reasons.taken.get(decision, "")
    known: dict[str, list[Effect]] = defaultdict(list)
    for iri in problem.derived.applies & catalogue.effects.keys():
        known[catalogue.effects[iri].option].append(catalogue.effects[iri])
    for option in sorted(
        known.keys() - frameworks,
        key=lambda option: (list(catalogue.options).index(catalogue.decision_of(option)), option),
    ):
        needs = catalogue.needs.get(option, set()) & frameworks
        if needs - {taken} or problem.causes(option) or reasons.worth(option) is None:
            continue
        if any(taken in effect.context.get(decision, {taken}) for effect in known[option]):
            continue
        told = [
            effect for effect in known[option] if effect.weight and not situations.isdisjoint(effect.when)
        ]
        others: set[str] = set()
        for effect in told:
            others |= {catalogue.name[other] for other in effect.context[decision]}
        if others:
            yield {
                "decision": catalogue.name[catalogue.decision_of(option)],
                "option": catalogue.name[option],
                "known_with": sorted(others),
            }
