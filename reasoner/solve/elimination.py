"""Bucket elimination: decisions are settled one after the other, each for every combination of the decisions that it still interacts with.

Settling a decision joins all factors that mention it into a table over it and its neighbours (its *bucket*), keeps for each combination of the
neighbours the best value, and hands that on as a new factor. The cost is that of the largest table, which is small where few decisions interact at
once. Tables hold only combinations that nothing forbids, and a factor that lists what is allowed generates candidates instead of testing them.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter

from kb.errors import OntuneError
from reasoner.solve.problem import Factor

Key = tuple[str, ...]
Row = tuple[Key, int]


class TooWide(OntuneError):
    """A table would have more rows than allowed: the knowledge base lets too many decisions interact at once.

    Attributes:
        decisions: the decisions that interact so widely.
        max_rows: the number of rows allowed.
    """

    exit_code = 2

    def __init__(self, decisions: Sequence[str], max_rows: int) -> None:
        super().__init__(f"the decisions {', '.join(decisions)} interact in more than {max_rows} combinations")
        self.decisions = tuple(decisions)
        self.max_rows = max_rows


@dataclass(frozen=True)
class Bucket:
    """What is known of one decision when it is settled.

    Attributes:
        decision: the decision settled here.
        context: the decisions that it was weighed against; all of them are settled later.
        choices: for each combination of the context, the options that fit it with the value of everything settled up to here.
        best: for each combination of the context, the greatest of these values.
        inner: positions of the buckets whose `best` was part of this bucket's sums.
    """

    decision: str
    context: tuple[str, ...]
    choices: Mapping[Key, Sequence[tuple[int, str]]]
    best: Mapping[Key, int]
    inner: tuple[int, ...]


@dataclass(frozen=True)
class Elimination:
    """The forward pass: buckets in the order in which they were settled; incomplete where nothing is feasible."""

    domains: Mapping[str, Sequence[str]]
    buckets: tuple[Bucket, ...]
    feasible: bool
    value: int
    width: int
    largest_table: int
    widest: tuple[str, ...]


class _Table:
    """A factor at work: a merged factor of the problem, or what bucket number `origin` handed on."""

    __slots__ = ("density", "origin", "otherwise", "scope", "weights")

    def __init__(self, scope: Key, weights: Mapping[Key, int | None], otherwise: int | None, combinations: int, origin: int | None = None) -> None:
        self.scope = scope
        self.weights = weights
        self.otherwise = otherwise
        self.origin = origin
        forbidden = 0 if otherwise is None else sum(weight is None for weight in weights.values())
        allowed = len(weights) if otherwise is None else combinations - forbidden
        self.density = allowed / combinations if combinations else 0.0


def eliminate(domains: Mapping[str, Sequence[str]], factors: Iterable[Factor], max_rows: int) -> Elimination:
    """Settle every decision. Arguments and errors are those of `reasoner.solve.solve`."""
    live, constant, tables = _prepare(domains, factors)
    buckets: list[Bucket] = []
    value, largest = constant or 0, 0
    widest: Key = ()
    feasible = constant is not None and all(live.values())
    left = dict.fromkeys(live)
    while feasible and left:
        decision = min(left, key=lambda one: _expected_rows(one, tables, live))
        del left[decision]
        mine = [table for table in tables if decision in table.scope]
        tables = [table for table in tables if decision not in table.scope]
        scope, rows = _join(decision, mine, live, max_rows)
        if len(rows) > largest:
            largest, widest = len(rows), scope
        bucket = _settle(decision, scope, rows, tuple(table.origin for table in mine if table.origin is not None))
        if not bucket.best:
            feasible = False
        elif bucket.context:
            combinations = math.prod(len(live[other]) for other in bucket.context)
            tables.append(_Table(bucket.context, bucket.best, None, combinations, len(buckets)))
        else:
            value += bucket.best[()]
        buckets.append(bucket)
    width = max((len(bucket.context) for bucket in buckets), default=0)
    return Elimination(domains, tuple(buckets), feasible, value if feasible else 0, width, largest, widest)


def _prepare(domains: Mapping[str, Sequence[str]], factors: Iterable[Factor]) -> tuple[dict[str, list[str]], int | None, list[_Table]]:
    """The options that no factor forbids alone, the sum of factors about nothing (None: forbidden), and one table for each set of decisions."""
    position = {decision: i for i, decision in enumerate(domains)}
    by_scope: dict[Key, list[Factor]] = defaultdict(list)
    for factor in factors:
        if unknown := [decision for decision in factor.scope if decision not in position]:
            raise ValueError(f"a factor is about '{unknown[0]}', which has no domain")
        if len(set(factor.scope)) < len(factor.scope):
            raise ValueError(f"a factor names a decision twice: {', '.join(factor.scope)}")
        by_scope[tuple(sorted(factor.scope, key=position.__getitem__))].append(factor)
    merged = {scope: _merge(scope, members) for scope, members in by_scope.items()}
    weights, otherwise = merged.pop((), ({}, 0))
    constant = weights.get((), otherwise)
    live = {}
    for decision, options in domains.items():
        weights, otherwise = merged.get((decision,), ({}, 0))
        live[decision] = [option for option in dict.fromkeys(options) if weights.get((option,), otherwise) is not None]
    tables = []
    for scope, (weights, otherwise) in merged.items():
        known = [set(live[decision]) for decision in scope]
        kept = {key: weight for key, weight in weights.items() if all(map(set.__contains__, known, key))}
        tables.append(_Table(scope, kept, otherwise, math.prod(map(len, known))))
    return live, constant, tables


def _merge(scope: Key, factors: Sequence[Factor]) -> tuple[dict[Key, int | None], int | None]:
    """The sum of factors about the same decisions, as one table over `scope` and the weight of what it does not name."""
    tables = [({_reorder(factor.scope, scope)(key): weight for key, weight in factor.table.items()}, factor.otherwise) for factor in factors]
    closed = [weights for weights, otherwise in tables if otherwise is None]
    base = None if closed else sum(otherwise for _, otherwise in tables if otherwise is not None)
    named = min(closed, key=len) if closed else dict.fromkeys(key for weights, _ in tables for key in weights)
    total: dict[Key, int | None] = {}
    for key in named:
        weights_of_key = [weights.get(key, otherwise) for weights, otherwise in tables]
        weight = None if None in weights_of_key else sum(one for one in weights_of_key if one is not None)
        if weight is not None or base is not None:
            total[key] = weight
    return total, base


def _expected_rows(decision: str, tables: Sequence[_Table], live: Mapping[str, Sequence[str]]) -> float:
    """How many rows the bucket of a decision is likely to have, were the prohibitions independent of each other."""
    scope, density = {decision}, 1.0
    for table in tables:
        if decision in table.scope:
            scope.update(table.scope)
            density *= table.density
    return density * math.prod(len(live[other]) for other in scope)


def _join(decision: str, tables: Sequence[_Table], live: Mapping[str, Sequence[str]], max_rows: int) -> tuple[Key, list[Row]]:
    """All combinations of a decision and its neighbours that the tables allow, with their sums, and the order of the decisions in them."""
    scope = _join_order({decision}.union(*(table.scope for table in tables)), tables, live)
    at = {one: i for i, one in enumerate(scope)}
    rows: list[Row] = [((), 0)]
    for i, one in enumerate(scope):
        ready = [table for table in tables if max(at[other] for other in table.scope) == i]
        rows = _extend(rows, one, at, ready, live[one])
        if len(rows) > max_rows:
            raise TooWide(scope, max_rows)
    return scope, rows


def _join_order(scope: set[str], tables: Sequence[_Table], live: Mapping[str, Sequence[str]]) -> Key:
    """Begin with the decision of most options, then the one that most tables can test at once, so that bad combinations die early."""
    order: list[str] = []
    left = set(scope)

    def preference(one: str) -> tuple[float, int, str]:
        seen = {*order, one}
        kept = math.prod(table.density for table in tables if one in table.scope and len(table.scope) > 1 and seen.issuperset(table.scope))
        return kept * len(live[one]) if order else -len(live[one]), len(live[one]), one

    while left:
        order.append(min(left, key=preference))
        left.remove(order[-1])
    return tuple(order)


def _extend(rows: Iterable[Row], decision: str, at: Mapping[str, int], tables: Sequence[_Table], options: Sequence[str]) -> list[Row]:
    """The rows with one more decision, without the combinations that the tables forbid."""
    closed = [table for table in tables if table.otherwise is None]
    source = min(closed, key=lambda table: table.density, default=None)
    rest = pick([])
    candidates: dict[Key, list[tuple[str, int]]] = defaultdict(list)
    if source is None:
        candidates[()] = [(option, 0) for option in options]
    else:
        i = source.scope.index(decision)
        rest = pick([at[other] for other in source.scope if other != decision])
        for key, weight in source.weights.items():
            if weight is not None:
                candidates[key[:i] + key[i + 1 :]].append((key[i], weight))
    tests = [(table.weights.get, pick([at[other] for other in table.scope]), table.otherwise) for table in tables if table is not source]
    grown: list[Row] = []
    for row, value in rows:
        for option, weight in candidates.get(rest(row), ()):
            key, total = (*row, option), value + weight
            for lookup, part, otherwise in tests:
                found = lookup(part(key), otherwise)
                if found is None:
                    break
                total += found
            else:
                grown.append((key, total))
    return grown


def _settle(decision: str, scope: Key, rows: Iterable[Row], inner: tuple[int, ...]) -> Bucket:
    i = scope.index(decision)
    choices: dict[Key, list[tuple[int, str]]] = {}
    for key, value in rows:
        choices.setdefault(key[:i] + key[i + 1 :], []).append((value, key[i]))
    best = {context: max(options)[0] for context, options in choices.items()}
    return Bucket(decision, scope[:i] + scope[i + 1 :], choices, best, inner)


def _reorder(given: Key, wanted: Key) -> Callable[[Key], Key]:
    if given == wanted:
        return lambda key: key
    return pick([given.index(decision) for decision in wanted])


def pick(positions: Sequence[int]) -> Callable[[Key], Key]:
    """A function from a tuple to the tuple of its entries at `positions`."""
    if len(positions) > 1:
        return itemgetter(*positions)
    if positions:
        (position,) = positions
        return lambda key: (key[position],)
    return lambda key: ()
