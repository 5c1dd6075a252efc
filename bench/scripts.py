"""The shell scripts of `tools/`, which know the package manager of this machine."""

from __future__ import annotations

import subprocess
from pathlib import Path

from kb.errors import RunFailed


def script(name: str) -> Path:
    """A script of `tools/`, which lies beside this package in a checkout and inside it in a wheel."""
    here = Path(__file__).resolve().parent
    inside = here / "tools" / name
    return inside if inside.is_file() else here.parent / "tools" / name


def said_by(name: str, *arguments: str | Path) -> str:
    """What a script prints. Raises RunFailed with its last lines where it fails."""
    done = subprocess.run([script(name), *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RunFailed("\n".join(done.stderr.strip().splitlines()[-12:]))
    return done.stdout
