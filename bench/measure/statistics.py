"""Ratios of variants, paired within rounds, with an interval."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Ratio:
    """A geometric mean of paired ratios.

    Attributes:
        value: the mean; 1 is no difference.
        low: the interval's lower end; None with fewer than two pairs.
        high: the interval's upper end; None with fewer than two pairs.
        pairs: how many pairs stand behind it.
    """

    value: float
    low: float | None
    high: float | None
    pairs: int


def paired_ratio(
    variant: Sequence[float | None], baseline: Sequence[float | None], confidence: float = 0.95
) -> Ratio | None:
    """The ratio of two quantities that were measured in the same rounds.

    The logarithms of the ratios within each round are taken as a sample of a normal distribution: noise that
    slows a whole round down cancels.

    Args:
        variant, baseline: positive numbers by round; None where a round has none. Rounds in which either is
        None are left out.
        confidence: the share of such intervals that hold the true mean.

    Returns:
        None where no round has both.

    Raises:
        ValueError: the sequences differ in length.
    """
    logs = [math.log(one / other) for one, other in zip(variant, baseline, strict=True) if one and other]
    if not logs:
        return None
    mean = math.fsum(logs) / len(logs)
    if len(logs) == 1:
        return Ratio(math.exp(mean), None, None, 1)
    from scipy import stats

    spread = math.sqrt(math.fsum((value - mean) ** 2 for value in logs) / (len(logs) - 1) / len(logs))
    half = float(stats.t.ppf((1 + confidence) / 2, len(logs) - 1)) * spread
    return Ratio(math.exp(mean), math.exp(mean - half), math.exp(mean + half), len(logs))
