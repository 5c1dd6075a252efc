"""Planning from Turtle against brute force and clingo, on knowledge bases that hypothesis makes up.

Store, rules, derivation, grounding and choice run as they do for a user; the expected answers come from what
the Turtle means.
"""

from __future__ import annotations

import itertools
from functools import cache
from pathlib import Path

import pyoxigraph as ox
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kb.store.paths import shipped
from kb.store.sources import Source
from kb.store.store import KnowledgeStore
from kb.store.terms import PREFIXES, RDF_TYPE, local_name, on
from reasoner.inference.derive import REQUEST, REQUEST_GRAPH, WORKLOAD, Deriver
from reasoner.knowledge.rule_running import run_rules
from reasoner.knowledge.rules import Rule, load_rules
from reasoner.model.catalogue import Catalogue
from reasoner.model.ground import Problem, ground
from reasoner.solve import Solution, solve
from tests.oracles import brute_force, clingo_oracle
from tests.oracles.made_up_knowledge import Knowledge, Meaning, Option, Statement

CAPABILITIES = ["c0", "c1", "c2", "c3"]
SITUATIONS = ["Training", "Convolutional", "DeepConvolutional", "Tiny"]
FLAWS = [*[""] * 16, "ended", "lossy", "hack", "for inference"]
RATIOS = [
    (1.5, 1.4, 1.6),
    (1.2, 1.1, 1.3),
    (1.2, 0.9, 1.5),
    (0.8, 0.7, 0.9),
    (2.0, 1.9, 2.2),
    (1.1, 1.05, 1.2),
]
RARELY = st.sampled_from([True, False, False, False, False])


@st.composite
def subsets(draw: st.DrawFn, of: list[str], most: int) -> frozenset[str]:
    return frozenset(draw(st.lists(st.sampled_from(of), max_size=most, unique=True))) if of else frozenset()


@st.composite
def statements(draw: st.DrawFn, name: str, options: dict[str, str], *, effect: bool) -> Statement:
    about = draw(st.sampled_from(sorted(options)))
    others = sorted(option for option, decision in options.items() if decision != options[about])
    return Statement(
        name,
        about,
        draw(subsets(others, 3)),
        draw(subsets(SITUATIONS, 2)),
        draw(st.sampled_from(RATIOS)) if effect else None,
        unverified=not effect and draw(RARELY),
    )


@st.composite
def knowledge_bases(draw: st.DrawFn) -> Knowledge:
    sizes = draw(st.lists(st.sampled_from([1, 2, 3, 3, 4]), min_size=3, max_size=5))
    names = {f"d{i}o{j}": f"d{i}" for i, size in enumerate(sizes) for j in range(size)}
    options = tuple(
        Option(
            name,
            decision,
            needs=draw(subsets([*CAPABILITIES, *names], 2)) if draw(RARELY) else frozenset(),
            provides=draw(subsets(CAPABILITIES, 2)),
            version_key=draw(st.sampled_from(["", "", "0001", "0002"])),
            flaw=draw(st.sampled_from(FLAWS)),
        )
        for name, decision in names.items()
    )
    pairs = st.sampled_from([(CAPABILITIES[i], CAPABILITIES[j]) for i in range(4) for j in range(i)])
    kinds = st.sampled_from([("DeepConvolutional", "Convolutional"), ("Tiny", "Convolutional")])
    gifts = st.tuples(st.sampled_from(SITUATIONS), st.sampled_from(CAPABILITIES))
    pinned = draw(subsets(sorted(names), 2)) if draw(RARELY) else frozenset()
    return Knowledge(
        defaults={f"d{i}": f"d{i}o{draw(st.integers(0, size - 1))}" for i, size in enumerate(sizes)},
        options=options,
        implies=frozenset(draw(st.lists(pairs, max_size=3))),
        kinds_of=frozenset(draw(st.lists(kinds, max_size=2))),
        gifts=frozenset(draw(st.lists(gifts, max_size=2))),
        conflicts=tuple(
            draw(statements(f"k{i}", names, effect=False)) for i in range(draw(st.integers(0, 5)))
        ),
        effects=tuple(draw(statements(f"e{i}", names, effect=True)) for i in range(draw(st.integers(3, 12)))),
        traits=draw(subsets(SITUATIONS, 3)),
        pins={names[name]: name for name in sorted(pinned)},
        forbid=draw(subsets(sorted(names), 1)) if draw(RARELY) else frozenset(),
        allowed=draw(subsets(sorted(names), 2)),
    )


@cache
def shipped_rules() -> list[ox.Quad]:
    store = KnowledgeStore()
    for path in sorted(shipped("rules").rglob("*.ttl")):
        if path.parent.name in ("rules", "derivations", "conflicts"):
            store.load_source(Source(path, path.name))
    return list(store.store)


def load(knowledge: Knowledge, folder: Path) -> tuple[KnowledgeStore, list[Rule]]:
    file = folder / "made-up.ttl"
    file.write_text(knowledge.turtle(), encoding="utf-8")
    store = KnowledgeStore()
    store.add(shipped_rules())
    store.load_source(Source(file, "made-up.ttl"))
    rules = load_rules(store)
    run_rules(store, [rule for rule in rules if not rule.per_request])
    return store, rules


def request_facts(knowledge: Knowledge, traits: frozenset[str]) -> list[ox.Quad]:
    def fact(subject: ox.NamedNode, predicate: str, value: str) -> ox.Quad:
        return ox.Quad(subject, ox.NamedNode(predicate), ox.NamedNode(value), REQUEST_GRAPH)

    facts = [fact(REQUEST, RDF_TYPE, on("Request")), fact(REQUEST, on("workload"), WORKLOAD.value)]
    facts += [fact(WORKLOAD, on("trait"), PREFIXES["sit"] + trait) for trait in traits]
    return facts + [fact(REQUEST, on("allows"), PREFIXES["kb"] + option) for option in knowledge.allowed]


def plan(knowledge: Knowledge, folder: Path) -> tuple[Problem, Solution]:
    store, rules = load(knowledge, folder)
    pins = {PREFIXES["kb"] + decision: PREFIXES["kb"] + option for decision, option in knowledge.pins.items()}
    forbid = [PREFIXES["kb"] + option for option in knowledge.forbid]
    derived = Deriver(store, rules).derive(request_facts(knowledge, knowledge.traits))
    problem = ground(Catalogue(store), derived, (on("throughput"),), pins, forbid, every_option=True)
    return problem, solve(problem.domains, [*problem.hard, *problem.soft])


def check_merged(problem: Problem, solution: Solution) -> None:
    """Options that others stand for change neither the best configuration nor what any option is worth, up to
    their order.
    """
    merged = ground(problem.catalogue, problem.derived, (on("throughput"),), problem.pins, problem.forbid)
    small = solve(merged.domains, [*merged.hard, *merged.soft])
    assert small.feasible == solution.feasible
    if not solution.feasible:
        return
    assert small.best() == solution.best()
    criterion = on("throughput")
    for decision, values in solution.marginals().items():
        for option in values:
            instead = merged.representative.get(option, option)
            best, other = solution.best_with(decision, option), small.best_with(decision, instead)
            assert problem.weight(best, criterion) == merged.weight(other, criterion)
            assert option in merged.representative or best == other


def short(configuration: dict[str, str]) -> dict[str, str]:
    return {local_name(decision): local_name(option) for decision, option in configuration.items()}


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(knowledge=knowledge_bases())
def test_plans_as_the_turtle_means(knowledge: Knowledge, tmp_path: Path) -> None:
    meaning = Meaning(knowledge)
    problem, solution = plan(knowledge, tmp_path)
    expected = meaning.ranked
    assert solution.feasible == bool(expected)
    assert clingo_oracle.best_of(meaning) == (meaning.preference(expected[0])[:2] if expected else None)
    top = [short(configuration) for _, configuration in itertools.islice(solution.ranked(), 12)]
    assert top == expected[:12]
    best_with: dict[str, dict[str, str]] = {}
    for configuration in expected:
        for option in configuration.values():
            best_with.setdefault(PREFIXES["kb"] + option, configuration)
    check_merged(problem, solution)
    marginals = {
        option: value for options in solution.marginals().values() for option, value in options.items()
    }
    assert marginals.keys() == best_with.keys()
    for option, configuration in best_with.items():
        assert short(solution.best_with(problem.catalogue.decision_of(option), option)) == configuration
        full = {PREFIXES["kb"] + decision: PREFIXES["kb"] + one for decision, one in configuration.items()}
        assert marginals[option] == brute_force.value([*problem.hard, *problem.soft], full)
        assert problem.weight(full, on("throughput")) == meaning.worth(configuration)


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(knowledge=knowledge_bases(), others=st.lists(subsets(SITUATIONS, 3), min_size=2, max_size=2))
def test_a_variant_of_a_request_concludes_what_it_would_alone(
    knowledge: Knowledge, others: list[frozenset[str]], tmp_path: Path
) -> None:
    store, rules = load(knowledge, tmp_path)
    before = set(store.store)
    alone = [Deriver(store, rules).derive(request_facts(knowledge, traits)) for traits in others]
    with Deriver(store, rules).at(request_facts(knowledge, knowledge.traits)) as derivation:
        assert [derivation.vary(request_facts(knowledge, traits)) for traits in others] == alone
    assert set(store.store) == before
