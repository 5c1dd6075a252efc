"""The lock: every Python package that an image gets, with its exact version and its hash, as pip resolves it with the user's own configuration."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kb.errors import RunFailed

from .recipe import Recipe
from .render import render


@dataclass(frozen=True, slots=True)
class Locked:
    """A distribution at the exact version and with the SHA-256 (hexadecimal) of the wheel that is installed."""

    name: str
    version: str
    sha256: str


def resolve(requirements: str, python: str, further_indexes: Sequence[str] = ()) -> tuple[Locked, ...]:
    """Ask pip what it would install. Nothing is installed; wheels may be downloaded to be hashed.

    Args:
        requirements: the text of a requirements file.
        python: the version of the interpreter in the image, such as `3.11`. Markers and the platform are those of this machine.
        further_indexes: addresses that are asked only where the user's own configuration does not offer something.

    Returns:
        The packages with all that they require, sorted by name.

    Raises:
        RunFailed: pip finds no wheel for something; the message ends with its last lines.
    """
    with tempfile.TemporaryDirectory(prefix="ontune-lock-") as folder:
        wanted, report = Path(folder) / "requirements.txt", Path(folder) / "report.json"
        wanted.write_text(requirements, encoding="utf-8")
        complaint = _ask(wanted, report, python, ())
        if complaint and further_indexes:
            complaint = _ask(wanted, report, python, further_indexes)
        if complaint:
            raise RunFailed(f"pip cannot resolve the plan's packages for Python {python}:\n{complaint}")
        installed = json.loads(report.read_text(encoding="utf-8"))["install"]
    return tuple(sorted((_locked(item) for item in installed), key=lambda locked: locked.name.lower()))


def write(recipe: Recipe, packages: Sequence[Locked]) -> str:
    """The text of `requirements.lock`, which pip enforces. It is made anew by writing the bundle again."""
    return render("requirements.lock.j2", recipe, packages=packages)


def _ask(requirements: Path, report: Path, python: str, indexes: Sequence[str]) -> str:
    """Run pip. Gives the last lines of its complaint, or nothing."""
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--dry-run", "--ignore-installed", "--disable-pip-version-check", "--no-input"]
    command += ["--only-binary=:all:", f"--python-version={python}", f"--target={report.parent / 'target'}", f"--report={report}"]
    command += [f"--extra-index-url={address}" for address in indexes]
    done = subprocess.run([*command, f"--requirement={requirements}"], capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else "\n".join((done.stderr or done.stdout or "pip failed").strip().splitlines()[-12:])


def _locked(item: dict[str, Any]) -> Locked:
    return Locked(item["metadata"]["name"], item["metadata"]["version"], item["download_info"]["archive_info"]["hashes"]["sha256"])
