"""Mutated and crafted inputs over every reader: an exit code that is promised, no traceback, nothing slow,
nothing large.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fuzzing import campaign
from fuzzing.campaign import Case, Result, World
from fuzzing.inputs import CRAFTED
from fuzzing.readers import READERS, Reader

REFUSED = {("wheel", 2), ("--set", 2)}
"""Seeds that are no good ones: an encrypted wheel, an accelerator without a driver."""


def ran(*arguments: str) -> Any:
    """A campaign in a process of its own, from which children are forked before any engine has started
    threads.
    """
    command = [sys.executable, "-m", "fuzzing.campaign", *arguments]
    done = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-5000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert not found["faults"], done.stderr[-8000:]
    return found


def test_a_thousand_inputs_break_nothing() -> None:
    found = ran("--mutated", "780", "--crafted", "240", "--seed", "1")
    assert found["inputs"] == 1020
    assert found["readers"].keys() == READERS.keys()
    assert min(found["codes"]["0"], found["codes"]["2"]) > 100


@pytest.mark.long
@pytest.mark.parametrize("seed", [2, 3])
def test_ten_thousand_mutations_break_nothing(seed: int) -> None:
    assert ran("--mutated", "10000", "--crafted", "0", "--seed", str(seed))["inputs"] == 10_000


@pytest.mark.long
def test_every_reader_stands_every_construction() -> None:
    found = ran("--mutated", "0", "--crafted", "100000", "--seed", "1")
    assert found["inputs"] >= 1500
    assert found["inputs"] == len(campaign.cases(0, 100_000, 1))


def test_the_seeds_are_what_the_readers_accept(tmp_path: Path) -> None:
    """Else the campaign would only see refusals."""
    program = "from fuzzing.campaign import seeds_accepted\nimport json\nprint(json.dumps(seeds_accepted()))"
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    codes = json.loads(done.stdout.splitlines()[-1])
    assert codes.keys() == READERS.keys()
    numbered = {(name, number): told for name, seeds in codes.items() for number, told in enumerate(seeds)}
    wrong = {place: told for place, told in numbered.items() if told[0] and place not in REFUSED}
    assert not wrong


def test_an_input_is_the_same_each_time(tmp_path: Path) -> None:
    world: Any = None
    campaign._KEPT.update({name: [name.encode() * 20] for name in READERS})
    try:
        for made in ("mutated", "digits longer"):
            for name in ("1", "2"):
                (tmp_path / made / name).mkdir(parents=True)
            made_twice = [
                campaign.prepared(Case("lock of Python", made, 7), world, tmp_path / made / name).read_bytes()
                for name in ("1", "2")
            ]
            assert made_twice[0] == made_twice[1]
    finally:
        campaign._KEPT.clear()
    assert campaign.cases(50, 50, 1) == campaign.cases(50, 50, 1) != campaign.cases(50, 50, 2)


# ---- the campaign sees what it is there for


def hang(world: World, path: Path) -> None:
    while True:
        pass


def sleep(world: World, path: Path) -> None:
    time.sleep(3600)


def crash(world: World, path: Path) -> None:
    os.kill(os.getpid(), signal.SIGSEGV)


def leak(world: World, path: Path) -> None:
    bytearray(150 << 20)  # over what a case may take, and well within what its process may


def fail(world: World, path: Path) -> None:
    raise ZeroDivisionError("why")


def read(world: World, path: Path) -> bytes:
    return path.read_bytes()


@pytest.mark.parametrize(
    ("broken", "problem"),
    [
        (hang, "hangs"),
        (sleep, "hangs"),
        (crash, "ended the process"),
        (leak, "took 1"),
        (fail, "exit code 1"),
    ],
)
def test_a_broken_reader_is_named(
    broken: Callable[[World, Path], object], problem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    world: Any = None
    for name, value in {"MOST_SECONDS": 1.0, "MOST_WALL_SECONDS": 3.0, "MOST_MEMORY": 100 << 20}.items():
        monkeypatch.setattr(campaign, name, value)
    sound, unsound = (Reader(function, lambda world: [b"seed"], ".txt") for function in (read, broken))
    monkeypatch.setattr(campaign, "READERS", {"sound": sound, "broken": unsound})
    monkeypatch.setattr(campaign, "_KEPT", {})
    result: Result = campaign.run(
        [Case("sound", "empty"), Case("broken", "empty"), Case("sound", "twice")], world
    )
    assert [(fault["reader"], str(fault["problem"])[: len(problem)]) for fault in result.faults] == [
        ("broken", problem)
    ]
    assert result.readers["sound"] == 2


def test_there_are_constructions_enough() -> None:
    assert len(campaign.cases(0, 100_000, 1)) >= 1500
    assert len(CRAFTED) > 70 and len(READERS) > 35
