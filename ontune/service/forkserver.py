"""The process that every worker of the service is forked from: it reads the knowledge base once, so that a
new worker costs milliseconds.

`python -m ontune.service.forkserver FD [SNAPSHOT]`: FD is a Unix socket. Each message on it carries one end
of a socket pair and the kind of worker wanted; the answer is the worker's process id. The process and all of
its workers die with the service that started it, however that dies.
"""

from __future__ import annotations

import ctypes
import gc
import os
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

QUERIES: Final = b"Q"
QUESTIONS: Final = b"P"
READY: Final = b"ready"

_DIE_WITH_PARENT: Final = 1  # PR_SET_PDEATHSIG of Linux's prctl
Work = Callable[[socket.socket], None]


def main(descriptor: int, snapshot: Path | None = None) -> None:
    """Load the knowledge base, say so, and fork a worker for each message until the service is gone.

    Args:
        descriptor: of the control socket.
        snapshot: N-Quads to answer queries about, in the place of the compiled knowledge base; there are no
            plans then.
    """
    die_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the service's to answer
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel reaps the workers
    control = socket.socket(fileno=descriptor)
    kinds = _only_queries(snapshot) if snapshot else _everything()
    gc.freeze()  # what is shared with the workers stays shared: their collector does not touch it
    control.sendall(READY)
    while True:
        wanted, descriptors, *_ = socket.recv_fds(control, 1, 1)
        if not wanted:
            return
        worker = os.fork()
        if worker == 0:
            control.close()
            _be_worker(socket.socket(fileno=descriptors[0]), kinds[wanted])
        os.close(descriptors[0])
        control.sendall(worker.to_bytes(4, "big"))


def die_with_parent() -> None:
    """Ask the kernel to kill this process when its parent ends.

    Systems without that rely on the closed socket.
    """
    parent = os.getppid()
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_DIE_WITH_PARENT, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def _be_worker(connection: socket.socket, work: Work) -> None:
    try:
        # Who plans for this machine starts programs to probe it.
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        die_with_parent()
        work(connection)
    finally:
        os._exit(0)  # no clean-up of what belongs to the process that it was forked from


def _everything() -> dict[bytes, Work]:
    from ontune.service.query_worker import QueryWorker
    from ontune.service.question_worker import QuestionWorker
    from reasoner.reasoner import Reasoner

    reasoner = Reasoner()
    questions = QuestionWorker(reasoner)
    return {QUERIES: QueryWorker(reasoner.full_store).work, QUESTIONS: questions.work}


def _only_queries(snapshot: Path) -> dict[bytes, Work]:
    from kb.store.store import KnowledgeStore
    from ontune.service.query_worker import QueryWorker

    store = KnowledgeStore()
    store.load_quads(snapshot.read_bytes())
    return {QUERIES: QueryWorker(store).work}


def _start(arguments: list[str]) -> Any:
    return main(int(arguments[0]), *map(Path, arguments[1:]))


if __name__ == "__main__":
    _start(sys.argv[1:])
