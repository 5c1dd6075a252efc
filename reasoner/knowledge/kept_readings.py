"""What texts of rules say, kept by what they are: the readings of the shipped rules come with the package,
others lie in the user's cache.

A reading belongs to one text and to one state of the code that reads. A shipped rule that was changed is
therefore another text, which has no reading here and is read; and of other code's readings none is used.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Literal

from kb.store import paths
from kb.store.snapshot import read_own, seal_of, write_own

Kind = Literal["rule", "closure"]

SHIPPED = Path(__file__).with_name("readings.json")
"""Made when the package is built (`hatch_build.py`); what is not there is read at the user's."""
_KEPT = 4_000
"""So many are kept in the cache."""


def key_of(kind: Kind, text: str) -> str:
    """What a text's reading is kept under."""
    return hashlib.sha256(f"{kind} {text}".encode(errors="replace")).hexdigest()[:32]


def kept() -> dict[str, str]:
    """What was read before, a line for each key."""
    return _cached() | shipped()


def keep(new: Mapping[str, str]) -> None:
    """Keep what was read in the user's cache, where that can be written."""
    entries = dict(list((_cached() | dict(new)).items())[-_KEPT:])
    home, name = paths.cache_home(), _cache_name()
    with contextlib.suppress(OSError):
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.TemporaryDirectory(prefix=".readings-", dir=home) as folder:
            fresh = Path(folder, "readings.json")
            write_own(fresh, sealed(entries))
            fresh.replace(home / name)
            for other in home.glob("readings-*.json"):
                if other.name != name:
                    other.unlink()


def shipped(file: Path = SHIPPED) -> dict[str, str]:
    """The readings that come with the package; none where it was built without, is damaged, or was read by
    other code than what is here.
    """
    try:
        return _unsealed(file.read_bytes())
    except OSError:
        return {}


def sealed(entries: Mapping[str, str]) -> bytes:
    """Readings as a file, with the state of the code that read and a digest of it all."""
    about = {"code": _code(), "entries": dict(sorted(entries.items()))}
    return json.dumps(about | {"seal": seal_of(about)}).encode()


def _unsealed(content: bytes) -> dict[str, str]:
    try:
        about = json.loads(content)
        seal = about.pop("seal")
        return dict(about["entries"]) if seal == seal_of(about) and about["code"] == _code() else {}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}


def _cached() -> dict[str, str]:
    """What lies in the user's cache; nothing where that is damaged, or somebody else could have written
    it.
    """
    return _unsealed(read_own(paths.cache_home() / _cache_name()) or b"")


def _cache_name() -> str:
    return f"readings-{_code()[:12]}.json"


@cache
def _code() -> str:
    """Changes with the code that reads."""
    digest = hashlib.sha256()
    for name in ("rule_algebra", "rule_limits", "rule_reading"):
        digest.update(Path(__file__).with_name(f"{name}.py").read_bytes())
    digest.update(Path(paths.__file__).with_name("sparql_text.py").read_bytes())
    return digest.hexdigest()
