"""The wheels that an image installs, collected once with the user's own pip configuration and kept in the cache."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kb.errors import RunFailed
from kb.paths import cache_home

from .progress import doing

# The oldest C library that wheels were ever built for under the present naming; the names before it had years.
_OLDEST_GLIBC = 5
_NAMES_BEFORE = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}


@dataclass(frozen=True, slots=True)
class Interpreter:
    """The Python that wheels are for.

    Attributes:
        version: such as `3.11`.
        glibc: the C library under it, such as `2.36`.
        machine: the processor's family as in `uname -m`.
    """

    version: str
    glibc: str
    machine: str

    @property
    def platforms(self) -> tuple[str, ...]:
        """The platform tags that it can install, the best first."""
        newest = int(self.glibc.split(".")[1])
        names = [name for minor in range(newest, _OLDEST_GLIBC - 1, -1) for name in (f"manylinux_2_{minor}", _NAMES_BEFORE.get(minor, "")) if name]
        return tuple(f"{name}_{self.machine}" for name in [*names, "linux"])


def collect(requirements: Path, interpreter: Interpreter, further_indexes: Sequence[str] = ()) -> Path:
    """The folder with a wheel for every requirement, and for what those require.

    Args:
        requirements: a requirements file.
        interpreter: the Python they are for.
        further_indexes: addresses that are asked only where the user's own configuration does not offer something.

    Raises:
        RunFailed: pip finds no wheel for something; the message ends with its last lines.
    """
    key = hashlib.sha256("\n".join([requirements.read_text(encoding="utf-8"), repr(interpreter), *further_indexes]).encode()).hexdigest()[:20]
    folder = cache_home() / "wheels" / key
    if folder.is_dir():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=f".{key}-", dir=folder.parent))
    try:
        with doing(f"collecting wheels for Python {interpreter.version}"):
            error = _download(requirements, interpreter, partial, ())
            if error and further_indexes:
                error = _download(requirements, interpreter, partial, further_indexes)
        if error:
            raise RunFailed(f"pip found no wheels for {requirements}:\n{error}")
        partial.chmod(0o755)
        try:
            partial.rename(folder)
        except OSError:  # another process was faster, with the same wheels
            if not folder.is_dir():
                raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return folder


def _download(requirements: Path, interpreter: Interpreter, folder: Path, further_indexes: Sequence[str]) -> str:
    """Run `pip download`. Gives the last lines of its complaint, or nothing."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--only-binary=:all:", "--dest", str(folder)]
    command += ["--implementation", "cp", "--python-version", interpreter.version, *(f"--platform={name}" for name in interpreter.platforms)]
    command += [f"--extra-index-url={address}" for address in further_indexes]
    done = subprocess.run([*command, "--requirement", str(requirements)], capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else "\n".join((done.stderr or done.stdout or "pip failed").strip().splitlines()[-12:])
