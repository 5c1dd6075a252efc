"""What the rules conclude for one request: capabilities, situations, exclusions, and the effects and
conflicts that apply.

What a rule concludes depends on what the knowledge base says, which is fixed, and on those facts of the
request that it can read. A rule that has seen the same facts before is therefore not asked again, whichever
request they came with; and the request enters the store only when a rule has to be asked.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property

import pyoxigraph as ox

from kb.store.shards import Read
from kb.store.store import KnowledgeStore, Term
from kb.store.terms import RDF_TYPE, on
from kb.values import Value, replace
from reasoner.inference.forall_rules import forall_rule_of
from reasoner.knowledge.rule_reading import Signature
from reasoner.knowledge.rule_running import conclusions, matches
from reasoner.knowledge.rules import Rule

REQUEST = ox.NamedNode("urn:ontune:request")
TARGET = ox.NamedNode("urn:ontune:target")
WORKLOAD = ox.NamedNode("urn:ontune:workload")
REQUEST_GRAPH = ox.NamedNode("urn:ontune:request-graph")

_REMEMBERED = 50_000
"""Sets of facts after which everything remembered is dropped; some tens of MiB."""


class Derived(Value, frozen=True):
    """What holds for a request.

    Attributes:
        provides: the capabilities of target and request.
        situations: the classes that the request falls into.
        applies: effects, conflicts and behaviours whose situations all hold.
        excluded_by: for each rule that excludes options, those options.
    """

    provides: frozenset[str]
    situations: frozenset[str]
    applies: frozenset[str]
    excluded_by: Mapping[str, frozenset[str]] = {}

    def rules_against(self, option: str) -> tuple[str, ...]:
        """The rules that exclude an option."""
        return self.excludes.get(option, ())

    @property
    def excluded(self) -> frozenset[str]:
        """The options that rules exclude."""
        return frozenset().union(*self.excluded_by.values())

    def without(self, rules: Collection[str]) -> Derived:
        """The same, had some rules excluded nothing."""
        return replace(
            self,
            excluded_by={rule: options for rule, options in self.excluded_by.items() if rule not in rules},
        )

    @cached_property
    def excludes(self) -> dict[str, tuple[str, ...]]:
        """For each excluded option, the rules that exclude it."""
        found: dict[str, list[str]] = defaultdict(list)
        for rule in sorted(self.excluded_by):
            for option in self.excluded_by[rule]:
                found[option].append(rule)
        return {option: tuple(found[option]) for option in sorted(found)}


class _Conclusions(Value, frozen=True):
    """What one rule concludes from some facts.

    Attributes:
        number: stands for what rules can read of these conclusions, whatever facts they follow from, and for
            nothing else.
        quads: in the graph of the rule.
        readable: those that some rule reads; what is excluded, of thousands of options, none does.
        reads: those of the rules' reads that can match them.
        said: what they say of the request: by predicate the resources that are objects.
        subjects: what they speak of.
    """

    number: int
    quads: frozenset[ox.Quad]
    readable: frozenset[ox.Quad]
    reads: frozenset[Read]
    said: Mapping[str, frozenset[str]]
    subjects: frozenset[object]


class _Stratum:
    """Rules of one order, those that cannot fire without something certain of the request by that."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        self._always: list[Rule] = []
        self._by_trigger: dict[Read, list[Rule]] = defaultdict(list)
        for rule in rules:
            if rule.trigger is None:
                self._always.append(rule)
            else:
                self._by_trigger[rule.trigger.pair].append(rule)

    def triggered(self, seen: Mapping[Read, object]) -> list[Rule]:
        """The rules that may fire."""
        found = list(self._always)
        for trigger in self._by_trigger.keys() & seen.keys():
            found += self._by_trigger[trigger]
        return found


class Deriver:
    """Derives for one request after the other over one state of the knowledge base.

    Args:
        store: the snapshot.
        rules: all rules, by stratum.
    """

    def __init__(self, store: KnowledgeStore, rules: Sequence[Rule]) -> None:
        self.store = store
        self.strata = [
            _Stratum(list(group)) for _, group in itertools.groupby(rules, key=lambda rule: rule.order)
        ]
        self.reads: dict[str, list[Read]] = {}
        for rule in rules:
            self.reads[rule.iri] = [read.pair for read in rule.distinct_reads]
        self._read_by_any = frozenset(itertools.chain.from_iterable(self.reads.values()))
        self._concluded: dict[Hashable, _Conclusions] = {}
        self._matched: dict[Hashable, list[dict[str, Term]]] = {}
        self._numbers: dict[frozenset[ox.Quad], int] = {}
        self._reads: dict[ox.Quad, list[Read]] = {}
        self._held: set[ox.Quad] = set()
        self._held_state: object = None
        with store.lock:  # no request's facts are in it as long as nobody else holds it
            self._forall_rules = {
                rule.iri: forall_rule
                for rule in rules
                if (forall_rule := forall_rule_of(store, rule, REQUEST))
            }

    @contextmanager
    def at(self, facts: Sequence[ox.Quad]) -> Iterator[Derivation]:
        """What follows from a request's facts, for as long as the block runs; other requests wait.

        Args:
            facts: quads about `REQUEST`, `TARGET` and `WORKLOAD`.
        """
        with self.reopened():
            if max(len(self._numbers), len(self._reads)) > _REMEMBERED:
                for memory in (self._numbers, self._concluded, self._matched, self._reads):
                    memory.clear()
            yield Derivation(self, facts)

    @contextmanager
    def reopened(self) -> Iterator[None]:
        """As long as the block runs, a derivation made before may be asked again; other requests wait."""
        with self.store.lock:
            try:
                yield
            finally:
                self.hold(set())

    def derive(self, facts: Sequence[ox.Quad]) -> Derived:
        """What follows from a request's facts."""
        with self.at(facts) as derivation:
            return derivation.derived

    def given(self, facts: Sequence[ox.Quad]) -> dict[Read, int]:
        """For everything that rules read, a number that stands for the facts that it matches, and for no
        others.
        """
        found: dict[Read, list[ox.Quad]] = defaultdict(list)
        for quad in facts:
            for read in self._reads_of(quad):
                found[read].append(quad)
        return {
            read: self._numbers.setdefault(frozenset(quads), len(self._numbers))
            for read, quads in found.items()
        }

    def conclusions(self, rule: Rule, key: Hashable, derivation: Derivation) -> _Conclusions:
        """What a rule concludes; `key` stands for all that it can read."""
        found = self._concluded.get(key)
        if found is None:
            quads = frozenset(self._fresh(rule, derivation))
            reads = {quad: of_quad for quad in quads if (of_quad := self._reads_of(quad))}
            readable = frozenset(reads)
            number = self._numbers.setdefault(readable, len(self._numbers))
            found = _Conclusions(
                number,
                quads,
                readable,
                frozenset(itertools.chain.from_iterable(reads.values())),
                _of_request(quads),
                frozenset(quad.subject for quad in quads),
            )
            self._concluded[key] = found
        return found

    def matches(
        self, rule: Rule, key: Hashable, variables: Sequence[str], derivation: Derivation
    ) -> Sequence[Mapping[str, Term]]:
        """What a rule fires on; `key` stands for all that it can read."""
        found = self._matched.get((key, *variables))
        if found is None:
            found = self._matched[(key, *variables)] = matches(
                derivation.for_rules(), rule, REQUEST, variables=variables
            )
        return found

    def hold_state(self, state: object, quads: Callable[[], set[ox.Quad]]) -> None:
        """As `hold`; nothing is to be done where the store holds those of this very state already."""
        if self._held_state != state:
            self.hold(quads())
            self._held_state = state

    def hold(self, quads: set[ox.Quad]) -> None:
        """Let the store hold these quads beside the knowledge base, and no others."""
        self._held_state = None
        if quads or self._held:
            self.store.take_back(self._held - quads)
            new = [quad for quad in quads - self._held if not self.store.holds(quad)]
            self.store.add_for_a_while(new)
            self._held = (self._held & quads).union(new)

    def _fresh(self, rule: Rule, derivation: Derivation) -> Iterable[ox.Quad]:
        forall_rule, store = self._forall_rules.get(rule.iri), derivation.for_rules()
        if forall_rule and not derivation.says_any(forall_rule.fixed):
            return forall_rule.conclusions(store, REQUEST)
        found = conclusions(store, rule, REQUEST, derivation.focus_of(rule))
        return (
            found
            if rule.per_request
            else [quad for quad in found if quad.subject in derivation.nodes or not self._known(quad)]
        )

    def _known(self, quad: ox.Quad) -> bool:
        """Whether the knowledge base says it without a request."""
        return quad not in self._held and self.store.holds(quad)

    def _reads_of(self, quad: ox.Quad) -> list[Read]:
        reads = self._reads.get(quad)
        if reads is None:
            predicate, value = quad.predicate.value, quad.object
            possible = (
                (predicate, None),
                (predicate, value.value if isinstance(value, ox.NamedNode) else ""),
                (None, None),
            )
            reads = self._reads[quad] = [read for read in possible if read in self._read_by_any]
        return reads


class Derivation:
    """A request's facts with all that the rules conclude from them.

    Attributes:
        derived: what holds for the request.
        said: for each rule that concluded something of the request, what it says of it: by predicate the
            resources that are objects.
        nodes: those that came with the request.
    """

    def __init__(self, deriver: Deriver, facts: Sequence[ox.Quad]) -> None:
        self._deriver = deriver
        self._facts = facts
        self._whole = False
        self._rounds = 0
        self.nodes = {quad.subject: None for quad in facts if isinstance(quad.subject, ox.NamedNode)}
        self._focus = tuple(self.nodes)
        self._beyond = False
        self._seen: dict[Read, tuple[int, ...]] = {
            read: (number,) for read, number in deriver.given(facts).items()
        }
        self._concluded: dict[str, _Conclusions] = {}
        for stratum in deriver.strata:
            waiting = stratum.triggered(self._seen)
            while waiting:
                found = [(rule.iri, deriver.conclusions(rule, self._key(rule), self)) for rule in waiting]
                new: set[Read] = set()
                self._rounds += 1
                for rule, concluded in found:
                    before = self._concluded.get(rule)
                    if (
                        concluded.quads
                        and concluded is not before
                        and not (before and concluded.quads <= before.quads)
                    ):
                        self._concluded[rule] = concluded
                        new |= concluded.reads
                        self._beyond |= not concluded.subjects <= self.nodes.keys()
                        for read in concluded.reads:
                            self._seen[read] = (*self._seen.get(read, ()), concluded.number)
                waiting = (
                    [
                        rule
                        for rule in stratum.triggered(self._seen)
                        if not new.isdisjoint(deriver.reads[rule.iri])
                    ]
                    if new
                    else []
                )
        self.said = {rule: concluded.said for rule, concluded in self._concluded.items() if concluded.said}
        self.derived = _derived({REQUEST_GRAPH.value: _of_request(facts)} | self.said)

    def vary(self, facts: Sequence[ox.Quad]) -> Derived:
        """What would be concluded from other facts of the same request."""
        return Derivation(self._deriver, facts).derived

    def matches(self, rule: Rule, variables: Sequence[str]) -> Sequence[Mapping[str, Term]]:
        """The values of some variables for which a rule of the request fired."""
        return self._deriver.matches(rule, self._key(rule), variables, self)

    def says_any(self, reads: Collection[Read]) -> bool:
        """Whether the request's facts or what follows from them say something that is read so."""
        return not self._seen.keys().isdisjoint(reads)

    def focus_of(self, rule: Rule) -> tuple[ox.NamedNode, ...]:
        """The nodes that came with the request, to which a rule that asks no request is narrowed; none where
        it may conclude more of others.
        """
        comes = any(all(map(self._may_match, way)) for way in rule.against)
        return () if comes or self._beyond else self._focus

    def _may_match(self, reads: Iterable[Signature]) -> bool:
        """Whether one of some signatures is of a triple that came with the request or was concluded."""
        return any(read.pair in self._seen for read in reads)

    def for_rules(self) -> KnowledgeStore:
        """The knowledge base with those of the request's facts and conclusions in it that rules read; with
        all once `in_store` was asked for.
        """
        if self._whole:
            return self.in_store()
        self._deriver.hold_state((self, self._rounds), self._readable)
        return self._deriver.store

    def _readable(self) -> set[ox.Quad]:
        return set(self._facts).union(*(concluded.readable for concluded in self._concluded.values()))

    def in_store(self) -> KnowledgeStore:
        """The knowledge base with all of the request's facts and conclusions in it."""
        self._whole = True
        self._deriver.hold(
            set(self._facts).union(*(concluded.quads for concluded in self._concluded.values()))
        )
        return self._deriver.store

    def _key(self, rule: Rule) -> Hashable:
        """What decides the conclusions of a rule: itself, and the facts that it can read."""
        seen = self._seen
        return (
            rule.iri,
            () if rule.per_request else self.focus_of(rule),
            *[seen.get(read) for read in self._deriver.reads[rule.iri]],
        )


def _of_request(quads: Iterable[ox.Quad]) -> dict[str, frozenset[str]]:
    """What quads say of the request: by predicate the resources that are objects."""
    said: dict[str, set[str]] = defaultdict(set)
    for quad in quads:
        if quad.subject == REQUEST:
            said[quad.predicate.value].update(
                [quad.object.value] if isinstance(quad.object, ox.NamedNode) else ()
            )
    return {predicate: frozenset(values) for predicate, values in said.items()}


def _derived(said: Mapping[str, Mapping[str, frozenset[str]]]) -> Derived:
    """What holds for a request, by what each graph says of it."""

    def every(predicate: str) -> frozenset[str]:
        return frozenset().union(
            *(by_predicate[predicate] for by_predicate in said.values() if predicate in by_predicate)
        )

    excluded_by = {
        graph: by_predicate[on("excludes")]
        for graph, by_predicate in said.items()
        if on("excludes") in by_predicate
    }
    return Derived(every(on("provides")), every(RDF_TYPE), every(on("applies")), excluded_by)
