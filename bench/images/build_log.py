"""The log of a build: everything that it says, a line at a time as it comes, without the credentials of the
builder's indexes and registries.

What a build says goes into a file only through here, so that none of it lies on the disk for a while, either.
"""

from __future__ import annotations

import re
import subprocess
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from kb.clean import HIDDEN, without_credentials
from kb.errors import RunFailed

_LAST_LINES = 25
_LONGEST_LINE = 1 << 16
_LARGEST = 64 << 20
"""Characters after which nothing more is kept: a build that prints without end must not fill the disk."""
_KEY_BEGINS, _KEY_ENDS = (re.compile(f"-----{word} [A-Z ]*PRIVATE KEY-----") for word in ("BEGIN", "END"))


class BuildLog:
    """An open log."""

    def __init__(self, path: Path, file: TextIO) -> None:
        self.path = path
        self._file = file
        self._left = _LARGEST
        self._last: deque[str] = deque(maxlen=_LAST_LINES)
        self._within_key = False

    def write(self, line: str) -> str:
        """Keep a line; gives what was kept of it."""
        if self._within_key:
            self._within_key = not _KEY_ENDS.search(line)
            return ""
        self._within_key = bool(_KEY_BEGINS.search(line)) and not _KEY_ENDS.search(line)
        kept = f"{HIDDEN}\n" if self._within_key else without_credentials(line)
        if self._left > 0:
            self._file.write(kept)
        self._left -= len(kept)
        self._last.append(kept.rstrip("\n"))
        return kept

    def follow(self, command: Sequence[str], environment: Mapping[str, str] | None = None) -> int:
        """Run a program to its end, and keep what it says; gives its exit code."""
        piped: Any = {
            "stdin": subprocess.DEVNULL,
            "stdout": subprocess.PIPE,
            "stderr": subprocess.STDOUT,
            "env": environment,
        }
        with subprocess.Popen(command, **piped, encoding="utf-8", errors="replace") as running:
            while line := (running.stdout.readline(_LONGEST_LINE) if running.stdout else ""):
                self.write(line)
        return running.returncode

    def failed(self, what: str) -> RunFailed:
        """The error that says that something failed, with the last lines, and where all of them are."""
        return RunFailed("\n".join([what, *self._last, f"whole log: {self.path}"]))


@contextmanager
def build_log(path: Path) -> Iterator[BuildLog]:
    """A new log in the place of what is there; a link is not written through."""
    path.unlink(missing_ok=True)
    with path.open("x", encoding="utf-8") as file:
        yield BuildLog(path, file)
