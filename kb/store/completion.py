"""What a source may leave out because it follows: sort keys of versions, what holds unless stated, and
notations that are the name itself.

Which properties and classes that is so of is declared in the ontology: `on:sortedBy`, `on:unlessStated` and
`on:nameBegins`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyoxigraph as ox

from kb.store.terms import PREFIXES, RDF_TYPE, local_name, on, version_key

_TYPE = ox.NamedNode(RDF_TYPE)
_NOTATION = ox.NamedNode(PREFIXES["skos"] + "notation")
_DOMAIN = ox.NamedNode(PREFIXES["rdfs"] + "domain")


def complete(store: ox.Store) -> None:
    """Add what follows from what each source states, in the graph of that source.

    The ontology has to be among them.
    """
    store.extend([*_sort_keys(store), *_unless_stated(store), *_notations(store)])


def _sort_keys(store: ox.Store) -> Iterator[ox.Quad]:
    """Sort keys of all versions.

    What begins with no digit, such as `gfx90a`, is no version, and has no order.
    """
    for version, key in _declared(store, "sortedBy"):
        for quad in store.quads_for_pattern(None, version, None, None):
            text = getattr(quad.object, "value", "")
            if text[:1].isdecimal():
                yield ox.Quad(quad.subject, key, ox.Literal(version_key(text)), quad.graph_name)


def _unless_stated(store: ox.Store) -> Iterator[ox.Quad]:
    """The values of properties that a member of their domain does not state."""
    for property_, value in _declared(store, "unlessStated"):
        for domain in store.quads_for_pattern(property_, _DOMAIN, None, None):
            for member in _members(store, domain.object):
                if not _states(store, member.subject, property_):
                    yield ox.Quad(member.subject, property_, value, member.graph_name)


def _notations(store: ox.Store) -> Iterator[ox.Quad]:
    """The notations of members that state none: their local name, without what the names of their class begin
    with.
    """
    for class_, beginning in _declared(store, "nameBegins"):
        for member in _members(store, class_):
            name = local_name(member.subject.value)
            if name.startswith(beginning.value) and not _states(store, member.subject, _NOTATION):
                yield ox.Quad(
                    member.subject,
                    _NOTATION,
                    ox.Literal(name.removeprefix(beginning.value)),
                    member.graph_name,
                )


def _declared(store: ox.Store, name: str) -> list[tuple[Any, Any]]:
    """What the ontology declares by one of its annotations: a property or class, and the value."""
    return [
        (quad.subject, quad.object)
        for quad in store.quads_for_pattern(None, ox.NamedNode(on(name)), None, None)
    ]


def _members(store: ox.Store, class_: Any) -> list[Any]:
    """The statements by which resources with a name are members of a class."""
    quads = store.quads_for_pattern(None, _TYPE, class_, None)
    return [quad for quad in quads if isinstance(quad.subject, ox.NamedNode)]


def _states(store: ox.Store, subject: Any, property_: ox.NamedNode) -> bool:
    return next(iter(store.quads_for_pattern(subject, property_, None, None)), None) is not None
