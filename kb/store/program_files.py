"""The files of a user's own program: single ones, folders and patterns, each with its place below the
folder that they are named from.

What stands in a folder comes with it, but for what versioning, editors, Python and bundles leave there:
names that begin with a dot, `__pycache__`, and a bundle's own folder. A link is what it leads to; one out of
a folder leads to nothing that the folder's owner named, and is refused.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from kb.errors import BadInput
from kb.store.files import read_text

LARGEST = 256 * 2**20
"""Bytes of all files together: what is more is data, which stays where it is."""

_EXPECTED = "files, folders or patterns such as configs/*.yaml, named from the folder of the workload's file"
_LEFT = ("__pycache__",)
_OF_A_BUNDLE = ("plan.json", "run.sh")


def mentions(script: str, word: str) -> bool | None:
    """Whether the text of a script has a word in it; None where the script cannot be read here.

    A program of several files may say it in another one: whoever asks must not conclude more than that this
    file does not.
    """
    try:
        return word in read_text(Path(script))
    except BadInput:
        return None


def placed(folder: Path, names: Sequence[str], where: str) -> dict[str, Path]:
    """The files that some names stand for, by their place below `folder`.

    Args:
        folder: what the names are relative to.
        names: files, folders, or patterns as a shell has them (`**` for folders of any depth).
        where: the file and the key, for messages.

    Raises:
        BadInput: a name lies outside of the folder, stands for nothing, or is a link that leads nowhere
            or out of a folder; or the files are too
            large together.
    """
    found: dict[str, Path] = {}
    for name in names:
        files: list[Path] = []
        for path in _named(folder, name, where):
            files += _files(path, where, ())
        if not files:
            raise BadInput(where, f"'{name}' stands for no file", expected=_EXPECTED)
        found |= {_place(file, folder, where): file for file in files}
    if (size := sum(file.stat().st_size for file in found.values())) > LARGEST:
        problem = f"{size / 2**20:.0f} MiB are too much to carry in a bundle"
        expected = f"at most {LARGEST // 2**20} MiB; training data is named by `data`, and stays where it is"
        raise BadInput(where, problem, expected=expected)
    return found


def _named(folder: Path, name: str, where: str) -> Iterator[Path]:
    """The files and folders that one name stands for. A name that is there as it is written is no pattern."""
    path = Path(os.path.normpath(folder / name))
    if not path.is_relative_to(folder):
        raise BadInput(where, f"'{name}' lies outside of {folder}", expected=_EXPECTED)
    if os.path.lexists(path):
        yield path
    elif any(character in name for character in "*?["):
        try:
            matching = sorted(folder.glob(str(path.relative_to(folder))))
        except ValueError as error:
            raise BadInput(where, f"'{name}' is no pattern: {error}", expected=_EXPECTED) from error
        yield from (one for one in matching if not _left(one.relative_to(folder).parts, name))
    else:
        raise BadInput(where, f"no file {path}", expected=_EXPECTED)


def _files(path: Path, where: str, above: tuple[Path, ...]) -> Iterator[Path]:
    """The files of a path; `above` are the real folders that are being gone through."""
    if not path.exists():
        raise BadInput(
            where, f"{path} is a link to {path.readlink()}, which is not there", expected=_EXPECTED
        )
    if not path.is_dir():
        if not path.is_file():
            raise BadInput(where, f"{path} is neither a file nor a folder", expected=_EXPECTED)
        yield path
        return
    real = path.resolve()
    if real in above:
        raise BadInput(
            where,
            f"{path} leads back to {real}, which it lies in",
            expected="folders without a circle of links",
        )
    for member in sorted(path.iterdir()):
        if _left((member.name,)) or (
            member.is_dir() and all((member / one).is_file() for one in _OF_A_BUNDLE)
        ):
            continue
        if member.is_symlink() and member.is_dir() and not member.resolve().is_relative_to((*above, real)[0]):
            problem = f"{member} is a link out of the folder, to {member.resolve()}"
            raise BadInput(
                where,
                problem,
                expected="the files themselves, or the folder of the training data under `data`",
            )
        yield from _files(member, where, (*above, real))


def _left(parts: Sequence[str], name: str = "") -> bool:
    """Whether something is left where it is, unless the name or the pattern says so itself."""
    asked = name.split("/")
    hidden_asked = any(part.startswith(".") for part in asked)
    return any(
        (part.startswith(".") and not hidden_asked) or (part in _LEFT and part not in asked) for part in parts
    )


def _place(file: Path, folder: Path, where: str) -> str:
    place = str(PurePosixPath(*file.relative_to(folder).parts))
    if not place.isprintable():
        raise BadInput(
            where,
            f"{place!r} holds a line break or another character that cannot be printed",
            expected="a printable name",
        )
    return place
