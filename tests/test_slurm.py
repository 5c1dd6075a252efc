"""A real one-node Slurm runs the generated job."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable
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
    assert refused.outcome == "failed" and "processors" in refused.complaint


def test_a_job_that_takes_too_long_is_cancelled(submitted: tuple[SlurmRunner, Bundle], tmp_path: Path) -> None:
    runner, bundle = submitted
    ran = SlurmRunner(runner.apptainer, limit_seconds=2).run(bundle, ("--windows", "1000"), tmp_path / "result.json", 1)
    assert (ran.outcome, ran.result) == ("timed-out", None)
    left = subprocess.run(["squeue", "--noheader", "--states=PENDING,RUNNING", "--format=%Z"], capture_output=True, text=True, check=True).stdout
    assert str(tmp_path) not in left.split()


def asked(submitted: tuple[SlurmRunner, Bundle], folder: Path, monkeypatch: pytest.MonkeyPatch, **wishes: object) -> Bundle:
    """A bundle whose jobs ask for something else, on the image that was built."""
    runner, built = submitted
    monkeypatch.setenv("ONTUNE_IMAGE", str(built.image))
    monkeypatch.setenv("ONTUNE_CONTAINER_FLAGS", " ".join(runner.apptainer.run_flags))
    monkeypatch.setenv("PATH", f"{runner.apptainer.folder}:{os.environ['PATH']}")
    return write_bundle(plans.plan("pytorch"), folder / "bundle", wishes={"cores": 1, "time": "00:05:00", **wishes})


def told(job: str, key: str) -> str:
    """What Slurm says of a job, such as its state."""
    shown = subprocess.run(["scontrol", "show", "job", "--oneliner", job], capture_output=True, text=True, check=True).stdout
    return next(word.partition("=")[2] for word in shown.split() if word.startswith(f"{key}="))


def until(condition: Callable[[], bool], seconds: float = 90) -> bool:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.5)
    return condition()


def results(folder: Path, pattern: str) -> int:
    """How many results the outputs hold."""
    return sum(file.read_text().count('"first_step_seconds"') for file in folder.glob(pattern))


def test_every_task_of_an_array_and_of_a_step_runs(submitted: tuple[SlurmRunner, Bundle], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, wishes in (("array", {"array": "0-1"}), ("step", {"tasks_per_node": 2})):
        bundle = asked(submitted, tmp_path / name, monkeypatch, **wishes)
        subprocess.run(["sbatch", "--wait", "job.slurm", *QUICK], cwd=bundle.folder, capture_output=True, check=True)
        assert results(bundle.folder, "*.out") == 2


def test_a_signal_before_the_time_limit_queues_the_job_again(
    submitted: tuple[SlurmRunner, Bundle], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = asked(submitted, tmp_path, monkeypatch, requeue_seconds=30)
    done = subprocess.run(["sbatch", "--parsable", "job.slurm", "--windows", "1000"], cwd=bundle.folder, capture_output=True, text=True, check=True)
    job = done.stdout.strip()
    try:
        assert until(lambda: told(job, "JobState") == "RUNNING")
        time.sleep(3)
        subprocess.run(["scancel", "--signal=USR1", "--batch", job], check=True)
        assert until(lambda: told(job, "Restarts") == "1")
    finally:
        subprocess.run(["scancel", job], check=True)


def test_qsub_takes_the_job_for_pbs(submitted: tuple[SlurmRunner, Bundle], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    require("qsub", shutil.which("qsub"))
    bundle = asked(submitted, tmp_path, monkeypatch)
    job = bundle.folder / "job.pbs"
    job.write_text(job.read_text().replace('"${start[@]}" "$@"', f'"${{start[@]}}" {" ".join(QUICK)}'))
    done = subprocess.run(["qsub", "job.pbs"], cwd=bundle.folder, capture_output=True, text=True, check=True)
    assert until(lambda: told(done.stdout.strip(), "JobState") == "COMPLETED")
    assert results(bundle.folder, "*.o*") == 1
