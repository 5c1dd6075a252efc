"""Proof trees: from a decision to its effects, to the rules that made them apply, to the facts, to their
sources.

Every triple in the store tells by its named graph whether it was stated (in which file) or concluded (by
which rule). The proof of a concluded triple is found by matching the rule's body once more, with its head
bound to that triple.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import pyoxigraph as ox

from kb.store.store import KnowledgeStore, Term
from kb.store.terms import FILE, PREFIXES, RDF_TYPE, local_name, on
from reasoner.answers.reasons import Reasons
from reasoner.inference.derive import REQUEST, REQUEST_GRAPH, TARGET, WORKLOAD
from reasoner.knowledge.rule_reading import Pattern, iri_of, is_open, name_of
from reasoner.knowledge.rule_running import matches
from reasoner.knowledge.rules import Rule, message, readable
from reasoner.model.ground import Cause
from reasoner.model.resolve import find_decision, find_option

_DEPTH = 12
Proof = dict[str, Any]


def explain(reasons: Reasons, rules: Sequence[Rule], subject: str) -> Proof:
    """The proof tree for a decision, or for an option that was or was not taken.

    Raises:
        BadInput: neither a decision nor an option has that name.
    """
    catalogue = reasons.catalogue
    decision = find_decision(catalogue, subject)
    option = reasons.taken[decision] if decision is not None else find_option(catalogue, subject, "SUBJECT")
    return _of_option(reasons, Prover(reasons.derivation.in_store(), rules), option)


class Prover:
    """Finds proofs of triples in a store that holds a request's facts and conclusions."""

    def __init__(self, store: KnowledgeStore, rules: Sequence[Rule]) -> None:
        self.store = store
        self.rules = {rule.iri: rule for rule in rules}

    def prove(self, triple: ox.Triple, depth: int = _DEPTH) -> Proof:
        """The proof of one triple: `conclusion`, `by`, `premises`."""
        graphs = self.store.graphs_of(triple)
        conclusion = self.say(triple)
        for graph in graphs:
            if rule := self.rules.get(graph):
                return {"conclusion": conclusion, **self._by_rule(rule, triple, depth)}
        if REQUEST_GRAPH.value in graphs:
            return {
                "conclusion": conclusion,
                "by": {
                    "kind": "request" if triple.subject == REQUEST else "fact",
                    "id": "probe or request",
                    "sources": [],
                },
                "premises": [],
            }
        name = graphs[0].removeprefix(FILE) if graphs else "not stated"
        subject = triple.subject.value if isinstance(triple.subject, ox.NamedNode) else ""
        return {
            "conclusion": conclusion,
            "by": {
                "kind": "fact",
                "id": name,
                "sources": list(self.store.sources_of(subject)) if subject else [],
            },
            "premises": [],
        }

    def say(self, triple: ox.Triple) -> str:
        """A triple as people read it."""
        verb = "is" if triple.predicate.value == RDF_TYPE else local_name(triple.predicate.value)
        return f"{self._named(triple.subject)} {verb} {self._named(triple.object)}"

    def _named(self, term: Any) -> str:
        known = {REQUEST: "the request", TARGET: "the target", WORKLOAD: "the workload"}
        if isinstance(term, ox.NamedNode):
            if term in known:
                return known[term]
            notation = self.store.objects(term.value, PREFIXES["skos"] + "notation")
            return notation[0] if notation else local_name(term.value)
        return readable(term) if isinstance(term, ox.Literal) else "something"

    def _by_rule(self, rule: Rule, triple: ox.Triple, depth: int) -> Proof:
        by = {
            "kind": "rule",
            "id": local_name(rule.iri),
            "text": rule.label,
            "sources": list(self.store.sources_of(rule.iri)),
        }
        bindings = self._bindings(rule, triple)
        if bindings is None or depth == 0:
            return {"by": by, "premises": []}
        by["text"] = message(rule, {name: ox.Literal(self._named(term)) for name, term in bindings.items()})
        found = [
            premise
            for pattern in rule.reading.premises
            if (premise := _instance(pattern, bindings)) is not None and premise != triple
        ]
        return {"by": by, "premises": [self.prove(premise, depth - 1) for premise in dict.fromkeys(found)]}

    def _bindings(self, rule: Rule, triple: ox.Triple) -> dict[str, Term] | None:
        """The first match of a rule's body under which one pattern of its head is the triple."""
        for pattern in rule.reading.head:
            bound = _unify(pattern, triple)
            if bound is None:
                continue
            this = bound.pop("this", REQUEST)
            if found := matches(self.store, rule, this, bound):
                return found[0]
        return None


def _of_option(reasons: Reasons, prover: Prover, option: str) -> Proof:
    catalogue, problem = reasons.catalogue, reasons.problem
    decision = catalogue.decision_of(option)
    taken = reasons.taken[decision] == option
    said = reasons.chosen(decision) if taken else reasons.against(option)
    premises: list[Proof] = []
    configuration = {**reasons.taken, decision: option}
    for criterion in problem.terms:
        for term in problem.counted(configuration, criterion):
            if term.effect.option == option:
                by = {
                    "kind": "effect",
                    "id": local_name(term.effect.iri),
                    "sources": list(reasons.sources(term.effect.iri)),
                }
                held = [
                    prover.prove(ox.Triple(REQUEST, ox.NamedNode(RDF_TYPE), ox.NamedNode(situation)))
                    for situation in sorted(term.effect.when)
                ]
                premises.append({"conclusion": reasons.effect_text(term.effect), "by": by, "premises": held})
    for other in catalogue.options[decision]:
        if other in problem.excluded and (
            other == option or (taken and other == catalogue.default[decision])
        ):
            premises += [_of_cause(reasons, prover, cause) for cause in problem.excluded[other]]
    name = f"{catalogue.name[decision]} = {catalogue.name[option]}"
    sources = itertools.chain.from_iterable(reason.sources for reason in said)
    by = {
        "kind": "choice",
        "id": catalogue.name[decision],
        "text": "; ".join(reason.text for reason in said),
        "sources": list(dict.fromkeys(sources)),
    }
    return {"conclusion": name if taken else f"not {name}", "by": by, "premises": premises}


def _of_cause(reasons: Reasons, prover: Prover, cause: Cause) -> Proof:
    if cause.kind == "rule":
        return prover.prove(ox.Triple(REQUEST, ox.NamedNode(on("excludes")), ox.NamedNode(cause.option)))
    reason = reasons.cause(cause)[0]
    return {
        "conclusion": reason.text,
        "by": {"kind": reason.kind, "id": reason.id, "sources": list(reason.sources)},
        "premises": [],
    }


def _unify(pattern: Pattern, triple: ox.Triple) -> dict[str, Term] | None:
    bound: dict[str, Term] = {}
    for token, term in (
        (pattern.subject, triple.subject),
        (pattern.predicate, triple.predicate),
        (pattern.object, triple.object),
    ):
        if isinstance(term, ox.Triple):
            return None
        if name := name_of(token):
            bound[name] = term
        elif token != str(term):
            return None
    return bound


def _instance(pattern: Pattern, bindings: dict[str, Term]) -> ox.Triple | None:
    """A pattern of a rule's body with its variables replaced; None where one is not bound."""
    terms: list[Any] = []
    for token in (pattern.subject, pattern.predicate, pattern.object):
        if is_open(token):
            terms.append(bindings.get(name_of(token) or token))
        else:
            terms.append(ox.NamedNode(iri) if (iri := iri_of(token)) else _literal(token))
    return None if None in terms else ox.Triple(*terms)


def _literal(token: str) -> ox.Literal:
    """A literal as it stands in a pattern: with its language or its datatype."""
    [quad] = ox.parse(f"<urn:s> <urn:p> {token} .".encode(), format=ox.RdfFormat.N_TRIPLES)
    if not isinstance(quad.object, ox.Literal):
        raise TypeError(f"{token} is no literal")
    return quad.object
