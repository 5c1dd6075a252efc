"""The version of the knowledge: its own, beside that of the program.

`ontology/knowledge.ttl` states it for all that is shipped.
"""

from __future__ import annotations

from typing import Final

import pyoxigraph as ox

from kb.store import paths
from kb.store.terms import KNOWLEDGE, PREFIXES

UNKNOWN: Final = "unknown"
"""The version of a knowledge base that states none, such as one that a test made up."""
_VERSION: Final = ox.NamedNode(PREFIXES["owl"] + "versionInfo")


def version_in(store: ox.Store) -> str:
    """The version that a knowledge base states of itself, or `unknown`."""
    quads = store.quads_for_pattern(ox.NamedNode(KNOWLEDGE), _VERSION, None, None)
    stated = sorted(quad.object.value for quad in quads if isinstance(quad.object, ox.Literal))
    return stated[-1] if stated else UNKNOWN


def shipped_version() -> str:
    """The version of the knowledge that this program ships, read from the one file that states it."""
    store = ox.Store()
    store.load(path=str(paths.shipped("ontology") / "knowledge.ttl"), format=ox.RdfFormat.TURTLE)
    return version_in(store)
