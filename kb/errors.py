"""The errors that reach a user: one clear message, one exit code, no traceback."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any


class OntuneError(Exception):
    """An expected failure. `str(error)` is the whole message; `exit_code` is what the command line returns."""

    exit_code = 1


class BadInput(OntuneError):
    """Something the user gave is not usable: where it stands, what was expected, the nearest known name.

    Args:
        where: file, file and line, key or option, such as `job.yaml:3: batch`.
        problem: what is wrong, in a few words.
        expected: what would have been accepted.
        given: the text that was given, to be compared with `known`.
        known: the names that would have been accepted; the nearest one is suggested.
    """

    exit_code = 2

    def __init__(self, where: str, problem: str, *, expected: str = "", given: str = "", known: Iterable[str] = ()) -> None:
        message = f"{where}: {problem}"
        if expected:
            message += f"; expected {expected}"
        if near := nearest(given, known):
            message += f"; did you mean '{near}'?"
        super().__init__(message)


class NoFeasiblePlan(OntuneError):
    """No configuration meets every requirement; the message carries the smallest relaxations.

    Attributes:
        repair: the same ways out as `ontune why-not` gives them: `change` and `then` in words, `add` and `drop` as arguments of the command.
    """

    exit_code = 3

    def __init__(self, message: str, *, repair: Sequence[Mapping[str, Any]] = ()) -> None:
        super().__init__(message)
        self.repair = tuple(repair)


class RunFailed(OntuneError):
    """A build or a run of an external program failed; the message ends with the log's path or its last lines."""

    exit_code = 4


def nearest(given: str, known: Iterable[str]) -> str | None:
    """The known name closest to `given`, or None where nothing is close."""
    return next(iter(difflib.get_close_matches(given, list(known), n=1, cutoff=0.5)), None) if given else None
