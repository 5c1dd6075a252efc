"""`ontune build`: the image of a bundle."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ontune.cli.elsewhere import accept_option, agree_to_build
from ontune.cli.output import choice, emit, emit_rows
from ontune.cli.runner import runner_named, runner_option

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command()
def build(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A bundle, as `ontune recipe` writes it.")],
    runner: Annotated[str, runner_option()] = "auto",
    accept_files: Annotated[bool, accept_option()] = False,
    format: Annotated[
        str, choice("--format", "table", "json", help="How to print what was built.")
    ] = "table",
) -> None:
    """Build what a bundle needs in order to run, or take it from the cache; the image then lies in the
    bundle.
    """
    from dataclasses import asdict

    from generators.bundle import Bundle

    bundle = Bundle.read(folder)
    agree_to_build(bundle, accept_files)
    document = asdict(runner_named(runner, bundle).prepare(bundle))
    emit(document, format, lambda: emit_rows(document.items(), ("built", "")))
