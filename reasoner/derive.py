"""What the rules conclude for one request: capabilities, situations, exclusions, and the effects and conflicts that apply."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import pyoxigraph as ox

from kb.store import KnowledgeStore
from kb.terms import RDF_TYPE, on
from reasoner.rules import Rule, reached_by, run_rules

REQUEST = ox.NamedNode("urn:ontune:request")
TARGET = ox.NamedNode("urn:ontune:target")
WORKLOAD = ox.NamedNode("urn:ontune:workload")
REQUEST_GRAPH = ox.NamedNode("urn:ontune:request-graph")


@dataclass(frozen=True)
class Derived:
    """What holds for a request.

    Attributes:
        provides: the capabilities of target and request.
        situations: the classes that the request falls into.
        applies: effects and conflicts whose situations all hold.
        excludes: for each excluded option, the rules that exclude it.
    """

    provides: frozenset[str]
    situations: frozenset[str]
    applies: frozenset[str]
    excludes: dict[str, tuple[str, ...]] = field(default_factory=dict)


def derive(store: KnowledgeStore, rules: Sequence[Rule], facts: Sequence[ox.Quad]) -> Derived:
    """Run the request's rules over its facts and read what they conclude; the store is left as it was.

    Args:
        store: the snapshot.
        rules: all rules, by stratum.
        facts: quads about `REQUEST`, `TARGET` and `WORKLOAD`.
    """
    with derivation(store, rules, facts):
        return read_derived(store)


Vary = Callable[[Sequence[ox.Quad]], Derived]
"""What would be concluded from other facts of the same request."""


@contextmanager
def derivation(store: KnowledgeStore, rules: Sequence[Rule], facts: Sequence[ox.Quad]) -> Iterator[Vary]:
    """The store with a request's facts and conclusions in it, for as long as the block runs; other requests wait.

    Yields:
        a function that tells what would be concluded from other facts; only the rules that the difference can reach are run again.
    """
    with store.lock:
        own = [quad for quad in facts if quad not in store.store]
        conclusions: list[ox.Quad] = []

        def vary(others: Sequence[ox.Quad]) -> Derived:
            come = [quad for quad in others if quad not in store.store]
            gone = list(set(own).difference(others))
            again = reached_by([*come, *gone], rules)
            graphs = {rule.iri for rule in again}
            gone += [quad for quad in conclusions if isinstance(quad.graph_name, ox.NamedNode) and quad.graph_name.value in graphs]
            store.remove(gone)
            store.add(come)
            try:
                come += run_rules(store, again, REQUEST, _named_subjects(others))
                return read_derived(store)
            finally:
                store.remove(come)
                store.add(gone)

        store.add(own)
        try:
            conclusions += run_rules(store, rules, REQUEST, _named_subjects(facts))
            yield vary
        finally:
            store.remove([*own, *conclusions])


def _named_subjects(quads: Sequence[ox.Quad]) -> list[ox.NamedNode]:
    return [quad.subject for quad in quads if isinstance(quad.subject, ox.NamedNode)]


def read_derived(store: KnowledgeStore, request: ox.NamedNode = REQUEST) -> Derived:
    """Read what is concluded of a request that is in the store."""
    found: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for quad in store.store.quads_for_pattern(request, None, None, None):
        if isinstance(quad.object, ox.NamedNode) and isinstance(quad.graph_name, ox.NamedNode):
            found[quad.predicate.value][quad.object.value].append(quad.graph_name.value)
    return Derived(
        provides=frozenset(found[on("provides")]),
        situations=frozenset(found[RDF_TYPE]),
        applies=frozenset(found[on("applies")]),
        excludes={option: tuple(sorted(rules)) for option, rules in sorted(found[on("excludes")].items())},
    )
