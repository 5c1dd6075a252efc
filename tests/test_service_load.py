"""A minute of a hundred clients, slow queries among them: what the quick ones feel."""

from __future__ import annotations

import random
import statistics
import threading
import time

import pytest
from test_endpoint import free_port
from test_service_workers import ENDLESS, LIGHT, resident

from tests.serving import Service, ontune_serve, serving

CLIENTS, SLOW_CLIENTS, SECONDS = 100, 10, 60.0
THINKING = 1.0
"""Seconds between two requests of a client, in the mean."""


@pytest.mark.long
def test_quick_queries_stay_quick_beside_slow_ones(capsys: pytest.CaptureFixture[str]) -> None:
    port = free_port()
    quick: list[float] = []
    statuses: dict[int, int] = {}
    lock = threading.Lock()
    with serving(port, ontune_serve(port)) as running:
        running.query(LIGHT)
        before, most, end = resident(running), 0, time.monotonic() + SECONDS

        def client(number: int) -> None:
            chance = random.Random(number)
            while time.monotonic() < end:
                slow = number < SLOW_CLIENTS
                answer = _asked(
                    running, ENDLESS.replace("?n", f"?n{chance.randrange(10**6)}") if slow else LIGHT
                )
                with lock:
                    statuses[answer[0]] = statuses.get(answer[0], 0) + 1
                    if not slow:
                        quick.append(answer[1])
                time.sleep(chance.expovariate(1 / THINKING))

        threads = [threading.Thread(target=client, args=(number,)) for number in range(CLIENTS)]
        for thread in threads:
            thread.start()
        while time.monotonic() < end:
            most = max(most, resident(running))
            time.sleep(1)
        for thread in threads:
            thread.join()
    p95 = statistics.quantiles(quick, n=20)[-1]
    with capsys.disabled():
        print(
            f"\n{len(quick)} quick queries: p50 {statistics.median(quick):.3f} s, p95 {p95:.3f} s; {statuses}; memory +{(most - before) >> 20} MiB"
        )
    assert p95 < 1
    assert most - before < 2 << 30


def _asked(service: Service, text: str) -> tuple[int, float]:
    begin = time.monotonic()
    try:
        return service.query(text).status, time.monotonic() - begin
    except OSError:
        return 0, time.monotonic() - begin
