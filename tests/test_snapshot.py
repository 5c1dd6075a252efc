"""The compiled knowledge in the cache: sealed, this user's own, made again where it is damaged, in memory
where it cannot be kept.
"""

from __future__ import annotations

import json
import os
import random
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from kb.store import snapshot
from kb.store.snapshot import FULL, PLANNING, SnapshotInfo, obtain

KEY = "5eed" * 16
INFO = SnapshotInfo("0.1.0", "ab" * 32, {"additions/0/x.ttl": ": refused"})
PARTS = {
    FULL: b"".join(f'<urn:s{n}> <urn:p> "{n}" <urn:g> .\n'.encode() for n in range(300)),
    PLANNING: b"".join(f'<urn:s{n}> <urn:p> "{n}" <urn:g> .\n'.encode() for n in range(100)),
}


class Builder:
    """Counts how often it had to build."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self) -> tuple[SnapshotInfo, dict[str, bytes]]:
        self.times += 1
        return INFO, PARTS


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ONTUNE_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "snapshots"


def parts_now(build: Builder) -> tuple[bytes | None, bytes | None]:
    """Both parts, as somebody who needs each of them gets them."""
    return obtain(KEY, build, PLANNING).part(PLANNING), obtain(KEY, build, FULL).part(FULL)


WHOLE = (PARTS[PLANNING], PARTS[FULL])


def test_it_is_built_once(cache: Path) -> None:
    build = Builder()
    assert parts_now(build) == parts_now(build) == WHOLE
    assert build.times == 1
    assert obtain(KEY, build).info == INFO


@pytest.mark.parametrize("seed", range(200))
def test_damage_anywhere_gives_the_same_or_is_made_again(cache: Path, seed: int) -> None:
    build, chance = Builder(), random.Random(seed)
    parts_now(build)
    file = chance.choice(sorted(path for path in cache.glob("[!.]*/*")))
    content = bytearray(file.read_bytes())
    place = chance.randrange(len(content))
    lines = [n for n, byte in enumerate(content) if byte == 10] or [0]
    damage: list[Callable[[], bytes]] = [
        lambda: bytes(content[:place]),
        lambda: bytes(content[: chance.choice(lines) + 1]),
        lambda: bytes(
            content[:place] + bytes([content[place] ^ 1 << chance.randrange(8)]) + content[place + 1 :]
        ),
        lambda: bytes(content[:place]) + bytes(len(content) - place),
        lambda: b"",
        lambda: bytes(content) + bytes(content[: chance.choice(lines) + 1]),
    ]
    file.write_bytes(chance.choice(damage)())
    assert parts_now(build) == WHOLE
    assert obtain(KEY, build).info == INFO


def test_half_a_purge_is_made_good(cache: Path) -> None:
    build = Builder()
    for name in (FULL, PLANNING, "snapshot.json"):
        parts_now(build)
        next(cache.glob(f"[!.]*/{name}")).unlink()
        assert parts_now(build) == WHOLE
    assert build.times == 4


def test_a_snapshot_of_another_state_in_its_place_does_not_count(cache: Path) -> None:
    build, other = Builder(), KEY.replace("5eed", "f00d")
    obtain(KEY, build)
    obtain(other, lambda: (INFO, {FULL: b"", PLANNING: b'<urn:planted> <urn:p> "LD_PRELOAD" <urn:g> .\n'}))
    mine, theirs = (cache / key[:20] for key in (KEY, other))
    for name in (FULL, PLANNING, "snapshot.json"):
        (mine / name).write_bytes((theirs / name).read_bytes())
    assert parts_now(build) == WHOLE


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files to another user")
def test_what_another_user_owns_is_not_read(cache: Path) -> None:
    build = Builder()
    obtain(KEY, build)
    os.chown(cache / KEY[:20] / PLANNING, 12345, 12345)
    assert obtain(KEY, build).part(PLANNING) == PARTS[PLANNING]
    assert build.times == 2
    os.chown(cache, 12345, 12345)
    found = obtain(KEY, build)
    assert (found.folder, found.part(FULL)) == (None, PARTS[FULL])
    assert "another user owns" in found.unkept


def test_what_others_may_write_is_not_read(cache: Path) -> None:
    build = Builder()
    obtain(KEY, build)
    (cache / KEY[:20] / PLANNING).chmod(0o666)
    assert obtain(KEY, build).part(PLANNING) == PARTS[PLANNING]
    assert build.times == 2
    cache.chmod(0o777)
    assert obtain(KEY, build).folder
    assert not stat.S_IMODE(cache.stat().st_mode) & 0o022
    assert build.times == 2


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077, 0o777])
def test_the_umask_does_not_matter(cache: Path, mask: int) -> None:
    build, before = Builder(), os.umask(mask)
    try:
        cache.parent.mkdir(mode=0o700)
        cache.parent.chmod(0o700)
        assert parts_now(build) == WHOLE
        assert parts_now(build) == WHOLE
    finally:
        os.umask(before)
    assert mask == 0o777 or build.times == 1


@pytest.mark.parametrize("place", ["/dev/null/cache", "/proc/cache", "/sys/cache"])
def test_where_nothing_can_be_kept_it_is_in_memory(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONTUNE_CACHE_HOME", place)
    found = obtain(KEY, Builder())
    assert found.folder is None and found.unkept
    assert (found.part(PLANNING), found.part(FULL)) == WHOLE


def test_a_full_disk_leaves_it_in_memory_and_nothing_behind(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, content: bytes) -> None:
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(snapshot, "write_own", full)
    found = obtain(KEY, Builder())
    assert (found.part(PLANNING), found.part(FULL)) == WHOLE
    assert "No space left" in found.unkept
    assert [path.name for path in cache.iterdir()] == ["lock"]


SLOW = """
import sys, time
from kb.store.snapshot import FULL, PLANNING, SnapshotInfo, obtain
content = {FULL: b"f" * 3_000_000, PLANNING: b"p" * 1_000_000}
found = obtain(sys.argv[1], lambda: (SnapshotInfo("1", "2"), content), FULL)
print(found.part(FULL) == content[FULL])
"""


@pytest.mark.parametrize("rounds", [15, pytest.param(600, marks=pytest.mark.long)])
def test_kills_leave_no_half_snapshot(cache: Path, rounds: int) -> None:
    chance = random.Random(rounds)
    for number in range(rounds):
        victim = subprocess.Popen([sys.executable, "-c", SLOW, KEY[number % 8 :]])
        time.sleep(chance.uniform(0.02, 0.2))
        victim.send_signal(signal.SIGKILL)
        victim.wait()
    done = subprocess.run(
        [sys.executable, "-c", SLOW, "last" * 8], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "True"
    assert not list(cache.glob(".making-*"))
    for about in cache.glob("[!.]*/snapshot.json"):
        assert json.loads(about.read_text())["digests"].keys() == {FULL, PLANNING}


def test_two_processes_build_one(cache: Path) -> None:
    together = [
        subprocess.Popen([sys.executable, "-c", SLOW, KEY], stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    assert [process.communicate()[0].strip() for process in together] == ["True"] * 4
    assert len(list(cache.glob("[!.]*/snapshot.json"))) == 1


def test_a_relative_convention_is_ignored_and_no_home_is_no_failure(tmp_path: Path) -> None:
    program = "; ".join(
        (
            "import os",
            "os.environ.pop('HOME', None)",
            "from kb.store.paths import cache_home, data_home",
            "print(cache_home().is_absolute(), data_home())",
        )
    )
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("XDG_", "ONTUNE_"))}
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**kept, "XDG_CACHE_HOME": "here"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.stdout.startswith("True")
    assert not list(tmp_path.iterdir())
