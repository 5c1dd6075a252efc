"""The exact choice against brute force and clingo, on problems that hypothesis makes up."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Mapping, Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reasoner.solve import Factor, TooWide, elimination, minimal_conflict, smallest_relaxations, solve
from tests.checked import count
from tests.oracles import brute_force, clingo_oracle

Domains = dict[str, list[str]]
Problem = tuple[Domains, list[Factor]]


@st.composite
def domains(draw: st.DrawFn, most_decisions: int = 6) -> Domains:
    sizes = draw(st.lists(st.integers(1, 4), min_size=1, max_size=most_decisions))
    return {f"d{i}": [f"o{j}" for j in range(size)] for i, size in enumerate(sizes)}


@st.composite
def factors(draw: st.DrawFn, over: Domains, weights: st.SearchStrategy[int | None]) -> Factor:
    """A factor about one to three decisions, over any part of their combinations, which lists either
    exceptions or all that is allowed.
    """
    scope = draw(st.lists(st.sampled_from(list(over)), min_size=1, max_size=3, unique=True))
    combinations = list(itertools.product(*(over[decision] for decision in scope)))
    named = draw(st.lists(st.sampled_from(combinations), unique=True, max_size=12))
    table = {key: draw(weights) for key in named}
    allowed_only = draw(st.integers(0, 4)) == 0 and len(named) > len(combinations) // 3
    return Factor(tuple(scope), table, None if allowed_only else draw(st.integers(-3, 3)))


@st.composite
def problems(draw: st.DrawFn) -> Problem:
    over = draw(domains())
    weights = st.one_of(st.none(), st.integers(-50, 50), st.integers(-50, 50))
    return over, draw(st.lists(factors(over, weights), max_size=9))


@st.composite
def prohibitions(draw: st.DrawFn) -> Problem:
    """Problems of hard factors only, many of them infeasible."""
    over = draw(domains(most_decisions=4))
    hard = [
        Factor(factor.scope, factor.table, factor.otherwise, i)
        for i, factor in enumerate(draw(st.lists(factors(over, st.none()), max_size=6)))
    ]
    pins = draw(
        st.lists(
            st.sampled_from([(decision, option) for decision, options in over.items() for option in options]),
            max_size=5,
        )
    )
    return over, hard + [Factor((decision,), {(option,): 0}, None, "pin") for decision, option in pins]


@settings(max_examples=400)
@given(problems())
def test_equals_brute_force_and_clingo(problem: Problem) -> None:
    over, all_factors = problem
    expected = brute_force.ranked(over, all_factors)
    solution = solve(over, all_factors)
    assert solution.feasible == bool(expected)
    assert clingo_oracle.best_value(over, all_factors) == (expected[0][0] if expected else None)
    if not expected:
        assert list(solution.ranked()) == []
        assert not any(solution.marginals().values())
        with pytest.raises(ValueError, match="feasible"):
            solution.best()
        return
    assert solution.value == expected[0][0]
    assert brute_force.value(all_factors, solution.best()) == solution.value
    assert solution.marginals() == best_of_each_option(over, expected)


@settings(max_examples=300)
@given(problems())
def test_ranks_every_configuration_once_best_first(problem: Problem) -> None:
    over, all_factors = problem
    expected = brute_force.ranked(over, all_factors)
    found = list(solve(over, all_factors).ranked())
    assert [worth for worth, _ in found] == [worth for worth, _ in expected]
    assert as_set(found) == as_set(expected)


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(problem=problems())
def test_options_that_a_table_treats_alike_may_be_taken_together(
    problem: Problem, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reasoner.solve.kinds._MANY", 2)
    over, all_factors = problem
    expected = brute_force.ranked(over, all_factors)
    solution = solve(over, all_factors)
    found = list(solution.ranked())
    assert [worth for worth, _ in found] == [worth for worth, _ in expected]
    assert as_set(found) == as_set(expected)
    assert solution.marginals() == best_of_each_option(over, expected)


@settings(max_examples=300)
@given(prohibitions())
def test_minimal_conflict_cannot_hold_and_every_part_is_needed(problem: Problem) -> None:
    over, hard = problem
    core = minimal_conflict(over, hard)
    assert bool(core) != brute_force.feasible(over, hard)
    assert not core or not brute_force.feasible(over, core)
    for i in range(len(core)):
        assert brute_force.feasible(over, core[:i] + core[i + 1 :])


@settings(max_examples=300)
@given(prohibitions(), st.booleans())
def test_smallest_relaxations_are_all_and_smallest(problem: Problem, only_pins: bool) -> None:
    over, hard = problem

    def may_change(factor: Factor) -> bool:
        return factor.reason == "pin" or not only_pins

    found = smallest_relaxations(over, hard, may_change, limit=1000)
    expected = brute_force.smallest_relaxations(over, hard, may_change)
    assert len(found) == len(expected)
    assert {frozenset(hard.index(factor) for factor in given_up) for given_up in found} == {
        frozenset(chosen) for chosen in expected
    }


def test_ties_are_broken_the_same_way_every_time() -> None:
    over = {decision: ["o1", "o2", "o3"] for decision in ("d1", "d2", "d3")}
    pair = Factor(("d1", "d3"), {("o1", "o1"): None})
    assert [list(solve(over, [pair]).ranked()) for _ in range(3)] == [list(solve(over, [pair]).ranked())] * 3


def test_independent_decisions_are_not_multiplied() -> None:
    over = {f"d{i}": [f"o{j}" for j in range(10)] for i in range(12)}
    alone = [Factor((decision,), {(f"o{j}",): (7 * j) % 10 for j in range(10)}) for decision in over]
    solution = solve(over, alone)
    assert (solution.value, solution.width, solution.largest_table) == (9 * 12, 0, 10)


def test_what_is_allowed_generates_candidates() -> None:
    """Four decisions of fifty options each, of which the first determines the others: 50 rows, not fifty to
    the fourth.
    """
    over = {decision: [f"o{j}" for j in range(50)] for decision in ("wheel", "release", "python", "variant")}
    determined = [
        Factor(("wheel", other), {(f"o{j}", f"o{j * 7 % 50}"): 0 for j in range(50)}, None)
        for other in ("release", "python", "variant")
    ]
    solution = solve(over, [*determined, Factor(("wheel",), {("o3",): 4})])
    assert solution.best() == {"wheel": "o3", "release": "o21", "python": "o21", "variant": "o21"}
    assert solution.largest_table <= 50 * 50


def test_decisions_that_one_table_ties_together_are_not_combined_in_every_way(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Thirteen decisions of three options each, of which two tables allow forty rows: no step makes more rows
    than both together, where 3 to the 12th would be tried if only the last decision asked the tables.
    """
    taken: Counter[str] = Counter()
    made: list[int] = []
    count(monkeypatch, elimination, "_extend", lambda rows: made.append(len(rows or ())) or 0, taken)
    over = {f"d{i:02}": ["o0", "o1", "o2"] for i in range(13)}
    tables = []
    for scope in (tuple(over)[:7], tuple(over)[6:]):
        rows = {tuple(f"o{(j + j // 3 * i + i) % 3}" for i in range(7)): j for j in range(40)}
        tables.append(Factor(scope, rows, None))
    one, other = (table.table for table in tables)
    sums = [one[key] + other[beside] for key, beside in itertools.product(one, other) if key[-1] == beside[0]]
    assert solve(over, tables).value == max(sums)
    assert max(made) <= len(one) * len(other) < 3**12


def test_a_table_that_is_too_large_is_refused_with_the_decisions() -> None:
    over = {f"d{i}": [f"o{j}" for j in range(10)] for i in range(4)}
    everything = Factor(
        tuple(over), {taken: number for number, taken in enumerate(itertools.product(*over.values()))}
    )
    with pytest.raises(TooWide, match="d0") as refusal:
        solve(over, [everything], max_rows=1000)
    assert set(refusal.value.decisions) == set(over)
    assert solve(over, [everything], max_rows=10_000).value == 9_999


def test_weights_are_exact_however_large() -> None:
    huge = 10**40
    solution = solve({"d": ["a", "b"]}, [Factor(("d",), {("a",): huge, ("b",): huge + 1})])
    assert solution.best() == {"d": "b"}
    assert solution.marginals() == {"d": {"a": huge, "b": huge + 1}}


def test_a_decision_without_options_is_infeasible_and_nobody_is_to_blame() -> None:
    over: Mapping[str, Sequence[str]] = {"d0": ["a"], "d1": []}
    assert not solve(over, []).feasible
    assert minimal_conflict(over, []) == []
    assert smallest_relaxations(over, [], lambda factor: True) == []


@pytest.mark.parametrize(("scope", "problem"), [(("nowhere",), "no domain"), (("d", "d"), "twice")])
def test_malformed_factors_are_refused(scope: tuple[str, ...], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        solve({"d": ["a"]}, [Factor(scope, {})])


def best_of_each_option(over: Domains, ranked: list[tuple[int, dict[str, str]]]) -> dict[str, dict[str, int]]:
    best: dict[str, dict[str, int]] = {decision: {} for decision in over}
    for worth, configuration in ranked:
        for decision, option in configuration.items():
            best[decision].setdefault(option, worth)
    return best


def as_set(ranked: list[tuple[int, dict[str, str]]]) -> set[tuple[int, tuple[tuple[str, str], ...]]]:
    return {(worth, tuple(sorted(configuration.items()))) for worth, configuration in ranked}


def test_a_factor_about_no_decision_can_forbid_everything() -> None:
    harmless, never = Factor(("d0",), {("o0",): 3}), Factor((), {(): None})
    assert minimal_conflict({"d0": ["o0"]}, [harmless, never]) == [never]
