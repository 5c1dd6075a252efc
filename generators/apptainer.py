"""The Apptainer (or Singularity) definition of an image."""

from __future__ import annotations

from kb.errors import BadInput

from .job import runtime_flags
from .recipe import Recipe
from .render import render


def write(recipe: Recipe, files: tuple[str, ...], *, locked: bool = False) -> str:
    """The definition's text.

    Args:
        recipe: what the image holds.
        files: files and folders of the bundle that the image gets.
        locked: whether Python packages are installed by hash from `requirements.lock`.

    Raises:
        BadInput: the plan names no base.
    """
    if not recipe.header("Bootstrap"):
        raise BadInput("plan", "no option names a container base", expected="an option that gives the header 'Bootstrap'")
    return render("ontune.def.j2", recipe, files=files, locked=locked, runtime_flags=runtime_flags(recipe))
