"""Unknown facts that would change a plan: each is tried as it might turn out, and reported if the plan differs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pyoxigraph as ox

from kb.store import KnowledgeStore
from kb.terms import on
from reasoner.derive import REQUEST, REQUEST_GRAPH, Derivation
from reasoner.ground import ground
from reasoner.menu import Menu
from reasoner.request import Request, Resolved, resolve
from reasoner.solve import solve

_CAPABILITIES = "SELECT ?key ?capability WHERE { ?capability on:probedBy ?key . ?option on:needs ?capability }"
_TRUTH_VALUES = "SELECT DISTINCT ?key WHERE { ?property on:factKey ?key ; rdfs:range xsd:boolean }"


def changes(
    store: KnowledgeStore, derivation: Derivation, menu: Menu, request: Request, resolved: Resolved, taken: dict[str, str]
) -> Iterator[dict[str, Any]]:
    """For each unknown fact of the target that would change the plan: `{fact, would_change, probe}`.

    Args:
        derivation: what follows from the request with its unknown facts.
        taken: the configuration chosen for it.
    """
    unknown = request.target.unknown()
    if not unknown:
        return
    capabilities: dict[str, list[str]] = defaultdict(list)
    for row in store.select(_CAPABILITIES):
        capabilities[row["key"]].append(row["capability"])
    truth_values = {row["key"] for row in store.select(_TRUTH_VALUES)}
    for key in unknown:
        for guess, facts in _guesses(store, menu, request, resolved, key, capabilities.get(key, []), key in truth_values):
            guessed = derivation.vary(facts)
            if guessed == derivation.derived:
                continue  # nothing hangs on it
            problem = ground(menu, guessed, resolved.criteria, resolved.pins, resolved.forbid)
            solution = solve(problem.domains, [*problem.hard, *problem.soft])
            other = solution.best() if solution.feasible else {}
            names = menu.name
            differing = [decision for decision in other if other[decision] != taken[decision]]
            if differing:
                changed = [{"decision": names[decision], "from": names[taken[decision]], "to": names[other[decision]]} for decision in differing]
                yield {"fact": key, "would_change": changed, "if": guess, "probe": f"ontune plan ... --set {key}={guess}"}
                break


def _guesses(
    store: KnowledgeStore, menu: Menu, request: Request, resolved: Resolved, key: str, capabilities: list[str], is_truth_value: bool
) -> Iterator[tuple[str, list[ox.Quad]]]:
    """What an unknown fact may turn out to be, with the request's facts in that case."""
    if is_truth_value:
        for value in (True, False):
            known = replace(request, target=request.target.with_overrides({key: value}))
            yield str(value).lower(), resolve(known, menu, store).facts
    elif capabilities:
        given = [ox.Quad(REQUEST, ox.NamedNode(on("provides")), ox.NamedNode(capability), REQUEST_GRAPH) for capability in capabilities]
        yield "present", [*resolved.facts, *given]
