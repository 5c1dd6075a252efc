"""Shipped and added resources that people call by a name: targets, workloads and sites."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyoxigraph as ox

from kb.records.names import Entry, listed
from kb.store import paths
from kb.store.store import KnowledgeStore


class NamedResources:
    """The resources of one class, by their names.

    Args:
        class_iri: such as `on:Target`.
        folder: the folder of `kb/facts` that ships them; users' additions are read too.
        store: where to look, such as a snapshot that is open anyway; without it, or where it has none, the
            folder is read.
    """

    def __init__(self, class_iri: str, folder: str, store: KnowledgeStore | None = None) -> None:
        self._class = class_iri
        if store is None or not store.names.knows(class_iri):
            store = KnowledgeStore(shipped_and_added(folder))
        self._store, self._names = store, store.names

    def names(self) -> list[str]:
        """Every known name, sorted."""
        return [entry.name for entry in self._names.vocabulary(self._class).entries]

    def find(self, name: str, where: str, others: tuple[str, ...] = ()) -> Entry:
        """The resource that a name means.

        Args:
            name: any of its names.
            where: what names it, for the error.
            others: further names that would have been accepted there.

        Raises:
            BadInput: nothing has the name; what is likely meant is suggested.
        """
        expected = f"a file (.json, .yaml, .ttl) or one of {listed([*others, *self.names()])}"
        return self._names.find(self._class, name, where, expected=expected, others=others)

    def values(self, node: ox.NamedNode | ox.BlankNode, property_iri: str) -> list[Any]:
        """The objects of a resource's property."""
        return _objects(self._store.quads(node, ox.NamedNode(property_iri), None))


def shipped_and_added(folder: str) -> ox.Store:
    """The Turtle of one folder of `kb/facts` and of the user's additions.

    An addition that is not Turtle is passed over: compiling refuses it.
    """
    store = ox.Store()
    for path in sorted((paths.shipped("facts") / folder).glob("*.ttl")):
        store.load(path=str(path), format=ox.RdfFormat.TURTLE, base_iri=path.as_uri())
    for addition in paths.additions():
        for path in filter(Path.is_file, sorted(addition.rglob("*.ttl"))):  # a pipe would never end
            with contextlib.suppress(SyntaxError, OSError):
                store.load(path=str(path), format=ox.RdfFormat.TURTLE, base_iri=path.resolve().as_uri())
    return store


def values_of(store: ox.Store, node: ox.NamedNode | ox.BlankNode, property_iri: str) -> list[Any]:
    """The distinct objects of a resource's property, over all graphs of a store, in a stable order."""
    return _objects(store.quads_for_pattern(node, ox.NamedNode(property_iri), None, None))


def _objects(quads: Iterable[ox.Quad]) -> list[Any]:
    return sorted({quad.object for quad in quads}, key=str)
