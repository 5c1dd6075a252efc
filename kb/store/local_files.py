"""Files of this machine that a plan names, and which of them this user has named before.

A bundle carries what `files:` of its workload names, a build reads its site's folders of wheels. A plan may
come from elsewhere, and then somebody else says what is taken from here: that is taken only where this user
has named it, too. Which keys name files is stated in the ontology (`on:namesLocalFile`).
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from kb.records.fact_keys import fact_keys
from kb.store.files import printable
from kb.store.paths import data_home
from kb.values import Value

_MODULES = {"workload": "workloads", "site": "sites"}
_FOLDER = "folder"
_NAMED = "named-files"


class LocalFile(Value, frozen=True, order=True):
    """A file, a folder or a pattern of files.

    Attributes:
        key: what names it, such as `workload: files`.
        path: its whole path.
    """

    key: str
    path: str

    def __str__(self) -> str:
        return f"{printable(self.path)} ({self.key})"


def named_by(what: str, facts: Mapping[str, Any]) -> Iterator[LocalFile]:
    """The files that a description names.

    Args:
        what: `workload` or `site`.
        facts: its facts, as a plan carries them.
    """
    script = str(facts.get("script") or "")
    folder = facts.get(_FOLDER) or os.path.dirname(script)  # noqa: PTH120 (a mere text)
    for key, value in fact_keys(_MODULES[what]).local_files(facts):
        if key != _FOLDER:  # nothing is taken from there that is not named beside it
            path = os.path.join(folder, value)  # noqa: PTH118 (texts)
            yield LocalFile(f"{what}: {key}", os.path.normpath(path))


def of(workload: Mapping[str, Any], site: Mapping[str, Any]) -> list[LocalFile]:
    """The files that a plan's workload and its site name."""
    return [*named_by("workload", workload), *named_by("site", site)]


def unnamed(files: Iterable[LocalFile]) -> list[LocalFile]:
    """Those of the files that this user has not named before, each path once."""
    once = {file.path: file for file in files}
    return [file for path, file in once.items() if not _record(path).is_file()]


def remember(files: Iterable[LocalFile]) -> None:
    """Keep in mind that this user has named these files; where nothing can be kept, they are asked about
    again.
    """
    for file in unnamed(files):
        with contextlib.suppress(OSError):
            record = _record(file.path)
            record.parent.mkdir(parents=True, exist_ok=True)
            record.write_text(file.path + "\n", encoding="utf-8", errors="surrogateescape")


def _record(path: str) -> Path:
    digest = hashlib.sha256(path.encode(errors="surrogateescape")).hexdigest()[:32]
    return data_home() / _NAMED / digest
