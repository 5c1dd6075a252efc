"""`ontune run`: run the job of a bundle once, or become a command of the user's own with what a plan can put
around it.
"""

from __future__ import annotations

import json
import shlex
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from kb.errors import BadInput, RunFailed
from kb.store.scratch import scratch
from ontune.cli.elsewhere import accept_option, agree_to_build
from ontune.cli.output import choice, emit, emit_rows
from ontune.cli.request import RequestArguments, takes_request
from ontune.cli.runner import runner_named, runner_option

if TYPE_CHECKING:
    from bench.measure.runners import Runner
    from generators.bundle import Bundle

app = typer.Typer(rich_markup_mode=None, add_completion=False)


_COMMAND = "ontune.command"


class BundleOrCommand(TyperCommand):
    """Takes what stands behind `--` apart: a command, or the arguments of a bundle."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse what stands before `--`."""
        if "--" in args:
            place = args.index("--")
            args, ctx.meta[_COMMAND] = args[:place], args[place + 1 :]
        return super().parse_args(ctx, args)


@app.command(cls=BundleOrCommand, context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
@takes_request
def run(
    request: RequestArguments,
    context: typer.Context,
    folder: Annotated[
        Path | None,
        typer.Argument(
            metavar="[DIR] [-- COMMAND or ARGUMENTS...]",
            help="A bundle, and further arguments of its program; or, without one, a command that trains.",
        ),
    ] = None,
    cores: Annotated[
        int | None,
        typer.Option(min=1, help="How many cores a bundle gets; without it, all that may be used."),
    ] = None,
    runner: Annotated[str, runner_option()] = "auto",
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Show what would be done, and why; nothing is built or run."),
    ] = False,
    plain: Annotated[
        bool, typer.Option("--plain", help="Start the command as it is, without a plan.")
    ] = False,
    accept_files: Annotated[bool, accept_option()] = False,
    format: Annotated[
        str, choice("--format", "table", "json", help="How to print the result of a bundle or of --dry-run.")
    ] = "table",
) -> None:
    """Train: by a command of your own, unchanged, with what a plan can set around it; or by a bundle.

    `ontune run -- python train.py` plans for this machine, sets the variables of the options that leave the
    numbers alone (more with --numerics), and becomes the command: its folder, its output, its signals and its
    exit code are its own. `ontune run DIR` builds what a bundle needs, and runs its job once.
    """
    words = context.meta.get(_COMMAND)
    if folder is None:
        only_of_bundles = {"--cores": cores, "--runner": runner != "auto", "--accept-files": accept_files}
        _refuse(only_of_bundles, "a command of your own", "a bundle's folder")
        if not words:
            raise BadInput("ontune run", "nothing is said of what to run", expected="DIR, or -- COMMAND")
        from ontune.cli.own_command import become

        become(tuple(words), request, dry_run=dry_run, plain=plain, format=format)
        return
    typed = dict.fromkeys(request.typed, True) | {"--plan": request.plan, "--plain": plain}
    _refuse(typed, "a bundle", "a command behind --: a bundle has its plan already")
    context.args.extend(words or ())
    _run_bundle(context, folder, cores, runner, dry_run, accept_files, format)


def _refuse(given: dict[str, Any], what: str, other: str) -> None:
    """Refuse flags that have no effect on what is run."""
    if typed := [flag for flag, value in given.items() if value]:
        raise BadInput(typed[0], f"it says nothing to {what}", expected=other)


def _run_bundle(
    context: typer.Context,
    folder: Path,
    cores: int | None,
    runner: str,
    dry_run: bool,
    accept_files: bool,
    format: str,
) -> None:
    """Build what a bundle needs, and run its job once on this machine."""
    from bench.progress import doing
    from generators.bundle import Bundle

    _refuse_what_is_no_bundle(folder, behind=bool(context.meta.get(_COMMAND)))
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


def _refuse_what_is_no_bundle(folder: Path, *, behind: bool) -> None:
    """Say what was meant where a command of the user's own stands in the place of a bundle, or beside it."""
    if str(folder).startswith("-"):
        raise BadInput("ontune run", f"there is no option '{folder}'", expected="one of ontune run --help")
    if (folder / "plan.json").exists():
        return
    if folder.is_file() or (not folder.exists() and shutil.which(str(folder))):
        problem = f"'{folder}' is no bundle, and may be a program"
        raise BadInput("DIR", problem, expected=f"ontune run -- {folder} ... to run a command of your own")
    if behind:
        problem = f"'{folder}' is no bundle"
        raise BadInput("DIR", problem, expected="no DIR before the --, to run the command behind it")


def _show(bundle: Bundle, runs: Runner, arguments: list[str], cores: int | None, format: str) -> None:
    """Print what `ontune run` would do. That is no result: nothing has been tried."""
    command = runs.command(bundle, arguments, bundle.folder.resolve() / "result.json", cores)
    program = command[0]
    missing = [] if shutil.which(program) or Path(program).is_file() else [program]
    missing += runs.lacking(bundle)
    document = {"dry_run": True, "runner": runs.name, "command": command, "missing": missing}
    rows = [("runner", runs.name), ("command", shlex.join(command)), *(("missing", name) for name in missing)]
    emit(document, format, lambda: emit_rows(rows, ("not run", "")))
