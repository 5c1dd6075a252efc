"""Child processes with a time limit and a set of cores; nothing of a child outlives its time."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

TAIL_CHARACTERS = 4000


@dataclass(frozen=True, slots=True)
class Finished:
    """How a child ended.

    Attributes:
        code: its exit code; negative is the signal that ended it.
        output: its whole standard output.
        error_tail: the last 4,000 characters of its standard error.
        seconds: wall time.
        timed_out: whether it was ended because its time was over.
    """

    code: int
    output: str
    error_tail: str
    seconds: float
    timed_out: bool


def run(
    command: Sequence[str],
    limit_seconds: float,
    *,
    folder: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> Finished:
    """Run a command to its end, or end it and all its children after `limit_seconds`.

    `environment` replaces this process's environment. Raises FileNotFoundError where the program is missing.
    """
    begin = time.monotonic()
    # Files, not pipes: a grandchild that keeps a pipe open cannot make the wait longer.
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as error:
        child = subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=error,
            start_new_session=True,
        )
        timed_out = False
        try:
            child.wait(limit_seconds)
        except subprocess.TimeoutExpired:
            timed_out = True
        finally:
            end_group(child)
        seconds = time.monotonic() - begin
        output.seek(0)
        size = error.seek(0, os.SEEK_END)
        error.seek(max(0, size - TAIL_CHARACTERS))
        return Finished(child.returncode, _text(output.read()), _text(error.read()), seconds, timed_out)


def end_group(child: subprocess.Popen[bytes]) -> None:
    """End whatever is left of a child that leads its own session: first politely, then not."""
    for wish, patience in ((signal.SIGTERM, 5.0), (signal.SIGKILL, 5.0)):
        try:
            os.killpg(child.pid, wish)
        except ProcessLookupError:
            break
        try:
            child.wait(patience)
        except subprocess.TimeoutExpired:
            continue
    child.wait()


@contextmanager
def on_cores(count: int | None) -> Iterator[tuple[int, ...]]:
    """Let the children that are started in the block run on `count` of this process's cores (the last ones;
    the first often serves interrupts).

    None means all of them. Gives the cores. Raises ValueError where there are fewer.
    """
    before = sorted(os.sched_getaffinity(0))
    if count is not None and not 1 <= count <= len(before):
        raise ValueError(f"{count} cores were asked for, {len(before)} are usable")
    chosen = before if count is None else before[-count:]
    os.sched_setaffinity(0, chosen)
    try:
        yield tuple(chosen)
    finally:
        os.sched_setaffinity(0, before)


def preloads(library: str) -> bool:
    """Whether the loader finds a library for LD_PRELOAD; it only complains where it does not."""
    tried = subprocess.run(
        ["/bin/sh", "-c", ":"], env={"LD_PRELOAD": library}, capture_output=True, check=False
    )
    return tried.returncode == 0 and not tried.stderr


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", errors="replace")
