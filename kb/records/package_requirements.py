"""What a script requires of Python packages, in pip's forms: read from requirements files, and as single
lines with where they were asked for.

A line is `numpy>=2  # requirements.txt:1`: what pip reads, with a comment that names the file and the line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from kb.errors import BadInput
from kb.store import user_files
from kb.values import Value

if TYPE_CHECKING:
    from packaging.markers import Marker
    from packaging.specifiers import SpecifierSet

_COMMENT = re.compile(r"(^|\s+)#.*$")
_INCLUDE = re.compile(r"(?:-r|--requirement)(?:\s+|=)?(\S.*)")
_EXPECTED = "a distribution with its versions, such as tqdm>=4, or -r FILE"
_ADDRESS = re.compile(r"^(?:\w+\+)?(?:https?|ssh|git|file|ftp)://|^git\+|^[^\s;#]*@\s*\S+://|^\S+\s*@\s*\S+:")
# What pip understands and a bundle cannot keep, by how it begins, each with the reason.
_NOT_KEPT = {
    r"-c|--constraint": ("constraints are not read", "the versions in the requirements themselves"),
    r"-i|--index-url|--extra-index-url|--no-index|-f|--find-links|--trusted-host": (
        "where packages come from is said by the builder's pip configuration, "
        "and by the build that the plan takes",
        "requirements without it (a build by --pin wheel=...)",
    ),
    r"-e|--editable": (
        "an installation in place points to a folder that the image does not have",
        "the folder among `files`",
    ),
    r"--": ("options of pip are not kept", "requirements without options"),
    r"-": ("options of pip are not kept", "requirements without options"),
}


class Requirement(Value, frozen=True):
    """One requirement.

    Attributes:
        asked: as it was written, without its comment.
        where: file and line, or empty.
        name: the distribution's normalised name.
        extras: the optional parts that are asked for.
        versions: which versions will do.
        marker: where it holds; None everywhere.
    """

    asked: str
    where: str
    name: str
    extras: frozenset[str]
    versions: SpecifierSet
    marker: Marker | None

    def __str__(self) -> str:
        return f"{self.asked} ({self.where})" if self.where else self.asked

    def allows(self, version: str) -> bool:
        """Whether a version will do. Pre-releases do where they are what there is."""
        return self.versions.contains(version, prereleases=True)

    def allows_release(self, version: str) -> bool:
        """As `allows`, where it is open yet which build of the release is taken."""
        from packaging.specifiers import SpecifierSet

        return SpecifierSet(re.sub(r"\+[\w.]+", "", str(self.versions))).contains(version, prereleases=True)

    def holds(self, environment: Mapping[str, str]) -> bool:
        """Whether its marker holds for some values of markers' variables, such as `python_version`."""
        return self.marker is None or self.marker.evaluate({**environment})


def read_requirements(path: Path) -> list[str]:
    """The requirements of a file and of those that it names by `-r`, each with where it was asked for.

    Raises:
        BadInput: a file cannot be read, or a line cannot be kept; the message names file, line and reason.
    """
    return [f"{text}  # {where}" for text, where in _lines(path, path.parent, ())]


def parsed(line: str) -> Requirement:
    """A requirement of the form that this module writes.

    Raises:
        BadInput: it is none; the message names where it was asked for.
    """
    from packaging.requirements import InvalidRequirement
    from packaging.requirements import Requirement as Pip
    from packaging.utils import canonicalize_name

    text, _, where = line.partition(" #")
    asked, where = text.strip(), where.strip()
    _check(asked, where or "requires")
    try:
        found = Pip(asked)
    except InvalidRequirement as error:
        problem = f"'{asked:.60}' is not a requirement: {str(error).splitlines()[0]}"
        raise BadInput(where or "requires", problem, expected=_EXPECTED) from error
    return Requirement(
        asked, where, canonicalize_name(found.name), frozenset(found.extras), found.specifier, found.marker
    )


def disjoint(one: SpecifierSet, other: SpecifierSet) -> bool:
    """Whether no version can meet both. Only versions at and beside the bounds need to be tried."""
    bounds = {specifier.version.removesuffix(".*") for specifier in (*one, *other)} or {"0"}
    tried = {"0"}.union(*map(_beside, bounds))
    return not any(
        one.contains(version, prereleases=True) and other.contains(version, prereleases=True)
        for version in tried
    )


def _beside(bound: str) -> Iterator[str]:
    """A version, the next one after it, and the next ones in which a part is one more."""
    yield bound
    release = re.match(r"\d+(\.\d+)*", bound)
    if release:
        parts = release[0].split(".")
        yield f"{release[0]}.0.0.1"
        for length in range(1, len(parts) + 1):
            yield ".".join([*parts[: length - 1], str(int(parts[length - 1]) + 1)])


def _lines(path: Path, root: Path, through: tuple[Path, ...]) -> Iterator[tuple[str, str]]:
    """Requirements with file and line, the file as its path from the first one's folder."""
    shown = str(path.relative_to(root)) if path.is_relative_to(root) else str(path)
    for number, text in _logical(user_files.read_text(path)):
        where = f"{path}:{number}"
        if include := _INCLUDE.fullmatch(text):
            other = (path.parent / include[1].strip()).resolve()
            if "://" in include[1]:
                raise BadInput(
                    where, "requirements of another machine are not read", expected="a file beside this one"
                )
            if other in (*through, path.resolve()):
                raise BadInput(
                    where, f"{other.name} names itself in the end", expected="requirements without a circle"
                )
            if not other.is_file():
                raise BadInput(
                    where,
                    f"no file {include[1].strip()}",
                    expected="a requirements file, named from the folder of this one",
                )
            yield from _lines(other, root, (*through, path.resolve()))
            continue
        try:
            parsed(text)
        except BadInput as error:
            raise BadInput(where, str(error).removeprefix("requires: ")) from error
        yield text, f"{shown}:{number}"


def _logical(text: str) -> Iterator[tuple[int, str]]:
    """Lines as pip joins them, without comments, with the number of their first one."""
    held, begin = "", 0
    for number, raw in enumerate([*text.splitlines(), ""], 1):
        begin = begin if held else number
        if raw.endswith("\\") and not re.match(r"\s*#", raw):
            held += raw[:-1]
            continue
        line = re.sub(r"\s+", " ", _COMMENT.sub("", held + raw)).strip()
        held = ""
        if line:
            yield begin, line


def _check(text: str, where: str) -> None:
    """Raises BadInput for what pip reads and a bundle cannot keep."""
    if not text.isprintable():
        raise BadInput(
            where, f"{text[:60]!r} holds a character that cannot be printed", expected="one line of text"
        )
    for beginning, (problem, expected) in _NOT_KEPT.items():
        if re.match(f"(?:{beginning})", text):
            raise BadInput(where, f"'{text:.60}': {problem}", expected=expected)
    if "--hash" in text:
        problem = f"'{text:.60}': hashes are those of the bundle's lock"
        raise BadInput(
            where, problem, expected="no hash here; `ontune recipe --locked` gives each package one"
        )
    if re.search(r"\s--?\w", text):
        raise BadInput(
            where, f"'{text:.60}': options of pip are not kept", expected="requirements without options"
        )
    if _ADDRESS.match(text) or re.match(r"\.{0,2}/|.*\.(?:whl|tar\.gz|zip)$", text):
        problem = f"'{text:.60}': an image is made of released packages, which a lock can name"
        raise BadInput(
            where, problem, expected="a release (name==version); or the package's folder among `files`"
        )
