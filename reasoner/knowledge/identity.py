"""How a state of the knowledge base is named inside it, and so in every plan."""

from __future__ import annotations

from typing import Any

import pyoxigraph as ox

from kb import __version__
from kb.store.store import KnowledgeStore
from kb.store.terms import FILE, on
from reasoner.knowledge import overrides

SNAPSHOT = ox.NamedNode(FILE + "snapshot")


def identity_quads(version: str, sha256: str) -> list[ox.Quad]:
    """What names the state of a knowledge base inside it, so that whoever reads it from elsewhere gives its
    plans the same name.
    """
    return [
        ox.Quad(SNAPSHOT, ox.NamedNode(on("version")), ox.Literal(version), SNAPSHOT),
        ox.Quad(SNAPSHOT, ox.NamedNode(on("sourcesHash")), ox.Literal(sha256), SNAPSHOT),
    ]


def identity_of(store: KnowledgeStore) -> dict[str, Any]:
    """`version` and `sha256` of a compiled knowledge base, and the version of the `program`.

    Of one that was never compiled the hash is that of its triples. Where additions change what is shipped,
    also `overrides`.
    """
    changes = {"overrides": found} if (found := overrides.overrides_in(store)) else {}
    return _identity_of(store) | {"program": __version__} | changes


def _identity_of(store: KnowledgeStore) -> dict[str, str]:
    found = {
        key: next(iter(store.objects(SNAPSHOT.value, on(name))), "")
        for key, name in (("version", "version"), ("sha256", "sourcesHash"))
    }
    if found["sha256"]:
        return found
    from kb.version import version_in

    return {"version": version_in(store.store), "sha256": store.content_hash()}
