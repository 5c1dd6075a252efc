"""What the rules conclude for one request: capabilities, situations, exclusions, and the effects and conflicts that apply.

What a rule concludes depends on what the knowledge base says, which is fixed, and on those facts of the request that it can read. A rule that has
seen the same facts before is therefore not asked again, whichever request they came with; and the request enters the store only when a rule has to be
asked.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import pyoxigraph as ox

from kb.store import KnowledgeStore, Term
from kb.terms import RDF_TYPE, on
from reasoner.rule_text import Signature
from reasoner.rules import Rule, conclusions, focus_values, matches, signatures_of

REQUEST = ox.NamedNode("urn:ontune:request")
TARGET = ox.NamedNode("urn:ontune:target")
WORKLOAD = ox.NamedNode("urn:ontune:workload")
REQUEST_GRAPH = ox.NamedNode("urn:ontune:request-graph")

_REMEMBERED = 50_000
"""Sets of facts after which everything remembered is dropped; some tens of MiB."""


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


@dataclass(frozen=True)
class _Conclusions:
    """What one rule concludes from some facts.

    Attributes:
        quads: in the graph of the rule.
        signatures: what patterns can match them.
        said: those about the request whose object is a resource, as `(predicate, object, graph)`.
    """

    quads: frozenset[ox.Quad]
    signatures: frozenset[Signature]
    said: tuple[tuple[str, str, str], ...]

    @classmethod
    def of(cls, quads: Iterable[ox.Quad]) -> _Conclusions:
        """The same, read off quads."""
        distinct = frozenset(quads)
        return cls(distinct, frozenset(signatures_of(distinct)), tuple(_said(distinct)))


class Deriver:
    """Derives for one request after the other over one state of the knowledge base.

    Args:
        store: the snapshot.
        rules: all rules, by stratum.
    """

    def __init__(self, store: KnowledgeStore, rules: Sequence[Rule]) -> None:
        self.store = store
        self.strata = [list(group) for _, group in itertools.groupby(rules, key=lambda rule: rule.order)]
        self.reads = {rule.iri: [(read.predicate, read.object) for read in rule.distinct_reads] for rule in rules}
        self.read_by_any = {read for reads in self.reads.values() for read in reads}
        self.concluded: dict[tuple[object, ...], _Conclusions] = {}
        self.matched: dict[tuple[object, ...], list[dict[str, Term]]] = {}
        self._numbers: dict[frozenset[ox.Quad], int] = {}
        self._lent: set[ox.Quad] = set()

    @contextmanager
    def at(self, facts: Sequence[ox.Quad]) -> Iterator[Derivation]:
        """What follows from a request's facts, for as long as the block runs; other requests wait.

        Args:
            facts: quads about `REQUEST`, `TARGET` and `WORKLOAD`.
        """
        with self.store.lock:
            if len(self._numbers) > _REMEMBERED:
                for memory in (self._numbers, self.concluded, self.matched):
                    memory.clear()
            try:
                yield Derivation(self, facts)
            finally:
                self.lend(set())

    def derive(self, facts: Sequence[ox.Quad]) -> Derived:
        """What follows from a request's facts."""
        with self.at(facts) as derivation:
            return derivation.derived

    def number_of(self, quads: frozenset[ox.Quad]) -> int:
        """A number that stands for a set of quads, and for no other."""
        return self._numbers.setdefault(quads, len(self._numbers))

    def lend(self, quads: set[ox.Quad]) -> None:
        """Let the store hold these quads beside the knowledge base, and no others."""
        if quads or self._lent:
            self.store.remove(self._lent - quads)
            new = [quad for quad in quads - self._lent if quad not in self.store.store]
            self.store.add(new)
            self._lent = (self._lent & quads).union(new)


class Derivation:
    """A request's facts with all that the rules conclude from them.

    Attributes:
        derived: what holds for the request.
    """

    def __init__(self, deriver: Deriver, facts: Sequence[ox.Quad]) -> None:
        self._deriver = deriver
        self._quads: set[ox.Quad] = set()
        self._read: dict[tuple[str | None, str | None], set[ox.Quad]] = defaultdict(set)
        self._numbers: dict[tuple[str | None, str | None], int] = {}
        self._focus = focus_values(quad.subject for quad in facts if isinstance(quad.subject, ox.NamedNode))
        self._add(facts)
        said = dict.fromkeys(_said(facts))
        for stratum in deriver.strata:
            waiting = stratum
            while waiting:
                found = [self._conclusions(rule) for rule in waiting]
                new: set[Signature] = set()
                for conclusions_of_one in found:
                    if not conclusions_of_one.quads <= self._quads:
                        self._add(conclusions_of_one.quads)
                        said |= dict.fromkeys(conclusions_of_one.said)
                        new |= conclusions_of_one.signatures
                waiting = [rule for rule in stratum if rule.reads_any(new)] if new else []
        self.derived = _derived(said)

    def vary(self, facts: Sequence[ox.Quad]) -> Derived:
        """What would be concluded from other facts of the same request."""
        return Derivation(self._deriver, facts).derived

    def matches(self, rule: Rule, variables: Sequence[str]) -> Sequence[Mapping[str, Term]]:
        """The values of some variables for which a rule of the request fired."""
        key = (self._key(rule), *variables)
        found = self._deriver.matched.get(key)
        if found is None:
            found = self._deriver.matched[key] = matches(self.in_store(), rule, REQUEST, variables=variables)
        return found

    def in_store(self) -> KnowledgeStore:
        """The knowledge base with the request's facts and conclusions in it."""
        self._deriver.lend(self._quads)
        return self._deriver.store

    def _conclusions(self, rule: Rule) -> _Conclusions:
        key = self._key(rule)
        found = self._deriver.concluded.get(key)
        if found is None:
            found = _Conclusions.of(conclusions(self.in_store(), rule, REQUEST, self._focus))
            self._deriver.concluded[key] = found
        return found

    def _key(self, rule: Rule) -> tuple[object, ...]:
        """What decides the conclusions of a rule: itself, and the facts that it can read."""
        numbers = self._numbers
        return rule.iri, self._focus, *[numbers[read] if read in numbers else self._number(read) for read in self._deriver.reads[rule.iri]]

    def _number(self, read: tuple[str | None, str | None]) -> int:
        quads = self._quads if read[0] is None else self._read.get(read, ())
        number = self._numbers[read] = self._deriver.number_of(frozenset(quads))
        return number

    def _add(self, quads: Collection[ox.Quad]) -> None:
        self._quads.update(quads)
        self._numbers.pop((None, None), None)
        read_by_any = self._deriver.read_by_any
        for quad in quads:
            predicate, value = quad.predicate.value, quad.object
            for read in ((predicate, None), (predicate, value.value if isinstance(value, ox.NamedNode) else "")):
                if read in read_by_any:
                    self._read[read].add(quad)
                    self._numbers.pop(read, None)


def read_derived(quads: Iterable[ox.Quad], request: ox.NamedNode = REQUEST) -> Derived:
    """Read what is concluded of a request off the quads about it."""
    return _derived(_said(quads, request))


def _said(quads: Iterable[ox.Quad], request: ox.NamedNode = REQUEST) -> Iterator[tuple[str, str, str]]:
    for quad in quads:
        if quad.subject == request and isinstance(quad.object, ox.NamedNode) and isinstance(quad.graph_name, ox.NamedNode):
            yield quad.predicate.value, quad.object.value, quad.graph_name.value


def _derived(said: Iterable[tuple[str, str, str]]) -> Derived:
    found: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for predicate, value, graph in said:
        found[predicate][value].append(graph)
    return Derived(
        provides=frozenset(found[on("provides")]),
        situations=frozenset(found[RDF_TYPE]),
        applies=frozenset(found[on("applies")]),
        excludes={option: tuple(sorted(rules)) for option, rules in sorted(found[on("excludes")].items())},
    )
