"""What stands where the user decides nothing: what the bits of a configuration are compared with."""

from __future__ import annotations

from collections.abc import Callable

import pyoxigraph as ox

from kb.request import Request
from kb.store import KnowledgeStore
from kb.values import replace
from reasoner.derive import Derived
from reasoner.ground import ground
from reasoner.menu import Menu
from reasoner.numerics import Numerics
from reasoner.request import Resolved, resolve
from reasoner.solve import solve

Derive = Callable[[list[ox.Quad]], Derived]
"""What follows from the facts of a request."""


def resolve_beside_standing(
    request: Request, menu: Menu, numerics: Numerics, store: KnowledgeStore, derive: Derive
) -> Resolved:
    """A request in the terms of the knowledge base, with what stands without it where it asks for the same
    bits.

    Raises:
        BadInput: a name is unknown.
    """
    resolved = resolve(request, menu, store)
    if not numerics.keeps_bits(resolved.request.numerics):
        return resolved
    free = resolve(replace(resolved.request, numerics=numerics.names[-1]), menu, store)
    return resolve(resolved.request, menu, store, _standing(free, menu, derive))


def _standing(free: Resolved, menu: Menu, derive: Derive) -> frozenset[str]:
    """Of all that meets a request, whatever it does to the numbers, the configuration that departs from the
    defaults least; what is pinned stands.
    """
    problem = ground(menu, derive(free.facts), (), free.pins, free.forbid)
    solution = solve(problem.domains, [*problem.hard, *problem.soft])
    return frozenset(solution.best().values()) if solution.feasible else frozenset()
