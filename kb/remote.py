"""A knowledge base behind any SPARQL 1.1 endpoint."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.error import URLError
from urllib.parse import urlsplit

import pyoxigraph as ox

from kb.errors import BadInput
from kb.store import KnowledgeStore
from kb.terms import PREFIXES

_TIMEOUT_SECONDS = 60
_COMMENT = re.compile(r"^[ \t]*#.*$", re.MULTILINE)
_EVERYTHING = "SELECT ?graph ?subject ?predicate ?object WHERE { GRAPH ?graph { ?subject ?predicate ?object } }"
_MAKERS = {"uri": ox.NamedNode, "bnode": ox.BlankNode}


def select_remote(endpoint: str, text: str) -> dict[str, Any]:
    """Run a SELECT or ASK query at an endpoint; gives the object of the standard's JSON result format.

    Raises:
        BadInput: the address is no endpoint, it does not answer, or it refuses the query.
    """
    answer = json.loads(_ask(endpoint, text, "json"))
    if not isinstance(answer, dict):
        raise BadInput(endpoint, "the answer is no SPARQL result", expected="the address of a SPARQL 1.1 endpoint")
    return answer


def construct_remote(endpoint: str, text: str) -> str:
    """Run a CONSTRUCT or DESCRIBE query at an endpoint; gives Turtle. Raises as `select_remote`."""
    return _ask(endpoint, text, "turtle").decode()


def read_remote(endpoint: str) -> KnowledgeStore:
    """Every triple of a compiled knowledge base behind an endpoint, in its named graphs. Raises as `select_remote`."""
    store = KnowledgeStore()
    rows = select_remote(endpoint, _EVERYTHING)["results"]["bindings"]
    if not rows:
        raise BadInput(endpoint, "the endpoint has no named graphs", expected="a compiled knowledge base, as `ontune serve` offers it")
    store.add(ox.Quad(_term(row["subject"]), _term(row["predicate"]), _term(row["object"]), _term(row["graph"])) for row in rows)
    return store


def _ask(endpoint: str, text: str, format: str) -> bytes:
    from SPARQLWrapper import POST, SPARQLExceptions, SPARQLWrapper

    if urlsplit(endpoint).scheme not in ("http", "https"):
        raise BadInput("--endpoint", f"'{endpoint}' is no address", expected="http://... or https://...")
    prologue = " ".join(f"PREFIX {prefix}: <{namespace}>" for prefix, namespace in PREFIXES.items())
    client = SPARQLWrapper(endpoint, returnFormat=format)
    client.setMethod(POST)
    client.setTimeout(_TIMEOUT_SECONDS)
    client.setQuery(f"{prologue} {_COMMENT.sub('', text)}")  # the client takes a word in a comment for the kind of query
    try:
        return bytes(client.query().response.read())
    except SPARQLExceptions.SPARQLWrapperException as error:
        raise BadInput(endpoint, f"the endpoint refuses the query: {' '.join(str(error).split())}") from error
    except (URLError, OSError) as error:
        problem = f"the endpoint does not answer: {getattr(error, 'reason', error)}"
        raise BadInput(endpoint, problem, expected="a running SPARQL 1.1 endpoint") from error


def _term(value: dict[str, str]) -> Any:
    if make := _MAKERS.get(value["type"]):
        return make(value["value"])
    datatype = value.get("datatype")
    return ox.Literal(value["value"], language=value.get("xml:lang"), datatype=ox.NamedNode(datatype) if datatype else None)
