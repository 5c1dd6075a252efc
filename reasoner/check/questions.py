"""Competency questions: named queries with an expected answer, `NAME.tsv` beside `NAME.rq`.

The first line of the file names variables of the query, the others are rows of their values; IRIs are written
by their local names. Then

    ...      says that there may be further rows (else there may be none);
    never    begins the rows that must not be among them.

The order of the rows counts where the query orders and the answer is said to be complete. Knowledge that
somebody adds may add rows to any answer of the shipped questions, so those are then read as if they all ended
with `...`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from kb.store.files import read_text
from kb.store.query_library import NamedQuery, named_queries, syntax_error
from kb.store.store import KnowledgeStore
from kb.store.terms import local_name
from reasoner.check.finding import Finding, KnowledgeUnderCheck

_MORE, _NEVER = "...", "never"


@dataclass(frozen=True)
class Expected:
    """The answer that a question should get.

    Attributes:
        variables: the variables that are compared.
        rows: what must be among the answers, in order.
        complete: whether there may be no other row.
        never: what must not be among the answers.
    """

    variables: tuple[str, ...]
    rows: tuple[str, ...]
    complete: bool = True
    never: tuple[str, ...] = ()


def findings(knowledge: KnowledgeUnderCheck, folders: Sequence[Path] | None = None) -> Iterator[Finding]:
    """The questions that are not answered as expected.

    Args:
        knowledge: the knowledge base, compiled.
        folders: folders of additions, whose questions are asked too; None takes the user's own.
    """
    extended = any(source.added for source in knowledge.sources)
    for query in named_queries(folders).values():
        if query.expected is None:
            continue
        expected = read_expected(query.expected)
        try:
            given = answer(knowledge.compiled, query, expected.variables)
        except SyntaxError as error:
            yield Finding(
                "error",
                str(query.path),
                "",
                f"competency question {query.name}: {syntax_error(query.path.name, query.text, error)}",
            )
            continue
        except AttributeError:  # the answer of an ASK or a CONSTRUCT has no variables
            yield Finding("error", str(query.path), "", f"competency question {query.name} is no SELECT")
            continue
        if wrong := difference(expected, given, ordered="ORDER BY" in query.text, extended=extended):
            yield Finding("error", str(query.expected), "", f"competency question {query.name}: {wrong}")


def read_expected(path: Path) -> Expected:
    """What a file of an expected answer says."""
    header, *lines = read_text(path).splitlines() or [""]
    before, _, never = _split(lines, _NEVER)
    rows, more, further = _split(before, _MORE)
    return Expected(tuple(header.split("\t")), (*rows, *further), not more, tuple(never))


def answer(store: KnowledgeStore, query: NamedQuery, variables: Sequence[str]) -> list[str]:
    """The rows of the answer, as tab-separated values of the given variables.

    Raises:
        SyntaxError: the query is no SPARQL.
        AttributeError: it is no SELECT.
    """
    lines = []
    for row in store.select(query.text):
        lines.append("\t".join(_readable(row.get(name, "")) for name in variables))
    return lines


def difference(expected: Expected, given: Sequence[str], *, ordered: bool, extended: bool = False) -> str:
    """How an answer differs from the expected one, in words; empty where it does not.

    Args:
        expected, given: the two answers.
        ordered: whether the query says in which order its rows come.
        extended: whether somebody's additions are in the knowledge base.
    """
    complete = expected.complete and not extended
    named = [
        ("not answered", [row for row in expected.rows if row not in given]),
        ("not expected", [row for row in given if row not in expected.rows] if complete else []),
        ("answered against expectation", [row for row in expected.never if row in given]),
    ]
    said = [f"{word}: {_listed(rows)}" for word, rows in named if rows]
    if not said and complete and ordered and list(dict.fromkeys(given)) != list(expected.rows):
        return "the rows come in another order"
    return "; ".join(said)


def _listed(rows: Sequence[str]) -> str:
    return ", ".join(row.replace("\t", " | ") for row in rows[:3]) + (" ..." if len(rows) > 3 else "")


def _split(lines: Sequence[str], mark: str) -> tuple[Sequence[str], bool, Sequence[str]]:
    if mark not in lines:
        return lines, False, ()
    place = lines.index(mark)
    return lines[:place], True, lines[place + 1 :]


def _readable(value: str) -> str:
    return (
        local_name(value)
        if value.startswith(("http://", "https://", "urn:"))
        else value.replace("\t", " ").replace("\n", " ")
    )
