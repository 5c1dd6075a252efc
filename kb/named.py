"""Shipped and added resources that people call by a short name: targets and workloads."""

from __future__ import annotations

import contextlib
from typing import Any

import pyoxigraph as ox

from kb import paths
from kb.errors import BadInput
from kb.terms import PREFIXES, RDF_TYPE

_TYPE = ox.NamedNode(RDF_TYPE)
_NOTATION = ox.NamedNode(PREFIXES["skos"] + "notation")


class NamedResources:
    """The resources of one class, by their `skos:notation`.

    Args:
        class_iri: such as `on:Target`.
        folder: the folder of `kb/facts` that ships them; users' additions are read too.
        store: where to look first, such as a snapshot that is open anyway.
    """

    def __init__(self, class_iri: str, folder: str, store: ox.Store | None = None) -> None:
        self._class = ox.NamedNode(class_iri)
        self._store = store if store is not None and _any_is(store, None, self._class) else shipped_and_added(folder)

    def names(self) -> list[str]:
        """Every known name, sorted."""
        return sorted(
            {
                named.object.value
                for typed in self._store.quads_for_pattern(None, _TYPE, self._class, None)
                if not isinstance(typed.subject, ox.Triple)
                for named in self._store.quads_for_pattern(typed.subject, _NOTATION, None, None)
                if isinstance(named.object, ox.Literal)
            }
        )

    def find(self, name: str, where: str, others: tuple[str, ...] = ()) -> ox.NamedNode | ox.BlankNode:
        """The resource of that name.

        Args:
            name: its notation.
            where: what names it, for the error.
            others: further names that would have been accepted there.

        Raises:
            BadInput: nothing has the name; the nearest known one is suggested.
        """
        for named in self._store.quads_for_pattern(None, _NOTATION, ox.Literal(name), None):
            if isinstance(named.subject, ox.NamedNode | ox.BlankNode) and _any_is(self._store, named.subject, self._class):
                return named.subject
        known = [*others, *self.names()]
        expected = "a file (.json, .yaml, .ttl)" + (f" or one of {', '.join(known)}" if known else "")
        raise BadInput(where, f"unknown name '{name}'", expected=expected, given=name, known=known)

    def values(self, node: ox.NamedNode | ox.BlankNode, property_iri: str) -> list[Any]:
        """The objects of a resource's property."""
        return values_of(self._store, node, property_iri)


def shipped_and_added(folder: str) -> ox.Store:
    """The Turtle of one folder of `kb/facts` and of the user's additions. An addition that is not Turtle is passed over: compiling refuses it."""
    store = ox.Store()
    for path in sorted((paths.shipped("facts") / folder).glob("*.ttl")):
        store.load(path=str(path), format=ox.RdfFormat.TURTLE, base_iri=path.as_uri())
    for addition in paths.additions():
        for path in sorted(addition.rglob("*.ttl")):
            with contextlib.suppress(SyntaxError, OSError):
                store.load(path=str(path), format=ox.RdfFormat.TURTLE, base_iri=path.resolve().as_uri())
    return store


def _any_is(store: ox.Store, node: ox.NamedNode | ox.BlankNode | None, of_class: ox.NamedNode) -> bool:
    """Whether a node, or any at all, is of a class."""
    return any(True for _ in store.quads_for_pattern(node, _TYPE, of_class, None))


def values_of(store: ox.Store, node: ox.NamedNode | ox.BlankNode, property_iri: str) -> list[Any]:
    """The distinct objects of a resource's property, over all graphs of a store, in a stable order."""
    quads = store.quads_for_pattern(node, ox.NamedNode(property_iri), None, None)
    return sorted({quad.object for quad in quads}, key=str)
