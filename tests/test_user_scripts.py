"""A user's own training script: carried in the bundle, run with the plan's environment, its code options applied by one call."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import plans
import pytest

from generators.bundle import files_of, write_bundle
from kb.errors import BadInput
from reasoner.plan import Plan

PYTORCH = """
import json, sys, torch, ontune_settings
model = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(8 * 14 * 14, 10))
model = ontune_settings.apply(model)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
outputs = model(torch.randn(4, 3, 16, 16))
torch.nn.functional.cross_entropy(outputs.float(), torch.zeros(4, dtype=torch.long)).backward()
optimizer.step()
kept = all(p.dtype == torch.float32 for p in model.parameters())
last = next(iter(model.parameters())).is_contiguous(memory_format=torch.channels_last)
found = {"precision": str(outputs.dtype), "state": kept, "memory_format": last, "threads": torch.get_num_threads()}
print(json.dumps({**found, "arguments": sys.argv[1:]}))
"""

TENSORFLOW = """
import json, sys, ontune_settings
ontune_settings.apply()
import keras, numpy, tensorflow as tf
model = keras.Sequential([keras.layers.Dense(8, activation="relu"), keras.layers.Dense(10, dtype="float32")])
model.compile(optimizer="sgd", loss="mse")
model.fit(numpy.ones((8, 4), "float32"), numpy.ones((8, 10), "float32"), verbose=0)
layer = model.layers[0]
found = {"precision": layer.compute_dtype, "state": layer.variable_dtype == "float32", "eagerly": model.run_eagerly, "xla": model.jit_compile}
print(json.dumps({**found, "threads": tf.config.threading.get_intra_op_parallelism_threads(), "arguments": sys.argv[1:]}))
"""


def scripted(folder: Path, framework: str, source: str, **workload: object) -> Plan:
    script = folder / "my train.py"
    script.write_text(source)
    return plans.plan(framework, "debian-12", network=None, script=str(script), arguments=["--epochs", "it's 3"], **workload)


def run(plan: Plan, folder: Path, python: Path) -> dict[str, object]:
    bundle = write_bundle(plan, folder / "bundle")
    variables = {**os.environ, "ONTUNE_PYTHON": str(python), "ONTUNE_CORES": "1"}
    done = subprocess.run([bundle.run_script, "--more"], capture_output=True, text=True, check=False, env=variables)
    assert done.returncode == 0, done.stderr
    assert "not applied" not in done.stderr
    return dict(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.slow
def test_a_pytorch_script_gets_the_options_by_one_call(tmp_path: Path, frameworks: Path) -> None:
    found = run(scripted(tmp_path, "pytorch", PYTORCH), tmp_path, frameworks)
    assert found == {"precision": "torch.bfloat16", "state": True, "memory_format": True, "threads": 1, "arguments": ["--epochs", "it's 3", "--more"]}


@pytest.mark.slow
def test_a_tensorflow_script_gets_the_options_by_one_call(tmp_path: Path, frameworks: Path) -> None:
    found = run(scripted(tmp_path, "tensorflow", TENSORFLOW), tmp_path, frameworks)
    assert found == {
        "precision": "bfloat16", "state": True, "eagerly": False, "xla": False, "threads": 1, "arguments": ["--epochs", "it's 3", "--more"],
    }  # fmt: skip


def test_the_run_script_says_which_options_are_code(tmp_path: Path) -> None:
    text = files_of(scripted(tmp_path, "pytorch", PYTORCH), (), ())["run.sh"].decode()
    assert "ontune_settings.py: compiler: eager, precision: bf16, memory_format: channels_last, threads: threads-usable." in text
    assert "--setting" not in text


def test_what_the_script_requires_is_installed_beside_the_pins(tmp_path: Path) -> None:
    requirements = tmp_path / "requirements.txt"
    requirements.write_text("# mine\nTorch>=2  # the plan's\ntqdm>=4,<5 ; python_version>='3.9'\n\nscikit_learn[extra]\n")
    text = files_of(scripted(tmp_path, "pytorch", PYTORCH, requirements=str(requirements)), (), ())["requirements.txt"].decode()
    assert [line for line in text.splitlines() if not line.startswith("#")][2:] == ["tqdm>=4,<5 ; python_version>='3.9'", "scikit_learn[extra]"]


@pytest.mark.parametrize(
    "line", ["--index-url http://evil", "-r other.txt", "-e .", "./wheel.whl", "tqdm @ https://evil/x.whl", "git+https://x", "a b", "tqdm; $(x)\x00"]
)
def test_a_line_that_is_no_requirement_is_refused(line: str, tmp_path: Path) -> None:
    requirements = tmp_path / "requirements.txt"
    requirements.write_text(f"tqdm\n{line}\n")
    with pytest.raises(BadInput, match=r"requirements\.txt:2: "):
        files_of(scripted(tmp_path, "pytorch", PYTORCH, requirements=str(requirements)), (), ())


def test_files_that_are_missing_or_share_a_name_are_refused(tmp_path: Path) -> None:
    plan = scripted(tmp_path, "pytorch", PYTORCH, files=[str(tmp_path / "gone.py")])
    with pytest.raises(BadInput, match="cannot be read"):
        files_of(plan, (), ())
    twin = tmp_path / "deep" / "my train.py"
    twin.parent.mkdir()
    twin.write_text("")
    with pytest.raises(BadInput, match="of this name"):
        files_of(scripted(tmp_path, "pytorch", PYTORCH, files=[str(twin)]), (), ())
