"""What the service and its workers say to each other over a private socket: requests and answers as JSON,
results as frames of bytes.

A request is one frame of JSON. Its answer is a `HEAD` (JSON: what comes), any number of `DATA`, and an `END`;
or, at any place, a `FAILURE`: JSON with its `kind`, the error as an object, which has a `message`, and what
the log is to have of it as `trace`. An answer that ends without `END` or `FAILURE` is one whose worker died.
"""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import traceback
from collections.abc import Mapping
from typing import Any, Final

HEAD: Final = b"H"
DATA: Final = b"D"
END: Final = b"E"
FAILURE: Final = b"F"
REQUEST: Final = b"R"

INTERNAL: Final = "internal error: see the log of the service"
"""What a client is told of a fault of ours."""

_FRAME = struct.Struct("!cI")


def packed(kind: bytes, content: bytes = b"") -> bytes:
    """A frame: one byte of kind, four of length, the content."""
    return _FRAME.pack(kind, len(content)) + content


def packed_json(kind: bytes, value: Mapping[str, Any]) -> bytes:
    """A frame that holds JSON."""
    return packed(kind, json.dumps(value).encode())


def fault(error: Exception) -> bytes:
    """A `FAILURE` that tells of the error in the service's log alone: it is none of the client's."""
    trace = "".join(traceback.format_exception(error))
    return packed_json(FAILURE, {"kind": "OntuneError", "message": INTERNAL, "exit_code": 1, "trace": trace})


def receive(connection: socket.socket) -> tuple[bytes, bytes] | None:
    """The next frame as kind and content, in a worker; None where the other side has closed."""
    head = _exactly(connection, _FRAME.size)
    if head is None:
        return None
    kind, length = _FRAME.unpack(head)
    content = _exactly(connection, length)
    return None if content is None else (kind, content)


async def read(reader: asyncio.StreamReader) -> tuple[bytes, bytes] | None:
    """The next frame as kind and content, in the service; None where the worker is gone."""
    try:
        kind, length = _FRAME.unpack(await reader.readexactly(_FRAME.size))
        return kind, await reader.readexactly(length)
    except (asyncio.IncompleteReadError, ConnectionError):
        return None


def _exactly(connection: socket.socket, length: int) -> bytes | None:
    content = bytearray()
    while len(content) < length:
        piece = connection.recv(min(length - len(content), 1 << 16))
        if not piece:
            return None
        content += piece
    return bytes(content)
