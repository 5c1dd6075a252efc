"""The shell scripts of `tools/`, which know the package manager of this machine."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import deque
from pathlib import Path

from kb.errors import BadInput, RunFailed
from kb.store.paths import tools_home

_LAST_LINES = 12


def script(name: str) -> Path:
    """A script of `tools/`, which lies beside this package in a checkout and inside it in a wheel."""
    return _folder() / name


def _folder() -> Path:
    here = Path(__file__).resolve().parent.parent
    return here / "tools" if (here / "tools").is_dir() else here.parent / "tools"


def installers() -> dict[str, str]:
    """What there is an installer for, and what that says of itself in its first comment."""
    scripts = {path.stem.removeprefix("install-"): path for path in sorted(_folder().glob("install-*.sh"))}
    return {
        name: path.read_text(encoding="utf-8").splitlines()[1].removeprefix("# ")
        for name, path in scripts.items()
    }


def install(name: str) -> None:
    """Run an installer, and show what it says on stderr while it runs. It leaves alone what is there already.

    Raises:
        BadInput: there is no installer of that name.
        RunFailed: it fails; the message ends with its last lines.
    """
    known = installers()
    if name not in known:
        raise BadInput(
            "ontune install", f"no installer for '{name}'", expected=", ".join(known), given=name, known=known
        )
    last: deque[str] = deque(maxlen=_LAST_LINES)
    environment = {**os.environ, "ONTUNE_TOOLS": str(tools_home())}
    command = ["bash", str(script(f"install-{name}.sh"))]
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env=environment,
    ) as running:
        for line in running.stdout or ():
            last.append(line.rstrip())
            print(line, end="", file=sys.stderr, flush=True)
    if running.returncode:
        raise RunFailed("\n".join([f"{name} was not installed", *last]))


def output_of(name: str, *arguments: str | Path) -> str:
    """What a script prints. Raises RunFailed with its last lines where it fails."""
    done = subprocess.run([script(name), *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RunFailed("\n".join(done.stderr.strip().splitlines()[-_LAST_LINES:]))
    return done.stdout
