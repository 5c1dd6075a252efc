"""What is best under an objective that is no sum of effects: the time to a number of samples.

The time of a configuration is the sum of its options' set-up times plus its samples over its rate. Among
configurations with equal set-up times the fastest is the best one, so the problem is solved once for each
combination of set-up times that the options allow; there are few, because few options take any.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from typing import Protocol

from kb.values import Value
from reasoner.model.catalogue import SCALE
from reasoner.model.ground import Problem
from reasoner.solve import Solution, solve


class Solved(Protocol):
    """What explanations ask of a solution: see `reasoner.solve.Solution`."""

    feasible: bool
    value: int

    def best(self) -> dict[str, str]:
        """The best configuration."""

    def marginals(self) -> dict[str, dict[str, int]]:
        """The best value of every feasible option."""

    def best_with(self, decision: str, option: str) -> dict[str, str]:
        """The best configuration with an option."""


class SampleGoal(Value, frozen=True):
    """How many samples are to be trained, and a configuration of known rate (samples per second) to count
    from.
    """

    samples: float
    configuration: Mapping[str, str]
    rate: float


class ShortestTime:
    """The configuration that trains a number of samples in the shortest time; values are `-log(seconds)`, in
    the units of `Problem.unit`.

    Args:
        problem: grounded with the rate as its first criterion.
        setup: seconds of set-up for each option that takes any.
        job: what is to be trained.
    """

    def __init__(self, problem: Problem, setup: Mapping[str, float], job: SampleGoal) -> None:
        self._problem, self._job = problem, job
        self._rate = next(iter(problem.terms))
        self._cases = list(self._solve_cases(setup))
        self.feasible = bool(self._cases)
        self.value = max(
            (self._value(seconds, solution.value) for seconds, solution in self._cases), default=0
        )

    def best(self) -> dict[str, str]:
        """The configuration of the shortest time."""
        return max(self._cases, key=lambda case: self._value(case[0], case[1].value))[1].best()

    def marginals(self) -> dict[str, dict[str, int]]:
        """For each decision the value of the best configuration with each option; an option that no feasible
        configuration has is absent.
        """
        found: dict[str, dict[str, int]] = {}
        for seconds, solution in self._cases:
            for decision, values in solution.marginals().items():
                best = found.setdefault(decision, {})
                for option, value in values.items():
                    best[option] = max(
                        best.get(option, -self._problem.unit << 62), self._value(seconds, value)
                    )
        return found

    def best_with(self, decision: str, option: str) -> dict[str, str]:
        """The configuration of the shortest time with an option of a decision.

        Raises:
            ValueError: no feasible configuration has it.
        """
        having = [
            (self._value(seconds, value), solution)
            for seconds, solution in self._cases
            if (value := solution.marginals()[decision].get(option)) is not None
        ]
        if not having:
            raise ValueError(f"no feasible configuration has '{option}'")
        return max(having, key=lambda case: case[0])[1].best_with(decision, option)

    def _solve_cases(self, setup: Mapping[str, float]) -> Iterator[tuple[float, Solution]]:
        levels: list[list[tuple[str, float, list[str]]]] = []
        for decision, options in self._problem.domains.items():
            by_seconds: dict[float, list[str]] = {}
            for option in options:
                by_seconds.setdefault(setup.get(option, 0.0), []).append(option)
            if len(by_seconds) > 1 or 0.0 not in by_seconds:
                levels.append([(decision, seconds, group) for seconds, group in by_seconds.items()])
        for case in itertools.product(*levels):
            domains = {**self._problem.domains, **{decision: group for decision, _, group in case}}
            solution = solve(domains, [*self._problem.hard, *self._problem.soft])
            if solution.feasible:
                yield sum(seconds for _, seconds, _ in case), solution

    def _value(self, setup_seconds: float, packed: int) -> int:
        """From set-up time and packed value of a rate to the packed value of the time; tie-breaks, below one
        unit, are kept.
        """
        unit = self._problem.unit
        weight, tie_break = divmod(packed + unit - 1, unit)
        gain = (weight - self._problem.weight(dict(self._job.configuration), self._rate)) / SCALE
        seconds = setup_seconds + self._job.samples / (self._job.rate * math.exp(gain))
        return round(-SCALE * math.log(seconds)) * unit + tie_break - (unit - 1)
