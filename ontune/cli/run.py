"""`ontune run`: run the job of a bundle once."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from kb.errors import RunFailed
from ontune.cli.output import choice, emit, emit_rows
from ontune.cli.runner import runner_named, runner_option

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def run(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(metavar="DIR [-- ARGUMENTS...]", help="A bundle, and further arguments of its program.")],
    cores: Annotated[int | None, typer.Option(min=1, help="How many cores it gets; without it, all that may be used.")] = None,
    runner: Annotated[str, runner_option()] = "auto",
    format: Annotated[str, choice("--format", "table", "json", help="How to print the program's result.")] = "table",
) -> None:
    """Build what a bundle needs, and run its job once on this machine."""
    from bench.progress import doing
    from generators.bundle import Bundle

    bundle, runs = Bundle.read(folder), runner_named(runner)
    runs.prepare(bundle)
    with tempfile.TemporaryDirectory(prefix="ontune-run-") as results, doing(f"running {folder}"):
        ended = runs.run(bundle, context.args, Path(results, "result.json"), cores)
    if ended.outcome != "done":
        raise RunFailed(f"{folder}: the run {ended.outcome.replace('-', ' ')} after {ended.seconds:.0f} s: {ended.complaint}")
    result = dict(ended.result or {})
    rows = ((key, value if isinstance(value, str) else json.dumps(value)) for key, value in result.items())
    emit(result, format, lambda: emit_rows(rows, ("result", "")))
