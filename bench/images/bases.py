"""Bases: the root file systems that images begin from, where no registry is asked for them.

They are made once and kept in the cache.
"""

from __future__ import annotations

import contextlib
import hashlib
import subprocess
from collections.abc import Sequence
from pathlib import Path

from bench.images import debian
from bench.images.scripts import output_of, script
from bench.progress import doing
from generators.provenance.lock import Lock, SystemPackage
from kb.errors import RunFailed
from kb.store.paths import cache_home
from kb.store.scratch import scratch


def make_base(suite: str) -> Path:
    """A base of a distribution's release (its code name) as it is now, made once.

    Raises RunFailed where it cannot be made.
    """
    return _made(suite, suite, None)


def locked_base(lock: Lock) -> Path:
    """A base of the packages that a lock names, all of them and no other. Their hashes are compared before
    anything of them is used.

    Raises:
        RunFailed: an archive has a package no more, or another one in its name, or the base cannot be made.
    """
    name = f"{lock.suite}-{_key(lock.system)}"
    if (ready := _bases() / name).is_dir():
        return ready
    with scratch("packages", _bases()) as folder:
        debian.fetch(lock.suite, lock.system, folder)
        return _made(lock.suite, name, folder)


def added_packages(lock: Lock) -> Path | None:
    """A folder of the packages that a lock adds to its base, with an index that apt reads; None where there
    are none.

    Raises:
        RunFailed: an archive has a package no more, or another one in its name.
    """
    if not lock.added:
        return None
    folder = cache_home() / "packages" / f"{lock.suite}-{_key(lock.added)}"
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with scratch("packages", folder.parent) as made:
            partial = made / "packages"
            partial.mkdir()
            debian.fetch(lock.suite, lock.added, partial)
            with contextlib.suppress(OSError):  # another process was faster, with the same packages
                partial.rename(folder)
    return folder


def mirror() -> str:
    """The first archive of this machine's distribution that its apt knows.

    Raises RunFailed where there is none.
    """
    done = subprocess.run(
        ["bash", "-c", '. "$1" && archive_sources', "bash", script("common.sh")],
        capture_output=True,
        text=True,
        check=False,
    )
    if not done.stdout:
        raise RunFailed("apt knows no archive of this distribution, and the image is made from one")
    return done.stdout.split()[0]


def _key(packages: Sequence[SystemPackage]) -> str:
    return hashlib.sha256("".join(one.sha256 for one in packages).encode()).hexdigest()[:16]


def _bases() -> Path:
    folder = cache_home() / "bases"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _made(suite: str, name: str, packages: Path | None) -> Path:
    folder = _bases() / name
    if not folder.is_dir():
        with doing(f"making a base of {suite}"):
            output_of("make-base.sh", suite, folder, *([packages] if packages else []))
    return folder
