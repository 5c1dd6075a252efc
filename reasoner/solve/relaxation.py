"""When nothing is feasible: which prohibitions cannot hold together, and the least that must be given up."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from reasoner.solve.elimination import eliminate
from reasoner.solve.problem import Factor


def minimal_conflict(domains: Mapping[str, Sequence[str]], hard: Sequence[Factor], *, max_rows: int = 1_000_000) -> list[Factor]:
    """A set of factors that cannot hold together, none of which can be left out; in the order given, later ones preferred.

    The deletion filter, in halving steps: large harmless parts go at once. The set is empty where the problem is feasible, or where a decision has no
    option at all.

    Raises:
        ValueError, TooWide: as `reasoner.solve.solve`.
    """
    core = list(hard)
    if _feasible(domains, core, max_rows):
        return []
    step = max(1, len(core) // 2)
    while step:
        start = 0
        while start < len(core):
            without = core[:start] + core[start + step :]
            if _feasible(domains, without, max_rows):
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
    *,
    max_rows: int = 1_000_000,
) -> list[tuple[Factor, ...]]:
    """All sets of the least number of changeable factors without which the problem is feasible.

    Whatever makes the problem feasible must break every conflict in it. So from a conflict found, one changeable factor at a time is given up, and
    what remains is looked at again: breadth first, which meets the smallest sets first and misses none of them.

    Args:
        may_change: whether a factor may be given up.
        limit: the most sets to return.

    Returns:
        The sets, their factors in the order given; one empty set where the problem is feasible; none where giving up everything changeable does not
        help.

    Raises:
        ValueError, TooWide: as `reasoner.solve.solve`.
    """
    changeable = [i for i, factor in enumerate(hard) if may_change(factor)]
    fixed = [factor for i, factor in enumerate(hard) if i not in set(changeable)]
    if not _feasible(domains, fixed, max_rows):
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
                core = minimal_conflict(domains, [factor for i, factor in enumerate(hard) if i not in given_up], max_rows=max_rows)
                known = frozenset(position[factor] for factor in core).intersection(changeable)
                if not known:
                    found.append(given_up)
                    continue
                conflicts.append(known)
            following.update(dict.fromkeys(given_up | {one} for one in sorted(known)))
        level = list(following)
    return [tuple(hard[i] for i in sorted(given_up)) for given_up in found[:limit]]


def _feasible(domains: Mapping[str, Sequence[str]], hard: Sequence[Factor], max_rows: int) -> bool:
    return eliminate(domains, hard, max_rows).feasible
