"""The demonstration's report as text: one table for each number of cores, and how it was measured."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

_WIDTH = 132
_GAINS = {
    "bitwise": "Gains that change no bit",
    "exact": "Gains that leave the numbers alone",
    "mixed": "Gains with mixed precision",
    "lossy": "Gains that change the numbers",
}
_HEADINGS = (
    "",
    "framework",
    "numbers",
    "samples/s",
    "ratio (95 % interval)",
    "first step",
    "peak memory",
    "build",
    "size",
)


def text(document: Mapping[str, Any]) -> str:
    """The report of a document of `bench.demo.run_demo`."""
    from rich.console import Console

    output = io.StringIO()
    console = Console(file=output, width=_WIDTH, no_color=True, highlight=False, markup=False)
    for cores in document["series"]:
        console.print(_table(document["rows"], cores))
    for line in (*_ratios(document), *_failures(document), *_method(document)):
        console.print(line, soft_wrap=True)
    return "\n".join(line.rstrip() for line in output.getvalue().splitlines())


def _table(rows: Sequence[Mapping[str, Any]], cores: str) -> Any:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(
        *_HEADINGS,
        title=f"On {cores} core{'' if cores == '1' else 's'}",
        title_justify="left",
        box=SIMPLE_HEAD,
    )
    for place, row in enumerate(rows):
        measured = row["measured"][cores]
        table.add_row(
            row["title"],
            row["framework"],
            row["numerics"],
            _number(measured["throughput"], ".0f"),
            ratio_text(measured["ratio"]) if place else "the baseline",
            _number(measured["first_step_seconds"], ".2f", " s"),
            _number(measured["peak_memory_mib"], ".0f", " MiB"),
            f"{row['build_seconds']:.0f} s",
            f"{row['bytes'] / 2**20:.0f} MiB",
        )
    return table


def ratio_text(ratio: Mapping[str, Any] | None) -> str:
    """A ratio with its interval, where it has one."""
    if ratio is None:
        return "not measured"
    interval = f" ({ratio['low']:.2f} to {ratio['high']:.2f})" if ratio["low"] is not None else ""
    return f"x {ratio['value']:.2f}{interval}"


def _ratios(document: Mapping[str, Any]) -> Iterator[str]:
    """The gains, those that leave the numbers alone apart from the others, the user's framework before
    another one.
    """
    first, *rest = document["rows"]
    usual = first["framework"]
    for numerics, heading in _GAINS.items():
        rows = sorted(
            (row for row in rest if row["numerics"] == numerics), key=lambda row: row["framework"] != usual
        )
        if rows:
            yield f"{heading}, against {first['title']}:"
        for row in rows:
            gains = ", ".join(
                f"{ratio_text(measured['ratio'])} on {cores} core(s)"
                for cores, measured in row["measured"].items()
            )
            yield f"  {row['title']} [{row['framework']}]: {gains}"
    yield ""


def _failures(document: Mapping[str, Any]) -> Iterator[str]:
    for row in document["rows"]:
        for cores, measured in row["measured"].items():
            for failure in measured["failures"]:
                last = (failure["complaint"].strip().splitlines() or [""])[-1]
                yield f"{row['title']} on {cores} core(s): a run {failure['outcome']}: {last}"


def _method(document: Mapping[str, Any]) -> Iterator[str]:
    where = (
        "inside its own Apptainer image"
        if document["runner"] == "apptainer"
        else "in a virtual environment, without a container"
    )
    measured = list(chain.from_iterable(row["measured"].values() for row in document["rows"]))
    pairs = max((one["ratio"]["pairs"] for one in measured if one["ratio"]), default=0)
    load = max((one["foreign_load"] or 0.0 for one in measured), default=0.0)
    yield f"Report: {document['report']}"
    yield f"Observations: {document['observations']}"
    yield (
        f"How it was measured: every run is a process of its own {where}, bound to the same cores for all;"
        f" the variants took turns in {pairs} rounds;"
        " after the first step and a warm-up windows of 0.5 s were timed, and their median counts; ratios are"
        " paired within a round, their mean is geometric, the interval is Student's t on the logarithms;"
        f" other processes kept up to {load:.2f} of these cores busy meanwhile."
    )


def _number(value: float | None, form: str, unit: str = "") -> str:
    return "-" if value is None else f"{value:{form}}{unit}"
