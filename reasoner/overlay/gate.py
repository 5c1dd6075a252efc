"""The gate: what an added file may not hold, whatever else is known. It is judged before anything is made of
the file.

Whoever adds knowledge comes through here, by `ontune kb add`, by a folder, or to be checked.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cached_property

import pyoxigraph as ox

from kb.errors import BadInput
from kb.store.sources import Source
from kb.store.sparql_text import depth
from kb.store.store import KnowledgeStore
from kb.store.terms import ON, PREFIXES, RDF_TYPE, prefixed
from reasoner.knowledge import overrides

_SH = PREFIXES["sh"]
_QUERIES = tuple(_SH + name for name in ("select", "ask", "construct", "update"))
_SUBCLASS = ox.NamedNode(PREFIXES["rdfs"] + "subClassOf")
_RULE = _SH + "SPARQLRule"
_STRUCTURE = tuple(PREFIXES[name] for name in ("owl", "rdf", "rdfs"))
_OBJECTS = """SELECT ?property ?class WHERE {
  ?property a owl:ObjectProperty ; on:factKey ?key ; rdfs:range ?class .
  FILTER NOT EXISTS { ?property on:factNamespace ?namespace }
  FILTER NOT EXISTS { ?property on:namedBy ?names } }"""
_DEEPEST, _LONGEST = 16, 20_000


class Gate:
    """Judges added files beside shipped ones.

    Args:
        shipped: the shipped knowledge as it is stated.
    """

    def __init__(self, shipped: KnowledgeStore) -> None:
        self._shipped = shipped

    @classmethod
    def beside(cls, shipped: Iterable[Source]) -> Gate:
        """The gate of knowledge that is shipped as these sources."""
        store = KnowledgeStore()
        store.load_sources(shipped)
        store.complete()
        return cls(store)

    def problems(self, source: Source) -> Iterator[str]:
        """What is wrong with a file.

        Raises:
            BadInput: it cannot be read, or is no Turtle.
        """
        own = KnowledgeStore()
        own.load_source(source)
        yield from _of_queries(own)
        yield from self._of_nameless(own)
        yield from overrides.undeclared(own, self._described)

    def refuse(self, source: Source) -> None:
        """See that a file may come in.

        Raises:
            BadInput: it may not; the message names the file, and what is wrong first.
        """
        if problem := next(self.problems(source), None):
            raise BadInput(str(source.path), problem)

    @cached_property
    def _described(self) -> dict[str, frozenset[tuple[str, object]]]:
        return dict(overrides.described(self._shipped))

    @cached_property
    def _nameless_properties(self) -> frozenset[str]:
        """Our properties that shipped knowledge gives nodes without a name, and those that descriptions of
        machines and sites do.
        """
        shipped = self._shipped.store
        used = {quad.predicate.value for quad in shipped if isinstance(quad.object, ox.BlankNode)}
        return frozenset(used | {property for property, _ in self._described_without_names})

    @cached_property
    def _described_without_names(self) -> frozenset[tuple[str, str]]:
        """Properties by which a description holds objects, such as the partitions of a site, with the classes
        of these.
        """
        return frozenset((row["property"], row["class"]) for row in self._shipped.select(_OBJECTS))

    @cached_property
    def _nameless_classes(self) -> frozenset[str]:
        """Our classes of such nodes, and those that are of the same kind."""
        store = self._shipped.store
        typed = store.quads_for_pattern(None, ox.NamedNode(RDF_TYPE), None, None)
        classes = {
            quad.object
            for quad in typed
            if isinstance(quad.subject, ox.BlankNode) and isinstance(quad.object, ox.NamedNode)
        }
        above = set()
        for one in classes:
            above.update({kind.object for kind in store.quads_for_pattern(one, _SUBCLASS, None, None)})
        below = set()
        for other in above:
            below.update({kind.subject for kind in store.quads_for_pattern(None, _SUBCLASS, other, None)})
        named = {one.value for one in classes | below if isinstance(one, ox.NamedNode)}
        return frozenset(named | {kind for _, kind in self._described_without_names})

    def _of_nameless(self, own: KnowledgeStore) -> Iterator[str]:
        """Blank nodes where a resource is needed that can be spoken of."""
        named = "is a blank node ([ ... ] or _:name), and needs a name such as kb:NAME"
        for quad in own.store.quads_for_pattern(None, ox.NamedNode(RDF_TYPE), None, None):
            kind = (
                quad.object.value
                if isinstance(quad.subject, ox.BlankNode) and isinstance(quad.object, ox.NamedNode)
                else ""
            )
            if self._must_be_named(kind, self._nameless_classes):
                yield f"a {prefixed(kind)} {named}"
        for quad in own.store:
            place = prefixed(quad.predicate.value)
            if isinstance(quad.object, ox.BlankNode) and self._must_be_named(
                quad.predicate.value, self._nameless_properties
            ):
                yield f"{_shown(quad.subject)}: its {place} {named}"
            lonely = isinstance(quad.subject, ox.BlankNode) and not any(
                own.store.quads_for_pattern(None, None, quad.subject, None)
            )
            if lonely and not quad.predicate.value.startswith(_STRUCTURE):
                yield f"what has {place} {quad.object} {named}; nothing refers to it"

    def _must_be_named(self, term: str, nameless: frozenset[str]) -> bool:
        return (term.startswith(ON) or term in (_RULE, _SH + "rule")) and term not in nameless


def _of_queries(own: KnowledgeStore) -> Iterator[str]:
    """Texts of queries that a parser, which recurses, may not bear."""
    for name in _QUERIES:
        for quad in own.store.quads_for_pattern(None, ox.NamedNode(name), None, None):
            if not isinstance(quad.object, ox.Literal):
                yield f"{_shown(quad.subject)}: its {prefixed(name)} is no text"
            elif len(quad.object.value) > _LONGEST:
                yield (
                    f"{_shown(quad.subject)}: its text has {len(quad.object.value)} characters; "
                    f"at most {_LONGEST} are read"
                )
            elif (found := depth(quad.object.value)) > _DEEPEST:
                yield (
                    f"{_shown(quad.subject)}: {found} brackets stand open at one place of its text; "
                    f"at most {_DEEPEST} may"
                )


def _shown(subject: object) -> str:
    return prefixed(subject.value) if isinstance(subject, ox.NamedNode) else "a node without a name"
