"""`ontune fetch`: what the build of a locked bundle takes from elsewhere, into the bundle."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ontune.cli.elsewhere import accept_option, agree_to_build
from ontune.cli.output import choice, emit, emit_rows

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command()
def fetch(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="A locked bundle, as `ontune recipe --locked` writes it.")
    ],
    accept_files: Annotated[bool, accept_option()] = False,
    format: Annotated[
        str, choice("--format", "table", "json", help="How to print what was fetched.")
    ] = "table",
) -> None:
    """Collect everything that a bundle's lock names, by hash, so that `ontune build` needs no network."""
    from bench.images import apptainer, inputs
    from generators.bundle import Bundle

    bundle = Bundle.read(folder)
    agree_to_build(bundle, accept_files)
    fetched = inputs.fetch(bundle, apptainer.required())
    files = {
        str(path.relative_to(folder)): path.stat().st_size
        for path in sorted(fetched.rglob("*"))
        if path.is_file()
    }
    document = {
        "folder": str(fetched),
        "files": [{"path": path, "bytes": size} for path, size in files.items()],
    }
    emit(document, format, lambda: emit_rows(files.items(), (f"fetched into {fetched}", "bytes")))
