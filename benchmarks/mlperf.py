"""MLPerf: what the estimator of minutes that `kb learn` makes of round v4.1, and `plan` reads, says of round v5.0.

The order of pairs of results of one benchmark (ties half), and the error |said / published - 1|, apart where
accelerator, count and benchmark were in v4.1 and where not. llama31_405b, which v4.1 has not, stands apart.

    python benchmarks/mlperf.py
"""

from __future__ import annotations

import itertools
import math
import random
import time
from collections import defaultdict
from collections.abc import Sequence
from statistics import fmean, median

from kb.observations.estimates import Estimate, Estimator
from kb.observations.learning import Sample, declared_estimator, learn_estimator, samples
from kb.values import replace

LEARNT, JUDGED = "v4.1", "v5.0"
Said = tuple[Estimate, Sample]


def rounds(*, doubted: bool = False) -> tuple[list[Sample], list[Sample]]:
    """The results of the round that is learnt from, and those of the round that is judged by."""
    certain, _ = samples(declared_estimator("mlperf_minutes"))
    judged, _ = samples(declared_estimator("mlperf_minutes"), doubted=doubted)
    return (
        [one for one in certain if one.groups["round"] == LEARNT],
        [one for one in judged if one.groups["round"] == JUDGED],
    )


def said(estimator: Estimator, wanted: Sequence[Sample]) -> list[Said]:
    """What is said of samples of benchmarks that the estimator knows."""
    found = []
    for one in wanted:
        estimate = estimator.said(one.factors, one.numbers)
        if estimate is not None and estimator.knows("benchmark", one.factors["benchmark"]):
            found.append((estimate, one))
    return found


def order_of_pairs(found: Sequence[Said], *, equal_counts: bool = False) -> float:
    """The share of pairs of one benchmark that are told in the right order."""
    right: list[float] = []
    for (first, one), (second, other) in itertools.combinations(found, 2):
        if one.factors["benchmark"] != other.factors["benchmark"] or one.value == other.value:
            continue
        if equal_counts and one.factors["devices"] != other.factors["devices"]:
            continue
        apart = math.log(first.value / second.value)
        right.append(0.5 if abs(apart) < 1e-9 else float((one.value - other.value) * apart > 0))
    return fmean(right)


def bound(found: Sequence[Said], *, equal_counts: bool = False) -> float:
    """The order that the best of all functions of accelerator, count and benchmark would reach: systems that
    are alike in them are ties.
    """
    alike: dict[tuple[str, ...], list[float]] = defaultdict(list)
    for _, one in found:
        alike[_cell(one)].append(one.value)
    best = []
    for _, one in found:
        value = math.exp(fmean(alike[_cell(one)]))
        best.append((Estimate(value, value, value), one))
    return order_of_pairs(best, equal_counts=equal_counts)


def _cell(one: Sample) -> tuple[str, ...]:
    return tuple(one.factors[name] for name in ("benchmark", "accelerator", "devices"))


def told_apart(found: Sequence[Said], *, equal_counts: bool = False) -> float:
    """The order of the pairs whose accelerators or counts differ."""
    right = [pair for pair in itertools.combinations(found, 2) if _cell(pair[0][1]) != _cell(pair[1][1])]
    return fmean(
        order_of_pairs(pair, equal_counts=equal_counts) for pair in right if _comparable(pair, equal_counts)
    )


def _comparable(pair: tuple[Said, Said], equal_counts: bool) -> bool:
    (_, one), (_, other) = pair
    counts = not equal_counts or one.factors["devices"] == other.factors["devices"]
    return one.factors["benchmark"] == other.factors["benchmark"] and one.value != other.value and counts


def error(one: Said) -> float:
    """The error of the minutes, relative to the published ones."""
    return abs(one[0].value / math.exp(one[1].value) - 1)


def seen(one: Said) -> bool:
    """Whether accelerator, count and benchmark together were learnt from."""
    return "measured" not in one[0].unseen


def covered(found: Sequence[Said]) -> float:
    """The share of results within their intervals."""
    return fmean(each.low <= math.exp(one.value) <= each.high for each, one in found)


def one_line(known: Sequence[Sample], judged: Sequence[Sample]) -> list[Said]:
    """The one-line model: the mean of a benchmark, and minutes inversely as devices times half-precision peak."""
    rates: dict[str, list[float]] = defaultdict(list)
    for one in known:
        rates[one.factors["benchmark"]].append(one.value + _power(one))
    found = []
    for one in judged:
        if one.factors["benchmark"] in rates:
            value = math.exp(fmean(rates[one.factors["benchmark"]]) - _power(one))
            found.append((Estimate(value, value, value), one))
    return found


def _power(one: Sample) -> float:
    return math.log(one.numbers["devices"] * one.numbers["half_peak"])


def permuted(known: Sequence[Sample]) -> list[Sample]:
    """The samples with their minutes dealt anew."""
    values = [one.value for one in known]
    random.Random(0).shuffle(values)
    return [replace(one, value=value) for one, value in zip(known, values, strict=True)]


def print_figures(name: str, found: Sequence[Said]) -> None:
    """One line of figures for each part."""
    print(f"{name}: {len(found)} results, order of pairs {order_of_pairs(found):.3f}", end="")
    print(f", at equal counts {order_of_pairs(found, equal_counts=True):.3f}")
    print(
        f"  without pairs that are alike {told_apart(found):.3f}, at equal counts "
        f"{told_apart(found, equal_counts=True):.3f}; at most {bound(found):.3f}, at equal counts "
        f"{bound(found, equal_counts=True):.3f}"
    )
    for part, chosen in (("seen", True), ("unseen", False)):
        some = [one for one in found if seen(one) == chosen]
        if some:
            errors = sorted(map(error, some))
            print(
                f"  {part}: {len(some)}, median error {median(errors):.3f}, mean {fmean(errors):.3f}, "
                f"largest {errors[-1]:.2f}, within the interval {covered(some):.3f}"
            )


def main() -> None:
    """Print every figure of the line."""
    start = time.perf_counter()
    learnt, judged = rounds()
    asked = declared_estimator("mlperf_minutes")
    estimator = learn_estimator(asked, learnt)
    print(f"learnt from {len(learnt)} results of {LEARNT}; intervals widened by {estimator.widened:.2f}")
    print_figures(f"{JUDGED}", said(estimator, judged))
    print_figures(f"{JUDGED} with the doubted", said(estimator, rounds(doubted=True)[1]))
    print_figures("one line", one_line(learnt, judged))
    print_figures("permuted", said(learn_estimator(asked, permuted(learnt)), judged))
    by_accelerator: dict[str, list[Said]] = defaultdict(list)
    for one in said(estimator, judged):
        by_accelerator[one[1].factors["accelerator"]].append(one)
    for accelerator, some in sorted(by_accelerator.items()):
        print(f"  {accelerator}: {len(some)}, median error {median(map(error, some)):.3f}")
    apart = [one for one in judged if not estimator.knows("benchmark", one.factors["benchmark"])]
    print(f"apart, nothing is said: {len(apart)} of {sorted({one.factors['benchmark'] for one in apart})}")
    print(f"{time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
