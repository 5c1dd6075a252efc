"""`ontune what-if`: the plan with some facts changed, as a difference."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from kb.errors import BadInput
from ontune.cli.output import choice, emit, emit_rows
from ontune.cli.request import RequestArguments, pairs, takes_request, typed_field

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command(name="what-if")
@takes_request
def what_if(
    request: RequestArguments,
    facts: Annotated[list[str] | None, typed_field("changes")] = None,
    without: Annotated[list[str] | None, typed_field("without")] = None,
    format: Annotated[
        str, choice("--format", "table", "json", help="How to print the difference.")
    ] = "table",
) -> None:
    """Replan with changed facts of the target and print what changes, with the reasons."""
    if not facts and not without:
        raise BadInput("what-if", "nothing is changed", expected="KEY=VALUE, or --without RESOURCE")
    changed = pairs(
        facts or [], "KEY=VALUE", "a key of `ontune probe` and a value, such as cpu.usable_cores=1"
    )
    reasoner = request.reasoner()
    answer = reasoner.what_if(changed, request.question(reasoner), without=without or ())
    emit(answer, format, lambda: _print(answer))


def _print(answer: dict[str, Any]) -> None:
    if not answer["changes"]:
        print("nothing changes")
    rows = [(change["decision"], change["from"], change["to"], _why(change)) for change in answer["changes"]]
    if rows:
        emit_rows(rows, ("decision", "from", "to", "why"))
    for name in ("before", "after"):
        ratio = answer[name]["prediction"]["vs_default"]
        said = (
            f"{ratio['value']:.2f} x the default ({ratio['low']:.2f} to {ratio['high']:.2f})"
            if ratio["value"] is not None
            else ratio["reason"]
        )
        print(f"{name:>6}: {said}")


def _why(change: dict[str, Any]) -> str:
    """The reasons for a change, a line each."""
    return "\n".join(dict.fromkeys(reason["text"] for reason in change["reasons"]))
