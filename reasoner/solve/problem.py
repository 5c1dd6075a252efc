"""The parts of a choice problem: factors."""

from __future__ import annotations

from collections.abc import Mapping

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
