"""`ontune run`: run the job of a bundle once."""

from __future__ import annotations

import json
import shlex
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kb.errors import RunFailed
from kb.store.scratch import scratch
from ontune.cli.elsewhere import accept_option, agree_to_build
from ontune.cli.output import choice, emit, emit_rows
from ontune.cli.runner import runner_named, runner_option

if TYPE_CHECKING:
    from bench.measure.runners import Runner
    from generators.bundle import Bundle

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def run(
    context: typer.Context,
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="DIR [-- ARGUMENTS...]", help="A bundle, and further arguments of its program."
        ),
    ],
    cores: Annotated[
        int | None, typer.Option(min=1, help="How many cores it gets; without it, all that may be used.")
    ] = None,
    runner: Annotated[str, runner_option()] = "auto",
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Show the command and what it still needs; nothing is built or run."),
    ] = False,
    accept_files: Annotated[bool, accept_option()] = False,
    format: Annotated[
        str, choice("--format", "table", "json", help="How to print the program's result.")
    ] = "table",
) -> None:
    """Build what a bundle needs, and run its job once on this machine."""
    from bench.progress import doing
    from generators.bundle import Bundle

    bundle = Bundle.read(folder)
    if not dry_run:
        agree_to_build(bundle, accept_files)
    runs = runner_named(runner, bundle, must_run=not dry_run)
    if dry_run:
        _show(bundle, runs, context.args, cores, format)
        return
    runs.prepare(bundle)
    # The nodes of a cluster see the bundle's folder; they need not see this machine's temporary files.
    with scratch("run", folder if runs.name == "slurm" else None) as results, doing(f"running {folder}"):
        ended = runs.run(bundle, context.args, results / "result.json", cores)
    if ended.outcome != "done":
        raise RunFailed(
            f"{folder}: the run {ended.outcome.replace('-', ' ')} after {ended.seconds:.0f} s:"
            f" {ended.complaint}"
        )
    result = dict(ended.result or {})
    rows = ((key, value if isinstance(value, str) else json.dumps(value)) for key, value in result.items())
    emit(result, format, lambda: emit_rows(rows, ("result", "")))


def _show(bundle: Bundle, runs: Runner, arguments: list[str], cores: int | None, format: str) -> None:
    """Print what `ontune run` would do. That is no result: nothing has been tried."""
    command = runs.command(bundle, arguments, bundle.folder.resolve() / "result.json", cores)
    program = command[0]
    missing = [] if shutil.which(program) or Path(program).is_file() else [program]
    missing += runs.lacking(bundle)
    document = {"dry_run": True, "runner": runs.name, "command": command, "missing": missing}
    rows = [("runner", runs.name), ("command", shlex.join(command)), *(("missing", name) for name in missing)]
    emit(document, format, lambda: emit_rows(rows, ("not run", "")))
