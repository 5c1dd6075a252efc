"""`ontune run -- COMMAND` becomes the user's own command, with what a plan can set around it and nothing else."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from bench.command import Command, Environment, framework_of
from generators import hook
from kb.errors import BadInput
from kb.records.imports import imported
from reasoner.reasoner import Reasoner

PINNED = ("--pin", "wait_policy=wait-passive")  # on whichever CPU this runs
SCRIPT = """
import json, os, sys
if len(sys.argv) > 99:
    import torch
print(json.dumps({"arguments": sys.argv[1:], "variables": dict(os.environ), "folder": os.getcwd(), "said": sys.stdin.read()}))
sys.exit(3)
"""


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "train.py"
    path.write_text(SCRIPT)
    return path


def ontune(
    *words: str,
    folder: Path,
    said: str = "",
    variables: Mapping[str, str] | None = None,
    command: str = "run",
) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("OMP_")}
    return subprocess.run(
        [sys.executable, "-P", "-m", "ontune", command, *words],
        cwd=folder,
        env={**kept, "PYTHONPATH": str(Path(__file__).parents[1]), **(variables or {})},
        input=said,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_command_is_its_own_in_everything_but_what_is_set(script: Path) -> None:
    words = (sys.executable, "train.py", "--output_dir", "out", "--", "-x")
    done = ontune(*PINNED, "--", *words, folder=script.parent, said="hello")
    plain = ontune("--plain", "--", *words, folder=script.parent, said="hello")
    assert done.returncode == plain.returncode == 3
    got, before = json.loads(done.stdout), json.loads(plain.stdout)
    variables, untouched = got.pop("variables"), before.pop("variables")
    asked = json.loads(variables.pop("ONTUNE_HOOK"))
    assert asked["settings"] == {} and asked["record"].endswith(".json")
    assert variables.pop("PYTHONPATH") == f"{hook.FOLDER}{os.pathsep}{untouched.pop('PYTHONPATH')}"
    assert variables == untouched | {"OMP_WAIT_POLICY": "passive"}
    assert got == before
    assert got["arguments"] == ["--output_dir", "out", "--", "-x"] and got["said"] == "hello"
    assert done.stderr == "ontune: OMP_WAIT_POLICY=passive (--dry-run says why)\n" and plain.stderr == ""


def test_what_the_user_set_stays(script: Path) -> None:
    done = ontune(
        "--", sys.executable, "train.py", folder=script.parent, variables={"OMP_WAIT_POLICY": "active"}
    )
    assert json.loads(done.stdout)["variables"]["OMP_WAIT_POLICY"] == "active"
    refused = ontune(
        *PINNED,
        "--",
        sys.executable,
        "train.py",
        folder=script.parent,
        variables={"OMP_WAIT_POLICY": "active"},
    )
    assert refused.returncode == 2 and "OMP_WAIT_POLICY is set already, to 'active'" in " ".join(
        refused.stderr.split()
    )


def test_a_dry_run_shows_the_shell_that_does_the_same(script: Path) -> None:
    words = ("--", sys.executable, "train.py", "a b", "$HOME")
    shown = ontune("--dry-run", *PINNED, *words, folder=script.parent)
    assert shown.returncode == 0 and "# wait_policy=wait-passive" in shown.stdout
    kept = {name: value for name, value in os.environ.items() if not name.startswith("OMP_")}
    by_hand = subprocess.run(
        ["bash", "-c", shown.stdout],
        cwd=script.parent,
        env=kept,
        input="",
        capture_output=True,
        text=True,
        check=False,
    )
    told = json.loads(by_hand.stdout)
    assert by_hand.returncode == 3 and told["arguments"] == ["a b", "$HOME"]
    assert told["variables"]["OMP_WAIT_POLICY"] == "passive"
    document = json.loads(
        ontune("--dry-run", "--format", "json", *PINNED, *words, folder=script.parent).stdout
    )
    assert document["variables"]["OMP_WAIT_POLICY"] == "passive" and document["command"] == list(words[1:])


def test_python_leaves_nothing_of_its_own_behind(tmp_path: Path) -> None:
    """It ignores SIGPIPE and sets LC_CTYPE for itself; a program that it becomes has neither from it."""
    for options in (("--plain",), ("--framework", "pytorch", "--forbid", "wait-passive")):
        command = "grep SigIgn /proc/self/status; echo ${LC_CTYPE-none}; yes | head -1 >/dev/null; echo ${PIPESTATUS[0]}"
        done = ontune(
            *options, "--", "bash", "-c", command, folder=tmp_path, variables={"LANG": "C", "LC_ALL": ""}
        )
        ignored, ctype, ended = done.stdout.split("\n")[:3]
        assert int(ignored.split()[1], 16) & (1 << 12) == 0 and (ctype, ended) == ("none", "141")


def test_a_note_that_cannot_be_written_stops_nothing(script: Path) -> None:
    start = f"{sys.executable} -m ontune run {' '.join(PINNED)} -- {sys.executable} train.py"
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}

    def started(closed: str) -> subprocess.CompletedProcess[str]:
        command = ["bash", "-c", f"{start} {closed}"]
        return subprocess.run(
            command, cwd=script.parent, env=environment, input="", capture_output=True, text=True, check=False
        )

    for done in map(started, ("2>/dev/full", "2>&-")):
        assert done.returncode == 3 and json.loads(done.stdout)["variables"]["OMP_WAIT_POLICY"] == "passive"
    done = started(">&-")
    assert "ontune: OMP_WAIT_POLICY=passive" in done.stderr and "internal error" not in done.stderr


def test_a_script_without_its_first_line_is_taken_by_a_shell(tmp_path: Path) -> None:
    (tmp_path / "start").write_text('echo "$1"\n')
    (tmp_path / "start").chmod(0o755)
    assert ontune("--plain", "--", "./start", "on", folder=tmp_path).stdout == "on\n"


def test_words_that_are_no_text_arrive(tmp_path: Path) -> None:
    words = ("--", "printf", "%s", os.fsdecode(b"a\xff'\\b"))
    wishes = ("--framework", "pytorch")
    done = subprocess.run(
        ["bash", "-c", ontune("--dry-run", *wishes, *words, folder=tmp_path).stdout],
        capture_output=True,
        check=True,
    )
    assert done.stdout == b"a\xff'\\b"
    assert ontune("--dry-run", "--format", "json", *wishes, *words, folder=tmp_path).returncode == 0


def test_modules_of_the_user_are_not_imported_by_ontune(script: Path) -> None:
    for name in ("yaml", "msgspec", "bench"):
        (script.parent / f"{name}.py").write_text("raise SystemExit('imported')\n")
    own = str(Path(__file__).parents[1])
    done = ontune(
        *PINNED,
        "--",
        sys.executable,
        "train.py",
        folder=script.parent,
        variables={"PYTHONPATH": f"{own}{os.pathsep}{script.parent}"},
    )
    assert done.returncode == 3 and str(script.parent) in json.loads(done.stdout)["variables"]["PYTHONPATH"]


def test_a_dry_run_reads_and_runs_nothing(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text("import torch\nopen('ran', 'w')\n")
    assert ontune("--dry-run", "--", sys.executable, "train.py", folder=tmp_path).returncode == 0
    assert not (tmp_path / "ran").exists()


def test_a_signal_is_the_commands(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(
        "import time\nprint('on', flush=True)\nif time.sleep(60):\n    import torch\n"
    )
    child = subprocess.Popen(
        [sys.executable, "-m", "ontune", "run", "--", sys.executable, "train.py"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None and child.stdout.readline() == "on\n"
    child.send_signal(signal.SIGTERM)
    assert child.wait(30) == -signal.SIGTERM
    child.stdout.close()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--runner", "native", "--", "python", "t.py"), "--runner: it says nothing to a command of your own"),
        (("--cores", "1", "--", "python", "t.py"), "--cores: it says nothing to a command of your own"),
        (("-t", "eos-h100", "--", "python", "t.py"), "--target: a command of your own runs on this machine"),
        (("--plan", "p.json", "--", "python", "t.py"), "--plan: it says nothing to a command of your own"),
        (("--plain", "--pin", "a=b", "--", "python", "t.py"), "--pin: it says nothing to a command that is started as it is"),
        (("python", "t.py"), "ontune run -- python ..."),
        ((), "nothing is said of what to run"),
        (("--", "no-such-program", "t.py"), "there is no program 'no-such-program' here"),
        (("--", "python", "none.py"), "the command: no file none.py"),
        (("--", "bash", "-c", "true"), "--framework NAME"),
        (("--", "python", "t.py"), "which framework trains?"),
        (("--", "python", "both.py"), "both.py imports pytorch and tensorflow"),
        (("--", "python", "broken.py"), "cannot be read as Python"),
        (("--", "bash", "-c", "cd sub && python t.py"), "which framework trains?"),
        (("--", "./t.py"), "'t.py' is not executable; expected chmod +x, or python t.py"),
        (("--", "."), "is a folder"),
        (("--unknown", "--", "python", "t.py"), "there is no option '--unknown'"),
        ((".", "--", "python", "t.py"), "expected no DIR before the --"),
        (("t.py",), "expected ontune run -- t.py"),
        (("--top", "3", "--", "python", "torch_only.py"), "--top: it says nothing to a command of your own"),
        (("--format", "json", "--", "python", "torch_only.py"), "--format: a command prints what it prints"),
        (("-w", "other.yaml", "--", "python", "torch_only.py"), "describes another program than the command"),
        ((*PINNED, "--", "env", "OMP_WAIT_POLICY=active", "python", "torch_only.py"), "the command sets OMP_WAIT_POLICY itself"),
        (("--framework", "torhc", "--", "python", "t.py"), "--framework"),
        (("--pin", "checkpointing=activations-recomputed", "--", "python", "torch_only.py"), "nothing applies it to a command as it is"),
    ],
)  # fmt: skip
def test_what_has_no_effect_or_no_meaning_is_refused(tmp_path: Path, words: Sequence[str], said: str) -> None:
    (tmp_path / "t.py").write_text("open('ran', 'w')\n")
    (tmp_path / "both.py").write_text("import torch, tensorflow\nopen('ran', 'w')\n")
    (tmp_path / "torch_only.py").write_text("import torch\nopen('ran', 'w')\n")
    (tmp_path / "broken.py").write_text("import torch (\n")
    (tmp_path / "other.yaml").write_text("script: t.py\nframework: pytorch\n")
    done = ontune(*words, folder=tmp_path)
    assert done.returncode == 2 and said in " ".join(done.stderr.split()), done.stderr
    assert "Traceback" not in done.stderr and not (tmp_path / "ran").exists()


def test_imports_are_read_through_the_files_beside_the_program(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(
        "from models import net\nfrom . import other\nimport os.path, lib.deep\n"
    )
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "__init__.py").write_text("")
    (tmp_path / "models" / "net.py").write_text("def make():\n    from torch import nn\n    import train\n")
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "deep.py").write_text("import jax.numpy as jnp\nthis is no Python")
    assert imported(tmp_path / "train.py").packages == ["os", "torch"]
    (tmp_path / "lib" / "__init__.py").write_text("from .core import run\n")
    (tmp_path / "lib" / "core.py").write_text("import tensorflow\n")
    (tmp_path / "lib" / "deep.py").write_text("from .. import other\nfrom . import core\n")
    assert imported(tmp_path / "lib" / "deep.py").packages == ["tensorflow"]
    (tmp_path / "sure.py").write_text(
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import jax\n"
        "try:\n    import tensorflow\nexcept ImportError:\n    pass\nimport torch\n"
    )
    assert imported(tmp_path / "sure.py").packages == ["typing", "torch"]
    (tmp_path / "old.py").write_bytes(b"# -*- coding: latin-1 -*-\nimport torch\nname = '\xe9'\n")
    assert imported(tmp_path / "old.py").packages == ["torch"]
    (tmp_path / "deep.py").write_text("x = " + "-" * 100_000 + "1\n")
    (tmp_path / "meets.py").write_text("import deep, old, jax\n")
    assert imported(tmp_path / "meets.py").packages == [
        "jax",
        "torch",
    ]  # what no parser stands is passed over
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "own.py").write_text("import torch\n")
    (tmp_path / "uses.py").write_text("import own\n")
    assert imported(tmp_path / "uses.py").packages == ["own"]
    assert imported(tmp_path / "uses.py", [tmp_path / "root"]).packages == ["torch"]


@pytest.mark.parametrize(
    "words",
    [
        ("python", "train.py", "other.py"),
        ("python", "-u", "train.py"),
        ("torchrun", "--nproc-per-node=2", "train.py", "--data", "x"),
        ("env", "A=1", "python", "train.py"),
        ("bash", "-c", "cd . && python3 train.py --epochs 2"),
        ("./start.sh", "2"),
        ("bash", "start.sh"),
        ("python", "-m", "package.train"),
        ("python", "-m", "torch.distributed.run", "--nproc_per_node=2", "train.py"),
        ("python", "-m", "package"),
        ("torchrun", "--nproc-per-node", "1", "-m", "package.train"),
        ("bash", "deep/start.sh"),
        ("./runs", "y"),
    ],
)
def test_the_script_of_a_command_is_found(
    words: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "package").mkdir()
    for name in ("train.py", "other.py", "package/train.py", "package/__main__.py"):
        (tmp_path / name).write_text("import torch\n")
    (tmp_path / "start.sh").write_text('#!/bin/sh\nmissing.py\ntorchrun --nproc_per_node=$1 train.py "$@"\n')
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "start.sh").write_text('# python other.py\ncd "$(dirname "$0")"; python inner.py\n')
    (tmp_path / "deep" / "inner.py").write_text("import torch\n")
    (tmp_path / "runs").write_text("#!/usr/bin/env python3\nimport torch\n")
    (tmp_path / "runs").chmod(0o755)
    found = Command(words).script
    special = {
        "package": "package/__main__.py",
        "package.train": "package/train.py",
        "deep/start.sh": "deep/inner.py",
        "y": "runs",
    }
    if words[-1] in special:
        assert found == Path(special[words[-1]])
    else:
        assert found == Path("train.py")
    assert found is not None and imported(found).packages == ["torch"]


def test_a_framework_is_found_behind_what_rests_on_it(script: Path) -> None:
    script.write_text("import lightning as L\n")
    command = Command((sys.executable, str(script)))
    environment = Environment(
        {"lightning": "2.5", "torch": "2.9.0+cpu", "pytorch-lightning": "2.5"},
        {"lightning": ["pytorch-lightning"], "pytorch-lightning": ["torch"]},
        {"lightning": "lightning", "torch": "torch"},
    )
    vars(command)["environment"] = environment  # what this machine has must not matter
    named = Reasoner([]).frameworks_meant
    assert framework_of(command, named) == "pytorch"
    assert environment.of_framework("pytorch", named) == "torch==2.9.0"
    vars(command)["environment"] = Environment({}, {}, {})
    with pytest.raises(BadInput, match="which framework trains"):
        framework_of(command, named)


def test_where_processes_may_share_the_cores_none_takes_all_of_them(tmp_path: Path) -> None:
    assert Command(("python3.11", "train.py")).runs_alone
    assert not Command(("python", "-m", "torch.distributed.run", "train.py")).runs_alone
    assert not Command(("torchrun", "--nproc-per-node", "2", "train.py")).runs_alone


TRAINING = """
import sys, torch
torch.manual_seed(0)
torch.set_num_threads(2)
network = torch.nn.Sequential(torch.nn.Conv2d(1, 8, 3), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(288, 10))
optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
for step in range(20):
    loss = torch.nn.functional.cross_entropy(network(torch.randn(16, 1, 8, 8)), torch.randint(10, (16,)))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    print(loss.item().hex())
torch.save(network.state_dict(), sys.argv[1])
"""


def test_a_training_run_gives_the_same_bits(frameworks: Path, tmp_path: Path) -> None:
    """Sleeping instead of spinning while threads wait changes no number, and no checkpoint."""
    (tmp_path / "train.py").write_text(TRAINING)
    command = ("--", str(frameworks), "train.py")
    planned = ontune(*PINNED, "--numerics", "bitwise", *command, "planned.pt", folder=tmp_path)
    plain = ontune("--plain", *command, "plain.pt", folder=tmp_path)
    assert planned.returncode == plain.returncode == 0, planned.stderr
    assert planned.stdout == plain.stdout and len(plain.stdout.split()) == 20
    assert "OMP_WAIT_POLICY=passive" in planned.stderr
    compared = (
        "import torch; a, b = torch.load('planned.pt'), torch.load('plain.pt'); "
        "print(a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a))"
    )
    same = subprocess.run(
        [frameworks, "-c", compared], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert same.stdout == "True\n"


JOBS = Path(__file__).parent / "jobs"


def test_the_first_run_observes_and_the_next_plan_knows_more(frameworks: Path, tmp_path: Path) -> None:
    own = {"ONTUNE_DATA_HOME": str(tmp_path / "data"), "OMP_NUM_THREADS": "1"}
    words = ("--", str(frameworks), "argparse_mnist.py", "--steps", "5")
    told = ("--dry-run", "--format", "json")
    assert (
        "traits"
        not in json.loads(ontune(*told, *words, folder=JOBS, variables=own).stdout)["plan"]["workload"]
    )
    plain, done = (ontune(*how, *words, folder=JOBS, variables=own) for how in (("--plain",), PINNED))
    assert done.returncode == 0 and done.stdout == plain.stdout
    known = json.loads(ontune(*told, *words, folder=JOBS, variables=own).stdout)["plan"]["workload"]
    assert known["traits"] == ["convolutional", "shallow-convolutional", "training"]
    assert known["parameters"] == {"batch": 32} and known["parameter_count"] == 24298
    macs = 26 * 26 * 8 * 9 + 24 * 24 * 16 * 8 * 9 + 16 * 12 * 12 * 10
    assert known["gflop_per_sample"] == pytest.approx(6 * macs / 1e9)
    other = ontune(*told, *words[:-1], "6", folder=JOBS, variables=own)
    assert "traits" not in json.loads(other.stdout)["plan"]["workload"], "another job, by its arguments"


def test_the_hook_applies_what_is_pinned_and_what_is_not_borne_is_not_tried_again(
    frameworks: Path, tmp_path: Path
) -> None:
    own = {"ONTUNE_DATA_HOME": str(tmp_path / "data"), "OMP_NUM_THREADS": "1"}
    layout = ("--pin", "memory_format=channels_last")
    done = ontune(*layout, "--", str(frameworks), "-m", "package", folder=JOBS, variables=own)
    assert done.returncode == 0, done.stderr
    assert "in the program memory_format=channels_last (--dry-run says why)" in done.stderr
    assert "ontune: in effect in the program: memory_format=channels_last" in done.stderr
    for _ in range(2):  # what was learnt stays, when it is not asked for again
        words = ("--", str(frameworks), "argparse_mnist.py", "--steps", "3")
        first = ontune(*layout, *words, folder=JOBS, variables=own)
        again = ontune(*layout, *words, folder=JOBS, variables=own)
        assert ontune(*words, folder=JOBS, variables=own).returncode == 0
    assert again.returncode == first.returncode == 2
    assert "when it ran before: the network does not bear it: view size" in " ".join(again.stderr.split())


@pytest.mark.parametrize("flag", ["-I", "-E", "-S"])
def test_a_python_that_does_not_load_the_hook_is_said_so(flag: str, frameworks: Path, tmp_path: Path) -> None:
    layout = ("--pin", "memory_format=channels_last", "--framework", "pytorch")
    done = ontune(*layout, "--", str(frameworks), flag, "ema.py", folder=JOBS)
    assert done.returncode == 2 and "does not load what would apply it" in " ".join(done.stderr.split())
    shown = ontune("--dry-run", "--framework", "pytorch", "--", str(frameworks), flag, "ema.py", folder=JOBS)
    assert shown.returncode == 0 and "ONTUNE_HOOK" not in shown.stdout


def test_a_script_is_planned_by_reading_it(frameworks: Path, tmp_path: Path) -> None:
    """Nothing of it runs; what was observed of it when it did is known, and its own files come along."""
    own = {"ONTUNE_DATA_HOME": str(tmp_path / "data")}
    (tmp_path / "nets.py").write_text("from torch import nn\nnet = nn.Conv2d(3, 8, 3)\n")
    (tmp_path / "requirements.txt").write_text("tqdm\n")
    (tmp_path / "train.py").write_text(
        "import torch\nfrom nets import net\nopen('ran', 'w')\noptimizer = torch.optim.SGD(net.parameters(), 0.1)\n"
        "for _ in range(3):\n    net(torch.ones(4, 3, 8, 8)).sum().backward()\n    optimizer.step()\n"
    )
    words = ("train.py", "-t", "genoa-node", "--format", "json")

    def plan() -> dict[str, Any]:
        done = ontune(*words, folder=tmp_path, variables=own, command="plan")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)["workload"]

    read = plan()
    assert not (tmp_path / "ran").exists()
    assert read["framework"] == "pytorch" and read["files"] == ["nets.py"] and "traits" not in read
    assert read["requirements"] == str(tmp_path / "requirements.txt")
    assert ontune("--", str(frameworks), "train.py", folder=tmp_path, variables=own).returncode == 0
    assert plan()["traits"] == ["convolutional", "shallow-convolutional", "training"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("import torch, tensorflow\n", "it imports pytorch and tensorflow"),
        ("import os\n", "it imports no framework that is known"),
        ("def\n", "cannot be read as Python"),
    ],
)
def test_a_script_that_does_not_tell_its_framework_is_refused(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "t.py").write_text(text)
    done = ontune("t.py", "-t", "genoa-node", folder=tmp_path, command="plan")
    assert done.returncode == 2 and said in " ".join(done.stderr.split())
