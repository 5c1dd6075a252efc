"""A user's own training script: carried in the bundle, run with the plan's environment, its code options
applied by one call.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import plans
import pytest

from bench.images.apptainer import Apptainer
from bench.measure.runners.apptainer import ApptainerRunner
from generators.bundle import files_of, write_bundle
from generators.recipe.recipe import Recipe
from kb.errors import BadInput
from kb.records.targets import load_target
from kb.records.workload import load_workload
from kb.values import replace
from ontune.cli.plan_table import print_plan
from reasoner.answers.plan import Plan
from reasoner.reasoner import Reasoner

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


WHOLE = """
import argparse, json, pathlib, torch
import numpy as np
from torch.utils.data import DataLoader, TensorDataset
from tqdm import tqdm
import networks, ontune_settings

parser = argparse.ArgumentParser()
parser.add_argument("--epochs", type=int, default=1)
parser.add_argument("--note", default="")
options = parser.parse_args()
torch.manual_seed(0)
images = torch.randn(256, 1, 16, 16)
labels = (images.mean((1, 2, 3)) > 0).long()
loader = DataLoader(TensorDataset(images, labels), batch_size=32, shuffle=True)
model = ontune_settings.apply(networks.small())
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
losses, kinds = [], set()
for epoch in range(options.epochs):
    for x, y in tqdm(loader, disable=True):
        optimizer.zero_grad()
        outputs = model(x)
        loss = torch.nn.functional.cross_entropy(outputs.float(), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        kinds.add(str(outputs.dtype))
maps = pathlib.Path("/proc/self/maps").read_text()
found = {"first": np.mean(losses[:8]), "last": np.mean(losses[-8:]), "kinds": sorted(kinds), "tcmalloc": "libtcmalloc" in maps}
print(json.dumps({**found, "threads": torch.get_num_threads(), "note": options.note, "steps": len(losses)}))
"""

NETWORKS = """
import torch

def small():
    layers = torch.nn.Conv2d(1, 8, 3), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(8 * 14 * 14, 2)
    return torch.nn.Sequential(*layers)
"""


def scripted(folder: Path, framework: str, source: str, **workload: object) -> Plan:
    script = folder / "my train.py"
    script.write_text(source)
    return plans.plan(
        framework, "debian-12", network=None, script=str(script), arguments=["--epochs", "it's 3"], **workload
    )


def run(plan: Plan, folder: Path, python: Path) -> dict[str, object]:
    bundle = write_bundle(plan, folder / "bundle")
    variables = {**os.environ, "ONTUNE_PYTHON": str(python), "ONTUNE_CORES": "1"}
    done = subprocess.run(
        [bundle.run_script, "--more"], capture_output=True, text=True, check=False, env=variables
    )
    assert done.returncode == 0, done.stderr
    assert "not applied" not in done.stderr
    return dict(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.slow
def test_a_pytorch_script_gets_the_options_by_one_call(tmp_path: Path, frameworks: Path) -> None:
    found = run(scripted(tmp_path, "pytorch", PYTORCH), tmp_path, frameworks)
    assert found == {
        "precision": "torch.bfloat16",
        "state": True,
        "memory_format": True,
        "threads": 1,
        "arguments": ["--epochs", "it's 3", "--more"],
    }


@pytest.mark.slow
def test_a_tensorflow_script_gets_the_options_by_one_call(tmp_path: Path, frameworks: Path) -> None:
    found = run(scripted(tmp_path, "tensorflow", TENSORFLOW), tmp_path, frameworks)
    assert found == {
        "precision": "bfloat16", "state": True, "eagerly": False, "xla": False, "threads": 1, "arguments": ["--epochs", "it's 3", "--more"],
    }  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(("framework", "source"), [("pytorch", PYTORCH), ("tensorflow", TENSORFLOW)])
def test_the_module_checks_itself_as_the_image_does(
    framework: str, source: str, tmp_path: Path, frameworks: Path
) -> None:
    bundle = write_bundle(scripted(tmp_path, framework, source), tmp_path / "bundle")
    module = bundle.folder / "workload" / "ontune_settings.py"
    told = {**os.environ, "ONTUNE_USABLE_CORES": "1"}
    done = subprocess.run([frameworks, module], capture_output=True, text=True, check=False, env=told)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["precision"] == "bf16" and found["threads"] == 1
    assert found["torch" if framework == "pytorch" else "tensorflow"]
    idle = {
        "def apply(model):": "def apply(model):\n    return model\n",
        "def apply():": "def apply():\n    return\n",
    }
    text = module.read_text()
    module.write_text(next(text.replace(begin, begun) for begin, begun in idle.items() if begin in text))
    ignored = subprocess.run([frameworks, module], capture_output=True, text=True, check=False, env=told)
    assert (
        ignored.returncode == 1
        and "not in effect: " in ignored.stderr
        and "precision=bf16, found fp32" in ignored.stderr
    )


@pytest.mark.slow
@pytest.mark.apptainer
def test_a_whole_script_trains_in_an_image_of_two_stages(apptainer: Apptainer, tmp_path: Path) -> None:
    """With a file of its own, requirements, arguments, and a package that is there to install and gone in the
    image.
    """
    (tmp_path / "networks.py").write_text(NETWORKS)
    more = {"files": ["networks.py"], "requires": ["tqdm>=4,<5"], "build_packages": ["file"]}
    plan = plans.plan(
        "pytorch",
        "debian-12",
        network=None,
        script=_written(tmp_path, WHOLE),
        arguments=["--note", "it's mine"],
        **more,
    )
    plan = replace(
        plan, requirements=({"asked": "tqdm>=4,<5", "where": "", "written": "tqdm>=4,<5", "because": ""},)
    )
    bundle = write_bundle(plan, tmp_path / "bundle")
    ApptainerRunner(apptainer).prepare(bundle)
    look = "ls /usr/bin/file 2>&1; cut -f1 /opt/ontune/system-packages.txt; /.singularity.d/test"
    inside = apptainer.execute(bundle.image, ["sh", "-c", look])
    assert "No such file" in inside and "libtcmalloc-minimal4" in inside and "\nfile\n" not in inside
    assert '"precision": "bf16"' in inside and '"memory_format": "channels_last"' in inside
    told = {"ONTUNE_CONTAINER_FLAGS": " ".join(apptainer.run_flags), "ONTUNE_CORES": "1"}
    variables = {**os.environ, "PATH": f"{apptainer.folder}:{os.environ['PATH']}", **told}
    done = subprocess.run(
        [bundle.folder / "job.sh", "--epochs", "4"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        env=variables,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert (
        found["kinds"] == ["torch.bfloat16"]
        and found["tcmalloc"]
        and found["note"] == "it's mine"
        and found["steps"] == 32
    )
    assert found["last"] < found["first"]


def _written(folder: Path, source: str) -> str:
    (folder / "train.py").write_text(source)
    return str(folder / "train.py")


def test_the_plan_says_which_options_need_the_call(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = scripted(tmp_path, "pytorch", PYTORCH)
    recipe = Recipe.from_plan(plan)
    by_the_call = {setting.because.split(": ")[1] for setting in recipe.settings}
    assert by_the_call == {"eager", "bf16", "channels_last", "threads-usable"}
    from_outside = {
        taken.option
        for taken in plan.decisions
        if any(application.how != "code" for application in taken.apply)
    }
    assert {"tcmalloc", "threads-usable", "debian-12"} <= from_outside
    unknown = {"value": None, "low": None, "high": None}
    prediction = {"throughput": {**unknown, "unit": "samples/s"}, "vs_default": unknown, "observations": []}
    print_plan(replace(plan, prediction=prediction))
    said = capsys.readouterr().out
    call = "compiler=eager, precision=bf16, memory_format=channels_last, threads=threads-usable"
    assert f"your script applies these by one call of ontune_settings.apply: {call}\n" in said
    assert "applied from outside: wheel=torch-2.13.0-cpu, " in said and "allocator=tcmalloc" in said


def test_the_run_script_says_which_options_are_code(tmp_path: Path) -> None:
    text = files_of(scripted(tmp_path, "pytorch", PYTORCH), (), ())["run.sh"].decode()
    assert (
        "ontune_settings.py: compiler: eager, precision: bf16, memory_format: channels_last, threads: threads-usable."
        in text
    )
    assert "--setting" not in text


def test_files_that_are_missing_or_lie_elsewhere_are_refused(tmp_path: Path) -> None:
    plan = scripted(tmp_path, "pytorch", PYTORCH, files=["gone.py"])
    with pytest.raises(BadInput, match=r"no file .*gone\.py"):
        files_of(plan, (), ())
    with pytest.raises(BadInput, match="lies outside"):
        files_of(scripted(tmp_path, "pytorch", PYTORCH, files=["/etc/passwd"]), (), ())
    (tmp_path / "ontune_settings.py").write_text("")
    with pytest.raises(BadInput, match="a module of this name is generated"):
        files_of(scripted(tmp_path, "pytorch", PYTORCH, files=["*.py"]), (), ())


PACKAGED = """
import json, pathlib, sys
import ontune_settings
from models import small
from models.parts.layers import WIDTH
here = pathlib.Path(__file__).parent.parent
print(json.dumps({"small": small(), "width": WIDTH, "config": (here / "configs" / "my run.yaml").read_text(), "arguments": sys.argv[1:]}))
"""


def test_folders_and_patterns_keep_their_places(tmp_path: Path) -> None:
    """Packages stay packages, and the script finds its files where it has them."""
    job = tmp_path / "job"
    texts = {
        "src/train.py": PACKAGED, "src/models/__init__.py": "from .parts.layers import WIDTH\ndef small(): return WIDTH * 2\n",
        "src/models/parts/__init__.py": "", "src/models/parts/layers.py": "WIDTH = 21\n",
        "src/models/__pycache__/x.pyc": "", "src/models/.hidden": "",
        "configs/my run.yaml": "a: 1", "configs/other.txt": "", "job.yaml": JOB,
    }  # fmt: skip
    for name, text in texts.items():
        (job / name).parent.mkdir(parents=True, exist_ok=True)
        (job / name).write_text(text)
    plan = Reasoner([]).plan(load_workload(str(job / "job.yaml")), load_target("zen5-virtual"))
    bundle = write_bundle(plan, job / "bundle")
    carried = {
        str(path.relative_to(bundle.folder / "workload"))
        for path in (bundle.folder / "workload").rglob("*")
        if path.is_file()
    }
    assert carried == {
        "ontune_settings.py", "src/train.py", "src/models/__init__.py", "src/models/parts/__init__.py", "src/models/parts/layers.py",
        "configs/my run.yaml",
    }  # fmt: skip
    bill = json.loads((bundle.folder / "sbom.spdx.json").read_text())
    assert "./workload/src/models/parts/layers.py" in {file["fileName"] for file in bill["files"]}
    told = {**os.environ, "ONTUNE_PYTHON": sys.executable}
    done = subprocess.run([bundle.run_script, "--more"], capture_output=True, text=True, check=True, env=told)
    assert json.loads(done.stdout) == {"small": 42, "width": 21, "config": "a: 1", "arguments": ["--more"]}
    label = re.compile(r"ontune.recipe (\S+)")
    before = label.findall(bundle.definition.read_text())
    (job / "src/models/parts/layers.py").write_text("WIDTH = 22\n")
    assert before and label.findall(write_bundle(plan, job / "bundle").definition.read_text()) != before
    (job / "job.yaml").write_text(JOB.replace("[src/models, 'configs/*.yaml']", "['.']"))
    everything = files_of(
        Reasoner([]).plan(load_workload(str(job / "job.yaml")), load_target("zen5-virtual")),
        (),
        (),
        bill=False,
    )
    assert {"workload/configs/other.txt", "workload/src/train.py"} <= set(everything) and not any(
        "bundle" in name for name in everything
    )


JOB = """name: packaged
framework: pytorch
script: src/train.py
files: [src/models, 'configs/*.yaml']
traits: [Training]
"""


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("../outside.py", "lies outside of"),
        ("/etc/passwd", "lies outside of"),
        ("nothing-*.py", "stands for no file"),
        ("gone", "no file"),
        ("empty", "stands for no file"),
        ("dangling", "is a link to nowhere, which is not there"),
        ("linked", "is a link out of the folder"),
        ("circle", "leads back to"),
        ("**x", "is no pattern"),
    ],
)
def test_files_that_cannot_be_carried_are_refused_with_file_and_key(
    name: str, reason: str, tmp_path: Path
) -> None:
    job = tmp_path / "job"
    for folder in ("empty", "linked", "circle"):
        (job / folder).mkdir(parents=True)
    (tmp_path / "outside.py").write_text("")
    (job / "train.py").write_text("")
    (job / "dangling").symlink_to("nowhere")
    (job / "linked" / "data").symlink_to(tmp_path)
    (job / "circle" / "again").symlink_to(job / "circle")
    (job / "job.yaml").write_text(f"script: train.py\nframework: pytorch\nfiles: ['{name}']\n")
    with pytest.raises(BadInput) as refusal:
        load_workload(str(job / "job.yaml"))
    assert str(refusal.value).startswith(f"{job / 'job.yaml'}: key 'files': ") and reason in str(
        refusal.value
    )


def test_a_link_is_what_it_leads_to_and_a_name_is_no_pattern(tmp_path: Path) -> None:
    (tmp_path / "data[1].csv").write_text("1")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "helper.py").write_text("2")
    (tmp_path / "helper.py").symlink_to("other/helper.py")
    files = files_of(
        scripted(tmp_path, "pytorch", PYTORCH, files=["data[1].csv", "helper.py"]), (), (), bill=False
    )
    assert (files["workload/data[1].csv"], files["workload/helper.py"]) == (b"1", b"2")
