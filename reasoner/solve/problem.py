"""The parts of a choice problem: factors, and ranked criteria packed into one sum."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from kb.values import Value


class Factor(Value, frozen=True, eq=False):
    """What combinations of options of some decisions are worth. Two factors are equal only when they are the
    same object.

    Attributes:
        scope: the decisions that it is about.
        table: a weight for each combination that it names, in the order of `scope`; None forbids the
            combination. Any integer will do.
        otherwise: the weight of every combination that `table` does not name; None forbids them, so that the
            table lists what is allowed.
        reason: what stands behind it, carried along for explanations and never looked at.
    """

    scope: tuple[str, ...]
    table: Mapping[tuple[str, ...], int | None]
    otherwise: int | None = 0
    reason: object = None

    def weight(self, configuration: Mapping[str, str]) -> int | None:
        """The weight of a configuration (decision to option); None where it is forbidden."""
        return self.table.get(tuple(configuration[decision] for decision in self.scope), self.otherwise)


class Lexicographic(Value, frozen=True):
    """Ranked criteria as one list of factors: the sum of the factors orders configurations as the tuple of
    the criteria's sums does.

    Attributes:
        factors: to be handed to `solve`, with any hard factors.
        units: what one unit of each criterion weighs in the sum, the most important first.
        least: the least sum that each criterion can reach.
    """

    factors: tuple[Factor, ...]
    units: tuple[int, ...]
    least: tuple[int, ...]

    def unpack(self, value: int) -> tuple[int, ...]:
        """The sums of the criteria, the most important first, from the value of a configuration."""
        rest = value - sum(unit * least for unit, least in zip(self.units, self.least, strict=True))
        sums = []
        for unit, least in zip(self.units, self.least, strict=True):
            above, rest = divmod(rest, unit)
            sums.append(above + least)
        return tuple(sums)


def lexicographic(criteria: Sequence[Sequence[Factor]]) -> Lexicographic:
    """Rank criteria: a less important one counts only between configurations that all more important ones
    find equal.

    Python's integers have no bound, so each criterion is scaled by more than everything below it can differ,
    and no weight is ever rounded.

    Args:
        criteria: the factors of each criterion, the most important first.
    """
    factors: list[Factor] = []
    units: list[int] = []
    lowest: list[int] = []
    unit = 1
    for criterion in reversed(criteria):
        bounds = [_bounds(factor) for factor in criterion]
        factors += [_scaled(factor, unit) for factor in criterion]
        units.append(unit)
        lowest.append(sum(least for least, _ in bounds))
        unit *= 1 + sum(most - least for least, most in bounds)
    return Lexicographic(tuple(factors), tuple(reversed(units)), tuple(reversed(lowest)))


def _bounds(factor: Factor) -> tuple[int, int]:
    weights = [weight for weight in (factor.otherwise, *factor.table.values()) if weight is not None]
    return min(weights, default=0), max(weights, default=0)


def _scaled(factor: Factor, unit: int) -> Factor:
    table = {key: None if weight is None else weight * unit for key, weight in factor.table.items()}
    return Factor(
        factor.scope, table, None if factor.otherwise is None else factor.otherwise * unit, factor.reason
    )
