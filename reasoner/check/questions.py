"""Competency questions: `kb/questions/<name>/` holds the question in words, its query, and the answer that is expected.

`query.rq` is a SELECT; `expected.tsv` holds its rows after a line with its variables. IRIs are written by their local names. The order counts only
where the query orders.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from kb.paths import shipped
from kb.store import KnowledgeStore
from kb.terms import local_name
from reasoner.check.finding import Finding, KnowledgeUnderCheck


def findings(knowledge: KnowledgeUnderCheck) -> Iterator[Finding]:
    """The questions that are not answered as expected."""
    for folder in sorted(path for path in shipped("questions").glob("*") if path.is_dir()):
        missing = [name for name in ("question.md", "query.rq", "expected.tsv") if not (folder / name).is_file()]
        if missing:
            yield Finding("error", str(folder), "", f"competency question {folder.name} lacks {', '.join(missing)}")
            continue
        expected = (folder / "expected.tsv").read_text(encoding="utf-8").splitlines()
        try:
            given = answer(knowledge.compiled, folder, expected[0].split("\t") if expected else [])
        except SyntaxError as error:
            yield Finding("error", str(folder / "query.rq"), "", f"competency question {folder.name} is no SPARQL: {error}")
            continue
        if "ORDER BY" not in (folder / "query.rq").read_text(encoding="utf-8"):
            given, expected = given[:1] + sorted(given[1:]), expected[:1] + sorted(expected[1:])
        if given != expected:
            lost, further = sorted(set(expected) - set(given)), sorted(set(given) - set(expected))
            difference = "; ".join(
                f"{word} {', '.join(row.replace(chr(9), ' ') for row in rows[:3])}{' ...' if len(rows) > 3 else ''}"
                for word, rows in (("not answered:", lost), ("not expected:", further))
                if rows
            )
            yield Finding("error", str(folder), "", f"competency question {folder.name}: {difference or 'the rows come in another order'}")


def answer(store: KnowledgeStore, folder: Path, variables: Sequence[str]) -> list[str]:
    """The answer as lines of TSV, the given variables first.

    Raises:
        SyntaxError: the query is no SPARQL.
    """
    rows = store.select((folder / "query.rq").read_text(encoding="utf-8"))
    return ["\t".join(variables)] + ["\t".join(_readable(row.get(name, "")) for name in variables) for row in rows]


def _readable(value: str) -> str:
    return local_name(value) if value.startswith(("http://", "https://", "urn:")) else value.replace("\t", " ").replace("\n", " ")
