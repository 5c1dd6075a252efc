"""Folders for a while, in which something is made before it is put in its place, and what is left of them
when their maker was killed.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import socket
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

OLD_SECONDS: Final = 24 * 3600
_NAME = re.compile(r"\.ontune-(?P<purpose>[a-z]+)-(?P<host>[0-9a-f]{8})-(?P<maker>[0-9]{1,10})-\w+")


@contextlib.contextmanager
def scratch(purpose: str, parent: Path | None = None) -> Iterator[Path]:
    """A folder that is there while the block runs. Its name tells who makes it, so that others know what is
    left over.

    Args:
        purpose: what it is for, in lower-case letters; it stands in the name.
        parent: where it lies, such as on the disk of what is made in it; by default where the system has
            temporary files.

    Raises:
        OSError: the parent cannot be written.
    """
    parent = parent or Path(tempfile.gettempdir())
    sweep(parent)
    folder = Path(tempfile.mkdtemp(prefix=f".ontune-{purpose}-{_host()}-{os.getpid()}-", dir=parent))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def sweep(parent: Path, now: float | None = None) -> None:
    """Remove what makers of this machine have left in a folder: those that live no more, and only what is
    older than a day and this user's own.

    Args:
        parent: the folder.
        now: the time, in seconds since 1970; without it, that of the clock.
    """
    with contextlib.suppress(OSError), os.scandir(parent) as entries:
        for entry in entries:
            if (
                (match := _NAME.fullmatch(entry.name))
                and match["host"] == _host()
                and not _lives(int(match["maker"]))
            ):
                with contextlib.suppress(OSError):  # somebody else may sweep it too
                    facts = entry.stat(follow_symlinks=False)
                    if facts.st_uid == os.geteuid() and (now or time.time()) - facts.st_mtime > OLD_SECONDS:
                        shutil.rmtree(entry.path, ignore_errors=True)  # refuses a link


def _host() -> str:
    """Tells machines apart that see one disk: of another one's processes nobody knows here."""
    return hashlib.sha256(socket.gethostname().encode()).hexdigest()[:8]


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):  # another user's lives
        return True
    return True
