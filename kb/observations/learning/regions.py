"""Regions of a workload's numbers in which an option does the same: a small regression tree, with thresholds
that people can read.

Needs scikit-learn (`pip install 'ontune[learn]'`), and only here: what is learnt is read without it.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, median, stdev
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kb.errors import BadInput
from kb.observations.learning.cases import Case, Question, left_out, without
from kb.values import replace

_TAIL = 0.05
_Z = 1.6449  # of the normal distribution at 1 - _TAIL
_DIGITS = 2
_FOLDS = 5

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Region:
    """One region, and what the option does there. Ratios are logarithms.

    Attributes:
        bounds: by feature, above what and up to what its value lies; infinite where nothing bounds it.
        ratio: the mean, or the median where the size is asked for.
        mean: where the mean itself lies, which is what a choice asks.
        interval: where an unseen network of the region lies, which is what a promise asks.
        networks, families: how many stand behind it.
    """

    bounds: Mapping[str, tuple[float, float]]
    ratio: float
    mean: tuple[float, float]
    interval: tuple[float, float]
    networks: int
    families: int

    def holds(self, numbers: Mapping[str, float]) -> bool:
        """Whether a workload with these numbers lies in it."""
        return all(low < numbers[feature] <= high for feature, (low, high) in self.bounds.items())


def learn(asked: Question, given: Sequence[Case]) -> list[Region]:
    """The regions of a question, from cases of which the numbers are known; every workload lies in one at
    most, and where there is but one case nothing is said.

    Where the question leaves open how many regions there are and how few cases one may hold, families that
    are left out of these cases decide, and the intervals are widened until nine of ten of them lie inside.

    Raises:
        BadInput: scikit-learn is missing, or there are too few cases.
    """
    if not asked.features:
        return [_region({}, list(given), median)]
    sizes: list[_Size] = []
    for least in sorted(_several(asked.declared["least"]), reverse=True):
        sizes += [_Size(regions, least) for regions in sorted(_several(asked.declared["regions"]))]
    known, least = [case for case in given if case.numbers], min(size.least for size in sizes)
    if len(known) < 2 * least:
        raise BadInput(asked.name, f"{len(known)} cases are too few", expected=f"at least {2 * least}")
    if len(sizes) == 1:
        return _regions(asked, known, sizes[0])
    size, margin = _fitting(asked, known, sizes)
    return [
        replace(region, interval=(region.interval[0] - margin, region.interval[1] + margin))
        for region in _regions(asked, known, size)
    ]


@dataclass(frozen=True)
class _Size:
    """How many regions there may be at most, and how many cases one holds at least."""

    regions: int
    least: int


def _several(declared: int | Sequence[int]) -> Sequence[int]:
    return [declared] if isinstance(declared, int) else declared


def _fitting(asked: Question, known: Sequence[Case], sizes: Sequence[_Size]) -> tuple[_Size, float]:
    """The size that does best for families that are left out, of equal ones the plainest; and by how much the
    intervals are too narrow for them.
    """
    folds = left_out(known, _FOLDS)
    rests = [without(known, fold) for fold in folds]
    found: dict[_Size, list[tuple[Case, Region | None]]] = {}
    for size in sizes:
        found[size] = []
        for fold, rest in zip(folds, rests, strict=True):
            regions = _regions(asked, rest, size)
            found[size] += [(case, holding(regions, case)) for case in fold]
    best = min(sizes, key=lambda size: fmean(_loss(asked, *one) for one in found[size]))
    return best, _margin(found[best])


def holding(regions: Sequence[Region], case: Case) -> Region | None:
    """The region that a case of which the numbers are known lies in."""
    return next((region for region in regions if region.holds(case.numbers)), None)


def _margin(found: Sequence[tuple[Case, Region | None]]) -> float:
    """How far nine of ten cases lie outside of their intervals at most; each family counts as one."""
    told = [(case, region) for case, region in found if region is not None]
    sizes = Counter(case.family for case, _ in told)
    misses = sorted(
        (max(region.interval[0] - case.ratio, case.ratio - region.interval[1]), 1 / sizes[case.family])
        for case, region in told
    )
    reached = 0.0
    for miss, weight in misses:
        reached += weight
        if reached >= (1 - 2 * _TAIL) * len(sizes):
            return max(miss, 0.0)
    return 0.0


def _loss(asked: Question, case: Case, region: Region | None) -> float:
    """What it costs to believe the region: for a choice the logarithm of the best rate over what is taken,
    for a size the error relative to the measured ratio.
    """
    if _of_size(asked):
        return abs(math.expm1((region.ratio if region else 0.0) - case.ratio))
    return max(-case.ratio, 0.0) if region and region.mean[0] > 0 else max(case.ratio, 0.0)


def _of_size(asked: Question) -> bool:
    """Whether the size of the ratio is asked for, and not only which option to take."""
    return bool(asked.declared.get("judged_by") == "size")


def _regions(asked: Question, known: Sequence[Case], size: _Size) -> list[Region]:
    found = []
    columns: dict[str, Numbers] = {}
    for feature in asked.features:
        columns[feature] = np.array([case.numbers[feature] for case in known])
    for bounds in _cut(asked, known, size, columns):
        lies = np.full(len(known), True)
        for feature, (low, high) in bounds.items():
            lies &= (low < columns[feature]) & (columns[feature] <= high)
        inside = [known[int(number)] for number in np.flatnonzero(lies)]
        if len(inside) > 1:
            found.append(_region(bounds, inside, median if _of_size(asked) else fmean))
    return found


def _cut(
    asked: Question, known: Sequence[Case], size: _Size, columns: Mapping[str, Numbers]
) -> list[dict[str, tuple[float, float]]]:
    """The bounds of the regions, by a regression tree whose thresholds are rounded."""
    try:
        from sklearn.tree import DecisionTreeRegressor
    except ImportError as error:
        raise BadInput(
            "kb learn", "scikit-learn is missing", expected="pip install 'ontune[learn]'"
        ) from error
    model = DecisionTreeRegressor(max_leaf_nodes=size.regions, min_samples_leaf=size.least, random_state=0)
    model.fit(np.column_stack(list(columns.values())), [case.ratio for case in known])
    tree: Any = model.tree_
    found: list[dict[str, tuple[float, float]]] = []

    def walk(node: int, bounds: dict[str, tuple[float, float]]) -> None:
        if tree.children_left[node] < 0:
            found.append(bounds)
            return
        feature, threshold = asked.features[tree.feature[node]], _readable(float(tree.threshold[node]))
        low, high = bounds.get(feature, (-math.inf, math.inf))
        walk(tree.children_left[node], bounds | {feature: (low, min(high, threshold))})
        walk(tree.children_right[node], bounds | {feature: (max(low, threshold), high)})

    walk(0, {})
    return list(filter(_holds_anything, found))


def _holds_anything(bounds: Mapping[str, tuple[float, float]]) -> bool:
    """Whether a number can lie within each of some bounds; rounded thresholds may have met."""
    return all(low < high for low, high in bounds.values())


def _readable(threshold: float) -> float:
    """A threshold with two digits that count."""
    return float(f"{threshold:.{_DIGITS}g}")


def _region(
    bounds: Mapping[str, tuple[float, float]],
    inside: Sequence[Case],
    middle: Callable[[Sequence[float]], float],
) -> Region:
    ratios = sorted(case.ratio for case in inside)
    mean, ratio = fmean(ratios), middle(ratios)
    by_family: dict[str, list[float]] = defaultdict(list)
    for case in inside:
        by_family[case.family].append(case.ratio - mean)
    families = len(by_family)
    # Networks of one family err together, so the error of the mean is counted by families; one family alone
    # says nothing of others.
    squares = math.fsum(math.fsum(errors) ** 2 for errors in by_family.values())
    error = math.sqrt(squares * families / (families - 1)) / len(ratios) if families > 1 else math.inf
    far = _Z * error if math.isfinite(error) else max(abs(ratios[0]), abs(ratios[-1])) + abs(mean)
    return Region(
        dict(bounds),
        ratio,
        (min(mean - far, ratio), max(mean + far, ratio)),
        _where_one_lies(ratios, ratio, families),
        len(ratios),
        families,
    )


def _where_one_lies(ordered: Sequence[float], ratio: float, families: int) -> tuple[float, float]:
    """Nine of ten further cases lie in it. Where there are too few for their ranks to tell, so far as they
    spread, with one degree of freedom less than there are families.
    """
    from scipy.special import stdtrit

    low, high = _quantile(ordered, _TAIL), _quantile(ordered, 1 - _TAIL)
    if len(ordered) < 1 / _TAIL - 1:
        reach = stdtrit(max(families - 1, 1), 1 - _TAIL) * stdev(ordered) * math.sqrt(1 + 1 / len(ordered))
        low, high = min(low, ratio - reach), max(high, ratio + reach)
    return min(low, ratio), max(high, ratio)


def _quantile(ordered: Sequence[float], share: float) -> float:
    """The value that a further one lies below with this probability, as far as there are values to tell:
    ranks are of n + 1.
    """
    rank = share * (len(ordered) + 1) - 1
    low = min(max(math.floor(rank), 0), len(ordered) - 1)
    high = min(max(math.ceil(rank), 0), len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * min(max(rank - low, 0.0), 1.0)
