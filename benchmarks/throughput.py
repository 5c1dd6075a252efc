"""Throughput: what the estimator of samples/s that `kb learn` makes, and `plan` reads, says of accelerators and
networks that are left out of its rows, with all that is learnt from them.

An accelerator is left out in every table, all A100 together; networks by families, with their twins. The error of
the time is |said / measured - 1|, apart for each table. `permuted` is what is said when rates were dealt anew.

    python benchmarks/throughput.py [throughput_gpu | throughput_cpu]
"""

from __future__ import annotations

import math
import random
import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from statistics import fmean, median

from kb.observations.estimates import SHORT, Estimate, Estimator
from kb.observations.learning import (
    Declared,
    Sample,
    declared_estimator,
    learn_estimator,
    left_out_estimates,
    samples,
    short_steps,
    spreads_of,
    with_short_steps,
)
from kb.values import replace

FOLDS = 10
Said = tuple[Estimate, Sample]


def error(one: Said) -> float:
    """The error of the time, relative to the measured one."""
    return abs(math.exp(one[1].value) / one[0].value - 1)


def covered(one: Said) -> bool:
    """Whether the measured rate lies in the interval."""
    return one[0].low <= math.exp(one[1].value) <= one[0].high


def by_group(found: Sequence[Said], kind: str) -> dict[str, list[Said]]:
    """What is said, by the groups of a kind."""
    groups: dict[str, list[Said]] = defaultdict(list)
    for one in found:
        groups[one[1].groups[kind]].append(one)
    return dict(sorted(groups.items()))


def left_out(
    asked: Declared, known: Sequence[Sample], kind: str, spreads: Sequence[float] | None = None
) -> list[Said]:
    """What is said of each sample with its group left out; what is said of none is not there."""
    said = left_out_estimates(asked, known, kind, spreads)
    return [(estimate, sample) for estimate, sample in said if estimate is not None]


def in_folds(known: Sequence[Sample]) -> list[Sample]:
    """The samples with whole families in folds."""
    families = sorted({one.groups["family"] for one in known})
    fold = {family: str(number % FOLDS) for number, family in enumerate(families)}
    return [replace(one, groups={**one.groups, "fold": fold[one.groups["family"]]}) for one in known]


def dealt(known: Sequence[Sample]) -> list[Sample]:
    """The samples with their rates dealt anew."""
    values = [one.value for one in known]
    random.Random(0).shuffle(values)
    return [replace(one, value=value) for one, value in zip(known, values, strict=True)]


def widened(found: Sequence[Said], estimator: Estimator) -> list[Said]:
    """What is said with intervals as wide as those of the estimator that ships."""
    wide = []
    for estimate, sample in found:
        reach = math.log(estimate.high / estimate.value) * estimator.widened
        ends = {"low": estimate.value * math.exp(-reach), "high": estimate.value * math.exp(reach)}
        wide.append((replace(estimate, **ends), sample))
    return wide


def print_figures(name: str, found: Sequence[Said], kind: str) -> None:
    """Errors and coverage, apart for each table, and for each group where there are few."""
    for table, some in by_group(found, "table").items():
        groups = by_group(some, kind)
        coverage = fmean(fmean(map(covered, group)) for group in groups.values())
        errors = sorted(map(error, some))
        width = median(math.sqrt(one.high / one.low) for one, _ in some)
        print(
            f"{name}, {table}: {len(some)} rows of {len(groups)} groups, mean error {fmean(errors):.3f}, "
            f"median {median(errors):.3f}, without the worst 1 % {fmean(errors[: -math.ceil(len(errors) / 100)]):.3f}, "
            f"interval x/: {width:.2f} holds for {coverage:.3f} (mean over groups)"
        )
        training = [error(one) for one in some if one[1].factors["kind"] == "Training"]
        if training and len(training) < len(some):
            print(f"  training {fmean(training):.3f} ({len(training)} rows)")
        if len(groups) < 12:
            print("  " + ", ".join(f"{group} {fmean(map(error, one)):.3f}" for group, one in groups.items()))


def main(name: str = "throughput_gpu") -> None:
    """Print every figure of the line."""
    start = time.perf_counter()
    asked = declared_estimator(name)
    known, reasons = samples(asked)
    print(f"{len(known)} rows; left out: {'; '.join(reasons)}")
    once = replace(asked, declared={**asked.declared, "left_out": ["device"]})
    estimator = with_short_steps(asked, learn_estimator(once, known))
    spreads = spreads_of(estimator)
    print(f"intervals widened by {estimator.widened:.2f} for accelerators that are left out")
    print_figures("accelerator out", widened(left_out(asked, known, "device"), estimator), "device")
    print_figures(
        "family out", widened(left_out(asked, in_folds(known), "fold", spreads), estimator), "family"
    )
    wrong = dealt(known)
    print_figures(
        "permuted, accelerator out",
        left_out(asked, wrong, "device", spreads_of(learn_estimator(once, wrong))),
        "device",
    )
    if SHORT in estimator.seen:
        low, high = estimator.seen[SHORT]
        print(f"short steps: {len(short_steps(asked))} rows took {low * 1000:.0f} to {high * 1000:.0f} ms")
    print(f"{time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main(*sys.argv[1:])
