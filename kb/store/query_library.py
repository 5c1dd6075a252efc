"""Named queries: the files of `kb/queries/` and of a user's additions. Their header says what they answer and
which variables may be fixed.

    # title: Which builds does a driver run?
    # description: Wheels whose CUDA the driver runs, by the rule of minor-version compatibility.
    # parameter: driver - the version of the kernel driver
    SELECT ... WHERE { VALUES ?driver { "535.129.03" } ... }

A parameter is a variable of the query. Where the query gives it a value by such a `VALUES` of one value,
`--param` replaces that value, and without `--param` the query answers for the value that stands there; else
the query answers for all values, and `--param` keeps the rows of one.

Beside `NAME.rq`, `NAME.tsv` may hold the expected answer, which makes the query a competency question:
`reasoner.check.questions` compares them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pyoxigraph as ox

from kb.errors import BadInput
from kb.store import files, paths
from kb.store.sparql_text import refuse_nesting
from kb.store.terms import PREFIXES

if TYPE_CHECKING:
    from kb.store.store import KnowledgeStore

_HEADER = re.compile(r"^#\s*(title|description|parameter):\s*(.+?)\s*$", re.MULTILINE)
_FIXED = re.compile(
    r"""VALUES\s+\?(?P<name>\w+)\s*\{\s*(?:"(?P<text>[^"{}]*)"|(?P<number>-?\d+(?:\.\d+)?))\s*\}"""
)
_SYNTAX = re.compile(r"error at (\d+):(\d+): (.*)", re.DOTALL)
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
_COUNTS = "count-"


@dataclass(frozen=True)
class NamedQuery:
    """A query with its header.

    Attributes:
        path: its file; the query is named by it, without the suffix.
        text: the whole file.
        title, description: what it answers.
        parameters: variables that may be fixed, with what they mean.
    """

    path: Path
    text: str
    title: str
    description: str
    parameters: Mapping[str, str]

    @property
    def name(self) -> str:
        """What `ontune query` calls it by."""
        return self.path.stem

    @property
    def body(self) -> str:
        """The query without its header."""
        return "\n".join(line for line in self.text.splitlines() if not _HEADER.match(line)).strip()

    @property
    def expected(self) -> Path | None:
        """The file of the expected answer, where there is one."""
        path = self.path.with_suffix(".tsv")
        return path if path.is_file() else None

    @property
    def fixed(self) -> dict[str, str]:
        """The parameters to which the text itself gives a value, with that value."""
        found = {
            match["name"]: match["text"] or match["number"] or "" for match in _FIXED.finditer(self.text)
        }
        return {name: value for name, value in found.items() if name in self.parameters}

    def filled(self, values: Mapping[str, str]) -> str:
        """The query with some of its variables fixed to literals.

        Raises:
            BadInput: the query has no such parameter, or it is a number and the value is none.
        """
        for name in values:
            if name not in self.parameters:
                known = ", ".join(self.parameters) or "none: this query has no parameter"
                raise BadInput(
                    "--param",
                    f"query '{self.name}' has no parameter '{name}'",
                    expected=known,
                    given=name,
                    known=self.parameters,
                )
        text = _FIXED.sub(lambda match: self._refixed(match, values), self.text)
        kept = {name: value for name, value in values.items() if name not in self.fixed}
        if not kept:
            return text
        variables = " ".join(f"?{name}" for name in kept)
        literals = " ".join(str(ox.Literal(value)) for value in kept.values())
        return f"{text.rstrip()}\nVALUES ({variables}) {{ ({literals}) }}\n"

    def _refixed(self, match: re.Match[str], values: Mapping[str, str]) -> str:
        name = match["name"]
        if name not in values or name not in self.parameters:
            return match[0]
        value = values[name]
        if match["number"] is None:
            return f"VALUES ?{name} {{ {ox.Literal(value)} }}"
        if not _NUMBER.fullmatch(value):
            raise BadInput(
                "--param",
                f"'{value}' is no number",
                expected=f"{name}={match['number']} or another number",
                given=value,
            )
        return f"VALUES ?{name} {{ {value} }}"


def named_queries(folders: Sequence[Path] | None = None) -> dict[str, NamedQuery]:
    """Every named query, by name; a user's own one takes the place of a shipped one, and one that cannot be
    read is set aside.

    Args:
        folders: folders of additions; None takes the user's own.
    """
    found = {}
    for path in _files(folders):
        try:
            found[path.stem] = read_query(path)
        except BadInput as error:
            files.set_aside(error)
    return found


def named_query(name: str) -> NamedQuery:
    """The query of that name.

    Raises:
        BadInput: no query has it; the nearest one is suggested.
    """
    known = {path.stem: path for path in _files()}
    if name not in known:
        expected = "SPARQL, a file (-f), or a name of `ontune query --list`"
        raise BadInput("query", f"no query is named '{name}'", expected=expected, given=name, known=known)
    return read_query(known[name])


def read_query(path: Path) -> NamedQuery:
    """One query file with its header."""
    text = files.read_text(path)
    header: dict[str, list[str]] = {"title": [], "description": [], "parameter": []}
    for key, value in _HEADER.findall(text):
        header[key].append(value)
    split = (line.partition(" - ") for line in header["parameter"])
    parameters = {variable.strip(): meaning.strip() for variable, _, meaning in split}
    return NamedQuery(
        path, text, " ".join(header["title"]) or path.stem, " ".join(header["description"]), parameters
    )


def counts(store: KnowledgeStore) -> dict[str, int]:
    """How much of each kind a knowledge base holds: each count is a named query, and the queries are counted
    too.
    """
    queries = named_queries()
    found = {
        name.removeprefix(_COUNTS): int(store.select(query.text)[0]["count"])
        for name, query in queries.items()
        if name.startswith(_COUNTS)
    }
    return dict(sorted({**found, "queries": len(queries)}.items()))


def check_query(path: Path) -> None:
    """See that a query file is SPARQL that only reads, and says what it answers.

    Raises:
        BadInput: it is not; the message names file and line.
    """
    query = read_query(path)
    if query.title == query.name:
        raise BadInput(
            str(path), "the query does not say what it answers", expected="a first line '# title: ...'"
        )
    refuse_nesting(query.text, str(path))
    try:
        ox.Store().query(query.text, prefixes=PREFIXES)
    except SyntaxError as error:
        raise syntax_error(str(path), query.text, error) from error


def syntax_error(where: str, text: str, error: SyntaxError) -> BadInput:
    """The engine's complaint with the text at which it stumbled; its list of all tokens that would have been
    possible helps nobody.
    """
    if not (found := _SYNTAX.match(str(error))):
        return BadInput(where, str(error), expected="a SPARQL query that only reads")
    line, column, problem = int(found[1]), int(found[2]), found[3]
    source = text.splitlines()[line - 1] if line <= len(text.splitlines()) else ""
    before = re.search(r"([A-Za-z][\w-]*):[\w.-]*$", source[: column - 1])
    if "Prefix not found" in problem and before:
        undeclared = f"the prefix '{before[1]}:' is not declared"
        return BadInput(
            f"{where}:{line}:{column}",
            undeclared,
            expected="a PREFIX line, or a known one",
            given=before[1],
            known=PREFIXES,
        )
    before_it = source[: column - 1]
    problem = "the query ends too early"
    if source[column - 1 :].strip() or line < len(text.splitlines()):
        column -= len(before_it) - len(re.sub(r"\w+$", "", before_it))  # back to where the word begins
        problem = f"no SPARQL from here on: '{source[column - 1 : column + 40]}'"
    return BadInput(f"{where}:{line}:{column}", problem, expected="a SPARQL query that only reads")


def _files(folders: Sequence[Path] | None = None) -> Iterator[Path]:
    for folder in (paths.shipped("queries"), *(paths.additions() if folders is None else folders)):
        yield from sorted(folder.rglob("*.rq"))
