"""OWL 2 RL closure: the SPARQL Update files of `rules/closure/`, run to a fixpoint over the union of a
store's graphs.

A rule runs again only when something was added that it reads. What it reads follows from its text and the
axioms at hand: the rule for symmetric properties reads the values of those properties that are stated to be
symmetric, and nothing else. Where there is no such axiom it sleeps.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import pyoxigraph as ox

from kb.errors import OntuneError
from kb.store.paths import shipped
from kb.store.terms import PREFIXES, RDF_TYPE, local_name, on
from reasoner.knowledge.rule_reading import Pattern, RuleReading, iri_of, is_open, name_of

# The kind of a triple: its predicate, and with rdf:type its class.
Kind = tuple[str, str]

_TYPE: Final = ox.NamedNode(RDF_TYPE)
_LINK: Final = ox.NamedNode(on("link"))
_BETWEEN_INDIVIDUALS: Final = {PREFIXES["owl"] + "sameAs", PREFIXES["owl"] + "differentFrom"}
_MOST_ROUNDS: Final = 10_000
_INCONSISTENCIES: Final = """
SELECT ?found ?rule ?label ?s ?p ?o WHERE {
  ?found a on:Inconsistency ; skos:notation ?rule ; rdfs:label ?label ; on:premise ?premise .
  ?premise rdf:subject ?s ; rdf:predicate ?p ; rdf:object ?o
}"""


@dataclass(frozen=True)
class ClosureRule:
    """One file of closure rules.

    Attributes:
        path: the file; its number orders it, and the number's first digit is 1 for the schema, 2 for
            assertions, 3 for inconsistencies.
        names: the rules of the OWL 2 RL specification that it states, such as `prp-spo1`.
        construct: its SPARQL text, as a query for what the update would insert.
        axioms: kinds of the axioms that it reads.
        patterns: what it reads about individuals.
        select: the query for the properties and classes that `patterns` stand for; empty where none depends
            on an axiom.
        settled: whether its own conclusions give it nothing new.
    """

    path: Path
    names: tuple[str, ...]
    construct: str
    axioms: frozenset[Kind]
    patterns: tuple[Pattern, ...]
    select: str
    settled: bool


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
    """What a closure did: how many triples it added, how often a rule ran and added something, and what
    contradicts itself.
    """

    added: int
    rounds: int
    inconsistencies: tuple[Inconsistency, ...]


@cache
def closure_rules(folder: Path | None = None) -> tuple[ClosureRule, ...]:
    """The closure rules of a folder (default: the shipped ones) in the order of their numbers.

    Raises:
        OntuneError: a file lacks its `# rule:` line or has another form than `INSERT { head } WHERE { body
            }`.
    """
    from reasoner.knowledge.readings import readings

    constructs = closure_texts(folder)
    found = readings(constructs.values(), "closure")
    return tuple(_described(path, construct, found[construct]) for path, construct in constructs.items())


def closure_texts(folder: Path | None = None) -> dict[Path, str]:
    """The files of closure rules of a folder (default: the shipped ones), each with its text as a query."""
    paths = sorted((folder or shipped("rules") / "closure").glob("*.ru"))
    return {
        path: path.read_text(encoding="utf-8").replace("\nINSERT {", "\nCONSTRUCT {", 1) for path in paths
    }


def close(store: ox.Store, graph: ox.NamedNode, rules: Sequence[ClosureRule] | None = None) -> ClosureReport:
    """Add what follows by OWL 2 RL from the union of all graphs of `store` to its named graph `graph`.

    Left out is what holds of everything: reflexive `owl:sameAs`, `rdfs:subClassOf` and `rdfs:subPropertyOf`,
    membership in `owl:Thing`, the types of literals. Inconsistencies are reported, not inserted.

    Raises:
        OntuneError: the rules do not come to a fixpoint.
    """
    rules = closure_rules() if rules is None else rules
    before = len(store)
    rounds = _saturate(store, graph, [rule for rule in rules if not rule.path.name.startswith("3")])
    _remove_links(store, graph)
    found = _inconsistencies(store, [rule for rule in rules if rule.path.name.startswith("3")])
    return ClosureReport(len(store) - before, rounds, found)


def _saturate(store: ox.Store, graph: ox.NamedNode, rules: Sequence[ClosureRule]) -> int:
    """Run the first rule that is due until none is; returns how often one added something."""
    due = set(range(len(rules)))
    reads: dict[int, frozenset[Kind] | None] = {}
    rounds = 0
    while due:
        number = min(due)
        due.remove(number)
        if number not in reads:
            reads[number] = _reads(store, rules[number])
        concluded = _run(store, rules[number]) if reads[number] != frozenset() else []
        if not concluded:
            continue
        if (rounds := rounds + 1) > _MOST_ROUNDS:
            raise OntuneError(f"the closure rules found no fixpoint in {_MOST_ROUNDS} rounds")
        store.extend(ox.Quad(triple.subject, triple.predicate, triple.object, graph) for triple in concluded)
        kinds = _kinds(concluded)
        for other, rule in enumerate(rules):
            if rule.axioms & kinds:
                reads.pop(other, None)
                due.add(other)
            elif (
                other in reads
                and ((watched := reads[other]) is None or watched & kinds)
                and not (other == number and rule.settled)
            ):
                due.add(other)
    return rounds


def _reads(store: ox.Store, rule: ClosureRule) -> frozenset[Kind] | None:
    """The kinds of triples about individuals that a rule reads under the axioms at hand; None for all, empty
    where the rule cannot fire.
    """
    kinds = {kind for pattern in rule.patterns if (kind := _kind(pattern)) is not None}
    if not rule.select:
        return frozenset(kinds | rule.axioms) if all(map(_kind, rule.patterns)) else None
    rows = list(_solutions(store, rule.select))
    if not rows:
        return frozenset()
    kinds |= rule.axioms
    for pattern in rule.patterns:
        if _kind(pattern) is None:
            name = _variable(pattern)
            values = (
                {row[name].value for row in rows}
                if f"?{name}" in rule.select.partition("WHERE")[0].split()
                else None
            )
            if values is None:
                return None
            kinds |= {(RDF_TYPE, value) if _is_typing(pattern) else (value, "") for value in values}
    return frozenset(kinds)


def _run(store: ox.Store, rule: ClosureRule) -> list[ox.Triple]:
    triples: Any = store.query(rule.construct, use_default_graph_as_union=True)
    return list(triples)


def _kinds(triples: Iterable[ox.Triple]) -> set[Kind]:
    """The kinds of some triples; a typing is also of the kind of all typings, which a rule reads where
    `rdf:type` itself has axioms.
    """
    types = {triple.object for triple in triples if triple.predicate == _TYPE}
    predicates = {triple.predicate for triple in triples}
    kinds = {(predicate.value, "") for predicate in predicates}
    return kinds | {(RDF_TYPE, term.value) for term in types if not isinstance(term, ox.Triple)}


def _remove_links(store: ox.Store, graph: ox.NamedNode) -> None:
    """Take out the properties that stood for parts of property chains."""
    for link in list(store.quads_for_pattern(None, _LINK, None, graph)):
        if isinstance(link.object, ox.NamedNode):
            for quad in list(store.quads_for_pattern(None, link.object, None, graph)):
                store.remove(quad)
        store.remove(link)


def _inconsistencies(store: ox.Store, rules: Sequence[ClosureRule]) -> tuple[Inconsistency, ...]:
    concluded = ox.Store()
    for rule in rules:
        if _reads(store, rule) != frozenset():
            concluded.extend(
                ox.Quad(triple.subject, triple.predicate, triple.object) for triple in _run(store, rule)
            )
    premises: dict[tuple[str, str, str], list[ox.Triple]] = {}
    for row in _solutions(concluded, _INCONSISTENCIES):
        key = (row["found"].value, row["rule"].value, row["label"].value)
        premises.setdefault(key, []).append(ox.Triple(row["s"], row["p"], row["o"]))
    distinct: dict[tuple[str, frozenset[str]], Inconsistency] = {}
    for (_, rule_names, label), statements in premises.items():
        ordered = tuple(sorted(statements, key=str))
        message = f"{label}: {', '.join(_readable(statement) for statement in ordered)}"
        terms = frozenset(map(str, itertools.chain.from_iterable(ordered)))
        distinct.setdefault((rule_names, terms), Inconsistency(rule_names, message, ordered))
    return tuple(sorted(distinct.values(), key=lambda one: (one.rule, one.message)))


def _solutions(store: ox.Store, select: str) -> Any:
    return store.query(select, prefixes=PREFIXES, use_default_graph_as_union=True)


def _readable(statement: ox.Triple) -> str:
    return " ".join(
        local_name(term.value) if isinstance(term, ox.NamedNode) else str(term) for term in statement
    )


def _described(path: Path, construct: str, rule: RuleReading | str) -> ClosureRule:
    lines = construct.splitlines()
    named = next((line.removeprefix("# rule: ") for line in lines if line.startswith("# rule: ")), "")
    if isinstance(rule, str):
        raise OntuneError(f"{path}: a closure rule has the form INSERT {{ head }} WHERE {{ body }}: {rule}")
    if not named:
        raise OntuneError(
            f"{path}: a closure rule says by '# rule: ...' which rules of the specification it states"
        )
    # what the head says is asked for only so that nothing is concluded twice: it wakes no rule
    head = {pattern.text for pattern in rule.head}
    body = [pattern for pattern in rule.body if pattern.text not in head]
    axioms = [pattern for pattern in body if _is_axiom(pattern)]
    about = tuple(pattern for pattern in body if not _is_axiom(pattern))
    certain = [pattern for pattern in axioms if pattern.certain and not pattern.negated]
    bound: set[str] = set()
    for pattern in certain:
        bound |= {pattern.subject, pattern.object}
    asked = sorted({f"?{name}" for pattern in about if (name := _variable(pattern)) and f"?{name}" in bound})
    where = " ".join(pattern.text for pattern in certain)
    select = f"SELECT DISTINCT {' '.join(asked) or '*'} WHERE {{ {where} }}" if certain else ""
    kinds = frozenset(itertools.chain.from_iterable(map(_axiom_kinds, axioms)))
    names = tuple(name.strip() for name in named.split(","))
    return ClosureRule(path, names, construct, kinds, about, select, settled="\n# settled: " in construct)


def _is_axiom(pattern: Pattern) -> bool:
    """Whether a pattern is about the vocabulary: its predicates are given, and it is no typing by a class
    that is not.
    """
    if is_open(pattern.predicate) or iri_of(pattern.predicate) in _BETWEEN_INDIVIDUALS:
        return False
    return not _is_typing(pattern) or not is_open(pattern.object)


def _is_typing(pattern: Pattern) -> bool:
    return pattern.predicate == f"<{RDF_TYPE}>"


def _axiom_kinds(pattern: Pattern) -> set[Kind]:
    if _is_typing(pattern):
        return {(RDF_TYPE, iri_of(pattern.object) or "")}
    return {(signature.predicate or "", "") for signature in pattern.signatures}


def _kind(pattern: Pattern) -> Kind | None:
    """The kind of a pattern about individuals; None where its property or its class is a variable."""
    return None if _variable(pattern) else (iri_of(pattern.predicate) or "", "")


def _variable(pattern: Pattern) -> str:
    """The variable that stands for a pattern's property, or for its class, without its mark; empty where
    there is none.
    """
    return name_of(pattern.object if _is_typing(pattern) else pattern.predicate) or ""
