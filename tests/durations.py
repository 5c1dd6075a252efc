"""Which tests are quick: plugin of the tests that times them, and that leaves out of `--quick` what was found
to take a second.

A test's time is what it costs the processor, with the programs that it waits for, so that other work on the
machine makes no test a slow one. Those of a second and more stand in `durations.json`, which `make durations`
writes. A test that is not in it, such as a new one, counts as quick.
"""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

RECORDED = Path(__file__).with_name("durations.json")
SECOND = 1.0
# What needs a component, a container or a minute is left out without being timed.
SLOW_MARKS = ("apptainer", "slurm", "slow", "long")
COMPONENTS = ("apptainer", "frameworks", "slurm")
_spent: dict[str, float] = defaultdict(float)


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--quick` and `--record-durations`."""
    group = parser.getgroup("quick tests")
    group.addoption("--quick", action="store_true", help="only the tests that take less than a second")
    group.addoption(
        "--record-durations",
        action="store_true",
        help="write how long each test took into tests/durations.json",
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is not quick."""
    if not config.getoption("--quick"):
        return
    slow = json.loads(RECORDED.read_text(encoding="utf-8"))
    kept = [item for item in items if item.nodeid not in slow and not _needs_a_component(item)]
    config.hook.pytest_deselected(items=[item for item in items if item not in set(kept)])
    items[:] = kept


def _needs_a_component(item: pytest.Item) -> bool:
    return any(map(item.get_closest_marker, SLOW_MARKS)) or not set(COMPONENTS).isdisjoint(
        getattr(item, "fixturenames", ())
    )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Time a test; where tests are divided among processes, the time goes to the first one with the report."""
    begun = _cpu_seconds()
    item.user_properties.append(("begun", begun))
    return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[pytest.TestReport]:
    """Write the time so far into each report of a test; the last one has all of it."""
    begun = dict(item.user_properties)["begun"]
    item.user_properties.append(("cpu_seconds", _cpu_seconds() - float(str(begun))))
    return (yield)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Keep the time of a test."""
    for name, seconds in report.user_properties:
        if name == "cpu_seconds":
            _spent[report.nodeid] = max(_spent[report.nodeid], float(str(seconds)))


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write what was timed; what was not run keeps what was written before, unless the test is gone."""
    if not session.config.getoption("--record-durations") or hasattr(session.config, "workerinput"):
        return
    known = json.loads(RECORDED.read_text(encoding="utf-8")) if RECORDED.exists() else {}
    now = {
        name: seconds
        for name, seconds in known.items()
        if name not in _spent and (RECORDED.parent.parent / name.partition("::")[0]).exists()
    }
    now |= {name: round(seconds, 1) for name, seconds in _spent.items() if seconds >= SECOND}
    RECORDED.write_text(json.dumps(dict(sorted(now.items())), indent=1) + "\n", encoding="utf-8")


def _cpu_seconds() -> float:
    return sum(os.times()[:4])
