"""`ontune demo`: plan, build and measure a small network on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ontune.cli.output import choice, emit_json, say

if TYPE_CHECKING:
    from reasoner.answers.plan import Plan

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command()
def demo(
    workload: Annotated[
        str, typer.Option("--workload", "-w", help="The name of a shipped workload.")
    ] = "mnist-cnn",
    full: Annotated[
        bool, typer.Option("--full", help="Measure all baselines instead of the first one.")
    ] = False,
    rounds: Annotated[int, typer.Option(min=1, help="How often each variant runs; they take turns.")] = 3,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="DIR", help="The folder of bundles and report.")
    ] = Path("ontune-demo"),
    format: Annotated[str, choice("--format", "table", "json", help="How to print the report.")] = "table",
) -> None:
    """Plan, build and measure a small network on this machine, against what a user gets without advice."""
    from bench.demo import run_demo

    def show_plan(plan: Plan) -> None:
        from ontune.cli.plan_screen import print_screen

        print_screen(plan)

    if format == "json":
        emit_json(run_demo(output, workload=workload, full=full, rounds=rounds, show=say))
    else:
        run_demo(output, workload=workload, full=full, rounds=rounds, show=print, show_plan=show_plan)
