"""Compiled snapshots in the user's cache: written once for each state of the knowledge base, whole or not at all.

A snapshot is a folder named by the hash of its sources. `full.nq` holds every triple, for queries and explanations; `planning.nq` holds what
planning reads; `snapshot.json` says what it is.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from kb import paths
from kb.errors import BadInput
from kb.sources import Source

FULL, PLANNING, ABOUT = "full.nq", "planning.nq", "snapshot.json"
_KEPT = 4  # older snapshots are dropped: each state of a knowledge base under work leaves one


@dataclass(frozen=True)
class SnapshotInfo:
    """What a snapshot is.

    Attributes:
        version: of the code that compiled it.
        sha256: the hash of all its sources.
        refused: additions that were left out, by their names as sources, each with what is said of it behind the path of its file: equal files in
            another folder have the same snapshot.
    """

    version: str
    sha256: str
    refused: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Snapshot:
    """A compiled knowledge base on disk.

    Attributes:
        folder: where it lies.
        info: what it is.
        added: the additions that it was asked for, as they lie now.
    """

    folder: Path
    info: SnapshotInfo
    added: tuple[Source, ...] = ()

    @property
    def refused(self) -> dict[Source, str]:
        """The additions that were left out, each with the reason."""
        return {source: f"{source.path}{self.info.refused[source.name]}" for source in self.added if source.name in self.info.refused}

    @property
    def full(self) -> Path:
        """Every triple."""
        return self.folder / FULL

    @property
    def planning(self) -> Path:
        """What planning reads."""
        return self.folder / PLANNING


def obtain(key: str, build: Callable[[Path], SnapshotInfo]) -> Snapshot:
    """The snapshot of that key, made by `build` where it is missing.

    Args:
        key: the hash of everything that the snapshot depends on.
        build: fills an empty folder with the snapshot's files; called under a lock, so that processes wait for one another.

    Raises:
        BadInput: the cache folder cannot be written.
    """
    home = paths.cache_home() / "snapshots"
    folder = home / key[:20]
    if info := _read(folder):
        return Snapshot(folder, info)
    try:
        home.mkdir(parents=True, exist_ok=True)
        with _locked(home / "lock"):
            if info := _read(folder):
                return Snapshot(folder, info)
            fresh = Path(tempfile.mkdtemp(prefix=".making-", dir=home))
            try:
                info = build(fresh)
                (fresh / ABOUT).write_text(json.dumps(asdict(info)), encoding="utf-8")
                shutil.rmtree(folder, ignore_errors=True)
                fresh.rename(folder)
            finally:
                shutil.rmtree(fresh, ignore_errors=True)
            _drop_old(home)
    except PermissionError as error:
        raise BadInput(str(error.filename), "the cache folder cannot be written", expected="a writable ONTUNE_CACHE_HOME") from error
    return Snapshot(folder, info)


def _read(folder: Path) -> SnapshotInfo | None:
    try:
        about = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    with contextlib.suppress(OSError):
        os.utime(folder)
    return SnapshotInfo(about["version"], about["sha256"], about["refused"])


def _drop_old(home: Path) -> None:
    made = sorted((path for path in home.iterdir() if path.is_dir() and not path.name.startswith(".")), key=lambda path: path.stat().st_mtime)
    for path in made[:-_KEPT]:
        shutil.rmtree(path, ignore_errors=True)


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
