"""Named queries: the files of `kb/queries/` and of a user's additions. Their header says what they answer and which variables may be fixed.

    # title: Options of a decision
    # description: Every option with what it does to the numbers.
    # parameter: decision - the decision's name, such as precision
    SELECT ...

A parameter is a variable of the query; where it is not given, the query answers for all its values.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pyoxigraph as ox

from kb import paths
from kb.errors import BadInput

_HEADER = re.compile(r"^#\s*(title|description|parameter):\s*(.+?)\s*$", re.MULTILINE)


@dataclass(frozen=True)
class NamedQuery:
    """A query with its header.

    Attributes:
        name: the file's name without its suffix.
        text: the whole file.
        title, description: what it answers.
        parameters: variables that may be fixed, with what they mean.
    """

    name: str
    text: str
    title: str
    description: str
    parameters: Mapping[str, str]

    def filled(self, values: Mapping[str, str]) -> str:
        """The query with some of its variables fixed to literals.

        Raises:
            BadInput: the query has no such parameter.
        """
        for name in values:
            if name not in self.parameters:
                known = ", ".join(self.parameters) or "none: this query has no parameter"
                raise BadInput("--param", f"query '{self.name}' has no parameter '{name}'", expected=known, given=name, known=self.parameters)
        if not values:
            return self.text
        variables = " ".join(f"?{name}" for name in values)
        literals = " ".join(str(ox.Literal(value)) for value in values.values())
        return f"{self.text.rstrip()}\nVALUES ({variables}) {{ ({literals}) }}\n"


def named_queries() -> dict[str, NamedQuery]:
    """Every named query, by name; a user's own one takes the place of a shipped one."""
    return {path.stem: _read(path) for path in _files()}


def named_query(name: str) -> NamedQuery:
    """The query of that name.

    Raises:
        BadInput: no query has it; the nearest one is suggested.
    """
    known = {path.stem: path for path in _files()}
    if name not in known:
        expected = "SPARQL, a file (-f), or a name of `ontune query --list`"
        raise BadInput("query", f"no query is named '{name}'", expected=expected, given=name, known=known)
    return _read(known[name])


def _files() -> Iterator[Path]:
    for folder in (paths.shipped("queries"), *paths.additions()):
        yield from sorted(folder.rglob("*.rq"))


def _read(path: Path) -> NamedQuery:
    text = path.read_text(encoding="utf-8")
    header: dict[str, list[str]] = {"title": [], "description": [], "parameter": []}
    for key, value in _HEADER.findall(text):
        header[key].append(value)
    split = (line.partition(" - ") for line in header["parameter"])
    parameters = {variable.strip(): meaning.strip() for variable, _, meaning in split}
    return NamedQuery(path.stem, text, " ".join(header["title"]) or path.stem, " ".join(header["description"]), parameters)
