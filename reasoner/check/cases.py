"""Whether rule cases do what they say: the rule fires on the one request and is silent on the other."""

from __future__ import annotations

from collections.abc import Iterator

from kb.cases import Case
from kb.store.terms import expand, local_name, prefixed
from reasoner.check.evaluation import Evaluation
from reasoner.check.finding import Finding, KnowledgeUnderCheck


def findings(knowledge: KnowledgeUnderCheck, evaluation: Evaluation) -> Iterator[Finding]:
    """Cases on which a rule does not do what the table says, and cases of what is not known."""
    known = (
        {rule.iri for rule in evaluation.rules}
        | evaluation.catalogue.effects.keys()
        | evaluation.catalogue.conflicts.keys()
        | evaluation.catalogue.behaviours.keys()
    )
    for case in evaluation.table.cases.values():
        iri = expand(case.rule)
        if iri not in known:
            text = f"the case {case.rule} is about no active rule, effect, conflict or behaviour"
            yield Finding("error", str(evaluation.table.file_of(case)), iri, text)
            continue
        if not fires(evaluation, case, case.fires):
            yield knowledge.finding(
                iri, f"the case of {prefixed(iri)} does not hold: it does not fire on {case.fires}"
            )
        if fires(evaluation, case, case.silent):
            yield knowledge.finding(
                iri, f"the case of {prefixed(iri)} does not hold: it fires on {case.silent}"
            )


def fires(evaluation: Evaluation, case: Case, line: str) -> bool:
    """Whether the rule of a case fires on a request: concludes anything, applies, or excludes the option that
    the case names.
    """
    scenario = evaluation.scenarios[line]
    iri = expand(case.rule)
    if case.excludes:
        return any(
            iri in rules and local_name(option) == case.excludes
            for option, rules in scenario.derived.excludes.items()
        )
    return iri in scenario.said or iri in scenario.derived.applies
