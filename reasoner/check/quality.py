"""Quality queries: `rules/checks/*-violation.rq`, each a SELECT that must return no row.

Its header says what a row means, `# message: {?term} ...`, and how bad it is, `# severity: error` or
`warning`. The variable `?term` is the resource at fault. The queries read what is stated, before anything is
inferred.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from kb.errors import OntuneError
from kb.store.paths import shipped
from kb.store.store import KnowledgeStore
from kb.store.terms import local_name
from reasoner.check.finding import Finding, KnowledgeUnderCheck

_HEADER = re.compile(r"^# (message|severity|refuses): (.+)$", re.MULTILINE)
_SLOT = re.compile(r"\{\?(\w+)\}")
_ASKED = {"message", "severity"}


def findings(knowledge: KnowledgeUnderCheck) -> Iterator[Finding]:
    """One finding for each row of each query.

    Raises:
        OntuneError: a query cannot be parsed, or its header is not complete.
    """
    for header, text in _queries():
        for term, said in _violations(knowledge.stated, header, text):
            yield knowledge.finding(term, said, "error" if header["severity"] == "error" else "warning")


def refusing(store: KnowledgeStore) -> Iterator[tuple[str, str]]:
    """What keeps an addition out: the resource at fault, and what is wrong. Only queries with the header line
    `# refuses: additions` are asked.
    """
    for header, text in _queries():
        if "refuses" in header:
            yield from _violations(store, header, text)


def _queries() -> Iterator[tuple[dict[str, str], str]]:
    for path in sorted((shipped("rules") / "checks").glob("*-violation.rq")):
        text = path.read_text(encoding="utf-8")
        header = dict(_HEADER.findall(text))
        if not header.keys() >= _ASKED or header["severity"] not in ("error", "warning"):
            raise OntuneError(
                f"{path}: a quality query has the header lines "
                "'# message: ...' and '# severity: error|warning'"
            )
        yield header | {"path": str(path)}, text


def _violations(store: KnowledgeStore, header: Mapping[str, str], text: str) -> Iterator[tuple[str, str]]:
    try:
        rows = store.select(text)
    except SyntaxError as error:
        raise OntuneError(f"{header['path']}: {error}") from error
    for row in rows:
        yield row.get("term", ""), _fill(header["message"], row)


def _fill(message: str, row: dict[str, str]) -> str:
    text = _SLOT.sub(lambda slot: _readable(row.get(slot[1], slot[0])), message)
    return text if "{?term}" in message else f"{_readable(row.get('term', ''))}: {text}"


def _readable(value: str) -> str:
    return local_name(value) or value if value.startswith(("http", "urn:")) else value
