"""What a Python program imports, read from its syntax tree. Nothing of it is run."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterator
from pathlib import Path

from kb.errors import BadInput
from kb.store.files import read_text

MOST = 500
"""Files of one program that are read."""


def imported(program: Path) -> list[str]:
    """The packages that a program imports, by the first part of their names, in the order in which they are
    met.

    Files beside the program that it imports are read too; they are no packages. What cannot be read as Python
    imports nothing that is known.

    Raises:
        BadInput: the program itself cannot be read, or is no Python.
    """
    folder = program.resolve().parent
    found: dict[str, None] = {}
    waiting, seen = [program.resolve()], {program.resolve()}
    for file in waiting:
        try:
            names = list(_names(file))
        except BadInput:
            if file == waiting[0]:
                raise
            continue
        for name in names:
            own = _own(folder, name) if len(waiting) < MOST else []
            if not own and not (folder / f"{name.partition('.')[0]}.py").is_file():
                found.setdefault(name.partition(".")[0])
            waiting += [path for path in own if path not in seen]
            seen.update(own)
    return list(found)


def _names(file: Path) -> Iterator[str]:
    """The modules that a file imports, wherever in it; of relative imports those that are beside it."""
    text = read_text(file)
    try:
        with (
            warnings.catch_warnings()
        ):  # of what the program should spell otherwise, its author hears from Python
            warnings.simplefilter("ignore")
            tree = ast.parse(text, filename=str(file))
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise BadInput(str(file), f"is no Python: {error}") from error
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _own(folder: Path, module: str) -> list[Path]:
    """The files of the program's own folder that a module and the packages around it are."""
    found = []
    parts = module.split(".")
    for length in range(1, len(parts) + 1):
        place = folder.joinpath(*parts[:length])
        candidates = (place.with_suffix(".py"), place / "__init__.py", place / "__main__.py")
        found += [path.resolve() for path in candidates if path.is_file()]
    return found
