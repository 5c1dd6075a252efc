"""Quality queries: `rules/checks/*-violation.rq`, each a SELECT that must return no row.

Its header says what a row means, `# message: {?term} ...`, and how bad it is, `# severity: error` or `warning`. The variable `?term` is the resource
at fault. The queries read what is stated, before anything is inferred.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from kb.errors import OntuneError
from kb.paths import shipped
from kb.terms import local_name
from reasoner.check.finding import Finding, KnowledgeUnderCheck

_HEADER = re.compile(r"^# (message|severity): (.+)$", re.MULTILINE)
_SLOT = re.compile(r"\{\?(\w+)\}")


def findings(knowledge: KnowledgeUnderCheck) -> Iterator[Finding]:
    """One finding for each row of each query.

    Raises:
        OntuneError: a query cannot be parsed, or its header is not complete.
    """
    for path in sorted((shipped("rules") / "checks").glob("*-violation.rq")):
        text = path.read_text(encoding="utf-8")
        header = dict(_HEADER.findall(text))
        if header.keys() != {"message", "severity"} or header["severity"] not in ("error", "warning"):
            raise OntuneError(f"{path}: a quality query has the header lines '# message: ...' and '# severity: error|warning'")
        try:
            rows = knowledge.stated.select(text)
        except SyntaxError as error:
            raise OntuneError(f"{path}: {error}") from error
        for row in rows:
            yield knowledge.finding(row.get("term", ""), _fill(header["message"], row), "error" if header["severity"] == "error" else "warning")


def _fill(message: str, row: dict[str, str]) -> str:
    text = _SLOT.sub(lambda slot: _readable(row.get(slot[1], slot[0])), message)
    return text if "{?term}" in message else f"{_readable(row.get('term', ''))}: {text}"


def _readable(value: str) -> str:
    return local_name(value) or value if value.startswith(("http", "urn:")) else value
