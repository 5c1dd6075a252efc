"""The Dockerfile (or Containerfile) of an image."""

from __future__ import annotations

from .recipe import Recipe
from .render import render


def write(recipe: Recipe, files: tuple[str, ...]) -> str:
    """The Dockerfile's text, for an image that gets `files` (files and folders) of the bundle."""
    return render("Dockerfile.j2", recipe, files=files)
