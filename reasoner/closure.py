"""OWL 2 RL closure: the SPARQL Update files of `rules/closure/`, run to a fixpoint.

The union of the store's graphs is copied into a scratch store, where the rules read and write; what they add goes back into one named graph, so
that stated and inferred triples never mix and a rule that fails leaves the store as it was. A file's header says which vocabulary wakes its rule
and which kinds of triples it reads and writes, so that a rule runs again only when something that it reads has changed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import pyoxigraph as ox

from kb.errors import OntuneError
from kb.paths import shipped
from kb.terms import PREFIXES, RDF_TYPE, local_name

_KINDS: Final = frozenset({"schema", "property", "type", "same", "chain"})
_HEADER: Final = re.compile(r"^# (\w+): (.+)$", re.MULTILINE)
_PROLOGUE: Final = re.compile(r"^PREFIX .+$", re.MULTILINE)
_TYPE: Final = ox.NamedNode(RDF_TYPE)
_SAME: Final = ox.NamedNode(PREFIXES["owl"] + "sameAs")
_MOST_RUNS: Final = 10_000
_INCONSISTENCIES: Final = """
SELECT ?found ?rule ?label ?s ?p ?o WHERE {
  ?found a on:Inconsistency ; skos:notation ?rule ; rdfs:label ?label ; on:premise ?premise .
  ?premise rdf:subject ?s ; rdf:predicate ?p ; rdf:object ?o
}"""

Statement = tuple[Any, Any, Any]


@dataclass(frozen=True)
class ClosureRule:
    """One file of closure rules.

    Attributes:
        path: the file; its number orders it, and the number's first digit names its stratum: 1 schema, 2 assertions, 3 inconsistencies.
        names: the rules of the OWL 2 RL specification that it states, such as `prp-spo1`.
        trigger: the terms one of which must occur before the rule can fire; empty for a rule that may always fire.
        reads, writes: kinds of triples: `schema`, `property` values, `type`s, `same` individuals, partial `chain`s.
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
    stated: set[Statement] = {(quad.subject, quad.predicate, quad.object) for quad in store}
    scratch = ox.Store()
    scratch.bulk_extend(ox.Quad(*statement) for statement in stated)
    rounds = _fixpoint(scratch, [rule for rule in rules if rule.reads])
    inferred = [ox.Quad(q.subject, q.predicate, q.object, graph) for q in _default(scratch) if (q.subject, q.predicate, q.object) not in stated]
    store.bulk_extend(inferred)
    return ClosureReport(len(inferred), rounds, _inconsistencies(scratch, [rule for rule in rules if not rule.reads]))


def _fixpoint(store: ox.Store, rules: Sequence[ClosureRule]) -> int:
    """Run the first rule that is due until none is; returns how often one added something."""
    changes = dict.fromkeys((kind for rule in rules for kind in rule.reads | rule.writes), 0)
    seen: dict[Path, list[int]] = {}
    axiom_terms = {term for rule in rules for term in rule.trigger} - {_SAME}
    axioms: int | None = None
    for rounds in range(_MOST_ROUNDS):
        rule = _next_to_add(store, rules, changes, seen)
        if rule is None:
            before, axioms = axioms, _count(store, axiom_terms)
            if axioms == before:
                return rounds
            seen.clear()
            continue
        store.update(rule.update)
        for kind in rule.writes:
            changes[kind] += 1
    raise OntuneError(f"the closure rules found no fixpoint in {_MOST_ROUNDS} rounds")


def _occurs(store: ox.Store, *pattern: Any) -> bool:
    return next(iter(store.quads_for_pattern(*pattern)), None) is not None


def _count(store: ox.Store, terms: Sequence[ox.NamedNode]) -> int:
    return sum(
        sum(1 for _ in store.quads_for_pattern(None, term, None)) + sum(1 for _ in store.quads_for_pattern(None, _TYPE, term)) for term in terms
    )


def _default(store: ox.Store) -> Any:
    return store.quads_for_pattern(None, None, None, ox.DefaultGraph())


def _inconsistencies(store: ox.Store, rules: Sequence[ClosureRule]) -> tuple[Inconsistency, ...]:
    for rule in rules:
        if _awake(store, rule):
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
    if "rule" not in header or where < 0 or not reads | writes <= _KINDS or bool(reads) != bool(writes):
        raise OntuneError(f"{path}: a closure rule has a WHERE and the header lines rule, reads and writes (of {', '.join(sorted(_KINDS))})")
    prologue = "\n".join(_PROLOGUE.findall(text))
    trigger = tuple(_term(name) for name in header.get("trigger", "").split())
    names = tuple(name.strip() for name in header["rule"].split(","))
    return ClosureRule(path, names, trigger, reads, writes, text, f"{prologue}\nASK {text[where:]}")


def _term(name: str) -> ox.NamedNode:
    prefix, _, local = name.partition(":")
    return ox.NamedNode(PREFIXES[prefix] + local)
