"""Compile: does what `kb learn` learns of the size of TorchInductor's gain, and `plan` reads, hold for networks of
families that it has not seen?

Then the same of networks that another GPU has run: what is said here with what was measured there.

The error is |said / measured - 1| on pairs of equal batch, for each GPU alone; what nothing is said of counts
as no gain.

    python benchmarks/compiling.py [QUESTION [families | elsewhere]]
"""

from __future__ import annotations

import math
import random
import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from statistics import fmean, median

from learnt import Reading, carried_readings, print_coverage, readings

from kb.observations.learning import Case, cases, question

QUESTIONS = ("compile_inference_ada", "compile_inference_blackwell")
PARTS = {"families": readings, "elsewhere": carried_readings}


def error(reading: Reading) -> float:
    """The error of the ratio, relative to the measured one."""
    return abs(math.expm1((reading.ratio or 0.0) - reading.case.ratio))


def constant(known: Sequence[Case]) -> float:
    """The mean error of who always says the median of all ratios."""
    usual = median(case.ratio for case in known)
    return fmean(error(Reading(case, True, usual)) for case in known)


def bootstrapped(found: Sequence[Reading], draws: int = 1000) -> tuple[float, float]:
    """90 % interval of the mean error, when families are drawn anew."""
    by_family: dict[str, list[float]] = defaultdict(list)
    for reading in found:
        by_family[reading.case.family].append(error(reading))
    drawing, groups = random.Random(0), list(by_family.values())
    means = sorted(
        fmean([one for group in drawing.choices(groups, k=len(groups)) for one in group])
        for _ in range(draws)
    )
    return means[draws // 20], means[-draws // 20]


def shown(reading: Reading) -> str:
    """A case with what was said and what was measured."""
    case = reading.case
    said, measured = math.exp(reading.ratio or 0.0), math.exp(case.ratio)
    return f"{case.network}@{case.image_size} {said:.2f} for {measured:.2f}"


def print_figures(found: Sequence[Reading], dealt: Sequence[Reading]) -> None:
    """Print the figures of what is said; `dealt` is what is said of some when ratios were dealt anew."""
    errors, known = sorted(map(error, found)), [reading.case for reading in found]
    low, high = bootstrapped(found)
    silent = sum(reading.ratio is None for reading in found)
    print(
        f"  {len(known)} networks of {len({case.family for case in known})} families, of {silent} nothing is said"
    )
    print(f"  mean error {fmean(errors):.4f}, median {median(errors):.4f}")
    print(f"  by families {low:.4f} to {high:.4f}")
    print(f"  without the worst 1 % {fmean(errors[: -math.ceil(len(errors) / 100)]):.4f}")
    print(f"  one constant {constant(known):.4f}, permuted {fmean(map(error, dealt)):.4f}")
    print(f"  worst ten: {', '.join(map(shown, sorted(found, key=error, reverse=True)[:10]))}")
    print_coverage(found)


def main(name: str = QUESTIONS[0], part: str = "families") -> None:
    """Print every figure of one part of the line."""
    start, asked = time.perf_counter(), question(name)
    known, reader = cases(asked), PARTS[part]
    print(f"{asked.declared['title']}: {part}")
    print_figures(reader(asked, known), reader(asked, known, permuted=1, each=8))
    print(f"{time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main(*sys.argv[1:])
