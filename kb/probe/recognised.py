"""What the probe recognises by data (`kb/facts/probing.ttl`, `makers.ttl`): container runtimes, file systems,
makers, registries.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import Any

import pyoxigraph as ox

from kb.records.resources import values_of
from kb.store import paths
from kb.store.terms import PREFIXES, RDF_TYPE, on


@functools.cache
def _recognised() -> ox.Store:
    store = ox.Store()
    for name in ("probing.ttl", "makers.ttl"):
        store.load(path=str(paths.shipped("facts") / name), format=ox.RdfFormat.TURTLE, base_iri="file:")
    return store


def _notations(class_name: str) -> dict[str, ox.NamedNode]:
    found: dict[str, Any] = {}
    for typed in _recognised().quads_for_pattern(
        None, ox.NamedNode(RDF_TYPE), ox.NamedNode(on(class_name)), None
    ):
        for named in _recognised().quads_for_pattern(
            typed.subject, ox.NamedNode(PREFIXES["skos"] + "notation"), None, None
        ):
            if isinstance(named.object, ox.Literal):
                found[named.object.value] = typed.subject
    return found


def programs() -> list[str]:
    """Programs by which container runtimes are found."""
    return sorted(_notations("RuntimeProgram"))


def runtimes(present: Iterable[str]) -> list[str]:
    """The container runtimes among the programs that are there."""
    known = _notations("RuntimeProgram")
    return sorted({name for name in present if name in known})


def processor_maker(said: str) -> str | None:
    """The maker of a processor, by what it says; None where nobody of that name is known."""
    return said if said in _notations("ProcessorMaker") else None


def accelerator_makers() -> list[str]:
    """PCI identifiers of makers of accelerators."""
    return sorted(_notations("PciMaker"))


def storage_classes() -> dict[str, str]:
    """The storage class of each type of file system."""
    nodes = _notations("FileSystem")
    return {name: values_of(_recognised(), node, on("storageClass"))[0].value for name, node in nodes.items()}


def registries() -> list[str]:
    """Addresses at which container registries answer."""
    return sorted(_notations("ImageRegistry"))


def processor_families() -> list[dict[str, str]]:
    """The series of processors that are known by their names: `namePattern`, `levelOfFamily` and, where it is
    one's, `vendor`.
    """
    keys = ("namePattern", "levelOfFamily", "vendor")
    families = []
    for node in _notations("ProcessorFamily").values():
        stated = {key: values_of(_recognised(), node, on(key)) for key in keys}
        families.append({key: found[0].value for key, found in stated.items() if found})
    return families


def little_endian_processors() -> list[str]:
    """Processors whose machines run little-endian systems only, by the name that their kernel prints: their
    dumps do not state the byte order.
    """
    return sorted(_notations("LittleEndianProcessor"))


def final_features() -> list[str]:
    """Features that end a processor's list: a list that ends in one has not been cut."""
    return sorted(_notations("FinalFeature"))
