"""What the probe recognises by data: container runtimes, file systems, makers of accelerators (`kb/facts/probing.ttl`)."""

from __future__ import annotations

import functools
from collections.abc import Iterable

import pyoxigraph as ox

from kb import paths
from kb.terms import PREFIXES, RDF_TYPE, on


@functools.cache
def _recognised() -> ox.Store:
    store = ox.Store()
    store.load(path=str(paths.shipped("facts") / "probing.ttl"), format=ox.RdfFormat.TURTLE, base_iri="file:")
    return store


def _notations(class_name: str) -> dict[str, ox.NamedNode]:
    found = {}
    for typed in _recognised().quads_for_pattern(None, ox.NamedNode(RDF_TYPE), ox.NamedNode(on(class_name)), None):
        for named in _recognised().quads_for_pattern(typed.subject, ox.NamedNode(PREFIXES["skos"] + "notation"), None, None):
            found[named.object.value] = typed.subject
    return found


def programs() -> list[str]:
    """Programs by which container runtimes are found."""
    return sorted(_notations("RuntimeProgram"))


def offered(present: Iterable[str]) -> list[str]:
    """The container runtimes among the programs that are there."""
    known = _notations("RuntimeProgram")
    return sorted(name for name in present if name in known)


def accelerator_makers() -> list[str]:
    """PCI identifiers of makers of accelerators."""
    return sorted(_notations("PciMaker"))


def storage_classes() -> dict[str, str]:
    """The storage class of each type of file system."""
    nodes = _notations("FileSystem")
    predicate = ox.NamedNode(on("storageClass"))
    return {name: quad.object.value for name, node in nodes.items() for quad in _recognised().quads_for_pattern(node, predicate, None, None)}
