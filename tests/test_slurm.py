"""A real one-node Slurm runs the generated job."""

from __future__ import annotations

import subprocess
from pathlib import Path

import plans
import pytest
from conftest import require

import bench.apptainer
from bench.runners.slurm import SlurmRunner
from generators.bundle import Bundle, write_bundle

pytestmark = [pytest.mark.slurm, pytest.mark.apptainer, pytest.mark.slow]

QUICK = ("--windows", "1", "--window-seconds", "0.2", "--warmup-steps", "1")


@pytest.fixture(scope="module")
def submitted(slurm: None, tmp_path_factory: pytest.TempPathFactory) -> tuple[SlurmRunner, Bundle]:
    """A runner and a bundle whose image is built."""
    found = bench.apptainer.find()
    require("Apptainer", found)
    assert found is not None
    runner = SlurmRunner(found)
    bundle = write_bundle(plans.plan("pytorch"), tmp_path_factory.mktemp("slurm") / "bundle")
    runner.prepare(bundle)
    return runner, bundle


def test_a_job_runs_with_the_cores_it_was_given(submitted: tuple[SlurmRunner, Bundle], tmp_path: Path) -> None:
    runner, bundle = submitted
    ran = runner.run(bundle, QUICK, tmp_path / "result.json", 1)
    assert ran.outcome == "done" and ran.result is not None, ran.complaint
    assert ran.result["in_effect"]["environment"]["OMP_NUM_THREADS"] == "1" and ran.result["throughput"] > 0


def test_a_job_that_fails_tells_why(submitted: tuple[SlurmRunner, Bundle], tmp_path: Path) -> None:
    runner, bundle = submitted
    ran = runner.run(bundle, ("--setting", "precision=fp7"), tmp_path / "result.json", 1)
    assert (ran.outcome, ran.result) == ("failed", None) and "fp7" in ran.complaint
    refused = runner.run(bundle, QUICK, tmp_path / "result.json", 10_000)
    assert refused.outcome == "failed" and "CPU count" in refused.complaint


def test_a_job_that_takes_too_long_is_cancelled(submitted: tuple[SlurmRunner, Bundle], tmp_path: Path) -> None:
    runner, bundle = submitted
    ran = SlurmRunner(runner.apptainer, limit_seconds=2).run(bundle, ("--windows", "1000"), tmp_path / "result.json", 1)
    assert (ran.outcome, ran.result) == ("timed-out", None)
    waiting = subprocess.run(["squeue", "--noheader", "--states=PENDING,RUNNING"], capture_output=True, text=True, check=True).stdout
    assert waiting.strip() == ""
