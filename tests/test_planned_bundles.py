"""Bundles of real plans: for every shipped target and workload, from the knowledge base to recipes that
Apptainer's and hadolint's parsers accept.
"""

from __future__ import annotations

import itertools
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import pytest
from conftest import require
from test_dockerfiles import hadolint

from bench.images.apptainer import Apptainer
from generators.bundle import files_of, write_bundle
from generators.read.lint import lint
from generators.writers.job import FILES, Job
from kb.errors import BadInput
from kb.records.site import load_site, site_names
from kb.records.targets import load_target, target_names
from kb.records.workload import load_workload, workload_names
from kb.values import replace
from reasoner.answers.plan import Plan
from reasoner.reasoner import Reasoner


@cache
def reasoner() -> Reasoner:
    return Reasoner([])


def planned(workload: str, target: str, site: str | None = None) -> Plan:
    store = reasoner().store
    return reasoner().plan(
        load_workload(workload, store),
        load_target(target, store),
        site=load_site(site, store) if site else None,
    )


@pytest.mark.parametrize(
    ("target", "flag"), [("v100-node", "--nv"), ("mi300x-8", "--rocm"), ("zen5-virtual", "")]
)
def test_a_job_brings_in_the_accelerator_that_the_plan_computes_on(target: str, flag: str) -> None:
    files = files_of(planned("resnet50", target), ("apptainer",), ("bash", "slurm", "pbs"), bill=False)
    for name in ("job.sh", "job.slurm", "job.pbs"):
        found = {word for word in ("--nv", "--rocm") if f" run {word} " in files[name].decode()}
        assert found == ({flag} if flag else set())
    assert ("#SBATCH --gres=gpu:" in files["job.slurm"].decode()) == bool(flag)


def test_shellcheck_finds_nothing_in_the_scripts_of_every_target(tmp_path: Path) -> None:
    """Each target with one of the workloads and one of the sites in turn, with all that a job may ask for."""
    shellcheck = shutil.which(
        "shellcheck", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    )
    require("shellcheck", shellcheck, "make venv-dev")
    store = reasoner().store
    targets, workloads, sites = target_names(store), workload_names(store), [None, *site_names(store)]
    scripts = set()
    for number, target in enumerate(targets):
        site = sites[number % len(sites)]
        plan = planned(workloads[number % len(workloads)], target, site)
        several = {} if plan.devices else {"nodes": 1 + number % 2, "tasks_per_node": 1 + number % 3 % 2}
        wishes: dict[str, object] = {**several, "requeue_seconds": number % 4 * 30}
        wishes |= {"array": "0-1"} if number % 2 else {}
        files = files_of(plan, (), tuple(FILES), wishes, bill=False)
        scripts |= {
            (Path(name).suffix, text)
            for name, text in files.items()
            if "/" not in name and name.endswith((".sh", ".slurm", ".pbs"))
        }
    for number, (suffix, text) in enumerate(sorted(scripts)):
        (tmp_path / f"{number}{suffix}").write_bytes(text)
    done = subprocess.run(
        [str(shellcheck), *sorted(tmp_path.iterdir())], capture_output=True, text=True, check=False
    )
    assert done.stdout + done.stderr == ""
    assert len(scripts) > 3 * len(targets)


def test_a_variable_is_set_once_in_every_file() -> None:
    """In the files of each target, with one of the workloads in turn: variables of a run, of an image, and
    those of a job.
    """
    store = reasoner().store
    workloads, seen = workload_names(store), 0
    for number, target in enumerate(target_names(store)):
        plan = planned(workloads[number % len(workloads)], target)
        for name, content in files_of(plan, ("apptainer", "dockerfile"), tuple(FILES), bill=False).items():
            if "/" in name or not name.endswith((".sh", ".def", ".slurm", ".pbs", "Dockerfile")):
                continue
            found = re.findall(r"^ *(?:export|ENV) (?!PATH=)([A-Za-z_]+)=", content.decode(), re.MULTILINE)
            assert len(found) == len(set(found)), (target, name, found)
            seen += len(found)
    assert seen > 100


@pytest.mark.parametrize("target", ["eos-h100", "mi300x-8", "hlrs-testbed", "h200-virtual"])
def test_a_plan_for_one_device_asks_for_one_and_says_what_idles(target: str) -> None:
    plan = planned("resnet50", target)
    assert plan.option("distributed") == "single-device"
    there, usable = len(plan.target["gpus"]), plan.target["cpu"]["usable_cores"]
    job = Job.for_plan(plan)
    assert (job.gpus, job.cores) == (1, usable // there)
    assert job.memory_gib == (int(plan.target["memory_gib"] / there) if there > 1 else 0)
    files = files_of(plan, (), tuple(FILES), bill=False)
    idle = (
        [f"{there - 1} of {there} accelerators idle: nothing that this program does uses them"]
        if there > 1
        else []
    )
    assert list(plan.idle) == idle
    for line in idle:
        assert all(f"# {line}.\n" in files[name].decode() for name in FILES.values())
    assert "#SBATCH --gres=gpu:1\n" in files["job.slurm"].decode() and ":gpus=1" in files["job.pbs"].decode()


def test_a_part_of_a_node_goes_with_its_part_of_the_cores_unless_the_site_gives_whole_nodes() -> None:
    plan = planned("resnet50", "eos-h100")
    cores = plan.target["cpu"]["usable_cores"]
    assert Job.for_plan(plan, {"gpus": 4}).cores == cores // 2
    assert (Job.for_plan(plan, {"gpus": 8}).cores, Job.for_plan(plan, {"gpus": 8}).memory_gib) == (cores, 0)
    for whole in (
        Job.for_plan(plan, {"exclusive": True}),
        Job.for_plan(replace(plan, site={"whole_nodes": True})),
    ):
        assert (whole.gpus, whole.cores, whole.memory_gib, whole.exclusive) == (1, cores, 0, True)


def test_nodes_and_tasks_that_would_do_the_same_again_are_refused() -> None:
    alone, together = planned("resnet50", "eos-h100"), planned("llama-7b", "eos-h100")
    for key in ("nodes", "tasks_per_node"):
        with pytest.raises(
            BadInput,
            match=f"job: {key}: 2 are asked for, and each would train the same: distributed=single-device uses 1 device",
        ):
            Job.for_plan(alone, {key: 2})
    asked = Job.for_plan(together, {"nodes": 2})
    assert (asked.nodes, asked.gpus, together.idle) == (2, 8, ())
    own = replace(alone, workload={"script": "train.py"})
    assert (
        Job.for_plan(own, {"nodes": 2, "tasks_per_node": 4}).gpus,
        Job.for_plan(own, {"tasks_per_node": 9}).gpus,
    ) == (4, 8)


@pytest.mark.slow
@pytest.mark.apptainer
def test_foreign_parsers_take_the_recipes_of_plans(apptainer: Apptainer, tmp_path: Path) -> None:
    """Of each target with one workload, so that each workload has its turn; the long campaign takes all."""
    workloads = itertools.cycle(workload_names(reasoner().store))
    foreign_parsers_take(zip(target_names(reasoner().store), workloads, strict=False), apptainer, tmp_path)


@pytest.mark.long
@pytest.mark.apptainer
def test_foreign_parsers_take_the_recipes_of_every_plan(apptainer: Apptainer, tmp_path: Path) -> None:
    targets, workloads = target_names(reasoner().store), workload_names(reasoner().store)
    assert len(targets) >= 20
    assert len(workloads) >= 6
    foreign_parsers_take(itertools.product(targets, workloads), apptainer, tmp_path)


def foreign_parsers_take(asked: Iterable[tuple[str, str]], apptainer: Apptainer, folder: Path) -> None:
    """Apptainer, this project's rules and hadolint, each for the recipes of the plan for a target and a workload."""
    for target, workload in asked:
        formats = ("apptainer", "dockerfile")
        bundle = write_bundle(planned(workload, target), folder / f"{target}-{workload}", formats=formats)
        smells = {smell.rule for name in ("ontune.def", "Dockerfile") for smell in lint(bundle.folder / name)}
        assert smells <= {"base-without-digest"}, f"{workload} on {target}"
        command = [apptainer.program, "build", "--fakeroot", "--force", "never.sif", "ontune.def"]
        unreachable = {**os.environ, "https_proxy": "http://127.0.0.1:9"}
        done = subprocess.run(
            command, cwd=bundle.folder, capture_output=True, text=True, check=False, env=unreachable
        )
        assert "conveyor failed to get" in done.stderr, f"{workload} on {target}: {done.stderr[-500:]}"
    assert hadolint(*sorted(folder.glob("*/Dockerfile"))) == []
