"""Witnesses: the requests on which a knowledge base is tried. They are every known target with every known workload, and every rule case.

What is said of rules in general (they contradict one another, one of them never fires, nothing bears on a target) is said by naming the witness
that shows it, or by there being none. All witnesses are derived in one run of the rules, each with nodes of its own: a rule's head speaks of its
focus alone, so that none sees what is concluded of another, and the answer is that of `reasoner.derive.derive` for each.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyoxigraph as ox

from kb.cases import CaseTable
from kb.store import KnowledgeStore
from kb.target import load_target, target_names
from kb.terms import RDF_TYPE, on
from kb.workload import load_workload, workload_names
from reasoner.derive import REQUEST, Derived, read_derived
from reasoner.ground import Problem, ground
from reasoner.menu import Menu
from reasoner.reasoner import make_request
from reasoner.request import Request, Resolved, resolve
from reasoner.rules import Rule, run_rules

_OWN = "urn:ontune:"


@dataclass(frozen=True)
class Witness:
    """A request and what is concluded of it.

    Attributes:
        name: target, workload and wishes, as a case is written.
        fired: the rules that concluded anything.
        situations: for each situation that the request is in, the rules that put it there.
    """

    name: str
    resolved: Resolved
    derived: Derived
    fired: frozenset[str]
    situations: Mapping[str, tuple[str, ...]]


def grid(store: KnowledgeStore, targets_named: Collection[str] | None = None, workloads_named: Collection[str] | None = None) -> dict[str, Request]:
    """Every target of a knowledge base (or every one of these names) with every workload, by the names of both."""
    targets = {name: load_target(name, store) for name in (target_names(store) if targets_named is None else targets_named)}
    workloads = {name: load_workload(name, store) for name in (workload_names(store) if workloads_named is None else workloads_named)}
    return {f"{target} {workload}": make_request(workloads[workload], targets[target]) for target in targets for workload in workloads}


def case_requests(table: CaseTable) -> dict[str, Request]:
    """The requests of a table of rule cases, by their lines."""
    return {line: make_request(case.workload, case.target, **case.wishes) for line, case in table.requests.items()}


def derive_all(store: KnowledgeStore, rules: Sequence[Rule], menu: Menu, requests: Mapping[str, Request]) -> dict[str, Witness]:
    """Run the rules over all requests at once; the store is left as it was.

    Raises:
        BadInput: a request names something unknown.
    """
    resolved = {name: resolve(request, menu, store) for name, request in requests.items()}
    nodes: dict[frozenset[ox.Quad], ox.NamedNode] = {}  # what is only pinned or forbidden is no fact: such requests share what is concluded
    own: dict[str, ox.NamedNode] = {}
    facts: list[ox.Quad] = []
    for name, one in resolved.items():
        stated = frozenset(one.facts)
        if stated not in nodes:
            facts += _apart(one.facts, len(nodes))
            nodes[stated] = ox.NamedNode(f"{REQUEST.value}/{len(nodes)}")
        own[name] = nodes[stated]
    with store.lock:
        conclusions: list[ox.Quad] = []
        store.add(facts)
        try:
            conclusions += run_rules(store, rules)
            about = {node.value: store.store.quads_for_pattern(node, None, None, None) for node in nodes.values()}
            derived = {node.value: read_derived(about[node.value], node) for node in nodes.values()}
        finally:
            store.remove([*facts, *conclusions])
    fired, situations = _by_request(conclusions)
    return {
        name: Witness(name, resolved[name], derived[node.value], frozenset(fired[node.value]), situations[node.value]) for name, node in own.items()
    }


def distinct_problems(menu: Menu, witnesses: Mapping[str, Witness]) -> Iterator[tuple[Problem, list[str]]]:
    """Every choice problem of the witnesses once, under all criteria that effects speak of, with the names of the witnesses that pose it."""
    criteria = tuple(dict.fromkeys((on("throughput"), *sorted({effect.criterion for effect in menu.effects.values()}))))
    same: dict[Any, list[str]] = defaultdict(list)
    for name, witness in witnesses.items():
        derived, pins = witness.derived, witness.resolved.pins
        same[(derived.provides, derived.applies, tuple(derived.excludes.items()), tuple(pins.items()))].append(name)
    for names in same.values():
        first = witnesses[names[0]]
        yield ground(menu, first.derived, criteria, first.resolved.pins, first.resolved.forbid), names


def _apart(facts: Sequence[ox.Quad], number: int) -> Iterator[ox.Quad]:
    """The facts of a request about nodes that no other has."""

    def own(term: Any) -> Any:
        return ox.NamedNode(f"{term.value}/{number}") if isinstance(term, ox.NamedNode) and term.value.startswith(_OWN) else term

    return (ox.Quad(own(quad.subject), quad.predicate, own(quad.object), quad.graph_name) for quad in facts)


def _by_request(conclusions: Sequence[ox.Quad]) -> tuple[dict[str, set[str]], dict[str, dict[str, tuple[str, ...]]]]:
    """For each request the rules that fired, and the situations with the rules behind each."""
    fired: dict[str, set[str]] = defaultdict(set)
    situations: dict[str, dict[str, tuple[str, ...]]] = defaultdict(dict)
    for quad in conclusions:
        if isinstance(quad.subject, ox.NamedNode) and isinstance(quad.graph_name, ox.NamedNode):
            fired[quad.subject.value].add(quad.graph_name.value)
            if quad.predicate.value == RDF_TYPE and isinstance(quad.object, ox.NamedNode):
                behind = situations[quad.subject.value]
                behind[quad.object.value] = (*behind.get(quad.object.value, ()), quad.graph_name.value)
    return fired, situations
