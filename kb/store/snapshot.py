"""Compiled snapshots in the user's cache: written once for each state of the knowledge base, whole or not at
all, and sealed.

A snapshot is a folder named by the hash of its sources. `full.nq` holds every triple, for queries and
explanations; `planning.msgpack` holds what planning reads, in parts (`kb.store.shards`); `snapshot.json` says
what it is, with the digest of each part and a seal over all of that. A part that does not have its digest is
made again. A folder that somebody else owns is not read: whoever could write there could put words into every
plan. Where nothing can be kept (a full, read-only or absent cache), the snapshot lives in memory.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import shutil
import stat
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import msgspec

from kb.store import paths
from kb.store.sources import Source
from kb.values import Value

FULL: Final = "full.nq"
PLANNING: Final = "planning.msgpack"
_ABOUT: Final = "snapshot.json"
_MAKING: Final = ".making-"
_KEPT: Final = 12  # older snapshots are dropped: each state of a knowledge base under work leaves one
_OTHERS_WRITE: Final = stat.S_IWGRP | stat.S_IWOTH

Parts = Mapping[str, bytes]


class SnapshotInfo(Value, frozen=True):
    """What a snapshot is.

    Attributes:
        version: of the knowledge, as it states it.
        sha256: the hash of all its sources.
        refused: additions that were left out, by their names as sources, each with what is said of it behind
            the path of its file: equal files in another folder have the same snapshot.
    """

    version: str
    sha256: str
    refused: Mapping[str, str] = {}


@dataclass(frozen=True)
class Snapshot:
    """A compiled knowledge base.

    Attributes:
        info: what it is.
        folder: where it lies; None where it is in memory only.
        digests: SHA-256 of each part.
        memory: the parts that are in memory.
        unkept: why it is in memory only; empty where it is not.
        added: the additions that it was asked for, as they lie now.
    """

    info: SnapshotInfo
    folder: Path | None
    digests: Mapping[str, str]
    memory: Parts = field(default_factory=dict, repr=False)
    unkept: str = ""
    added: tuple[Source, ...] = ()

    @property
    def refused(self) -> dict[Source, str]:
        """The additions that were left out, each with the reason."""
        return {
            source: f"{source.path}{self.info.refused[source.name]}"
            for source in self.added
            if source.name in self.info.refused
        }

    def part(self, name: str) -> bytes | None:
        """The content of a part (`FULL` or `PLANNING`); None where it is gone or damaged."""
        if name in self.memory:
            return self.memory[name]
        content = read_own(self.folder / name) if self.folder else None
        return content if content is not None and _digest(content) == self.digests[name] else None


def obtain(key: str, build: Callable[[], tuple[SnapshotInfo, Parts]], needed: str = PLANNING) -> Snapshot:
    """The snapshot of that key, made by `build` where it is missing or damaged.

    Args:
        key: the hash of everything that the snapshot depends on.
        build: compiles; called under a lock, so that processes wait for one another.
        needed: the part that must be whole; it is in the snapshot's memory.
    """
    home = paths.cache_home() / "snapshots"
    try:
        _claim(home)
        if found := _read(home, key, needed):
            return found
        with _locked(home / "lock"):
            if found := _read(home, key, needed):
                return found
            _sweep(home)
            info, parts = build()
            return _keep(home, key, info, parts, needed)
    except OSError as error:
        info, parts = build()
        return _in_memory(info, parts, f"{home}: {error.strerror or error}")


def _keep(home: Path, key: str, info: SnapshotInfo, parts: Parts, needed: str) -> Snapshot:
    """Write a snapshot as one folder; it stays in memory where that cannot be done."""
    import tempfile  # most who plan find a snapshot

    digests = {name: _digest(content) for name, content in parts.items()}
    about = {"key": key, "digests": digests, **msgspec.structs.asdict(info)}
    try:
        fresh = Path(tempfile.mkdtemp(prefix=_MAKING, dir=home))
        try:
            for name, content in parts.items():
                write_own(fresh / name, content)
            write_own(fresh / _ABOUT, json.dumps(about | {"seal": seal_of(about)}).encode())
            shutil.rmtree(_folder(home, key), ignore_errors=True)
            fresh.rename(_folder(home, key))
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
        _drop_old(home)
    except OSError as error:
        return _in_memory(info, parts, f"{home}: {error.strerror or error}")
    return Snapshot(info, _folder(home, key), digests, {needed: parts[needed]})


def _in_memory(info: SnapshotInfo, parts: Parts, unkept: str) -> Snapshot:
    return Snapshot(info, None, {}, parts, unkept)


def _read(home: Path, key: str, needed: str) -> Snapshot | None:
    """The snapshot of that key, if it is there, this user's own, sealed, and the needed part whole."""
    folder = _folder(home, key)
    try:
        about = json.loads(read_own(folder / _ABOUT) or b"")
        seal = about.pop("seal")
    except (ValueError, KeyError, AttributeError, RecursionError):
        return None
    if seal != seal_of(about) or about.pop("key") != key:
        return None
    digests = about.pop("digests")
    found = Snapshot(SnapshotInfo(**about), folder, digests)
    content = found.part(needed)
    if content is None:
        return None
    with contextlib.suppress(OSError):
        os.utime(folder)
    return Snapshot(found.info, folder, digests, {needed: content})


def _claim(home: Path) -> None:
    """Make the folder of snapshots, for this user alone.

    Raises:
        PermissionError: somebody else owns it.
    """
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    for folder in (home, home.parent):
        facts = folder.lstat()
        if facts.st_uid != os.geteuid():
            raise PermissionError(
                errno.EPERM,
                "another user owns the cache folder, and could write what plans are made from",
                str(folder),
            )
        if facts.st_mode & _OTHERS_WRITE:
            folder.chmod(facts.st_mode & ~_OTHERS_WRITE & 0o7777)


def read_own(path: Path) -> bytes | None:
    """The content of a regular file that this user owns and nobody else may write; None of any other."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    with os.fdopen(descriptor, "rb") as file:
        facts = os.fstat(descriptor)
        own = (
            stat.S_ISREG(facts.st_mode) and facts.st_uid == os.geteuid() and not facts.st_mode & _OTHERS_WRITE
        )
        try:
            return file.read() if own else None
        except OSError:
            return None


def write_own(path: Path, content: bytes) -> None:
    """Write a new file for this user alone. Raises OSError."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)


def _folder(home: Path, key: str) -> Path:
    return home / key[:20]


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def seal_of(about: Mapping[str, object]) -> str:
    """A digest over what a file of the cache says of itself, beside which it stands there.

    It shows damage; against others it is the owner of the folder that counts.
    """
    return _digest(json.dumps(about, sort_keys=True).encode())


def _sweep(home: Path) -> None:
    """Remove what was being made when its process was killed: whoever makes a snapshot holds the lock."""
    for left in home.glob(f"{_MAKING}*"):
        shutil.rmtree(left, ignore_errors=True)


def _drop_old(home: Path) -> None:
    dated = []
    for path in home.iterdir():
        with contextlib.suppress(OSError):  # another process may drop the same one
            if path.is_dir():
                dated.append((path.stat().st_mtime, path))
    for _, path in sorted(dated)[:-_KEPT]:
        shutil.rmtree(path, ignore_errors=True)


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW, 0o600), "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
