"""Witnesses: the requests on which a knowledge base is tried. They are every known target with every known
workload, and every rule case.

What is said of rules in general (they contradict one another, one of them never fires, nothing bears on a
target) is said by naming the witness that shows it, or by there being none.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from kb.cases import CaseTable
from kb.request import Request
from kb.store import KnowledgeStore
from kb.targets import load_target, target_names
from kb.terms import RDF_TYPE, on
from kb.workload import load_workload, workload_names
from reasoner.derive import Derivation, Derived, Deriver
from reasoner.ground import Problem, ground
from reasoner.menu import Menu
from reasoner.numerics import Numerics
from reasoner.request import Resolved
from reasoner.standing import resolve_beside_standing
from reasoner.wishes import make_request


@dataclass(frozen=True)
class Witness:
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
    return {
        f"{target} {workload}": make_request(workloads[workload], targets[target])
        for target in targets
        for workload in workloads
    }


def case_requests(table: CaseTable) -> dict[str, Request]:
    """The requests of a table of rule cases, by their lines."""
    return {
        line: make_request(case.workload, case.target, **case.wishes) for line, case in table.requests.items()
    }


def derive_all(deriver: Deriver, menu: Menu, requests: Mapping[str, Request]) -> dict[str, Witness]:
    """Derive for every request; the store is left as it was.

    Raises:
        BadInput: a request names something unknown.
    """
    numerics = Numerics(deriver.store, menu)
    resolved = {
        name: resolve_beside_standing(request, menu, numerics, deriver.store, deriver.derive)
        for name, request in requests.items()
    }
    with deriver.reopened():  # what the store has to be lent for one request is left there for the next
        derivations = {name: Derivation(deriver, one.facts) for name, one in resolved.items()}
    return {
        name: Witness(name, resolved[name], found.derived, found.said) for name, found in derivations.items()
    }


def distinct_problems(menu: Menu, witnesses: Mapping[str, Witness]) -> Iterator[tuple[Problem, list[str]]]:
    """Every choice problem of the witnesses once, under all criteria that effects speak of, with the names of
    the witnesses that pose it.
    """
    same: dict[Any, list[str]] = defaultdict(list)
    for name, witness in ((name, witness) for name, witness in witnesses.items() if not witness.outside):
        derived, pins = witness.derived.without(menu.doubt_rules), witness.resolved.pins
        same[
            (derived.provides, derived.applies, tuple(derived.excludes.items()), tuple(pins.items()))
        ].append(name)
    for names in same.values():
        first = witnesses[names[0]]
        yield (
            ground(
                menu,
                first.derived.without(menu.doubt_rules),
                menu.criteria,
                first.resolved.pins,
                first.resolved.forbid,
            ),
            names,
        )
