"""`ontune why-not`: what speaks against an option, and what would admit it."""

from __future__ import annotations

from typing import Annotated

import typer

from ontune.cli.output import choice, emit
from ontune.cli.request import RequestArguments, takes_request, typed_field

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command(name="why-not")
@takes_request
def why_not(
    request: RequestArguments,
    option: Annotated[str, typed_field("option")],
    format: Annotated[str, choice("--format", "table", "json", help="How to print the answer.")] = "table",
) -> None:
    """Say why a plan does not take an option: the rule or the numbers against it, the facts, and the smallest
    change that would admit it.
    """
    reasoner = request.reasoner()
    answer = reasoner.why_not(option, request.question(reasoner))

    def render() -> None:
        print(f"{answer['decision']}={answer['option']}: {answer['status']}")
        for reason in answer["reasons"]:
            print(f"  {reason['kind']}: {reason['text']}", *reason["sources"], sep="\n    ")
        for repair in answer["repair"]:
            print(f"  {repair['change']}: {repair['then']}")

    emit(answer, format, render)
