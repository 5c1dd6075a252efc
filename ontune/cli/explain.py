"""`ontune explain`: the proof of a decision, down to facts and their sources."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ontune.cli.output import choice, console, emit
from ontune.cli.request import RequestArguments, takes_request, typed_field

if TYPE_CHECKING:
    from rich.tree import Tree

_FORMATS = ("table", "json", "turtle", "dot")

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command()
@takes_request
def explain(
    request: RequestArguments,
    subject: Annotated[str, typed_field("subject")],
    format: Annotated[
        str,
        choice("--format", *_FORMATS, help="As a tree, JSON, PROV-O in Turtle, or a drawing for Graphviz."),
    ] = "table",
) -> None:
    """Prove a line of a plan: from the option to rules and effects, to facts, to sources and observations."""
    from generators.provenance.lines import explain as proof_of

    reasoner = request.reasoner()
    asked = request.question(reasoner)
    plan = None if request.adds_to_plan else request.given_plan()
    proof = proof_of(reasoner, subject, asked, plan=plan)
    if format in ("turtle", "dot"):
        from reasoner.answers.proof_formats import to_dot, to_turtle

        print(to_turtle(proof) if format == "turtle" else to_dot(proof), end="")
    else:
        emit(proof, format, lambda: console().print(_tree(proof)))


def _tree(proof: Mapping[str, Any], tree: Tree | None = None) -> Tree:
    from rich.text import Text
    from rich.tree import Tree

    label = Text(str(proof["conclusion"]))
    by = proof["by"]
    said = by.get("text", "")
    label.append(
        f"  ({by['kind']} {by['id']}{': ' + said if said and said != proof['conclusion'] else ''})",
        style="dim",
    )
    for source in by["sources"]:
        label.append(f"\n{source}", style="dim")
    branch = tree.add(label) if tree is not None else Tree(label)
    for premise in proof.get("premises", ()):
        _tree(premise, branch)
    return branch
