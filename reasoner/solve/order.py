"""In which order decisions are settled: the cost of elimination depends on it, its answer does not.

Finding the best order is harder than the choice itself. One well-known greedy preference is followed; where
it leads to large tables, others are tried on the outlines of the tables alone, and the one that promises the
fewest rows is followed.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Generic, Protocol, TypeVar

from kb.values import Value


class Interaction(Protocol):
    """What matters here of a table: the decisions that it is about, and which part of their combinations it
    allows.
    """

    @property
    def scope(self) -> tuple[str, ...]:
        """The decisions that it is about."""
        ...

    @property
    def density(self) -> float:
        """Which part of their combinations it allows, from 0 to 1."""
        ...


Kind = TypeVar("Kind", bound=Interaction)


class _Outline(Value, frozen=True):
    scope: tuple[str, ...]
    density: float


Sizes = Mapping[str, int]
About = Mapping[str, Sequence[Interaction]]
"""The interactions that are left, by each decision that they are about."""
Preference = Callable[[str, About, Sizes], float]
"""How little a decision suggests itself to be settled next."""


class Order(Generic[Kind]):
    """Decisions in the order in which they suggest themselves; after each, only its neighbours are judged
    anew.

    Args:
        sizes: the number of options of each decision.
        preference: the least is settled first.
        interactions: all there are at the beginning.
    """

    def __init__(self, sizes: Sizes, preference: Preference, interactions: Iterable[Kind]) -> None:
        self._sizes = sizes
        self._preference = preference
        self._about: dict[str, list[Kind]] = {decision: [] for decision in sizes}
        for one in interactions:
            for decision in one.scope:
                self._about[decision].append(one)
        self._rank = {decision: preference(decision, self._about, sizes) for decision in sizes}

    def __bool__(self) -> bool:
        return bool(self._rank)

    def next(self) -> str:
        """Take out the decision to be settled next."""
        decision = min(self._rank, key=self._rank.__getitem__)
        del self._rank[decision]
        return decision

    def about(self, decision: str) -> Sequence[Kind]:
        """The interactions that are left of a decision."""
        return self._about[decision]

    def settle(self, decision: str, left: Kind | None) -> None:
        """Replace the interactions of a decision by what settling it leaves, and judge its neighbours
        anew.
        """
        involved = itertools.chain.from_iterable(one.scope for one in self._about[decision])
        touched = dict.fromkeys(other for other in involved if other in self._rank)
        for other in touched:
            self._about[other] = [one for one in self._about[other] if decision not in one.scope]
        if left is not None:
            for other in left.scope:
                self._about[other].append(left)
        for other in touched:
            self._rank[other] = self._preference(other, self._about, self._sizes)


def rows_in_all(sizes: Sizes, interactions: Iterable[Interaction], preference: Preference) -> float:
    """What elimination would cost with a preference, from outlines of the tables."""
    outlines = [_Outline(one.scope, one.density) for one in interactions]
    order = Order(sizes, preference, outlines)
    total = 0.0
    while order:
        decision = order.next()
        mine = order.about(decision)
        total += expected_rows(decision, {decision: mine}, sizes)
        context = tuple(set[str]().union(*(one.scope for one in mine)) - {decision})
        density = math.prod(one.density for one in mine)
        order.settle(decision, _Outline(context, 1 - (1 - density) ** sizes[decision]) if context else None)
    return total


def expected_rows(decision: str, about: About, sizes: Sizes) -> float:
    """How many combinations of a decision and its neighbours are likely to be allowed, were the prohibitions
    independent of each other.
    """
    scope, density = {decision}, 1.0
    for one in about[decision]:
        scope.update(one.scope)
        density *= one.density
    return density * math.prod([sizes[one] for one in scope])


def _expected_combinations(decision: str, about: About, sizes: Sizes) -> float:
    """The like of the neighbours alone: the size of what is handed on."""
    return expected_rows(decision, about, sizes) / max(1, sizes[decision])


def _new_interactions(decision: str, about: About, sizes: Sizes) -> float:
    """How many combinations of options come to interact only because the decision is settled: minimum fill,
    weighted.
    """
    neighbours = set[str]().union(*(one.scope for one in about[decision])) - {decision}
    linked: set[frozenset[str]] = set()
    for one in neighbours:
        for table in about[one]:
            linked.update(map(frozenset, itertools.combinations(table.scope, 2)))
    return sum(
        sizes[one] * sizes[other]
        for one, other in itertools.combinations(neighbours, 2)
        if frozenset((one, other)) not in linked
    )


PREFERENCES: Sequence[Preference] = (expected_rows, _expected_combinations, _new_interactions)
"""The first is good as a rule; where it leads to large tables, the others are worth trying."""
