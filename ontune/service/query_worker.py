"""A worker that answers SPARQL queries: after loading it can open no file and no socket, and its memory is
bounded.
"""

from __future__ import annotations

import contextlib
import io
import json
import resource
import socket
from typing import Any

import pyoxigraph as ox

from kb.errors import BadInput
from kb.store.query_library import syntax_error
from kb.store.sparql_text import refuse_federation, refuse_nesting, with_whole_names
from kb.store.store import KnowledgeStore
from kb.store.terms import PREFIXES
from ontune.service import frames, results

_PIECE = 1 << 16
_MORE_MEMORY = 1 << 30
"""Bytes that a worker may add to what it was forked with: an answer streams, but an ORDER BY or a join table
must be held.
"""

_ENOUGH = 2000
"""Queries after which a worker ends, so that no leak of the engine grows."""


class QueryWorker:
    """Answers queries over one store, one after the other.

    Args:
        store: the whole knowledge base.
    """

    def __init__(self, store: KnowledgeStore) -> None:
        self._store = store.store
        with contextlib.suppress(BadInput):
            # Loads rdflib now: later no file can be opened.
            refuse_federation("ASK { SERVICE <urn:x> { } }", "query")

    def work(self, connection: socket.socket) -> None:
        """Answer what comes over `connection` until it is closed."""
        _lock_in()
        for _ in range(_ENOUGH):
            received = frames.receive(connection)
            if received is None:
                return
            asked: dict[str, Any] = json.loads(received[1])
            try:
                self._answer(asked, connection)
            except BadInput as error:
                connection.sendall(
                    frames.packed_json(frames.FAILURE, {"kind": type(error).__name__} | error.to_json())
                )
            except (OSError, MemoryError, RecursionError) as error:
                problem = f"query: it cannot be answered here: {type(error).__name__}: {error}"
                connection.sendall(
                    frames.packed_json(
                        frames.FAILURE,
                        {"kind": "BadInput", "message": problem, "exit_code": BadInput.exit_code},
                    )
                )
            except Exception as error:  # a fault of ours, which one query must not make the next one's
                connection.sendall(frames.fault(error))

    def _answer(self, asked: dict[str, Any], connection: socket.socket) -> None:
        text = with_whole_names(asked["query"])
        refuse_nesting(text, "query")
        refuse_federation(text, "query")
        defaults, named = _graphs(asked, "default"), _graphs(asked, "named")
        dataset: dict[str, Any] = (
            {"default_graph": defaults, "named_graphs": named}
            if defaults or named
            else {"use_default_graph_as_union": True}
        )
        try:
            answer: Any = self._store.query(text, base_iri=asked["base"], prefixes=PREFIXES, **dataset)
        except (SyntaxError, ValueError) as error:
            raise syntax_error("query", text, SyntaxError(str(error))) from error
        format = results.negotiated(asked["accept"], results.offered(answer))
        out = _Outgoing(connection, format.media_type)
        results.write(answer, out, format)
        out.finish()


def _graphs(asked: dict[str, Any], kind: str) -> list[ox.NamedNode]:
    """The graphs of a kind that the request names.

    Raises:
        BadInput: an address is no IRI.
    """
    try:
        return [ox.NamedNode(iri) for iri in asked[f"{kind}_graphs"]]
    except ValueError as error:
        raise BadInput(f"{kind}-graph-uri", str(error), expected="an IRI") from error


class _Outgoing(io.RawIOBase):
    """Hands on what is written in pieces of some size, behind a head that says what it is.

    The head leaves with the first piece: until then whatever goes wrong can still be told in its place.
    """

    def __init__(self, connection: socket.socket, media_type: str) -> None:
        super().__init__()
        self._connection, self._held = connection, bytearray()
        self._head = frames.packed_json(frames.HEAD, {"media_type": media_type})

    def writable(self) -> bool:
        return True

    def write(self, piece: Any) -> int:
        self._held += piece
        if len(self._held) >= _PIECE:
            self._send()
        return len(piece)

    def finish(self) -> None:
        """Send what is held, and the end."""
        self._send(frames.packed(frames.END))

    def _send(self, behind: bytes = b"") -> None:
        data = frames.packed(frames.DATA, bytes(self._held)) if self._held else b""
        self._connection.sendall(self._head + data + behind)
        self._head = b""
        self._held.clear()


def _lock_in() -> None:
    """Bound what this process may take, whatever the engine makes of a query."""
    most = _size_now() + _MORE_MEMORY
    limits = {
        resource.RLIMIT_AS: most,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_NOFILE: 0,  # open ones stay open; no file, pipe or socket can be added
    }
    for limit, value in limits.items():
        resource.setrlimit(limit, (value, value))


_PAGE = resource.getpagesize()


def _size_now() -> int:
    """The address space of this process in bytes; its peak so far where the system does not tell."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123
            return int(file.read().split()[0]) * _PAGE
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
