"""Which runner `build`, `bench` and `run` use: what the plan's image is for where it is there, else a virtual
environment.
"""

from __future__ import annotations

import shlex
import shutil
from typing import TYPE_CHECKING, Any

from kb.errors import BadInput
from ontune.cli.output import choice, say

if TYPE_CHECKING:
    from bench.measure.runners import Runner
    from generators.bundle import Bundle


def runner_option() -> Any:
    """The Typer option `--runner`."""
    from generators.recipe.recipe import RUNTIMES

    told = "auto takes what the plan's image is for where it is there, else a virtual environment."
    return choice("--runner", "auto", *RUNTIMES[:-1], "native", "slurm", help=told)


def runner_named(name: str, bundle: Bundle, *, must_run: bool = True) -> Runner:
    """The runner of that name for a bundle; where `auto` falls back to a virtual environment, it says so.

    Args:
        name: of `--runner`.
        bundle: what is run.
        must_run: whether its programs must be here; what is only to be shown needs none of them.

    Raises:
        BadInput: what is asked for is missing, or the bundle's plan is not for it.
    """
    from bench.images import apptainer
    from bench.measure.runners.native import NativeRunner
    from generators.recipe.recipe import RUNTIMES

    recipe = bundle.recipe
    runtime = recipe.runtime if recipe.in_container else RUNTIMES[-1]
    if name == "native" or (name == "auto" and not recipe.in_container):
        return NativeRunner()
    if name in RUNTIMES and not recipe.in_container:
        raise BadInput("--runner", "the plan has no image", expected="auto or native")
    if name in RUNTIMES and name != runtime:
        raise BadInput(
            "--runner",
            f"the plan's image is built and run by {runtime}",
            expected=f"auto, {runtime} or native",
        )
    if name == "slurm":
        return _slurm(bundle, runtime, must_run)
    if runtime != RUNTIMES[0]:
        return _oci(runtime, name, must_run)
    from bench.measure.runners.apptainer import ApptainerRunner

    found = apptainer.required() if name != "auto" and must_run else apptainer.find()
    if found is None and name == "auto":
        say(f"no Apptainer here (get it by {apptainer.HOW_TO_GET}): using a virtual environment")
        return NativeRunner()
    return ApptainerRunner(found or apptainer.NOWHERE)


def _oci(runtime: str, name: str, must_run: bool) -> Runner:
    """Docker or Podman."""
    from bench.measure.runners.native import NativeRunner
    from bench.measure.runners.oci import OciRunner

    if shutil.which(runtime) is None and name == "auto":
        say(f"no {runtime} here, which the plan's image is built and run by: using a virtual environment")
        return NativeRunner()
    if must_run and shutil.which(runtime) is None:
        raise BadInput(
            "--runner",
            f"no {runtime} on the PATH",
            expected=f"{runtime} as its distribution installs it, or --runner native",
        )
    return OciRunner(runtime)


def _slurm(bundle: Bundle, runtime: str, must_run: bool) -> Runner:
    """A job of Slurm; nodes find an image of Apptainer in the bundle, and each has its own ones of Docker."""
    from bench.images import apptainer
    from bench.measure.runners.slurm import SlurmRunner
    from generators.recipe.recipe import RUNTIMES
    from generators.writers.job import FILES

    if runtime not in (RUNTIMES[0], RUNTIMES[-1]):
        from bench.measure.runners.oci import image_name

        folder = shlex.quote(str(bundle.folder.resolve()))
        build = f"{runtime} build -t {image_name(bundle)} {folder}"
        submit = f"ONTUNE_BUNDLE={folder} sbatch {folder}/{FILES['slurm']}"
        problem = f"the plan's image is built and run by {runtime}, and each node keeps its own images"
        raise BadInput("--runner", problem, expected=f"on each node: {build}; then: {submit}")
    found = apptainer.required() if must_run and bundle.recipe.in_container else apptainer.find()
    if must_run and shutil.which("sbatch") is None:
        raise BadInput("--runner", "no sbatch on the PATH", expected="a machine that submits to Slurm")
    return SlurmRunner(found or apptainer.NOWHERE)
