"""What `make quick` runs: the cheapest tests, as many as its budget holds, and of each file at least one."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import durations
import pytest
from durations import BUDGET, CHEAP, LEAST, RECORDED, SECOND, choose, record, written

ROOT = Path(__file__).resolve().parent.parent
RECORD = {
    "tests/test_a.py": {"test_dear": 0.9, "test_middle": 0.3, "test_slow": 1.0},
    "tests/test_b.py": {"fixture site": 0.1, "test_dear": 0.8},
    "tests/test_c.py": {"test_slow": 2.0},
}
TESTS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(
        (f"tests/test_a.py::test_{name}" for name in ("dear", "middle", "slow", "new")), ("tmp_path",)
    ),
    "tests/test_b.py::test_dear": ("site",),
    "tests/test_c.py::test_slow": (),
}


def kept(budget: float, *slow: str) -> list[str]:
    chosen = choose(TESTS, slow, RECORD, budget)
    return sorted(name.removeprefix("tests/test_") for name in chosen.kept)


def test_the_cheapest_are_kept_while_the_budget_holds() -> None:
    assert kept(2.0) == ["a.py::test_middle", "a.py::test_new", "b.py::test_dear"]
    assert kept(2.2) == ["a.py::test_dear", "a.py::test_middle", "a.py::test_new", "b.py::test_dear"]


def test_of_each_file_one_is_kept_whatever_it_costs() -> None:
    assert kept(0.0) == ["a.py::test_new", "b.py::test_dear"]
    assert kept(0.0, "tests/test_a.py::test_new") == ["a.py::test_middle", "b.py::test_dear"]


def test_what_takes_a_second_or_a_component_is_never_kept() -> None:
    everything = kept(1e9)
    assert everything == ["a.py::test_dear", "a.py::test_middle", "a.py::test_new", "b.py::test_dear"]
    assert kept(1e9, *TESTS) == []


def test_what_is_left_out_is_counted() -> None:
    chosen = choose(TESTS, (), RECORD, 2.0)
    assert (len(chosen.kept), chosen.slow, chosen.over) == (3, 2, 1)
    assert chosen.seconds == pytest.approx(0.1 + 0.8 + 0.3 + CHEAP)
    assert "2 of a second and more or with a component, 1 for the budget" in str(chosen)


def test_the_order_of_the_tests_and_equal_costs_change_nothing() -> None:
    tests = {f"tests/test_{file}.py::test_{number}": () for file in "ab" for number in range(9)}
    assert choose(tests, (), {}, 0.1).kept == choose(dict(reversed(tests.items())), (), {}, 0.1).kept
    assert len(choose(tests, (), {}, 5.5 * CHEAP).kept) == 5


def test_a_shared_fixture_costs_once_and_its_tests_come_late() -> None:
    recorded = {"tests/test_a.py": {"fixture dear": 5.0}}
    tests = {f"tests/test_a.py::test_{number}": ("dear",) if number else () for number in range(4)}
    assert choose(tests, (), recorded, 4.0).kept == {"tests/test_a.py::test_0"}
    del tests["tests/test_a.py::test_0"]
    assert choose(tests, (), recorded, 4.0).kept == set()
    tests["tests/test_a.py::test_0"] = ()
    everything = choose(tests, (), recorded, 5.1)
    assert len(everything.kept) == 4 and everything.seconds == pytest.approx(5 + 4 * CHEAP)


def test_a_new_case_counts_as_the_others_do() -> None:
    recorded = {"tests/test_a.py": {"test_it[1]": 0.2, "test_it[...]": 0.4, "test_it[2]": 0.6}}
    tests: dict[str, tuple[str, ...]] = {f"tests/test_a.py::test_it[{case}]": () for case in (1, 2, 3)}
    assert choose(tests, (), recorded).seconds == pytest.approx(1.2)


def test_new_times_take_the_place_of_old_ones() -> None:
    before = {
        "tests/test_quick.py": {"fixture x": 9.0, "test_a": 5.0, "test_b": 0.5},
        "tests/test_gone.py": {"test_a": 5.0},
    }
    spent = {
        "tests/test_quick.py::test_a": {"cpu_seconds": 0.001, "fixture x": 0.25},
        "tests/test_quick.py::test_c": {"cpu_seconds": 0.123},
    }
    spent |= {f"tests/test_quick.py::test_d[{case}]": {"cpu_seconds": case / 10} for case in range(4)}
    assert record(spent, before) == {
        "tests/test_quick.py": {
            "fixture x": 0.25,
            "test_b": 0.5,
            "test_c": 0.12,
            "test_d[...]": 0.15,
            **{f"test_d[{case}]": case / 10 for case in (1, 2, 3)},
        }
    }


def test_what_is_recorded_is_in_order_and_of_files_that_are_there() -> None:
    text = RECORDED.read_text(encoding="utf-8")
    recorded = json.loads(text)
    assert text == written(recorded)
    assert [file for file in recorded if not (ROOT / file).is_file()] == []
    assert min(min(tests.values()) for tests in recorded.values()) >= LEAST


def test_what_several_tests_share_is_no_tests_own() -> None:
    """A wide fixture costs its file, a narrow one its test; timed by the plugin itself, in a session of its own."""
    source = """
import os
import pytest

def spend(seconds):  # by the clock that the plugin reads, whose ticks are coarse
    end = sum(os.times()[:4]) + seconds
    while sum(os.times()[:4]) < end:
        pass

@pytest.fixture(scope="module")
def wide(): spend(0.4)

@pytest.fixture
def narrow(): spend(0.2)

def test_first(wide): pass
def test_second(wide, narrow): pass
"""
    program = f"""
import sys, pathlib, tempfile, json
sys.path.insert(0, {str(ROOT / "tests")!r})
import durations, pytest
folder = pathlib.Path(tempfile.mkdtemp())
(folder / "tests").mkdir()
durations.RECORDED = folder / "tests" / "durations.json"
(folder / "tests" / "test_it.py").write_text({source!r})
code = pytest.main(["-q", "-p", "no:cacheprovider", "-p", "durations", "--rootdir", str(folder), "--record-durations", str(folder)], plugins=[])
print("recorded", json.dumps(json.loads(durations.RECORDED.read_text())))
sys.exit(code)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, cwd="/"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout.rpartition("recorded ")[2])["tests/test_it.py"]
    assert found["fixture wide"] >= 0.4 and found["test_second"] >= 0.2
    assert found.get("test_first", 0) < 0.2


def test_the_command_says_what_it_leaves_out() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "--quick", "-p", "no:cacheprovider", "tests/test_quick.py", "-k", "counted or place"],
        capture_output=True, text=True, check=False, cwd=ROOT,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert re.search(
        rf"^quick: 2 tests of 0 processor seconds \(budget {BUDGET:.0f}\); left out: 0 of ", done.stdout, re.M
    )


def test_a_quick_test_takes_less_than_a_second() -> None:
    chosen = choose(TESTS, (), RECORD, 1e9)
    assert all(RECORD[file].get(name, 0) < SECOND for file, name in map(durations._place, chosen.kept))
