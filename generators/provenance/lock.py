"""The lock of a bundle: everything that its image gets from elsewhere, with its exact version and its hash.

`requirements.lock` names the Python packages, in pip's own form; `system.lock` the base and the Debian
packages, a line each:

    vendor debian                                       who packs them
    suite bookworm                                      their release
    package NAME VERSION ARCHITECTURE SHA256            the base is made from these packages alone
    image docker.io/library/debian@sha256:...           or the base is this image of a registry
    added NAME VERSION ARCHITECTURE SHA256              what may be added to the base, as far as it is needed
    beside what that has request DIGEST                                      what was asked for: while that
    stays the same, the lock stays
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

from generators.writers import quoting
from kb.errors import BadInput
from kb.store import files

if TYPE_CHECKING:
    from generators.recipe.recipe import Recipe

PYTHON, SYSTEM = "requirements.lock", "system.lock"
"""The files of a lock."""

_HASH = re.compile(r"[0-9a-f]{64}")
_PINNED = re.compile(r"([A-Za-z0-9][\w.-]*)==([\w.+!-]+) \\")
_HASHED = re.compile(r"    --hash=sha256:([0-9a-f]{64})")


@dataclass(frozen=True, slots=True)
class PythonPackage:
    """A distribution at the exact version, with the SHA-256 (hexadecimal) of the wheel that is installed."""

    name: str
    version: str
    sha256: str


@dataclass(frozen=True, slots=True)
class SystemPackage:
    """A Debian package at the exact version, with its architecture and its file's SHA-256 (hexadecimal)."""

    name: str
    version: str
    architecture: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Lock:
    """What an image is built from.

    Attributes:
        python: all Python packages.
        system: the Debian packages that the base is made from; none where it is an image.
        added: the Debian packages that may be added to the base: those that the recipe asks for, and all that
            these need.
        vendor: who packs them, such as `debian`.
        suite: their release; empty where there are none.
        image: an image of a registry with its digest, as `NAME@sha256:...`; empty where the base is made or
            its digest is not known.
        request: the digest of what was asked for.
    """

    python: tuple[PythonPackage, ...]
    system: tuple[SystemPackage, ...] = ()
    added: tuple[SystemPackage, ...] = ()
    vendor: str = ""
    suite: str = ""
    image: str = ""
    request: str = ""

    @classmethod
    def read(cls, folder: Path) -> Self | None:
        """The lock that lies in a bundle's folder; None where there is none. Raises BadInput, with file and
        line, for what is no lock.
        """
        file = folder / SYSTEM
        if not (file.exists() and (folder / PYTHON).exists()):
            return None
        lines, pinned = files.read_text(file).splitlines(), files.read_text(folder / PYTHON)
        told: dict[str, str] = {}
        packages: dict[str, list[SystemPackage]] = {"package": [], "added": []}
        for number, line in enumerate(lines, 1):
            match line.split():
                case [] | ["#", *_]:
                    continue
                case [("package" | "added") as kind, name, version, architecture, digest] if _HASH.fullmatch(
                    digest
                ):
                    where = f"{file}:{number}"
                    checked = (
                        quoting.name("system package", name, where),
                        quoting.name("version", version, where),
                    )
                    packages[kind].append(
                        SystemPackage(*checked, quoting.name("word", architecture, where), digest)
                    )
                case [("vendor" | "suite" | "request") as key, word]:
                    told[key] = quoting.name("word", word, f"{file}:{number}")
                case ["image", word]:
                    told["image"] = quoting.name("image", word, f"{file}:{number}")
                case _:
                    expected = (
                        "package or added, NAME VERSION ARCHITECTURE SHA256;"
                        " or vendor, suite, image or request with its value"
                    )
                    raise BadInput(
                        f"{file}:{number}", f"'{line:.60}' is no line of a lock", expected=expected
                    )
        python = tuple(_pinned(pinned, folder / PYTHON))
        return cls(python, tuple(packages["package"]), tuple(packages["added"]), **told)

    def texts(self) -> dict[str, str]:
        """The contents of its files by name."""
        anew = "Written by Ontune; `ontune recipe --update-lock` makes it anew."
        told = {"request": self.request, "vendor": self.vendor, "suite": self.suite, "image": self.image}
        system = [
            f"# Base and Debian packages of the image, by hash. {anew}",
            *(f"{key} {value}" for key, value in told.items() if value),
        ]
        for kind, packages in (("package", self.system), ("added", self.added)):
            system += [f"{kind} {one.name} {one.version} {one.architecture} {one.sha256}" for one in packages]
        python = [f"# Python packages of the image, all of them, by hash. {anew}"]
        python += [f"{one.name}=={one.version} \\\n    --hash=sha256:{one.sha256}" for one in self.python]
        return {PYTHON: "\n".join(python) + "\n", SYSTEM: "\n".join(system) + "\n"}


def _pinned(text: str, file: Path) -> Iterator[PythonPackage]:
    """The packages of a lock in pip's form: two lines each, but for comments."""
    lines = [
        (number, line)
        for number, line in enumerate(text.splitlines(), 1)
        if line.strip() and not line.startswith("#")
    ]
    for (number, line), (_, behind) in zip(lines[::2], [*lines[1::2], (0, "")], strict=False):
        named, hashed = _PINNED.fullmatch(line), _HASHED.fullmatch(behind)
        if named is None or hashed is None:
            raise BadInput(
                f"{file}:{number}",
                f"'{line:.60}' is no line of a lock",
                expected="NAME==VERSION \\ and --hash=sha256:... below it",
            )
        yield PythonPackage(named[1], named[2], hashed[1])


def request_of(recipe: Recipe, requirements: str) -> str:
    """The digest of what a lock answers: the base, the packages that are asked for, and where wheels come
    from.

    Args:
        recipe: what is asked for.
        requirements: the text of its requirements file, whose comments do not count.
    """
    asked = [
        f"{entry.name} {entry.value}"
        for entry in (*recipe.headers, *recipe.packages_to_install, *recipe.indexes)
    ]
    asked += [line for raw in requirements.splitlines() if (line := re.sub(r"(^|\s)#.*", "", raw).strip())]
    return hashlib.sha256("\n".join(asked).encode()).hexdigest()[:16]
