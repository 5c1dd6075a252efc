"""What options would gain that are only taken when the user accepts them: other numerics, unsupported
hacks.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any

import pyoxigraph as ox

from kb.store.terms import on
from kb.values import replace
from reasoner.answers.prediction import Ratio, compare, rounded
from reasoner.answers.reasons import Reasons
from reasoner.inference.derive import REQUEST, REQUEST_GRAPH, Derived
from reasoner.model.catalogue import Catalogue

SolveAgain = Callable[[Derived], dict[str, str]]
"""The best configuration if something else held for the request; empty where none is feasible then."""


def awaiting_opt_in(catalogue: Catalogue, derived: Derived, opt_in_rules: Collection[str]) -> list[str]:
    """The options that nothing but a missing opt-in excludes, no unmet need either, and of which an effect
    is known.

    Args:
        opt_in_rules: IRIs of the conflict rules that a user's word lifts.
    """
    spoken_of = {catalogue.effects[iri].option for iri in derived.applies & catalogue.effects.keys()}
    lifted, standing = set[str](), set[str]()
    for rule, options in derived.excluded_by.items():
        (lifted if rule in opt_in_rules else standing).update(options & spoken_of)
    for needs, options in catalogue.unsupplied.items():
        if not derived.provides.issuperset(needs):
            standing |= options
    return sorted(lifted - standing)


def ways_out_of_doubt(
    reasons: Reasons, facts: Sequence[ox.Quad], opt_in_rules: Collection[str], solve_again: SolveAgain
) -> Iterator[dict[str, Any]]:
    """Where something was taken of which it is not known whether it works: the options without such a doubt
    that the user would have to accept.
    """
    catalogue, derived = reasons.catalogue, reasons.derivation.derived
    if not any(
        catalogue.doubt_rules.intersection(derived.rules_against(option)) for option in reasons.taken.values()
    ):
        return
    lifted, standing = set[str](), set[str]()
    for rule, options in derived.excluded_by.items():
        (lifted if rule in opt_in_rules else standing).update(options)
    missing = {
        option
        for option, needs in catalogue.needs_unsupplied.items()
        if not derived.provides.issuperset(needs)
    }
    for option in sorted((lifted - standing - missing) & catalogue.info.keys()):
        allowed = ox.Quad(REQUEST, ox.NamedNode(on("allows")), ox.NamedNode(option), REQUEST_GRAPH)
        better = solve_again(reasons.derivation.vary([*facts, allowed]))
        if better.get(catalogue.decision_of(option)) == option:
            ratio = compare(reasons.problem, next(iter(reasons.problem.terms)), better, reasons.taken)
            yield _offer(catalogue, option, ratio)


def on_request(
    reasons: Reasons, options: Collection[str], solve_again: SolveAgain
) -> Iterator[dict[str, Any]]:
    """For each option that the user would have to accept and that would make the plan better: `{decision,
    option, vs_best, accept}`.

    Args:
        solve_again: solves the problem in which an option is accepted, where the solution at hand does not
            tell.
    """
    problem, catalogue = reasons.problem, reasons.catalogue
    criterion = next(iter(problem.terms))
    for option in options:
        if option in problem.tentative:
            better = reasons.better_with([option])
        else:
            accepted = {rule: options - {option} for rule, options in problem.derived.excluded_by.items()}
            better = solve_again(replace(problem.derived, excluded_by=accepted))
        if better is not None and better.get(catalogue.decision_of(option)) == option:
            yield _offer(catalogue, option, compare(problem, criterion, better, reasons.taken))


def _offer(catalogue: Catalogue, option: str, ratio: Ratio) -> dict[str, Any]:
    decision = catalogue.name[catalogue.decision_of(option)]
    return {
        "decision": decision,
        "option": catalogue.name[option],
        "vs_best": rounded(ratio),
        "accept": f"--allow {decision}={catalogue.name[option]}",
    }
