"""Options that stand for others, on the shipped knowledge: the search is smaller, and its answers are the
same.
"""

from __future__ import annotations

from functools import cache

import pytest

from kb.records.targets import load_target, target_names
from kb.records.workload import load_workload, workload_names
from kb.store.terms import on
from reasoner.inference.derive import Deriver
from reasoner.model.ground import ground
from reasoner.model.resolve import resolve
from reasoner.model.wishes import make_request
from reasoner.reasoner import Reasoner
from reasoner.solve import solve


@cache
def reasoner() -> Reasoner:
    return Reasoner([])


@cache
def deriver() -> Deriver:
    return Deriver(reasoner().store, reasoner().rules)


@pytest.mark.parametrize(("number", "target"), [*enumerate(target_names())])
def test_the_answers_are_the_same(number: int, target: str) -> None:
    names = workload_names()
    catalogue, criterion = reasoner().catalogue, on("throughput")
    request = make_request(
        load_workload(names[number % len(names)], reasoner().store), load_target(target, reasoner().store)
    )
    derived = deriver().derive(resolve(request, catalogue, reasoner().store).facts)
    every, few = (ground(catalogue, derived, (criterion,), {}, every_option=asked) for asked in (True, False))
    large, small = (solve(problem.domains, [*problem.hard, *problem.soft]) for problem in (every, few))
    assert len(few.representative) >= 10
    assert small.best() == large.best()
    worth = small.marginals()
    for decision, values in large.marginals().items():
        kept = {few.representative.get(option, option) for option in values}
        assert kept == worth[decision].keys()
        for option in values:
            instead = few.representative.get(option, option)
            best, other = large.best_with(decision, option), small.best_with(decision, instead)
            assert every.weight(best, criterion) == few.weight(other, criterion)
            assert option in few.representative or best == other
