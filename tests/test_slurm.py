"""A real one-node Slurm runs the generated job."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import plans
import pytest
from conftest import require

from bench.images.apptainer import Apptainer
from bench.measure.runners.slurm import SlurmRunner
from generators.bundle import Bundle, write_bundle
from reasoner.answers.plan import Plan

pytestmark = [pytest.mark.slurm, pytest.mark.apptainer, pytest.mark.slow]

QUICK = ("--windows", "1", "--window-seconds", "0.2", "--warmup-steps", "1")


@pytest.fixture(scope="module")
def submitted(
    slurm: None, apptainer: Apptainer, tmp_path_factory: pytest.TempPathFactory
) -> tuple[SlurmRunner, Bundle]:
    """A runner and a bundle whose image is built."""
    runner = SlurmRunner(apptainer)
    bundle = write_bundle(plans.plan("pytorch"), tmp_path_factory.mktemp("slurm") / "bundle")
    runner.prepare(bundle)
    return runner, bundle


def test_a_job_runs_with_the_cores_it_was_given(
    submitted: tuple[SlurmRunner, Bundle], tmp_path: Path
) -> None:
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


def test_a_job_that_takes_too_long_is_cancelled(
    submitted: tuple[SlurmRunner, Bundle], tmp_path: Path
) -> None:
    runner, bundle = submitted
    ran = SlurmRunner(runner.apptainer, limit_seconds=2).run(
        bundle, ("--windows", "1000"), tmp_path / "result.json", 1
    )
    assert (ran.outcome, ran.result) == ("timed-out", None)
    left = subprocess.run(
        ["squeue", "--noheader", "--states=PENDING,RUNNING", "--format=%Z"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert str(tmp_path) not in left.split()


def asked(
    submitted: tuple[SlurmRunner, Bundle],
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    plan: Plan | None = None,
    **wishes: object,
) -> Bundle:
    """A bundle whose jobs ask for something else, on the image that was built; another plan gets an image of
    its own.
    """
    runner, built = submitted
    bundle = write_bundle(
        plan or plans.plan("pytorch"), folder / "bundle", wishes={"cores": 1, "time": "00:05:00", **wishes}
    )
    if plan is not None:
        runner.prepare(bundle)
    monkeypatch.setenv("ONTUNE_IMAGE", str((bundle if plan is not None else built).image))
    monkeypatch.setenv("ONTUNE_CONTAINER_FLAGS", " ".join(runner.apptainer.run_flags))
    monkeypatch.setenv("PATH", f"{runner.apptainer.folder}:{os.environ['PATH']}")
    return bundle


def in_place_of_python(bundle: Bundle, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """Let the image's run script start another program where the job is submitted from."""
    program = bundle.folder / "program"
    program.write_text(f"#!/bin/bash\n{text}\n")
    program.chmod(0o755)
    monkeypatch.setenv("ONTUNE_PYTHON", str(program))


def submit(bundle: Bundle, *arguments: str, script: str = "job.slurm") -> str:
    """Submit, and give the job's number."""
    command = ["sbatch", "--parsable", script, *arguments]
    return subprocess.run(
        command, cwd=bundle.folder, capture_output=True, text=True, check=True
    ).stdout.strip()


def shown(job: str) -> str:
    """All that Slurm says of a job."""
    return subprocess.run(
        ["scontrol", "show", "job", "--oneliner", job], capture_output=True, text=True, check=True
    ).stdout


def told(job: str, key: str) -> str:
    """One thing that Slurm says of a job, such as its state."""
    return next(word.partition("=")[2] for word in shown(job).split() if word.startswith(f"{key}="))


def finished(job: str) -> bool:
    """Whether a job has done its work."""
    return told(job, "JobState") == "COMPLETED"


def finished_when_hurried(job: str) -> bool:
    """Whether a job that was queued again has done its work. Slurm lets it wait two minutes, counted from the
    end of the first run's clean-up, which may come after the job is shown as pending: so it is told to start
    soon until it does. Not at once: a node refuses a job whose credential is of the second in which it
    revoked the last one."""
    if told(job, "JobState") == "PENDING":
        begins = told(job, "EligibleTime")
        if begins != "Unknown" and datetime.fromisoformat(begins) > datetime.now() + timedelta(seconds=10):
            subprocess.run(["scontrol", "update", f"JobId={job}", "StartTime=now+5"], capture_output=True)
    return finished(job)


def until(condition: Callable[[], bool], seconds: float = 90) -> bool:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.5)
    return condition()


def run_to_its_end(bundle: Bundle, *arguments: str) -> None:
    """Submit, and wait until all members have done their work: `sbatch --wait` looks only every half a
    minute.
    """
    job = submit(bundle, *arguments)
    states = ["squeue", "--noheader", "--states=all", "--format=%T", f"--jobs={job}"]
    assert until(
        lambda: (
            set(subprocess.run(states, capture_output=True, text=True, check=True).stdout.split())
            == {"COMPLETED"}
        )
    ), shown(job)


def results(folder: Path, pattern: str) -> int:
    """How many results the outputs hold."""
    return sum(file.read_text().count('"first_step_seconds"') for file in folder.glob(pattern))


def test_every_task_of_an_array_and_of_a_step_runs(
    submitted: tuple[SlurmRunner, Bundle], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, wishes in (("array", {"array": "0-1"}), ("step", {"tasks_per_node": 2})):
        bundle = asked(submitted, tmp_path / name, monkeypatch, **wishes)
        run_to_its_end(bundle, *QUICK)
        assert results(bundle.folder, "*.out") == 2


def test_the_bash_job_runs_in_an_allocation(
    submitted: tuple[SlurmRunner, Bundle], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = asked(submitted, tmp_path, monkeypatch)
    command = ["srun", "--ntasks=1", "--cpus-per-task=1", "./job.sh", *QUICK]
    done = subprocess.run(command, cwd=bundle.folder, capture_output=True, text=True, check=True)
    assert done.stdout.count('"first_step_seconds"') == 1
    assert '"OMP_NUM_THREADS": "1"' in done.stdout, "the allocation's cores"


def test_a_campaign_gives_each_member_of_an_array_its_arguments(
    submitted: tuple[SlurmRunner, Bundle], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = asked(submitted, tmp_path, monkeypatch, array="0-2")
    in_place_of_python(bundle, monkeypatch, 'echo "${@: -3}"')
    (bundle.folder / "campaign").write_text("--seed 1\n--seed 2\n--seed 3\n")
    monkeypatch.setenv("ONTUNE_CAMPAIGN", str(bundle.folder / "campaign"))
    run_to_its_end(bundle, "same")
    said = {path.stem.rpartition("_")[2]: path.read_text().strip() for path in bundle.folder.glob("*.out")}
    assert said == {"0": "same --seed 1", "1": "same --seed 2", "2": "same --seed 3"}


# What a program does that keeps its state: it goes on where it was when the signal came.
KEEPING = """if [ -e checkpoint ]; then echo "went on from $(cat checkpoint)"; exit 0; fi
trap 'echo step-7 >checkpoint; exit 0' USR1
echo began
for _ in $(seq 600); do sleep 0.1; done"""


def test_the_time_limits_signal_saves_the_state_and_queues_the_job_again(
    submitted: tuple[SlurmRunner, Bundle], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Slurm looks at the limits every 30 s and sends the signal up to that much earlier than asked: here 15 to
    # 45 s after the job begins. A program that has not begun by then loses nothing and saves nothing, which
    # is not what is tested here.
    bundle = asked(submitted, tmp_path, monkeypatch, requeue_seconds=75, time="00:02:00")
    in_place_of_python(bundle, monkeypatch, KEEPING)
    job = submit(bundle)
    try:
        assert until(lambda: told(job, "Restarts") == "1", 180), shown(job)
        assert (bundle.folder / "checkpoint").read_text() == "step-7\n"
        assert until(lambda: finished_when_hurried(job)), shown(job)
    finally:
        subprocess.run(["scancel", job], check=True)
    assert [
        line for path in bundle.folder.glob("*.out") for line in path.read_text().split("\n") if line
    ] == ["began", "went on from step-7"]


# Two processes of one training, which torchrun starts; each keeps its state when it is told to, in a second.
TOGETHER = r"""exec /opt/ontune/venv/bin/python - <<'END'
import os, signal, sys, time, torch, torch.distributed
torch.distributed.init_process_group("gloo")
rank, state = torch.distributed.get_rank(), "checkpoint-" + os.environ["RANK"]
if os.path.exists(state):
    os.write(1, f"rank {rank} went on from {open(state).read()}\n".encode())  # whole lines, whoever else writes
    sys.exit(0)
def save(number, frame):
    time.sleep(1)
    open(state, "w").write(signal.Signals(number).name)
    sys.exit(0)
signal.signal(signal.SIGUSR1, save)
signal.signal(signal.SIGTERM, save)
ones = torch.ones(1)
torch.distributed.all_reduce(ones)
os.write(1, f"rank {rank} of {int(ones)}\n".encode())
for _ in range(600):
    time.sleep(0.1)
END"""
TORCHRUN = plans.taken(
    "launcher",
    "torchrun",
    plans.application(
        "launcher",
        "torchrun",
        "--no-python --nproc-per-node={devices} --nnodes={nodes} --rdzv-backend=c10d --rdzv-endpoint={rendezvous} --rdzv-id={job}",
    ),
)


def spread(
    submitted: tuple[SlurmRunner, Bundle], folder: Path, monkeypatch: pytest.MonkeyPatch, **wishes: object
) -> Bundle:
    """A bundle whose job trains in two processes, which are started and told to save by what this project
    ships.
    """
    bundle = asked(
        submitted,
        folder,
        monkeypatch,
        plans.plan("pytorch", "debian-12", TORCHRUN),
        requeue_seconds=30,
        **wishes,
    )
    in_place_of_python(bundle, monkeypatch, TOGETHER)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")  # the number of processes; nothing computes on them
    return bundle


def output(bundle: Bundle) -> str:
    return "".join(path.read_text() for path in sorted(bundle.folder.glob("*.out")))


def saved(bundle: Bundle) -> list[str]:
    return [
        (bundle.folder / f"checkpoint-{rank}").read_text()
        for rank in (0, 1)
        if (bundle.folder / f"checkpoint-{rank}").exists()
    ]


def test_the_processes_of_torchrun_save_their_state_before_the_job_is_queued_again(
    submitted: tuple[SlurmRunner, Bundle], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The signal is sent as Slurm sends the one before the time limit, to the job's script."""
    bundle = spread(submitted, tmp_path, monkeypatch, requeues=1)
    job = submit(bundle)
    try:
        assert until(lambda: output(bundle).count(" of 2") == 2), output(bundle) + shown(job)
        subprocess.run(["scancel", "--batch", "--signal=USR1", job], check=True)
        assert until(lambda: told(job, "Restarts") == "1"), shown(job)
        assert saved(bundle) == ["SIGUSR1", "SIGUSR1"]
        assert until(lambda: finished_when_hurried(job)), shown(job)
        assert sorted(line for line in output(bundle).splitlines() if "went on" in line) == [
            f"rank {rank} went on from SIGUSR1" for rank in (0, 1)
        ]
    finally:
        subprocess.run(["scancel", job], check=True)


def test_a_job_is_not_queued_again_without_end(
    submitted: tuple[SlurmRunner, Bundle], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A program that keeps no state is told to save it in its first run and in its second, which is the last."""
    bundle = asked(submitted, tmp_path, monkeypatch, requeue_seconds=20, requeues=1)
    in_place_of_python(bundle, monkeypatch, "echo began; for _ in $(seq 600); do sleep 0.1; done")
    job = submit(bundle)
    try:
        for run in (1, 2):
            assert until(
                lambda run=run: finished_when_hurried(job) or output(bundle).count("began") == run
            ), shown(job)
            subprocess.run(["scancel", "--batch", "--signal=USR1", job], check=True)
            if run == 1:
                assert until(lambda: told(job, "Restarts") == "1"), shown(job)
        assert until(lambda: told(job, "JobState") == "FAILED"), shown(job)
        assert "queued again 1 times already" in "".join(
            path.read_text() for path in bundle.folder.glob("*.err")
        )
    finally:
        subprocess.run(["scancel", job], check=False)


def test_a_cancelled_job_gives_the_processes_of_torchrun_time_for_their_state(
    submitted: tuple[SlurmRunner, Bundle], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = spread(submitted, tmp_path, monkeypatch)
    job = submit(bundle)
    assert until(lambda: output(bundle).count(" of 2") == 2), output(bundle) + shown(job)
    subprocess.run(["scancel", job], check=True)
    assert until(lambda: len(saved(bundle)) == 2), shown(job)
    assert saved(bundle) == ["SIGTERM", "SIGTERM"]


MEETING = """exec /opt/ontune/venv/bin/python - <<'END'
import os, torch, torch.distributed
address = f"tcp://{os.environ['ONTUNE_HEAD']}:{os.environ['ONTUNE_PORT']}"
torch.distributed.init_process_group("gloo", init_method=address, rank=int(os.environ["SLURM_PROCID"]), world_size=int(os.environ["SLURM_NTASKS"]))
ones = torch.ones(1)
torch.distributed.all_reduce(ones)
print("together", int(ones), "cores", len(os.sched_getaffinity(0)) and os.environ["OMP_NUM_THREADS"])
END"""


def test_two_tasks_meet_where_the_job_says(
    submitted: tuple[SlurmRunner, Bundle], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    meeting = plans.taken("distributed", "ddp", plans.application("env", "MEETING_POINT", "{rendezvous}"))
    bundle = asked(
        submitted, tmp_path, monkeypatch, plans.plan("pytorch", "debian-12", meeting), tasks_per_node=2
    )
    in_place_of_python(bundle, monkeypatch, MEETING)
    run_to_its_end(bundle)
    (said,) = bundle.folder.glob("*.out")
    assert said.read_text().split("\n")[:2] == ["together 2 cores 1"] * 2, next(
        bundle.folder.glob("*.err")
    ).read_text()


def test_data_is_staged_on_the_node_and_results_come_back(
    submitted: tuple[SlurmRunner, Bundle], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, local = tmp_path / "shared data", tmp_path / "local"
    data.mkdir()
    local.mkdir()
    (data / "a").write_text("first")
    staged = plans.taken(
        "data_path", "data-node-local", plans.application("flag", "stage-data", "node-local")
    )
    bundle = asked(
        submitted,
        tmp_path,
        monkeypatch,
        plans.plan("pytorch", "debian-12", staged, data=str(data)),
        node_local=str(local),
    )
    in_place_of_python(
        bundle, monkeypatch, f"stat -c %i '{data}/a' >\"$ONTUNE_RESULTS/inode\"; cat '{data}/a'"
    )
    run_to_its_end(bundle)
    assert [path.read_text() for path in bundle.folder.glob("*.out")] == ["first"]
    assert [
        int(path.read_text()) == (data / "a").stat().st_ino for path in bundle.folder.glob("results-*/inode")
    ] == [False], "it read the copy"
    assert list(local.iterdir()) == []


def test_qsub_takes_the_job_for_pbs(
    submitted: tuple[SlurmRunner, Bundle], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    require("qsub", shutil.which("qsub"))
    bundle = asked(submitted, tmp_path, monkeypatch)
    job = bundle.folder / "job.pbs"
    job.write_text(job.read_text().replace('"${start[@]}" "$@"', f'"${{start[@]}}" {" ".join(QUICK)}'))
    done = subprocess.run(["qsub", "job.pbs"], cwd=bundle.folder, capture_output=True, text=True, check=True)
    assert until(lambda: told(done.stdout.strip(), "JobState") == "COMPLETED")
    assert results(bundle.folder, "*.o*") == 1


def test_qsub_takes_every_form_of_the_resources(
    submitted: tuple[SlurmRunner, Bundle], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    require("qsub", shutil.which("qsub"))
    for syntax in ("nodes", "select"):
        bundle = asked(
            submitted,
            tmp_path / syntax,
            monkeypatch,
            resource_syntax=syntax,
            queue="main",
            memory_gib=1,
            array="0-1",
        )
        in_place_of_python(bundle, monkeypatch, "echo ran")
        done = subprocess.run(
            ["qsub", "job.pbs"], cwd=bundle.folder, capture_output=True, text=True, check=True
        )
        job = done.stdout.strip()
        assert until(functools.partial(finished, job)), done.stdout
        assert (told(job, "Partition"), told(job, "TimeLimit")) == ("main", "00:05:00")
