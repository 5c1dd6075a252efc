"""A SPARQL 1.1 endpoint on the compiled knowledge base: the oxigraph server as a child, read-only, on the loopback interface."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kb.errors import BadInput, RunFailed

_LOOPBACK = "127.0.0.1"
_QUERY_SECONDS = 30
_START_SECONDS = 20.0


@contextmanager
def sparql_endpoint(snapshot: Path) -> Iterator[str]:
    """Serve the N-Quads of a snapshot while the block runs; gives the address that answers queries.

    Raises:
        BadInput: the oxigraph server is not installed.
        RunFailed: it does not start.
    """
    import pyoxigraph as ox

    program = shutil.which("oxigraph", path=f"{Path(sys.executable).parent}") or shutil.which("oxigraph")
    if program is None:
        raise BadInput("oxigraph", "the SPARQL server is not installed", expected="the extra `serve`: pip install 'ontune[serve]'")
    with tempfile.TemporaryDirectory(prefix="ontune-sparql-") as folder:
        store = ox.Store(folder)
        store.bulk_load(path=str(snapshot), format=ox.RdfFormat.N_QUADS)
        store.flush()
        del store  # the server opens the folder, which has one owner at a time
        port = _free_port()
        command = [program, "serve-read-only", "--location", folder, "--bind", f"{_LOOPBACK}:{port}"]
        command += ["--union-default-graph", "--timeout-s", str(_QUERY_SECONDS)]
        server = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        try:
            _wait_for(server, port)
            yield f"http://{_LOOPBACK}:{port}/query"
        finally:
            server.terminate()
            server.communicate(timeout=10)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((_LOOPBACK, 0))
        return int(probe.getsockname()[1])


def _wait_for(server: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex((_LOOPBACK, port)) == 0:
                return
        time.sleep(0.05)
    said = server.communicate()[1].decode(errors="replace") if server.poll() is not None else "no answer"
    raise RunFailed(f"the oxigraph server does not start: {said.strip()[-500:]}")
