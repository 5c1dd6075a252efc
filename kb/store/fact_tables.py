"""Tables of facts: `NAME.csv` holds what differs from row to row, and the template `NAME.ttl.j2` beside it
writes each row as Turtle. The template declares no prefixes: those of the knowledge base hold.

A cell may hold several values, with `; ` between them. A cell is plain text: no quotation marks, backslashes
or line breaks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from kb.errors import BadInput
from kb.store import files
from kb.store.terms import PREFIXES, version_key

TABLE = ".csv"
TEMPLATE = ".ttl.j2"
_BETWEEN = "; "


def turtle_of_table(path: Path) -> str:
    """The Turtle that a table stands for.

    Args:
        path: the table; its template lies beside it.

    Raises:
        BadInput: a file is missing or malformed, or a cell holds what no plain text is.
    """
    return turtle_of_rows(
        files.read_text(path), path.name, lambda name: files.read_text(path.with_name(name)), str(path)
    )


def turtle_of_rows(table: str, name: str, template_of: Callable[[str], str], where: str) -> str:
    """The Turtle that a table stands for, wherever it comes from.

    Args:
        table: the text of the table.
        name: the name of its file, without folders.
        template_of: gives the text of a template beside the table by the name of its file.
        where: what holds the table, for the error.

    Raises:
        BadInput: as `turtle_of_table`.
    """
    import jinja2
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    rows = files.csv_of(table, where)
    for line, row in enumerate(rows, start=2):
        for column, cell in row.items():
            if any(sign in cell for sign in '"\\\n'):
                raise BadInput(
                    f"{where}:{line}",
                    f"column '{column}' holds a sign that ends a text",
                    expected="plain text",
                )
    loader = jinja2.FunctionLoader(template_of)
    # What comes from elsewhere is compared too, and must run nothing.
    environment = ImmutableSandboxedEnvironment(
        loader=loader, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"each": each, "listed": listed, "sort_key": version_key, "values": values}
    template = PurePosixPath(name).stem + TEMPLATE
    try:
        turtle = environment.get_template(template).render(rows=[_Row(where, row) for row in rows])
    except jinja2.TemplateError as error:
        raise BadInput(
            where, f"{template}: {error}", expected="a template of Turtle for the table beside it"
        ) from error
    return (
        "".join(
            f"@prefix {prefix}: <{namespace}> .\n"
            for prefix, namespace in PREFIXES.items()
            if f"{prefix}:" in turtle
        )
        + turtle
    )


def values(cell: str) -> list[str]:
    """The values of a cell."""
    return [value for value in cell.split(_BETWEEN) if value]


def each(cell: str, before: str, after: str = "") -> str:
    """The values of a cell as objects of one Turtle statement, each between two texts: `a; b` and `cap:` give
    `cap:a , cap:b`.
    """
    return " , ".join(f"{before}{value}{after}" for value in values(cell))


def listed(cell: str) -> str:
    """The values of a cell in a sentence: `a, b and c`."""
    *most, last = values(cell)
    return f"{', '.join(most)} and {last}" if most else last


class _Row(dict[str, Any]):
    """A row whose unknown columns are errors, also where a template asks only whether they are empty."""

    def __init__(self, where: str, cells: Mapping[str, str]) -> None:
        super().__init__(cells)
        self._where = where

    def __missing__(self, column: str) -> str:
        problem = f"the table has no column '{column}', which its template reads"
        raise BadInput(self._where, problem, given=column, known=self)
