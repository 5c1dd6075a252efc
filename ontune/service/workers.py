"""The workers as the service sees them: started by forking, killed when they take too long, replaced when
they are gone.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from kb.errors import RunFailed
from ontune.service import forkserver, frames

_START_SECONDS = 300  # it may have to compile the knowledge first, on a busy machine


@dataclass(eq=False)
class Worker:
    """One worker process with its private connection.

    Attributes:
        pid: its process id.
        reader, writer: the service's end of the connection.
    """

    pid: int
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    def kill(self) -> None:
        """End it at once, whatever it does."""
        self.writer.close()
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)

    def yield_to_others(self) -> None:
        """Let quicker answers go first: a worker that takes long gets the processor when nobody else wants
        it.
        """
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, self.pid, 10)

    async def send(self, request: dict[str, Any]) -> None:
        """Hand over a request.

        Raises:
            ConnectionError: the worker is gone.
        """
        self.writer.write(frames.packed_json(frames.REQUEST, request))
        await self.writer.drain()


class ForkServer:
    """The process that workers are forked from.

    Args:
        arguments: of `ontune.service.forkserver`, behind the socket.
    """

    def __init__(self, arguments: Sequence[str] = ()) -> None:
        self._arguments = arguments
        self._turn = asyncio.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None

    async def start(self) -> None:
        """Start it, and wait until it has read the knowledge base.

        Raises:
            RunFailed: it ended before that; what it said has gone to stderr.
        """
        own, its = socket.socketpair()
        own.setblocking(False)
        command = [sys.executable, "-m", "ontune.service.forkserver", str(its.fileno()), *self._arguments]
        self._process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, pass_fds=[its.fileno()]
        )
        self._control = own
        its.close()
        try:
            said = await asyncio.wait_for(
                asyncio.get_running_loop().sock_recv(own, len(forkserver.READY)), _START_SECONDS
            )
        except TimeoutError:
            said = b""
        if said != forkserver.READY:
            self.stop()
            raise RunFailed("the process that answers does not start")

    async def fork(self, kind: bytes) -> Worker:
        """A new worker of a kind (`forkserver.QUERIES` or `forkserver.QUESTIONS`).

        Raises:
            RunFailed: the process that workers are forked from is gone.
        """
        if self._control is None:
            raise RunFailed("the process that answers is not running")
        own, its = socket.socketpair()
        told = b""
        with contextlib.suppress(OSError):
            async with self._turn:
                socket.send_fds(self._control, [kind], [its.fileno()])
                told = await asyncio.get_running_loop().sock_recv(self._control, 4)
        its.close()
        if len(told) < 4:
            own.close()
            self.stop()
            raise RunFailed("the process that answers has ended")
        reader, writer = await asyncio.open_connection(sock=own)
        return Worker(int.from_bytes(told, "big"), reader, writer)

    @property
    def running(self) -> bool:
        """Whether it is there."""
        return self._process is not None and self._process.poll() is None

    def stop(self) -> None:
        """End it; its workers end with it."""
        if self._control is not None:
            self._control.close()
            self._control = None
        if self._process is not None:
            self._process.kill()
            self._process.wait()
