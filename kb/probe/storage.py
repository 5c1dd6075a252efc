"""Storage: the file system behind a folder, and its class."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path


def filesystem(mountinfo: str | None, path: str) -> str | None:
    """The type of the file system that holds `path`, by the text of /proc/self/mountinfo; None where it is
    unknown.
    """
    best: tuple[int, int, str] | None = None
    for n, line in enumerate((mountinfo or "").splitlines()):
        before, dash, after = line.partition(" - ")
        words = before.split()
        if not dash or len(words) < 5 or not after.split():
            continue
        mount = re.sub(r"\\([0-7]{3})", lambda code: chr(int(code[1], 8)), words[4])
        if path == mount or path.startswith(mount.rstrip("/") + "/"):
            best = max(best or (-1, -1, ""), (len(mount), n, after.split()[0]))
    return best[2] if best else None


def storage_class(kind: str | None, classes: Mapping[str, str]) -> str | None:
    """The class (memory, local, network) of a type of file system; None where nobody has stated it.

    Args:
        kind: such as `ext4`.
        classes: the stated class of each type.
    """
    return classes.get(kind) if kind else None


def storage_of(folder: str) -> tuple[str | None, str | None]:
    """The type of the file system behind a folder of this machine, and its class; None where either is
    unknown.
    """
    from kb.probe.recognised import storage_classes

    try:
        mounts = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None, None
    kind = filesystem(mounts, str(Path(folder).resolve()))
    return kind, storage_class(kind, storage_classes())
