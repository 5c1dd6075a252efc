"""Whether anything is feasible at all: depth-first search with propagation, which needs no table of more
decisions than a factor names.

Explanations ask this of the full domains, where the options that rules exclude are still there and
elimination would meet tables too large to build.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set

from reasoner.solve.problem import Factor

Live = dict[str, Set[str]]


class Search:
    """Answers for many selections of the same factors whether some configuration is forbidden by none of
    them.

    Args:
        domains: the options of each decision.
        factors: those of which selections are made.

    Raises:
        ValueError: a factor names a decision that has no domain.
    """

    def __init__(self, domains: Mapping[str, Sequence[str]], factors: Iterable[Factor]) -> None:
        self._live: Live = {decision: frozenset(options) for decision, options in domains.items()}
        self._constraints = {factor: _Constraint(factor) for factor in factors}
        for factor in self._constraints:
            if unknown := [decision for decision in factor.scope if decision not in self._live]:
                raise ValueError(f"a factor is about '{unknown[0]}', which has no domain")

    def feasible(self, factors: Iterable[Factor]) -> bool:
        """Whether the selected factors allow any configuration."""
        selected = list(factors)
        if any(factor.weight({}) is None for factor in selected if not factor.scope):
            return False
        constraints = [self._constraints[factor] for factor in selected if factor.scope]
        return _search(dict(self._live), constraints, constraints)


class _Constraint:
    """What a factor allows or forbids."""

    __slots__ = ("allowed", "forbidden", "scope")

    def __init__(self, factor: Factor) -> None:
        self.scope = factor.scope
        self.allowed = (
            [key for key, weight in factor.table.items() if weight is not None]
            if factor.otherwise is None
            else None
        )
        self.forbidden = {key for key, weight in factor.table.items() if weight is None}

    def supported(self, live: Live) -> Sequence[Set[str]]:
        """For each decision of the scope the options that are left of those in `live`; nothing where nothing
        can be said yet.
        """
        options = [live[decision] for decision in self.scope]
        if self.allowed is not None:
            keys = [key for key in self.allowed if all(map(_contains, options, key))]
            return (
                [set(column) for column in zip(*keys, strict=True)]
                if keys
                else [frozenset()] * len(self.scope)
            )
        free = [i for i, left in enumerate(options) if len(left) > 1]
        if not self.forbidden or len(free) > 1:
            return ()
        i = free[0] if free else 0
        taken = [next(iter(left), "") for left in options]
        options[i] = {
            option for option in options[i] if (*taken[:i], option, *taken[i + 1 :]) not in self.forbidden
        }
        return options


def _contains(options: Set[str], option: str) -> bool:
    return option in options


def _search(live: Live, constraints: Sequence[_Constraint], touched: Sequence[_Constraint]) -> bool:
    """Whether a configuration is left, after looking at the constraints whose decisions have lost options."""
    while touched:
        shrunk = set()
        for constraint in touched:
            for decision, left in zip(constraint.scope, constraint.supported(live), strict=False):
                if len(left) < len(live[decision]):
                    live[decision] = left
                    shrunk.add(decision)
        if not all(live[decision] for decision in shrunk):
            return False
        touched = [constraint for constraint in constraints if shrunk.intersection(constraint.scope)]
    if not all(live.values()):
        return False
    # A constraint with one decision open is met by any option that is left of it.
    waiting: list[_Constraint] = []
    open_decisions: set[str] = set()
    for constraint in constraints:
        still_open = [decision for decision in constraint.scope if len(live[decision]) > 1]
        if len(still_open) > 1:
            waiting.append(constraint)
            open_decisions.update(still_open)
    if not waiting:
        return True
    decision = min(open_decisions, key=lambda one: (len(live[one]), one))
    about = [constraint for constraint in waiting if decision in constraint.scope]
    return any(_search({**live, decision: {option}}, waiting, about) for option in sorted(live[decision]))
