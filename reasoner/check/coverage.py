"""Dead and uncovered by scenario: knowledge that no scenario shows at work, and what no knowledge bears on.

*Dead* is a rule that concludes nothing on any scenario, an effect that is counted on none, and a conflict
that forbids nothing on any: it does not apply, or what it is about is excluded anyway, or a more specific
statement is read instead. *Uncovered* is a target on which, whatever the workload, nothing follows for the
choice that would not follow on a target of which nothing is known; a workload of which the same is true; and
a decision whose options nothing tells apart on any scenario. (`docs/explanation/checks.md`)
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from kb.records.resources import NamedResources
from kb.store.terms import local_name, on, prefixed
from reasoner.check.evaluation import Evaluation
from reasoner.check.finding import Finding, KnowledgeUnderCheck
from reasoner.inference.derive import Derived

_NAMED = 3  # shipped statements named of those that one addition silences
_REMEDY = "give a target, a workload or a case on which it does, or drop it"


def dead(knowledge: KnowledgeUnderCheck, evaluation: Evaluation) -> Iterator[Finding]:
    """Rules, effects and conflicts that no scenario shows at work."""
    fired = frozenset[str]().union(*(scenario.said for scenario in evaluation.scenarios.values()))
    compiled = {name.value for name in evaluation.store.store.named_graphs()}
    for rule in evaluation.rules:
        if rule.iri not in fired and rule.iri not in compiled:
            yield knowledge.finding(
                rule.iri, f"dead: rule {prefixed(rule.iri)} fires on no scenario; {_REMEDY}"
            )
    applying = frozenset[str]().union(
        *(scenario.derived.applies for scenario in evaluation.scenarios.values())
    )
    working: set[str] = set()
    possible: set[str] = set()
    silenced: dict[str, list[str]] = defaultdict(list)
    for problem, _ in evaluation.problems:
        counted: set[str] = set()
        for terms in problem.terms.values():
            counted |= {term.effect.iri for term in terms}
        stated = {**evaluation.catalogue.effects, **evaluation.catalogue.conflicts}
        here = {
            iri
            for iri in problem.derived.applies & stated.keys()
            if evaluation.possible(problem, stated[iri])
        }
        possible |= here
        working |= here & (counted | evaluation.catalogue.conflicts.keys())
    for iri in sorted(
        (evaluation.catalogue.effects.keys() | evaluation.catalogue.conflicts.keys()) - working
    ):
        if iri not in applying:
            why = "its situations hold for no scenario"
        elif iri not in possible:
            why = "wherever its situations hold, an option that it is about is excluded"
        else:
            why = "wherever it applies, another statement about the same options is read instead"
        if not knowledge.is_added(iri) and (causes := _added_causes(knowledge, evaluation, iri)):
            for cause in causes:
                silenced[cause].append(iri)
            continue
        yield knowledge.finding(
            iri, f"dead: {prefixed(iri)} has no influence on any scenario, for {why}; {_REMEDY}"
        )
    for cause, shipped in silenced.items():
        named = ", ".join(map(prefixed, shipped[:_NAMED])) + (
            f" and {len(shipped) - _NAMED} more" if len(shipped) > _NAMED else ""
        )
        text = (
            f"{prefixed(cause)} leaves what is shipped without influence on any scenario: {named}; "
            "narrow it if that is not meant"
        )
        yield knowledge.finding(cause, text, "warning")


def _added_causes(knowledge: KnowledgeUnderCheck, evaluation: Evaluation, iri: str) -> list[str]:
    """The additions that take the influence of a shipped effect or conflict away: rules and conflicts that
    exclude an option that it is about, effects that are read in its place. What is shipped has influence
    where nothing is added, so one of them does."""
    stated = {**evaluation.catalogue.effects, **evaluation.catalogue.conflicts}
    about = {stated[iri].option}.union(*(options for _, options in stated[iri].given))
    causes: set[str] = set()
    for scenario in evaluation.scenarios.values():
        if iri in scenario.derived.applies:
            for option in about & scenario.derived.excludes.keys():
                causes.update(scenario.derived.excludes[option])
    causes |= {
        conflict.iri for conflict in evaluation.catalogue.conflicts.values() if conflict.option in about
    }
    causes |= {
        effect.iri for effect in evaluation.catalogue.effects.values() if effect.option == stated[iri].option
    }
    return sorted(cause for cause in causes if knowledge.is_added(cause))


def uncovered(knowledge: KnowledgeUnderCheck, evaluation: Evaluation) -> Iterator[Finding]:
    """Targets, workloads and decisions on which nothing bears."""
    bearing: dict[tuple[str, str], bool] = dict.fromkeys(evaluation.alone, False)
    for name, scenario in evaluation.scenarios.items():
        target, workload, *wishes = name.split()
        if wishes or ("target", target) not in bearing or ("workload", workload) not in bearing:
            continue
        here = _borne(evaluation, scenario.derived)
        bearing["target", target] |= here != _borne(
            evaluation, evaluation.alone["workload", workload].derived
        )
        bearing["workload", workload] |= here != _borne(
            evaluation, evaluation.alone["target", target].derived
        )
    for (kind, name), borne in bearing.items():
        if not borne:
            known = NamedResources(on(kind.capitalize()), f"{kind}s", evaluation.store)
            yield knowledge.finding(
                known.find(name, kind).iri, f"uncovered: no rule, effect or need bears on the {kind} {name}"
            )
    for decision in _without_difference(evaluation):
        yield knowledge.finding(
            decision,
            f"uncovered: nothing tells the options of the decision {local_name(decision)} apart "
            "on any scenario",
        )


def _borne(evaluation: Evaluation, derived: Derived) -> tuple[object, ...]:
    """What of the conclusions bears on a choice: what applies, what is excluded and by which rules, and the
    capabilities that options need.
    """
    needed = frozenset[str]().union(*evaluation.catalogue.needs.values())
    stated = evaluation.catalogue.effects.keys() | evaluation.catalogue.conflicts.keys()
    return derived.applies & stated, derived.excludes, derived.provides & needed


def _without_difference(evaluation: Evaluation) -> Iterator[str]:
    catalogue = evaluation.catalogue
    told: set[str] = set()
    for problem, _ in evaluation.problems:
        derived = problem.derived
        told |= {catalogue.decision_of(option) for option in derived.excludes if option in catalogue.info}
        told |= {
            catalogue.decision_of(option)
            for option, needs in catalogue.needs.items()
            if needs - derived.provides
        }
        for iri in derived.applies:
            if statement := catalogue.effects.get(iri) or catalogue.conflicts.get(iri):
                told |= {
                    catalogue.decision_of(statement.option),
                    *(decision for decision, _ in statement.given),
                }
    return (decision for decision in catalogue.options if decision not in told)
