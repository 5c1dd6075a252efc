"""What answers the service's requests: workers over one state of the knowledge base, changed for new ones
when it changes.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from kb.errors import RunFailed
from ontune.service import forkserver
from ontune.service.pool import Answer, Limits, Pool
from ontune.service.workers import ForkServer

_LOOK_AGAIN_SECONDS = 2.0


@dataclass
class _Generation:
    """The workers over one state of the knowledge base."""

    server: ForkServer
    queries: Pool
    questions: Pool
    sources: str


class Engine:
    """Answers queries and questions.

    Args:
        snapshot: N-Quads to answer queries about, in the place of the knowledge base; there are no plans
            then.
        query_limits: other limits for queries than those that fit this machine.
    """

    def __init__(self, snapshot: Sequence[str] = (), query_limits: Limits | None = None) -> None:
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        self._snapshot = tuple(snapshot)
        self._query_limits = query_limits or Limits(workers=max(6, 3 * cores), slow=max(2, cores))
        self._question_limits = Limits(
            workers=max(2, cores), patience=60, seconds=120, slow_after=60, slow=max(2, cores)
        )
        self._current: _Generation | None = None
        self._starting = asyncio.Lock()
        self._looked = time.monotonic()
        self._look: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start the first workers.

        Raises:
            RunFailed: they do not start.
        """
        async with self._starting:
            if self._current is None or not self._current.server.running:
                self._current = await self._fresh()

    async def query(self, asked: dict[str, Any]) -> Answer:
        """Let a worker answer a SPARQL query; `asked` has `query`, `accept`, `base`, `default_graphs` and
        `named_graphs`.

        Raises:
            OntuneError: as `Pool.ask`.
        """
        return await self._ask("queries", asked)

    async def question(self, name: str, body: Any) -> bytes:
        """The answer to one of the questions of `/api`, as the text of JSON. Raises as `query`."""
        return await (await self._ask("questions", {"question": name, "body": body})).whole()

    async def _ask(self, pool: str, request: dict[str, Any]) -> Answer:
        self._watch()
        for last in (False, True):
            await self.start()
            try:
                return await getattr(self._current, pool).ask(request)  # type: ignore[no-any-return]
            except RunFailed:
                if last:
                    raise
        raise AssertionError

    async def _fresh(self) -> _Generation:
        sources = await asyncio.to_thread(_state_of_sources)
        server = ForkServer(self._snapshot)
        await server.start()
        queries = Pool(server, forkserver.QUERIES, self._query_limits)
        return _Generation(
            server, queries, Pool(server, forkserver.QUESTIONS, self._question_limits), sources
        )

    def _watch(self) -> None:
        """Look now and then whether the knowledge base has changed, beside the answers."""
        now = time.monotonic()
        if now - self._looked >= _LOOK_AGAIN_SECONDS and (self._look is None or self._look.done()):
            self._looked = now
            self._look = asyncio.create_task(self._take_up_changes())

    async def _take_up_changes(self) -> None:
        old = self._current
        if old is None or old.sources == await asyncio.to_thread(_state_of_sources):
            return
        async with self._starting:
            fresh = await self._fresh()
            self._current = fresh
        # Who is being answered over the old state is answered to the end.
        await asyncio.sleep(self._query_limits.seconds)
        old.server.stop()

    async def stop(self) -> None:
        """End all workers."""
        if self._look is not None:
            self._look.cancel()
        if self._current is not None:
            self._current.server.stop()


def _state_of_sources() -> str:
    from kb.store.sources import added_sources, content_hash, shipped_sources

    return content_hash([*shipped_sources(), *added_sources()])
