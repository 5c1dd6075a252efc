"""`ontune bench`: measure a bundle against a baseline or another bundle."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kb.errors import BadInput, RunFailed
from kb.store.scratch import scratch
from ontune.cli.elsewhere import accept_option, agree_to_build, agree_to_bundle
from ontune.cli.output import choice, emit, emit_rows
from ontune.cli.runner import runner_named, runner_option

if TYPE_CHECKING:
    from bench.measure.rounds import Series
    from generators.bundle import Bundle

app = typer.Typer(rich_markup_mode=None, add_completion=False)

_PLAN, _OTHER = "plan", "baseline"
_TOLD = ("variant", "round", "outcome", "throughput", "first_step_seconds", "peak_memory_mib")
_FIRST_BASELINE = (
    "SELECT ?name WHERE { ?baseline a on:Baseline ; skos:notation ?name ; sh:order ?place }"
    " ORDER BY ?place LIMIT 1"
)


@app.command()
def bench(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A bundle, as `ontune recipe` writes it.")],
    against: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Another bundle; without it, the first baseline of the knowledge base."
        ),
    ] = None,
    baseline: Annotated[
        str | None, typer.Option(metavar="NAME", help="A named baseline (`ontune query baselines`).")
    ] = None,
    rounds: Annotated[int, typer.Option(min=1, help="How often each runs; they take turns.")] = 5,
    cores: Annotated[
        int | None, typer.Option(min=1, help="How many cores each gets; without it, all that may be used.")
    ] = None,
    runner: Annotated[str, runner_option()] = "auto",
    accept_files: Annotated[bool, accept_option()] = False,
    format: Annotated[
        str, choice("--format", "table", "json", help="How to print what was measured.")
    ] = "table",
) -> None:
    """Measure a bundle and a baseline in interleaved rounds, and record every run as an observation."""
    from bench.measure.observation import record
    from bench.measure.rounds import Variant, measure
    from bench.progress import doing
    from generators.bundle import Bundle

    if against is not None and baseline is not None:
        raise BadInput("--baseline", "cannot be combined with --against", expected="one of them")
    chosen = Bundle.read(folder)
    agree_to_build(chosen, accept_files)
    if against is None:  # its baseline takes the program from where it was
        agree_to_bundle(chosen.plan, str(folder / "plan.json"), accept_files)
    runs = runner_named(runner, chosen)
    with _opponent(chosen, against, baseline) as opponent:
        agree_to_build(opponent, accept_files)
        variants = [
            Variant(name, bundle, runs.prepare(bundle).recipe)
            for name, bundle in ((_OTHER, opponent), (_PLAN, chosen))
        ]
        with doing(f"measuring {rounds} rounds") as tell:
            series = measure(variants, runs, rounds, cores, record=record, tell=tell)
    document = _document(series)
    emit(document, format, lambda: _print(document))
    for name in (_PLAN, _OTHER):
        if not any(series.throughputs(name)):
            raise RunFailed(f"no run of the {name} was done: {series.of(name)[-1].complaint}")


@contextmanager
def _opponent(chosen: Bundle, against: Path | None, baseline: str | None) -> Iterator[Bundle]:
    """The other bundle, or a baseline for the same workload and target, kept while it is measured."""
    from generators.bundle import Bundle, write_bundle

    if against is not None:
        yield Bundle.read(against)
        return
    from reasoner.reasoner import Reasoner

    reasoner = Reasoner()
    name = baseline or reasoner.store.select(_FIRST_BASELINE)[0]["name"]
    with scratch("baseline") as folder:
        yield write_bundle(reasoner.baseline(name, chosen.plan), folder / name)


def _document(series: Series) -> dict[str, Any]:
    ratio = series.ratio(_PLAN, _OTHER)
    runs: list[dict[str, Any]] = []
    for one in (*series.of(_OTHER), *series.of(_PLAN)):
        runs.append({key: getattr(one, key) for key in _TOLD})
    stated = (
        {"value": ratio.value, "low": ratio.low, "high": ratio.high, "pairs": ratio.pairs} if ratio else None
    )
    return {"series": series.id, "unit": "samples/s", "runs": runs, "ratio": stated}


def _print(document: dict[str, Any]) -> None:
    rows = (_cells(run) for run in document["runs"])
    emit_rows(rows, ("variant", "round", "outcome", document["unit"], "first step, s", "peak memory, MiB"))
    if ratio := document["ratio"]:
        interval = f" ({ratio['low']:.2f} to {ratio['high']:.2f})" if ratio["low"] is not None else ""
        print(f"plan against baseline: x {ratio['value']:.2f}{interval}, {ratio['pairs']} rounds")


def _cells(run: dict[str, Any]) -> list[object]:
    return [_number(run[key]) if isinstance(run[key], float) else run[key] for key in _TOLD]


def _number(value: float) -> str:
    return f"{value:.4g}" if value < 1000 else f"{value:.0f}"
