"""What a plan costs: in a new process, warm through the API, and as the knowledge grows; prints tables, and JSON with `--json FILE`.

Larger knowledge is made of the shipped one: every target, framework release, wheel, base image, observation, effect and conflict rule is repeated
under new names, as additions of a user. Repeated effects are known of hardware of their own, and repeated rules are those of sites of their own: said
twice of the same, they would be copies, not knowledge. Wall time is what a user waits; processor time, beside it, is what remains when the machine
does other work.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from kb.errors import NoFeasiblePlan
from kb.target import load_target, target_names
from kb.terms import PREFIXES, on
from kb.workload import load_workload, workload_names
from reasoner.reasoner import Reasoner

_REPEATED = """SELECT DISTINCT ?thing WHERE {
  { ?thing a on:Target } UNION { ?thing on:optionOf kb:framework_release } UNION { ?thing on:optionOf kb:wheel }
  UNION { ?thing on:optionOf kb:base_image } UNION { ?thing a on:Observation } UNION { ?thing a on:Effect } UNION { ?thing a on:ConflictRule }
} ORDER BY ?thing"""
_HARDWARE, _SITE = PREFIXES["sit"] + "made-up", "https://example.org/site/made-up"
_HEAVY = ("rdflib", "pyshacl", "shifty", "jinja2", "spython", "rich", "scipy", "numpy", "owlready2", "archspec", "torch", "tensorflow")


def new_process(workload: str, target: str, repeat: int) -> dict[str, Any]:
    """`ontune plan` in a new process: the best and the median wall time in seconds, and which heavy packages it imports."""
    command = [sys.executable, "-c", "from ontune.cli import main; main()", "plan", "-w", workload, "-t", target, "--format", "json"]
    taken = []
    with tempfile.TemporaryDirectory() as compiled:  # as installed: with the bytecode that pip writes
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"} | {"PYTHONPYCACHEPREFIX": compiled}
        for _ in range(repeat + 1):
            start = time.perf_counter()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment)
            taken.append(time.perf_counter() - start)
        traced = subprocess.run([command[0], "-X", "importtime", *command[1:]], check=True, capture_output=True, text=True, env=environment)
    warm = taken[1:]  # the first compiles bytecode and may compile the snapshot
    imported = set(re.findall(r"\|\s+([\w.]+)$", traced.stderr, flags=re.MULTILINE))
    return {"best_s": min(warm), "median_s": statistics.median(warm), "modules": len(imported), "heavy": sorted(imported.intersection(_HEAVY))}


def warm(reasoner: Reasoner, rounds: int) -> dict[str, float]:
    """Plans through the API, another target each time: percentiles of wall and processor time in milliseconds, and the memory held."""
    names = target_names(reasoner.store)
    spread = names[:: max(1, len(names) // rounds)]  # by their names, copies of one target stand side by side
    targets = [load_target(name, reasoner.store) for name in spread]
    workloads = [load_workload(name, reasoner.store) for name in workload_names(reasoner.store)]
    wall, processor = [], []
    for number in range(rounds + 3):
        target, workload = targets[number % len(targets)], workloads[number % len(workloads)]
        gc.collect()
        start, start_processor = time.perf_counter(), time.process_time()
        try:
            reasoner.plan(workload, target)
        except NoFeasiblePlan:
            continue
        wall.append(1e3 * (time.perf_counter() - start))
        processor.append(1e3 * (time.process_time() - start_processor))
    return {
        "p50_ms": _percentile(wall[3:], 50),
        "p99_ms": _percentile(wall[3:], 99),
        "processor_p50_ms": _percentile(processor[3:], 50),
        "processor_p99_ms": _percentile(processor[3:], 99),
        "memory_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def grown(reasoner: Reasoner, times: int) -> Iterator[str]:
    """Turtle that says what the knowledge base says of targets, releases, images, observations, effects and rules, again under `times - 1` names."""
    things = [row["thing"] for row in reasoner.full_store.select(_REPEATED)]
    described = {}
    for thing in things:
        rows = reasoner.full_store.construct(f"CONSTRUCT {{ <{thing}> ?p ?o }} WHERE {{ <{thing}> ?p ?o FILTER(!isBlank(?o)) }}")
        described[thing] = [str(triple) for triple in rows]
    names = re.compile("<(" + "|".join(sorted(map(re.escape, things), key=len, reverse=True)) + ")>")
    shapes = {row["rule"]: row["shape"] for row in reasoner.full_store.select("SELECT ?rule ?shape WHERE { ?shape sh:rule ?rule }")}
    effects = set(reasoner.full_store.instances(on("Effect")))
    for copy in range(1, times):
        yield f'<{_HARDWARE}-{copy}> a <{on("Situation")}> ; <{PREFIXES["rdfs"]}label> "hardware {copy}"@en .'
        for thing, lines in described.items():
            yield from (renamed(names, line, copy) for line in lines)
            if thing in effects:
                yield f"<{thing}-copy-{copy}> <{on('when')}> <{_HARDWARE}-{copy}> ."
            if thing in shapes:
                yield f"<{shapes[thing]}> <http://www.w3.org/ns/shacl#rule> <{thing}-copy-{copy}> ."


def renamed(names: re.Pattern[str], line: str, copy: int) -> str:
    """A triple about copies instead of originals; what people type is renamed too, since names must stay unique."""
    text = names.sub(lambda found: f"<{found[1]}-copy-{copy}>", line)
    if "/core#notation>" in text:
        text = re.sub(r'"([^"]*)"', rf'"\1-copy-{copy}"', text, count=1)
    if "/shacl#construct>" in text:
        text = re.sub(r"WHERE \{", f"WHERE {{ $this on:site <{_SITE}-{copy}> .", text, count=1)
    return text + " ."


def in_grown_knowledge(times: int, rounds: int) -> dict[str, float]:
    """Measure `warm` in a process of its own, over knowledge `times` as large as the shipped one."""
    with tempfile.TemporaryDirectory() as folder:
        additions = Path(folder) / "additions"
        additions.mkdir()
        if times > 1:
            (additions / "grown.ttl").write_text("\n".join(grown(Reasoner([]), times)), encoding="utf-8")
        command = [sys.executable, "-m", "benchmarks.planning", "--warm-over", str(additions), "--rounds", str(rounds)]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env={**os.environ, "XDG_CACHE_HOME": folder})
        found: dict[str, float] = json.loads(done.stdout)
        return found


def measure_over(additions: Path, rounds: int) -> dict[str, float]:
    """What the process of `in_grown_knowledge` does.

    Raises:
        SystemExit: the additions were refused.
    """
    start = time.perf_counter()
    reasoner = Reasoner([additions])
    compiled = time.perf_counter() - start
    if reasoner.refused:
        raise SystemExit(reasoner.refused[0])
    start = time.perf_counter()
    again = Reasoner([additions])
    opened = time.perf_counter() - start
    options = sum(map(len, again.menu.options.values()))
    return {"triples": len(reasoner.full_store.store), "options": options, "compile_s": compiled, "open_s": opened, **warm(again, rounds)}


def _percentile(values: Sequence[float], percent: int) -> float:
    return sorted(values)[min(len(values) - 1, len(values) * percent // 100)]


def main() -> None:
    """Measure everything, print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workload", default="mnist-cnn")
    parser.add_argument("--target", default="genoa-node")
    parser.add_argument("--rounds", type=int, default=100, help="plans for each size of the knowledge")
    parser.add_argument("--sizes", type=int, nargs="+", default=[1, 10], help="how many times the shipped knowledge")
    parser.add_argument("--warm-over", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--json", type=Path, metavar="FILE")
    arguments = parser.parse_args()
    if arguments.warm_over:
        print(json.dumps(measure_over(arguments.warm_over, arguments.rounds)))
        return
    start = new_process(arguments.workload, arguments.target, 10)
    print(f"ontune plan in a new process: best {start['best_s']:.3f} s, median {start['median_s']:.3f} s")
    print(f"it imports {start['modules']} modules, of the heavy ones: {', '.join(start['heavy']) or 'none'}")
    results = {}
    head = ("knowledge", "triples", "options", "compile s", "open s", "p50 ms", "p99 ms", "CPU p50", "CPU p99", "MiB", "growth")
    print("".join(f"{title:>10}" for title in head))
    for times in arguments.sizes:
        row = in_grown_knowledge(times, arguments.rounds)
        results[times] = row
        growth = row["processor_p50_ms"] / results[arguments.sizes[0]]["processor_p50_ms"]
        numbers = (row["p50_ms"], row["p99_ms"], row["processor_p50_ms"], row["processor_p99_ms"])
        cells = [f"x{times}", row["triples"], row["options"], f"{row['compile_s']:.2f}", f"{row['open_s']:.3f}", *(f"{ms:.1f}" for ms in numbers)]
        print("".join(f"{cell:>10}" for cell in [*cells, f"{row['memory_mib']:.0f}", f"{growth:.2f}"]), flush=True)
    if arguments.json:
        arguments.json.write_text(json.dumps({"new_process": start, "warm": results}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
