"""When nothing is feasible: which prohibitions cannot hold together, and the least that must be given up."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from reasoner.solve.problem import Factor
from reasoner.solve.search import Search

_Kind = TypeVar("_Kind")


def minimal_conflict(domains: Mapping[str, Sequence[str]], hard: Sequence[Factor]) -> list[Factor]:
    """A set of factors that cannot hold together, none of which can be left out; in the order given, later
    ones preferred.

    The set is empty where the problem is feasible, or where a decision has no option at all.

    Raises:
        ValueError: a factor names a decision that has no domain.
    """
    return minimal_part(hard, Search(domains, hard).feasible)


def minimal_part(whole: Sequence[_Kind], can_hold: Callable[[Sequence[_Kind]], bool]) -> list[_Kind]:
    """A part of things that cannot hold together, of which none can be left out; empty where they can.

    The deletion filter, in halving steps: large harmless parts go at once.

    Args:
        can_hold: whether some of the things can hold together; then fewer of them can, too.
    """
    core = list(whole)
    if can_hold(core):
        return []
    step = max(1, len(core) // 2)
    while step:
        start = 0
        while start < len(core):
            without = core[:start] + core[start + step :]
            if can_hold(without):
                start += step
            else:
                core = without
        step //= 2
    return core


def smallest_relaxations(
    domains: Mapping[str, Sequence[str]],
    hard: Sequence[Factor],
    may_change: Callable[[Factor], bool],
    limit: int = 10,
) -> list[tuple[Factor, ...]]:
    """All sets of the least number of changeable factors without which the problem is feasible.

    Whatever makes the problem feasible must break every conflict in it. So from a conflict found, one
    changeable factor at a time is given up, and what remains is looked at again: breadth first, which meets
    the smallest sets first and misses none of them.

    Args:
        may_change: whether a factor may be given up.
        limit: the most sets to return.

    Returns:
        The sets, their factors in the order given; one empty set where the problem is feasible; none where
        giving up everything changeable does not help.

    Raises:
        ValueError: a factor names a decision that has no domain.
    """
    changeable = [i for i, factor in enumerate(hard) if may_change(factor)]
    fixed = [factor for i, factor in enumerate(hard) if i not in set(changeable)]
    search = Search(domains, hard)
    if not search.feasible(fixed):
        return []
    position = {factor: i for i, factor in enumerate(hard)}
    conflicts: list[frozenset[int]] = []
    found: list[frozenset[int]] = []
    level = [frozenset[int]()]
    while not found:
        following: dict[frozenset[int], None] = {}
        for given_up in level:
            known = next((conflict for conflict in conflicts if not conflict & given_up), None)
            if known is None:
                kept = [factor for i, factor in enumerate(hard) if i not in given_up]
                core = minimal_part(kept, search.feasible)
                known = frozenset(position[factor] for factor in core).intersection(changeable)
                if not known:
                    found.append(given_up)
                    continue
                conflicts.append(known)
            following.update(dict.fromkeys(given_up | {one} for one in sorted(known)))
        level = list(following)
    relaxations = []
    for given_up in found[:limit]:
        relaxations.append(tuple(hard[i] for i in sorted(given_up)))
    return relaxations
