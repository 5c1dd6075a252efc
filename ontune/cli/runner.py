"""Which runner `build`, `bench` and `run` use: Apptainer where it is there, else a virtual environment."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

from kb.errors import BadInput
from ontune.cli.output import choice, say

if TYPE_CHECKING:
    from bench.runners import Runner


def runner_option() -> Any:
    """The Typer option `--runner`."""
    return choice(
        "--runner", "auto", "apptainer", "native", "slurm", help="auto takes Apptainer where it is there, else a virtual environment."
    )


def runner_named(name: str, *, must_run: bool = True) -> Runner:
    """The runner of that name; where `auto` falls back to a virtual environment, it says so.

    Args:
        name: of `--runner`.
        must_run: whether its programs must be here; what is only to be shown needs none of them.

    Raises:
        BadInput: Apptainer or Slurm is asked for and missing.
    """
    from bench import apptainer
    from bench.runners.apptainer import ApptainerRunner
    from bench.runners.native import NativeRunner

    if name == "native":
        return NativeRunner()
    found = apptainer.required() if name != "auto" and must_run else apptainer.find()
    if name == "slurm":
        from bench.runners.slurm import SlurmRunner

        if must_run and shutil.which("sbatch") is None:
            raise BadInput("--runner", "no sbatch on the PATH", expected="a machine that submits to Slurm")
        return SlurmRunner(found or apptainer.NOWHERE)
    if found is None and name == "apptainer":
        return ApptainerRunner(apptainer.NOWHERE)
    if found is None:
        say(f"no Apptainer here (get it by {apptainer.HOW_TO_GET}): using a virtual environment")
        return NativeRunner()
    return ApptainerRunner(found)
