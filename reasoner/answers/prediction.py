"""What a plan is expected to reach, and what the best other plans would.

A configuration's throughput is a baseline, measured or None, times the product of its effects. The interval
of a product of ratios is that of a sum of independent logarithms: what each may lie below its value adds in
quadrature, and what it may lie above.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from kb.records.request import Request
from reasoner.answers.expected import Expected
from reasoner.answers.observed import Observed
from reasoner.answers.reasons import Reasons
from reasoner.model.catalogue import SCALE, Effect
from reasoner.model.ground import Problem, Term, within
from reasoner.model.resolve import Resolved

Ratio = dict[str, float | None]
"""A ratio with its interval: `value`, `low`, `high`; all null where nothing known tells the two sides apart.
"""


def prediction(
    observed: Observed,
    expected: Expected,
    problem: Problem,
    taken: dict[str, str],
    resolved: Resolved,
    request: Request,
) -> dict[str, Any]:
    """The `prediction` of a plan: throughput in samples/s (null where nothing near was measured), the ratio
    to the default configuration, and how long a published benchmark takes (`time_to_target`).

    The ratio names its `parts` (what the option of each decision brings; their product is the ratio), the
    `default` (those of its options that the plan departs from), and where it is null the `reason`.
    """
    criterion = resolved.criteria[-1]
    default = default_configuration(problem, resolved.pins)
    measured = observed.nearest(request, taken)
    throughput: dict[str, Any] = {
        "value": None,
        "unit": "samples/s",
        "low": None,
        "high": None,
        "basis": None,
    }
    unsaid = [expected.unsaid_of_benchmark(request)]
    if measured is not None:
        throughput |= _scaled(
            measured.throughput,
            compare(problem, criterion, taken, measured.configuration),
            taken == measured.configuration,
        )
        throughput["basis"] = "measured"
    else:
        named = {
            problem.catalogue.name[decision]: problem.catalogue.name[option]
            for decision, option in taken.items()
        }
        estimated, missing = expected.throughput(request, named, _devices(problem, taken))
        throughput |= estimated or {}
        unsaid.append(missing)
    ratio: dict[str, Any] = dict(rounded(compare(problem, criterion, taken, default)))
    ratio["parts"] = list(_parts(problem, criterion, taken, default))
    names = problem.catalogue.name
    ratio["default"] = {
        names[decision]: names[option] for decision, option in default.items() if option != taken[decision]
    }
    ratio["reason"] = None
    if ratio["value"] is None:
        ratio["reason"] = (
            "nothing known tells it from the default" if ratio["default"] else "it is the default itself"
        )
    return {
        "throughput": throughput,
        "vs_default": ratio,
        "time_to_target": expected.time_to_target(request),
        "unsaid": list(filter(None, unsaid)),
        "observations": [measured.id] if measured else [],
    }


def _devices(problem: Problem, taken: Mapping[str, str]) -> int:
    """How many accelerators of a node the program uses; 0: all that there are."""
    options, most = {*taken.values()}, 0
    for option in options:
        for how, _, name, value in problem.catalogue.info[option].applied(options):
            if (how, name) == ("flag", "devices"):
                most = max(most, int(value))
    return most


def rounded(ratio: Ratio) -> Ratio:
    """A ratio as plans print it."""
    return {key: None if value is None else round(value, 3) for key, value in ratio.items()}


def _scaled(rate: float, ratio: Ratio, same: bool) -> Ratio:
    """A measured rate times a ratio; where nothing is known of what differs, the rate without an interval."""
    if ratio["value"] is None:
        return {
            "value": round(rate, 1),
            "low": round(rate, 1) if same else None,
            "high": round(rate, 1) if same else None,
        }
    return {key: round(rate * (value or 0.0), 1) for key, value in ratio.items()}


def _parts(
    problem: Problem, criterion: str, taken: dict[str, str], default: dict[str, str]
) -> Iterator[dict[str, Any]]:
    """What each decision brings to the ratio by what was taken in the place of its default, the greatest gain
    first.
    """
    catalogue = problem.catalogue
    by_decision: dict[str, tuple[list[Term], list[Term]]] = defaultdict(lambda: ([], []))
    for side, terms in enumerate(_differing(problem, criterion, taken, default)):
        for term in terms:
            by_decision[_answerable(term, catalogue.decision_of(term.effect.option), taken, default)][
                side
            ].append(term)
    parts = []
    for decision, (brought, left) in by_decision.items():
        log_ratio = (sum(term.weight for term in brought) - sum(term.weight for term in left)) / SCALE
        ratio = rounded(_around(log_ratio, *_spread(brought, left)))
        parts.append(
            (log_ratio, {"options": {catalogue.name[decision]: catalogue.name[taken[decision]]}, **ratio})
        )
    yield from (part for _, part in sorted(parts, key=lambda entry: -entry[0]))


def _answerable(term: Term, decision: str, taken: Mapping[str, str], default: Mapping[str, str]) -> str:
    """The decision that makes a term count on one side only: its own, or where that stays at its default, the
    one beside which it holds.
    """
    if taken[decision] != default[decision]:
        return decision
    return next(
        (
            beside
            for beside, options in term.effect.given
            if (taken[beside] in options) != (default[beside] in options)
        ),
        decision,
    )


def default_configuration(problem: Problem, pins: Mapping[str, str]) -> dict[str, str]:
    """What a user has who decides nothing: every default; with a framework asked for, that framework and what
    is documented as its default.
    """
    catalogue = problem.catalogue
    default = dict(catalogue.default)
    for decision, option in pins.items():
        if catalogue.default_with.get(option):
            default[decision] = option
            default |= {catalogue.decision_of(other): other for other in catalogue.default_with[option]}
    return default


def compare(problem: Problem, criterion: str, one: dict[str, str], other: dict[str, str]) -> Ratio:
    """The ratio of a criterion between two configurations, with its interval; null where no effect tells them
    apart.
    """
    first, second = _differing(problem, criterion, one, other)
    if not first and not second:
        return {"value": None, "low": None, "high": None}
    log_ratio = (problem.weight(one, criterion) - problem.weight(other, criterion)) / SCALE
    return _around(log_ratio, *_spread(first, second))


def _around(log_ratio: float, down: float, up: float) -> Ratio:
    return {"value": math.exp(log_ratio), "low": math.exp(log_ratio - down), "high": math.exp(log_ratio + up)}


def _spread(above: Sequence[Term], below: Sequence[Term]) -> tuple[float, float]:
    """How far the logarithm of a quotient may lie below and above its value: statements that a narrower one
    replaces count no more.
    """
    bounds = [
        (centre - math.log(effect.low), math.log(effect.high) - centre) for effect, centre in _standing(above)
    ]
    bounds += [
        (math.log(effect.high) - centre, centre - math.log(effect.low)) for effect, centre in _standing(below)
    ]
    return math.hypot(*(down for down, _ in bounds)), math.hypot(*(up for _, up in bounds))


def _standing(terms: Sequence[Term]) -> Iterator[tuple[Effect, float]]:
    for term in terms:
        effect = term.effect
        if not any(
            other is not term and other.effect.option == effect.option and within(other.effect, effect)
            for other in terms
        ):
            yield effect, effect.weight / SCALE


def _differing(
    problem: Problem, criterion: str, one: dict[str, str], other: dict[str, str]
) -> tuple[list[Term], list[Term]]:
    """The terms that count for one configuration and not for the other, and the other way round."""
    first = {term.effect.iri: term for term in problem.counted(one, criterion)}
    second = {term.effect.iri: term for term in problem.counted(other, criterion)}
    return [first[iri] for iri in first.keys() - second.keys()], [
        second[iri] for iri in second.keys() - first.keys()
    ]


def alternatives(reasons: Reasons, top: int) -> Iterator[dict[str, Any]]:
    """The best plans with another option, best first: at most one for each decision, and none that only adds
    idle changes to a better one.
    """
    problem, catalogue = reasons.problem, reasons.catalogue
    rivals: list[tuple[int, str]] = []
    for decision, values in reasons.marginals.items():
        others = [(value, option) for option, value in values.items() if option != reasons.taken[decision]]
        if others:
            rivals.append(max(others, key=lambda rival: (rival[0], rival[1])))
    criterion = next(iter(problem.terms))
    rank, last = 0, reasons.best
    for value, option in sorted(rivals, key=lambda rival: (-rival[0], rival[1])):
        # As good as the one before, up to tie-breaks: the same plan, or that plan with an idle change.
        if rank == top or not _told_apart(reasons, last, value):
            continue
        rank, last = rank + 1, value
        best = reasons.best_with(option)
        changed = {
            catalogue.name[decision]: catalogue.name[other]
            for decision, other in best.items()
            if other != reasons.taken[decision]
        }
        ratio = compare(problem, criterion, best, reasons.taken)
        yield {"rank": rank, "options": changed, "vs_best": rounded(ratio)}


def _told_apart(reasons: Reasons, better: int, value: int) -> bool:
    """Whether two values differ by more than tie-breaks."""
    return bool(better - value >= reasons.problem.unit // 2)
