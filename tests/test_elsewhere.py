"""Plans from elsewhere: what they name of this machine is taken only where its user agrees."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from generators.bundle import write_bundle
from kb.records.fact_keys import fact_keys
from kb.records.fact_values import walk
from kb.records.site import complete_site
from kb.records.targets import load_target
from kb.records.workload import load_workload
from kb.store.local_files import named_by
from ontune.cli import main
from reasoner.answers.plan import Plan
from reasoner.reasoner import Reasoner

MACHINE = "zen5-virtual"
SITE = complete_site(
    {"packages": {"wheel_folders": ["/apps/wheels"]}, "ca_bundle": "/etc/site.pem"}, "site", "ours"
)


@cache
def reasoner() -> Reasoner:
    return Reasoner()


@pytest.fixture
def ontune(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Run a command in this process, as a program without a terminal does."""

    def run(*words: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(words)
        out, err = capsys.readouterr()
        return int(ended.value.code or 0), out, err

    return run


@pytest.fixture(autouse=True)
def newcomer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody who has named no file yet."""
    monkeypatch.setenv("ONTUNE_DATA_HOME", str(tmp_path / "data"))


@pytest.fixture
def job(tmp_path: Path) -> Path:
    """A job with files of its own."""
    (tmp_path / "mine" / "configs").mkdir(parents=True)
    for name in ("train.py", "configs/a.yaml"):
        (tmp_path / "mine" / name).write_text("print('trained')\n")
    file = tmp_path / "mine" / "job.yaml"
    file.write_text("extends: mnist-cnn\nscript: train.py\nfiles: [configs]\nframework: pytorch\n")
    return file


def planned(workload: str, **wishes: Any) -> Plan:
    store = reasoner().store
    return reasoner().plan(load_workload(workload, store), load_target(MACHINE, store), **wishes)


def sent(plan: Plan | Mapping[str, Any], folder: Path) -> str:
    """The file in which a plan has come from elsewhere."""
    file = folder / "sent.json"
    file.write_text(json.dumps(plan.to_json() if isinstance(plan, Plan) else plan), encoding="utf-8")
    return str(file)


def test_files_that_a_plan_from_elsewhere_names_are_not_taken(ontune: Any, tmp_path: Path, job: Path) -> None:
    file, bundle = sent(planned(str(job), site=SITE), tmp_path), tmp_path / "bundle"
    code, out, err = ontune("recipe", "--plan", file, "-o", str(bundle))
    assert (code, out) == (2, "") and not bundle.exists()
    for named in (
        job.parent / "train.py",
        job.parent / "configs",
        "/apps/wheels",
        "/etc/site.pem",
        "--accept-files",
    ):
        assert str(named) in err, named
    assert ontune("recipe", "--plan", file, "-o", str(bundle), "--accept-files")[0] == 0
    assert (bundle / "workload" / "configs" / "a.yaml").is_file()
    assert ontune("recipe", "--plan", file, "-o", str(tmp_path / "again"))[0] == 0, (
        "what was agreed to once is asked again"
    )


def test_a_user_is_not_asked_about_what_was_named_here(ontune: Any, tmp_path: Path, job: Path) -> None:
    _, out, _ = ontune("plan", "-w", str(job), "-t", MACHINE, "--format", "json")
    assert ontune("recipe", "--plan", sent(json.loads(out), tmp_path), "-o", str(tmp_path / "bundle"))[0] == 0


def test_only_what_others_named_is_asked_about(ontune: Any, tmp_path: Path, job: Path) -> None:
    file = sent(planned("mnist-cnn", framework="pytorch", site=SITE), tmp_path)
    code, _, err = ontune("recipe", "--plan", file, "-w", str(job), "-o", str(tmp_path / "bundle"))
    assert code == 2 and "/apps/wheels" in err and "train.py" not in err
    assert (
        ontune("recipe", "--plan", file, "-w", str(job), "--drop", "site", "-o", str(tmp_path / "bundle"))[0]
        == 0
    )


def test_asking_again_names_nothing(ontune: Any, tmp_path: Path, job: Path) -> None:
    """A plan that is made from a foreign one is as foreign."""
    _, out, _ = ontune("plan", "--plan", sent(planned(str(job)), tmp_path), "--format", "json")
    assert ontune("recipe", "--plan", sent(json.loads(out), tmp_path), "-o", str(tmp_path / "bundle"))[0] == 2


def test_a_plan_that_keeps_no_request_is_asked_about_too(ontune: Any, tmp_path: Path) -> None:
    plan = {key: value for key, value in planned("mnist-cnn").to_json().items() if key != "request"}
    plan["workload"] |= {
        "files": ["../.ssh/id_*"],
        "folder": str(tmp_path / "mine"),
        "script": str(tmp_path / "x\x1b[2J.py"),
    }
    code, _, err = ontune("recipe", "--plan", sent(plan, tmp_path), "-o", str(tmp_path / "bundle"))
    assert code == 2 and f"{tmp_path}/.ssh/id_* (workload: files)" in err and "\x1b" not in err
    plan["workload"] |= {"files": [str(tmp_path / "notes")], "script": 7, "folder": None}
    plan["site"] = {"packages": "none", "binds": {}}
    code, _, err = ontune("recipe", "--plan", sent(plan, tmp_path), "-o", str(tmp_path / "bundle"))
    assert code == 2 and f"{tmp_path}/notes (workload: files)" in err


@pytest.mark.parametrize(
    "command", [("build",), ("run",), ("bench",), ("bench", "--against", "."), ("fetch",)], ids=" ".join
)
def test_a_bundle_from_elsewhere_is_not_built_with_files_of_this_machine(
    ontune: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    bundle = write_bundle(planned("mnist-cnn", framework="pytorch", site=SITE), tmp_path / "bundle").folder
    monkeypatch.setenv("ONTUNE_DATA_HOME", str(tmp_path / "another"))
    monkeypatch.chdir(bundle)
    code, _, err = ontune(command[0], str(bundle), *command[1:])
    assert code == 2 and str(bundle / "plan.json") in err
    for named in (
        "/apps/wheels (site: packages.wheel_folders)",
        "/etc/site.pem (site: ca_bundle)",
        "--accept-files",
    ):
        assert named in err


def test_what_this_user_wrote_is_built_without_a_question(ontune: Any, tmp_path: Path) -> None:
    bundle = write_bundle(planned("mnist-cnn", framework="pytorch", site=SITE), tmp_path / "bundle").folder
    code, _, err = ontune("fetch", str(bundle))
    assert code == 2 and "not locked" in err


def test_a_user_at_a_terminal_is_asked(tmp_path: Path, job: Path) -> None:
    file = sent(planned(str(job)), tmp_path)
    for answer, code in (("n", 2), ("y", 0)):
        master, terminal = pty.openpty()
        words = [sys.executable, "-m", "ontune", "recipe", "--plan", file, "-o", str(tmp_path / answer)]
        with subprocess.Popen(words, stdin=terminal, stdout=subprocess.DEVNULL, stderr=terminal) as asked:
            os.close(terminal)
            told = b""
            while b"[y/N]" not in told:
                told += os.read(master, 4096)
            os.write(master, answer.encode() + b"\n")
            assert asked.wait(120) == code
        os.close(master)
        assert b"train.py" in told and (tmp_path / answer).exists() == (code == 0)


def test_every_key_that_names_a_file_is_known() -> None:
    """Wherever a property of workloads and sites says that it is a file or a folder, it is marked, or told
    here why it need not be.
    """
    not_taken = {
        "command[]": "words that are run where the job is submitted from",
        "data": "it stays where it is, and the job reads it there",
        "module_paths[]": "the module command of a job's node reads it",
        "storage[]": "it has members",
        "storage[].class": "a name",
        "storage[].path": "jobs write to it",
    }
    for module in ("workloads", "sites"):
        for key in walk(fact_keys(module).root):
            told = {"file", "files", "folder", "folders"} & set(
                key.meaning.lower().replace(",", " ").replace(".", " ").split()
            )
            assert key.local_file or not told or key.path in not_taken, (module, key.path, key.meaning)
    facts = {"script": "/a/x.py", "folder": "/b", "files": ["c", "/d/*.py", "../e"], "requirements": "/f.txt"}
    assert {str(file) for file in named_by("workload", facts)} == {
        "/a/x.py (workload: script)", "/b/c (workload: files)", "/d/*.py (workload: files)", "/e (workload: files)",
        "/f.txt (workload: requirements)",
    }  # fmt: skip
