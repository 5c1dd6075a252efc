"""Why an option was not taken, and the smallest change that would admit it; why nothing is feasible, and what to give up."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from kb.terms import local_name, on
from reasoner.ground import Cause, exclusion_factors, hard_factors
from reasoner.plan import Reason
from reasoner.reasons import Reasons
from reasoner.solve import Factor, minimal_conflict, smallest_relaxations


def why_not(reasons: Reasons, option: str) -> dict[str, Any]:
    """The answer of `ontune why-not` for an option's IRI: decision, option, status, reasons, repair."""
    menu = reasons.menu
    decision = menu.decision_of(option)
    answer: dict[str, Any] = {"decision": menu.name[decision], "option": menu.name[option]}
    if reasons.taken.get(decision) == option:
        return {**answer, "status": "chosen", "reasons": [asdict(reason) for reason in reasons.chosen(decision)], "repair": []}
    ratio = None if option in reasons.problem.excluded else reasons.ratio(option)
    if ratio is not None:
        pin = f"--pin {menu.name[decision]}={menu.name[option]}"
        repair = [{"change": pin, "then": f"{menu.name[option]} is taken, at {ratio:.2f} of the chosen plan"}]
        return {**answer, "status": "beaten", "reasons": [asdict(reason) for reason in reasons.against(option)], "repair": repair}
    asked = Factor((decision,), {(option,): 0}, None, Cause("pin", option))
    hard = [asked, *(_spoken_of(factor, option) for factor in _every_hard_factor(reasons))]
    core = minimal_conflict(menu.options, hard)
    found = _said(reasons, core, asked)
    repair = [
        {"change": " and ".join(_lifted(reasons, factor) for factor in lifted), "then": f"{menu.name[option]} becomes possible"}
        for lifted in smallest_relaxations(menu.options, hard, lambda factor: factor is not asked and _changeable(factor))
    ]
    return {**answer, "status": "conflict", "reasons": [asdict(reason) for reason in found or reasons.against(option)], "repair": repair}


def infeasible_message(reasons: Reasons) -> str:
    """What to say when no configuration is feasible: which requirements clash, and every smallest way out."""
    core = minimal_conflict(reasons.menu.options, _every_hard_factor(reasons))
    clash = "; ".join(dict.fromkeys(reason.text for reason in _said(reasons, core)))
    ways = smallest_relaxations(reasons.menu.options, _every_hard_factor(reasons), _changeable)
    out = "; or ".join(" and ".join(_lifted(reasons, factor) for factor in lifted) for lifted in ways)
    return f"no configuration meets the request: {clash}." + (f" Smallest ways out: {out}." if out else "")


def _every_hard_factor(reasons: Reasons) -> list[Factor]:
    # Over the full domains, so that nothing is left out in silence.
    return [*hard_factors(reasons.problem, reasons.menu.options), *exclusion_factors(reasons.problem)]


def _spoken_of(factor: Factor, option: str) -> Factor:
    """The factor with its cause about one option, where it is about several of which this is one."""
    cause = factor.reason
    about = isinstance(cause, Cause) and option in (cause.option, *cause.others)
    return replace(factor, reason=Cause(cause.kind, option, cause.ids)) if about and isinstance(cause, Cause) else factor


def _said(reasons: Reasons, core: Sequence[Factor], unsaid: Factor | None = None) -> list[Reason]:
    """What clashes, in words: each factor but one that goes without saying, and what the options that are asked for need of one another."""
    causes = [(factor, factor.reason) for factor in core if isinstance(factor.reason, Cause)]
    wanted = {reasons.menu.decision_of(cause.option): cause.option for _, cause in causes if cause.kind == "pin"}
    alone = any(cause.kind in {"rule", "needs"} for _, cause in causes)
    said: list[Reason] = []
    for factor, cause in causes:
        if cause.kind == "supply":
            said += _need(reasons, cause, factor.scope, wanted)
        elif factor is not unsaid:
            said += reasons.cause(_of_wanted(reasons, cause, wanted.values()))
            if cause.kind == "pin" and not alone:
                said += itertools.chain.from_iterable(map(reasons.cause, reasons.problem.causes(cause.option)))
    return list(dict.fromkeys(said))


def _of_wanted(reasons: Reasons, cause: Cause, wanted: Collection[str]) -> Cause:
    """The cause about those of its options alone that need something that is asked for, where there are any: the others explain nothing."""
    concerned = [option for option in (cause.option, *cause.others) if not reasons.menu.needs.get(option, set()).isdisjoint(wanted)]
    return replace(cause, option=concerned[0], others=tuple(concerned[1:])) if cause.others and concerned else cause


def _need(reasons: Reasons, cause: Cause, scope: Sequence[str], wanted: Mapping[str, str]) -> Iterator[Reason]:
    """What an option that is asked for needs and the others that are asked for do not give; without one, what those go with nothing of."""
    menu = reasons.menu
    decision, *others = scope
    if decision in wanted:
        given = {given for other in wanted.values() for given in (other, *menu.provides.get(other, ()))}
        for need in menu.needs_in_order[wanted[decision]]:
            if need in cause.ids and need not in given:
                yield from reasons.cause(Cause("supply", wanted[decision], (need,)))
    elif partners := [wanted[other] for other in others if other in wanted]:
        text = f"no {menu.name[decision]} that is possible goes with {' and '.join(menu.name[partner] for partner in partners)}"
        yield Reason("fact", menu.name[decision], text, reasons.sources(partners[0]))


def _changeable(factor: Factor) -> bool:
    return isinstance(factor.reason, Cause) and factor.reason.kind in {"pin", "forbid", "rule", "needs", "conflict"}


def _lifted(reasons: Reasons, factor: Factor) -> str:
    cause = factor.reason
    if not isinstance(cause, Cause):
        return ""
    name = reasons.menu.name.get(cause.option, "")
    decision = reasons.menu.name[reasons.menu.decision_of(cause.option)] if cause.option else ""
    if cause.kind == "pin":
        return f"drop the wish for {decision}={name}"
    if cause.kind == "forbid":
        return f"allow {name} again"
    if cause.kind == "needs":
        keys = sorted({key for need in cause.ids for key in reasons.store.objects(need, on("probedBy"))})
        return f"a target that gives {', '.join(local_name(need) for need in cause.ids)}" + (f" (fact {', '.join(keys)})" if keys else "")
    if reasons.menu.doubt_rules.issuperset(cause.ids):
        return f"--pin {decision}={name}"
    more = f" (and {len(cause.others)} more)" if cause.others else ""
    return f"what '{', '.join(local_name(rule) for rule in cause.ids)}' says of {name}{more} no longer holds"
