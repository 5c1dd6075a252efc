"""Fill the templates of `templates/` with a recipe."""

from __future__ import annotations

import functools
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from generators.recipe.entries import JOB_TIME, RUN_TIME, Entry
from generators.recipe.limits import unapplied
from generators.recipe.recipe import PREFIX, Recipe
from generators.writers import quoting

if TYPE_CHECKING:
    import jinja2


def render(template: str | Sequence[str], recipe: Recipe, **context: Any) -> str:
    """The text of a generated file, ending in one line break.

    Args:
        template: the template's file name, or several of which the first that is there is taken.
        recipe: what is written.
        context: what else the template asks for; a name that it asks for and nobody gives is an error.
    """
    return (
        _environment()
        .select_template([template] if isinstance(template, str) else list(template))
        .render(recipe=recipe, prefix=PREFIX, **context)
    )


@functools.cache
def _environment() -> jinja2.Environment:
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).with_name("templates")),
        undefined=jinja2.StrictUndefined,
        autoescape=False,  # noqa: S701  # shell, not HTML: every value goes through a filter of `quoting`
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "shell": quoting.shell,
        "at_run_time": lambda text: quoting.shell(text, RUN_TIME),
        "command_word": quoting.command_word,
        "arguments": lambda text: _arguments(text, RUN_TIME),
        "job_arguments": lambda text: _arguments(text, JOB_TIME),
        "folder": quoting.folder,
        "definition": quoting.definition,
        "dockerfile": quoting.dockerfile,
        "comment": quoting.comment,
        "python": repr,
        "plain": lambda text, where: quoting.plain(text, where),
        "because": _because,
        "unapplied": unapplied,
    }
    return environment


def _arguments(text: str, variables: Mapping[str, str]) -> str:
    """The arguments of a launcher, each quoted."""
    return " ".join(quoting.shell(word, variables) for word in shlex.split(text))


def _because(line: str, entry: Entry, width: int = 56) -> str:
    """A line with the options that asked for it as a comment at its end."""
    return f"{line:<{width}} # {entry.because}"
