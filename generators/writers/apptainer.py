"""The Apptainer (or Singularity) definition of an image."""

from __future__ import annotations

import re
from collections.abc import Iterable

from generators.recipe.recipe import PREFIX, RUNTIMES, Recipe
from generators.writers.job import runtime_flags
from generators.writers.render import render
from kb.errors import BadInput
from kb.values import replace

_BUILD, _FINAL = "build", "final"


def write(recipe: Recipe, files: Iterable[str], digest: str) -> str:
    """The definition's text. It has two stages where packages are needed to install others and not to run:
    the image is the second one.

    Args:
        recipe: what the image holds.
        files: files and folders of the bundle that the image gets.
        digest: tells images of different content apart.

    Raises:
        BadInput: the plan names no base.
    """
    if not recipe.bootstrap:
        raise BadInput(
            "plan", "no option names a container base", expected="an option that gives the header 'Bootstrap'"
        )
    text = render(
        "ontune.def.j2",
        recipe,
        files=files,
        digest=digest,
        runtime_flags=runtime_flags(recipe) if recipe.runtime == RUNTIMES[0] else "",
    )
    return _in_two_stages(text, recipe) if recipe.build_packages else text


def _in_two_stages(text: str, recipe: Recipe) -> str:
    """The first stage installs everything; the second takes the result and adds only the system packages that
    a run needs.
    """
    comments, header, *sections = re.split(r"(?m)^(?=%|Bootstrap:)", text)
    by_name = {section.split()[0]: section for section in sections}
    to_run = replace(recipe, build_packages=())
    builder, packages = render("builder.sh.j2", to_run), render("install_system_packages.sh.j2", to_run)
    install = f"set -eu\nprefix={PREFIX}\n{builder}{packages}"
    final = by_name | {
        "%files": f"%files from {_BUILD}\n    {PREFIX} {PREFIX}\n\n",
        "%post": "%post\n" + "".join(f"    {line}\n" for line in install.splitlines()) + "\n",
    }
    first = [
        _with_stage(header, _BUILD),
        *(by_name[name] for name in ("%arguments", "%files", "%post") if name in by_name),
    ]
    return "".join([comments, *first, _with_stage(header, _FINAL), *final.values()])


def _with_stage(header: str, name: str) -> str:
    return f"{header.rstrip()}\nStage: {name}\n\n"
