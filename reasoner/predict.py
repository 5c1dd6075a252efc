"""What a plan is expected to reach, and what the best other plans would.

A configuration's throughput is a baseline, measured or None, times the product of its effects. The interval of a product of ratios is that of a sum
of independent logarithms: the half widths add in quadrature.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from reasoner.ground import Problem, Term
from reasoner.menu import SCALE
from reasoner.observed import Observed
from reasoner.reasons import Reasons
from reasoner.request import Request, Resolved


def prediction(observed: Observed, problem: Problem, taken: dict[str, str], resolved: Resolved, request: Request) -> dict[str, Any]:
    """The `prediction` of a plan: throughput in samples/s (null where nothing near was measured), and the ratio to the default configuration."""
    criterion = resolved.criteria[-1]
    default = default_configuration(problem, resolved.pins)
    measured = observed.nearest(request, taken)
    throughput: dict[str, Any] = {"value": None, "unit": "samples/s", "low": None, "high": None}
    if measured is not None:
        ratio = compare(problem, criterion, taken, measured.configuration)
        throughput |= {key: round(measured.throughput * value, 1) for key, value in ratio.items()}
    return {
        "throughput": throughput,
        "vs_default": {key: round(value, 3) for key, value in compare(problem, criterion, taken, default).items()},
        "observations": [measured.id] if measured else [],
    }


def default_configuration(problem: Problem, pins: Mapping[str, str]) -> dict[str, str]:
    """What a user has who decides nothing: every default; with a framework asked for, that framework and what is documented as its default."""
    menu = problem.menu
    default = dict(menu.default)
    for decision, option in pins.items():
        if menu.default_with.get(option):
            default[decision] = option
            default |= {menu.decision_of(other): other for other in menu.default_with[option]}
    return default


def compare(problem: Problem, criterion: str, one: dict[str, str], other: dict[str, str]) -> dict[str, float]:
    """The ratio of a criterion between two configurations, with its interval: `value`, `low`, `high`."""
    first = {term.effect.iri: term for term in problem.counted(one, criterion)}
    second = {term.effect.iri: term for term in problem.counted(other, criterion)}
    differing = [*(first[iri] for iri in first.keys() - second.keys()), *(second[iri] for iri in second.keys() - first.keys())]
    log_ratio = (problem.weight(one, criterion) - problem.weight(other, criterion)) / SCALE
    half = math.sqrt(sum(_half_width(term) ** 2 for term in differing))
    return {"value": math.exp(log_ratio), "low": math.exp(log_ratio - half), "high": math.exp(log_ratio + half)}


def alternatives(reasons: Reasons, top: int) -> Iterator[dict[str, Any]]:
    """The best plans with another option, best first: at most one for each decision, and none that only adds idle changes to a better one."""
    problem, menu = reasons.problem, reasons.menu
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
        changed = {menu.name[decision]: menu.name[other] for decision, other in best.items() if other != reasons.taken[decision]}
        ratio = compare(problem, criterion, best, reasons.taken)
        yield {"rank": rank, "options": changed, "vs_best": {key: round(value, 3) for key, value in ratio.items()}}


def _told_apart(reasons: Reasons, better: int, value: int) -> bool:
    """Whether two values differ by more than tie-breaks."""
    return bool(better - value >= reasons.problem.unit // 2)


def _half_width(term: Term) -> float:
    return term.effect.width / 2
