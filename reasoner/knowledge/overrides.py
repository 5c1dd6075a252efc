"""Changes of shipped resources, each said aloud: an `on:Override` in a file names the resource, the
properties, and why.

What is shipped is a whole: a second description of one of its resources would merge with the first in
silence, and every plan would rest on both. So a file states nothing of a shipped resource but what its
overrides name: of `on:replaces` the shipped values go, beside `on:adds` they stay.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

import pyoxigraph as ox

from kb.store.store import KnowledgeStore
from kb.store.terms import FILE, PREFIXES, on, prefixed

ADDED = FILE + "additions/"
_OPEN = frozenset({PREFIXES["sh"] + "rule"})
"""What may be stated of a shipped resource without more ado: that a shape carries one more rule."""
QUERY = """SELECT ?override ?resource ?replaced ?added ?why WHERE {
  ?override a on:Override ; on:overrides ?resource ; rdfs:label ?why .
  { ?override on:replaces ?replaced } UNION { ?override on:adds ?added } }
  ORDER BY ?override ?replaced ?added"""

Statement = tuple[str, str]
"""A resource and a property."""


def described(shipped: KnowledgeStore) -> Mapping[str, frozenset[tuple[str, Any]]]:
    """What shipped sources state of each named resource: predicates with objects."""
    found: dict[str, set[tuple[str, Any]]] = defaultdict(set)
    for quad in shipped.store:
        if isinstance(quad.subject, ox.NamedNode):
            found[quad.subject.value].add((quad.predicate.value, quad.object))
    return {iri: frozenset(stated) for iri, stated in found.items()}


def undeclared(own: KnowledgeStore, shipped: Mapping[str, frozenset[tuple[str, Any]]]) -> Iterator[str]:
    """What a file states of shipped resources without an override that names it."""
    rows = own.select(QUERY)
    named = {(row["resource"], row.get("replaced") or row["added"]) for row in rows}
    for resource in sorted({row["resource"] for row in rows} - shipped.keys()):
        yield f"{prefixed(resource)}: nothing shipped has that name, so there is nothing to override"
    changed = {
        (quad.subject.value, quad.predicate.value)
        for quad in own.store
        if isinstance(quad.subject, ox.NamedNode)
        and quad.subject.value in shipped
        and quad.predicate.value not in _OPEN
        and (quad.predicate.value, quad.object) not in shipped[quad.subject.value]
    }
    for resource, statements in itertools.groupby(
        sorted(changed - named), key=lambda statement: statement[0]
    ):
        what, which = prefixed(resource), " , ".join(prefixed(property_) for _, property_ in statements)
        aloud = (
            f"kb:NAME a on:Override ; on:overrides {what} ; on:replaces {which} ; "
            'rdfs:label "why" (on:adds, where the shipped values stay)'
        )
        yield (
            f"{what}: it is shipped, and this states its {which}; "
            f"give what is yours a name of its own, or say the change aloud: {aloud}"
        )


def apply(store: KnowledgeStore) -> None:
    """Take out of the shipped sources what the added ones replace, and with a version its sort key."""
    for row in store.select(QUERY):
        for property_ in (
            [row["replaced"], *store.objects(row["replaced"], on("sortedBy"))] if "replaced" in row else ()
        ):
            quads = store.store.quads_for_pattern(
                ox.NamedNode(row["resource"]), ox.NamedNode(property_), None, None
            )
            store.remove([quad for quad in quads if not str(quad.graph_name).startswith(f"<{ADDED}")])


def overrides_in(store: KnowledgeStore) -> list[dict[str, str]]:
    """The overrides of a knowledge base, as plans name them: `resource`, `property`, `how` and `why`."""
    return [
        {
            "resource": prefixed(row["resource"]),
            "property": prefixed(row.get("replaced") or row["added"]),
            "how": "replaced" if "replaced" in row else "added",
            "why": row["why"],
        }
        for row in store.select(QUERY)
    ]
