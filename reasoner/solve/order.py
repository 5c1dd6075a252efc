"""In which order decisions are settled: the cost of elimination depends on it, its answer does not.

Finding the best order is harder than the choice itself, so three well-known greedy preferences are tried on the outlines of the tables alone, and the
one that promises the fewest rows is followed. While it is followed, the densities are those of the real tables.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

_SMALL = 5_000
"""Rows that cost less than the search for a better order."""


class Interaction(Protocol):
    """What matters here of a table: the decisions that it is about, and which part of their combinations it allows."""

    @property
    def scope(self) -> tuple[str, ...]: ...

    @property
    def density(self) -> float: ...


@dataclass(frozen=True)
class _Outline:
    scope: tuple[str, ...]
    density: float


Sizes = Mapping[str, int]
Preference = Callable[[str, Sequence[Interaction], Sizes], float]
"""How little a decision suggests itself to be settled next, given all interactions that are left."""


class Order:
    """Decisions in the order in which they suggest themselves; after each, only its neighbours are judged anew.

    Args:
        sizes: the number of options of each decision.
        preference: the least is settled first.
    """

    def __init__(self, sizes: Sizes, preference: Preference, interactions: Sequence[Interaction]) -> None:
        self._sizes = sizes
        self._preference = preference
        self._rank = {decision: preference(decision, interactions, sizes) for decision in sizes}

    def __bool__(self) -> bool:
        return bool(self._rank)

    def next(self) -> str:
        """Take out the decision to be settled next."""
        decision = min(self._rank, key=self._rank.__getitem__)
        del self._rank[decision]
        return decision

    def touched(self, decisions: Sequence[str], interactions: Sequence[Interaction]) -> None:
        """Judge decisions anew, after their interactions have changed."""
        for decision in decisions:
            self._rank[decision] = self._preference(decision, interactions, self._sizes)


def best_preference(sizes: Sizes, interactions: Sequence[Interaction]) -> Preference:
    """The greedy preference that promises the fewest rows in all."""
    promised = _rows_in_all(sizes, interactions, expected_rows)
    if promised <= _SMALL:
        return expected_rows
    others = {preference: _rows_in_all(sizes, interactions, preference) for preference in (_expected_combinations, _new_interactions)}
    return min(others, key=others.__getitem__) if min(others.values()) < promised else expected_rows


def expected_rows(decision: str, interactions: Sequence[Interaction], sizes: Sizes) -> float:
    """How many combinations of a decision and its neighbours are likely to be allowed, were the prohibitions independent of each other."""
    scope, density = {decision}, 1.0
    for one in interactions:
        if decision in one.scope:
            scope.update(one.scope)
            density *= one.density
    return density * math.prod(sizes[one] for one in scope)


def _expected_combinations(decision: str, interactions: Sequence[Interaction], sizes: Sizes) -> float:
    """The like of the neighbours alone: the size of what is handed on."""
    return expected_rows(decision, interactions, sizes) / max(1, sizes[decision])


def _new_interactions(decision: str, interactions: Sequence[Interaction], sizes: Sizes) -> float:
    """How many combinations of options come to interact only because the decision is settled: minimum fill, weighted."""
    linked = {frozenset(pair) for one in interactions for pair in itertools.combinations(one.scope, 2)}
    neighbours = {one for pair in linked if decision in pair for one in pair} - {decision}
    return sum(sizes[one] * sizes[other] for one, other in itertools.combinations(neighbours, 2) if frozenset((one, other)) not in linked)


def _rows_in_all(sizes: Sizes, interactions: Sequence[Interaction], preference: Preference) -> float:
    """What elimination would cost with a preference, from outlines of the tables."""
    order = Order(sizes, preference, interactions)
    left = list(interactions)
    total = 0.0
    while order:
        decision = order.next()
        mine = [one for one in left if decision in one.scope]
        left = [one for one in left if decision not in one.scope]
        total += expected_rows(decision, mine, sizes)
        context = tuple({one for interaction in mine for one in interaction.scope} - {decision})
        if context:
            density = math.prod(one.density for one in mine)
            left.append(_Outline(context, 1 - (1 - density) ** sizes[decision]))
        order.touched(context, left)
    return total
