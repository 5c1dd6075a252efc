"""Scenarios: the requests on which a knowledge base is tried. They are every known target with every known
workload, and every rule case.

What is said of rules in general (they contradict one another, one of them never fires, nothing bears on a
target) is said by naming the scenario that shows it, or by there being none.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from kb.cases import CaseTable
from kb.records.request import Request
from kb.records.targets import load_target, target_names
from kb.records.workload import load_workload, workload_names
from kb.store.store import KnowledgeStore
from kb.store.terms import RDF_TYPE, on
from reasoner.inference.derive import Derivation, Derived, Deriver
from reasoner.model.catalogue import Catalogue
from reasoner.model.ground import Problem, ground
from reasoner.model.numerics import Numerics
from reasoner.model.resolve import Resolved
from reasoner.model.standing import resolve_beside_standing
from reasoner.model.wishes import make_request


@dataclass(frozen=True)
class Scenario:
    """A request and what is concluded of it.

    Attributes:
        name: target, workload and wishes, as a case is written.
        said: for each rule that fired, what it says of the request: by predicate the resources that are
            objects.
    """

    name: str
    resolved: Resolved
    derived: Derived
    said: Mapping[str, Mapping[str, frozenset[str]]]

    @property
    def outside(self) -> bool:
        """Whether the request is for a machine that no plans are made for: it poses no choice."""
        return any(on("outside") in said for said in self.said.values())

    def behind(self, situation: str) -> Iterator[str]:
        """The rules that put the request into a situation."""
        return (rule for rule, said in self.said.items() if situation in said.get(RDF_TYPE, ()))


def grid(
    store: KnowledgeStore,
    targets_named: Collection[str] | None = None,
    workloads_named: Collection[str] | None = None,
) -> dict[str, Request]:
    """Every target of a knowledge base (or every one of these names) with every workload, by the names of
    both.
    """
    targets = {
        name: load_target(name, store)
        for name in (target_names(store) if targets_named is None else targets_named)
    }
    workloads = {
        name: load_workload(name, store)
        for name in (workload_names(store) if workloads_named is None else workloads_named)
    }
    found: dict[str, Request] = {}
    for target in targets:
        for workload in workloads:
            found[f"{target} {workload}"] = make_request(workloads[workload], targets[target])
    return found


def case_requests(table: CaseTable) -> dict[str, Request]:
    """The requests of a table of rule cases, by their lines."""
    return {
        line: make_request(case.workload, case.target, **case.wishes) for line, case in table.requests.items()
    }


def derive_all(
    deriver: Deriver, catalogue: Catalogue, requests: Mapping[str, Request]
) -> dict[str, Scenario]:
    """Derive for every request; the store is left as it was.

    Raises:
        BadInput: a request names something unknown.
    """
    numerics = Numerics(deriver.store, catalogue)
    resolved = {
        name: resolve_beside_standing(request, catalogue, numerics, deriver.store, deriver.derive)
        for name, request in requests.items()
    }
    with deriver.reopened():  # what the store has to be lent for one request is left there for the next
        derivations = {name: Derivation(deriver, one.facts) for name, one in resolved.items()}
    return {
        name: Scenario(name, resolved[name], found.derived, found.said) for name, found in derivations.items()
    }


def distinct_problems(
    catalogue: Catalogue, scenarios: Mapping[str, Scenario]
) -> Iterator[tuple[Problem, list[str]]]:
    """Every choice problem of the scenarios once, under all criteria that effects speak of, with the names of
    the scenarios that pose it.
    """
    same: dict[Any, list[str]] = defaultdict(list)
    for name, scenario in ((name, scenario) for name, scenario in scenarios.items() if not scenario.outside):
        derived, pins = scenario.derived.without(catalogue.doubt_rules), scenario.resolved.pins
        same[
            (derived.provides, derived.applies, tuple(derived.excludes.items()), tuple(pins.items()))
        ].append(name)
    for names in same.values():
        first = scenarios[names[0]]
        yield (
            ground(
                catalogue,
                first.derived.without(catalogue.doubt_rules),
                catalogue.criteria,
                first.resolved.pins,
                first.resolved.forbid,
            ),
            names,
        )
