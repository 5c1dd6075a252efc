"""A bounded number of workers of one kind, and who gets one: quick requests are not held up by slow ones."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import time
from collections import OrderedDict, deque
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

from kb.errors import BadInput, NoFeasiblePlan, OntuneError
from ontune.service import frames
from ontune.service.results import NotAcceptable
from ontune.service.workers import ForkServer, Worker

_FAILURES: dict[str, type[OntuneError]] = {
    kind.__name__: kind for kind in (BadInput, NoFeasiblePlan, NotAcceptable)
}
_REMEMBERED = 1000
_WHOLE_SECONDS = 600
"""After which even an answer whose client does not read is given up."""


class Busy(OntuneError):
    """No worker is free for this request now; `retry_after` seconds later there may be one."""

    retry_after = 5


class TooSlow(OntuneError):
    """The answer took longer than an answer may take."""


class WorkerDied(OntuneError):
    """The worker ended while it answered: it was killed, or the request asked for more memory or depth than
    one may have.
    """


@dataclass(frozen=True)
class Limits:
    """What a pool allows.

    Attributes:
        workers: how many answer at the same time.
        waiting: how many requests may wait for a worker.
        patience: seconds that one waits.
        seconds: that a worker may take until it has said all.
        slow_after: seconds after which a request counts as slow.
        slow: how many slow ones may run at the same time.
    """

    workers: int
    waiting: int = 500
    patience: float = 5.0
    seconds: float = 30.0
    slow_after: float = 0.5
    slow: int = 1


@dataclass(eq=False)
class _Running:
    """A request that a worker has.

    Attributes:
        key: equal requests have equal keys.
        worker: who answers it.
        began: whether some of the answer is there, so that it cannot be taken back.
        shed: whether it was ended for others' sake.
    """

    key: int
    worker: Worker
    began: bool = False
    shed: bool = False


@dataclass
class Answer:
    """What a worker says.

    Attributes:
        head: what comes.
        body: its pieces. It raises where the answer ends too early, and ends the worker where it is left
            early.
    """

    head: dict[str, Any]
    body: AsyncIterator[bytes] = field(repr=False)

    async def whole(self) -> bytes:
        """All of the body."""
        return b"".join([piece async for piece in self.body])


class Pool:
    """The workers of one kind.

    Args:
        server: what they are forked from.
        kind: of worker.
        limits: how many there are, and how long one may take.
    """

    def __init__(self, server: ForkServer, kind: bytes, limits: Limits) -> None:
        self._server, self._kind, self._limits = server, kind, limits
        self._idle: list[Worker] = []
        self._count = 0
        self._queue: deque[asyncio.Future[Worker | None]] = deque()
        self._slow: set[_Running] = set()
        self._known_slow: OrderedDict[int, None] = OrderedDict()

    async def ask(self, request: dict[str, Any]) -> Answer:
        """Let a worker answer.

        Raises:
            OntuneError: what the worker refuses with, or `Busy`, `TooSlow`, `WorkerDied`.
        """
        key = hash(repr(sorted(request.items())))
        if key in self._known_slow and len(self._slow) >= self._limits.slow:
            raise Busy("as many slow requests run as may run at the same time; this one was slow before")
        running = _Running(key, await self._acquire())
        timer = asyncio.get_running_loop().call_later(self._limits.slow_after, self._turned_slow, running)
        finish = contextlib.ExitStack()
        finish.callback(timer.cancel)
        finish.callback(self._slow.discard, running)
        last = asyncio.get_running_loop().call_later(_WHOLE_SECONDS, running.worker.kill)
        finish.callback(last.cancel)
        budget = _Budget(self._limits.seconds)
        try:
            await running.worker.send(request)
            kind, content = await self._next(running, budget)
        except BaseException:
            finish.close()
            self._drop(running.worker)
            raise
        if kind == frames.FAILURE:
            finish.close()
            self._release(running.worker)
            raise _failure(content)
        running.began = True
        return Answer(_object(content), self._pieces(running, budget, finish))

    async def _pieces(
        self, running: _Running, budget: _Budget, finish: contextlib.ExitStack
    ) -> AsyncIterator[bytes]:
        whole = False
        try:
            while True:
                kind, content = await self._next(running, budget)
                if kind == frames.END:
                    whole = True
                    return
                if kind == frames.FAILURE:
                    raise _failure(content)
                yield content
        finally:
            finish.close()
            (self._release if whole else self._drop)(running.worker)

    async def _next(self, running: _Running, budget: _Budget) -> tuple[bytes, bytes]:
        try:
            with budget.spent():
                frame = await asyncio.wait_for(frames.read(running.worker.reader), budget.left)
        except TimeoutError as error:
            raise TooSlow(f"the answer takes longer than {self._limits.seconds:g} s") from error
        if frame is None and running.shed:
            raise Busy("as many slow requests run as may run at the same time, and this one is slow too")
        if frame is None:
            raise WorkerDied(
                "the request asks for more memory or nesting than one may have, or its worker was ended"
            )
        return frame

    def _turned_slow(self, running: _Running) -> None:
        running.worker.yield_to_others()
        self._known_slow[running.key] = None
        if len(self._known_slow) > _REMEMBERED:
            self._known_slow.popitem(last=False)
        if len(self._slow) < self._limits.slow or running.began:
            self._slow.add(running)
        else:
            running.shed = True
            running.worker.kill()

    async def _acquire(self) -> Worker:
        while self._idle:
            idle = self._idle.pop()
            if not idle.reader.at_eof():
                return idle
            self._count -= 1  # it ended by itself, or somebody ended it
        if self._count < self._limits.workers:
            self._count += 1
            return await self._fork()
        if len(self._queue) >= self._limits.waiting:
            raise Busy("as many requests wait as may wait")
        turn: asyncio.Future[Worker | None] = asyncio.get_running_loop().create_future()
        self._queue.append(turn)
        try:
            worker: Worker | None = await asyncio.wait_for(turn, self._limits.patience)
        except BaseException as error:
            if turn.done() and not turn.cancelled():
                self._hand_on(turn.result())  # it came as the client left
            if isinstance(error, TimeoutError):
                raise Busy(f"no worker became free within {self._limits.patience:g} s") from error
            raise
        return worker or await self._fork()

    async def _fork(self) -> Worker:
        """A new worker in a place that is already counted."""
        try:
            return await self._server.fork(self._kind)
        except BaseException:
            self._hand_on(None)
            raise

    def _release(self, worker: Worker) -> None:
        self._hand_on(worker)

    def _drop(self, worker: Worker) -> None:
        worker.kill()
        self._hand_on(None)

    def _hand_on(self, worker: Worker | None) -> None:
        """Give a worker, or the place for a new one, to who has waited longest; keep it if none waits."""
        while self._queue:
            turn = self._queue.popleft()
            if not turn.done():
                turn.set_result(worker)
                return
        if worker is not None:
            self._idle.append(worker)
        else:
            self._count -= 1

    def close(self) -> None:
        """End the workers that have nothing to do; the others end with the process that they were forked
        from.
        """
        while self._idle:
            self._drop(self._idle.pop())


class _Budget:
    """Seconds that a worker may take. Time in which the client does not read does not count."""

    def __init__(self, seconds: float) -> None:
        self.left = seconds

    @contextlib.contextmanager
    def spent(self) -> Any:
        """Count the time that the block takes."""
        begin = time.monotonic()
        try:
            yield
        finally:
            self.left = max(0.0, self.left - (time.monotonic() - begin))


def _failure(content: bytes) -> OntuneError:
    told = _object(content)
    if trace := told.pop("trace", ""):
        sys.stderr.write(trace)
    kind = _FAILURES.get(told["kind"])
    error = OntuneError.__new__(kind or OntuneError)
    Exception.__init__(error, told["message"])
    error.told = {"exit_code": error.exit_code} | {
        name: value for name, value in told.items() if name != "kind"
    }
    return error


def _object(content: bytes) -> dict[str, Any]:
    found = json.loads(content)
    return found if isinstance(found, dict) else {}
