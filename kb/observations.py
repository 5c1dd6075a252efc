"""The user's own recorded observations, as planning reads them. `bench.observation` writes them, one JSON-LD file each."""

from __future__ import annotations

import json
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


def own_observations(folder: Path | None = None) -> list[Measured]:
    """The latest runs that were done, newest first; files that are no observations are passed over."""
    folder = folder or paths.data_home() / "observations"
    files = sorted(folder.glob("*.json*"), key=lambda path: path.stat().st_mtime, reverse=True)[:_LATEST] if folder.is_dir() else []
    return [measured for path in files if (measured := _read(path)) is not None]


def _read(path: Path) -> Measured | None:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        options = {taken["decision"]: taken["option"] for taken in content["decisions"]}
        where = (content["workload"], content.get("microarchitecture", ""), int(content["cores"]))
        return Measured(content["id"], *where, options, float(content["throughput"])) if content["outcome"] == "done" else None
    except (OSError, ValueError, KeyError, TypeError):
        return None
