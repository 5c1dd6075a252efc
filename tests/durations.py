"""Which tests are quick: plugin of the tests that times them, and that leaves out of `--quick` what costs more.

A test's time is what it costs the processor, with the programs that it waits for, so that other work on the
machine makes no test a slow one. What a fixture costs that several tests share is no test's own. Quick are
the tests of less than a second; of those `--quick` runs the cheapest, as many as its budget holds, and of each
file at least one, unless its fixtures take more than a twentieth of the budget. `durations.json` has the
times, which `make durations` writes; a test that is not in it, such as a new one, counts as the mean of the
other cases of its function, or as cheap.
"""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest

RECORDED = Path(__file__).with_name("durations.json")
SECOND = 1.0
BUDGET = 100.0
"""Processor seconds that the quick tests may cost together: with linter, type checker and the collection of
the tests twice, two cores need less than two minutes for all of it."""

LEAST = 0.04
"""Processor seconds from which on a cost is recorded."""

CHEAP = 0.01
"""Processor seconds that a test counts which is not recorded: the mean of those."""

SHARED = "fixture "
"""What begins the names, in a file's record, of fixtures that its tests share."""

# What needs a component, a container or a minute is left out without being timed.
SLOW_MARKS = ("apptainer", "slurm", "slow", "long")
COMPONENTS = ("apptainer", "frameworks", "slurm")

CASES = "[...]"
"""What ends the names, in a file's record, of functions with cases: they have the mean of all of them."""

Record = dict[str, dict[str, float]]
"""Processor seconds by file and by test or shared fixture; none of less than `LEAST`."""

_OWN = "cpu_seconds"
_spent: dict[str, dict[str, float]] = defaultdict(dict)
_shared: dict[str, float] = {}
_told: dict[str, str] = {}


@dataclass(frozen=True)
class Chosen:
    """What `--quick` runs.

    Attributes:
        kept: the tests, by name.
        slow: how many are left out because they take a second or need a component.
        over: how many are left out because the budget holds no more.
        seconds: the processor seconds of those that are kept, as they were recorded.
        budget: how many they may cost.
    """

    kept: frozenset[str]
    slow: int
    over: int
    seconds: float
    budget: float

    def __str__(self) -> str:
        left = f"left out: {self.slow} of a second and more or with a component, {self.over} for the budget"
        return f"quick: {len(self.kept)} tests of {self.seconds:.0f} processor seconds (budget {self.budget:.0f}); {left}"


def choose(
    tests: Mapping[str, Collection[str]],
    slow: Collection[str],
    recorded: Mapping[str, Mapping[str, float]],
    budget: float = BUDGET,
) -> Chosen:
    """Choose the quick tests: of each file the cheapest, then the cheapest of all while the budget holds.

    Args:
        tests: the names of all tests that may be run, as `FILE::TEST`, with those of their fixtures.
        slow: the tests that are not run at all.
        recorded: what tests and shared fixtures cost.
        budget: processor seconds.
    """
    own, fixtures, whole = {}, {}, {}
    for test, needed in tests.items():
        file, name = _place(test)
        costs = recorded.get(file, {})
        own[test] = costs.get(name, costs.get(name.partition("[")[0] + CASES, CHEAP))
        fixtures[test] = {(file, one): costs[SHARED + one] for one in needed if SHARED + one in costs}
        whole[test] = own[test] + sum(fixtures[test].values())
    quick = sorted(
        (test for test in tests if test not in slow and own[test] < SECOND),
        key=lambda test: (whole[test], test),
    )
    first: dict[str, str] = {}
    for test in quick:
        if whole[test] < max(SECOND, budget / 20):
            first.setdefault(_place(test)[0], test)
    kept: set[str] = set()
    made: dict[tuple[str, str], float] = {}
    seconds = 0.0
    for test in dict.fromkeys([*first.values(), *quick]):
        after = made | fixtures[test]
        more = own[test] + sum(after.values()) - sum(made.values())
        if first.get(_place(test)[0]) == test or seconds + more <= budget:
            kept.add(test)
            seconds, made = seconds + more, after
    return Chosen(frozenset(kept), len(tests) - len(quick), len(quick) - len(kept), seconds, budget)


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--quick` and `--record-durations`."""
    group = parser.getgroup("quick tests")
    group.addoption(
        "--quick",
        action="store_true",
        help="only tests that take less than a second, as many as the budget holds",
    )
    group.addoption(
        "--budget",
        type=float,
        default=BUDGET,
        metavar="SECONDS",
        help="processor seconds that the tests of --quick may cost together",
    )
    group.addoption(
        "--record-durations",
        action="store_true",
        help="write how long each test took into tests/durations.json",
    )


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is not quick, of the tests that the command line names."""
    if not config.getoption("--quick"):
        return
    slow = {item.nodeid for item in items if _needs_a_component(item)}
    tests = {item.nodeid: getattr(item, "fixturenames", ()) for item in items}
    chosen = choose(tests, slow, _recorded(), config.getoption("--budget"))
    config.hook.pytest_deselected(items=[item for item in items if item.nodeid not in chosen.kept])
    items[:] = [item for item in items if item.nodeid in chosen.kept]
    _told["quick"] = str(chosen)


def _needs_a_component(item: pytest.Item) -> bool:
    return any(map(item.get_closest_marker, SLOW_MARKS)) or not set(COMPONENTS).isdisjoint(
        getattr(item, "fixturenames", ())
    )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Time a test; where tests are divided among processes, the time goes to the first one with the report."""
    item.user_properties.append(("begun", _cpu_seconds()))
    _shared.clear()
    return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(fixturedef: pytest.FixtureDef[Any]) -> Iterator[object]:
    """Time what is made for several tests, apart from the one that happens to come first."""
    begun, within = _cpu_seconds(), sum(_shared.values())
    result = yield
    if fixturedef.scope != "function":
        # One that is made inside another is not counted twice.
        _shared[fixturedef.argname] = _cpu_seconds() - begun - (sum(_shared.values()) - within)
    return result


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[pytest.TestReport]:
    """Write the time so far into each report of a test; the last one has all of it."""
    begun = dict(item.user_properties)["begun"]
    spent = _cpu_seconds() - float(str(begun))
    item.user_properties.append((_OWN, spent - sum(_shared.values())))
    item.user_properties += [(SHARED + name, seconds) for name, seconds in _shared.items()]
    return (yield)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Keep the time of a test."""
    for name, seconds in report.user_properties:
        if name == _OWN or name.startswith(SHARED):
            most = _spent[report.nodeid]
            most[name] = max(most.get(name, 0.0), float(str(seconds)))


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write what was timed, and say what was left out; where tests are divided, the first process does so."""
    if output := getattr(session.config, "workeroutput", None):
        output["quick"] = _told.get("quick", "")
    elif session.config.getoption("--record-durations"):
        RECORDED.write_text(written(record(_spent, _recorded())), encoding="utf-8")


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Hear of a process what it left out; all leave out the same."""
    _told["quick"] = getattr(node, "workeroutput", {}).get("quick") or _told.get("quick", "")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what was left out."""
    if _told.get("quick"):
        terminalreporter.write_line(_told["quick"])


def record(spent: Mapping[str, Mapping[str, float]], before: Mapping[str, Mapping[str, float]]) -> Record:
    """The record with new times in it. What was not run keeps what was written before, unless its file is gone.

    Args:
        spent: for each test its own `cpu_seconds`, and those of the shared fixtures that were made for it.
        before: the record of before.
    """
    root = RECORDED.parent.parent
    cases: dict[tuple[str, str], list[float]] = defaultdict(list)
    now: Record = {file: dict(tests) for file, tests in before.items() if (root / file).exists()}
    for test, seconds in spent.items():
        file, name = _place(test)
        now.setdefault(file, {})[name] = seconds[_OWN]
        now[file] |= {fixture: cost for fixture, cost in seconds.items() if fixture != _OWN}
        function, case, _ = name.partition("[")
        if case:
            cases[file, function].append(seconds[_OWN])
    for (file, function), costs in cases.items():
        now[file][function + CASES] = fmean(costs)
    return {
        file: kept
        for file, tests in now.items()
        if (kept := {name: round(cost, 2) for name, cost in tests.items() if cost >= LEAST})
    }


def written(recorded: Mapping[str, Mapping[str, float]]) -> str:
    """A record as text, with a line for each test."""
    ordered = {file: dict(sorted(tests.items())) for file, tests in sorted(recorded.items())}
    return json.dumps(ordered, indent=1) + "\n"


def _recorded() -> Record:
    known: Record = json.loads(RECORDED.read_text(encoding="utf-8")) if RECORDED.exists() else {}
    return known


def _place(test: str) -> tuple[str, str]:
    """The file of a test and its name in it."""
    file, _, name = test.partition("::")
    return file, name


def _cpu_seconds() -> float:
    return sum(os.times()[:4])
