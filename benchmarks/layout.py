"""Layout: does what `kb learn` learns of channels last, and `plan` reads, hold for networks of families that
it has not seen?

The regret is the geometric mean of the best rate over the rate of what is taken, on pairs of equal batch, for
each release of PyTorch alone.

    python benchmarks/layout.py [QUESTION]
"""

from __future__ import annotations

import math
import random
import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from statistics import fmean

from learnt import Reading, print_coverage, readings, versions_of

from kb.observations.learning import Case, cases, question


def regret(found: Sequence[Reading], version: str) -> float:
    """The geometric mean of the best rate over that of what is taken."""
    return math.exp(fmean(reading.regret(version) for reading in found if version in reading.case.ratios))


def constant(known: Sequence[Case], version: str, takes: bool) -> float:
    """The regret of who always does the same."""
    return regret([Reading(case, takes) for case in known], version)


def bootstrapped(found: Sequence[Reading], version: str, draws: int = 1000) -> tuple[float, float]:
    """90 % interval of the regret, when families are drawn anew."""
    by_family: dict[str, list[float]] = defaultdict(list)
    for reading in found:
        if version in reading.case.ratios:
            by_family[reading.case.family].append(reading.regret(version))
    drawing, groups = random.Random(0), list(by_family.values())
    means = sorted(
        fmean([one for group in drawing.choices(groups, k=len(groups)) for one in group])
        for _ in range(draws)
    )
    return math.exp(means[draws // 20]), math.exp(means[-draws // 20])


def main(name: str = "layout_training") -> None:
    """Print every figure of the line."""
    start, asked = time.perf_counter(), question(name)
    known = cases(asked)
    found, dealt = readings(asked, known), readings(asked, known, permuted=1)
    unknown = sum(not case.numbers for case in known)
    print(
        f"{asked.declared['title']}: {len(known)} networks of {len({case.family for case in known})} families, {unknown} without numbers"
    )
    for version in versions_of(known):
        ordered = sorted(
            (r for r in found if version in r.case.ratios), key=lambda r: r.regret(version), reverse=True
        )
        low, high = bootstrapped(found, version)
        trimmed = regret(ordered[math.ceil(len(ordered) / 100) :], version)
        print(f"PyTorch {version}: {len(ordered)} pairs: regret {regret(found, version):.4f}")
        print(f"  by families {low:.4f} to {high:.4f}, without the worst 1 % {trimmed:.4f}")
        print(
            f"  never {constant(known, version, False):.4f}, always {constant(known, version, True):.4f}, permuted {regret(dealt, version):.4f}"
        )
        worst = (
            f"{r.case.network}@{r.case.image_size} {math.exp(r.regret(version)):.2f}" for r in ordered[:10]
        )
        print(f"  worst ten: {', '.join(worst)}")
    print_coverage(found)
    print(f"{time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main(*sys.argv[1:])
