"""The exact choice: one option for every decision, so that nothing forbids the configuration and the sum of
weights is greatest.

This package knows decisions and options as plain strings and imports nothing of RDF. A problem is a set of
*domains* (the options of each decision) and a list of *factors* (weights on combinations of options; a
combination without a weight is forbidden). It is solved by bucket elimination, so that the cost follows how
the decisions interact and not the product of their options:

* `problem`: factors.
* `tables`, `kinds`: factors merged, and options that a factor treats alike taken together.
* `order`: which decision is settled next.
* `elimination`: the forward pass, which leaves for every decision a table of what its options are worth.
* `ranking`: configurations, best first.
* `marginals`: the backward pass, which gives the best value of every option.
* `completion`: the best configuration through an option.
* `search`: whether anything is feasible at all, without large tables.
* `relaxation`: what cannot hold together, and the least that must be given up.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property

from reasoner.solve.completion import completion
from reasoner.solve.elimination import Elimination, TooWide, eliminate
from reasoner.solve.kinds import without_kinds
from reasoner.solve.marginals import Backward, backward
from reasoner.solve.problem import Factor
from reasoner.solve.ranking import ranked
from reasoner.solve.relaxation import minimal_conflict, minimal_part, smallest_relaxations

__all__ = [
    "Factor",
    "Solution",
    "TooWide",
    "minimal_conflict",
    "minimal_part",
    "smallest_relaxations",
    "solve",
]


class Solution:
    """What is known of a solved problem: its best configurations and the best value of every option.

    Attributes:
        feasible: whether any configuration is allowed.
        value: the greatest sum of weights; 0 where nothing is feasible.
        width: the greatest number of decisions that one decision had to be weighed against at once.
        largest_table: the number of rows of the largest table.
        widest: the decisions of that table.
    """

    def __init__(self, elimination: Elimination) -> None:
        self._elimination = elimination
        self.feasible = elimination.feasible
        self.value = elimination.value
        widest = max(elimination.buckets, key=lambda bucket: bucket.rows, default=None)
        self.width = max((len(bucket.context) for bucket in elimination.buckets), default=0)
        self.largest_table = widest.rows if widest else 0
        self.widest = without_kinds((*widest.context, widest.decision)) if widest else ()

    def best(self) -> dict[str, str]:
        """The best configuration, decision to option.

        Raises:
            ValueError: nothing is feasible.
        """
        for _, configuration in self.ranked():
            return configuration
        raise ValueError("no configuration is feasible")

    def ranked(self) -> Iterator[tuple[int, dict[str, str]]]:
        """Every feasible configuration once with its value, best first, computed as they are asked for."""
        return ranked(self._elimination)

    def marginals(self) -> dict[str, dict[str, int]]:
        """For each decision the value of the best configuration with each option; an option that no feasible
        configuration has is absent.
        """
        return self._backward.marginals

    def best_with(self, decision: str, option: str) -> dict[str, str]:
        """The best configuration with an option of a decision.

        Raises:
            ValueError: no feasible configuration has it.
        """
        return completion(self._elimination, self._backward.reach, decision, option)

    @cached_property
    def _backward(self) -> Backward:
        return backward(self._elimination)


def solve(
    domains: Mapping[str, Sequence[str]], factors: Sequence[Factor], *, max_rows: int = 1_000_000
) -> Solution:
    """Solve a problem exactly.

    Args:
        domains: the options of each decision.
        factors: weights and prohibitions; options that they name and the domains lack are ignored.
        max_rows: the largest table that may be built.

    Raises:
        ValueError: a factor names a decision that has no domain, or names one twice.
        TooWide: the decisions interact so widely that a table would have more rows.
    """
    return Solution(eliminate(domains, factors, max_rows))
