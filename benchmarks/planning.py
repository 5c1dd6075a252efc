"""What a plan costs: in a new process, warm through the API, and as the knowledge grows; prints tables, and
JSON with `--json FILE`.

Larger knowledge is made of the shipped one: every target, framework release, wheel, base image, observation,
effect and conflict rule is repeated under new names, as additions of a user. Repeated effects are known of
hardware of their own, and repeated rules are those of sites of their own: said twice of the same, they would
be copies, not knowledge. Wall time is what a user waits; processor time, beside it, is what remains when the
machine does other work.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from kb.errors import NoFeasiblePlan
from kb.records.target import Target
from kb.records.targets import load_target, target_names
from kb.records.workload import Workload, load_workload, workload_names
from kb.store.terms import PREFIXES, on
from reasoner.reasoner import Reasoner

_REPEATED = """SELECT DISTINCT ?thing WHERE {
  { ?thing a on:Target } UNION { ?thing on:optionOf kb:framework_release } UNION { ?thing on:optionOf kb:wheel }
  UNION { ?thing on:optionOf kb:base_image } UNION { ?thing a on:Observation } UNION { ?thing a on:Effect } UNION { ?thing a on:ConflictRule }
} ORDER BY ?thing"""
_HARDWARE, _SITE = PREFIXES["sit"] + "made-up", "https://example.org/site/made-up"
_TURN = 50  # plans before another size of the knowledge has its turn: some seconds at most
_FIRST = 3  # plans that do not count: they read what all later ones find read
_HEAVY = (
    "rdflib",
    "pyshacl",
    "shifty",
    "jinja2",
    "spython",
    "rich",
    "scipy",
    "numpy",
    "owlready2",
    "archspec",
    "torch",
    "tensorflow",
)


def new_process(workload: str, target: str, repeat: int) -> dict[str, Any]:
    """`ontune plan` in a new process: the best and the median wall time in seconds, and which heavy packages
    it imports.
    """
    command = [
        sys.executable,
        "-c",
        "from ontune.cli import main; main()",
        "plan",
        "-w",
        workload,
        "-t",
        target,
        "--format",
        "json",
    ]
    taken = []
    with tempfile.TemporaryDirectory() as compiled:  # as installed: with the bytecode that pip writes
        environment = {
            name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"
        } | {"PYTHONPYCACHEPREFIX": compiled}
        for _ in range(repeat + 1):
            start = time.perf_counter()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment)
            taken.append(time.perf_counter() - start)
        traced = subprocess.run(
            [command[0], "-X", "importtime", *command[1:]],
            check=True,
            capture_output=True,
            text=True,
            env=environment,
        )
    warm = taken[1:]  # the first compiles bytecode and may compile the snapshot
    imported = set(re.findall(r"\|\s+([\w.]+)$", traced.stderr, flags=re.MULTILINE))
    return {
        "best_s": min(warm),
        "median_s": statistics.median(warm),
        "modules": len(imported),
        "heavy": sorted(imported.intersection(_HEAVY)),
    }


def questions(reasoner: Reasoner, number: int) -> list[tuple[Workload, Target]]:
    """So many workloads with targets, another one each time where there are as many."""
    names = target_names(reasoner.store)
    spread = names[:: max(1, len(names) // number)]  # by their names, copies of one target stand side by side
    targets = [load_target(name, reasoner.store) for name in spread]
    workloads = [load_workload(name, reasoner.store) for name in workload_names(reasoner.store)]
    return [(workloads[place % len(workloads)], targets[place % len(targets)]) for place in range(number)]


def warm(reasoner: Reasoner, asked: Sequence[tuple[Workload, Target]]) -> Iterator[tuple[float, float]]:
    """Plans through the API: milliseconds of wall and of processor time."""
    for workload, target in asked:
        gc.collect()
        start, start_processor = time.perf_counter(), time.process_time()
        with contextlib.suppress(NoFeasiblePlan):
            reasoner.plan(workload, target)
            yield 1e3 * (time.perf_counter() - start), 1e3 * (time.process_time() - start_processor)


def grown(reasoner: Reasoner, times: int) -> Iterator[str]:
    """Turtle that says what the knowledge base says of targets, releases, images, observations, effects and
    rules, again under `times - 1` names.
    """
    things = [row["thing"] for row in reasoner.full_store.select(_REPEATED)]
    described = {}
    for thing in things:
        rows = reasoner.full_store.construct(
            f"CONSTRUCT {{ <{thing}> ?p ?o }} WHERE {{ <{thing}> ?p ?o FILTER(!isBlank(?o)) }}"
        )
        described[thing] = [str(triple) for triple in rows]
    names = re.compile("<(" + "|".join(sorted(map(re.escape, things), key=len, reverse=True)) + ")>")
    shapes = {
        row["rule"]: row["shape"]
        for row in reasoner.full_store.select("SELECT ?rule ?shape WHERE { ?shape sh:rule ?rule }")
    }
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
    """A triple about copies instead of originals; what people type is renamed too, since names must stay
    unique.
    """
    text = names.sub(lambda found: f"<{found[1]}-copy-{copy}>", line)
    if "/core#notation>" in text:
        text = re.sub(r'"([^"]*)"', rf'"\1-copy-{copy}"', text, count=1)
    if "/shacl#construct>" in text:
        text = re.sub(r"WHERE \{", f"WHERE {{ $this on:site <{_SITE}-{copy}> .", text, count=1)
    return text + " ."


def compiled(times: int, folder: Path) -> dict[str, float]:
    """Compile knowledge `times` as large as the shipped one, in a process of its own; the folder keeps it for
    planning.
    """
    additions = folder / "additions"
    additions.mkdir(parents=True)
    if times > 1:
        (additions / "grown.ttl").write_text("\n".join(grown(Reasoner([]), times)), encoding="utf-8")
    with _process("compile", folder, 0) as process:
        return _answer(process)


def compile_here(folder: Path, _plans: int) -> None:
    """What the process of `compiled` does: prints seconds, memory and size.

    Raises:
        SystemExit: the additions were refused.
    """
    start = time.perf_counter()
    reasoner = Reasoner([folder / "additions"])
    seconds = time.perf_counter() - start
    if reasoner.refused:
        raise SystemExit(reasoner.refused[0])
    options = sum(map(len, reasoner.catalogue.options.values()))
    _say(
        {
            "triples": len(reasoner.full_store.store),
            "options": options,
            "compile_s": seconds,
            "compile_mib": _peak_mib(),
        }
    )


def plan_here(folder: Path, plans: int) -> None:
    """What a process of `growth` does: opens what is compiled, and makes a turn's plans for each line on
    standard input.
    """
    # Two processes in turns would else hand each other's caches around.
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    start = time.perf_counter()
    reasoner = Reasoner([folder / "additions"])
    _say({"open_s": time.perf_counter() - start})
    asked = questions(reasoner, plans)
    for first, _ in zip(range(0, plans, _TURN), sys.stdin, strict=False):
        _say({"taken": list(warm(reasoner, asked[first : first + _TURN])), "plan_mib": _peak_mib()})


_PARTS = {"compile": compile_here, "plan": plan_here}


def growth(sizes: Sequence[int], plans: int) -> dict[int, dict[str, Any]]:
    """Warm planning over each size of the knowledge: the sizes take turns of a few plans, so that a noisy
    machine hurts all alike.

    Returns:
        for each size what compiling took, the percentiles of a plan, and `growth`: the median processor time
        of a plan as a ratio to the first size.
    """
    results: dict[int, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as place, contextlib.ExitStack() as running:
        folders = {times: Path(place) / f"x{times}" for times in sizes}
        for times, folder in folders.items():
            results[times] = {**compiled(times, folder), "taken": []}
        processes = {
            times: running.enter_context(_process("plan", folder, plans)) for times, folder in folders.items()
        }
        for times, process in processes.items():
            results[times] |= _answer(process)
        for _ in range(0, plans, _TURN):
            for times, process in processes.items():
                assert process.stdin
                print(file=process.stdin, flush=True)
                answer = _answer(process)
                results[times]["plan_mib"] = answer["plan_mib"]
                results[times]["taken"] += answer["taken"]
    for result in results.values():
        for kind, values in zip(
            ("", "processor_"), zip(*result.pop("taken")[_FIRST:], strict=True), strict=True
        ):
            result |= {f"{kind}p{percent}_ms": _percentile(values, percent) for percent in (50, 99)}
        result["growth"] = result["processor_p50_ms"] / results[sizes[0]]["processor_p50_ms"]
    return results


def _process(part: str, folder: Path, plans: int) -> subprocess.Popen[str]:
    command = [
        sys.executable,
        "-m",
        "benchmarks.planning",
        "--part",
        part,
        "--over",
        str(folder),
        "--plans",
        str(plans),
    ]
    return subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "XDG_CACHE_HOME": str(folder)},
    )


def _say(found: dict[str, Any]) -> None:
    print(json.dumps(found), flush=True)


def _answer(process: subprocess.Popen[str]) -> dict[str, Any]:
    assert process.stdout
    line = process.stdout.readline()
    if not line:
        raise SystemExit("a process of the benchmark ended early")
    found: dict[str, Any] = json.loads(line)
    return found


def _peak_mib() -> float:
    """The most memory that this program has held; what `getrusage` tells counts the process that started it,
    too.
    """
    [kib] = re.findall(
        r"^VmHWM:\s+(\d+) kB$", Path("/proc/self/status").read_text(encoding="ascii"), flags=re.MULTILINE
    )
    return int(kib) / 1024


def _percentile(values: Sequence[float], percent: int) -> float:
    return sorted(values)[min(len(values) - 1, len(values) * percent // 100)]


def main() -> None:
    """Measure everything, print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--workload", default="mnist-cnn")
    parser.add_argument("--target", default="genoa-node")
    parser.add_argument("--plans", type=int, default=4 * _TURN, help="plans for each size of the knowledge")
    parser.add_argument(
        "--sizes", type=int, nargs="+", default=[1, 10], help="how many times the shipped knowledge"
    )
    parser.add_argument("--part", choices=_PARTS, help=argparse.SUPPRESS)
    parser.add_argument("--over", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--json", type=Path, metavar="FILE")
    arguments = parser.parse_args()
    if arguments.part:
        _PARTS[arguments.part](arguments.over, arguments.plans)
        return
    start = new_process(arguments.workload, arguments.target, 10)
    print(f"ontune plan in a new process: best {start['best_s']:.3f} s, median {start['median_s']:.3f} s")
    print(
        f"it imports {start['modules']} modules, of the heavy ones: {', '.join(start['heavy']) or 'none'}",
        flush=True,
    )
    results = growth(arguments.sizes, arguments.plans)
    print(f"{'':20}{'compiling':^30}{'planning':^70}")
    head = (
        "knowledge",
        "triples",
        "options",
        "s",
        "MiB",
        "open s",
        "MiB",
        "p50 ms",
        "p99 ms",
        "CPU p50",
        "CPU p99",
        "growth",
    )
    print("".join(f"{title:>10}" for title in head))
    for times, row in results.items():
        numbers = (row["p50_ms"], row["p99_ms"], row["processor_p50_ms"], row["processor_p99_ms"])
        cells = [
            f"x{times}",
            row["triples"],
            row["options"],
            f"{row['compile_s']:.2f}",
            f"{row['compile_mib']:.0f}",
            f"{row['open_s']:.3f}",
        ]
        cells += [f"{row['plan_mib']:.0f}", *(f"{ms:.1f}" for ms in numbers), f"{row['growth']:.2f}"]
        print("".join(f"{cell:>10}" for cell in cells))
    if arguments.json:
        arguments.json.write_text(
            json.dumps({"new_process": start, "warm": results}, indent=1) + "\n", encoding="utf-8"
        )


if __name__ == "__main__":
    main()
