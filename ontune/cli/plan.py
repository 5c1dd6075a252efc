"""`ontune plan`: the best configuration for a workload on a target, with its reasons."""

from __future__ import annotations

from typing import Annotated

import typer

from ontune.cli.output import choice, emit
from ontune.cli.request import RequestArguments, takes_request

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command()
@takes_request
def plan(request: RequestArguments, format: Annotated[str, choice("--format", "table", "json", help="How to print the plan.")] = "table") -> None:
    """Choose framework, compiler, image, precision, threads, allocator and flags for a training job on a machine, and say why."""
    reasoner = request.reasoner()
    workload, target, wishes = request.question(reasoner)
    chosen = reasoner.plan(workload, target, **wishes)

    def render() -> None:
        from ontune.cli.plan_table import print_plan

        exact = None if chosen.numerics == "exact" else reasoner.plan(workload, target, **{**wishes, "numerics": "exact"})
        print_plan(chosen, exact)

    emit(chosen.to_json(), format, render)
