"""The best configuration through one option, read off both passes of the elimination instead of solving
anew.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from reasoner.solve.elimination import Elimination
from reasoner.solve.tables import Key


def completion(
    elimination: Elimination, reach: Sequence[Mapping[Key, int]], decision: str, option: str
) -> dict[str, str]:
    """The best configuration with an option.

    From the best row with the option, buckets that were settled before are decoded as in the forward pass;
    those settled later take the best row that agrees with what is taken already.

    Args:
        reach: of the backward pass, see `reasoner.solve.marginals.Backward`.

    Raises:
        ValueError: no feasible configuration has the option.
    """
    buckets = elimination.buckets
    number = {bucket.decision: i for i, bucket in enumerate(buckets)}
    parent: dict[int, int] = {}
    for i, bucket in enumerate(buckets):
        parent |= dict.fromkeys(bucket.inner, i)
    taken: dict[str, str] = {decision: option}

    def enter(i: int) -> None:
        """Take the best row of a bucket that agrees with what is taken, its decision included."""
        bucket = buckets[i]
        agreed = [(at, taken[one]) for at, one in enumerate(bucket.context) if one in taken]
        wanted = taken[bucket.decision]
        rows = []
        for context, options in bucket.choices.items():
            if wanted not in options or context not in reach[i]:
                continue
            if all(context[at] == value for at, value in agreed):
                rows.append((options[wanted] + reach[i][context] - bucket.best[context], context))
        if not rows:
            raise ValueError(f"no feasible configuration has '{option}'")
        best = max(rows, key=lambda row: row[0])
        taken.update(zip(bucket.context, best[1], strict=True))

    def settle(i: int) -> None:
        """Take the best option of a bucket whose context is taken, and so on inwards."""
        bucket = buckets[i]
        options = bucket.choices[tuple(taken[one] for one in bucket.context)]
        taken[bucket.decision] = max(options, key=options.__getitem__)
        for inner in bucket.inner:
            settle(inner)

    came_from, here = None, number.get(decision)
    while here is not None:
        enter(here)
        for inner in buckets[here].inner:
            if inner != came_from:
                settle(inner)
        came_from, here = here, parent.get(here)
    for i, bucket in enumerate(buckets):
        if i not in parent and bucket.decision not in taken:
            settle(i)
    return {one: taken[one] for one in elimination.domains}
