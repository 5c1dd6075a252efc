"""Deriving for one request alone concludes what the whole closure with that request in it concludes."""

from __future__ import annotations

import random
from collections import defaultdict
from typing import Any

import pyoxigraph as ox
import pytest

from kb.records.target import complete_target
from kb.records.targets import load_target, target_names
from kb.records.workload import load_workload, workload_names
from kb.store.sources import shipped_sources
from kb.store.store import KnowledgeStore
from kb.store.terms import FILE, RDF_TYPE, on
from reasoner.inference.derive import REQUEST, REQUEST_GRAPH, Derived, Deriver
from reasoner.knowledge.closure import close
from reasoner.knowledge.compile import compile_sources
from reasoner.knowledge.rule_running import run_rules
from reasoner.knowledge.rules import load_rules
from reasoner.model.resolve import make_facts

REQUESTS = 300
OWN = "urn:ontune:"
FEATURES = ("avx2", "avx512f", "avx512_bf16", "avx512_fp16", "amx_bf16", "sse4_2")
GPUS = (
    {"compute_capability": "6.1", "driver": "470.1"},
    {"compute_capability": "9.0", "driver": "580.2"},
    {"arch": "gfx942"},
)


@pytest.fixture(scope="module")
def requests() -> list[list[ox.Quad]]:
    """The facts of random requests: shipped and made-up targets, shipped workloads."""
    chance = random.Random(20261123)
    workloads = [load_workload(name) for name in workload_names()]
    shipped = [load_target(name) for name in target_names()]
    found = []
    for number in range(REQUESTS):
        cores = chance.choice([1, 2, 64])
        made_up = {
            "cpu": {
                "features": chance.sample(FEATURES, chance.randrange(len(FEATURES))),
                "vendor": chance.choice(["AuthenticAMD", "GenuineIntel", None]),
                "cores": cores,
                "usable_cores": chance.choice([1, cores]),
            },
            "gpus": chance.choice([[], None, [chance.choice(GPUS)]]),
            "exclusive": chance.choice([True, False, None]),
            "registry": chance.choice([True, False, None]),
            "memory_gib": chance.choice([4, 512, None]),
        }
        target = (
            chance.choice(shipped)
            if shipped and chance.random() < 0.5
            else complete_target(f"random-{number}", made_up, "test")
        )
        found.append(make_facts(chance.choice(workloads), target))
    return found


def renamed(quads: list[ox.Quad], number: int) -> list[ox.Quad]:
    """The same facts about nodes of their own."""

    def own(term: Any) -> Any:
        return (
            ox.NamedNode(f"{term.value}-{number}")
            if isinstance(term, ox.NamedNode) and term.value.startswith(OWN)
            else term
        )

    return [ox.Quad(own(quad.subject), quad.predicate, own(quad.object), REQUEST_GRAPH) for quad in quads]


def test_deriving_for_a_request_alone_is_the_closure_with_it(requests: list[list[ox.Quad]]) -> None:
    snapshot, _ = compile_sources(shipped_sources())
    rules = load_rules(snapshot)
    # One for all, so that what it remembers of one request must not show in another.
    deriver = Deriver(snapshot, rules)
    alone = [deriver.derive(facts) for facts in requests]

    together = KnowledgeStore()
    together.load_sources(shipped_sources())
    together.complete()
    for number, facts in enumerate(requests):
        together.add(renamed(facts, number))
    close(together.store, ox.NamedNode(FILE + "closure"))
    # Stratum by stratum: what a request provides implies more, by a rule that asks no request.
    run_rules(together, rules)

    for number, one in enumerate(alone):
        assert concluded(one) == concluded(derived_in(together, ox.NamedNode(f"{REQUEST.value}-{number}")))
    assert len({frozenset(one.excludes) for one in alone}) > 10
    assert len({one.situations for one in alone}) > 10


def derived_in(store: KnowledgeStore, request: ox.NamedNode) -> Derived:
    def said(predicate: str) -> dict[str, frozenset[str]]:
        found: dict[str, set[str]] = defaultdict(set)
        for quad in store.store.quads_for_pattern(request, ox.NamedNode(predicate), None, None):
            if isinstance(quad.object, ox.NamedNode) and isinstance(quad.graph_name, ox.NamedNode):
                found[quad.graph_name.value].add(quad.object.value)
        return {graph: frozenset(values) for graph, values in found.items()}

    provides, situations, applies = (
        frozenset[str]().union(*said(name).values()) for name in (on("provides"), RDF_TYPE, on("applies"))
    )
    return Derived(provides, situations, applies, said(on("excludes")))


def concluded(derived: Derived) -> tuple[frozenset[str], ...]:
    situations = frozenset(name for name in derived.situations if "/situation/" in name)
    return derived.provides, situations, derived.applies, frozenset(derived.excludes)


def test_the_store_is_left_as_it_was(requests: list[list[ox.Quad]]) -> None:
    snapshot, _ = compile_sources(shipped_sources())
    before = set(snapshot.store)
    Deriver(snapshot, load_rules(snapshot)).derive(requests[0])
    assert set(snapshot.store) == before
    assert not snapshot.ask(f"ASK {{ <{REQUEST.value}> <{RDF_TYPE}> <{on('Request')}> }}")
