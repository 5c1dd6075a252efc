"""A user's own training script in a bundle: the script, its files, what it requires, and the module that applies the plan's code options to it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from kb.errors import BadInput

from . import quoting, run_script
from .recipe import Program, Recipe

SETTINGS_MODULE = "ontune_settings.py"

# Name, extras, versions, marker (PEP 508), on one line.
_REQUIREMENT = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)\s*(\[[\w\s,.-]*\])?\s*\(?\s*([<>=!~][^;#@]*)?(;[^#]*)?")


def files(recipe: Recipe) -> dict[str, bytes]:
    """The contents of `workload/` by file name.

    Raises:
        BadInput: a file cannot be read, or two have the same name.
    """
    found = {SETTINGS_MODULE: run_script.write_settings(recipe).encode()}
    for path in map(Path, filter(None, (recipe.program.script, *recipe.program.files))):
        if path.name in found:
            raise BadInput(str(path), "a file of this name is in the workload already", expected="different names")
        found[path.name] = _content(path)
    return found


def requirements(recipe: Recipe) -> list[str]:
    """What the user's requirements file asks for beside the packages that the plan pins.

    Raises:
        BadInput: the file cannot be read, or a line is something else than a requirement, such as an option of pip.
    """
    pinned = {_distribution(entry.name) for entry in recipe.python_packages}
    return [line for line in _requirements(recipe.program) if _distribution(line) not in pinned]


def _requirements(program: Program) -> Iterator[str]:
    if not program.requirements:
        return
    path = Path(program.requirements)
    for number, line in enumerate(_content(path).decode("utf-8", errors="replace").splitlines(), 1):
        text = re.sub(r"(^|\s)#.*", "", line).strip()
        if not text:
            continue
        quoting.value(text, f"{path}:{number}")
        if not _REQUIREMENT.fullmatch(text):
            expected = "a distribution with its versions, such as tqdm>=4; no options"
            raise BadInput(f"{path}:{number}", f"'{text:.60}' is not a requirement", expected=expected)
        yield text


def _distribution(requirement: str) -> str:
    """The distribution's normalised name."""
    match = _REQUIREMENT.match(requirement)
    return re.sub(r"[-_.]+", "-", match.group(1) if match else requirement).lower()


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise BadInput(str(path), f"cannot be read: {error.strerror}", expected="a file") from error
