"""The errors that reach a user: one clear message, one exit code, no traceback."""

from __future__ import annotations

import difflib
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from kb.clean import clean, cleaned

_ALIKE = 0.6  # how much of two spellings must agree, from 0 to 1


class OntuneError(Exception):
    """An expected failure. `str(error)` is the whole message; `exit_code` is what the command line
    returns.
    """

    exit_code = 1
    told: Mapping[str, Any] | None = None
    """The error as an object, where another process met it and said so."""

    def __init__(self, message: str = "") -> None:
        super().__init__(clean(message))

    def laid_out(self, width: int) -> str:
        """The message for a terminal."""
        return str(self)

    def to_json(self) -> dict[str, Any]:
        """The error as an object: `message`, `exit_code`, and what its kind knows more exactly."""
        return {"message": str(self), "exit_code": self.exit_code}


class DeprecatedName(FutureWarning):
    """Somebody used a name that was given up; the message says what took its place. It is a warning: the name
    still answers.
    """


class BadInput(OntuneError):
    """Something the user gave is not usable: where it stands, what was expected, the nearest known name.

    Args:
        where: file, file and line, key or option, such as `job.yaml:3: batch`.
        problem: what is wrong, in a few words.
        expected: what would have been accepted.
        given: the text that was given, to be compared with `known`.
        known: the names that would have been accepted; the nearest one is suggested.
        meant: what is likely meant, where more than spelling tells; it is suggested before anything else.
    """

    exit_code = 2

    def __init__(
        self,
        where: str,
        problem: str,
        *,
        expected: str = "",
        given: str = "",
        known: Iterable[str] = (),
        meant: Iterable[str] = (),
    ) -> None:
        near = nearest(given, known)
        self.where, self.problem, self.expected, self.given = where, problem, expected, given
        self.nearest = list(meant) or ([near] if near else [])
        super().__init__(self._message())

    def at_place(self, where: str) -> BadInput:
        """The same error under the name by which somebody else calls the place."""
        return BadInput(where, self.problem, expected=self.expected, given=self.given, meant=self.nearest)

    def to_json(self) -> dict[str, Any]:
        """`message`, `where`, `problem`, `expected`, `given`, `nearest` (what is likely meant, the likeliest
        first) and `exit_code`.
        """
        parts = {
            "where": self.where,
            "problem": self.problem,
            "expected": self.expected,
            "given": self.given,
            "nearest": self.nearest,
        }
        return {"message": str(self), **cleaned(parts), "exit_code": self.exit_code}

    def _message(self) -> str:
        message = f"{self.where}: {self.problem}"
        if self.expected:
            message += f"; expected {self.expected}"
        if self.nearest:
            quoted = [f"'{name}'" for name in self.nearest]
            message += f"; did you mean {', '.join(quoted[:-1]) + ' or ' if quoted[1:] else ''}{quoted[-1]}?"
        return message


class NoFeasiblePlan(OntuneError):
    """No configuration meets every requirement; the message carries the smallest relaxations.

    Attributes:
        clash: what cannot stand together, a sentence each.
        repair: the same ways out as `ontune why-not` gives them: `change` and `then` in words, `add` and
            `drop` as arguments of the command.
    """

    exit_code = 3

    def __init__(
        self, problem: str, *, clash: Sequence[str] = (), repair: Sequence[Mapping[str, Any]] = ()
    ) -> None:
        self.problem, self.clash, self.repair = problem, tuple(clash), tuple(repair)
        out = "; or ".join(self._ways)
        super().__init__(
            problem
            + (f": {'; '.join(clash)}." if clash else "")
            + (f" Smallest ways out: {out}." if out else "")
        )

    @property
    def _ways(self) -> list[str]:
        return [way["change"] for way in self.repair]

    def laid_out(self, width: int) -> str:
        """The reasons, then the ways out, a line each; a way that is to be typed is not broken."""
        if not self.clash or len(str(self)) <= width:
            return "\n".join(textwrap.wrap(str(self), width, break_long_words=False, break_on_hyphens=False))
        ways = [f"  {way}" if way.startswith("-") else _item(way, width) for way in self._ways]
        found = [f"{self.problem}:", *(_item(reason, width) for reason in self.clash)]
        return "\n".join(
            [*found, *(["Smallest ways out:" if ways[1:] else "Smallest way out:", *ways] if ways else ())]
        )

    def to_json(self) -> dict[str, Any]:
        """`message`, `exit_code` and `repair`."""
        return super().to_json() | {"repair": [dict(way) for way in self.repair]}


def _item(text: str, width: int) -> str:
    """A line of a list, which goes on further to the right."""
    return textwrap.fill(
        text,
        width,
        initial_indent="  ",
        subsequent_indent="      ",
        break_long_words=False,
        break_on_hyphens=False,
    )


class RunFailed(OntuneError):
    """A build or a run of an external program failed; the message ends with the log's path or its last
    lines.
    """

    exit_code = 4


def nearest(given: str, known: Iterable[str]) -> str | None:
    """The known name spelt most like `given`, whatever the case; None where nothing is close.

    Of names that differ in their case alone (`on:target` and `on:Target`) it is the one whose case is that of
    `given`.
    """
    if not given:
        return None
    spellings: dict[str, list[str]] = {}
    for name in sorted(known):  # sets have no order, and the same slip gets the same answer
        spellings.setdefault(name.casefold(), []).append(name)
    found = difflib.get_close_matches(given.casefold(), spellings, n=1, cutoff=_ALIKE)
    return (
        max(spellings[found[0]], key=lambda name: difflib.SequenceMatcher(None, given, name).ratio())
        if found
        else None
    )
