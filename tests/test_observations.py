"""A user's own observations, as planning finds them; and folders that are left over."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from kb.observations.recorded import OwnObservations, place
from kb.records.targets import load_target
from kb.records.workload import Workload, load_workload, what_is
from kb.store import scratch
from reasoner.reasoner import Reasoner

DONE: dict[str, Any] = {
    "id": "urn:uuid:1", "type": "Observation", "workload": "net", "microarchitecture": "zen5", "cores": 4, "outcome": "done", "throughput": 10.0,
    "decisions": [{"decision": "precision", "option": "bf16"}],
}  # fmt: skip

NET = {"name": "net", "batch": 128}


def put(folder: Path, name: str, **changes: Any) -> Path:
    """An observation in its own folder."""
    content = DONE | {"id": f"urn:uuid:{name}"} | changes
    described = content.get("workload_facts")
    at = place(
        folder,
        what_is(described) if described else content["workload"],
        content["microarchitecture"],
        content["cores"],
    )
    at.mkdir(parents=True, exist_ok=True)
    file = at / f"{name}.jsonld"
    file.write_text(json.dumps(content), encoding="utf-8")
    return file


def found(folder: Path) -> list[str]:
    return [run.id.rpartition(":")[2] for run in OwnObservations(folder).at("net", what_is(NET), "zen5", 4)]


def test_an_old_run_is_found_among_thousands_of_others(tmp_path: Path) -> None:
    old = put(tmp_path, "old")
    os.utime(old, (0, 0))
    for number in range(2000):
        (tmp_path / f"{number % 7:016x}").mkdir(exist_ok=True)
        (tmp_path / f"{number % 7:016x}" / f"{number}.jsonld").write_text("{", encoding="utf-8")
    begin = time.monotonic()
    assert found(tmp_path) == ["old"]
    assert time.monotonic() - begin < 1


def test_what_lies_flat_is_found(tmp_path: Path) -> None:
    for number in range(300):
        other = {"workload": f"other-{number}"} if number else {}
        (tmp_path / f"{number:03}.jsonld").write_text(
            json.dumps(DONE | {"id": f"urn:uuid:{number}"} | other), encoding="utf-8"
        )
    put(tmp_path, "new")
    assert found(tmp_path) == ["new", "0"]


def test_only_runs_of_the_same_place_are_given(tmp_path: Path) -> None:
    put(tmp_path, "here")
    for change in (
        {"workload": "other"},
        {"microarchitecture": "zen4"},
        {"cores": 8},
        {"outcome": "failed", "throughput": None},
    ):
        (put(tmp_path, "here").parent / f"{len(change)}{next(iter(change))}.jsonld").write_text(
            json.dumps(DONE | change), encoding="utf-8"
        )
    assert found(tmp_path) == ["here"]


def test_a_job_is_what_is_stated_of_it_and_not_its_name(tmp_path: Path) -> None:
    """A run of which only the name is told is of that name; whatever is told counts, whether it lies with
    what it is or with its name.
    """
    put(tmp_path, "named alike", workload_facts=NET | {"batch": 4096})
    put(tmp_path, "another name", workload="renamed", workload_facts=NET | {"name": "renamed"})
    put(tmp_path, "the same", workload_facts=NET)
    put(tmp_path, "only a name")
    older = put(tmp_path, "of an older Ontune", workload_facts=NET)
    older.rename(place(tmp_path, "net", "zen5", 4) / older.name)
    wrong = put(tmp_path, "older and another", workload_facts=NET | {"batch": 1})
    wrong.rename(place(tmp_path, "net", "zen5", 4) / wrong.name)
    assert sorted(found(tmp_path)) == ["another name", "of an older Ontune", "only a name", "the same"]


@pytest.fixture(scope="module")
def reasoner() -> Reasoner:
    return Reasoner([])


@pytest.mark.parametrize(
    ("recorded", "asked", "counts"),
    [
        ({}, {}, True),
        ({"batch": 4096}, {}, False),
        ({}, {"batch": 4096}, False),
        ({"batch": 4096}, {"batch": 4096}, True),
        (None, {}, True),
        (None, {"batch": 4096}, False),
        ({}, {"name": "mine"}, True),
    ],
)
def test_a_prediction_starts_from_runs_of_the_same_job(
    recorded: dict[str, Any] | None,
    asked: dict[str, Any],
    counts: bool,
    reasoner: Reasoner,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What was recorded of a shipped workload under its name, as it is or with another batch; None: nothing
    but its name.
    """
    monkeypatch.setenv("ONTUNE_DATA_HOME", str(tmp_path))
    shipped, target = (
        load_workload("transformer", reasoner.store),
        load_target("zen5-virtual", reasoner.store),
    )
    run = {
        "workload": "transformer",
        "microarchitecture": target.facts["cpu"]["microarchitecture"],
        "cores": target.facts["cpu"]["usable_cores"],
    }
    described = None if recorded is None else Workload("transformer", shipped.facts | recorded).to_json()
    put(tmp_path / "observations", "own", **run, **({"workload_facts": described} if described else {}))
    job = Workload(
        asked.get("name", "transformer"),
        shipped.facts | {key: value for key, value in asked.items() if key != "name"},
    )
    fresh = Reasoner(store=reasoner.store)
    assert ("urn:uuid:own" in fresh.plan(job, target).prediction["observations"]) is counts


BAD: dict[str, Any] = {
    "facts": json.dumps(DONE | {"workload_facts": "fast"}),
    "cut": '{"outcome": "do',
    "deep": "[" * 100_000,
    "not-a-number": json.dumps(DONE | {"throughput": float("nan")}),
    "endless": '{"outcome": "done", "throughput": 1e999}',
    "negative": json.dumps(DONE | {"throughput": -1}),
    "true": json.dumps(DONE | {"throughput": True}),
    "text": json.dumps(DONE | {"throughput": "fast"}),
    "options": json.dumps(DONE | {"decisions": [{"decision": 1, "option": []}]}),
    "decisions": json.dumps(DONE | {"decisions": "bf16"}),
    "cores": json.dumps(DONE | {"cores": "four"}),
    "list": "[]",
    "digits": '{"outcome": "done", "cores": ' + "9" * 5000 + "}",
    "latin": "é".encode("latin-1"),
    "nul": "\0" * 100,
    "empty": "",
}


def test_bad_files_are_set_aside_and_named_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    here = put(tmp_path, "good").parent
    for name, content in BAD.items():
        (here / f"{name}.jsonld").write_bytes(content if isinstance(content, bytes) else content.encode())
    os.mkfifo(here / "pipe.jsonld")
    (here / "zero.jsonld").symlink_to("/dev/zero")
    (here / "nothing.jsonld").symlink_to("nowhere")
    (here / "folder.jsonld").mkdir()
    (here / "huge.jsonld").touch()
    os.truncate(here / "huge.jsonld", 1 << 40)
    Path(os.fsdecode(os.fsencode(here) + b"/\xff\xfe\x1b[31m.jsonld")).write_bytes(b"{")
    own = OwnObservations(tmp_path)
    begin = time.monotonic()
    for _ in range(3):
        assert [run.id for run in own.at("net", what_is(NET), "zen5", 4)] == ["urn:uuid:good"]
    assert found(tmp_path) == ["good"]
    assert time.monotonic() - begin < 5
    told = capsys.readouterr().err
    assert "\x1b" not in told
    for name in (*BAD, "pipe", "zero", "nothing", "folder", "huge", "31m"):
        assert told.count(f"{name}.jsonld") == 1, name
    assert all(line.startswith("set aside: ") for line in told.splitlines())


def test_a_folder_that_cannot_be_read_holds_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert found(tmp_path / "file") == found(tmp_path / "missing") == []


# ---- left-over folders


def left_over(parent: Path, maker: int, age: float) -> Path:
    folder = parent / f".ontune-bundle-{scratch._host()}-{maker}-abc123"
    (folder / "inside").mkdir(parents=True)
    (folder / "inside" / "file").touch()
    os.utime(folder, (time.time() - age, time.time() - age))
    return folder


def a_dead_process() -> int:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    return child.pid


def test_what_a_dead_maker_left_is_swept_after_a_day(tmp_path: Path) -> None:
    day, dead = scratch.OLD_SECONDS, a_dead_process()
    old, fresh = left_over(tmp_path / "1", dead, day + 60), left_over(tmp_path / "2", dead, day - 60)
    living = left_over(tmp_path / "3", os.getpid(), day + 60)
    elsewhere = tmp_path / "4" / f".ontune-bundle-00000000-{dead}-abc123"
    elsewhere.mkdir(parents=True)
    os.utime(elsewhere, (0, 0))
    like = tmp_path / "5" / ".ontune-bundle"
    like.mkdir(parents=True)
    os.utime(like, (0, 0))
    for folder in (old, fresh, living, elsewhere, like):
        with scratch.scratch("bundle", folder.parent) as made:
            assert made.is_dir()
        assert not made.exists()
    assert [folder.exists() for folder in (old, fresh, living, elsewhere, like)] == [
        False,
        True,
        True,
        True,
        True,
    ]


def test_a_link_that_looks_left_over_is_not_followed(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "file").touch()
    link = tmp_path / f".ontune-bundle-{scratch._host()}-{a_dead_process()}-abc123"
    link.symlink_to(precious)
    scratch.sweep(tmp_path, time.time() + 2 * scratch.OLD_SECONDS)
    assert (precious / "file").exists()


def test_a_killed_maker_leaves_a_name_by_which_it_is_swept(tmp_path: Path) -> None:
    program = "import os, pathlib, sys, kb.store.scratch\nwith kb.store.scratch.scratch('pages', pathlib.Path(sys.argv[1])): os.kill(os.getpid(), 9)"
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=False, env=environment)
    assert len(list(tmp_path.iterdir())) == 1
    scratch.sweep(tmp_path, time.time() + scratch.OLD_SECONDS - 60)
    assert len(list(tmp_path.iterdir())) == 1
    scratch.sweep(tmp_path, time.time() + scratch.OLD_SECONDS + 60)
    assert not list(tmp_path.iterdir())


# ---- all of a user's data folder


def test_one_bad_file_stops_no_plan(tmp_path: Path) -> None:
    additions = tmp_path / "kb"
    additions.mkdir()
    own = put(tmp_path / "observations", "good").parent
    Path(os.fsdecode(os.fsencode(additions) + b"/\xff\xfe.ttl")).write_text(
        "@prefix on: <https://w3id.org/ontune#> .\n", encoding="utf-8"
    )
    Path(os.fsdecode(os.fsencode(additions) + b"/\xff\xfe.rq")).write_bytes(b"\xff")
    (additions / "cut.ttl").write_text("@prefix on: <https:", encoding="utf-8")
    (additions / "latin.ttl").write_bytes("# é\n".encode("latin-1"))
    (additions / "query.rq").write_bytes(b"\xff\xfe")
    os.mkfifo(additions / "pipe.ttl")
    os.mkfifo(additions / "pipe.rq")
    (additions / "nothing.ttl").symlink_to("nowhere")
    (own / "bad.jsonld").write_text("{", encoding="utf-8")
    environment = {**os.environ, "ONTUNE_DATA_HOME": str(tmp_path)}

    def ontune(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "ontune", *words]
        return subprocess.run(
            command, capture_output=True, text=True, check=False, env=environment, timeout=600
        )

    done = ontune("plan", "-w", "mlp", "-t", "eos-h100", "--format", "json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["plan_id"]
    for name in ("cut.ttl", "latin.ttl"):
        assert done.stderr.count(name) == 1, done.stderr
    listed = ontune("query", "--list", "--format", "json")
    assert listed.returncode == 0, listed.stderr
    assert len(json.loads(listed.stdout)) > 20
    for name in ("query.rq", "pipe.rq", "\\udcfe.rq"):
        assert listed.stderr.count(name) == 1, listed.stderr
