"""One check of what is shipped, with how often what it spends its time on was done."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from reasoner.check import CheckReport, check, contradictions, evaluation
from reasoner.solve import elimination


class Checked(NamedTuple):
    """A report, and amounts of work: rows tried and kept by joins, searches, collections of problems."""

    report: CheckReport
    taken: Counter[str]


def check_shipped() -> Checked:
    """Check what is shipped."""
    taken: Counter[str] = Counter()
    with pytest.MonkeyPatch.context() as patch:
        count(patch, elimination, "_extend", lambda rows: len(rows or ()), taken)
        count(patch, elimination, "_settle", lambda bucket: len(bucket.choices), taken)
        count(patch, contradictions, "Search", lambda _: 1, taken)
        count(patch, evaluation, "distinct_problems", lambda _: 1, taken)
        return Checked(check([]), taken)


def count(
    patch: pytest.MonkeyPatch, module: Any, name: str, amount: Callable[[Any], int], taken: Counter[str]
) -> None:
    """Let a function of a module count, by the amount that each of its results tells."""
    function = getattr(module, name)

    def counted(*given: Any, **named: Any) -> Any:
        result = function(*given, **named)
        taken[name] += amount(result)
        return result

    patch.setattr(module, name, counted)
