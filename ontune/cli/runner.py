"""Which runner `build`, `bench` and `run` use: Apptainer where it is there, else a virtual environment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ontune.cli.output import choice, say

if TYPE_CHECKING:
    from bench.runners import Runner


def runner_option() -> Any:
    """The Typer option `--runner`."""
    return choice("--runner", "auto", "apptainer", "native", help="auto takes Apptainer where it is there, else a virtual environment.")


def runner_named(name: str) -> Runner:
    """The runner of that name; where `auto` falls back to a virtual environment, it says so.

    Raises:
        BadInput: Apptainer is asked for and missing.
    """
    from bench import apptainer
    from bench.runners.apptainer import ApptainerRunner
    from bench.runners.native import NativeRunner

    if name == "native":
        return NativeRunner()
    found = apptainer.required() if name == "apptainer" else apptainer.find()
    if found is None:
        say(f"no Apptainer here (get it by {apptainer.HOW_TO_GET}): using a virtual environment")
        return NativeRunner()
    return ApptainerRunner(found)
