"""What writing a bundle costs, warm: the whole of it and its parts, for each kind of recipe; prints a table,
and JSON with `--json FILE`.

Wall time is what a user waits; processor time, beside it, is what remains when the machine does other work.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from generators.bundle import FORMATS, files_of, write_bundle
from generators.writers.job import FILES
from kb.records.targets import load_target
from kb.records.workload import load_workload
from reasoner.answers.plan import Plan
from reasoner.reasoner import Reasoner

BAR_MS = 100.0
"""What writing a whole bundle that is not locked may take."""


def measured(work: Callable[[], object], rounds: int) -> dict[str, float]:
    """Medians and worst of wall and processor time, in milliseconds, after one round that warms up."""
    work()
    wall, processor = [], []
    for _ in range(rounds):
        begin, begin_processor = time.perf_counter(), time.process_time()
        work()
        wall.append(1e3 * (time.perf_counter() - begin))
        processor.append(1e3 * (time.process_time() - begin_processor))
    return {
        "p50_ms": statistics.median(wall),
        "worst_ms": max(wall),
        "processor_p50_ms": statistics.median(processor),
    }


def parts(plan: Plan, rounds: int) -> dict[str, dict[str, float]]:
    """What a plan's whole bundle costs on disk, what its texts cost, and what the bill of materials adds to
    them.
    """
    formats, jobs = tuple(FORMATS), tuple(FILES)
    with tempfile.TemporaryDirectory() as folder:
        return {
            "whole bundle": measured(lambda: write_bundle(plan, Path(folder, "bundle")), rounds),
            "its files": measured(lambda: files_of(plan, formats, jobs), rounds),
            "without the bill": measured(lambda: files_of(plan, formats, jobs, bill=False), rounds),
        }


def main() -> None:
    """Measure, print the table. Exit code 1 where a whole bundle takes longer than it may."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--workload", default="mnist-cnn")
    parser.add_argument("--targets", nargs="+", default=["genoa-node", "zen5-virtual", "v100-node"])
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--json", type=Path, metavar="FILE")
    arguments = parser.parse_args()
    reasoner = Reasoner()
    workload = load_workload(arguments.workload, reasoner.store)
    results: dict[str, Any] = {}
    print(f"{'target':<16}{'part':<20}{'p50 ms':>9}{'worst ms':>10}{'CPU p50':>9}")
    for target in arguments.targets:
        results[target] = parts(
            reasoner.plan(workload, load_target(target, reasoner.store)), arguments.rounds
        )
        for part, row in results[target].items():
            print(
                f"{target:<16}{part:<20}{row['p50_ms']:>9.1f}{row['worst_ms']:>10.1f}{row['processor_p50_ms']:>9.1f}",
                flush=True,
            )
    if arguments.json:
        arguments.json.write_text(
            json.dumps({"bar_ms": BAR_MS, "targets": results}, indent=1) + "\n", encoding="utf-8"
        )
    slowest = max(row["whole bundle"]["p50_ms"] for row in results.values())
    print(f"whole bundle, not locked: {slowest:.1f} ms at most, may take {BAR_MS:.0f} ms")
    raise SystemExit(slowest > BAR_MS)


if __name__ == "__main__":
    main()
