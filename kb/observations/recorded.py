"""The user's own recorded observations, as planning reads them. `bench.measure.observation` writes them, one
JSON-LD file each.

A run is of a job by what is stated of that, not by its name: another batch makes it another job, and another
name does not. They lie in a folder for each job on each kind of machine, so that planning reads those that
matter however many there are. Those of an older Ontune lie in folders for names, or beside the folders, and
are read too. What is no observation is set aside, and named once.
"""

from __future__ import annotations

import hashlib
import itertools
import math
import os
from pathlib import Path
from typing import Any, Final

from kb.errors import BadInput
from kb.records.workload import what_is
from kb.store import files, paths
from kb.values import Value

SUFFIX: Final = ".jsonld"
LARGEST: Final = 4 << 20
"""Bytes of an observation that is read: an ordinary one has some thousands."""

_OUTCOMES = ("done", "failed", "timed-out")
_EXPECTED = "what `ontune bench` records"
_LATEST = 1000  # of one workload on one kind of machine: planning is interactive


class Measured(Value, frozen=True):
    """One run that was done: of which job (its name, and what it is, empty where nothing was recorded of
    that), where, with which options (decision name to option name), and its throughput in samples per
    second."""

    id: str
    workload: str
    what: str
    microarchitecture: str
    cores: int
    options: dict[str, str]
    throughput: float


class OwnObservations:
    """The user's recorded observations. A file is read again only when it has changed: a service plans often.

    Args:
        folder: where they lie; by default in the user's data folder.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder or paths.data_home() / "observations"
        self._read: dict[tuple[str, int], Measured | None] = {}

    def at(self, workload: str, what: str, microarchitecture: str, cores: int) -> list[Measured]:
        """The runs of a job that were done on as many cores of a microarchitecture, the newest first, and
        those of its name of which nothing more was recorded; files that are no observations are set aside."""
        folders = [place(self._folder, told, microarchitecture, cores) for told in (what, workload)]
        here = sorted(
            itertools.chain.from_iterable(map(_files, folders)),
            key=lambda file: Path(file[0]).name,
            reverse=True,
        )
        found = [self._once(file) for file in [*here[:_LATEST], *_files(self._folder)]]
        of_it = [
            run
            for run in found
            if run is not None and (run.what == what if run.what else run.workload == workload)
        ]
        return [run for run in of_it if (run.microarchitecture, run.cores) == (microarchitecture, cores)]

    def _once(self, file: tuple[str, int]) -> Measured | None:
        if file not in self._read:
            self._read[file] = _measured(Path(file[0]))
        return self._read[file]


def place(folder: Path, what: str, microarchitecture: str, cores: int) -> Path:
    """The folder, below that of all observations, for a job on as many cores of a microarchitecture.

    Args:
        what: what the job is (`kb.records.workload.what_is`); its name where that is not known.
    """
    text = "\0".join([what, microarchitecture, str(cores)])
    return folder / hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _files(folder: Path) -> list[tuple[str, int]]:
    """Path and time of change of the observations that lie in a folder itself, the newest first by their
    names, which begin with the time.
    """
    try:
        with os.scandir(folder) as entries:
            named = [
                entry for entry in entries if entry.name.endswith(SUFFIX) and not entry.name.startswith(".")
            ]
    except OSError:
        return []
    found = []
    for entry in sorted(named, key=lambda entry: entry.name, reverse=True):
        try:
            found.append((entry.path, entry.stat().st_mtime_ns))
        except OSError:  # a link to nothing, of which reading tells
            found.append((entry.path, 0))
    return found


def _measured(path: Path) -> Measured | None:
    try:
        return _run(files.json_of(files.read_text(path, LARGEST), str(path), _EXPECTED), str(path))
    except BadInput as error:
        files.set_aside(error)
        return None


def _run(content: Any, where: str) -> Measured | None:
    """The run that was recorded; None of one that was not done. Raises BadInput for what is no
    observation.
    """
    if not isinstance(content, dict) or content.get("outcome") not in _OUTCOMES:
        raise BadInput(where, "is no observation", expected=_EXPECTED)
    if content["outcome"] != "done":
        return None
    taken = content.get("decisions", [])
    if not isinstance(taken, list) or not all(
        isinstance(one, dict) and _texts(one, "decision", "option") for one in taken
    ):
        raise BadInput(
            f"{where}: decisions", "is no list of decisions with their options", expected=_EXPECTED
        )
    throughput, cores = content.get("throughput"), content.get("cores")
    if (
        not isinstance(throughput, int | float)
        or isinstance(throughput, bool)
        or not 0 < throughput < math.inf
    ):
        raise BadInput(f"{where}: throughput", "is no number above zero", expected="samples per second")
    if not isinstance(cores, int) or isinstance(cores, bool) or not _texts(content, "id", "workload"):
        raise BadInput(where, "does not tell what was run, or on how many cores", expected=_EXPECTED)
    described = content.get("workload_facts", {})
    if not isinstance(described, dict):
        raise BadInput(f"{where}: workload_facts", "is no description of a job", expected=_EXPECTED)
    what = what_is(described) if described else ""
    options = {one["decision"]: one["option"] for one in taken}
    return Measured(
        content["id"],
        content["workload"],
        what,
        str(content.get("microarchitecture", "")),
        cores,
        options,
        float(throughput),
    )


def _texts(held: dict[str, Any], *keys: str) -> bool:
    return all(isinstance(held.get(key), str) for key in keys)
