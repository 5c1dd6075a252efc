"""The backward pass: what the best configuration with each option is worth, for all options at once and at
the cost of the forward pass.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from kb.values import Value
from reasoner.solve.elimination import Bucket, Elimination
from reasoner.solve.tables import Key, Options, pick


class Backward(Value, frozen=True):
    """The backward pass.

    Attributes:
        marginals: for each decision the value of the best configuration with each option; an option that no
            feasible configuration has is absent.
        reach: for each bucket and each combination of its context, the value of the best configuration with
            that combination.
    """

    marginals: dict[str, dict[str, int]]
    reach: Sequence[Mapping[Key, int]]


def backward(elimination: Elimination) -> Backward:
    """What the best configuration with each option is worth."""
    if not elimination.feasible:
        return Backward({decision: {} for decision in elimination.domains}, ())
    buckets = elimination.buckets
    reach: list[Mapping[Key, int]] = [{(): elimination.value} for _ in buckets]
    found: dict[str, Options] = {}
    for bucket, with_context in zip(reversed(buckets), reversed(reach), strict=True):
        projections = [_Projection(bucket, buckets[i].context) for i in bucket.inner] or [
            _Projection(bucket, (bucket.decision,))
        ]
        outside = {
            context: with_context[context] - best
            for context, best in bucket.best.items()
            if context in with_context
        }
        for projection in projections:
            projection.raise_to(bucket.choices, outside)
        for i, projection in zip(bucket.inner, projections, strict=False):
            reach[i] = projection.by_context()
        found[bucket.decision] = projections[0].by_option()
    marginals = {}
    for decision, options in elimination.domains.items():
        values = found[decision]
        marginals[decision] = {option: values[option] for option in options if option in values}
    return Backward(marginals, reach)


class _Projection:
    """The best values of the rows of a bucket, by their part that belongs to `context`, which holds the
    bucket's decision.
    """

    def __init__(self, bucket: Bucket, context: Key) -> None:
        self._own = context.index(bucket.decision)
        self._others = pick([bucket.context.index(one) for one in context if one != bucket.decision])
        self._best: dict[Key, Options] = {}

    def raise_to(self, choices: Mapping[Key, Options], outside: Mapping[Key, int]) -> None:
        """Enter the options of combinations of the bucket's context; `outside` is what is outside their
        sums.
        """
        for context, more in outside.items():
            best = self._best.setdefault(self._others(context), {})
            for option, value in choices[context].items():
                total = value + more
                if option not in best or total > best[option]:
                    best[option] = total

    def by_context(self) -> dict[Key, int]:
        """The best value for each combination of `context`."""
        i = self._own
        found: dict[Key, int] = {}
        for others, options in self._best.items():
            before, behind = others[:i], others[i:]
            for option, value in options.items():
                found[*before, option, *behind] = value
        return found

    def by_option(self) -> Options:
        """The best value for each option of the bucket's decision."""
        best: Options = {}
        for options in self._best.values():
            best.update(
                {
                    option: value
                    for option, value in options.items()
                    if option not in best or value > best[option]
                }
            )
        return best
