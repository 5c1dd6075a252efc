"""A knowledge base behind any SPARQL 1.1 endpoint.

Who must identify themselves put a token into `ONTUNE_ENDPOINT_TOKEN`, or a name and a password into
`ONTUNE_ENDPOINT_USER` and
`ONTUNE_ENDPOINT_PASSWORD`: on the command line others could read them. `ONTUNE_ENDPOINT_TIMEOUT` is how many
    seconds an answer may take.
"""

from __future__ import annotations

import base64
import os
import re
from http import HTTPStatus
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit

import pyoxigraph as ox

from kb.errors import BadInput
from kb.store import files
from kb.store.sparql_text import with_whole_names
from kb.store.store import KnowledgeStore
from kb.store.terms import PREFIXES, on

_TIMEOUT_SECONDS = 60
_LARGEST = 1 << 30  # bytes of an answer: a whole knowledge base has some tens of MiB
_TOKEN, _USER, _PASSWORD, _TIMEOUT = (
    f"ONTUNE_ENDPOINT_{name}" for name in ("TOKEN", "USER", "PASSWORD", "TIMEOUT")
)
_THIS_MACHINE = {"localhost", "127.0.0.1", "::1"}
_COMMENT = re.compile(r"^[ \t]*#.*$", re.MULTILINE)
_EVERYTHING = (
    "SELECT ?graph ?subject ?predicate ?object WHERE { GRAPH ?graph { ?subject ?predicate ?object } }"
)
_EXPECTED = "a compiled knowledge base, as `ontune serve` offers it"
_MAKERS = {"uri": ox.NamedNode, "bnode": ox.BlankNode}


def select_remote(endpoint: str, text: str) -> dict[str, Any]:
    """Run a SELECT or ASK query at an endpoint; gives the object of the standard's JSON result format.

    Raises:
        BadInput: the address is no endpoint, it does not answer, or it refuses the query.
    """
    answer: dict[str, Any] = files.json_of(_decoded(_ask(endpoint, text, "json"), endpoint), endpoint)
    if not _is_result(answer):
        raise BadInput(
            endpoint, "the answer is no SPARQL result", expected="the address of a SPARQL 1.1 endpoint"
        )
    return answer


def construct_remote(endpoint: str, text: str) -> str:
    """Run a CONSTRUCT or DESCRIBE query at an endpoint; gives Turtle. Raises as `select_remote`."""
    return _decoded(_ask(endpoint, text, "turtle"), endpoint)


def read_remote(endpoint: str) -> KnowledgeStore:
    """Every triple of a compiled knowledge base behind an endpoint, in its named graphs.

    Raises as `select_remote`.
    """
    store = KnowledgeStore()
    rows = select_remote(endpoint, _EVERYTHING)["results"]["bindings"]
    if not rows:
        raise BadInput(endpoint, "the endpoint has no named graphs", expected=_EXPECTED)
    try:
        store.add(
            ox.Quad(_term(row["subject"]), _term(row["predicate"]), _term(row["object"]), _term(row["graph"]))
            for row in rows
        )
    except (KeyError, TypeError, ValueError) as error:  # a row without a column, an IRI that is none
        raise BadInput(endpoint, f"the answer is no list of triples: {error}", expected=_EXPECTED) from error
    if not any(store.instances(on("Decision"))):
        raise BadInput(endpoint, "what the endpoint holds is no knowledge base of Ontune", expected=_EXPECTED)
    return store


def _decoded(answer: bytes, endpoint: str) -> str:
    try:
        return answer.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadInput(
            endpoint, "the answer is no text in UTF-8", expected="a SPARQL 1.1 endpoint"
        ) from error


def _is_result(answer: Any) -> bool:
    """Whether a value has the form of the standard's JSON results: a truth value, or named columns and rows
    of terms.
    """
    if not isinstance(answer, dict) or "boolean" in answer:
        return isinstance(answer, dict) and isinstance(answer["boolean"], bool)
    head, results = answer.get("head"), answer.get("results")
    if not isinstance(head, dict) or not isinstance(results, dict):
        return False
    columns, rows = head.get("vars"), results.get("bindings")
    if (
        not isinstance(columns, list)
        or not isinstance(rows, list)
        or not all(isinstance(column, str) for column in columns)
    ):
        return False
    return all(map(_is_row, rows))


def _is_row(row: Any) -> bool:
    return isinstance(row, dict) and all(map(_is_term, row.values()))


def _is_term(term: Any) -> bool:
    return isinstance(term, dict) and all(isinstance(term.get(key), str) for key in ("type", "value"))


def _ask(endpoint: str, text: str, format: str) -> bytes:
    from SPARQLWrapper import POST, SPARQLExceptions, SPARQLWrapper

    if urlsplit(endpoint).scheme not in ("http", "https"):
        raise BadInput("--endpoint", f"'{endpoint}' is no address", expected="http://... or https://...")
    if "@" in urlsplit(endpoint).netloc:
        raise BadInput(
            "--endpoint",
            "user and password stand in the address",
            expected=f"{_USER} and {_PASSWORD}, or {_TOKEN}",
        )
    prologue = " ".join(f"PREFIX {prefix}: <{namespace}>" for prefix, namespace in PREFIXES.items())
    seconds = _timeout()
    client = SPARQLWrapper(endpoint, returnFormat=format)
    client.setMethod(POST)
    client.setTimeout(seconds)
    # The client takes a word in a comment for the kind of query.
    client.setQuery(f"{prologue} {_COMMENT.sub('', with_whole_names(text))}")
    if authorization := _authorization(endpoint):
        client.addCustomHttpHeader("Authorization", authorization)
    try:
        content = bytes(client.query().response.read(_LARGEST + 1))
    except SPARQLExceptions.Unauthorized as error:
        raise BadInput(
            endpoint,
            "the endpoint does not let you in",
            expected=f"a token in {_TOKEN}, or {_USER} and {_PASSWORD}",
        ) from error
    except SPARQLExceptions.SPARQLWrapperException as error:
        raise BadInput(endpoint, f"the endpoint refuses the query: {' '.join(str(error).split())}") from error
    except TimeoutError as error:
        raise _too_slow(endpoint, seconds) from error
    except (URLError, OSError) as error:
        if isinstance(getattr(error, "reason", None), TimeoutError):
            raise _too_slow(endpoint, seconds) from error
        if isinstance(error, HTTPError) and error.code == HTTPStatus.FORBIDDEN:
            raise BadInput(endpoint, "the endpoint lets you in, and forbids the query") from error
        problem = f"the endpoint does not answer: {getattr(error, 'reason', error)}"
        raise BadInput(endpoint, problem, expected="a running SPARQL 1.1 endpoint") from error
    if len(content) > _LARGEST:
        raise BadInput(endpoint, "the answer is too large", expected=f"at most {_LARGEST >> 20} MiB")
    return content


def _authorization(endpoint: str) -> str:
    """The header that identifies the user; empty where nothing is set."""
    token, user, password = (os.environ.get(name, "") for name in (_TOKEN, _USER, _PASSWORD))
    if not token and not user:
        return ""
    address = urlsplit(endpoint)
    if address.scheme != "https" and address.hostname not in _THIS_MACHINE:
        raise BadInput(endpoint, "a password or token would travel unencrypted", expected="https://...")
    if any(sign < " " for sign in f"{token}{user}{password}"):
        raise BadInput(_TOKEN if token else _USER, "it has control characters", expected="one line of text")
    return f"Bearer {token}" if token else "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def _timeout() -> int:
    text = os.environ.get(_TIMEOUT, "")
    if not text:
        return _TIMEOUT_SECONDS
    if not text.isdecimal() or int(text) == 0:
        raise BadInput(_TIMEOUT, f"'{text}' is no time", expected="a whole number of seconds")
    return int(text)


def _too_slow(endpoint: str, seconds: int) -> BadInput:
    return BadInput(
        endpoint,
        f"the endpoint did not answer within {seconds} s",
        expected=f"a faster one, or more seconds in {_TIMEOUT}",
    )


def _term(value: dict[str, str]) -> Any:
    if make := _MAKERS.get(value["type"]):
        return make(value["value"])
    datatype = value.get("datatype")
    return ox.Literal(
        value["value"], language=value.get("xml:lang"), datatype=ox.NamedNode(datatype) if datatype else None
    )
