"""Runs readers over inputs in forked children, and judges each: an exit code that is promised, in time, in
little memory, without a traceback.

    python -m fuzzing.campaign --mutated 20000 --crafted 1500 --seed 1      # in the folder tests/
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import shutil
import signal
import struct
import sys
import tempfile
import time
import traceback
from collections import defaultdict
from dataclasses import asdict, dataclass, field
from pathlib import Path
from select import select

from fuzzing.inputs import CRAFTED, NO_FILES, mutated
from fuzzing.readers import READERS, World

PROMISED = (0, 2, 3, 4, 5)
MOST_SECONDS = 10.0
"""Seconds of the processor for one input: of the clock there are more where others compute."""

MOST_WALL_SECONDS = 240.0
MOST_MEMORY = 1 << 30
_BATCH = 400


@dataclass(frozen=True)
class Case:
    """One input: which reader gets it, and how it is made."""

    reader: str
    made: str
    number: int = 0


@dataclass
class Result:
    """What came of a campaign."""

    inputs: int = 0
    codes: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    readers: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    faults: list[dict[str, object]] = field(default_factory=list)
    slowest: tuple[float, str] = (0.0, "")
    largest: tuple[int, str] = (0, "")
    seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))


def cases(mutations: int, crafted: int, seed: int) -> list[Case]:
    """The inputs: some of the product of readers and hostile constructions, by chance, and mutations of every
    reader's seeds.
    """
    product = [
        Case(name, made)
        for name, reader in READERS.items()
        for made in CRAFTED
        if reader.of_file or made not in NO_FILES
    ]
    random.Random(seed).shuffle(product)
    names = sorted(READERS)
    return product[:crafted] + [
        Case(names[number % len(names)], "mutated", seed * 1_000_000 + number) for number in range(mutations)
    ]


def run(todo: list[Case], world: World) -> Result:
    """Give every case to a child; one that dies or hangs is named, and another goes on behind it."""
    result = Result()
    while todo:
        batch, todo = todo[:_BATCH], todo[_BATCH:]
        while batch:
            batch = batch[_in_a_child(batch, world, result) :]
    return result


def _in_a_child(batch: list[Case], world: World, result: Result) -> int:
    """How many of a batch were dealt with."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        try:
            _work(batch, world, writing)
        finally:
            os._exit(0)
    os.close(writing)
    done = 0
    try:
        with os.fdopen(reading, "rb", buffering=0) as told:
            held = bytearray()
            while done < len(batch):
                answer = _answer(told.fileno(), child, held)
                if isinstance(answer, str):
                    _blame(result, batch[done], answer)
                    return done + 1
                _judge(json.loads(answer), batch[done], result)
                done += 1
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    return done


def _answer(told: int, child: int, held: bytearray) -> bytes | str:
    """What a child says of one input, or what has become of it; `held` is what has come and is not dealt
    with.
    """
    begin, begun = time.monotonic(), _cpu_seconds(child)
    while True:
        if len(held) >= 4 and len(held) >= 4 + (size := struct.unpack("!I", held[:4])[0]):
            answer = bytes(held[4 : 4 + size])
            del held[: 4 + size]
            return answer
        if select([told], [], [], 1.0)[0]:
            piece = os.read(told, 1 << 16)
            if not piece:
                return "ended the process"
            held += piece
        elif _cpu_seconds(child) - begun > 2 * MOST_SECONDS or time.monotonic() - begin > MOST_WALL_SECONDS:
            return "hangs"


def _judge(told: dict[str, object], case: Case, result: Result) -> None:
    code, seconds, memory = int(str(told["code"])), float(str(told["seconds"])), int(str(told["memory"]))
    name = f"{case.reader}: {case.made} {case.number}"
    result.inputs += 1
    result.codes[str(code)] += 1
    result.readers[case.reader] += 1
    result.seconds[case.reader] += seconds
    result.slowest, result.largest = max(result.slowest, (seconds, name)), max(result.largest, (memory, name))
    for problem in (
        *([f"exit code {code}"] if code not in PROMISED else ()),
        *([f"took {seconds:.1f} s"] if seconds > MOST_SECONDS else ()),
        *([f"took {memory >> 20} MiB"] if memory > MOST_MEMORY else ()),
        *(["an escape in its message"] if told["steers"] else ()),
    ):
        _blame(result, case, problem, str(told["said"]))


def _blame(result: Result, case: Case, problem: str, said: str = "") -> None:
    result.faults.append({**asdict(case), "problem": problem, "said": said})
    print(
        f"--- {case.reader}: {case.made} {case.number}: {problem}\n{said[-1500:]}",
        file=sys.stderr,
        flush=True,
    )


# ---- in the child


def _work(batch: list[Case], world: World, out: int) -> None:
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    most = _address_space() + 2 * MOST_MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for case in batch:
        told = json.dumps(_one(case, world)).encode()
        os.write(out, struct.pack("!I", len(told)) + told)


def _one(case: Case, world: World) -> dict[str, object]:
    folder = Path(tempfile.mkdtemp(prefix="ontune-fuzz-"))
    try:
        path = prepared(case, world, folder)
        _forget_the_peak()
        before, begin = _memory("VmRSS"), time.process_time()
        code, said = _outcome(case, world, path)
        seconds, peak = time.process_time() - begin, _memory("VmHWM") - before
        steers = code in PROMISED and any(sign in said for sign in "\x1b\x9b\u202e\x00")
        return {
            "code": code,
            "seconds": seconds,
            "memory": max(0, peak),
            "said": said[-3000:],
            "steers": steers,
        }
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def prepared(case: Case, world: World, folder: Path) -> Path:
    """The file of a case."""
    path = folder / f"input{READERS[case.reader].suffix}"
    seeds = seeds_of(case.reader, world)
    if case.made != "mutated":
        return CRAFTED[case.made](path, seeds[0])
    chance = random.Random(case.number)
    others = seeds_of(chance.choice(sorted(READERS)), world)
    path.write_bytes(mutated(chance.choice(seeds), others, chance))
    return path


def _outcome(case: Case, world: World, path: Path) -> tuple[int, str]:
    """The exit code by which the command would end, with what it would say."""
    from ontune.cli import _as_ours

    try:
        READERS[case.reader].read(world, path)
    except AssertionError:
        return 1, traceback.format_exc()
    except Exception as error:
        told = _as_ours(error)
        return told.exit_code, str(told) if told.exit_code in PROMISED else traceback.format_exc()
    return 0, ""


_KEPT: dict[str, list[bytes]] = {}


def seeds_of(reader: str, world: World) -> list[bytes]:
    """The seeds of a reader, made once."""
    if reader not in _KEPT:
        _KEPT[reader] = READERS[reader].seeds(world)
    return _KEPT[reader]


def seeds_accepted() -> dict[str, list[tuple[int, str]]]:
    """For every seed of every reader the exit code, and what would be said."""
    world = World()
    found: dict[str, list[tuple[int, str]]] = {}
    for name, reader in READERS.items():
        found[name] = []
        for seed in seeds_of(name, world):
            with tempfile.TemporaryDirectory(prefix="ontune-fuzz-") as folder:
                path = Path(folder, f"input{reader.suffix}")
                path.write_bytes(seed)
                found[name].append(_outcome(Case(name, "seed"), world, path))
    return found


def _memory(name: str) -> int:
    """A figure of this process's memory in bytes."""
    for line in Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    return 0


def _forget_the_peak() -> None:
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    except OSError:
        return


def _address_space() -> int:
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * resource.getpagesize()


def _cpu_seconds(process: int) -> float:
    try:
        fields = (
            Path(f"/proc/{process}/stat")
            .read_text(encoding="utf-8", errors="replace")
            .rpartition(")")[2]
            .split()
        )
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Run a campaign; the faults go to stderr as they are found."""
    parser = argparse.ArgumentParser(description="Run the fuzz campaign and print what came of it as JSON.")
    parser.add_argument("--mutated", type=int, default=1000)
    parser.add_argument("--crafted", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--reader", help="this one alone")
    given = parser.parse_args()
    world = World()
    for reader in READERS:
        seeds_of(reader, world)
    todo = [
        case
        for case in cases(given.mutated, given.crafted, given.seed)
        if given.reader in (None, case.reader)
    ]
    result = run(todo, world)
    print(json.dumps(vars(result)))


if __name__ == "__main__":
    main()
