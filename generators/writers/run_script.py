"""The scripts that make the environment on a machine without containers, and that train in it or in the
image.
"""

from __future__ import annotations

from generators.recipe.recipe import Recipe
from generators.writers.render import render


def write_run(recipe: Recipe) -> str:
    """`run.sh`: the plan's environment, launcher and settings around the training program."""
    return render("run.sh.j2", recipe)


def write_install(recipe: Recipe) -> str:
    """`install.sh`: the plan's packages, exactly those of the lock where there is one."""
    return render("install.sh.j2", recipe)


def write_requirements(recipe: Recipe) -> str:
    """`requirements.txt`: the plan's Python packages with their exact versions, and what a user's script
    wants beside them.
    """
    return render("requirements.txt.j2", recipe)


def write_compiled(recipe: Recipe) -> str:
    """`requirements-compiled.txt`: the Python packages that are compiled against the framework."""
    return render("requirements-compiled.txt.j2", recipe)


def write_settings(recipe: Recipe) -> str:
    """`ontune_settings.py`: the module by which a user's script applies the options that are code."""
    return render([f"ontune_settings_{recipe.program.framework}.py.j2", "ontune_settings.py.j2"], recipe)


def write_usable_cores(recipe: Recipe) -> str:
    """`usable_cores.sh`: prints how many cores a run may use."""
    return render("usable_cores.sh.j2", recipe)


def write_build_program(recipe: Recipe) -> str:
    """`build_program.sh`: fetches and builds, in the image, the program that the plan's command runs."""
    return render("build_program.sh.j2", recipe)


def write_stage(recipe: Recipe) -> str:
    """`stage.sh`: brings the data to storage of a node, and results back."""
    return render("stage.sh.j2", recipe)
