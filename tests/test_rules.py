"""Rules: what their text says, stratification, fixpoints, isolation of requests."""

from __future__ import annotations

import re
from pathlib import Path

import pyoxigraph as ox
import pytest

from kb.errors import BadInput
from kb.store.sources import Source
from kb.store.store import KnowledgeStore
from kb.store.terms import RDF_TYPE, expand, on, prefixed
from reasoner.inference.derive import REQUEST, REQUEST_GRAPH, Deriver
from reasoner.knowledge.rule_algebra import read_rule
from reasoner.knowledge.rule_reading import RuleReading, signatures_of
from reasoner.knowledge.rule_running import matches, run_rules
from reasoner.knowledge.rules import load_rules, message
from tests.turtle import PREFIX_LINES


def knowledge(tmp_path: Path, turtle: str) -> KnowledgeStore:
    file = tmp_path / "facts.ttl"
    file.write_text(PREFIX_LINES + turtle, encoding="utf-8")
    store = KnowledgeStore()
    store.load_source(Source(file, "facts.ttl"))
    return store


def rule(name: str, text: str, order: int = 1, kind: str = "on:Derivation") -> str:
    return f'rule:{name} a sh:SPARQLRule , {kind} ; sh:order {order} ; rdfs:label "{name}" ; on:message "{name} {{?x}}" ; sh:construct "{text}" .\n'


def read(body: str, head: str = "$this on:provides ?c") -> RuleReading:
    return read_rule(f"CONSTRUCT {{ {head} }} WHERE {{ $this on:asks ?c . {body} }}")


def named(reading: RuleReading, **flags: bool) -> set[str]:
    """What the patterns of a body read, those with these flags: short names of predicates, or `any`."""
    wanted = [
        one for one in reading.body if all(getattr(one, name) == value for name, value in flags.items())
    ]
    return {prefixed(one.predicate) if one.predicate else "any" for one in signatures_of(wanted)} - {
        "on:asks"
    }


def test_reads_what_matters_of_a_text() -> None:
    reading = read(
        "$this on:target/on:gpu ?g . ?g on:arch ?a ; on:driver ?d , ?e . # a comment with } and .\n"
        " OPTIONAL { ?g on:model ?m } { ?g on:x 'y' } UNION { ?g on:z ?q } FILTER NOT EXISTS { $this on:excludes ?c }"
        " FILTER(STRSTARTS(?a, 'sm')) FILTER(?d > 3 && EXISTS { ?g on:w ?v }) BIND(1 AS ?n) VALUES ?c { cap:a }"
    )
    assert [pattern.text for pattern in reading.head] == [f"?this <{on('provides')}> ?c ."]
    assert named(reading, certain=True) == {"on:target", "on:gpu", "on:arch", "on:driver"}
    assert named(reading, negated=True) == {"on:excludes"}
    assert named(reading, certain=False, negated=False) == {"on:model", "on:x", "on:z", "on:w"}
    assert RuleReading.from_json(reading.to_json()) == reading


# what a body holds: what it reads, and what of that counts as its absence
HELD = {
    "a blank node as object": ("?c on:uses [ on:name ?n ; on:held [ a on:Value ] ]", {"on:uses", "on:name", "on:held", "rdf:type"}, set()),
    "a blank node as subject": ("[ on:of ?c ] on:held true . [] on:near ?c", {"on:of", "on:held", "on:near"}, set()),
    "a blank node with a name": ("_:one on:of ?c . ?c on:to _:one", {"on:of", "on:to"}, set()),
    "a list": ("?c on:pair ( kb:x ?y )", {"on:pair", "rdf:first", "rdf:rest"}, set()),
    "a path of all kinds": ("?c (on:a|^on:b)+/on:c? ?d", {"on:a", "on:b", "on:c"}, set()),
    "a path but one": ("?c !on:a ?d", {"any"}, set()),
    "a path that may stay anywhere": ("FILTER EXISTS { ?a on:a* ?b }", {"any"}, set()),
    "a path that may stay where it is": ("?c on:a* ?b", {"on:a"}, set()),
    "absence within absence": ("FILTER NOT EXISTS { ?c on:a ?x FILTER NOT EXISTS { ?x on:b ?c } }", {"on:a", "on:b"}, {"on:a", "on:b"}),
    "absence in a choice": ("FILTER(?c = kb:x || !EXISTS { ?c on:a ?x })", {"on:a"}, {"on:a"}),
    "no absence of absence": ("FILTER(!(NOT EXISTS { ?c on:a ?x }))", {"on:a"}, set()),
    "existence as a value": ("BIND(EXISTS { ?c on:a ?x } AS ?y)", {"on:a"}, {"on:a"}),
    "an optional that must be there": ("OPTIONAL { ?c on:a ?x } FILTER(BOUND(?x) && ?x > 3)", {"on:a"}, set()),
    "an optional that must not be there": ("OPTIONAL { ?c on:a ?x } FILTER(?c = kb:y || !BOUND(?x))", {"on:a"}, {"on:a"}),
    "an optional with a value in its place": ("OPTIONAL { ?c on:a ?x } BIND(COALESCE(?x, 1) AS ?y)", {"on:a"}, {"on:a"}),
    "an optional under another name": ("OPTIONAL { ?c on:a ?x } BIND(?x AS ?y) FILTER(BOUND(?y) = false)", {"on:a"}, {"on:a"}),
    "an optional that absence asks about": (
        "OPTIONAL { ?c on:a ?x } FILTER NOT EXISTS { ?c on:b ?y FILTER(?y = ?x) }", {"on:a", "on:b"}, {"on:a", "on:b"}),
    "something that looks like a rule": ("FILTER(?c != '} WHERE { ?x on:a ?y') # ?x on:b ?y .\n", set(), set()),
}  # fmt: skip


@pytest.mark.parametrize("name", HELD)
def test_everything_that_a_body_may_hold_is_read(name: str) -> None:
    body, reads, negates = HELD[name]
    reading = read(body)
    assert named(reading) == reads
    assert named(reading, negated=True) == negates


REFUSED = [
    ("MINUS { ?c on:a ?x }", "MINUS; write FILTER NOT EXISTS"),
    ("GRAPH ?g { ?c on:a ?x }", "GRAPH; a rule reads all"),
    ("SERVICE <urn:x> { ?c on:a ?x }", "it asks another service (SERVICE)"),
    (
        "{ SELECT ?c (COUNT(?x) AS ?n) WHERE { ?c on:a ?x } GROUP BY ?c }",
        "(SELECT); write what it finds as a derivation of its own",
    ),
    ("{ SELECT ?c WHERE { ?c on:a ?x } LIMIT 1 }", "LIMIT or OFFSET; which rows"),
    ("FILTER(NOW() > ?c)", "NOW(); a rule concludes the same at any time"),
    ("FILTER(?c = 1 || RAND() > 0.5)", "RAND()"),
    ("BIND(UUID() AS ?x)", "UUID(); a rule makes no new node"),
    ("FILTER(<urn:own>(?c))", "it calls <urn:own>"),
    ("VALUES $this { kb:a }", "it gives $this a value"),
    ("BIND(kb:a AS $this)", "it gives $this a value"),
    ("FILTER EXISTS { { ?c on:a ?x } }", "braces around braces"),
    (
        "{ ?c on:a ?x } UNION { ?c on:b ?x FILTER(?x != $this) }",
        "a condition asks about $this, which nothing in the same braces binds",
    ),
    ("{ ?x on:a ?y FILTER(?x = ?c) }", "a condition asks about ?c, which nothing"),
    (
        "FILTER EXISTS { ?c on:a ?x . { ?x on:b ?y FILTER(?y = ?c) } }",
        "a condition asks about ?c, which nothing",
    ),
    ("{ OPTIONAL { $this on:a ?x } ?y on:b ?c }", "an OPTIONAL speaks of $this, which no pattern before it"),
    ("OPTIONAL { ?c on:a ?x } ?x on:b ?y", "?x comes from an OPTIONAL and stands in a pattern outside of it"),
    ("OPTIONAL { ?c on:a ?x } FILTER EXISTS { ?x on:b ?y }", "?x comes from an OPTIONAL"),
    ("OPTIONAL { ?c on:a ?x } BIND(?x AS ?y) ?y on:b ?z", "?y comes from an OPTIONAL"),
    (f"?c on:a {'[ on:b ' * 30} ?x {']' * 30}", "31 brackets stand open"),
    ("?c on:a ?x . " * 2000, "at most 20000 are read"),
    ("?c other:a ?x", "unknown prefix other:"),
    ("?c on:a", "no CONSTRUCT query"),
]


@pytest.mark.parametrize(("body", "said"), REFUSED)
def test_what_a_rule_may_not_hold_is_refused_by_name(body: str, said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        read(body)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("SELECT * WHERE { ?s ?p ?o }", "CONSTRUCT { head }"),
        ("CONSTRUCT { $this on:x ?y", "CONSTRUCT { head }"),
        ("CONSTRUCT WHERE { $this on:x ?y }", "CONSTRUCT { head }"),
        ("PREFIX on: <urn:x> CONSTRUCT { $this on:x ?y } WHERE { $this on:x ?y }", "prefixes or a base of its own"),
        ("CONSTRUCT { $this on:x ?y } FROM <urn:x> WHERE { $this on:x ?y }", "FROM"),
        ("CONSTRUCT { $this on:x ?y } WHERE { $this on:x ?y } ORDER BY ?y", "ORDER BY"),
        ("CONSTRUCT { $this on:x ?y } WHERE { $this on:x ?y } VALUES ?y { 1 }", "behind its body"),
        ("CONSTRUCT { ?y on:x $this } WHERE { $this on:x ?y }", "a head's subject is $this"),
        ("CONSTRUCT { $this on:x [] } WHERE { $this on:x ?y }", "a blank node"),
        ("CONSTRUCT { $this on:x ?z } WHERE { $this on:x ?y }", "its head has ?z, which nothing in its body binds"),
        ("CONSTRUCT { } WHERE { $this on:x ?y }", "CONSTRUCT { head }"),
        ("CONSTRUCT { $this on:x kb:a } WHERE { ?x on:x ?y }", "does not mention $this"),
        ("CONSTRUCT { $this on:x kb:a } WHERE { { $this on:x ?y FILTER(?y > 1) } }", "braces around braces"),
    ],
)  # fmt: skip
def test_refuses_a_text_of_another_form(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        read_rule(text)


def test_a_rule_reaches_its_fixpoint_and_concludes_into_its_own_graph(tmp_path: Path) -> None:
    store = knowledge(
        tmp_path,
        "cap:c on:implies cap:b . cap:b on:implies cap:a . kb:o on:provides cap:c . on:S sh:targetSubjectsOf on:provides ; sh:rule rule:implied .\n"
        + rule(
            "implied",
            "CONSTRUCT { $this on:provides ?old } WHERE { $this on:provides ?new . ?new on:implies ?old }",
        ),
    )
    added = run_rules(store, load_rules(store))
    assert {quad.object.value for quad in added} == {expand("cap:a"), expand("cap:b")}
    assert {quad.graph_name.value for quad in added} == {expand("rule:implied")}


def test_refuses_a_cycle_through_a_negation_with_its_path(tmp_path: Path) -> None:
    store = knowledge(
        tmp_path,
        "on:S sh:targetClass on:Request ; sh:rule rule:one , rule:two , rule:three .\n"
        + rule(
            "one",
            "CONSTRUCT { $this on:provides cap:a } WHERE { FILTER NOT EXISTS { $this on:provides cap:b } }",
            2,
        )
        + rule("two", "CONSTRUCT { $this on:provides cap:b } WHERE { $this on:provides cap:c }", 1)
        + rule("three", "CONSTRUCT { $this on:provides cap:c } WHERE { $this on:provides cap:a }", 3),
    )
    with pytest.raises(
        BadInput, match="one -> not provides b -> two -> provides c -> three -> provides a -> one"
    ):
        load_rules(store)


def test_refuses_absence_of_what_is_concluded_later(tmp_path: Path) -> None:
    store = knowledge(
        tmp_path,
        "on:S sh:targetClass on:Request ; sh:rule rule:one , rule:two .\n"
        + rule(
            "one",
            "CONSTRUCT { $this on:provides cap:a } WHERE { FILTER NOT EXISTS { $this on:provides cap:b } }",
            1,
        )
        + rule("two", "CONSTRUCT { $this on:provides cap:b } WHERE { $this on:provides cap:c }", 2),
    )
    with pytest.raises(BadInput, match=r"one -> not provides b -> two.*above 2"):
        load_rules(store)


def test_rules_of_the_whole_knowledge_base_look_at_what_a_request_brings(tmp_path: Path) -> None:
    store = knowledge(
        tmp_path,
        "cap:new on:implies cap:old .\n"
        "on:P sh:targetSubjectsOf on:provides ; sh:rule rule:implied . on:R sh:targetClass on:Request ; sh:rule rule:one .\n"
        + rule(
            "implied",
            "CONSTRUCT { $this on:provides ?old } WHERE { $this on:provides ?new . ?new on:implies ?old }",
            1,
        )
        + rule("one", "CONSTRUCT { $this on:provides cap:new } WHERE { $this on:target ?t }", 1),
    )
    facts = [ox.Quad(REQUEST, ox.NamedNode(on("target")), ox.NamedNode("urn:t"), REQUEST_GRAPH)]
    assert Deriver(store, load_rules(store)).derive(facts).provides == {expand("cap:new"), expand("cap:old")}


def test_a_request_leaves_no_trace(tmp_path: Path) -> None:
    store = knowledge(
        tmp_path,
        "on:S sh:targetClass on:Request ; sh:rule rule:one .\n"
        + rule(
            "one",
            "CONSTRUCT { $this on:excludes ?x } WHERE { $this on:target ?t . ?t on:dislikes ?x }",
            3,
            "on:ConflictRule",
        ),
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
        + rule(
            "one", "CONSTRUCT { $this on:excludes kb:x } WHERE { $this a on:Request }", 3, "on:ConflictRule"
        ),
    )
    assert load_rules(store) == []
