"""Bucket elimination: decisions are settled one after the other, each for every combination of the decisions
that it still interacts with.

Settling a decision joins all tables that mention it over it and its neighbours (its *bucket*), keeps for each
combination of the neighbours the best value, and hands that on as a new table. The cost is that of the
largest bucket, which is small where few decisions interact at once. Buckets hold only combinations that
nothing forbids, and a table that lists what is allowed generates candidates instead of testing them.
"""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from kb.errors import OntuneError
from kb.values import Value
from reasoner.solve.kinds import with_kinds, without_kinds
from reasoner.solve.order import PREFERENCES, Order, rows_in_all
from reasoner.solve.problem import Factor
from reasoner.solve.tables import Key, Options, Table, pick, prepare

Row = tuple[Key, Options]

_SMALL = 20_000
"""Rows of a table that cost less than the search for a better order."""


class TooWide(OntuneError):
    """A table would have more rows than allowed: the knowledge base lets too many decisions interact at once.

    Attributes:
        decisions: the decisions that interact so widely.
        max_rows: the number of rows allowed.
    """

    exit_code = 2

    def __init__(self, decisions: Sequence[str], max_rows: int) -> None:
        super().__init__(
            f"the decisions {', '.join(decisions)} interact in more than {max_rows} combinations"
        )
        self.decisions = tuple(decisions)
        self.max_rows = max_rows


class Bucket(Value, frozen=True):
    """What is known of one decision when it is settled.

    Attributes:
        decision: the decision settled here.
        context: the decisions that it was weighed against; all of them are settled later.
        choices: for each combination of the context, the options that fit it with the value of everything
            settled up to here.
        best: for each combination of the context, the greatest of these values.
        inner: numbers of the buckets whose `best` was part of this bucket's sums.
    """

    decision: str
    context: Key
    choices: Mapping[Key, Options]
    best: Mapping[Key, int]
    inner: tuple[int, ...]

    @property
    def rows(self) -> int:
        """The number of combinations of the decision and its context."""
        return sum(map(len, self.choices.values()))


class Elimination(Value, frozen=True):
    """The forward pass: buckets in the order in which their decisions were settled; incomplete where nothing
    is feasible.
    """

    domains: Mapping[str, Sequence[str]]
    buckets: tuple[Bucket, ...]
    feasible: bool
    value: int


def eliminate(domains: Mapping[str, Sequence[str]], factors: Iterable[Factor], max_rows: int) -> Elimination:
    """Settle every decision. Arguments and errors are those of `reasoner.solve.solve`."""
    prepared = prepare(domains, factors)
    if prepared.constant is None or not all(prepared.live.values()):
        return Elimination(domains, (), False, 0)
    live, tables = with_kinds(prepared.live, prepared.tables)
    sizes = {decision: len(options) for decision, options in live.items()}
    try:
        return _eliminate(
            domains, live, Order(sizes, PREFERENCES[0], tables), prepared.constant, min(max_rows, _SMALL)
        )
    except TooWide:
        best = min(PREFERENCES, key=lambda preference: rows_in_all(sizes, tables, preference))
        return _eliminate(domains, live, Order(sizes, best, tables), prepared.constant, max_rows)


def _eliminate(
    domains: Mapping[str, Sequence[str]],
    live: Mapping[str, Options],
    order: Order[Table],
    value: int,
    max_rows: int,
) -> Elimination:
    buckets: list[Bucket] = []
    while order:
        decision = order.next()
        bucket = _settle(decision, order.about(decision), live, max_rows)
        buckets.append(bucket)
        if not bucket.best:
            return Elimination(domains, tuple(buckets), False, 0)
        left = None
        if bucket.context:
            combinations = math.prod(len(live[other]) for other in bucket.context)
            left = Table(bucket.context, bucket.best, True, combinations, origin=len(buckets) - 1)
        else:
            value += bucket.best[()]
        order.settle(decision, left)
    return Elimination(domains, tuple(buckets), True, value)


def _settle(decision: str, tables: Sequence[Table], live: Mapping[str, Options], max_rows: int) -> Bucket:
    """The bucket of a decision, from all tables that mention it.

    The neighbours are taken in one by one; every combination of theirs carries what it leaves of the options
    of `decision`, with their sums.
    """
    context = _join_order(decision, tables, live)
    at = {one: i for i, one in enumerate(context)}
    ready: list[list[_Part]] = [[] for _ in (*context, decision)]
    for table in tables:
        positions = [at[one] for one in table.scope if one != decision]
        ready[max(positions, default=-1) + 1].append(
            _Part(positions, table.slices(decision, live[decision]), table.closed)
        )
    options = live[decision]
    for part in ready[0]:
        options = _sum(options, part.slices[()])
    rows: list[Row] = [((), options)] if options else []
    for i, one in enumerate(context):
        waiting = itertools.chain.from_iterable(ready[i + 2 :])
        begun = _begun(waiting, i, len(rows) * len(live[one]))
        extended = _extend(rows, live[one], i, [*ready[i + 1], *begun], max_rows)
        if extended is None:
            raise TooWide(without_kinds((decision, *context)), max_rows)
        rows = extended
    choices = dict(rows)
    best = {key: max(options.values()) for key, options in rows}
    return Bucket(
        decision, context, choices, best, tuple(table.origin for table in tables if table.origin is not None)
    )


def _join_order(decision: str, tables: Sequence[Table], live: Mapping[str, Options]) -> Key:
    """The neighbours of a decision, those first with which the fewest combinations are left."""
    left = set[str]().union(*(table.scope for table in tables)) - {decision}
    order: list[str] = []

    def growth(one: str) -> tuple[float, str]:
        seen = {decision, one, *order}
        kept = math.prod(
            table.density for table in tables if one in table.scope and seen.issuperset(table.scope)
        )
        return kept * len(live[one]), one

    while left:
        order.append(min(left, key=growth))
        left.remove(order[-1])
    return tuple(order)


class _Part(Value, frozen=True):
    """A table while a bucket is filled: where its other decisions stand in the context, and its slices for
    combinations of them.
    """

    positions: list[int]
    slices: dict[Key, Options]
    closed: bool

    def up_to(self, position: int) -> _Part:
        """What the table says once the context is filled up to a position: the combinations that it allows of
        the decisions up to there, and with each the options that are left with one that follows; without
        weights, which are counted when the combination is whole.
        """
        within = [i for i, at in enumerate(self.positions) if at <= position]
        begun: dict[Key, Options] = {}
        select = pick(within)
        for key, options in self.slices.items():
            begun.setdefault(select(key), {}).update(dict.fromkeys(options, 0))
        return _Part([self.positions[i] for i in within], begun, True)


def _begun(waiting: Iterable[_Part], position: int, tried: int) -> list[_Part]:
    """What parts that also wait for later decisions say up to `position`, as far as they name fewer
    combinations than would be tried.

    Without them, decisions that only the last part brings together would first be combined with one another
    in every way. With them no step has more rows than the tables have together: a worst-case optimal join
    (Ngo, Ré and Rudra, Skew strikes back, SIGMOD Record 42, 2013).
    """
    begun = []
    for part in waiting:
        if part.closed and position in part.positions and len(part.slices) < tried:
            begun.append(part.up_to(position))
    return begun


def _extend(
    rows: Iterable[Row], options: Iterable[str], position: int, parts: Sequence[_Part], max_rows: int
) -> list[Row] | None:
    """The rows with one more decision of the context, at `position`, without the combinations that the parts
    forbid; None where there are too many.

    What parts say of an option alone is said once, not for each row; of the others, the smallest that lists
    what is allowed generates the options to be tried.
    """
    offered = _offered(options, [part for part in parts if part.positions == [position]])
    shared = [part for part in parts if part.positions != [position]]
    source = min((part for part in shared if part.closed), key=lambda part: len(part.slices), default=None)
    tests = [(part.slices.get, pick(part.positions), part.closed) for part in shared if part is not source]
    candidates: dict[Key, list[tuple[str, Options | None]]] = defaultdict(list)
    known = pick([])
    if source is None:
        candidates[()] = list(offered.items())
    else:
        i = source.positions.index(position)
        known = pick([other for other in source.positions if other != position])
        for key, allowed in source.slices.items():
            if key[i] in offered:
                alone = offered[key[i]]
                both = allowed if alone is None else _sum(allowed, alone)
                candidates[key[:i] + key[i + 1 :]].append((key[i], both))
    extended: list[Row] = []
    room = max_rows
    for row, left in rows:
        for option, allowed_here in candidates.get(known(row), ()):
            key, fitting = (*row, option), left if allowed_here is None else _sum(left, allowed_here)
            for lookup, select, closed in tests:
                if not fitting:
                    break
                weights = lookup(select(key))
                if weights is not None:
                    fitting = _sum(fitting, weights)
                elif closed:
                    fitting = {}
            if fitting:
                extended.append((key, fitting))
                room -= len(fitting)
                if room < 0:
                    return None
    return extended


def _offered(options: Iterable[str], parts: Sequence[_Part]) -> dict[str, Options | None]:
    """The options that parts about them alone leave, with what is left beside each of the decision that is
    settled; None where nothing is said.
    """
    offered: dict[str, Options | None] = dict.fromkeys(options)
    for part in parts:
        for option, left in list(offered.items()):
            weights = part.slices.get((option,), _NOTHING if part.closed else None)
            if weights is not None:
                offered[option] = weights if left is None else _sum(left, weights)
            if offered[option] == _NOTHING:
                del offered[option]
    return offered


_NOTHING: Options = {}


def _sum(one: Options, other: Options) -> Options:
    """The options that both leave, with the sums of their weights."""
    if len(one) > len(other):
        one, other = other, one
    total = {}
    for option, weight in one.items():  # twice as fast as a comprehension for one option, which most have
        if option in other:
            total[option] = weight + other[option]
    return total
