"""The demonstration: plan a small network for this machine, build what the plans and the baselines need, and
measure them against each other.
"""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import demo_report
from bench.images import apptainer
from bench.images.build import Built
from bench.measure.observation import observations_folder, record
from bench.measure.rounds import Series, Variant, measure
from bench.measure.runners import Runner
from bench.measure.runners.apptainer import ApptainerRunner
from bench.measure.runners.native import NativeRunner
from bench.progress import doing
from generators.bundle import write_bundle
from kb.errors import RunFailed
from kb.probe.machine import probe
from kb.records.target import Target
from kb.records.workload import Workload, load_workload
from reasoner.answers.plan import Plan
from reasoner.reasoner import Reasoner

ROUNDS = 3
# Windows of half a second hold several steps of the small network, and keep a second run of the demonstration
# under three minutes.
ARGUMENTS = ("--warmup-steps", "4", "--windows", "4", "--window-seconds", "0.5")
_BASELINES = (
    "SELECT ?name ?label WHERE { ?baseline a on:Baseline ; skos:notation ?name ; rdfs:label ?label"
    " ; sh:order ?place } ORDER BY ?place"
)

Show = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Contender:
    """A plan under a name.

    Attributes:
        name: its name in the series, and its bundle's folder.
        title: what it is, in words.
        plan: what is built and run.
        numerics: what its options do to the numbers.
    """

    name: str
    title: str
    plan: Plan
    numerics: str


def run_demo(
    output: Path,
    *,
    workload: str = "mnist-cnn",
    full: bool = False,
    rounds: int = ROUNDS,
    show: Show = print,
    show_plan: Callable[[Plan], None] = lambda plan: None,
) -> dict[str, Any]:
    """Run the demonstration and write its report.

    Args:
        output: the folder for bundles and report.
        workload: the name of a shipped workload.
        full: all baselines instead of the first one.
        rounds: rounds of each series.
        show: prints a line of the result.
        show_plan: prints a plan with its reasons.

    Returns:
        The report as an object: `runner`, `machine`, `series`, `rows`, `observations`, `report`.

    Raises:
        BadInput: a name or a folder is not usable.
        RunFailed: nothing could be built, or the baseline never ran to its end.
    """
    runner, beginning = _runner()
    show(beginning)
    with doing("probing this machine"):
        target = probe(network=True)
    with doing("planning"):
        reasoner = Reasoner()
        rivals = list(
            contenders(reasoner, load_workload(workload, reasoner.store), target, full, runner.lacks, show)
        )
    show_plan(rivals[-1].plan)

    variants, built = [], {}
    for rival in rivals:
        bundle = write_bundle(rival.plan, output / rival.name)
        built[rival.name] = runner.prepare(bundle)
        variants.append(Variant(rival.name, bundle, built[rival.name].recipe))
    series = {}
    for cores in sorted({1, len(os.sched_getaffinity(0))}):
        with doing(f"measuring {len(variants)} variants on {cores} core(s), {rounds} rounds") as tell:
            series[cores] = measure(
                variants, runner, rounds, cores, arguments=ARGUMENTS, record=record, tell=tell
            )
    document = _document(rivals, built, series, runner, target)
    _check(series, rivals[0].name)
    document["report"] = str(_write(document, output))
    show(demo_report.text(document))
    return document


def contenders(
    reasoner: Reasoner,
    workload: Workload,
    target: Target,
    full: bool,
    lacks: Callable[[Plan], Mapping[str, str]] = lambda plan: {},
    show: Show = print,
) -> Iterator[Contender]:
    """The baselines, then the plans: the user's framework before any, numbers left alone before mixed
    precision. Plans that agree come once, as what each of them is.

    What the machine `lacks` for a plan is not taken in it; a baseline that lacks something is left out. Both
    are told by `show`.
    """
    baselines = reasoner.store.select(_BASELINES)
    for number, row in enumerate(baselines if full else baselines[:1]):
        plan = reasoner.baseline(row["name"], workload, target)
        if number == 0:
            usual = plan.option("framework")
        if missing := lacks(plan):
            show(f"{row['label']} is left out: {_listed(missing)}.")
            continue
        yield Contender(row["name"], row["label"], plan, plan.numerics)
    forbid: dict[str, str] = {}
    plans: dict[tuple[tuple[str, str], ...], Contender] = {}
    asked: tuple[tuple[str, str, dict[str, Any]], ...] = (
        (
            f"{usual}-exact",
            f"the plan within {usual}, exact numerics",
            {"framework": usual, "numerics": "exact"},
        ),
        (f"{usual}-plan", f"the plan within {usual}", {"framework": usual}),
        ("free-exact", "the plan with the framework free, exact numerics", {"numerics": "exact"}),
        ("plan", "the plan with the framework free", {}),
    )
    for name, title, wishes in asked:
        if name == "free-exact" and not full:
            continue
        plan = reasoner.plan(workload, target, forbid=tuple(forbid), **wishes)
        while missing := lacks(plan):
            show(f"Planning without {_listed(missing)}.")
            forbid |= missing
            plan = reasoner.plan(workload, target, forbid=tuple(forbid), **wishes)
        choices = tuple(_choices(plan).items())
        if same := plans.pop(choices, None):
            title = f"{same.title}, and {title.removeprefix('the plan ')}"
        plans[choices] = Contender(name, title, plan, plan.numerics)
    yield from plans.values()


def _listed(missing: Mapping[str, str]) -> str:
    return ", ".join(
        f"{option}, whose {library} is not installed here" for option, library in missing.items()
    )


def _choices(plan: Plan) -> dict[str, str]:
    return {decision.decision: decision.option for decision in plan.decisions}


def _runner() -> tuple[Runner, str]:
    """What runs here, and the first line of the output."""
    found = apptainer.find()
    if found is None:
        return (
            NativeRunner(),
            f"Apptainer is missing (get it by {apptainer.HOW_TO_GET}):"
            " everything is measured in virtual environments.",
        )
    return ApptainerRunner(found), f"Everything is built and measured with Apptainer {found.version()}."


def _check(series: dict[int, Series], baseline: str) -> None:
    """A comparison needs its baseline."""
    for cores, measured in series.items():
        runs = measured.of(baseline)
        if not any(run.throughput for run in runs):
            raise RunFailed(
                f"no run of the baseline {baseline} was done on {cores} core(s): {runs[-1].complaint}"
            )


def _document(
    rivals: Sequence[Contender],
    built: dict[str, Built],
    series: dict[int, Series],
    runner: Runner,
    target: Target,
) -> dict[str, Any]:
    return {
        "runner": runner.name,
        "machine": {"target": target.to_json(), "system": platform.platform()},
        "series": {str(cores): measured.id for cores, measured in series.items()},
        "rows": [_row(rival, built[rival.name], series, rivals[0].name) for rival in rivals],
        "observations": str(observations_folder()),
    }


def _row(rival: Contender, built: Built, series: dict[int, Series], baseline: str) -> dict[str, Any]:
    return {
        "name": rival.name,
        "title": rival.title,
        "plan_id": rival.plan.plan_id,
        "framework": rival.plan.option("framework"),
        "numerics": rival.numerics,
        "options": _choices(rival.plan),
        "build_seconds": built.seconds,
        "bytes": built.bytes,
        "measured": {
            str(cores): _measured(measured, rival.name, baseline) for cores, measured in series.items()
        },
    }


def _measured(series: Series, name: str, baseline: str) -> dict[str, Any]:
    runs = series.of(name)
    done = [run for run in runs if run.throughput is not None]
    ratio = series.ratio(name, baseline)
    return {
        "throughput": _median([run.throughput for run in done]),
        "ratio": {"value": ratio.value, "low": ratio.low, "high": ratio.high, "pairs": ratio.pairs}
        if ratio
        else None,
        "first_step_seconds": _median([run.first_step_seconds for run in done]),
        "peak_memory_mib": _median([run.peak_memory_mib for run in done]),
        "foreign_load": max((run.foreign_load or 0.0 for run in done), default=None),
        "versions": done[-1].versions if done else {},
        "failures": [
            {"outcome": run.outcome, "complaint": run.complaint} for run in runs if run.outcome != "done"
        ],
    }


def _median(values: Sequence[float | None]) -> float | None:
    import statistics

    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None


def _write(document: dict[str, Any], output: Path) -> Path:
    """The report as text and as JSON, each whole or not at all. Gives the text's path."""
    report = output / "report.txt"
    document = {**document, "report": str(report)}
    for path, content in (
        (output / "report.json", json.dumps(document, indent=2) + "\n"),
        (report, demo_report.text(document) + "\n"),
    ):
        partial = path.with_name(f".{path.name}.part")
        partial.unlink(missing_ok=True)  # a link would be written through
        partial.write_text(content, encoding="utf-8")
        partial.replace(path)
    return report
