"""What is said of a knowledge base that cannot be used."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from kb.errors import BadInput


class Unsound(BadInput):
    """A knowledge base that cannot be used.

    Attributes:
        problems: what is wrong, each with the IRIs of the resources at fault, where these are known.
    """

    def __init__(self, problems: Sequence[tuple[str, Collection[str]]]) -> None:
        where, _, problem = problems[0][0].partition(": ")
        super().__init__(where, problem)
        self.problems = tuple(problems)
