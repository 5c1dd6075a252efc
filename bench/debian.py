"""Debian packages: which versions a release has now, and the files that a lock names, by the user's own apt configuration."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from generators.lock import Lock, SystemPackage
from kb.errors import RunFailed

from .progress import doing
from .scripts import said_by


def resolve(suite: str, names: Sequence[str]) -> tuple[str, tuple[SystemPackage, ...]]:
    """Ask apt what a base of a release consists of that has some packages too. Only lists are fetched, and nothing is installed.

    Args:
        suite: the release's code name.
        names: packages, `NAME` or `NAME=VERSION`.

    Returns:
        Who packs them, such as `debian`, and all packages, sorted by name.

    Raises:
        RunFailed: apt is not here, or does not find something.
    """
    with doing(f"asking for the packages of {suite}"):
        vendor, *lines = said_by("lock-packages.sh", suite, *names).splitlines()
    return vendor.split()[1], tuple(SystemPackage(*line.split()[1:]) for line in lines)


def fetch(lock: Lock, folder: Path) -> None:
    """Put the packages of a lock into an empty folder, with an index that apt reads.

    Raises:
        RunFailed: an archive does not have one of them any more, or has another file in its name.
    """
    with doing(f"fetching {len(lock.system)} packages of {lock.suite}"):
        try:
            said_by("fetch-packages.sh", lock.suite, folder, *(f"{one.name}={one.version}" for one in lock.system))
        except RunFailed as error:
            raise RunFailed(f"{error}\nthe archive has what the lock names no more; `ontune recipe --update-lock` locks what it has now") from None
    found = {hashlib.sha256(file.read_bytes()).hexdigest(): file.name for file in folder.glob("*.deb")}
    wanted = {one.sha256: one.name for one in lock.system}
    if differing := sorted({wanted.get(sha256, found.get(sha256, "")) for sha256 in wanted.keys() ^ found.keys()}):
        raise RunFailed(f"not what the lock names, by their hashes: {', '.join(differing)}")
