"""What people give reaches planning through one gate, whichever door it comes by: files, --set, what-if, REST
bodies, Python.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from kb.errors import BadInput
from kb.records.target import complete_target
from kb.records.targets import load_target
from kb.records.workload import load_workload
from ontune.service.questions import Questions
from reasoner.reasoner import Reasoner
from tests.documents import run

IMPOSSIBLE = [
    ("cpu.usable_cores", "-5"),
    ("memory_gib", ".nan"),
    ("memory_gib", "-1"),
    ("cpu.cores", "0"),
    ("nodes", "0"),
]


@pytest.fixture(scope="module")
def reasoner() -> Reasoner:
    return Reasoner([])


def described(path: str, value: object) -> dict[str, object]:
    head, _, rest = path.partition(".")
    return {head: {rest: value}} if rest else {head: value}


@pytest.mark.parametrize(("key", "value"), IMPOSSIBLE)
def test_impossible_facts_are_refused_at_every_door(
    key: str, value: str, reasoner: Reasoner, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    number = float(value.replace(".nan", "nan")) if "memory" in key else int(value)
    file = tmp_path / "machine.yaml"
    last = key.rpartition(".")[2]
    file.write_text(
        f"cpu:\n  {last}: {value}\n" if key.startswith("cpu") else f"{last}: {value}\n", encoding="utf-8"
    )
    mlp, machine = load_workload("mlp"), load_target("zen5-virtual")
    doors = {
        "file": lambda: load_target(str(file)),
        "python": lambda: complete_target("machine", described(key, number), "python"),
        "what-if": lambda: reasoner.what_if({key: value}, mlp, machine),
        "set in a body": lambda: Questions(reasoner).answer(
            "plan", {"workload": "mlp", "target": "zen5-virtual", "set": {key: number}}
        ),
        "a body": lambda: Questions(reasoner).answer(
            "plan", {"workload": "mlp", "target": described(key, number)}
        ),
    }
    for name, door in doors.items():
        with pytest.raises(BadInput) as caught:
            door()
        assert key.rpartition(".")[2] in str(caught.value), name
    code, said = run(["plan", "-w", "mlp", "-t", "zen5-virtual", "--set", f"{key}={value}"], capsys)
    assert code == 2 and key in said


ATTACKS = {
    "fifo.yaml": None,
    "aliases.yaml": "a: &a [x,x,x,x,x,x,x,x,x]\n"
    + "".join(f"k{n}: &b{n} [{','.join([f'*b{n - 1}' if n else '*a'] * 9)}]\n" for n in range(9)),
    "date.yaml": "name: x\nnetwork: mlp\nparameters: {batch: 2020-13-45}\n",
    "digits.yaml": f"name: x\nnetwork: mlp\nparameters: {{batch: {'9' * 5000}}}\n",
    "bool.yaml": "name: x\ndynamic_shapes: !!bool x\n",
    "nul.yaml": "name: x\x00\n",
    "deep.json": "[" * 100_000,
    "digits.json": '{"parameters": {"batch": ' + "9" * 5000 + "}}",
    "nan.json": '{"parameters": {"batch": NaN}}',
    "brackets.ttl": "<urn:a> <urn:b> " + "(" * 30_000,
    "blanks.ttl": "<urn:a> <urn:b> " + "[ <urn:c> " * 30_000,
}


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_by_a_file_is_one_message(name: str, tmp_path: Path) -> None:
    content = ATTACKS[name]
    os.mkfifo(tmp_path / name) if content is None else (tmp_path / name).write_text(content, encoding="utf-8")
    for flag in ("-w", "-t"):
        other = ["-t", "zen5-virtual"] if flag == "-w" else ["-w", "mlp"]
        command = [sys.executable, "-m", "ontune", "plan", flag, str(tmp_path / name), *other]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert (done.returncode, done.stdout) == (2, ""), (flag, done.stderr)
        assert name in done.stderr and "Traceback" not in done.stderr and len(done.stderr) < 2000
