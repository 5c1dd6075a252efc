"""Without a container: what the machine lacks is said before anything runs, and the demonstration measures in
a real virtual environment.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import plans
import pytest

from bench import demo, process
from bench.measure.observation import load
from bench.measure.runners.native import NativeRunner
from generators.bundle import write_bundle
from kb.errors import RunFailed
from kb.records.targets import load_target
from kb.records.workload import load_workload
from kb.values import replace
from reasoner.answers.plan import Plan
from reasoner.reasoner import Reasoner

ONTUNE = Path(sys.executable).with_name("ontune")
NOWHERE = "libno-such-allocator.so.4"


def wanting(library: str) -> Plan:
    """A plan that preloads a library, and wants a system package for it."""
    package = plans.application("package", "libno-such-allocator4", "", "apt")
    return plans.plan(
        "pytorch",
        "debian-12",
        plans.taken("openmp_runtime", "libiomp5", package, plans.application("env", "LD_PRELOAD", library)),
    )


def test_a_library_that_the_loader_finds_is_not_lacked() -> None:
    here = next(str(path) for path in Path("/lib").glob("*/libm.so.6"))
    assert "openmp_runtime=libiomp5" not in NativeRunner().lacks(wanting(here))
    assert NativeRunner().lacks(wanting(NOWHERE))["openmp_runtime=libiomp5"] == NOWHERE


def test_a_missing_library_stops_the_preparation_and_names_its_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ONTUNE_CACHE_HOME", str(tmp_path / "cache"))
    plan = wanting(NOWHERE)
    kept = tuple(taken for taken in plan.decisions if taken.decision != "allocator")
    bundle = write_bundle(replace(plan, decisions=kept), tmp_path / "bundle")
    with pytest.raises(
        RunFailed, match=rf"{NOWHERE}.*libno-such-allocator4.*--forbid openmp_runtime=libiomp5"
    ):
        NativeRunner().prepare(bundle)
    assert not (tmp_path / "cache").exists()


def test_the_demonstration_plans_without_what_is_missing_and_says_so() -> None:
    reasoner = Reasoner()
    workload, target = load_workload("mnist-cnn", reasoner.store), load_target("zen5-virtual", reasoner.store)

    def lacks(plan: Plan) -> dict[str, str]:
        preloading = ("jemalloc", "tcmalloc")
        return (
            {f"allocator={plan.option('allocator')}": "lib.so"}
            if plan.option("allocator") in preloading
            else {}
        )

    said: list[str] = []
    rivals = list(demo.contenders(reasoner, workload, target, True, lacks, said.append))
    assert not any(lacks(rival.plan) for rival in rivals) and {"B0", "BT", "pytorch-plan", "plan"} <= {
        rival.name for rival in rivals
    }
    assert "B1" not in {rival.name for rival in rivals}
    assert any("left out" in line and "jemalloc" in line for line in said)
    assert [line for line in said if line.startswith("Planning without")] == [
        "Planning without allocator=tcmalloc, whose lib.so is not installed here."
    ]


@pytest.mark.slow
def test_without_apptainer_the_demonstration_runs_in_a_virtual_environment(tmp_path: Path) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    for folder in os.environ["PATH"].split(os.pathsep):
        for program in Path(folder).glob("*"):
            if (
                program.name not in ("apptainer", "singularity")
                and not (programs / program.name).is_symlink()
            ):
                (programs / program.name).symlink_to(program)
    variables = {
        **os.environ,
        "PATH": str(programs),
        "ONTUNE_TOOLS": str(tmp_path),
        "ONTUNE_DATA_HOME": str(tmp_path / "data"),
    }
    command = [str(ONTUNE), "demo", "--workload", "mlp", "--rounds", "1", "--output", str(tmp_path / "demo")]
    with process.on_cores(1):
        done = subprocess.run(command, capture_output=True, text=True, env=variables, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0].startswith(
        "Apptainer is missing (get it by ontune install apptainer): everything is measured in virtual"
    )
    report = json.loads((tmp_path / "demo" / "report.json").read_text())
    assert report["runner"] == "native" and "in a virtual environment, without a container" in done.stdout
    assert {row["name"] for row in report["rows"]} >= {"B0", "plan"}
    for row in report["rows"]:
        assert row["measured"]["1"]["throughput"] > 0 and not row["measured"]["1"]["failures"], row
    seen = list(load(tmp_path / "data" / "observations"))
    assert len(seen) == len(report["rows"])
    for one in seen:
        assert one.runner == "native" and all(one.in_effect["preloaded"].values())
        assert (
            one.in_effect["precision"]
            == {taken["decision"]: taken["option"] for taken in one.decisions}["precision"]
        )
