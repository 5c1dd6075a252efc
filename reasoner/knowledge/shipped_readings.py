"""Makes the readings that come with the package: `python -m reasoner.knowledge.shipped_readings FILE`, when
it is built (`hatch_build.py`).

Building has few packages: this reads the files itself and imports nothing but rdflib and the store's engine.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pyoxigraph as ox

from kb.store.sources import shipped_sources
from kb.store.terms import PREFIXES
from reasoner.knowledge.closure import closure_texts
from reasoner.knowledge.kept_readings import sealed
from reasoner.knowledge.readings import lines_of

_TEXT = ox.NamedNode(PREFIXES["sh"] + "construct")


def make() -> bytes:
    """The readings of all shipped rules, of knowledge and of the closure, as the file that is shipped."""
    files = [source.path for source in shipped_sources() if source.path.suffix == ".ttl"]
    texts: set[str] = set()
    for file in files:
        stated = ox.parse(path=file, format=ox.RdfFormat.TURTLE, base_iri=file.as_uri())
        texts |= {
            quad.object.value
            for quad in stated
            if quad.predicate == _TEXT and isinstance(quad.object, ox.Literal)
        }
    return sealed(lines_of(texts) | lines_of(closure_texts().values(), "closure"))


if __name__ == "__main__":
    Path(sys.argv[1]).write_bytes(make())
