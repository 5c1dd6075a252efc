"""`ontune plan`: the best configuration for a workload on a target, with its reasons."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from kb.errors import BadInput, NoFeasiblePlan
from kb.store.local_files import remember
from kb.values import replace
from ontune.cli.output import choice, emit
from ontune.cli.request import RequestArguments, takes_request

if TYPE_CHECKING:
    from kb.records.request import Request
    from reasoner.answers.plan import Plan
    from reasoner.reasoner import Reasoner

_LEFT_ALONE = "exact"

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command()
@takes_request
def plan(
    request: RequestArguments,
    program: Annotated[
        str | None,
        typer.Argument(metavar="[SCRIPT]", help="What is trained, as a Python program; it is read, not run."),
    ] = None,
    everything: Annotated[
        bool,
        typer.Option(
            "--all", help="Every reason, what was not taken and why, and all sources; not one screen."
        ),
    ] = False,
    format: Annotated[str, choice("--format", "table", "json", help="How to print the plan.")] = "table",
) -> None:
    """Choose framework, compiler, image, precision, threads, allocator and flags for a training job on a
    machine, and say why.
    """
    if program is not None:
        request = _of_script(request, program)
    reasoner = request.reasoner()
    asked = request.question(reasoner)
    chosen = reasoner.plan(asked)
    remember(request.named_files(chosen))

    def render() -> None:
        exact = (
            None
            if not reasoner.exceeds(chosen.numerics, _LEFT_ALONE)
            else _without_changing_numbers(reasoner, asked)
        )
        if everything:
            from ontune.cli.plan_table import print_plan

            print_plan(chosen, exact)
        else:
            from ontune.cli.plan_screen import print_screen

            print_screen(chosen, exact)

    emit(chosen.to_json(), format, render)


def _of_script(request: RequestArguments, program: str) -> RequestArguments:
    if not program.endswith(".py"):
        problem = f"unexpected extra argument ({program})"
        raise BadInput("ontune plan", f"{problem}; what is trained stands behind -w, the machine behind -t")
    if request.workload is not None:
        raise BadInput("--workload", f"{program} says what is trained", expected="one of the two")
    return replace(request, workload=program)


def _without_changing_numbers(reasoner: Reasoner, asked: Request) -> Plan | None:
    """The best plan that leaves the numbers alone; None where what is asked for does not."""
    try:
        return reasoner.plan(replace(asked, numerics=_LEFT_ALONE))
    except NoFeasiblePlan:
        return None
