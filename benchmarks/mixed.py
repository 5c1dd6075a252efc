"""Mixed precision: does what `kb learn` learns of 16 bits against TF32 and against FP32, and `plan` reads, hold for
networks that it has not seen?

A network is left out in every framework. The error is |said / measured - 1| of every pair of rows with equal
batch. `permuted` deals the ratios of networks anew.

    python benchmarks/mixed.py [QUESTION]
"""

from __future__ import annotations

import math
import random
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, median

from kb.observations.learning import Case, Question, Region, cases, learn, question, without
from kb.values import replace

QUESTIONS = ("mixed_tf32", "mixed_fp32")


@dataclass(frozen=True)
class Said:
    """What is said of a network by the rows of all others."""

    case: Case
    region: Region

    @property
    def errors(self) -> list[float]:
        """The error of the ratio for each pair of rows, relative to the measured one."""
        return [abs(math.expm1(self.region.ratio - ratio)) for ratio in self.case.ratios.values()]

    @property
    def covered(self) -> float:
        """The share of the pairs within the interval."""
        low, high = self.region.interval
        return fmean(low <= ratio <= high for ratio in self.case.ratios.values())


def left_out(asked: Question, known: Sequence[Case]) -> list[Said]:
    """What is said of each network with it left out."""
    found = []
    for case in known:
        (region,) = learn(asked, without(known, [case]))
        found.append(Said(case, region))
    return found


def dealt(known: Sequence[Case]) -> list[Case]:
    """The networks with their ratios dealt anew."""
    ratios = [case.ratios for case in known]
    random.Random(0).shuffle(ratios)
    return [replace(case, ratios=one) for case, one in zip(known, ratios, strict=True)]


def error(found: Sequence[Said]) -> float:
    """The mean error over pairs of rows."""
    return fmean(one for said in found for one in said.errors)


def factor(found: Sequence[Said]) -> float:
    """By what the interval lies around its middle, at the median."""
    return median(math.exp((said.region.interval[1] - said.region.interval[0]) / 2) for said in found)


def reach(found: Sequence[Said], factor: float) -> float:
    """How often an interval of this factor either way would hold, the mean over networks."""
    shares = []
    for said in found:
        middle = fmean(said.region.interval)
        shares.append(fmean(abs(ratio - middle) <= math.log(factor) for ratio in said.case.ratios.values()))
    return fmean(shares)


def main(*names: str) -> None:
    """Print every figure of the line."""
    start = time.perf_counter()
    for name in names or QUESTIONS:
        asked = question(name)
        known = cases(asked)
        found = left_out(asked, known)
        by_network = sorted(found, key=lambda said: fmean(said.errors), reverse=True)
        print(
            f"{asked.declared['title']}: {sum(len(case.ratios) for case in known)} pairs of {len(known)} networks"
        )
        print(
            f"  mean error {error(found):.3f}, of the mean over networks {fmean(fmean(s.errors) for s in found):.3f}"
        )
        print(f"  permuted {error(left_out(asked, dealt(known))):.3f}")
        print(
            f"  interval x/: {factor(found):.2f}, holds for {fmean(said.covered for said in found):.3f} (mean over networks)"
        )
        print(f"  one of x/: 1.65 would for {reach(found, 1.65):.3f}, of 1.75 for {reach(found, 1.75):.3f}")
        print(f"  worst: {', '.join(f'{s.case.network} {fmean(s.errors):.2f}' for s in by_network[:6])}")
    print(f"{time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main(*sys.argv[1:])
