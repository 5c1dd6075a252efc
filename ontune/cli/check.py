"""`ontune check`: test the knowledge base, or a user's own additions."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from kb.errors import BadInput
from ontune.cli.output import choice, emit

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command()
def check(
    folders: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[DIR...]", help="Folders of additions; without one, your own."),
    ] = None,
    dl: Annotated[
        bool,
        typer.Option("--dl", help="Let HermiT look for contradictions and empty classes too (needs Java)."),
    ] = False,
    anew: Annotated[
        bool,
        typer.Option("--anew", help="Check also what was checked before and has not changed since."),
    ] = False,
    engine: Annotated[str, choice("--engine", "shifty", "pyshacl", help="The SHACL validator.")] = "shifty",
    format: Annotated[str, choice("--format", "table", "json", help="How to print the findings.")] = "table",
) -> None:
    """Test the shipped knowledge with what overlays it: profile, shapes, rules, queries, competency
    questions, scenarios. Exit code 2 on an error.
    """
    from dataclasses import asdict

    from reasoner.check import check as run_checks

    for folder in folders or ():
        if not folder.is_dir():
            problem = "is a file" if folder.exists() else "no such folder"
            raise BadInput(str(folder), problem, expected="a folder of Turtle files")
    report = run_checks(folders or None, dl, "pyshacl" if engine == "pyshacl" else "shifty", not anew)
    document = {
        "ok": report.ok,
        "seconds": round(report.seconds, 2),
        "kept": report.kept,
        "findings": [asdict(finding) for finding in report.findings],
        "table": asdict(report.table) if report.table else None,
    }

    def render() -> None:
        for found in report.findings:
            print(
                f"{found.severity}: {_place(found.file) or found.term or 'the knowledge base'}: {found.text}"
            )
        if table := report.table:
            widest = f"the largest table has {table.rows} rows ({', '.join(table.decisions)})"
            print(
                f"{table.scenarios} requests tried; each decision meets at most {table.width} others at once,"
                f" and {widest}"
            )
        errors = sum(found.severity == "error" for found in report.findings)
        print(f"{errors} errors, {len(report.findings) - errors} warnings in {report.seconds:.1f} s")
        if report.kept:
            print("nothing has changed since this was found; --anew checks again", file=sys.stderr)

    emit(document, format, render)
    if not report.ok:
        raise typer.Exit(BadInput.exit_code)


def _place(file: str) -> str:
    """A file as seen from here, where it lies below."""
    path = Path(file)
    return str(path.relative_to(Path.cwd())) if file and path.is_relative_to(Path.cwd()) else file
