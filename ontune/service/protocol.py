"""The query operation of the SPARQL 1.1 protocol (https://www.w3.org/TR/sparql11-protocol/), read from a
request.
"""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import parse_qsl

from kb.errors import BadInput

DIRECT: Final = "application/sparql-query"
FORM: Final = "application/x-www-form-urlencoded"
UPDATE: Final = "application/sparql-update"


class UnsupportedMediaType(BadInput):
    """The body is in a form that the protocol does not have."""


class ReadOnly(BadInput):
    """Something would have been changed."""


def asked(
    method: str, query_string: str, media_type: str, body: bytes, accept: str, base: str
) -> dict[str, Any]:
    """The query that a request asks, as `Engine.query` takes it.

    Args:
        method: GET or POST.
        query_string: of the address.
        media_type: of the body.
        body: as it came.
        accept: the header of that name.
        base: the address of the endpoint, for IRIs that are relative.

    Raises:
        BadInput: it is no query operation of the protocol.
    """
    given = _pairs(query_string.encode(), "address")
    if method == "POST":
        kind = media_type.partition(";")[0].strip().lower()
        if kind == UPDATE:
            raise ReadOnly(
                "body",
                "an update changes the knowledge base",
                expected="a query; `ontune kb add` adds knowledge",
            )
        if kind not in (DIRECT, FORM):
            raise UnsupportedMediaType(
                "Content-Type", f"'{media_type}' is no form of a query", expected=f"{DIRECT} or {FORM}"
            )
        given += [("query", _text(body, "body"))] if kind == DIRECT else _pairs(body, "body")
    if any(name in ("update", "using-graph-uri", "using-named-graph-uri") for name, _ in given):
        raise ReadOnly(
            "update",
            "an update changes the knowledge base",
            expected="a query; `ontune kb add` adds knowledge",
        )
    queries = _values_of("query", given)
    if len(queries) != 1:
        raise BadInput("query", f"there are {len(queries)} of them", expected="exactly one")
    return {
        "query": queries[0],
        "accept": accept,
        "base": base,
        "default_graphs": _values_of("default-graph-uri", given),
        "named_graphs": _values_of("named-graph-uri", given),
    }


def _values_of(wanted: str, given: list[tuple[str, str]]) -> list[str]:
    return [value for name, value in given if name == wanted]


def _pairs(text: bytes, where: str) -> list[tuple[str, str]]:
    try:
        return parse_qsl(_text(text, where), keep_blank_values=True, errors="strict", max_num_fields=1000)
    except ValueError as error:
        raise BadInput(where, f"cannot be read: {error}", expected="percent-encoded UTF-8") from error


def _text(content: bytes, where: str) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise BadInput(where, "is not encoded in UTF-8", expected="UTF-8") from error
