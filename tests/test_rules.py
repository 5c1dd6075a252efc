"""Rules: what their text says, stratification, fixpoints, isolation of requests."""

from __future__ import annotations

from pathlib import Path

import pyoxigraph as ox
import pytest

from kb.errors import BadInput
from kb.sources import Source
from kb.store import KnowledgeStore
from kb.terms import RDF_TYPE, on
from reasoner.derive import REQUEST, REQUEST_GRAPH, Deriver
from reasoner.rule_text import expand, read_rule, signatures
from reasoner.rules import load_rules, matches, message, run_rules
from tests.turtle import PREFIX_LINES


def knowledge(tmp_path: Path, turtle: str) -> KnowledgeStore:
    file = tmp_path / "facts.ttl"
    file.write_text(PREFIX_LINES + turtle, encoding="utf-8")
    store = KnowledgeStore()
    store.load_source(Source(file, "facts.ttl"))
    return store


def rule(name: str, text: str, order: int = 1, kind: str = "on:Derivation") -> str:
    return f'rule:{name} a sh:SPARQLRule , {kind} ; sh:order {order} ; rdfs:label "{name}" ; on:message "{name} {{?x}}" ; sh:construct "{text}" .\n'


def test_reads_what_matters_of_a_text() -> None:
    text = read_rule(
        "CONSTRUCT { $this on:provides ?c } WHERE { $this on:target/on:gpu ?g . ?g on:arch ?a ; on:driver ?d , ?e . # a comment . }\n"
        " OPTIONAL { ?g on:model ?m } { ?g on:x 'y' } UNION { ?g on:z ?q } FILTER NOT EXISTS { $this on:excludes ?c }"
        " FILTER(STRSTARTS(?a, 'sm')) FILTER(?d > 3 && EXISTS { ?g on:w ?v }) BIND(1 AS ?n) VALUES ?c { cap:a } MINUS { ?g on:minus ?k } }"
    )
    assert [pattern.text for pattern in text.head] == ["$this on:provides ?c ."]
    assert [pattern.text for pattern in text.where] == ["?g on:arch ?a .", "?g on:driver ?d .", "?g on:driver ?e ."]
    assert {pattern.path[0] for pattern in text.body if pattern.negated} == {"on:excludes", "on:minus"}
    path = next(pattern for pattern in text.body if len(pattern.path) > 1)
    assert [found.predicate for found in signatures(path)] == [on("target"), on("gpu")]


@pytest.mark.parametrize("text", ["SELECT * WHERE { ?s ?p ?o }", "CONSTRUCT { $this on:x ?y", "CONSTRUCT WHERE"])
def test_refuses_a_text_of_another_form(text: str) -> None:
    with pytest.raises(ValueError, match=r"CONSTRUCT|bracket"):
        read_rule(text)


def test_a_rule_reaches_its_fixpoint_and_concludes_into_its_own_graph(tmp_path: Path) -> None:
    store = knowledge(
        tmp_path,
        "cap:c on:implies cap:b . cap:b on:implies cap:a . kb:o on:provides cap:c . on:S sh:targetSubjectsOf on:provides ; sh:rule rule:implied .\n"
        + rule("implied", "CONSTRUCT { $this on:provides ?old } WHERE { $this on:provides ?new . ?new on:implies ?old }"),
    )
    added = run_rules(store, load_rules(store))
    assert {quad.object.value for quad in added} == {expand("cap:a"), expand("cap:b")}
    assert {quad.graph_name.value for quad in added} == {expand("rule:implied")}


def test_refuses_a_cycle_through_a_negation_with_its_path(tmp_path: Path) -> None:
    store = knowledge(
        tmp_path,
        "on:S sh:targetClass on:Request ; sh:rule rule:one , rule:two , rule:three .\n"
        + rule("one", "CONSTRUCT { $this on:provides cap:a } WHERE { FILTER NOT EXISTS { $this on:provides cap:b } }", 2)
        + rule("two", "CONSTRUCT { $this on:provides cap:b } WHERE { $this on:provides cap:c }", 1)
        + rule("three", "CONSTRUCT { $this on:provides cap:c } WHERE { $this on:provides cap:a }", 3),
    )
    with pytest.raises(BadInput, match="one -> not provides b -> two -> provides c -> three -> provides a -> one"):
        load_rules(store)


def test_refuses_absence_of_what_is_concluded_later(tmp_path: Path) -> None:
    store = knowledge(
        tmp_path,
        "on:S sh:targetClass on:Request ; sh:rule rule:one , rule:two .\n"
        + rule("one", "CONSTRUCT { $this on:provides cap:a } WHERE { FILTER NOT EXISTS { $this on:provides cap:b } }", 1)
        + rule("two", "CONSTRUCT { $this on:provides cap:b } WHERE { $this on:provides cap:c }", 2),
    )
    with pytest.raises(BadInput, match=r"one -> not provides b -> two.*above 2"):
        load_rules(store)


def test_rules_of_the_whole_knowledge_base_look_at_what_a_request_brings(tmp_path: Path) -> None:
    store = knowledge(
        tmp_path,
        "cap:new on:implies cap:old .\n"
        "on:P sh:targetSubjectsOf on:provides ; sh:rule rule:implied . on:R sh:targetClass on:Request ; sh:rule rule:one .\n"
        + rule("implied", "CONSTRUCT { $this on:provides ?old } WHERE { $this on:provides ?new . ?new on:implies ?old }", 1)
        + rule("one", "CONSTRUCT { $this on:provides cap:new } WHERE { $this on:target ?t }", 1),
    )
    facts = [ox.Quad(REQUEST, ox.NamedNode(on("target")), ox.NamedNode("urn:t"), REQUEST_GRAPH)]
    assert Deriver(store, load_rules(store)).derive(facts).provides == {expand("cap:new"), expand("cap:old")}


def test_a_request_leaves_no_trace(tmp_path: Path) -> None:
    store = knowledge(
        tmp_path,
        "on:S sh:targetClass on:Request ; sh:rule rule:one .\n"
        + rule("one", "CONSTRUCT { $this on:excludes ?x } WHERE { $this on:target ?t . ?t on:dislikes ?x }", 3, "on:ConflictRule"),
    )
    before = set(store.store)
    target = ox.NamedNode("urn:t")
    facts = [
        ox.Quad(REQUEST, ox.NamedNode(RDF_TYPE), ox.NamedNode(on("Request")), REQUEST_GRAPH),
        ox.Quad(REQUEST, ox.NamedNode(on("target")), target, REQUEST_GRAPH),
        ox.Quad(target, ox.NamedNode(on("dislikes")), ox.NamedNode(expand("kb:eager")), REQUEST_GRAPH),
    ]
    rules = load_rules(store)
    derived = Deriver(store, rules).derive(facts)
    assert derived.excludes == {expand("kb:eager"): (expand("rule:one"),)}
    assert set(store.store) == before
    store.add(facts)
    found = matches(store, rules[0], REQUEST)
    assert [message(rules[0], bindings) for bindings in found] == ["one eager"]


def test_an_unverified_conflict_rule_never_forbids(tmp_path: Path) -> None:
    store = knowledge(
        tmp_path,
        "on:S sh:targetClass on:Request ; sh:rule rule:one . rule:one on:unverified true .\n"
        + rule("one", "CONSTRUCT { $this on:excludes kb:x } WHERE { $this a on:Request }", 3, "on:ConflictRule"),
    )
    assert load_rules(store) == []
