"""`ontune install`: the programs that builds and tests use, where the system has none."""

from __future__ import annotations

from typing import Annotated

import typer

from ontune.cli.output import choice, emit, emit_rows

app = typer.Typer(rich_markup_mode=None, add_completion=False)


def _names() -> list[str]:
    from bench.images.scripts import installers

    return list(installers())


@app.command()
def install(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="NAME", autocompletion=_names, help="What to install; without it, what there is."
        ),
    ] = None,
    format: Annotated[str, choice("--format", "table", "json", help="How to print what there is.")] = "table",
) -> None:
    """Install a program that Ontune uses, such as apptainer: the system's package, or into a folder of
    Ontune's own. One that works is left alone.
    """
    from bench.images import scripts

    if name is not None:
        scripts.install(name)
        return
    known = scripts.installers()
    emit(known, format, lambda: emit_rows(known.items(), ("name", "what is done")))
