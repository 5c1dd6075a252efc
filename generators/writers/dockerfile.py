"""The Dockerfile (or Containerfile) of an image."""

from __future__ import annotations

from collections.abc import Iterable

from generators.recipe.recipe import Recipe
from generators.writers.job import runtime_flags
from generators.writers.render import render


def write(recipe: Recipe, files: Iterable[str], digest: str) -> str:
    """The Dockerfile's text, for an image that gets `files` (files and folders) of the bundle; `digest` tells
    images of different content apart.
    """
    return render("Dockerfile.j2", recipe, files=files, digest=digest, runtime_flags=runtime_flags(recipe))
