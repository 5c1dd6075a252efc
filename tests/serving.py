"""A service of the tests' own, as a process: started, asked over HTTP, looked at from outside."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

JSON_ROWS = "application/sparql-results+json"
_START_SECONDS = 300  # it may have to compile the knowledge first, on a busy machine


@dataclass
class Answered:
    """What came back.

    Attributes:
        status: the HTTP status.
        body: JSON as values, anything else as text.
        headers: by their names in small letters.
        seconds: how long it took.
    """

    status: int
    body: Any
    headers: dict[str, str]
    seconds: float


@dataclass
class Service:
    """A running service."""

    process: subprocess.Popen[str]
    port: int

    def send(self, method: str, path: str, body: Any = None, timeout: float = 60, **headers: str) -> Answered:
        """One request; `body` is a text, or a value that is sent as JSON."""
        begin = time.monotonic()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            sent = body if isinstance(body, str | bytes | None) else json.dumps(body)
            connection.request(
                method, path, sent, {name.replace("_", "-"): value for name, value in headers.items()}
            )
            answer = connection.getresponse()
            text = answer.read().decode()
        finally:
            connection.close()
        found = {name.lower(): value for name, value in answer.getheaders()}
        content = json.loads(text) if "json" in found.get("content-type", "") else text
        return Answered(answer.status, content, found, time.monotonic() - begin)

    def query(self, text: str, accept: str = JSON_ROWS, timeout: float = 60) -> Answered:
        """A SPARQL query by GET."""
        return self.send("GET", f"/sparql?query={quote(text)}", timeout=timeout, Accept=accept)

    def descendants(self) -> list[int]:
        """The process ids of the fork server and of every worker."""
        found, level = [], [self.process.pid]
        while level:
            level = [child for parent in level for child in children_of(parent)]
            found += level
        return found


def children_of(pid: int) -> list[int]:
    """The process ids of a process's children."""
    try:
        threads = list(Path(f"/proc/{pid}/task").iterdir())
        return [int(child) for thread in threads for child in (thread / "children").read_text().split()]
    except OSError:
        return []


def gone(pid: int) -> bool:
    """Whether a process has ended (one that nobody has reaped yet has)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def wait_until_gone(pids: Sequence[int], seconds: float = 10) -> list[int]:
    """Those of the processes that are still there after some time at most."""
    deadline = time.monotonic() + seconds
    while (left := [pid for pid in pids if not gone(pid)]) and time.monotonic() < deadline:
        time.sleep(0.05)
    return left


@contextmanager
def serving(
    port: int, command: Sequence[str | Path], stderr: Any = subprocess.PIPE, **environment: str
) -> Iterator[Service]:
    """A service for as long as the block runs; `stderr` is where its log goes."""
    process = subprocess.Popen(command, stderr=stderr, env={**os.environ, **environment}, text=True)
    service = Service(process, port)
    try:
        deadline = time.monotonic() + _START_SECONDS
        while True:
            try:
                service.send("GET", "/")
                break
            except OSError:
                assert process.poll() is None and time.monotonic() < deadline, (
                    process.stderr and process.stderr.read()
                )
                time.sleep(0.05)
        yield service
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)


def ontune_serve(port: int) -> list[str]:
    """The command that people type."""
    return [sys.executable, "-m", "ontune", "serve", "--port", str(port)]
