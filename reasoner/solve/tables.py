"""Factors made ready for elimination: weights alone on the options, and one table for each set of decisions
that interact.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from operator import itemgetter

from kb.values import Value
from reasoner.solve.problem import Factor

Key = tuple[str, ...]
Options = dict[str, int]
"""The options of one decision that are left, each with a sum of weights."""


class Table:
    """What combinations of options of several decisions are worth.

    Attributes:
        scope: the decisions.
        weights: a weight for each combination that is named; None forbids it.
        closed: whether what is not named is forbidden; else it weighs nothing.
        density: which part of all combinations is allowed.
        origin: the number of the bucket that handed the table on; None for a factor of the problem.
    """

    __slots__ = ("closed", "density", "origin", "scope", "weights")

    def __init__(
        self,
        scope: Key,
        weights: Mapping[Key, int | None],
        closed: bool,
        combinations: int,
        origin: int | None = None,
    ) -> None:
        self.scope = scope
        self.weights = weights
        self.closed = closed
        self.origin = origin
        allowed = (
            len(weights) if closed else combinations - sum(weight is None for weight in weights.values())
        )
        self.density = allowed / combinations if combinations else 0.0

    def slices(self, decision: str, options: Iterable[str]) -> dict[Key, Options]:
        """For each combination of the other decisions: what it leaves of the options of `decision`, with
        their weights.

        Of a table that is not closed, combinations are absent that change nothing.
        """
        i = self.scope.index(decision)
        sliced: dict[Key, Options] = {}
        for key, weight in self.weights.items():
            others = key[:i] + key[i + 1 :]
            if others not in sliced:
                sliced[others] = {} if self.closed else dict.fromkeys(options, 0)
            if weight is None:
                del sliced[others][key[i]]
            else:
                sliced[others][key[i]] = weight
        return sliced


class Prepared(Value, frozen=True):
    """A problem in the form that elimination works on.

    Attributes:
        live: for each decision the options that nothing forbids alone, with what they weigh alone.
        tables: one table for each set of two or more decisions that a factor is about.
        constant: what every configuration weighs; None where a factor forbids everything.
    """

    live: dict[str, Options]
    tables: list[Table]
    constant: int | None


def prepare(domains: Mapping[str, Sequence[str]], factors: Iterable[Factor]) -> Prepared:
    """Merge factors about the same decisions, and leave out the options that are forbidden alone.

    Raises:
        ValueError: a factor names a decision that has no domain, or names one twice.
    """
    merged = {scope: _merge(scope, members) for scope, members in _by_scope(domains, factors).items()}
    constant = sum(base for _, base in merged.values() if base is not None)
    weights, base = merged.pop((), ({}, 0))
    nothing_left = () not in weights if base is None else weights.get(()) is None and () in weights
    live: dict[str, Options] = {}
    for decision, options in domains.items():
        alone, base = merged.pop((decision,), ({}, 0))
        otherwise = None if base is None else 0
        live[decision] = {
            option: weight for option in options if (weight := alone.get((option,), otherwise)) is not None
        }
    tables = []
    for scope, (named, closed) in _supported(
        live, {scope: (named, base is None) for scope, (named, base) in merged.items()}
    ).items():
        table = Table(scope, named, closed, math.prod(len(live[decision]) for decision in scope))
        if table.density < 1 or any(named.values()):
            tables.append(table)
    return Prepared(live, tables, None if nothing_left else constant + (weights.get(()) or 0))


_Rows = dict[Key, int | None]


def _supported(
    live: dict[str, Options], tables: dict[Key, tuple[_Rows, bool]]
) -> dict[Key, tuple[_Rows, bool]]:
    """The tables without the combinations that are not live; options that a table allows in no combination
    are left out of `live`.

    They would shrink every table, and nothing feasible has them.
    """
    left = dict(tables)
    waiting: Iterable[Key] = tables
    while waiting:
        shrunk: set[str] = set()
        for scope in waiting:
            named, closed = left[scope]
            options = [live[decision] for decision in scope]
            kept = _live_rows(named, options)
            left[scope] = kept, closed
            for decision, supported in zip(scope, _supported_options(kept, options, closed), strict=False):
                if len(supported) < len(live[decision]):
                    live[decision] = {
                        option: weight for option, weight in live[decision].items() if option in supported
                    }
                    shrunk.add(decision)
        waiting = [scope for scope in left if not shrunk.isdisjoint(scope)]
    return left


def _live_rows(named: _Rows, options: Sequence[Options]) -> _Rows:
    if len(options) == 2:
        first, second = options
        return {key: weight for key, weight in named.items() if key[0] in first and key[1] in second}
    return {key: weight for key, weight in named.items() if all(map(dict.__contains__, options, key))}


def _supported_options(rows: _Rows, options: Sequence[Options], closed: bool) -> Sequence[Set[str]]:
    """For each decision the options that are allowed in some combination; nothing where all are."""
    if closed:
        return [set(column) for column in zip(*rows, strict=True)] if rows else [set()] * len(options)
    forbidden = [key for key, weight in rows.items() if weight is None]
    sizes = [len(one) for one in options]
    if not forbidden or len(forbidden) * max(sizes) < math.prod(sizes):
        return ()  # too few to rule out an option
    full = [math.prod(sizes[:i] + sizes[i + 1 :]) for i in range(len(sizes))]
    counts = [Counter(column) for column in zip(*forbidden, strict=True)]
    supported = []
    for one, count, most in zip(options, counts, full, strict=True):
        supported.append({option for option in one if count[option] < most})
    return supported


def pick(positions: Sequence[int]) -> Callable[[Key], Key]:
    """A function from a tuple to the tuple of its entries at `positions`."""
    if len(positions) > 1:
        return itemgetter(*positions)
    if positions:
        (position,) = positions
        return lambda key: (key[position],)
    return lambda key: ()


def _by_scope(domains: Mapping[str, Sequence[str]], factors: Iterable[Factor]) -> dict[Key, list[Factor]]:
    position = {decision: i for i, decision in enumerate(domains)}
    by_scope: dict[Key, list[Factor]] = defaultdict(list)
    for factor in factors:
        if unknown := [decision for decision in factor.scope if decision not in position]:
            raise ValueError(f"a factor is about '{unknown[0]}', which has no domain")
        if len(set(factor.scope)) < len(factor.scope):
            raise ValueError(f"a factor names a decision twice: {', '.join(factor.scope)}")
        by_scope[tuple(sorted(factor.scope, key=position.__getitem__))].append(factor)
    return by_scope


def _merge(scope: Key, factors: Sequence[Factor]) -> tuple[dict[Key, int | None], int | None]:
    """The sum of factors about the same decisions: what it is for each combination named, above the base that
    is the weight of all others.

    The base is None where all others are forbidden; weights are then above nothing.
    """
    if len(factors) == 1 and factors[0].scope == scope and not factors[0].otherwise:
        (alone,) = factors
        closed_alone = alone.otherwise is None
        return {
            key: weight for key, weight in alone.table.items() if weight is not None or not closed_alone
        }, alone.otherwise
    tables = []
    for factor in factors:
        reorder = pick([factor.scope.index(decision) for decision in scope])
        table = (
            factor.table
            if factor.scope == scope
            else {reorder(key): weight for key, weight in factor.table.items()}
        )
        tables.append((table, factor.otherwise))
    closed = [table for table, otherwise in tables if otherwise is None]
    base = 0 if closed else sum(otherwise for _, otherwise in tables if otherwise is not None)
    named = (
        min(closed, key=len)
        if closed
        else dict.fromkeys(itertools.chain.from_iterable(table for table, _ in tables))
    )
    total: dict[Key, int | None] = {}
    for key in named:
        weights = [table.get(key, otherwise) for table, otherwise in tables]
        if None not in weights:
            total[key] = sum(weight for weight in weights if weight is not None) - base
        elif not closed:
            total[key] = None
    return total, None if closed else base
