"""Where things lie: shipped sources (in a checkout or in an installed wheel), the user's additions, caches
and observations.

Environment variables override the platform's convention: `ONTUNE_DATA_HOME`, `ONTUNE_CACHE_HOME`, and
`ONTUNE_KB_PATH` (further folders of additions, separated as in `PATH`).
"""

from __future__ import annotations

import os
from pathlib import Path

_KB = Path(__file__).resolve().parent.parent


def shipped(folder: str) -> Path:
    """The folder of shipped sources: `ontology`, `rules` (inside `kb/` in a wheel, beside it in a checkout),
    or `facts`, `evidence`, `queries`.
    """
    inside = _KB / folder
    return inside if inside.is_dir() else _KB.parent / folder


def data_home() -> Path:
    """The user's data folder: additions to the knowledge base and recorded observations."""
    return _user_folder("ONTUNE_DATA_HOME", "XDG_DATA_HOME", ".local/share")


def cache_home() -> Path:
    """The user's cache folder: snapshots, images, wheels. Everything in it can be made again."""
    return _user_folder("ONTUNE_CACHE_HOME", "XDG_CACHE_HOME", ".cache")


def tools_home() -> Path:
    """The private prefix into which the project's own scripts install programs.

    It is `ONTUNE_TOOLS`, else `.tools` in a checkout, else `tools` in the data folder.
    """
    given = os.environ.get("ONTUNE_TOOLS")
    if given:
        return Path(given)
    checkout = _KB.parent
    return (
        checkout / ".tools"
        if (checkout / "tools").is_dir() and (checkout / "ontology").is_dir()
        else data_home() / "tools"
    )


def additions() -> list[Path]:
    """Folders of Turtle that overlay the shipped knowledge, in order: the user's own, then those of
    `ONTUNE_KB_PATH`.
    """
    return [folder for folder in additions_with_own() if folder.is_dir()]


def additions_with_own() -> list[Path]:
    """As `additions`, with the user's own folder first, whether it is there or will be made."""
    return [data_home() / "kb", *(folder for folder in _named_additions() if folder.is_dir())]


def missing_additions() -> list[Path]:
    """Folders that `ONTUNE_KB_PATH` names and that are not there."""
    return [folder for folder in _named_additions() if not folder.is_dir()]


def _named_additions() -> list[Path]:
    return [Path(entry) for entry in os.environ.get("ONTUNE_KB_PATH", "").split(os.pathsep) if entry]


def _user_folder(own: str, convention: str, fallback: str) -> Path:
    if given := os.environ.get(own):
        return Path(given).absolute()
    base = os.environ.get(convention, "")
    if Path(base).is_absolute():  # the convention (XDG base directories) lets relative ones be ignored
        return Path(base) / "ontune"
    try:
        return Path.home() / fallback / "ontune"
    except RuntimeError:  # neither HOME nor an entry of the user: there is nowhere to keep anything
        return Path(os.devnull) / "ontune"
