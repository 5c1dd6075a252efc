"""What a check of the shipped knowledge alone found, kept in the user's cache by all that it hangs on.

The key covers every file of the knowledge (facts, rules, ontology, queries, cases) and all code that reads or
judges it, so that only what nothing was changed of is answered from here. Where anybody's additions are
checked, nothing is: they are judged together with what is shipped, and that work is done each time.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import json
import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from kb.store import paths
from kb.store.snapshot import read_own, seal_of, write_own
from reasoner.check.finding import CheckReport, Finding, TableSize

_ENGINES = ("pyoxigraph", "pyshifty", "pyshacl")
_KEPT = 4
"""Reports of older states are dropped."""


def key_of(engine: str) -> str:
    """What the report of the shipped knowledge is kept under, as it is now."""
    digest = hashlib.sha256(engine.encode())
    for name in _ENGINES:
        digest.update(f"{name} {importlib.metadata.version(name)}\n".encode())
    for path in _files():  # places are in findings, so a copy elsewhere has reports of its own
        content = path.read_bytes()
        digest.update(f"{path}\0{len(content)}\0".encode("utf-8", "surrogateescape"))
        digest.update(content)
    return digest.hexdigest()[:32]


def read(key: str) -> CheckReport | None:
    """The report that is kept under a key, if there is one, whole and this user's own."""
    try:
        about = json.loads(read_own(_home() / f"{key}.json") or b"")
        seal = about.pop("seal")
        if seal != seal_of(about) or about.pop("key") != key:
            return None
        findings = tuple(Finding(**found) for found in about["findings"])
        table = about["table"]
        size = TableSize(**table | {"decisions": tuple(table["decisions"])}) if table else None
        return CheckReport(findings, about["seconds"], size)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def keep(key: str, report: CheckReport) -> None:
    """Keep a report, where the cache can be written."""
    about = {"key": key, **asdict(report)}
    content = json.dumps(about | {"seal": seal_of(json.loads(json.dumps(about)))}).encode()
    with contextlib.suppress(OSError):
        _home().mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.TemporaryDirectory(prefix=".making-", dir=_home()) as folder:
            fresh = Path(folder, "report.json")
            write_own(fresh, content)
            fresh.replace(_home() / f"{key}.json")
        dated = sorted((path.stat().st_mtime, path) for path in _home().glob("*.json"))
        for _, path in dated[:-_KEPT]:
            path.unlink(missing_ok=True)


def _home() -> Path:
    return paths.cache_home() / "checks"


def _files() -> Iterator[Path]:
    """Every file that a check reads or runs."""
    code = Path(__file__).resolve().parents[1]
    roots = {
        code,
        Path(paths.__file__).resolve().parents[1],
        paths.shipped("ontology"),
        paths.shipped("rules"),
    }
    for root in sorted(roots):
        for path in sorted(root.rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                yield path
