"""Rules that divide are answered from what was looked up once, with the conclusions that SPARQL has."""

from __future__ import annotations

import pyoxigraph as ox
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kb.store.store import KnowledgeStore
from kb.store.terms import PREFIXES, RDF_TYPE, on
from reasoner.inference.derive import REQUEST, REQUEST_GRAPH, Deriver
from reasoner.inference.forall_rules import forall_rule_of
from reasoner.knowledge.rule_running import conclusions
from reasoner.knowledge.rules import Rule, read_rules
from tests.turtle import PREFIX_LINES

ALL_HELD = "FILTER NOT EXISTS { ?thing on:when ?asked . FILTER NOT EXISTS { $this a ?asked } }"
DIVIDING = f"CONSTRUCT {{ $this on:applies ?thing }} WHERE {{ {{ ?thing a on:Effect }} UNION {{ ?thing a on:Conflict }} {ALL_HELD} }}"
OTHERS = {
    "nothing is asked for": "CONSTRUCT { $this on:applies ?thing } WHERE { $this a ?asked . ?thing on:when ?asked }",
    "the things are the request's": DIVIDING.replace(
        "?thing a on:Effect", "?thing a on:Effect . $this on:target ?thing"
    ),
    "what is asked for is bound outside": DIVIDING.replace(
        "?thing a on:Effect", "?thing a on:Effect ; on:option ?asked"
    ),
    "some is enough": DIVIDING.replace("FILTER NOT EXISTS { $this", "FILTER EXISTS { $this"),
    "another thing asks": DIVIDING.replace("?thing on:when", "?other on:when"),
}
NAMES = st.frozensets(st.sampled_from("abcd"))


def quad(
    subject: str, predicate: str, value: str, graph: ox.NamedNode | ox.DefaultGraph | None = None
) -> ox.Quad:
    return ox.Quad(
        ox.NamedNode(subject), ox.NamedNode(predicate), ox.NamedNode(value), graph or ox.DefaultGraph()
    )


def sit(name: str) -> str:
    return PREFIXES["sit"] + name


def knowledge(construct: str, things: list[tuple[str, frozenset[str]]]) -> tuple[KnowledgeStore, Rule]:
    store = KnowledgeStore()
    text = f"""
      on:Shape sh:targetClass on:Request ; sh:rule rule:tried .
      rule:tried a sh:SPARQLRule ; sh:order 1 ; sh:construct "{construct}" ."""
    store.store.load(input=(PREFIX_LINES + text).encode(), format=ox.RdfFormat.TURTLE)
    for number, (kind, asked) in enumerate(things):
        thing = f"urn:thing-{number}"
        store.add([quad(thing, RDF_TYPE, on(kind)), *(quad(thing, on("when"), sit(name)) for name in asked)])
    [rule] = read_rules(store)
    return store, rule


def facts(*said: ox.Quad, held: frozenset[str] = frozenset()) -> list[ox.Quad]:
    own = [quad(REQUEST.value, RDF_TYPE, iri, REQUEST_GRAPH) for iri in (on("Request"), *map(sit, held))]
    return [*own, *said]


def by_sparql(store: KnowledgeStore, rule: Rule, said: list[ox.Quad]) -> set[ox.Quad]:
    asked = KnowledgeStore()
    asked.add([*store.store, *said])
    return set(conclusions(asked, rule, REQUEST))


@pytest.mark.parametrize("further", ["", "?thing on:given ?other"])
@given(
    things=st.lists(st.tuples(st.sampled_from(["Effect", "Conflict", "Option"]), NAMES), max_size=8),
    requests=st.lists(NAMES, min_size=1, max_size=4),
)
def test_division_concludes_what_sparql_concludes(
    further: str, things: list[tuple[str, frozenset[str]]], requests: list[frozenset[str]]
) -> None:
    store, rule = knowledge(DIVIDING[:-1] + further + " }", things)
    store.add(quad(f"urn:thing-{number}", on("given"), "urn:other") for number in range(0, len(things), 2))
    assert forall_rule_of(store, rule, REQUEST) is not None
    deriver = Deriver(store, [rule])
    for held in requests:
        said = facts(held=held)
        assert deriver.derive(said).applies == {
            concluded.object.value for concluded in by_sparql(store, rule, said)
        }


@pytest.mark.parametrize("construct", OTHERS.values(), ids=OTHERS)
def test_other_rules_do_not_divide(construct: str) -> None:
    store, rule = knowledge(construct, [("Effect", frozenset("a")), ("Effect", frozenset("ab"))])
    assert forall_rule_of(store, rule, REQUEST) is None
    said = facts(held=frozenset("a"))
    assert Deriver(store, [rule]).derive(said).applies == {
        concluded.object.value for concluded in by_sparql(store, rule, said)
    }


@pytest.mark.parametrize(
    "own",
    [
        quad("urn:thing-0", on("when"), sit("b"), REQUEST_GRAPH),
        quad("urn:thing-2", RDF_TYPE, on("Effect"), REQUEST_GRAPH),
    ],
    ids=["a thing asks for more", "a thing of its own"],
)
def test_a_request_that_says_more_of_the_things_is_answered_with_it(own: ox.Quad) -> None:
    store, rule = knowledge(DIVIDING, [("Effect", frozenset("a")), ("Conflict", frozenset())])
    deriver = Deriver(store, [rule])
    assert deriver.derive(facts(held=frozenset("a"))).applies == {"urn:thing-0", "urn:thing-1"}
    said = facts(own, held=frozenset("a"))
    expected = {concluded.object.value for concluded in by_sparql(store, rule, said)}
    assert deriver.derive(said).applies == expected != {"urn:thing-0", "urn:thing-1"}
    assert deriver.derive(facts(held=frozenset("a"))).applies == {"urn:thing-0", "urn:thing-1"}
