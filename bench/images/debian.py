"""Debian packages: which versions a release has now, and the files that a lock names, by the user's own apt
configuration.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from bench.images.scripts import output_of
from bench.progress import doing
from generators.provenance.lock import Lock, SystemPackage
from kb.errors import RunFailed


def resolve(suite: str, names: Sequence[str], more: Sequence[str] = (), *, made: bool) -> Lock:
    """Ask apt what some packages need. Only lists are fetched, and nothing is installed.

    Args:
        suite: the release's code name.
        names: packages of the image, `NAME` or `NAME=VERSION`.
        more: packages that are only needed while the image is built.
        made: whether the base is made of packages: then `names` are among those. Else it is an image of the
            release, of which nothing more is known.

    Returns:
        A lock of these packages alone, sorted by name.

    Raises:
        RunFailed: apt is not here, no archive that it reaches has the release, or it does not find something.
    """
    with doing(f"asking for the packages of {suite}"):
        vendor, *lines = output_of(
            "lock-packages.sh", "made" if made else "image", suite, *names, "--", *more
        ).splitlines()
    found = [(kind, SystemPackage(*told)) for kind, *told in map(str.split, lines)]
    system = tuple(package for kind, package in found if kind == "package")
    added = tuple(package for kind, package in found if kind == "added")
    return Lock((), system, added, vendor.split()[1], suite)


def fetch(suite: str, packages: Sequence[SystemPackage], folder: Path) -> None:
    """Put packages of a release into an empty folder, with an index that apt reads. Their hashes are compared
    before anything of them is used.

    Raises:
        RunFailed: an archive does not have one of them any more, or has another file in its name.
    """
    with doing(f"fetching {len(packages)} packages of {suite}"):
        try:
            output_of("fetch-packages.sh", suite, folder, *(f"{one.name}={one.version}" for one in packages))
        except RunFailed as error:
            raise RunFailed(
                f"{error}\nthe archive has what the lock names no more;"
                " `ontune recipe --update-lock` locks what it has now"
            ) from None
    found = {hashlib.sha256(file.read_bytes()).hexdigest(): file.name for file in folder.glob("*.deb")}
    wanted = {one.sha256: one.name for one in packages}
    if differing := sorted(
        {wanted.get(sha256, found.get(sha256, "")) for sha256 in wanted.keys() ^ found.keys()}
    ):
        raise RunFailed(f"not what the lock names, by their hashes: {', '.join(differing)}")
