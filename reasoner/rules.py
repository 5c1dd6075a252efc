"""SHACL rules (`sh:SPARQLRule`): read from the store, checked for stratification, executed to a fixpoint.

A rule concludes into a named graph of its own, so that every triple tells which rule it came from. Rules whose focus class is `on:Request` run for
one request at a time; all others run when the knowledge base is compiled, and again for what a request brings along.
"""

from __future__ import annotations

import itertools
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import pyoxigraph as ox

from kb.errors import BadInput
from kb.store import KnowledgeStore, Term
from kb.terms import RDF_TYPE, local_name, on
from reasoner.rule_text import RuleText, Signature, expand, read_pattern, read_rule, signatures

_RULES = """
SELECT ?rule ?construct ?order ?class ?subjectsOf ?objectsOf ?node ?label ?message WHERE {
  ?shape sh:rule ?rule . ?rule a sh:SPARQLRule ; sh:construct ?construct .
  OPTIONAL { ?rule sh:order ?order } OPTIONAL { ?rule rdfs:label ?label } OPTIONAL { ?rule on:message ?message }
  OPTIONAL { ?shape sh:targetClass ?class } OPTIONAL { ?shape sh:targetSubjectsOf ?subjectsOf }
  OPTIONAL { ?shape sh:targetObjectsOf ?objectsOf } OPTIONAL { ?shape sh:targetNode ?node }
  FILTER NOT EXISTS { ?rule sh:deactivated true }
  FILTER NOT EXISTS { ?rule a on:ConflictRule ; on:unverified true }
} ORDER BY ?order ?rule"""

_THIS = "this"
_SLOT = re.compile(r"\{\?(\w+)\}")


@dataclass(frozen=True)
class Rule:
    """One rule.

    Attributes:
        iri: its identity, and the graph of its conclusions.
        label, message: what it is, and what it says when it fires, with `{?variable}` slots.
        construct: the SPARQL text, `CONSTRUCT { head } WHERE { body }`.
        order: its stratum.
        focus: SPARQL patterns that bind `$this`, one for each target of its shape.
        per_request: whether its focus is the request.
    """

    iri: str
    label: str
    message: str
    construct: str
    order: float
    focus: tuple[str, ...]
    per_request: bool

    @property
    def text(self) -> RuleText:
        """The patterns of head and body."""
        return read_rule(self.construct)

    @cached_property
    def concludes(self) -> tuple[Signature, ...]:
        """What the head can match."""
        return tuple(found for pattern in self.text.head for found in signatures(pattern))

    @cached_property
    def reads(self) -> tuple[Signature, ...]:
        """What the body and the focus can match."""
        focus = [pattern for text in self.focus if (pattern := read_pattern(text))]
        return tuple(found for pattern in (*focus, *self.text.body) for found in signatures(pattern))

    @cached_property
    def distinct_reads(self) -> tuple[Signature, ...]:
        """What it reads, each once; where it reads any predicate, that alone."""
        if any(read.predicate is None for read in self.reads):
            return (Signature(None, None),)
        return tuple(dict.fromkeys(self.reads))

    @cached_property
    def trigger(self) -> Signature | None:
        """Something said of the request without which a rule of the request cannot fire; with a named object where there is one."""
        certain = [pattern for pattern in self.text.where if self.per_request and pattern.subject[1:] == _THIS and pattern.subject[0] in "?$"]
        found = [signature for pattern in certain for signature in signatures(pattern) if signature.predicate and signature in self.distinct_reads]
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
        return tuple(found for pattern in self.text.body if pattern.negated for found in signatures(pattern))

    @cached_property
    def steps(self) -> tuple[_Step, ...]:
        """The patterns that every match satisfies and whose predicate is named."""
        found = []
        for pattern in self.text.where:
            predicate, value = expand(pattern.path[0]), expand(pattern.object)
            if predicate != pattern.path[0]:
                iri = None if value == pattern.object else ox.NamedNode(value)
                found.append(_Step(pattern.subject, ox.NamedNode(predicate), iri, pattern.object))
        return tuple(found)


@dataclass(frozen=True)
class _Step:
    """A triple pattern: a variable, a predicate, and an object that is an IRI (`value`) or else anything (`object`, as text)."""

    subject: str
    predicate: ox.NamedNode
    value: ox.NamedNode | None
    object: str


def load_rules(store: KnowledgeStore) -> list[Rule]:
    """Every active rule that a shape carries, by stratum, then by IRI.

    Raises:
        BadInput: a rule's text has another form than `CONSTRUCT { head } WHERE { body }`, or it rests on the absence of what follows from its own
            conclusions, or of what the same or a later stratum concludes.
    """
    rules = read_rules(store)
    _refuse_unstratified(rules)
    return rules


def read_rules(store: KnowledgeStore) -> list[Rule]:
    """As `load_rules`, for a knowledge base that was compiled and so is known to be stratified.

    Raises:
        BadInput: a rule's text has another form than `CONSTRUCT { head } WHERE { body }`.
    """
    rules = []
    for (iri, construct, order, label, message), rows in itertools.groupby(
        store.select(_RULES), lambda row: tuple(row.get(key, "") for key in ("rule", "construct", "order", "label", "message"))
    ):
        targets = list(rows)
        focus = {_focus(row) for row in targets}
        per_request = any(row.get("class") == on("Request") for row in targets)
        rule = Rule(iri, label, message, construct, float(order or 0), tuple(sorted(focus - {""})), per_request)
        try:
            rule.text  # noqa: B018 - read once here, so that a malformed rule is refused where it is loaded
        except ValueError as error:
            raise BadInput(f"rule {local_name(iri)}", str(error)) from error
        rules.append(rule)
    return sorted(rules, key=lambda rule: (rule.order, rule.iri))


def run_rules(store: KnowledgeStore, rules: Sequence[Rule], request: ox.NamedNode | None = None, news: Iterable[ox.NamedNode] = ()) -> list[ox.Quad]:
    """Run rules to a fixpoint, stratum by stratum, and add what they conclude to the store.

    Args:
        store: read as the union of its graphs.
        rules: sorted by stratum; without a request only those that need none.
        request: the focus node of the request's rules.
        news: with a request, the nodes that came with it: the only ones that the other rules still have to look at.

    Returns:
        the quads added, each in the graph of its rule.
    """
    added: list[ox.Quad] = []
    focus = focus_values(news)
    for _, group in itertools.groupby(rules, key=lambda rule: rule.order):
        stratum = list(group)
        waiting = stratum
        while waiting:
            fresh = [quad for rule in waiting for quad in conclusions(store, rule, request, focus) if quad not in store.store]
            store.add(fresh)
            added += fresh
            new = signatures_of(fresh)
            waiting = [rule for rule in stratum if rule.reads_any(new)]
    return added


def focus_values(nodes: Iterable[ox.NamedNode]) -> str:
    """SPARQL that lets `$this` be one of some nodes."""
    return f"VALUES $this {{ {' '.join(map(str, dict.fromkeys(nodes)))} }}"


def conclusions(store: KnowledgeStore, rule: Rule, request: ox.NamedNode | None, focus: str) -> list[ox.Quad]:
    """What one rule concludes now, each quad once, in the graph of the rule.

    Args:
        request: the focus node of the request's rules; without it only rules that need none may be asked.
        focus: with a request, what `focus_values` gives for the nodes that the other rules have to look at.
    """
    graph = ox.NamedNode(rule.iri)
    triples: Iterable[ox.Triple]
    if request is not None and rule.per_request:
        if not _can_match(store, rule, request):
            return []
        triples = store.construct(rule.construct, {_THIS: request})
    else:
        narrowed = focus if request is not None else ""
        triples = itertools.chain.from_iterable(store.construct(_with_focus(rule.construct, f"{narrowed} {pattern}")) for pattern in rule.focus)
    return list({ox.Quad(triple.subject, triple.predicate, triple.object, graph) for triple in triples})


def matches(
    store: KnowledgeStore, rule: Rule, this: Term, bindings: Mapping[str, Term] | None = None, variables: Iterable[str] = ()
) -> list[dict[str, Term]]:
    """The bindings of a rule's body for one focus node: what it fired on.

    Args:
        bindings: values that some variables must have.
        variables: those that are asked for; without any, all.
    """
    given = {name: term for name, term in {_THIS: this, **(bindings or {})}.items() if isinstance(term, ox.NamedNode | ox.Literal)}
    values = f"VALUES ({' '.join(f'?{name}' for name in given)}) {{ ({' '.join(str(term) for term in given.values())}) }}"
    asked = " ".join(f"?{name}" for name in variables)
    return store.terms(_with_focus(_as_select(rule.construct, f"DISTINCT {asked}" if asked else "*"), values))


def message(rule: Rule, bindings: dict[str, Term]) -> str:
    """The rule's message with its slots filled; its label where it has none."""

    def fill(slot: re.Match[str]) -> str:
        value = bindings.get(slot[1])
        return slot[0] if value is None or isinstance(value, ox.Triple) else readable(value)

    return _SLOT.sub(fill, rule.message or rule.label or local_name(rule.iri))


def slots(rule: Rule) -> frozenset[str]:
    """The variables that the message of a rule names."""
    return frozenset(slot[1] for slot in _SLOT.finditer(rule.message))


def readable(term: Term) -> str:
    """A term as people write it: the local name of an IRI, the text of a literal."""
    return local_name(term.value) if isinstance(term, ox.NamedNode) else term.value


def _focus(row: dict[str, str]) -> str:
    if "class" in row:
        return f"$this a <{row['class']}> ."
    if "subjectsOf" in row:
        return f"$this <{row['subjectsOf']}> ?focusObject ."
    if "objectsOf" in row:
        return f"?focusSubject <{row['objectsOf']}> $this ."
    return f"VALUES $this {{ <{row['node']}> }}" if "node" in row else ""


def _can_match(store: KnowledgeStore, rule: Rule, this: ox.NamedNode) -> bool:
    """Whether the steps of a rule that lead away from its focus node are there: most rules that do not fire are known by that, without a query."""
    reached: dict[str, list[ox.NamedNode | ox.BlankNode]] = {f"${_THIS}": [this], f"?{_THIS}": [this]}
    for step in rule.steps:
        if step.subject not in reached:
            continue
        quads = [quad for node in reached[step.subject] for quad in store.store.quads_for_pattern(node, step.predicate, step.value, None)]
        if not quads:
            return False
        if step.object not in reached:
            reached[step.object] = [quad.object for quad in quads if isinstance(quad.object, ox.NamedNode | ox.BlankNode)]
    return True


def signatures_of(quads: Iterable[ox.Quad]) -> set[Signature]:
    """What patterns can match the quads; objects count for classes only, or there would be as many signatures as quads."""
    return {
        Signature(quad.predicate.value, quad.object.value if quad.predicate.value == RDF_TYPE and isinstance(quad.object, ox.NamedNode) else None)
        for quad in quads
    }


def _with_focus(construct: str, focus: str) -> str:
    return re.sub(r"\bWHERE\s*\{", lambda match: f"{match[0]} {focus} ", construct, count=1, flags=re.IGNORECASE)


def _as_select(construct: str, variables: str) -> str:
    return re.sub(r"\bCONSTRUCT\s*\{[^{}]*\}\s*WHERE", f"SELECT {variables} WHERE", construct, count=1, flags=re.IGNORECASE | re.DOTALL)


def _refuse_unstratified(rules: Sequence[Rule]) -> None:
    """Refuse a rule that rests on the absence of something before it is known which of it holds: on a cycle, or concluded too late."""
    writers = _Writers(rules)
    for reader in rules:
        for absent, writer in writers.of(reader.negates):
            back = _path(writer, reader, writers)
            if back is not None:
                raise BadInput(
                    f"rule {local_name(reader.iri)}",
                    f"it rests on the absence of what follows from its own conclusions ({local_name(reader.iri)} -> not {absent} -> {back})",
                    expected="rules without a cycle through a negation",
                )
            if writer.order >= reader.order:
                raise BadInput(
                    f"rule {local_name(reader.iri)}",
                    "it rests on the absence of what a rule of the same or a later stratum concludes "
                    f"({local_name(reader.iri)} -> not {absent} -> {local_name(writer.iri)})",
                    expected=f"a sh:order above {writer.order:g}",
                )


class _Writers:
    """Which rules can conclude what."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._all = [(signature, rule) for rule in rules for signature in rule.concludes]
        self._by_predicate = {
            predicate: [pair for pair in self._all if pair[0].predicate in (predicate, None)] for predicate in {one.predicate for one, _ in self._all}
        }
        self._of_any = [pair for pair in self._all if pair[0].predicate is None]

    def of(self, read: Iterable[Signature]) -> Iterator[tuple[str, Rule]]:
        """What is read, by short names, with each rule that can conclude it."""
        for one in read:
            candidates = self._all if one.predicate is None else self._by_predicate.get(one.predicate, self._of_any)
            for signature, rule in candidates:
                if one.meets(signature):
                    yield " ".join(local_name(iri) for iri in (one.predicate, one.object) if iri) or "anything", rule


def _path(start: Rule, goal: Rule, writers: _Writers) -> str | None:
    """The shortest way on which one rule rests on another, as text."""
    reached = {start.iri: local_name(start.iri)}
    queue = [start]
    for rule in queue:
        if rule is goal:
            return reached[rule.iri]
        for met, other in writers.of(rule.reads):
            if other.iri not in reached:
                reached[other.iri] = f"{reached[rule.iri]} -> {met} -> {local_name(other.iri)}"
                queue.append(other)
    return None
