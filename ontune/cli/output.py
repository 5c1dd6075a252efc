"""What the commands print: JSON or tables on stdout, progress on stderr. Rich is imported only for tables."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from kb.clean import clean
from kb.errors import BadInput
from kb.records.names import one_of

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from kb.store.snapshot import Snapshot

FINDINGS = 5
"""The exit code of a command that was asked to find something, and did."""
NARROWEST_PIPE = 120  # columns of a table that goes into a file or a pipe


def choice(flag: str, *names: str, help: str = "") -> Any:
    """A Typer option that takes one of `names`, whatever the case; anything else is bad input which names the
    nearest one.
    """

    def parse(given: str) -> str:
        return one_of(given, names, flag, "value")

    return typer.Option(
        flag, parser=parse, metavar="|".join(names), autocompletion=lambda: list(names), help=help
    )


def emit_json(document: object) -> None:
    """Print one JSON value on stdout."""
    import msgspec  # indents a plan ten times as fast as the standard library

    print(msgspec.json.format(msgspec.json.encode(document), indent=2).decode())


def console() -> Console:
    """Where tables go: stdout, without colour where NO_COLOR is set or it is no terminal."""
    from ontune.cli.clean_console import on

    width = None if sys.stdout.isatty() else shutil.get_terminal_size((NARROWEST_PIPE, 0)).columns
    return on(sys.stdout, width=width, highlight=False, soft_wrap=False)


def table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, strong: int | None = None) -> Table:
    """A table of values; user text is never read as markup. Column `strong`, counted from 0, is bold."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    made = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        made.add_column(clean(column), overflow="fold")
    for row in rows:
        made.add_row(
            *(
                Text("" if value is None else clean(str(value)), style="bold" if index == strong else "")
                for index, value in enumerate(row)
            )
        )
    return made


def emit_rows(rows: Iterable[Sequence[object]], columns: Sequence[str]) -> None:
    """Print rows of values as a table on stdout."""
    console().print(table(columns, rows))


def say(message: str) -> None:
    """One line of progress on stderr."""
    print(message, file=sys.stderr, flush=True)


def say_state_of(snapshot: Snapshot) -> None:
    """Tell on stderr which additions to the knowledge base do not count, and why; and where the compiled
    knowledge cannot be kept.
    """
    from kb.store.paths import missing_additions

    missing = (
        f"{folder}: ONTUNE_KB_PATH names it, and there is no such folder" for folder in missing_additions()
    )
    for text in (*snapshot.refused.values(), *missing):
        say(f"refused: {text}")
    if snapshot.unkept:
        say(
            "note: the knowledge base is compiled each time, since what is compiled cannot be kept:"
            f" {snapshot.unkept}"
        )


def write_whole(path: Path, content: str | bytes) -> None:
    """Write a file whole or not at all; text as UTF-8.

    Raises:
        BadInput: the folder is missing or cannot be written.
    """
    try:
        from kb.store.scratch import scratch

        with scratch("file", path.parent) as made:
            (made / "text").write_bytes(content.encode("utf-8") if isinstance(content, str) else content)
            (made / "text").replace(path)  # a link of that name is replaced, not followed
    except OSError as error:
        problem = f"cannot be written ({(error.strerror or str(error)).lower()})"
        raise BadInput(str(path), problem, expected="a folder that exists and is writable") from error


def emit(document: object, format: str, render: Callable[[], None]) -> None:
    """Print a document as JSON, or let `render` print it for people."""
    if format == "json":
        emit_json(document)
    else:
        render()
