"""A Python program of a user's own as a workload: what can be read of it, without running any of it."""

from __future__ import annotations

from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kb.errors import BadInput
from kb.records.imports import imported
from kb.records.observed_job import ObservedJob, digest_of
from kb.store.terms import on

if TYPE_CHECKING:
    from kb.store.store import KnowledgeStore

SUFFIX = ".py"
_REQUIREMENTS = "requirements.txt"


def facts_of(path: Path, store: KnowledgeStore) -> dict[str, Any]:
    """The framework that a program imports, its own files, the requirements beside it, and what was observed
    of it when `ontune run` started it without arguments.

    Args:
        path: the program.
        store: what knows which package is a framework, and which layers mean which trait.

    Raises:
        BadInput: it cannot be read as Python, or imports no framework that is known, or several.
    """
    script = path.resolve()
    read = imported(script)
    vocabulary = store.names.vocabulary(on("Framework"))
    meant = chain.from_iterable(map(vocabulary.meant, read.packages))
    frameworks = list(dict.fromkeys(entry.name for entry in meant))
    if len(frameworks) != 1:
        problem = f"it imports {' and '.join(frameworks) or 'no framework that is known'}"
        expected = f"a workload file with 'script: {path.name}' and 'framework: NAME'"
        raise BadInput(str(path), problem, expected=expected)
    inside = (file for file in read.files[1:] if file.is_relative_to(script.parent))
    beside = script.parent / _REQUIREMENTS
    return {
        **ObservedJob.of(digest_of(read.files, [""])).facts(store),
        "framework": frameworks[0],
        "script": str(script),
        "folder": str(script.parent),
        "files": [str(file.relative_to(script.parent)) for file in inside] or None,
        "requirements": str(beside) if beside.is_file() else None,
    }
