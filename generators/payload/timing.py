"""Windows of training steps after a warm-up, with the first step apart and the load of other processes beside
them.
"""

from __future__ import annotations

import os
import resource
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class CpuClock:
    """Seconds that this process's CPUs were busy, for anyone and for this process, at a moment."""

    wall: float
    busy: float
    own: float

    @staticmethod
    def read() -> CpuClock:
        """Now. Time stolen by the hypervisor counts as busy: somebody else had the CPU."""
        usable = {f"cpu{number}" for number in os.sched_getaffinity(0)}
        busy = 0
        for line in Path("/proc/stat").read_text(encoding="ascii").splitlines():
            name, *fields = line.split()
            if name in usable:
                user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, fields[:8])
                busy += user + nice + system + irq + softirq + steal
        times = os.times()
        own = times.user + times.system + times.children_user + times.children_system
        return CpuClock(time.perf_counter(), busy / TICKS_PER_SECOND, own)

    def foreign_load_since(self, start: CpuClock) -> float:
        """How many CPUs, on average, other processes kept busy since `start`, of those that this process may
        use.
        """
        return max(0.0, (self.busy - start.busy) - (self.own - start.own)) / max(self.wall - start.wall, 1e-9)


def measure(
    step: Callable[[], None],
    synchronise: Callable[[], None],
    batch: int,
    windows: int,
    window_seconds: float,
    warmup_steps: int,
) -> dict:
    """Run `step` in windows of at least `window_seconds` and return the measuring part of a result.

    Throughput is in samples per second; the first step, which compiles, and `warmup_steps` further ones are
    outside the windows.
    """
    begin = time.perf_counter()
    step()
    synchronise()
    first_step_seconds = time.perf_counter() - begin
    begin = time.perf_counter()
    for _ in range(warmup_steps):
        step()
    synchronise()
    # An accelerator works behind the program's back: a window must wait for it, but not after every step,
    # which would leave it idle.
    step_seconds = (time.perf_counter() - begin) / warmup_steps if warmup_steps else first_step_seconds
    steps_between = max(1, int(window_seconds / 10 / step_seconds))
    start = CpuClock.read()
    series = []
    for _ in range(windows):
        steps, begin, busy = 0, time.perf_counter(), time.process_time()
        while True:
            for _ in range(steps_between):
                step()
            steps += steps_between
            synchronise()
            seconds = time.perf_counter() - begin
            if seconds >= window_seconds:
                break
        used = time.process_time() - busy
        series.append(
            {
                "seconds": seconds,
                "cpu_seconds": used,
                "samples": steps * batch,
                "throughput": steps * batch / seconds,
            }
        )
    return {
        "first_step_seconds": first_step_seconds,
        "warmup_steps": warmup_steps,
        "windows": series,
        "throughput": statistics.median(window["throughput"] for window in series),
        "peak_memory_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "foreign_load": CpuClock.read().foreign_load_since(start),
    }
