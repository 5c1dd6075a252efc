"""Who applies an option, by the plan: what a module or program of Ontune's own is said to do, it does; the
rest is the user's to do.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from functools import cache
from pathlib import Path

import plans
import pytest

from generators.bundle import write_bundle
from generators.writers.job import left_open
from kb.errors import BadInput
from kb.records.targets import load_target
from kb.records.workload import load_workload
from kb.store.terms import on
from ontune.cli.plan_words import by_whom
from reasoner.answers.plan import Plan
from reasoner.reasoner import Reasoner

SETTINGS = "SELECT ?option ?name ?value WHERE { ?option on:appliedBy ?how . ?how a on:CodeSetting ; on:name ?name ; on:value ?value }"


@cache
def reasoner() -> Reasoner:
    return Reasoner([])


def job(folder: Path, source: str) -> str:
    (folder / "train.py").write_text(source)
    (folder / "job.yaml").write_text(
        "script: train.py\ntraits: [training, convolutional]\nframework: pytorch\n"
    )
    return str(folder / "job.yaml")


def plan(folder: Path, source: str = "import torch\n", target: str = "eos-h100", **pins: str) -> Plan:
    store = reasoner().store
    return reasoner().plan(load_workload(job(folder, source), store), load_target(target, store), pins=pins)


def by(plan: Plan) -> dict[str, set[str]]:
    return {taken.decision: {one.by for one in taken.apply} for taken in plan.decisions}


def test_what_no_module_does_is_the_users_to_do(tmp_path: Path) -> None:
    asked = plan(tmp_path, distributed="ddp", optimizer_impl="optimizer-fused")
    assert by(asked)["distributed"] >= {"user"} and by(asked)["optimizer_impl"] == {"user"}
    assert by(asked)["precision"] == {"hook"} and by(asked)["wheel"] == {"image", "job"}
    said = "\n".join(by_whom(asked))
    assert re.search(
        r"^yours to do in the script, nothing else does it: .*optimizer_impl=optimizer-fused.*distributed=ddp",
        said,
        re.M,
    )
    assert "which your script does not have yet: " in said
    called = plan(
        tmp_path, "import torch, ontune_settings\nmodel = ontune_settings.apply(torch.nn.Linear(1, 1))\n"
    )
    assert "your script applies these by one call of ontune_settings.apply: " in "\n".join(by_whom(called))


def test_a_shipped_program_does_all_of_its_settings_itself() -> None:
    store = reasoner().store
    taken = reasoner().plan(
        load_workload("mnist-cnn", store), load_target("zen5-virtual", store), framework="pytorch"
    )
    assert {one.by for decision in taken.decisions for one in decision.apply if one.how == "code"} == {
        "script"
    }


TRY = """
import importlib.util, json, sys, warnings
spec = importlib.util.spec_from_file_location("ontune_settings", sys.argv[1])
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
done = []
for option, name, value in json.loads(sys.argv[2]):
    module.SETTINGS = {name: value, **({"compiler": "inductor"} if name == "compile_mode" else {})}
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        if sys.argv[3] == "pytorch":
            import torch
            module.apply(torch.nn.Conv2d(3, 4, 3))
        else:
            module.apply()
    if not any("is not applied by ontune_settings" in str(one.message) for one in said):
        done.append(option)
print(json.dumps(done))
"""


@pytest.mark.slow
@pytest.mark.parametrize("framework", ["pytorch", "tensorflow"])
def test_the_settings_module_does_what_the_knowledge_says(
    framework: str, tmp_path: Path, frameworks: Path
) -> None:
    """Each setting alone, with the real framework: the module warns of exactly those that it is not said to
    do.
    """
    store = reasoner().store
    [module] = [
        one
        for one in store.instances(on("SettingsModule"))
        if store.objects(one, on("writtenIn"))[0].endswith(framework)
    ]
    others = {row["option"] for row in store.select(SETTINGS) if row["name"] == "framework"}
    settings = [
        (row["option"], row["name"], row["value"].replace("{number}", "1"))
        for row in store.select(SETTINGS)
        if row["option"] not in others
    ]
    script = job(tmp_path, "").replace("job.yaml", "train.py")
    bundle = write_bundle(
        plans.plan(framework, "debian-12", network=None, script=script), tmp_path / "bundle"
    )
    (tmp_path / "try.py").write_text(TRY)
    words = [
        frameworks,
        tmp_path / "try.py",
        bundle.folder / "workload" / "ontune_settings.py",
        json.dumps(settings),
        framework,
    ]
    done = subprocess.run(
        words, capture_output=True, text=True, check=False, env={**os.environ, "ONTUNE_USABLE_CORES": "1"}
    )
    assert done.returncode == 0, done.stderr
    assert (
        set(json.loads(done.stdout.splitlines()[-1]))
        == set(store.objects(module, on("offersOption"))) - others
    )


@pytest.mark.slow
def test_without_a_container_the_launcher_of_that_python_starts_the_script(
    tmp_path: Path, frameworks: Path
) -> None:
    store = reasoner().store
    alone = load_target("eos-h100", store).with_overrides({"runtimes": [], "glibc": "2.35", "python": "3.11"})
    workload = load_workload(job(tmp_path, "import os\nprint('of', os.environ['WORLD_SIZE'])\n"), store)
    bundle = write_bundle(reasoner().plan(workload, alone, pins={"distributed": "ddp"}), tmp_path / "bundle")
    told = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(tmp_path),
        "ONTUNE_PYTHON": str(frameworks),
        "CUDA_VISIBLE_DEVICES": "0",
    }
    done = subprocess.run([bundle.run_script], capture_output=True, text=True, check=False, env=told)
    assert (done.returncode, done.stdout.strip()) == (0, "of 1"), done.stderr


def test_a_program_that_is_started_several_times_is_told_of(tmp_path: Path) -> None:
    alone, spread = plan(tmp_path), plan(tmp_path, distributed="ddp")
    assert [
        said
        for said in left_open(alone, {"nodes": 2})
        if said.startswith("your program is started 2 times, and each trains the same")
    ]
    assert not list(left_open(alone)) and not list(left_open(spread, {"nodes": 2}))


def test_a_scheduler_without_a_job_script_is_named(tmp_path: Path) -> None:
    store = reasoner().store
    node = load_target("eos-h100", store).with_overrides({"scheduler": "lsf"})
    taken = reasoner().plan(load_workload(job(tmp_path, ""), store), node)
    assert list(left_open(taken)) == [
        "no job script is written for lsf: ask it for the nodes yourself, and start job.sh inside"
    ]
    with pytest.raises(BadInput, match=r"^--job: unknown scheduler 'lsf'; expected bash, slurm, pbs"):
        write_bundle(taken, tmp_path / "bundle", jobs=["lsf"])
    with pytest.raises(BadInput, match=r"^--to: unknown recipe format 'docker'.* did you mean 'dockerfile'"):
        write_bundle(taken, tmp_path / "bundle", formats=["docker"])
