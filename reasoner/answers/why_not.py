"""Why an option was not taken, and the smallest change that would admit it; why nothing is feasible, and what
to give up.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from msgspec.structs import asdict

from kb.errors import NoFeasiblePlan
from kb.records.request import Request
from kb.store.terms import local_name, on
from kb.values import replace
from reasoner.answers.plan import Reason
from reasoner.answers.reasons import Reasons
from reasoner.answers.repairs import Trials, WaysOut, known, repair, stated, taken_at
from reasoner.model.ground import Cause, exclusion_factors, hard_factors
from reasoner.solve import Factor, minimal_conflict, smallest_relaxations


def why_not(reasons: Reasons, option: str, request: Request, trials: Trials) -> dict[str, Any]:
    """The answer of `ontune why-not` for an option's IRI: decision, option, status, reasons, repair.

    Args:
        request: the request that the reasons are of.
        trials: how others are tried, so that no repair is promised that fails.
    """
    catalogue = reasons.catalogue
    decision = catalogue.decision_of(option)
    answer: dict[str, Any] = {"decision": catalogue.name[decision], "option": catalogue.name[option]}
    if reasons.taken.get(decision) == option:
        return {
            **answer,
            "status": "chosen",
            "reasons": [asdict(reason) for reason in reasons.chosen(decision)],
            "repair": [],
        }
    ways = WaysOut(reasons, request, trials)
    repairs = [repair(request, way, taken_at(reasons, option, way)) for way in ways.to(option)]
    if option not in reasons.problem.excluded and reasons.worth(option) is not None:
        return {
            **answer,
            "status": "beaten",
            "reasons": [asdict(reason) for reason in reasons.against(option)],
            "repair": repairs,
        }
    asked = Factor((decision,), {(option,): 0}, None, Cause("pin", option))
    hard = [asked, *(_spoken_of(factor, option) for factor in _every_hard_factor(reasons))]
    found = _in_words(reasons, minimal_conflict(catalogue.options, hard), asked)
    if repairs and (lacking := reasons.obstacles.lacking(option)):
        repairs += [
            stated(target, f"{catalogue.name[option]} becomes possible")
            for target in _target_that_gives(reasons, lacking)
        ]
    if not repairs:
        lifted = smallest_relaxations(
            catalogue.options, hard, lambda factor: factor is not asked and _changeable(reasons, factor, ways)
        )
        changes = dict.fromkeys(_otherwise(reasons, factors, ways, request) for factors in lifted)
        repairs = [stated(change, f"{catalogue.name[option]} becomes possible") for change in changes]
    return {
        **answer,
        "status": "conflict",
        "reasons": [asdict(reason) for reason in found or reasons.against(option)],
        "repair": repairs,
    }


def refusal(
    reasons: Reasons, request: Request, trials: Trials, settled: Iterable[Mapping[str, str]]
) -> NoFeasiblePlan:
    """What to say when no configuration is feasible: which requirements clash, and every smallest way out.

    Args:
        settled: unknown facts of the target, as they may turn out, that make the request feasible.
    """
    hard = _every_hard_factor(reasons)
    for option in reasons.problem.pins.values():
        hard = [_spoken_of(factor, option) for factor in hard]
    core = minimal_conflict(reasons.catalogue.options, _asked_last(hard, reasons.problem.pins))
    clash = list(dict.fromkeys(reason.text for reason in _in_words(reasons, core)))
    ways = WaysOut(reasons, request, trials)
    repairs = [*map(known, settled), *(repair(request, way, "a plan is possible") for way in ways.feasible())]
    if not repairs:
        lifted = smallest_relaxations(
            reasons.catalogue.options, hard, lambda factor: _changeable(reasons, factor, ways)
        )
        changes = dict.fromkeys(_otherwise(reasons, factors, ways, request) for factors in lifted)
        repairs = [stated(change, "a plan is possible") for change in changes]
    return NoFeasiblePlan("no configuration meets the request", clash=clash, repair=repairs)


def _every_hard_factor(reasons: Reasons) -> list[Factor]:
    # Over the full domains, so that nothing is left out in silence; a doubt stands in no one's way who asks
    # for the option.
    alone = (factor for factor in exclusion_factors(reasons.problem) if not _is_doubt(reasons, factor))
    return [*hard_factors(reasons.problem, reasons.catalogue.options), *alone]


def _asked_last(factors: Sequence[Factor], asked: Collection[str]) -> list[Factor]:
    """The factors with those about nothing but what is asked for at the end, where a conflict that can be
    told in several ways is looked for.
    """
    return sorted(factors, key=lambda factor: -len({*factor.scope} - {*asked}))


def _is_doubt(reasons: Reasons, factor: Factor) -> bool:
    return isinstance(factor.reason, Cause) and reasons.catalogue.doubt_rules.issuperset(factor.reason.ids)


def _spoken_of(factor: Factor, option: str) -> Factor:
    """The factor with its cause about one option, where it is about several of which this is one."""
    cause = factor.reason
    about = isinstance(cause, Cause) and option in (cause.option, *cause.others)
    return (
        replace(factor, reason=Cause(cause.kind, option, cause.ids))
        if about and isinstance(cause, Cause)
        else factor
    )


def _in_words(reasons: Reasons, core: Sequence[Factor], unsaid: Factor | None = None) -> list[Reason]:
    """What clashes, in words: each factor but one that goes without saying, and what the options that are
    asked for need of one another.
    """
    causes = [(factor, factor.reason) for factor in core if isinstance(factor.reason, Cause)]
    wanted = {
        reasons.catalogue.decision_of(cause.option): cause.option
        for _, cause in causes
        if cause.kind == "pin"
    }
    alone = any(cause.kind in {"rule", "needs"} for _, cause in causes)
    said: list[Reason] = []
    for factor, cause in causes:
        if cause.kind == "requirement":
            said += _need(reasons, cause, factor.scope, wanted)
        elif factor is not unsaid:
            said += reasons.cause(_of_wanted(reasons, cause, wanted.values()))
            if cause.kind == "pin" and not alone:
                said += itertools.chain.from_iterable(
                    map(reasons.cause, reasons.problem.causes(cause.option))
                )
    return list(dict.fromkeys(said))


def _of_wanted(reasons: Reasons, cause: Cause, wanted: Collection[str]) -> Cause:
    """The cause about those of its options alone that need something that is asked for, where there are any:
    the others explain nothing.
    """
    concerned = [
        option
        for option in (cause.option, *cause.others)
        if not reasons.catalogue.needs.get(option, set()).isdisjoint(wanted)
    ]
    return (
        replace(cause, option=concerned[0], others=tuple(concerned[1:]))
        if cause.others and concerned
        else cause
    )


def _need(
    reasons: Reasons, cause: Cause, scope: Sequence[str], wanted: Mapping[str, str]
) -> Iterator[Reason]:
    """What an option that is asked for needs and the others that are asked for do not give; without one, what
    those go with nothing of.
    """
    catalogue = reasons.catalogue
    decision, *others = scope
    if decision in wanted:
        given = set(wanted.values())
        for other in wanted.values():
            given.update(catalogue.provides.get(other, ()))
        for need in catalogue.needs_in_order[wanted[decision]]:
            if need in cause.ids and need not in given:
                yield from reasons.cause(Cause("requirement", wanted[decision], (need,)))
    elif partners := [wanted[other] for other in others if other in wanted]:
        names = " and ".join(catalogue.name[partner] for partner in partners)
        text = f"no {catalogue.name[decision]} that is possible goes with {names}"
        yield Reason("fact", catalogue.name[decision], text, reasons.sources(partners[0]))


def _changeable(reasons: Reasons, factor: Factor, ways: WaysOut) -> bool:
    """Whether something other than this knowledge base could be otherwise: a wish, a machine or job that a
    rule speaks of, what a target gives.
    """
    cause = factor.reason
    if not isinstance(cause, Cause) or cause.kind in {"pin", "forbid", "rule", "needs", "conflict"}:
        return isinstance(cause, Cause) and not ways.is_written_in(factor)
    return all(reasons.store.objects(need, on("probedBy")) for need in cause.ids)


def _otherwise(reasons: Reasons, lifted: Sequence[Factor], ways: WaysOut, request: Request) -> str:
    """What would have to be otherwise for some factors to be gone."""
    return " and ".join(dict.fromkeys(_lifted(reasons, factor, ways, request) for factor in lifted))


def _target_that_gives(reasons: Reasons, cause: Cause) -> Iterator[str]:
    """What another target would have, and the facts that tell; nothing where no fact of a target does."""
    keys: set[str] = set()
    for need in cause.ids:
        keys.update(reasons.store.objects(need, on("probedBy")))
    if keys:
        given = ", ".join(reasons.store.label(need) or local_name(need) for need in cause.ids)
        yield f"a target that gives {given} (fact {', '.join(sorted(keys))})"


def _lifted(reasons: Reasons, factor: Factor, ways: WaysOut, request: Request) -> str:
    if not isinstance(factor.reason, Cause):
        return ""
    cause = _of_wanted(reasons, factor.reason, reasons.problem.pins.values())
    name = reasons.catalogue.name.get(cause.option, "")
    if cause.kind in ("pin", "forbid"):
        return f"without the wish {'for' if cause.kind == 'pin' else 'against'} {name}"
    if cause.kind in ("needs", "requirement"):
        given = ", ".join(reasons.store.label(need) or local_name(need) for need in cause.ids)
        return next(_target_that_gives(reasons, cause), f"a target that gives {given}")
    if cause.kind == "rule" and not cause.others and (opt_in := ways.opt_in_for(cause.option)):
        return opt_in.said(request)
    said = "; ".join(reason.text for reason in reasons.cause(cause))
    spoke = ", ".join(local_name(iri) for iri in cause.ids)
    return f"a machine or job of which this is not so: {said} (says {spoke})"
