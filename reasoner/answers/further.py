"""Further wishes on top of those of a plan: a later word takes the place of an earlier one where both cannot
hold, and else stands beside it.

| a later wish | with the plan's |
|---|---|
| workload, target, site, framework, objective, numerics, top | takes the place of the plan's |
| a pin | takes the place of the plan's pin of that decision, and of the plan's wish that the option be never
taken |
| forbid | stands beside the plan's, and takes the place of the plan's pin of that option |
| allow | stands beside the plan's |
| drop | leaves a wish of the plan out, before anything else is looked at |
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from kb.errors import BadInput
from kb.records.names import Names, listed
from kb.records.request import FRAMEWORK, Request
from kb.records.target import Target
from kb.records.workload import Workload
from kb.values import defaults_of, replace
from reasoner.model.catalogue import Catalogue
from reasoner.model.resolve import find_decision, find_option, option_name, with_names

_FORBID = "forbid"
_DROP = "drop"
_DEFAULTS = defaults_of(Request)


def on_top(
    plans: Request,
    catalogue: Catalogue,
    names: Names,
    given: Mapping[str, Any],
    *,
    workload: Workload | None = None,
    target: Target | None = None,
) -> Request:
    """A plan's request with further wishes on top of its own.

    Args:
        plans: the request that the plan answers.
        given: the further wishes, in the form that a request has them in, with their `places`; what is not
            given is not there. `drop` is what of the plan's is left out: `framework`, `numerics`,
            `objective`, `site`, `pin=DECISION`, `forbid=OPTION`, `allow=OPTION`.
        workload, target: what takes the place of the plan's.

    Raises:
        BadInput: a name is unknown, or a wish to leave out is none of the plan's.
    """
    places = given.get("places", {})
    start = _without(
        with_names(plans, catalogue, names), given.get(_DROP, ()), catalogue, places.get(_DROP, _DROP)
    )
    wishes = {key: value for key, value in given.items() if key != _DROP}
    more = with_names(Request(plans.workload, plans.target, **wishes), catalogue, names)
    pins = {
        decision: option
        for decision, option in start.pins.items()
        if decision not in more.pins and f"{decision}={option}" not in more.forbid
    }
    framework = start.framework if f"{FRAMEWORK}={start.framework}" not in more.forbid else None
    made = replace(
        start,
        workload=workload or start.workload,
        target=target or start.target,
        framework=more.framework or framework,
        pins=pins | dict(more.pins),
        numbers={decision: number for decision, number in start.numbers.items() if decision in pins}
        | dict(more.numbers),
        forbid=tuple(sorted({*start.forbid} - more.wishes() | {*more.forbid})),
        allow=tuple(sorted({*start.allow, *more.allow})),
        places=places,
        typed=more.typed,
        **{key: getattr(more, key) for key in ("site", "objective", "numerics", "top") if key in given},
    )
    return replace(made, of_plan=start.of_plan & made.wishes())


def _without(request: Request, drop: Iterable[str], catalogue: Catalogue, where: str) -> Request:
    for text in drop:
        request = replace(request, **_dropped(request, text, catalogue, where))
    return request


def _dropped(request: Request, text: str, catalogue: Catalogue, where: str) -> dict[str, Any]:
    """What of a request is otherwise without one of its wishes."""
    kind, _, rest = text.partition("=")
    if kind in _SINGLE and not rest and getattr(request, kind) != _DEFAULTS[kind]:
        return {kind: _DEFAULTS[kind]}
    if kind in _MANY and rest:
        option = option_name(catalogue, find_option(catalogue, rest, where))
        if option in getattr(request, kind):
            return {kind: tuple(other for other in getattr(request, kind) if other != option)}
    if kind == "pin" and (decision := find_decision(catalogue, rest.partition("=")[0])):
        name = catalogue.name[decision]
        if name == FRAMEWORK and request.framework:
            return {FRAMEWORK: None}
        if name in request.pins:
            return {kind: _but(getattr(request, kind), name) for kind in ("pins", "numbers")}
    known = list(_droppable(request))
    problem = f"'{text}' is no wish of the plan"
    raise BadInput(
        where,
        problem,
        expected=listed(known) if known else "nothing: the plan has none to leave out",
        given=text,
        known=known,
    )


def _but(wishes: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in wishes.items() if key != name}


def _droppable(request: Request) -> Iterable[str]:
    yield from (kind for kind in _SINGLE if getattr(request, kind) != _DEFAULTS[kind])
    yield from (f"pin={decision}" for decision in request.pins)
    for kind in _MANY:
        yield from (f"{kind}={option}" for option in getattr(request, kind))


_SINGLE = ("site", FRAMEWORK, "objective", "numerics")
_MANY = (_FORBID, "allow")
