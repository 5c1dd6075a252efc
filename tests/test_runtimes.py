"""What starts a plan's program: Apptainer, Docker, Podman, or nothing; machines that no plans are made for;
three reports of people who met them.
"""

from __future__ import annotations

import itertools
import json
import os
import re
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import plans
import pytest
from conftest import require
from test_generators import MPIRUN, SHELLCHECK, STAGED, TORCHRUN, stub, written

from bench.images import site_settings
from bench.measure.runners.native import NativeRunner
from bench.measure.runners.oci import OciRunner
from generators.bundle import FORMATS, files_of, write_bundle
from generators.writers.job import FILES
from kb.errors import BadInput, NoFeasiblePlan, RunFailed
from kb.records.target import Target
from kb.records.targets import load_target
from kb.records.workload import load_workload
from kb.store.query_library import named_query
from kb.values import replace
from ontune.cli import main
from ontune.cli.runner import runner_named
from reasoner.answers.plan import Plan
from reasoner.reasoner import Reasoner

REPORTS = Path(__file__).parent / "reports"
NONE = plans.taken("container_runtime", "none", plans.application("flag", "no-container"))
DOCKER = plans.taken("container_runtime", "docker", plans.application("flag", "--ipc", "host"))
PODMAN = plans.taken("container_runtime", "podman", plans.application("flag", "--userns", "keep-id"))
GPUS = plans.taken("accelerator", "cuda", plans.application("flag", "--gpus", "all"))
AMD = plans.taken(
    "accelerator",
    "rocm",
    plans.application("flag", "--device", "/dev/kfd"),
    plans.application("flag", "--device", "/dev/dri"),
)


@cache
def reasoner() -> Reasoner:
    return Reasoner([])


def target(name: str, **facts: Any) -> Target:
    """A shipped target, or that of a report, with some facts changed."""
    file = REPORTS / name / "target.yaml"
    return load_target(str(file) if file.is_file() else name, reasoner().store).with_overrides(facts)


def plan(name: str, workload: str = "resnet50", facts: dict[str, Any] | None = None, **wishes: Any) -> Plan:
    return reasoner().plan(load_workload(workload, reasoner().store), target(name, **facts or {}), **wishes)


# ---- the reports


def test_old_glibc_no_container() -> None:
    """pytorch/pytorch#150724: on CentOS 7 without a container runtime the C library of the host decides; no
    image is planned.
    """
    chosen = plan("old-glibc-no-container", framework="pytorch")
    builds = named_query("builds-for-glibc").filled({"glibc": "2.17", "framework": "pytorch"})
    assert (
        chosen.option("wheel")
        == "torch-2.6.0-cu118"
        in {row["build"] for row in reasoner().full_store.select(builds)}
    )
    assert [chosen.option(decision) for decision in ("container_runtime", "image_source", "base_image")] == [
        "none",
        "host",
        "host",
    ]
    files = files_of(chosen, ("apptainer", "dockerfile"), tuple(FILES), bill=False)
    assert not {"ontune.def", "Dockerfile"} & files.keys()
    assert not any(
        word in files[name].decode()
        for name in FILES.values()
        for word in ("apptainer", "ontune.sif", "docker")
    )


def test_shared_memory_of_docker() -> None:
    """pytorch/pytorch#16979: in Docker's 64 MB of shared memory the workers of a data loader die."""
    chosen = plan("shared-memory-of-docker", framework="pytorch")
    files = {
        name: text.decode()
        for name, text in files_of(chosen, ("dockerfile",), ("bash",), bill=False).items()
        if "/" not in name
    }
    assert re.search(r'"\$container" run --rm --init --gpus=all --ipc=host ', files["job.sh"])
    assert re.search(
        r"^#   docker run --rm --init --gpus=all --ipc=host ontune:[0-9a-f]{24} ",
        files["Dockerfile"],
        re.MULTILINE,
    )
    assert "apptainer" not in files["job.sh"]


def test_tensorflow_gpu_on_windows() -> None:
    """tensorflow/tensorflow#60156: native Windows is outside, and the answer says what to describe instead."""
    for wishes in ({"framework": "tensorflow"}, {"framework": "pytorch", "facts": {"runtimes": []}}):
        with pytest.raises(NoFeasiblePlan, match=r"^windows 11 is outside of what Ontune plans for: .*WSL2"):
            plan("tensorflow-gpu-on-windows", "mnist-cnn", **wishes)  # type: ignore[arg-type]
    assert (
        plan("tensorflow-gpu-on-windows", "mnist-cnn", {"os": "ubuntu 22.04", "glibc": "2.35"}).option(
            "container_runtime"
        )
        == "docker"
    )


# ---- what the knowledge says


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({"os": "Windows Server 2022"}, "Windows Server 2022 is outside"),
        ({"os": "macOS 14.5", "gpus": []}, "macOS 14.5 is outside"),
        ({"gpus": [{"model": "Apple M2 Max"}]}, "Apple M2 Max is outside"),
        ({"gpus": [{"model": "Intel(R) Data Center GPU Max 1550"}]}, "Max 1550 is outside"),
        ({"gpus": [{"model": "Intel Arc B580"}]}, "xpu"),
        ({"gpus": [{"model": "HL-225"}]}, "HL-225 is outside"),
        ({"gpus": [{"model": "TPU v5e"}]}, "TPU v5e is outside"),
        ({"gpus": [{"vendor": "intel"}]}, "an accelerator of intel is outside"),
    ],
)
def test_a_machine_beyond_the_boundary_is_told_in_one_sentence(facts: dict[str, Any], said: str) -> None:
    with pytest.raises(NoFeasiblePlan) as refused:
        plan("h200-virtual", "mnist-cnn", facts)
    assert said in str(refused.value) and "\n" not in str(refused.value) and len(str(refused.value)) < 250
    assert refused.value.exit_code == 3


@pytest.mark.parametrize(
    "model", ["NVIDIA H200", "AMD Instinct MI300X", "Quadro RTX 8000", "Output Card 3", "pineapple"]
)
def test_other_accelerators_are_not_beyond_it(model: str) -> None:
    try:
        plan("h200-virtual", "mnist-cnn", {"gpus": [{"model": model}], "os": "darwinia linux 3"})
    except NoFeasiblePlan as refused:
        assert "outside" not in str(refused)


def test_unknown_runtimes_are_named_with_what_they_would_change() -> None:
    chosen = plan("zen5-virtual", "mnist-cnn", {"runtimes": None})
    assert chosen.option("container_runtime") == "apptainer"
    (told,) = [unknown for unknown in chosen.unknowns if unknown["fact"] == "runtimes"]
    assert told["probe"] == "--set 'runtimes=[]'"
    changed = {change["decision"]: change["to"] for change in told["would_change"]}
    assert changed["container_runtime"] == "none" and changed["image_source"] == "host"


@pytest.mark.parametrize(
    ("runtimes", "chosen"),
    [
        (["docker", "apptainer"], "apptainer"),
        (["singularity"], "apptainer"),
        (["podman"], "podman"),
        (["podman", "docker"], "docker"),
        (["enroot"], "none"),
        ([], "none"),
    ],
)
def test_a_runtime_that_is_there_is_taken(runtimes: list[str], chosen: str) -> None:
    assert plan("zen5-virtual", "mnist-cnn", {"runtimes": runtimes}).option("container_runtime") == chosen


def test_a_bundle_has_both_recipes_unless_one_is_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = [
        "recipe",
        "-w",
        "mnist-cnn",
        "-t",
        "zen5-virtual",
        "-o",
        str(tmp_path / "bundle"),
        "--job",
        "bash",
    ]
    for more, recipes in (
        (["--set", 'runtimes=["docker"]'], {"ontune.def", "Dockerfile"}),
        (["--to", "dockerfile"], {"Dockerfile"}),
        (["--to", "apptainer"], {"ontune.def"}),
    ):
        with pytest.raises(SystemExit) as ended:
            main([*asked, *more])
        assert not ended.value.code, capsys.readouterr().err
        assert {path.name for path in (tmp_path / "bundle").iterdir()} & set(FORMATS.values()) == recipes
        not_applied = [
            line.partition(":")[0] for line in capsys.readouterr().err.splitlines() if "not applied" in line
        ]
        assert set(not_applied) <= {*recipes, "install.sh"}  # nothing is said of a file that is not there


def test_without_a_container_the_hosts_own_library_and_python_decide() -> None:
    def on(**facts: Any) -> Plan:
        return plan("v100-node", facts={"runtimes": [], **facts}, framework="pytorch")

    assert on(glibc="2.17", python="3.11.2").option("python") == "3.11"
    assert on(glibc="2.28", python="3.9.18").option("python") == "3.9"
    with pytest.raises(NoFeasiblePlan, match="none of the 0 container runtimes"):
        on(glibc="2.12")
    with pytest.raises(NoFeasiblePlan, match="none of the 0 container runtimes"):
        on(glibc="2.17", python="3.5.1")


@pytest.mark.parametrize(
    ("name", "runtime", "flags"),
    [
        ("v100-node", "apptainer", [("--nv", "")]),
        ("v100-node", "docker", [("--gpus", "all"), ("--ipc", "host")]),
        (
            "v100-node",
            "podman",
            [("--device", "nvidia.com/gpu=all"), ("--ipc", "host"), ("--userns", "keep-id")],
        ),
        ("mi300x-8", "apptainer", [("--rocm", "")]),
        (
            "mi300x-8",
            "docker",
            [("--device", "/dev/dri"), ("--device", "/dev/kfd"), ("--group-add", "video"), ("--ipc", "host")],
        ),
        ("zen5-virtual", "docker", [("--ipc", "host")]),
    ],
)
def test_each_runtime_is_given_its_own_flags(name: str, runtime: str, flags: list[tuple[str, str]]) -> None:
    chosen = plan(name, "mnist-cnn", {"runtimes": [runtime]}, framework="pytorch")
    assert (
        sorted((flag.name, flag.value) for flag in chosen.applied("flag") if flag.name.startswith("-"))
        == flags
    )
    job = files_of(chosen, (), ("slurm",), bill=False)["job.slurm"].decode()
    assert all(f" {flag}={value}" in job if value else f" {flag} " in job for flag, value in flags)


# ---- what is written


def test_shellcheck_finds_nothing_in_the_jobs_of_any_runtime(tmp_path: Path) -> None:
    require("shellcheck", SHELLCHECK, "make venv-dev")
    wishes: dict[str, Any] = {
        "nodes": 2,
        "binds": ["/scratch", "/it's:/data:ro"],
        "container_flags": ["--privileged"],
        "requeue_seconds": 60,
    }
    for number, runtime in enumerate((NONE, DOCKER, PODMAN)):
        for more in ((), (TORCHRUN, STAGED), (MPIRUN,)):
            for name, text in written(
                plans.plan("pytorch", "debian-12", runtime, GPUS, *more, data="/data/it's"), **wishes
            ).items():
                if name in FILES.values():
                    (tmp_path / f"{number}-{len(more)}-{name}").write_text(text)
    done = subprocess.run(
        [str(SHELLCHECK), *sorted(tmp_path.iterdir())], capture_output=True, text=True, check=False
    )
    assert done.stdout + done.stderr == ""


# Stands for Docker: it knows one image, and says what it is given.
DOCKERLY = """case "$1 $2" in "image inspect") [ "$5" != none ] && echo "$LABEL" || exit 1 ;; *) printf '%s\\n' "$@" ;; esac"""


def test_a_job_gives_docker_the_folder_the_variables_and_the_shared_memory(tmp_path: Path) -> None:
    folder = write_bundle(
        plans.plan("pytorch", "debian-12", DOCKER, GPUS), tmp_path / "bundle", wishes={"binds": ["/data"]}
    ).folder
    label = re.search(r'LABEL ontune.recipe="([0-9a-f]{24})"', (folder / "Dockerfile").read_text())
    assert label
    stub(tmp_path / "docker", DOCKERLY)
    variables = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "LABEL": label[1], "SLURM_CPUS_PER_TASK": "3"}

    def ran(**more: str) -> subprocess.CompletedProcess[str]:
        given = {**variables, **more}
        return subprocess.run(
            [folder / "job.sh", "--windows", "2"],
            cwd=tmp_path,
            env=given,
            capture_output=True,
            text=True,
            check=False,
        )

    words = ran().stdout.splitlines()
    assert (words[:3], {*words[3:5]}) == (["run", "--rm", "--init"], {"--gpus=all", "--ipc=host"})
    assert words[-3:] == [f"ontune:{label[1]}", "--windows", "2"]
    pairs = {*itertools.pairwise(words)}
    assert {
        ("--volume", "/data:/data"),
        ("--volume", f"{tmp_path}:{tmp_path}"),
        ("--workdir", str(tmp_path)),
    } <= pairs
    assert ("--env", "SLURM_CPUS_PER_TASK") in pairs
    assert ("--user", f"{os.getuid()}:{os.getgid()}") in pairs
    missing, other = ran(ONTUNE_IMAGE="none"), ran(LABEL="0" * 24)
    assert missing.returncode == 4 and "docker build -t none" in missing.stderr
    assert other.returncode == 4 and "was not built from the recipe" in other.stderr


def test_a_plan_without_an_image_runs_in_an_environment_beside_its_scripts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    plans.make_wheel(wheels, "fastnet", "2.0", module="NAME = 'fastnet'\n")
    (tmp_path / "train.py").write_text(
        "import sys, fastnet\nprint('trained with', fastnet.NAME, sys.argv[1:])\n"
    )
    for name, value in (
        ("PIP_FIND_LINKS", str(wheels)),
        ("PIP_NO_INDEX", "1"),
        ("ONTUNE_CACHE_HOME", str(tmp_path / "cache")),
    ):
        monkeypatch.setenv(name, value)
    tiny = plans.tiny("fastnet", "2.0", script=str(tmp_path / "train.py"))
    kept = [
        taken for taken in tiny.decisions if taken.decision not in ("allocator", "image_source", "base_image")
    ]
    bundle = write_bundle(replace(tiny, decisions=(*kept, NONE)), tmp_path / "bundle")
    assert not (bundle.folder / "ontune.def").exists() and not (bundle.folder / "Dockerfile").exists()
    before = subprocess.run(
        [bundle.folder / "job.sh"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert before.returncode == 4 and "no environment at" in before.stderr
    command = [sys.executable, "-m", "ontune", "build", "bundle"]
    subprocess.run(
        command,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        check=True,
    )
    done = subprocess.run(
        [bundle.folder / "job.sh", "one"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "trained with fastnet ['one']\n"), done.stderr


def test_a_runner_is_refused_where_the_plan_is_for_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    docker = write_bundle(plans.plan("pytorch", "debian-12", DOCKER), tmp_path / "of-docker")
    host = write_bundle(plans.plan("pytorch", "debian-12", NONE), tmp_path / "of-host")
    for name in ("apptainer", "podman"):
        with pytest.raises(BadInput, match=r"built and run by docker; expected auto, docker or native"):
            runner_named(name, docker, must_run=False)
    with pytest.raises(
        BadInput,
        match=rf"on each node: docker build -t ontune:\w+ {docker.folder}; then: ONTUNE_BUNDLE=\S+ sbatch \S+/job.slurm$",
    ):
        runner_named("slurm", docker, must_run=False)
    for name in ("apptainer", "docker"):
        with pytest.raises(BadInput, match="the plan has no image"):
            runner_named(name, host, must_run=False)
    assert isinstance(runner_named("auto", host), NativeRunner) and isinstance(
        runner_named("native", docker), NativeRunner
    )
    monkeypatch.setenv("PATH", str(tmp_path))
    assert isinstance(runner_named("auto", docker), NativeRunner)
    with pytest.raises(BadInput, match=r"no docker on the PATH; expected .* or --runner native"):
        runner_named("docker", docker)
    stub(tmp_path / "docker", "exit 1")
    assert runner_named("auto", docker) == runner_named("docker", docker) == OciRunner("docker")


# Stands for Docker: an image is a file; what is started in it writes its result into the lent folder, or
# takes too long and is ended by name.
BUILDER = """
case "$1 $2" in
"image inspect") cat "$STORE/${5#ontune:}" 2>/dev/null ;;
"build --secret") [ ! -e "$STORE/broken" ] || { echo "no space left"; exit 1; }; . "${3#id=environment,src=}" && echo "$PIP_CONFIG_FILE"
    echo "[123, \\"${5#ontune:}\\"]" >"$STORE/${5#ontune:}" ;;
"run --rm") echo "$*" >"$STORE/words"; [ ! -e "$STORE/slow" ] || exec sleep 60
    for word; do case $word in *:/mnt) echo '{"throughput": 7.5}' >"${word%:/mnt}/result.json" ;; esac; done ;;
"rm --force") echo "$3" >"$STORE/ended" ;;
esac
"""


def test_docker_builds_and_runs_what_auto_is_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = write_bundle(plans.plan("pytorch", "debian-12", DOCKER, GPUS), tmp_path / "bundle")
    store = tmp_path / "store"
    store.mkdir()
    stub(tmp_path / "docker", BUILDER.replace("$STORE", str(store)))
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("ONTUNE_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(site_settings, "IN_MEMORY", str(tmp_path / "memory"))
    runner = runner_named("auto", bundle)
    image = f"ontune:{bundle.recipe_digest}"
    assert runner.lacking(bundle) == [image]
    (store / "broken").touch()
    with pytest.raises(RunFailed, match=f"building {image} failed.*\nno space left\nwhole log: "):
        runner.prepare(bundle)
    (store / "broken").unlink()
    built = runner.prepare(bundle)
    assert (built.path, built.recipe, built.bytes, runner.lacking(bundle)) == (
        image,
        bundle.recipe_digest,
        123,
        [],
    )
    # The builder's settings have reached the build.
    assert f"{tmp_path}/memory/pip.conf" in Path(built.log).read_text()
    assert runner.prepare(bundle) == built
    ended = runner.run(bundle, ["--windows", "2"], tmp_path / "result.json", 1)
    assert (
        ended.result == {"throughput": 7.5}
        and json.loads((tmp_path / "result.json").read_text()) == ended.result
    )
    words = (store / "words").read_text()
    assert re.search(
        rf" --gpus=all .*--name \S+ --cpuset-cpus \d+ .*{image} --windows 2 --output /mnt/result.json$", words
    )
    (store / "slow").touch()
    late = replace(runner, limit_seconds=0.3).run(bundle, [], tmp_path / "late.json", None)  # type: ignore[type-var]
    assert (
        late.outcome == "timed-out"
        and f"--name {(store / 'ended').read_text().strip()} " in (store / "words").read_text()
    )


def test_docker_itself_takes_the_options_of_a_job(tmp_path: Path) -> None:
    """The client reads its command line before it looks for a daemon."""
    require("the Docker client", program := shutil.which("docker"), "your distribution's docker-cli")
    folder = write_bundle(plans.plan("pytorch", "debian-12", DOCKER, AMD), tmp_path / "bundle").folder
    stub(
        tmp_path / "docker",
        f'[ "$1" = image ] && echo "$LABEL" || DOCKER_HOST=unix:///nowhere exec {program} "$@"',
    )
    label = re.search(r'LABEL ontune.recipe="([0-9a-f]{24})"', (folder / "Dockerfile").read_text())
    assert label
    variables = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "LABEL": label[1]}

    def said(**more: str) -> str:
        given = {**variables, **more}
        return subprocess.run(
            [folder / "job.sh"], cwd=tmp_path, env=given, capture_output=True, text=True, check=False
        ).stderr

    assert "unknown flag" not in said() and "server" in said(), said()
    assert "unknown flag: --nonsense" in said(ONTUNE_CONTAINER_FLAGS="--nonsense")
