"""The rows that an estimator is declared to learn from, as samples."""

from __future__ import annotations

from kb.observations.estimates import SHORT, Estimator
from kb.observations.learning.additive import Declared, Sample
from kb.observations.learning.published import published_results
from kb.observations.learning.rates import rates, short_steps
from kb.values import replace


def samples(asked: Declared, *, doubted: bool = False) -> tuple[list[Sample], list[str]]:
    """The samples of an estimator, and what is left out of the rows, a sentence each.

    Args:
        doubted: also rows that something speaks against.
    """
    if asked.declared["source"] == "tables":
        return rates(asked)
    return published_results(asked, doubted=doubted)


def with_short_steps(asked: Declared, estimator: Estimator) -> Estimator:
    """The estimator with how long steps took that are too short to be learnt from, where there are such."""
    if "short_step_ms" not in asked.declared:
        return estimator
    seconds = [sample.numbers["step_seconds"] for sample in short_steps(asked)]
    return (
        replace(estimator, seen={**estimator.seen, SHORT: (min(seconds), max(seconds))})
        if seconds
        else estimator
    )
