"""What is observed of a job, kept in a file from time to time and at the end."""

from __future__ import annotations

import atexit
import json
import os
import time
from typing import Callable

from . import say

EVERY = 30.0
"""Seconds after which it is kept again."""


class Record:
    """What was seen of a job so far.

    Attributes:
        seen: what is kept, as JSON.
        at_end: gives what is read only when all is over, because reading it earlier would hold up the steps.
    """

    def __init__(self, asked: dict) -> None:
        """`asked` is as in `ontune_hook.start`."""
        path = asked.get("record", "")
        self._settings, self._started = asked.get("settings"), asked.get("process") == os.getpid()
        self.seen: dict = {"began": time.time(), "steps": 0}
        self.at_end: Callable[[], dict] = dict
        self._path = path if os.environ.get("RANK", "0") == "0" else ""
        self._kept_before = _changed(path)
        self._kept = self._first = 0.0
        self._process = os.getpid()
        atexit.register(self._end)

    def step(self) -> None:
        """One training step more."""
        now = time.perf_counter()
        self.seen["steps"] += 1
        if self.seen["steps"] in (1, 3):  # what compiles and warms up is apart
            self._first = now
        elif self.seen["steps"] > 3:
            self.seen["step_seconds"] = (now - self._first) / (self.seen["steps"] - 3)
        if self.seen["steps"] in (1, 10) or now - self._kept > EVERY:
            self.keep()

    def _end(self) -> None:
        if self.seen["steps"]:
            self.seen.update(self.at_end())
            self.keep()
        elif self._settings and self._started and _changed(self._path) == self._kept_before:
            say("no training step was seen: what only code can apply may not be in effect")

    def keep(self) -> None:
        """Write the file, whole or not at all. A process that took no step has nothing to keep."""
        if not self._path or not self.seen["steps"] or os.getpid() != self._process:
            return
        self._kept = time.perf_counter()
        try:
            os.makedirs(os.path.dirname(self._path), mode=0o700, exist_ok=True)
            part = f"{self._path}.{os.getpid()}"
            with open(part, "w", encoding="utf-8") as file:
                json.dump(self.seen, file)
            os.replace(part, self._path)
        except OSError:
            self._path = ""  # a full disk is no reason to stop training


def _changed(path: str) -> float:
    """When a file was last written; zero where there is none."""
    try:
        return os.stat(path).st_mtime
    except OSError:
        return 0.0
