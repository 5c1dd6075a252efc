"""Runners: ways to run a bundle's `run.sh`, behind one interface.

A failure is a result, never an exception.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from bench.measure.observation import Outcome
from bench.process import Finished
from generators.bundle import Bundle
from kb.errors import BadInput
from kb.store import files
from reasoner.answers.plan import Plan

# What a measured process may know of the user's shell. Anything else (thread counts, preloaded libraries)
# would change what is measured.
_KEPT_VARIABLES = ("HOME", "LANG", "LOGNAME", "PATH", "TMPDIR", "USER")
_LARGEST_RESULT = 16 << 20
_NUMBERS = ("throughput", "first_step_seconds", "peak_memory_mib", "foreign_load")


@dataclass(frozen=True, slots=True)
class RunResult:
    """How one run ended.

    Attributes:
        outcome: `done`, `failed` or `timed-out`.
        result: the training program's own result; None where it was not done.
        seconds: wall time, with the start of the container.
        complaint: the last characters of standard error, where it was not done.
    """

    outcome: Outcome
    result: Mapping[str, Any] | None
    seconds: float
    complaint: str


class Runner(Protocol):
    """A way to run bundles."""

    @property
    def name(self) -> str:
        """Its name in observations."""

    def lacks(self, plan: Plan) -> Mapping[str, str]:
        """The options of a plan (`decision=option`) that cannot be applied this way on this machine, each
        with what is missing.
        """

    def lacking(self, bundle: Bundle) -> list[str]:
        """What `prepare` makes and is not here yet: the image, by its path or name."""

    def prepare(self, bundle: Bundle) -> Any:
        """Build what the bundle needs. Raises RunFailed, also where the machine lacks something."""

    def command(self, bundle: Bundle, arguments: Sequence[str], output: Path, cores: int | None) -> list[str]:
        """The command that `run` starts, with the same arguments.

        Nothing is started, and nothing needs to be there.
        """

    def run(self, bundle: Bundle, arguments: Sequence[str], output: Path, cores: int | None) -> RunResult:
        """Run a prepared bundle once.

        Args:
            bundle: what is run.
            arguments: further arguments of the training program.
            output: the file for the program's result; its folder must be there.
            cores: how many of this process's cores it gets; None for all.
        """


def measured_environment(further: Mapping[str, str] | None = None) -> dict[str, str]:
    """The variables of a measured process."""
    return {**{name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ}, **(further or {})}


def _is_result(told: Any) -> bool:
    """Whether a value is an object whose members have the types that are read of it; any may be absent."""
    kinds: dict[str, Any] = {
        **dict.fromkeys(_NUMBERS, int | float),
        "windows": list,
        "versions": dict,
        "in_effect": dict,
    }
    return isinstance(told, dict) and all(
        told.get(name) is None or (isinstance(told[name], kind) and not isinstance(told[name], bool))
        for name, kind in kinds.items()
    )


def read_result(finished: Finished, output: Path) -> RunResult:
    """Judge a finished child by its exit code and by the result that it has written."""
    result: Mapping[str, Any] | None = None
    complaint = finished.error_tail
    try:
        told = files.json_of(files.read_text(output, _LARGEST_RESULT), str(output))
        result = told if _is_result(told) else None
    except BadInput:
        result = None
    if result is None:
        complaint = f"{complaint}\nthe program has left no result".strip()
    if finished.timed_out:
        return RunResult("timed-out", None, finished.seconds, finished.error_tail)
    if finished.code or result is None:
        return RunResult("failed", None, finished.seconds, complaint or f"exit code {finished.code}")
    return RunResult("done", result, finished.seconds, "")
