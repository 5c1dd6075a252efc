"""What stands where the user decides nothing: what the bits of a configuration are compared with."""

from __future__ import annotations

from collections.abc import Callable

import pyoxigraph as ox

from kb.records.request import Request
from kb.store.store import KnowledgeStore
from kb.values import replace
from reasoner.inference.derive import Derived
from reasoner.model.catalogue import Catalogue
from reasoner.model.ground import ground
from reasoner.model.numerics import Numerics
from reasoner.model.resolve import Resolved, resolve
from reasoner.solve import solve

Derive = Callable[[list[ox.Quad]], Derived]
"""What follows from the facts of a request."""


def resolve_beside_standing(
    request: Request, catalogue: Catalogue, numerics: Numerics, store: KnowledgeStore, derive: Derive
) -> Resolved:
    """A request in the terms of the knowledge base, with what stands without it where it asks for the same
    bits.

    Raises:
        BadInput: a name is unknown.
    """
    resolved = resolve(request, catalogue, store)
    if not numerics.keeps_bits(resolved.request.numerics):
        return resolved
    free = resolve(replace(resolved.request, numerics=numerics.names[-1]), catalogue, store)
    return resolve(resolved.request, catalogue, store, _standing(free, catalogue, derive))


def _standing(free: Resolved, catalogue: Catalogue, derive: Derive) -> frozenset[str]:
    """Of all that meets a request, whatever it does to the numbers, the configuration that departs from the
    defaults least; what is pinned stands.
    """
    problem = ground(catalogue, derive(free.facts), (), free.pins, free.forbid)
    solution = solve(problem.domains, [*problem.hard, *problem.soft])
    return frozenset(solution.best().values()) if solution.feasible else frozenset()
