"""Configurations, best first: a best-first search that never goes astray, because elimination left the exact
value of every partial choice.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterator, Sequence

from reasoner.solve.elimination import Elimination
from reasoner.solve.tables import Key, pick


def ranked(elimination: Elimination) -> Iterator[tuple[int, dict[str, str]]]:
    """Every feasible configuration once with its value, best first; among equals in an order that depends
    only on the problem.

    Decisions are decoded last settled first, so that the context of each is known when its turn comes. A
    state of the search is a partial choice whose last decision takes its `rank`-th best option; its value is
    that of its best completion.
    """
    if not elimination.feasible:
        return
    buckets = elimination.buckets[::-1]
    names = tuple(bucket.decision for bucket in buckets)
    contexts = []
    for bucket in buckets:
        contexts.append(pick([names.index(other) for other in bucket.context]))
    options: list[dict[Key, Sequence[tuple[int, str]]]] = [{} for _ in buckets]

    def choices(depth: int, taken: Key) -> Sequence[tuple[int, str]]:
        context = contexts[depth](taken)
        if context not in options[depth]:
            found = buckets[depth].choices[context]
            top = buckets[depth].best[context]
            options[depth][context] = sorted(
                ((top - value, option) for option, value in found.items()), key=lambda choice: choice[0]
            )
        return options[depth][context]

    tickets = itertools.count()
    heap: list[tuple[int, int, Key, int]] = [(-elimination.value, next(tickets), (), 0)]
    while heap:
        loss, _, taken, rank = heapq.heappop(heap)
        for depth in range(len(taken), len(buckets)):
            fitting = choices(depth, taken)
            if rank + 1 < len(fitting):
                heapq.heappush(
                    heap, (loss + fitting[rank + 1][0] - fitting[rank][0], next(tickets), taken, rank + 1)
                )
            taken = (*taken, fitting[rank][1])
            rank = 0
        chosen = dict(zip(names, taken, strict=True))
        yield -loss, {decision: chosen[decision] for decision in elimination.domains}
