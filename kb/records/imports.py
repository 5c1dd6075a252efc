"""What a Python program imports, read from its syntax tree. Nothing of it is run."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from kb.errors import BadInput
from kb.store.files import read_bytes

MOST = 500
"""Files of one program that are read."""
LARGEST = 4 * 2**20
"""Bytes of a file that is read: a longer one is data."""


@dataclass(frozen=True)
class Imports:
    """What a program imports.

    Attributes:
        packages: by the first part of their names, in the order in which they are met; where it imports some
            only if they are there, and others in any case, the others.
        files: its own files, itself first.
    """

    packages: list[str]
    files: list[Path]


def imported(program: Path, roots: Sequence[Path] = ()) -> Imports:
    """What a program and the files of its own that it imports import. Such a file that cannot be read as
    Python imports nothing that is known.

    Args:
        program: its file.
        roots: folders beside its own that modules are looked for in.

    Raises:
        BadInput: the program itself cannot be read, or is no Python.
    """
    places = [program.resolve().parent, *roots]
    found: dict[str, bool] = {}
    waiting, seen = [program.resolve()], {program.resolve()}
    for file in waiting:
        try:
            names = list(_names(read_bytes(file, LARGEST), file))
        except BadInput:
            if file == waiting[0]:
                raise
            continue
        for name, within, certain in names:
            own = _own([within] if within else places, name) if len(waiting) < MOST else []
            package = name.partition(".")[0]
            if not own and within is None and not _own(places, package):
                found[package] = found.get(package, False) or certain
            waiting += [path for path in own if path not in seen]
            seen.update(own)
    return Imports([name for name, certain in found.items() if certain] or list(found), waiting)


def imported_by_text(text: str) -> list[str]:
    """As `imported`, of a line of Python such as that behind `python -c`; none where it is no Python."""
    try:
        return list(dict.fromkeys(name.partition(".")[0] for name, *_ in _names(text.encode(), Path("-c"))))
    except BadInput:
        return []


def _names(text: bytes, file: Path) -> Iterator[tuple[str, Path | None, bool]]:
    """The modules that a file imports, wherever in it; of relative imports with the folder in which they
    are; and whether it does so in any case, or only if they are there.
    """
    try:
        with warnings.catch_warnings():  # of what should be spelt otherwise, its author hears from Python
            warnings.simplefilter("ignore")
            tree = ast.parse(text, filename=str(file))
    except (SyntaxError, ValueError, RecursionError, MemoryError, LookupError, SystemError) as error:
        problem = f"cannot be read as Python: {error or type(error).__name__}"
        raise BadInput(str(file), problem, expected="a script that Python here can parse") from error
    waiting: list[tuple[ast.AST, bool]] = [(tree, True)]
    for node, certain in waiting:
        if isinstance(node, ast.Import):
            yield from ((alias.name, None, certain) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            within = file.resolve().parents[node.level - 1] if node.level else None
            stem = f"{node.module}." if node.module else ""
            yield from ((f"{stem}{alias.name}", within, certain) for alias in node.names)
        certain = certain and not isinstance(node, ast.Try)
        if not (isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")):
            waiting += [(child, certain) for child in ast.iter_child_nodes(node)]


def _own(places: Sequence[Path], module: str) -> list[Path]:
    """The program's own files that a module and the packages around it are, in the first place that has
    any.
    """
    parts = module.split(".")
    for place in places:
        found = []
        for length in range(1, len(parts) + 1):
            path = place.joinpath(*parts[:length])
            candidates = (path.with_suffix(".py"), path / "__init__.py", path / "__main__.py")
            found += [file.resolve() for file in candidates if file.is_file()]
        if found:
            return found
    return []
