"""Unknown facts that would change a plan: each is tried as it might turn out, and reported if the plan differs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pyoxigraph as ox

from kb.terms import on
from reasoner.derive import REQUEST, REQUEST_GRAPH, derive
from reasoner.ground import ground
from reasoner.request import Request, Resolved, resolve
from reasoner.solve import solve

if TYPE_CHECKING:
    from reasoner.reasoner import Reasoner

_CAPABILITIES = "SELECT ?key ?capability WHERE { ?capability on:probedBy ?key . ?option on:needs ?capability }"
_TRUTH_VALUES = "SELECT DISTINCT ?key WHERE { ?property on:factKey ?key ; rdfs:range xsd:boolean }"


def changes(reasoner: Reasoner, request: Request, resolved: Resolved, taken: dict[str, str]) -> Iterator[dict[str, Any]]:
    """For each unknown fact of the target that would change the plan: `{fact, would_change, probe}`."""
    unknown = request.target.unknown()
    if not unknown:
        return
    capabilities: dict[str, list[str]] = defaultdict(list)
    for row in reasoner.store.select(_CAPABILITIES):
        capabilities[row["key"]].append(row["capability"])
    truth_values = {row["key"] for row in reasoner.store.select(_TRUTH_VALUES)}
    for key in unknown:
        for guess, facts in _guesses(request, resolved, key, capabilities.get(key, []), truth_values, reasoner):
            derived = derive(reasoner.store, reasoner.rules, facts)
            problem = ground(reasoner.menu, derived, resolved.criteria, resolved.pins, resolved.forbid)
            solution = solve(problem.domains, [*problem.hard, *problem.soft])
            other = solution.best() if solution.feasible else {}
            names = reasoner.menu.name
            differing = [decision for decision in other if other[decision] != taken[decision]]
            if differing:
                changed = [{"decision": names[decision], "from": names[taken[decision]], "to": names[other[decision]]} for decision in differing]
                yield {"fact": key, "would_change": changed, "if": guess, "probe": f"ontune plan ... --set {key}={guess}"}
                break


def _guesses(
    request: Request, resolved: Resolved, key: str, capabilities: list[str], truth_values: set[str], reasoner: Reasoner
) -> Iterator[tuple[str, list[ox.Quad]]]:
    """What an unknown fact may turn out to be, with the request's facts in that case."""
    if key in truth_values:
        for value in (True, False):
            known = resolve(_with_target_fact(request, key, value), reasoner.menu, reasoner.store)
            yield str(value).lower(), known.facts
    elif capabilities:
        given = [ox.Quad(REQUEST, ox.NamedNode(on("provides")), ox.NamedNode(capability), REQUEST_GRAPH) for capability in capabilities]
        yield "present", [*resolved.facts, *given]


def _with_target_fact(request: Request, key: str, value: object) -> Request:
    from dataclasses import replace

    return replace(request, target=request.target.with_overrides({key: value}))
