"""The rows that an estimator is declared to learn from, as samples."""

from __future__ import annotations

from kb.observations.learning.additive import Declared, Sample
from kb.observations.learning.published import published_results


def samples(asked: Declared, *, doubted: bool = False) -> tuple[list[Sample], list[str]]:
    """The samples of an estimator, and what is left out of the rows, a sentence each.

    Args:
        doubted: also rows that something speaks against.
    """
    return published_results(asked, doubted=doubted)
