"""Makes the readings that come with the package: `python -m reasoner.shipped_readings FILE`, when it is built (`hatch_build.py`)."""

from __future__ import annotations

import sys
from pathlib import Path

from kb.sources import shipped_sources
from kb.store import KnowledgeStore
from reasoner.closure import closure_texts
from reasoner.kept_readings import sealed
from reasoner.readings import lines_of, rule_texts


def make() -> bytes:
    """The readings of all shipped rules, of knowledge and of the closure, as the file that is shipped."""
    store = KnowledgeStore()
    store.load_sources(shipped_sources())
    return sealed(lines_of({text for _, text in rule_texts(store)}) | lines_of(closure_texts().values(), "closure"))


if __name__ == "__main__":
    Path(sys.argv[1]).write_bytes(make())
