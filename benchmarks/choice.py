"""How long the exact choice takes, as decisions and interactions grow; prints a table, and JSON with `--json
FILE`.

Problems are random but seeded: decisions of 3 to 8 options; every option but the first has an effect, every
interaction has conflicts (never between two first options, so that something is feasible) and joint effects
on its pairs of options. A run is warm: the best of the repetitions is what the machine can do, the median is
what it does beside others.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import random
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from reasoner.solve import Factor, solve
from tests.oracles import clingo_oracle

Domains = dict[str, list[str]]
DECISIONS = 12


@dataclass(frozen=True)
class Case:
    """A kind of problem: how many options each decision has, and how many pairs of decisions interact."""

    name: str
    sizes: tuple[int, ...]
    interactions: int


@dataclass(frozen=True)
class Result:
    """What was measured, in milliseconds: the best configuration, and with it the best value of every other
    option.
    """

    case: str
    configurations: float
    interactions: int
    width: int
    largest_table: int
    best_ms: float
    best_and_marginals_ms: float
    best_and_marginals_median_ms: float
    top_100_ms: float
    clingo_ms: float | None
    equal_to_clingo: bool | None


CASES = (
    Case("1e4, sparse", (2, 2, 2, 2, 3, 3, 2, 2, 2, 2, 2, 2), 16),
    Case("1e6, sparse", (3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 4, 4), 16),
    Case("1e9, sparse", (3, 4, 5, 5, 6, 6, 6, 6, 7, 7, 7, 8), 16),
    Case("1e9, dense", (3, 4, 5, 5, 6, 6, 6, 6, 7, 7, 7, 8), 33),
    Case("1e12, independent", (10,) * 12, 0),
)


def problem(case: Case, seed: int) -> tuple[Domains, list[Factor]]:
    """A random problem: a ring through all decisions first, so that each takes part in two interactions, then
    further random pairs.
    """
    chance = random.Random(seed)
    domains = {f"d{i:02d}": [f"d{i:02d}o{j}" for j in range(size)] for i, size in enumerate(case.sizes)}
    names = list(domains)
    chance.shuffle(names)
    ring = [(names[i], names[(i + 1) % len(names)]) for i in range(len(names))]
    others = [
        pair for pair in itertools.combinations(names, 2) if pair not in ring and pair[::-1] not in ring
    ]
    pairs = (ring + chance.sample(others, max(0, case.interactions - len(ring))))[: case.interactions]
    factors = [
        Factor((decision,), {(option,): chance.randint(-6000, 6000) for option in options[1:]})
        for decision, options in domains.items()
    ]
    for one, other in pairs:
        combinations = list(itertools.product(domains[one], domains[other]))
        for key in chance.sample(combinations[1:], max(1, len(combinations) // 8)):
            factors.append(Factor((one, other), {key: None}))
        for key in chance.sample(combinations, max(1, len(combinations) // 8)):
            factors.append(Factor((one, other), {key: chance.randint(-6000, 6000)}))
    return domains, factors


def milliseconds(work: Callable[[], object], repeat: int) -> list[float]:
    """How long `work` takes, each time."""
    taken = []
    for _ in range(repeat):
        start = time.perf_counter()
        work()
        taken.append(1e3 * (time.perf_counter() - start))
    return taken


def measure(case: Case, seed: int, repeat: int, clingo_limit: float) -> Result:
    """One row of the table.

    Raises:
        SystemExit: clingo finished with another value.
    """
    domains, factors = problem(case, seed)
    solution = solve(domains, factors)
    marginals = milliseconds(lambda: solve(domains, factors).marginals(), repeat)
    start = time.perf_counter()
    try:
        expected = clingo_oracle.best_value(domains, factors, clingo_limit)
        clingo_ms: float | None = 1e3 * (time.perf_counter() - start)
        equal: bool | None = expected == (solution.value if solution.feasible else None)
    except TimeoutError:
        clingo_ms = equal = None
    if equal is False:
        raise SystemExit(f"{case.name}, seed {seed}: clingo found {expected}, not {solution.value}")
    return Result(
        case.name,
        float(math.prod(case.sizes)),
        case.interactions,
        solution.width,
        solution.largest_table,
        min(milliseconds(lambda: solve(domains, factors).best(), repeat)),
        min(marginals),
        statistics.median(marginals),
        min(milliseconds(lambda: list(itertools.islice(solve(domains, factors).ranked(), 100)), repeat)),
        clingo_ms,
        equal,
    )


def main() -> None:
    """Measure all cases for several seeds, print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--clingo-limit", type=float, default=20.0, metavar="SECONDS")
    parser.add_argument("--json", type=Path, metavar="FILE")
    arguments = parser.parse_args()
    print(
        f"{'case':<20}{'seed':>5}{'width':>7}{'rows':>9}{'best ms':>9}{'all ms':>9}{'median':>9}{'top 100':>9}{'clingo ms':>11}"
    )
    results = []
    for case in CASES:
        for seed in range(arguments.seeds):
            row = measure(case, seed, arguments.repeat, arguments.clingo_limit)
            results.append({"seed": seed, **asdict(row)})
            clingo = "-" if row.clingo_ms is None else f"{row.clingo_ms:.1f}"
            times = "".join(
                f"{ms:>9.2f}"
                for ms in (
                    row.best_ms,
                    row.best_and_marginals_ms,
                    row.best_and_marginals_median_ms,
                    row.top_100_ms,
                )
            )
            print(
                f"{row.case:<20}{seed:>5}{row.width:>7}{row.largest_table:>9}{times}{clingo:>11}", flush=True
            )
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
