"""What this process may import where it starts a program of the user's: nothing of the user's own."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path


def leave_the_users_modules() -> None:
    """Take the folder and what stands in PYTHONPATH out of `sys.path`, but for where Ontune itself lies: they
    are the program's, which gets them unchanged.
    """
    own = Path(__file__).resolve().parents[2]
    entries = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    users = {Path(entry).resolve() for entry in entries if entry}
    with contextlib.suppress(OSError):  # the folder may be gone
        users.add(Path.cwd())
    sys.path[:] = [place for place in sys.path if place and Path(place).resolve() not in users - {own}]
