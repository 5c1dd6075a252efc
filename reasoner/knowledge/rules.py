"""SHACL rules (`sh:SPARQLRule`) as they are read from the store; `rule_running` executes them.

A rule concludes into a named graph of its own, so that every triple tells which rule it came from. Rules
whose focus class is `on:Request` run for one request at a time; all others run when the knowledge base is
compiled, and again for what a request brings along.
"""

from __future__ import annotations

import itertools
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import cached_property

import pyoxigraph as ox

from kb.errors import BadInput
from kb.store.shards import Read
from kb.store.store import KnowledgeStore, Term
from kb.store.terms import RDF_TYPE, local_name, on
from kb.values import Value
from reasoner.knowledge.rule_reading import (
    READINGS,
    THIS,
    Pattern,
    RuleReading,
    Signature,
    iri_of,
    name_of,
    signatures_of,
)
from reasoner.knowledge.strata import refuse_unstratified

_RULES = f"""
SELECT DISTINCT ?rule ?construct ?reading ?order ?class ?subjectsOf ?objectsOf ?node ?label ?message WHERE {{
  ?shape sh:rule ?rule . ?rule a sh:SPARQLRule ; sh:construct ?construct .
  OPTIONAL {{ GRAPH <{READINGS}> {{ ?rule on:reading ?reading }} }}
  OPTIONAL {{ ?rule sh:order ?order }} OPTIONAL {{ ?rule rdfs:label ?label }}
  OPTIONAL {{ ?rule on:message ?message }}
  OPTIONAL {{ ?shape sh:targetClass ?class }} OPTIONAL {{ ?shape sh:targetSubjectsOf ?subjectsOf }}
  OPTIONAL {{ ?shape sh:targetObjectsOf ?objectsOf }} OPTIONAL {{ ?shape sh:targetNode ?node }}
  FILTER NOT EXISTS {{ ?rule sh:deactivated true }}
  FILTER NOT EXISTS {{ ?rule a on:ConflictRule ; on:unverified true }}
}} ORDER BY ?order ?rule"""

_FOCUS = name_of(THIS) or ""
_SLOT = re.compile(r"\{\?(\w+)\}")


class Focus(Value, frozen=True):
    """One target of a rule's shape: SPARQL that binds `$this` to its nodes, and what that reads."""

    pattern: str
    reads: tuple[Signature, ...] = ()


class Rule(Value, frozen=True):
    """One rule.

    Attributes:
        iri: its identity, and the graph of its conclusions.
        label, message: what it is, and what it says when it fires, with `{?variable}` slots.
        written: what its text says, as `RuleReading.to_json` gives it.
        order: its stratum.
        focus: the targets of its shape.
        per_request: whether its focus is the request.
    """

    iri: str
    label: str
    message: str
    written: str
    order: float
    focus: tuple[Focus, ...]
    per_request: bool

    @cached_property
    def reading(self) -> RuleReading:
        """The patterns of head and body."""
        return RuleReading.from_json(self.written)

    @cached_property
    def concludes(self) -> tuple[Signature, ...]:
        """What the head can match."""
        return signatures_of(self.reading.head)

    @cached_property
    def reads(self) -> tuple[Signature, ...]:
        """What the body and the focus can match, each once."""
        of_focus = itertools.chain.from_iterable(one.reads for one in self.focus)
        return tuple(dict.fromkeys((*of_focus, *signatures_of(self.reading.body))))

    @cached_property
    def asks_of_others(self) -> tuple[Read, ...]:
        """What it can match of what is said of other nodes than its focus node."""
        patterns = (pattern for pattern in self.reading.body if pattern.is_path or pattern.subject != THIS)
        return tuple(read.pair for read in signatures_of(patterns))

    @cached_property
    def asks(self) -> tuple[Read, ...]:
        """As `reads`, as predicate and IRI of the object."""
        return tuple(read.pair for read in self.reads)

    @cached_property
    def distinct_reads(self) -> tuple[Signature, ...]:
        """What it reads, each once; where it reads any predicate, that alone."""
        return (Signature(None, None),) if any(read.predicate is None for read in self.reads) else self.reads

    @cached_property
    def trigger(self) -> Signature | None:
        """Something said of the request without which a rule of the request cannot fire; with a named object
        where there is one.
        """
        of_request = [
            pattern for pattern in self.reading.premises if self.per_request and pattern.subject == THIS
        ]
        found = [
            signature
            for signature in signatures_of(of_request)
            if signature.predicate and signature in self.distinct_reads
        ]
        return min(found, key=lambda signature: signature.object is None, default=None)

    @cached_property
    def _read_objects(self) -> dict[str | None, set[str | None]]:
        """What it reads: the objects of each predicate, None standing for any."""
        objects: dict[str | None, set[str | None]] = defaultdict(set)
        for read in self.reads:
            objects[read.predicate].add(read.object)
        return dict(objects)

    def reads_any(self, found: Iterable[Signature]) -> bool:
        """Whether body or focus can match something of what was found."""
        read = self._read_objects
        for one in found:
            if one.predicate is None:
                return True
            for predicate in (one.predicate, None):
                objects = read.get(predicate)
                if objects and (one.object is None or None in objects or one.object in objects):
                    return True
        return False

    @cached_property
    def negates(self) -> tuple[Signature, ...]:
        """What the body asks to be absent."""
        return signatures_of(pattern for pattern in self.reading.body if pattern.negated)

    @cached_property
    def against(self) -> tuple[tuple[tuple[Signature, ...], ...], ...]:
        """What must be said of one node that a request brings, so that the rule comes to it from a node of
        the knowledge base.

        It cannot in the direction of triples, for nothing that is known speaks of the request. Each entry is
        one way against it; of each of the patterns on it, one of its signatures must be met; of none, where
        the rule reads whatever there is.
        """
        reached, left = {THIS}, list(self.reading.body)
        while forward := [
            pattern for pattern in left if pattern.subject in reached and "^" not in pattern.predicate
        ]:
            reached |= {pattern.object for pattern in forward}
            left = [pattern for pattern in left if pattern not in forward]
        if left and any(read.predicate is None for read in self.reads):
            return ((),)
        certain: dict[str, list[Pattern]] = defaultdict(list)
        for pattern in left:
            if pattern.certain and not pattern.is_path:
                certain[pattern.subject].append(pattern)
        ways = [*certain.values(), *([pattern] for pattern in left if pattern.subject not in certain)]
        signatures = []
        for way in ways:
            signatures.append(tuple(pattern.signatures for pattern in way))
        return tuple(signatures)

    @cached_property
    def steps(self) -> tuple[Step, ...]:
        """The patterns that every match satisfies and whose predicate is named, those of the focus node
        first: what is said of a request costs the least to look up.
        """
        found = []
        for pattern in self.reading.premises:
            if predicate := iri_of(pattern.predicate):
                iri = iri_of(pattern.object)
                found.append(
                    Step(
                        pattern.subject,
                        ox.NamedNode(predicate),
                        ox.NamedNode(iri) if iri else None,
                        pattern.object,
                    )
                )
        return tuple(sorted(found, key=lambda step: step.subject != THIS))

    @cached_property
    def construct(self) -> str:
        """The rule as a query, for a focus node that is given with it."""
        return self.construct_for("")

    def construct_for(self, focus: str) -> str:
        """The rule as a query; `focus` is SPARQL that binds `$this`."""
        return f"CONSTRUCT {{ {self.reading.template} }} WHERE {{ {focus} {self.reading.where}\n}}"


class Step(Value, frozen=True):
    """A triple pattern: a variable, a predicate, and an object that is an IRI (`value`) or else anything
    (`object`, as text).
    """

    subject: str
    predicate: ox.NamedNode
    value: ox.NamedNode | None
    object: str


def load_rules(store: KnowledgeStore) -> list[Rule]:
    """Every active rule that a shape carries, by stratum, then by IRI.

    Raises:
        BadInput: a rule's text is none that rules may have, or it rests on the absence of what follows from
            its own conclusions, or of what the same or a later stratum concludes.
    """
    rules = read_rules(store)
    refuse_unstratified(rules)
    return rules


def read_rules(store: KnowledgeStore) -> list[Rule]:
    """As `load_rules`, for a knowledge base that was compiled and so is known to be stratified. It holds what
    its rules say as data.

    Raises:
        BadInput: it was not compiled, and a rule's text is none that rules may have.
    """
    rules = []
    for (iri, construct, reading, order, label, message), rows in itertools.groupby(
        store.select(_RULES),
        lambda row: tuple(
            row.get(key, "") for key in ("rule", "construct", "reading", "order", "label", "message")
        ),
    ):
        targets = list(rows)
        focus = {one for row in targets if (one := _focus(row))}
        per_request = any(row.get("class") == on("Request") for row in targets)
        written = reading or _read(iri, construct)
        rules.append(
            Rule(
                iri,
                label,
                message,
                written,
                float(order or 0),
                tuple(sorted(focus, key=lambda one: one.pattern)),
                per_request,
            )
        )
    return sorted(rules, key=lambda rule: (rule.order, rule.iri))


def _read(iri: str, construct: str) -> str:
    from reasoner.knowledge.rule_algebra import read_rule

    try:
        return read_rule(construct).to_json()
    except ValueError as error:
        raise BadInput(f"rule {local_name(iri)}", str(error)) from error


def message(rule: Rule, bindings: Mapping[str, Term]) -> str:
    """The rule's message with its slots filled; its label where it has none."""
    return filled(rule.message or rule.label or local_name(rule.iri), bindings)


def filled(text: str, bindings: Mapping[str, Term]) -> str:
    """A text with its slots filled."""

    def fill(slot: re.Match[str]) -> str:
        value = bindings.get(slot[1])
        return slot[0] if value is None or isinstance(value, ox.Triple) else readable(value)

    return _SLOT.sub(fill, text)


def slots(rule: Rule) -> frozenset[str]:
    """The variables that the message of a rule names."""
    return slots_in(rule.message)


def slots_in(message: str) -> frozenset[str]:
    """The variables that a message names."""
    return frozenset(slot[1] for slot in _SLOT.finditer(message))


def readable(term: Term) -> str:
    """A term as people write it: the local name of an IRI, the text of a literal."""
    return local_name(term.value) if isinstance(term, ox.NamedNode) else term.value


def _focus(row: Mapping[str, str]) -> Focus | None:
    if "class" in row:
        return Focus(f"$this a <{row['class']}> .", (Signature(RDF_TYPE, row["class"]),))
    if "subjectsOf" in row:
        return Focus(f"$this <{row['subjectsOf']}> [] .", (Signature(row["subjectsOf"], None),))
    if "objectsOf" in row:
        return Focus(f"[] <{row['objectsOf']}> $this .", (Signature(row["objectsOf"], None),))
    return Focus(f"VALUES $this {{ <{row['node']}> }}") if "node" in row else None


def signatures_of_quads(quads: Iterable[ox.Quad]) -> set[Signature]:
    """What patterns can match the quads; objects count for classes only, or there would be as many signatures
    as quads.
    """
    return {
        Signature(
            quad.predicate.value,
            quad.object.value
            if quad.predicate.value == RDF_TYPE and isinstance(quad.object, ox.NamedNode)
            else None,
        )
        for quad in quads
    }
