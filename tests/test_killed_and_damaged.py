"""The compiled knowledge as it is, killed while it is made and damaged where it lies: the same plan or a
rebuilt one, never another.

`test_snapshot.py` tries the same with small parts, which is quick; here it is the shipped knowledge, and the
command.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.measure.observation import load
from kb.records.targets import load_target
from kb.records.workload import load_workload
from kb.store.snapshot import FULL, PLANNING
from reasoner.reasoner import Reasoner
from tests.test_bench import RECORDING

PLAN = [sys.executable, "-m", "ontune", "plan", "-w", "mnist-cnn", "-t", "genoa-node", "--format", "json"]
TICKS = os.sysconf("SC_CLK_TCK")


def planned(cache: Path) -> bytes:
    done = subprocess.run(PLAN, capture_output=True, env={**os.environ, "ONTUNE_CACHE_HOME": str(cache)})
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def processor_seconds(process: int) -> float:
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / TICKS


def kill_after(command: list[str], seconds: float, environment: dict[str, str]) -> bool:
    """Start a program, kill it once it has computed for so long; whether it was still running then."""
    victim = subprocess.Popen(
        command, env={**os.environ, **environment}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    while victim.poll() is None and processor_seconds(victim.pid) < seconds:
        time.sleep(0.002)
    killed = victim.poll() is None
    victim.send_signal(signal.SIGKILL)
    victim.wait()
    return killed


@pytest.mark.long
def test_three_hundred_kills_while_compiling_change_no_plan(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cache, chance = tmp_path / "cache", random.Random(1)
    planned(tmp_path / "other")  # so that nothing but the knowledge is made anew
    expected = planned(cache)
    shutil.rmtree(cache / "snapshots")
    whole = 3.0
    killed = compared = 0
    while killed < 300:
        killed += kill_after(PLAN, chance.uniform(0, whole), {"ONTUNE_CACHE_HOME": str(cache)})
        made = list((cache / "snapshots").glob("[!.]*/snapshot.json"))
        if made or killed % 10 == 0:
            compared += 1
            assert planned(cache) == expected
            shutil.rmtree(cache / "snapshots")
    assert planned(cache) == expected
    assert not list((cache / "snapshots").glob(".making-*"))
    with capsys.disabled():
        print(f"\n{killed} kills while compiling, {compared} plans compared")


@pytest.mark.long
def test_three_hundred_kills_while_recording_lose_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root, chance = Path(__file__).parent.parent, random.Random(2)
    environment = {**os.environ, "PYTHONPATH": f"{root}{os.pathsep}{root / 'tests'}"}
    promised: set[str] = set()
    command = [sys.executable, "-c", RECORDING.replace("200_000", "20_000"), str(tmp_path)]
    for number in range(300):
        child = subprocess.Popen(
            [*command, str(number % 5)], stdout=subprocess.PIPE, text=True, env=environment
        )
        assert child.stdout is not None
        promised.add(child.stdout.readline().strip())
        time.sleep(chance.uniform(0, 0.02))
        child.send_signal(signal.SIGKILL)
        promised |= {line.strip() for line in child.stdout if line.endswith("\n")}
        child.wait()
    half: list[object] = []
    kept = {one.id for one in load(tmp_path, half.append)}
    assert not half
    assert promised <= kept and len(kept) <= len(promised) + 300
    with capsys.disabled():
        print(f"\n300 kills while recording: {len(promised)} records promised, {len(kept)} kept")


@pytest.mark.long
def test_two_hundred_damages_change_no_plan(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    cache, pristine, chance = tmp_path / "cache", tmp_path / "pristine", random.Random(3)
    monkeypatch.setenv("ONTUNE_CACHE_HOME", str(cache))
    workload, target = load_workload("mnist-cnn"), load_target("genoa-node")

    def answers() -> tuple[object, object]:
        reasoner = Reasoner([])
        plan = reasoner.plan(workload, target)
        return plan.to_json(), reasoner.explain("precision", workload, target)

    expected = answers()
    shutil.copytree(cache / "snapshots", pristine)
    [folder] = [path.name for path in pristine.iterdir() if path.is_dir()]
    before = {name: (pristine / folder / name).read_bytes() for name in (FULL, PLANNING, "snapshot.json")}
    for number in range(200):
        shutil.rmtree(cache / "snapshots")
        shutil.copytree(pristine, cache / "snapshots")
        name = chance.choice(sorted(before))
        (cache / "snapshots" / folder / name).write_bytes(damaged(before[name], number, chance))
        assert answers() == expected, (name, number)
    with capsys.disabled():
        print("\n200 damaged snapshots: the same plan and the same explanation each time")


def damaged(content: bytes, number: int, chance: random.Random) -> bytes:
    """A file cut, cut at the end of a line, with a bit turned, with zeros, without a line, with a line twice;
    each hundredth of it has its turn.
    """
    place = int(len(content) * ((number % 100) + chance.random()) / 100)
    line = content.rfind(b"\n", 0, place) + 1
    end = content.find(b"\n", place) + 1 or len(content)
    ways: list[Callable[[], bytes]] = [
        lambda: content[:place],
        lambda: content[:line],
        lambda: content[:place] + bytes([content[place] ^ 1 << chance.randrange(8)]) + content[place + 1 :],
        lambda: content[:place] + bytes(len(content) - place),
        lambda: content[:line] + content[end:],
        lambda: content[:end] + content[line:],
    ]
    return ways[number % len(ways)]()
