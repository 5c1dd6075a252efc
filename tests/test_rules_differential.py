"""One text of a rule concludes the same triples in the own executor, in pyshifty and in pySHACL."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pyoxigraph as ox
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kb.records.targets import load_target
from kb.records.workload import load_workload
from kb.store.sources import Source, shipped_sources
from kb.store.store import KnowledgeStore
from kb.store.terms import on
from reasoner.inference.derive import REQUEST
from reasoner.knowledge.compile import compile_sources
from reasoner.knowledge.rule_running import run_rules
from reasoner.knowledge.rules import load_rules
from reasoner.model.packages import requirement_facts
from reasoner.model.resolve import make_facts
from tests.oracles.shacl_rules import by_pyshacl, by_shifty, ntriples
from tests.turtle import PREFIX_LINES

RULE_FOLDERS = ("rules/prefixes.ttl", "rules/derivations/", "rules/conflicts/")


@pytest.fixture(scope="module")
def shipped() -> KnowledgeStore:
    return compile_sources(shipped_sources())[0]


@pytest.fixture(scope="module")
def shipped_rules() -> list[ox.Quad]:
    store = KnowledgeStore()
    for source in shipped_sources():
        if source.name.startswith(RULE_FOLDERS) and source.path.suffix == ".ttl":
            store.load_source(source)
    return list(store.store)


def concluded(store: KnowledgeStore, facts: list[ox.Quad]) -> set[str]:
    """What the own executor concludes of a request; the store is left as it was."""
    store.add(facts)
    try:
        added = run_rules(store, load_rules(store), REQUEST)
        store.remove(added)
        # What the request states itself is no conclusion; the executor adds it once more, in the graph of the
        # rule.
        return {line for line in ntriples(added).splitlines() if line} - set(ntriples(facts).splitlines())
    finally:
        store.remove(facts)


def read_by_rules(store: KnowledgeStore) -> list[ox.Quad]:
    """The part of the knowledge base that the rules read or have concluded, so that the reference engine need
    not index the rest.
    """
    predicates = {
        found.predicate
        for rule in load_rules(store)
        for found in (*rule.reads, *rule.negates, *rule.concludes)
    }
    assert None not in predicates
    return [quad for quad in store.store if quad.predicate.value in predicates]


EVERY = pytest.param(1, marks=pytest.mark.long, id="all")
SOME = pytest.param(10, id="a tenth")


@pytest.mark.slow
@pytest.mark.parametrize("share", [SOME, EVERY])
@pytest.mark.parametrize("target", ["genoa-node", "eos-h100"])
def test_shipped_rules_conclude_the_same_everywhere(
    shipped: KnowledgeStore, shipped_rules: list[ox.Quad], target: str, share: int
) -> None:
    """All rules; of the options, about which most are and which are most of the work of the reference engine,
    all or every so manieth.
    """
    facts = make_facts(load_workload("resnet50", shipped), load_target(target, shipped))
    known = with_some_options(shipped, share)
    own = concluded(known, facts)
    data = [*read_by_rules(known), *facts]
    assert len(own) > 50
    assert by_shifty(data, shipped_rules) == own
    assert by_pyshacl(data, shipped_rules) == own


def with_some_options(store: KnowledgeStore, share: int) -> KnowledgeStore:
    """The knowledge without what is said of the other options, chosen by chance."""
    if share == 1:
        return store
    options = sorted(
        {
            str(quad.subject)
            for quad in store.store.quads_for_pattern(None, ox.NamedNode(on("optionOf")), None, None)
        }
    )
    kept = set(random.Random(share).sample(options, len(options) // share))
    gone = set(options) - kept
    part = KnowledgeStore()
    part.add(quad for quad in store.store if str(quad.subject) not in gone)
    return part


def excluding(lines: set[str]) -> set[str]:
    """The short names of the options that conclusions exclude."""
    return {found[1] for line in lines if (found := re.search(r"#excludes> <[^>]*/([^>/]+)>", line))}


def test_what_requirements_leave_is_concluded_the_same(
    shipped: KnowledgeStore, shipped_rules: list[ox.Quad]
) -> None:
    facts = make_facts(load_workload("resnet50", shipped), load_target("eos-h100", shipped))
    facts += requirement_facts(
        ("torch==2.5.1", "numpy>=2", "torchvision==0.20.*", "deepspeed==0.16.4"), shipped
    )
    own = excluding(concluded(shipped, facts))
    assert {"torch-2.2.2", "deepspeed-zero"} <= own
    assert excluding(by_shifty([*read_by_rules(shipped), *facts], shipped_rules)) == own


LEVELS = 3
NODES = ["kb:n0", "kb:n1", "kb:n2", "kb:n3"]
CLASSES = ["on:C0", "on:C1", "on:C2"]
NUMBERS = ["1", "2", "3"]


@st.composite
def patterns(draw: st.DrawFn, subject: str, target: str, highest: int) -> str:
    """A triple pattern about what the strata up to `highest` (0: facts) are about."""
    level = draw(st.sampled_from([0, *range(highest + 1)]))
    if draw(st.sampled_from([False] * 4 + [True])):
        return f"{subject} a {CLASSES[level]} ."
    return f"{subject} on:p{level} {draw(st.sampled_from([target, target, target, target, NODES[0]]))} ."


@st.composite
def rule_texts(draw: st.DrawFn, level: int) -> str:
    """A rule that concludes into stratum `level`, reads it and those below, and negates only those below."""
    body = [
        f"$this on:p{draw(st.integers(0, level))} ?x ."
    ]  # a condition or a head about what nothing binds is refused
    for _ in range(draw(st.sampled_from([0, 0, 1, 2]))):
        body.append(
            draw(patterns(draw(st.sampled_from(["$this", "?x"])), draw(st.sampled_from(["?x", "?y"])), level))
        )
    kind = draw(st.sampled_from(["", "", "union", "optional", "values", "number", "bound"]))
    if kind == "union":
        body.append(
            f"{{ {draw(patterns('$this', '?z', level))} }} UNION {{ {draw(patterns('?x', '?z', level))} }}"
        )
    if kind == "optional":
        body.append(
            f"OPTIONAL {{ $this on:p{draw(st.integers(0, level - 1))} ?z . }} FILTER(BOUND(?z) || ?x != $this)"
        )
    if kind == "values":
        body.append(f"VALUES ?x {{ {' '.join(NODES[:3])} }}")
    if kind == "number":
        body.append(f"$this on:number ?n . FILTER(?n >= {draw(st.sampled_from(NUMBERS))})")
    if kind == "bound":
        body.append("BIND($this AS ?w) FILTER(?w != ?x)")
    if draw(st.sampled_from([False, False, True])):
        inner = draw(
            patterns(
                draw(st.sampled_from(["$this", "?x"])), draw(st.sampled_from(["?x", "?free"])), level - 1
            )
        )
        nested = (
            f" FILTER NOT EXISTS {{ {draw(patterns('?free', '$this', level - 1))} }}"
            if draw(st.integers(0, 2)) == 0
            else ""
        )
        body.append(f"FILTER NOT EXISTS {{ {inner}{nested} }}")
    head = draw(
        st.sampled_from(
            [f"$this on:p{level} ?x", f"$this a {CLASSES[level]}", f"$this on:p{level} {NODES[0]}"]
        )
    )
    return f"CONSTRUCT {{ {head} }} WHERE {{ {' '.join(body)} }}"


@st.composite
def rule_bases(draw: st.DrawFn) -> str:
    """Facts and rules of several strata, on shapes with different targets."""
    nodes, values = st.sampled_from(NODES), st.sampled_from(NODES)
    facts = [f"{s} on:p0 {o} ." for s, o in draw(st.lists(st.tuples(nodes, values), min_size=5, max_size=9))]
    facts += [
        f"{s} a {c} ."
        for s, c in draw(st.lists(st.tuples(nodes, st.sampled_from(CLASSES)), min_size=1, max_size=4))
    ]
    facts += [
        f"{s} on:number {n} ."
        for s, n in draw(st.lists(st.tuples(nodes, st.sampled_from(NUMBERS)), min_size=2, max_size=4))
    ]
    lines = [
        "on:A sh:targetSubjectsOf on:p0 . on:B sh:targetObjectsOf on:p0 . on:C sh:targetClass on:C0 . on:D sh:targetNode kb:n0 , kb:n1 .",
        "on:A a sh:NodeShape . on:B a sh:NodeShape . on:C a sh:NodeShape . on:D a sh:NodeShape .",
    ]
    for number in range(draw(st.integers(3, 6))):
        level = draw(st.integers(1, LEVELS - 1))
        text = draw(rule_texts(level))
        lines.append(f"on:{draw(st.sampled_from('ABCD'))} sh:rule rule:r{number} .")
        lines.append(
            f'rule:r{number} a sh:SPARQLRule ; sh:order {level} ; sh:prefixes on:prefixes ; sh:construct "{text}" .'
        )
    return "\n".join([*facts, *lines])


@pytest.mark.slow
@settings(max_examples=60, suppress_health_check=list(HealthCheck))
@given(text=rule_bases())
def test_generated_rules_conclude_the_same_everywhere(
    text: str, shipped_rules: list[ox.Quad], tmp_path: Path
) -> None:
    file = tmp_path / "rules.ttl"
    file.write_text(PREFIX_LINES + text, encoding="utf-8")
    store = KnowledgeStore()
    store.add(quad for quad in shipped_rules if quad.graph_name.value.endswith("prefixes.ttl"))
    store.load_source(Source(file, "rules.ttl"))
    given_quads = list(store.store)
    own = {line for line in ntriples(run_rules(store, load_rules(store))).splitlines() if line}
    own -= set(ntriples(given_quads).splitlines())
    assert by_shifty(given_quads, given_quads) == own
    assert by_pyshacl(given_quads, given_quads) == own
