"""The compact form of a compiled knowledge base: what planning reads, in parts that are loaded when they are
asked for.

A plan reads few of the triples that are known, but which ones depends on the request. So they are kept in
*shards*, one for each predicate, or for each predicate and object where many triples share them: a pattern or
a rule says which of them it can match. What every reasoner asks whatever the request, and the texts that
plans show of resources, are kept as answers.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence, Set

import msgspec
import pyoxigraph as ox

from kb.store.terms import PREFIXES, on

Row = dict[str, str]
Read = tuple[str | None, str | None]
"""What a pattern reads: a predicate and the IRI of an object; None stands for any."""

OF_REQUESTS = "urn:ontune:"
"""What the IRIs of a request's own resources begin with: nothing that is known speaks of them."""

_WORTH_DIVIDING = 2
"""So many quads a shard should have on average."""
_SHOWN = (
    *(on(name) for name in ("version", "sourcesHash")),
    *(PREFIXES["skos"] + name for name in ("notation", "altLabel", "hiddenLabel")),
    PREFIXES["rdfs"] + "label",
    PREFIXES["dct"] + "source",
    PREFIXES["prov"] + "wasDerivedFrom",
)
"""The predicates whose values are kept as texts: names, versions, and where things are known from."""


class Kept(msgspec.Struct):
    """Answers that were worked out when the knowledge was compiled.

    Attributes:
        rows: of queries, by their texts; a term is as `KnowledgeStore.select` gives it.
        terms: of queries whose answers are RDF terms, each as N-Triples has it.
        texts: for each of some predicates, the values of each resource, in the order of their text.
        places: where resources are known from, each list once.
        known_from: for each resource, its list in `places`.
    """

    rows: dict[str, list[Row]] = {}
    terms: dict[str, list[Row]] = {}
    texts: dict[str, dict[str, list[str]]] = {}
    places: Sequence[tuple[str, ...]] = ()
    known_from: dict[str, int] = {}


class Shards(msgspec.Struct):
    """Quads in the parts in which they are loaded.

    Attributes:
        parts: each as N-Quads; empty once it is loaded.
        of_predicate: the parts that hold a predicate.
        of_object: of the predicates that are divided, the parts that hold them with an object.
    """

    parts: list[bytes] = []
    of_predicate: dict[str, list[int]] = {}
    of_object: dict[str, dict[str, list[int]]] = {}

    def take(self, reads: Iterable[Read]) -> bytes:
        """Take out what patterns can match."""
        wanted: set[int] = set()
        for predicate, value in reads:
            if predicate is None:
                wanted.update(range(len(self.parts)))
            elif value is None or predicate not in self.of_object:
                wanted.update(self.of_predicate.get(predicate, ()))
            else:
                wanted.update(self.of_object[predicate].get(value, ()))
        found = [self.parts[number] for number in wanted]
        for number in wanted:
            self.parts[number] = b""
        return b"".join(found)

    @property
    def taken(self) -> bool:
        """Whether everything was taken out."""
        return not any(self.parts)


class Compact(msgspec.Struct):
    """A compiled knowledge base: its shards, and the answers kept with them."""

    shards: Shards
    kept: Kept

    def encode(self) -> bytes:
        """The form in which it is kept on disk (MessagePack)."""
        return msgspec.msgpack.encode(self)

    @classmethod
    def decode(cls, content: bytes) -> Compact:
        """What `encode` has given. Raises msgspec.DecodeError where it is anything else."""
        return msgspec.msgpack.decode(content, type=cls)


def shards_of(quads: Iterable[ox.Quad]) -> Shards:
    """Quads in parts: by predicate, and by object where many have the same. The store renames blank nodes at
    each loading, so what hangs together by blank nodes is one part.
    """
    every = list(quads)
    divided = _divided(every)
    by_keys: dict[frozenset[tuple[str, str | None]], list[str]] = defaultdict(list)
    for together in _by_blank_nodes(every):
        keys = frozenset((quad.predicate.value, _named_object(quad, divided)) for quad in together)
        by_keys[keys] += (f"{quad} .\n" for quad in together)
    shards = Shards(of_object={predicate: {} for predicate in sorted(divided)})
    for keys in sorted(by_keys, key=lambda keys: sorted(map(str, keys))):
        for predicate, value in sorted(keys, key=str):
            numbers = shards.of_predicate.setdefault(predicate, [])
            if len(shards.parts) not in numbers[-1:]:
                numbers.append(len(shards.parts))
            if predicate in divided and value is not None:
                shards.of_object[predicate].setdefault(value, []).append(len(shards.parts))
        shards.parts.append("".join(sorted(by_keys[keys])).encode())
    return shards


def _divided(quads: Iterable[ox.Quad]) -> set[str]:
    """The predicates of which many triples have the same object."""
    objects: dict[str, Counter[str]] = defaultdict(Counter)
    for quad in quads:
        if isinstance(quad.object, ox.NamedNode):
            objects[quad.predicate.value][quad.object.value] += 1
    return {
        predicate for predicate, count in objects.items() if count.total() >= _WORTH_DIVIDING * len(count)
    }


def _named_object(quad: ox.Quad, divided: Set[str]) -> str | None:
    """The object by which a quad is found, where its predicate is divided."""
    if isinstance(quad.object, ox.NamedNode) and quad.predicate.value in divided:
        return quad.object.value
    return None


def _by_blank_nodes(quads: Iterable[ox.Quad]) -> Iterator[list[ox.Quad]]:
    """Quads that hang together by blank nodes; the others alone."""
    group: dict[ox.BlankNode, list[ox.Quad]] = {}
    for quad in quads:
        blank = [node for node in (quad.subject, quad.object) if isinstance(node, ox.BlankNode)]
        if not blank:
            yield [quad]
            continue
        merged = group.setdefault(blank[0], [])
        merged.append(quad)
        for node in blank[1:]:
            other = group.setdefault(node, merged)
            if other is not merged:
                merged += other
                group |= dict.fromkeys((node for node in group if group[node] is other), merged)
    yield from {id(found): found for found in group.values()}.values()


def of_a_request(node: object) -> bool:
    """Whether a term is a resource of a request's own, of which nothing that is known speaks."""
    return isinstance(node, ox.NamedNode) and node.value.startswith(OF_REQUESTS)


def shown_texts(store: ox.Store) -> dict[str, dict[str, list[str]]]:
    """The values of the predicates that are kept as texts."""
    found: dict[str, dict[str, set[str]]] = {predicate: defaultdict(set) for predicate in _SHOWN}
    for predicate, values in found.items():
        for quad in store.quads_for_pattern(None, ox.NamedNode(predicate), None, None):
            if isinstance(quad.subject, ox.NamedNode) and not isinstance(quad.object, ox.Triple):
                values[quad.subject.value].add(quad.object.value)
    ordered: dict[str, dict[str, list[str]]] = {}
    for predicate, values in found.items():
        ordered[predicate] = {subject: sorted(texts) for subject, texts in sorted(values.items())}
    return ordered


def term_of(text: str) -> ox.NamedNode | ox.BlankNode | ox.Literal:
    """The term that N-Triples writes so."""
    if text.startswith("<"):
        return ox.NamedNode(text[1:-1])
    (triple,) = ox.parse(f"<urn:s> <urn:p> {text} .", format=ox.RdfFormat.N_TRIPLES)
    found: ox.NamedNode | ox.BlankNode | ox.Literal = triple.object
    return found
