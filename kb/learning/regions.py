"""Regions of a workload's numbers in which an option does the same: a small regression tree, with thresholds
that people can read.

Needs scikit-learn (`pip install 'ontune[learn]'`), and only here: what is learnt is read without it.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from kb.errors import BadInput
from kb.learning.cases import Case, Question

_TAIL = 0.05
_Z = 1.6449  # of the normal distribution at 1 - _TAIL
_DIGITS = 2


@dataclass(frozen=True)
class Region:
    """One region, and what the option does there. Ratios are logarithms.

    Attributes:
        bounds: by feature, above what and up to what its value lies; infinite where nothing bounds it.
        ratio: the mean.
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
    """The regions of a question, from cases of which the numbers are known; every workload with numbers lies
    in exactly one.

    Raises:
        BadInput: scikit-learn is missing, or there are too few cases.
    """
    least = asked.declared["least"]
    known = [case for case in given if case.numbers]
    if len(known) < 2 * least:
        raise BadInput(asked.name, f"{len(known)} cases are too few", expected=f"at least {2 * least}")
    found = []
    for bounds in _cut(asked, known):
        inside = [
            case
            for case in known
            if all(low < case.numbers[feature] <= high for feature, (low, high) in bounds.items())
        ]
        if inside:
            found.append(_region(bounds, inside))
    return found


def _cut(asked: Question, known: Sequence[Case]) -> list[dict[str, tuple[float, float]]]:
    """The bounds of the regions, by a regression tree whose thresholds are rounded."""
    try:
        from sklearn.tree import DecisionTreeRegressor
    except ImportError as error:
        raise BadInput(
            "kb learn", "scikit-learn is missing", expected="pip install 'ontune[learn]'"
        ) from error
    model = DecisionTreeRegressor(
        max_leaf_nodes=asked.declared["regions"], min_samples_leaf=asked.declared["least"], random_state=0
    )
    model.fit(
        [[case.numbers[feature] for feature in asked.features] for case in known],
        [case.ratio for case in known],
    )
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
    return [bounds for bounds in found if all(low < high for low, high in bounds.values())]


def _readable(threshold: float) -> float:
    """A threshold with two digits that count."""
    return float(f"{threshold:.{_DIGITS}g}")


def _region(bounds: Mapping[str, tuple[float, float]], inside: Sequence[Case]) -> Region:
    ratios = sorted(case.ratio for case in inside)
    ratio = fmean(ratios)
    by_family: dict[str, list[float]] = defaultdict(list)
    for case in inside:
        by_family[case.family].append(case.ratio - ratio)
    families = len(by_family)
    # Networks of one family err together, so the error of the mean is counted by families; one family alone
    # says nothing of others.
    squares = math.fsum(math.fsum(errors) ** 2 for errors in by_family.values())
    error = math.sqrt(squares * families / (families - 1)) / len(ratios) if families > 1 else math.inf
    far = _Z * error if math.isfinite(error) else max(abs(ratios[0]), abs(ratios[-1])) + abs(ratio)
    interval = _quantile(ratios, _TAIL), _quantile(ratios, 1 - _TAIL)
    return Region(
        dict(bounds),
        ratio,
        (ratio - far, ratio + far),
        (min(interval[0], ratio), max(interval[1], ratio)),
        len(ratios),
        families,
    )


def _quantile(ordered: Sequence[float], share: float) -> float:
    """The value that a further one lies below with this probability, as far as there are values to tell:
    ranks are of n + 1.
    """
    rank = share * (len(ordered) + 1) - 1
    low = min(max(math.floor(rank), 0), len(ordered) - 1)
    high = min(max(math.ceil(rank), 0), len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * min(max(rank - low, 0.0), 1.0)
