"""Which runner `build`, `bench` and `run` use: Apptainer where it is there, else a virtual environment."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

from kb.errors import BadInput
from ontune.cli.output import choice, say

if TYPE_CHECKING:
    from bench.runners import Runner
    from generators.bundle import Bundle


def runner_option() -> Any:
    """The Typer option `--runner`."""
    return choice(
        "--runner", "auto", "apptainer", "native", "slurm", help="auto takes Apptainer where it is there, else a virtual environment."
    )


def runner_named(name: str, bundle: Bundle, *, must_run: bool = True) -> Runner:
    """The runner of that name for a bundle; where `auto` falls back to a virtual environment, it says so.

    Args:
        name: of `--runner`.
        bundle: what is run.
        must_run: whether its programs must be here; what is only to be shown needs none of them.

    Raises:
        BadInput: Apptainer or Slurm is asked for and missing, or the bundle's plan is not for what is asked for.
    """
    from bench import apptainer
    from bench.runners.apptainer import ApptainerRunner
    from bench.runners.native import NativeRunner
    from generators.bundle import FORMATS
    from generators.recipe import RUNTIMES

    recipe = bundle.recipe
    if name == "native" or (name == "auto" and not recipe.in_container):
        return NativeRunner()
    if name == "apptainer" and not recipe.in_container:
        raise BadInput("--runner", "the plan has no image", expected="auto or native")
    if recipe.in_container and recipe.runtime != RUNTIMES[0]:
        expected = f"the commands at the head of {bundle.folder / FORMATS['dockerfile']}, then {bundle.folder / 'job.sh'}; or --runner native"
        raise BadInput("--runner", f"the plan's image is built and run by {recipe.runtime}, which no runner here does", expected=expected)
    found = apptainer.required() if name != "auto" and must_run and recipe.in_container else apptainer.find()
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
