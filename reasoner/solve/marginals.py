"""The backward pass: what the best configuration with each option is worth, for all options at once and at the cost of the forward pass."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from reasoner.solve.elimination import Bucket, Elimination
from reasoner.solve.tables import Key, pick

Inner = tuple[dict[Key, int], Mapping[Key, int], Callable[[Key], Key]]
"""Of a bucket that was summed up: what it knows of its outside, its own best values, and how to find its context in a row."""


def marginals(elimination: Elimination) -> dict[str, dict[str, int]]:
    """For each decision the value of the best configuration with each option; an option that no feasible configuration has is absent."""
    found: dict[str, dict[str, int]] = {decision: {} for decision in elimination.domains}
    if not elimination.feasible:
        return found
    buckets = elimination.buckets
    # For each bucket and each combination of its context: the best value of everything that the bucket's own sums leave out.
    outside: list[dict[Key, int]] = [{} if bucket.context else {(): elimination.value - bucket.best[()]} for bucket in buckets]
    for bucket, around in zip(reversed(buckets), reversed(outside), strict=True):
        scope = (*bucket.context, bucket.decision)
        inner = [(outside[i], buckets[i].best, pick([scope.index(other) for other in buckets[i].context])) for i in bucket.inner]
        found[bucket.decision] = _spread(bucket, around, inner)
    return {decision: {option: found[decision][option] for option in options if option in found[decision]}
            for decision, options in elimination.domains.items()}


def _spread(bucket: Bucket, outside: Mapping[Key, int], inner: Iterable[Inner]) -> dict[str, int]:
    """The best value of each option of a bucket, entering on the way what the buckets that it sums up are to know of their outside."""
    best: dict[str, int] = {}
    for context, choices in bucket.choices.items():
        around = outside.get(context)
        if around is None:
            continue
        for option, value in choices.items():
            total = around + value
            if option not in best or total > best[option]:
                best[option] = total
            for known, own, part in inner:
                key = part((*context, option))
                rest = total - own[key]
                if key not in known or rest > known[key]:
                    known[key] = rest
    return best
