"""The user's own recorded observations, as planning reads them. `bench.observation` writes them, one JSON-LD file each."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

from kb import paths

_LATEST = 200  # planning is interactive: older ones are read by learning only


@dataclass(frozen=True)
class Measured:
    """One run that was done: where, with which options (decision name to option name), and its throughput in samples per second."""

    id: str
    workload: str
    microarchitecture: str
    cores: int
    options: dict[str, str]
    throughput: float


class OwnObservations:
    """The user's recorded observations. A file is read again only when it has changed: planning is interactive, and there may be hundreds.

    Args:
        folder: where they lie; by default in the user's data folder.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder or paths.data_home() / "observations"
        self._read: dict[tuple[str, int], Measured | None] = {}

    def latest(self) -> list[Measured]:
        """The latest runs that were done, newest first; files that are no observations are passed over."""
        entries = os.scandir(self._folder) if self._folder.is_dir() else ()
        files = [(entry.path, entry.stat().st_mtime_ns) for entry in entries if entry.name.endswith(".jsonld") and not entry.name.startswith(".")]
        newest = sorted(files, key=lambda file: file[1], reverse=True)[:_LATEST]
        self._read = {file: self._read[file] if file in self._read else _read(Path(file[0])) for file in newest}
        return [measured for measured in self._read.values() if measured is not None]


def _read(path: Path) -> Measured | None:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        options = {taken["decision"]: taken["option"] for taken in content["decisions"]}
        where = (content["workload"], content.get("microarchitecture", ""), int(content["cores"]))
        return Measured(content["id"], *where, options, float(content["throughput"])) if content["outcome"] == "done" else None
    except (OSError, ValueError, KeyError, TypeError):
        return None
