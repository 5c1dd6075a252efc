"""The wheels that an image installs: which they are, and their files, kept in the cache. The user's own pip
configuration says whence they come.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.progress import doing
from generators.provenance.lock import PythonPackage
from kb.errors import RunFailed
from kb.store import files
from kb.store.paths import cache_home
from kb.store.scratch import scratch

# The oldest C library that wheels were ever built for under the present naming; the names before it had
# years.
_OLDEST_GLIBC = 5
_NAMES_BEFORE = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}


@dataclass(frozen=True, slots=True)
class Interpreter:
    """The Python that wheels are for.

    Attributes:
        version: such as `3.11`; empty where it is not known and this process's is taken for it.
        glibc: the C library under it, such as `2.36`; empty where it is not known and this machine's is taken
            for it.
        machine: the processor's family as in `uname -m`.
    """

    version: str
    glibc: str
    machine: str

    @property
    def platforms(self) -> tuple[str, ...]:
        """The platform tags that it can install, the best first; none where this machine's hold."""
        if not self.glibc:
            return ()
        newest = int(self.glibc.split(".")[1])
        names: list[str] = []
        for minor in range(newest, _OLDEST_GLIBC - 1, -1):
            names.append(f"manylinux_2_{minor}")
            if minor in _NAMES_BEFORE:
                names.append(_NAMES_BEFORE[minor])
        return tuple(f"{name}_{self.machine}" for name in [*names, "linux"])


def collect(requirements: Path, interpreter: Interpreter, further_indexes: Sequence[str] = ()) -> Path:
    """The folder with a wheel for every requirement, and for what those require.

    Args:
        requirements: a requirements file.
        interpreter: the Python they are for.
        further_indexes: addresses that are asked only where the user's own configuration does not offer
            something.

    Raises:
        RunFailed: pip finds no wheel for something; the message ends with its last lines.
    """
    key = hashlib.sha256(
        "\n".join([files.read_text(requirements), repr(interpreter), *further_indexes]).encode()
    ).hexdigest()[:20]
    folder = cache_home() / "wheels" / key
    if folder.is_dir():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with scratch("wheels", folder.parent) as made:
        partial = made / "wheels"
        partial.mkdir()
        with doing(f"collecting wheels for Python {interpreter.version}"):
            error = _pip(["download", "--dest", str(partial)], requirements, interpreter, further_indexes)
        if error:
            raise RunFailed(f"pip found no wheels for {requirements}:\n{error}")
        try:
            partial.rename(folder)
        except OSError:  # another process was faster, with the same wheels
            if not folder.is_dir():
                raise
    return folder


def resolve(
    requirements: str, interpreter: Interpreter, further_indexes: Sequence[str] = ()
) -> tuple[PythonPackage, ...]:
    """Ask pip what it would install. Nothing is installed; wheels may be downloaded to be hashed.

    Args:
        requirements: the text of a requirements file.
        interpreter: the Python they are for. Markers in requirements are judged by the Python that runs this,
            as pip does.
        further_indexes: addresses that are asked only where the user's own configuration does not offer
            something.

    Returns:
        The packages with all that they require, sorted by name.

    Raises:
        RunFailed: pip finds no wheel for something; the message ends with its last lines.
    """
    with scratch("lock") as folder, doing(f"asking for the wheels of Python {interpreter.version}"):
        wanted, report = folder / "requirements.txt", folder / "report.json"
        wanted.write_text(requirements, encoding="utf-8")
        words = [
            "install",
            "--dry-run",
            "--ignore-installed",
            f"--target={folder}/target",
            f"--report={report}",
        ]
        if error := _pip(words, wanted, interpreter, further_indexes):
            raise RunFailed(
                f"pip cannot resolve the plan's packages for Python {interpreter.version}:\n{error}"
            )
        told = files.json_of(files.read_text(report), "pip's report")
    try:
        packages = [_package(item) for item in told["install"]]
    except (KeyError, TypeError) as lack:
        raise RunFailed(f"pip's report for Python {interpreter.version} lacks {lack}") from lack
    return tuple(sorted(packages, key=lambda package: package.name.lower()))


def _package(item: dict[str, Any]) -> PythonPackage:
    return PythonPackage(
        item["metadata"]["name"],
        item["metadata"]["version"],
        item["download_info"]["archive_info"]["hashes"]["sha256"],
    )


def _pip(
    words: Sequence[str], requirements: Path, interpreter: Interpreter, further_indexes: Sequence[str]
) -> str:
    """Run pip for another interpreter, with further indexes only where it fails without.

    Gives the last lines of its complaint, or nothing.
    """
    command = [
        sys.executable,
        "-m",
        "pip",
        *words,
        "--quiet",
        "--disable-pip-version-check",
        "--no-input",
        "--only-binary=:all:",
    ]
    command += ["--implementation", "cp", *(f"--platform={name}" for name in interpreter.platforms)]
    command += [f"--python-version={interpreter.version}"] if interpreter.version else []
    command += ["--requirement", str(requirements)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode and further_indexes:
        command += [f"--extra-index-url={address}" for address in further_indexes]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    told = [
        line
        for line in (done.stderr or done.stdout or "pip failed").strip().splitlines()
        if not line.startswith("WARNING: Retrying")
    ]
    return "\n".join(told[-12:]) if done.returncode else ""
