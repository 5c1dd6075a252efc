"""OWL 2 RL closure: the SPARQL Update files of `rules/closure/`, run to a fixpoint.

The union of all graphs is copied into the store's default graph, where the rules read and write; what they add then goes into one named graph,
and the default graph is as it was. So stated and inferred triples never mix, and each rule file is an ordinary update that anybody can run. A
file's header says which vocabulary wakes its rule and which kinds of triples it reads and writes: a rule runs again only when something that it
reads has changed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import pyoxigraph as ox

from kb.errors import OntuneError
from kb.paths import shipped
from kb.terms import PREFIXES, RDF_TYPE, local_name

_HEADER: Final = re.compile(r"^# (\w+): (.+)$", re.MULTILINE)
_PROLOGUE: Final = re.compile(r"^PREFIX .+$", re.MULTILINE)
_TYPE: Final = ox.NamedNode(RDF_TYPE)
_SAME: Final = ox.NamedNode(PREFIXES["owl"] + "sameAs")
_ASIDE: Final = ox.NamedNode("urn:ontune:default-graph-while-closing")
_MOST_ROUNDS: Final = 10_000
_AXIOM_NAMESPACES: Final = tuple(PREFIXES[name] for name in ("rdf", "rdfs", "owl"))
_INCONSISTENCIES: Final = """
SELECT ?found ?rule ?label ?s ?p ?o WHERE {
  ?found a on:Inconsistency ; skos:notation ?rule ; rdfs:label ?label ; on:premise ?premise .
  ?premise rdf:subject ?s ; rdf:predicate ?p ; rdf:object ?o
}"""


@dataclass(frozen=True)
class ClosureRule:
    """One file of closure rules.

    Attributes:
        path: the file; its number orders it, and the number's first digit names its stratum: 1 schema, 2 assertions, 3 inconsistencies.
        names: the rules of the OWL 2 RL specification that it states, such as `prp-spo1`.
        trigger: the terms one of which must occur before the rule can fire; empty for a rule that may always fire.
        reads, writes: kinds of triples, such as `type` or `property` (any other value), by which rules wake one another; a schema that is only
            stated needs no kind.
        update: the SPARQL Update.
        ask: an ASK query that is true while the update would add something.
    """

    path: Path
    names: tuple[str, ...]
    trigger: tuple[ox.NamedNode, ...]
    reads: frozenset[str]
    writes: frozenset[str]
    update: str
    ask: str


@dataclass(frozen=True)
class Inconsistency:
    """Statements that cannot all be true.

    Attributes:
        rule: names of the rules in the OWL 2 RL specification, such as `cax-dw`.
        message: what is wrong, then the statements.
        premises: the statements.
    """

    rule: str
    message: str
    premises: tuple[ox.Triple, ...]


@dataclass(frozen=True)
class ClosureReport:
    """What a closure did: how many triples it added, how often a rule ran and added something, and what contradicts itself."""

    added: int
    rounds: int
    inconsistencies: tuple[Inconsistency, ...]


@cache
def closure_rules(folder: Path | None = None) -> tuple[ClosureRule, ...]:
    """The closure rules of a folder (default: the shipped ones) in the order of their numbers.

    Raises:
        OntuneError: a file's header is not complete.
    """
    return tuple(_read(path) for path in sorted((folder or shipped("rules") / "closure").glob("*.ru")))


def close(store: ox.Store, graph: ox.NamedNode, rules: Sequence[ClosureRule] | None = None) -> ClosureReport:
    """Add what follows by OWL 2 RL from the union of all graphs of `store` to its named graph `graph`.

    Left out is what holds of everything: reflexive `owl:sameAs`, `rdfs:subClassOf` and `rdfs:subPropertyOf`, membership in `owl:Thing`, the types
    of literals. Inconsistencies are reported, not inserted.

    Raises:
        OntuneError: the rules do not come to a fixpoint.
    """
    rules = closure_rules() if rules is None else rules
    before = len(store)
    if _occurs(store, None, None, None, ox.DefaultGraph()):
        store.update(f"MOVE DEFAULT TO {_ASIDE}")
    try:
        store.update("INSERT { ?s ?p ?o } WHERE { GRAPH ?g { ?s ?p ?o } }")
        rounds = _saturate(store, rules)
        store.update(f"INSERT {{ GRAPH {graph} {{ ?s ?p ?o }} }} WHERE {{ ?s ?p ?o FILTER NOT EXISTS {{ GRAPH ?g {{ ?s ?p ?o }} }} }}")
        found = _inconsistencies(store, rules)
    finally:
        store.clear_graph(ox.DefaultGraph())
        store.update("DELETE WHERE { GRAPH ?cell { ?x on:reaches ?y } }", prefixes=PREFIXES)
        if store.contains_named_graph(_ASIDE):
            store.update(f"MOVE {_ASIDE} TO DEFAULT")
    return ClosureReport(len(store) - before, rounds, found)


def _saturate(store: ox.Store, rules: Sequence[ClosureRule]) -> int:
    """Schema, then assertions, and again while an assertion concludes an axiom; returns how often a rule added something."""
    schema, assertions = ([rule for rule in rules if rule.path.name.startswith(digit)] for digit in "12")
    axiom_terms = {term for rule in rules for term in rule.trigger} - {_SAME}
    rounds = 0
    axioms = -1
    while rounds < _MOST_ROUNDS:
        rounds += _fixpoint(store, schema)
        if axioms == (axioms := _count(store, axiom_terms)):
            return rounds
        rounds += _fixpoint(store, assertions, vague=_speaks_of_typing(store))
        if axioms == _count(store, axiom_terms):
            return rounds
    raise _endless()


def _fixpoint(store: ox.Store, rules: Sequence[ClosureRule], *, vague: bool = False) -> int:
    """Run the first rule that has something to add until none has; returns how often one had. Where kinds are vague, any change wakes all."""
    kinds = {kind for rule in rules for kind in rule.reads | rule.writes}
    changes = dict.fromkeys(kinds, 0)
    seen: dict[Path, list[int]] = {}
    for rounds in range(_MOST_ROUNDS):
        for rule in rules:
            state = [changes[kind] for kind in sorted(rule.reads)]
            if seen.get(rule.path) != state and _awake(store, rule):
                seen[rule.path] = state
                if store.query(rule.ask):
                    break
        else:
            return rounds
        store.update(rule.update)
        for kind in kinds if vague else rule.writes:
            changes[kind] += 1
    raise _endless()


def _endless() -> OntuneError:
    return OntuneError(f"the closure rules found no fixpoint in {_MOST_ROUNDS} rounds")


def _awake(store: ox.Store, rule: ClosureRule) -> bool:
    return not rule.trigger or any(_occurs(store, None, term, None) or _occurs(store, None, None, term) for term in rule.trigger)


def _speaks_of_typing(store: ox.Store) -> bool:
    """Whether axioms about `rdf:type` or `owl:sameAs` themselves may turn a property's value into a type or a sameness."""
    return any(
        quad.predicate.value.startswith(_AXIOM_NAMESPACES)
        for term in (_TYPE, _SAME)
        for pattern in ((term, None, None), (None, None, term))
        for quad in store.quads_for_pattern(*pattern)
    )


def _occurs(store: ox.Store, *pattern: Any) -> bool:
    return next(iter(store.quads_for_pattern(*pattern)), None) is not None


def _count(store: ox.Store, terms: Iterable[ox.NamedNode]) -> int:
    return sum(
        sum(1 for _ in store.quads_for_pattern(None, term, None)) + sum(1 for _ in store.quads_for_pattern(None, _TYPE, term)) for term in terms
    )


def _inconsistencies(store: ox.Store, rules: Sequence[ClosureRule]) -> tuple[Inconsistency, ...]:
    for rule in rules:
        if rule.path.name.startswith("3") and _awake(store, rule):
            store.update(rule.update)
    found: dict[tuple[str, str], list[ox.Triple]] = {}
    solutions: Any = store.query(_INCONSISTENCIES, prefixes=PREFIXES)
    for row in solutions:
        key = (row["found"].value, f"{row['rule'].value}\n{row['label'].value}")
        found.setdefault(key, []).append(ox.Triple(row["s"], row["p"], row["o"]))
    distinct: dict[tuple[str, frozenset[str]], Inconsistency] = {}
    for (_, text), premises in found.items():
        rule_names, label = text.split("\n")
        ordered = tuple(sorted(premises, key=str))
        message = f"{label}: {', '.join(_readable(premise) for premise in ordered)}"
        same_terms = frozenset(str(term) for premise in ordered for term in premise)
        distinct.setdefault((rule_names, same_terms), Inconsistency(rule_names, message, ordered))
    return tuple(sorted(distinct.values(), key=lambda one: (one.rule, one.message)))


def _readable(statement: ox.Triple) -> str:
    return " ".join(local_name(term.value) if isinstance(term, ox.NamedNode) else str(term) for term in statement)


def _read(path: Path) -> ClosureRule:
    text = path.read_text(encoding="utf-8")
    header = dict(_HEADER.findall(text))
    where = text.find("WHERE")
    reads, writes = (frozenset(header.get(key, "").split()) for key in ("reads", "writes"))
    if "rule" not in header or where < 0 or bool(writes) == path.name.startswith("3"):
        raise OntuneError(f"{path}: a closure rule has a WHERE and a header with 'rule' and, where it concludes triples, 'writes'")
    prologue = "\n".join(_PROLOGUE.findall(text))
    trigger = tuple(_term(name) for name in header.get("trigger", "").split())
    names = tuple(name.strip() for name in header["rule"].split(","))
    return ClosureRule(path, names, trigger, reads, writes, text, f"{prologue}\nASK {text[where:]}")


def _term(name: str) -> ox.NamedNode:
    prefix, _, local = name.partition(":")
    return ox.NamedNode(PREFIXES[prefix] + local)
