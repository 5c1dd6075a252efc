"""The compact form of a compiled knowledge base: in parts it answers as the whole does."""

from __future__ import annotations

from functools import cache

import msgspec
import pyoxigraph as ox
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kb.errors import NoFeasiblePlan
from kb.records.targets import load_target, target_names
from kb.records.workload import load_workload
from kb.store.shards import Compact, Kept, shards_of
from kb.store.snapshot import PLANNING
from kb.store.store import KnowledgeStore
from kb.store.terms import PREFIXES, RDF_TYPE
from reasoner.knowledge.compile import compile_snapshot
from reasoner.reasoner import Reasoner
from tests.turtle import PREFIX_LINES

NAMES = [ox.NamedNode(f"urn:n{number}") for number in range(6)]
BLANK = [ox.BlankNode(f"b{number}") for number in range(4)]
PREDICATES = [*NAMES[:3], ox.NamedNode(RDF_TYPE)]
QUADS = st.builds(
    ox.Quad,
    st.sampled_from([*NAMES, *BLANK]),
    st.sampled_from(PREDICATES),
    st.sampled_from([*NAMES, *BLANK, ox.Literal("text")]),
    st.just(ox.NamedNode("urn:g")),
)


@cache
def planning_part() -> bytes:
    return compile_snapshot([]).memory[PLANNING]


@cache
def in_parts() -> Reasoner:
    return Reasoner([])


@cache
def whole() -> Reasoner:
    compact, store = KnowledgeStore(), KnowledgeStore()
    compact.load_compact(planning_part())
    store.load_quads(compact.dump())
    return Reasoner(store=store)


def loaded(quads: list[ox.Quad]) -> KnowledgeStore:
    store = KnowledgeStore()
    store.load_compact(Compact(shards_of(quads), Kept()).encode())
    return store


def engine_with(quads: list[ox.Quad]) -> ox.Store:
    store = ox.Store()
    store.extend(quads)
    return store


def shape(quads: list[ox.Quad]) -> list[str]:
    """Quads whatever their blank nodes are called."""
    return sorted(
        " ".join("_" if isinstance(term, ox.BlankNode) else str(term) for term in quad) for quad in quads
    )


@given(
    st.lists(QUADS, max_size=40),
    st.lists(st.tuples(st.sampled_from(PREDICATES), st.sampled_from([None, *NAMES]))),
)
def test_a_pattern_finds_in_parts_what_it_finds_in_the_whole(
    quads: list[ox.Quad], asked: list[tuple[ox.NamedNode, ox.NamedNode | None]]
) -> None:
    engine = engine_with(quads)
    store = loaded(quads)
    for predicate, value in asked:
        expected = list(engine.quads_for_pattern(None, predicate, value, None))
        assert shape(list(store.quads(None, predicate, value))) == shape(expected)
    assert shape(list(store.store)) == shape(list(engine))


@given(st.lists(QUADS, max_size=40), st.lists(st.sampled_from(PREDICATES), max_size=3))
def test_what_hangs_together_by_blank_nodes_stays_together(
    quads: list[ox.Quad], first: list[ox.NamedNode]
) -> None:
    store = loaded(quads)
    for predicate in first:
        list(store.quads(None, predicate, None))
    joined = "SELECT ?a ?b ?c WHERE { ?a ?p ?b . ?b ?q ?c FILTER(ISBLANK(?b)) }"
    expected: object = engine_with(quads).query(joined, use_default_graph_as_union=True)
    assert len(store.select(joined)) == len(list(expected))  # type: ignore[call-overload]


def test_what_was_asked_when_it_was_compiled_is_answered_without_a_triple() -> None:
    source = f'{PREFIX_LINES} kb:a a on:Option ; skos:notation "a" ; dct:source <urn:book> .'
    query = "SELECT ?option WHERE { ?option a on:Option }"
    stated = KnowledgeStore()
    stated.store.load(source.encode(), format=ox.RdfFormat.TURTLE, to_graph=ox.NamedNode("urn:g"))
    store = KnowledgeStore()
    store.load_compact(stated.compact([query]))
    iri = PREFIXES["kb"] + "a"
    assert store.select(query) == [{"option": iri}]
    assert store.objects(iri, PREFIXES["skos"] + "notation") == ["a"]
    assert store.subjects(PREFIXES["skos"] + "notation", "a") == [iri]
    assert store.sources_of(iri) == ("urn:book",)
    assert not store.whole


def test_what_is_added_later_is_answered_too() -> None:
    stated = KnowledgeStore()
    stated.add([ox.Quad(NAMES[0], ox.NamedNode(PREFIXES["skos"] + "notation"), ox.Literal("a"), NAMES[5])])
    query = "SELECT ?name WHERE { ?any skos:notation ?name } ORDER BY ?name"
    store = KnowledgeStore()
    store.load_compact(stated.compact([query]))
    store.add([ox.Quad(NAMES[1], ox.NamedNode(PREFIXES["skos"] + "notation"), ox.Literal("b"), NAMES[5])])
    assert [row["name"] for row in store.select(query)] == ["a", "b"]
    assert store.objects(NAMES[1].value, PREFIXES["skos"] + "notation") == ["b"]


def test_what_is_removed_is_answered_no_more() -> None:
    quad = ox.Quad(NAMES[0], ox.NamedNode(PREFIXES["skos"] + "notation"), ox.Literal("a"), NAMES[5])
    query = "SELECT ?name WHERE { ?any skos:notation ?name }"
    stated, store = KnowledgeStore(), KnowledgeStore()
    stated.add([quad])
    store.load_compact(stated.compact([query]))
    assert store.select(query)
    store.remove([quad])
    assert store.select(query) == []
    assert store.subjects(quad.predicate.value, "a") == []


def test_what_is_no_compact_form_is_refused() -> None:
    with pytest.raises(msgspec.DecodeError):
        KnowledgeStore().load_compact(b"<urn:s> <urn:p> <urn:o> <urn:g> .\n")


@pytest.mark.parametrize("target", target_names())
def test_plans_are_those_of_the_whole_knowledge_base(target: str) -> None:
    """The parts that rules say they read are enough, in whatever order requests come."""

    def answer(reasoner: Reasoner) -> object:
        job = load_workload("mnist-cnn" if "gpu" in target else "resnet50", reasoner.store)
        try:
            plan = reasoner.plan(job, load_target(target, reasoner.store)).to_json()
        except NoFeasiblePlan as error:
            return str(error)
        return plan | {"knowledge": None, "plan_id": None}

    assert answer(in_parts()) == answer(whole())


def test_a_plan_reads_a_part_of_what_is_known() -> None:
    reasoner = Reasoner([])
    reasoner.plan(
        load_workload("mnist-cnn", reasoner.store), load_target("genoa-node", reasoner.store)
    ).to_json()
    assert not reasoner.store.whole
