"""What is written from a plan: reviewed texts, every option in every output, Apptainer's and the shell's own
judgement, whole or not at all.
"""

from __future__ import annotations

import difflib
import itertools
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import plans
import pytest
from conftest import require

from bench.images.apptainer import Apptainer
from generators.bundle import FORMATS, Bundle, files_of, write_bundle
from generators.writers.job import FILES, Job
from kb.errors import BadInput
from reasoner.answers.plan import Plan

GOLDEN = Path(__file__).parent / "golden" / "bundles"
SCRIPTS = ("run.sh", "install.sh", "usable_cores.sh", "stage.sh", *FILES.values())
SHELLCHECK = shutil.which("shellcheck", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
WHOLE = ("pytorch", "debian-12")
CASES = [(framework, base) for framework in plans.FRAMEWORKS for base in plans.BASES]

DEVICE = plans.taken("accelerator", "cuda", plans.application("flag", "--nv"))
TORCHRUN = plans.taken(
    "launcher",
    "torchrun",
    plans.application(
        "launcher",
        "torchrun",
        "--no-python --nproc-per-node={devices} --nnodes={nodes} --rdzv-endpoint={rendezvous}",
    ),
)


def written(plan: Plan, **wishes: object) -> dict[str, str]:
    """The texts of a bundle's generated files by name."""
    files = files_of(plan, tuple(FORMATS), tuple(FILES), wishes, bill=False)
    return {name: content.decode() for name, content in files.items() if not name.startswith("workload/")}


def reviewed_form(framework: str, base: str) -> dict[str, str]:
    """The texts of a bundle that are reviewed. The digest of all other texts, which changes with each of
    them, is left out.
    """
    texts = written(plans.plan(framework, base))
    return {
        name: re.sub(r"(?<=ontune[.]recipe)(: | |=.)[0-9a-f]{24}", r"\1DIGEST", text)
        for name, text in texts.items()
        if name not in ("plan.json", "usable_cores.sh")
    }


def difference(whole: dict[str, str], texts: dict[str, str]) -> str:
    """What texts have otherwise than those that are kept whole, for people and for `patch -p0`."""
    lines: list[str] = []
    for name in sorted(whole | texts):
        before, after = (one.get(name, "").splitlines(keepends=True) for one in (whole, texts))
        lines += difflib.unified_diff(before, after, name, name, n=1)
    return "".join(lines)


@pytest.mark.parametrize(("framework", "base"), CASES)
def test_the_texts_are_the_reviewed_ones(framework: str, base: str) -> None:
    """One bundle is kept whole, of each other one the difference from it. ONTUNE_WRITE_GOLDEN=1 writes them
    anew; review what has changed.
    """
    texts, whole = reviewed_form(framework, base), reviewed_form(*WHOLE)
    folder = GOLDEN / "-".join(WHOLE)
    file = GOLDEN / f"{framework}-{base}.diff"
    if os.environ.get("ONTUNE_WRITE_GOLDEN"):
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in whole.items():
            (folder / name).write_text(text)
        if (framework, base) != WHOLE:
            file.write_text(difference(whole, texts))
    assert whole == {kept.name: kept.read_text() for kept in folder.iterdir()}
    assert difference(whole, texts) == ("" if (framework, base) == WHOLE else file.read_text())


def test_nothing_else_is_kept_of_bundles() -> None:
    others = {f"{framework}-{base}.diff" for framework, base in CASES if (framework, base) != WHOLE}
    assert {kept.name for kept in GOLDEN.iterdir()} == {"-".join(WHOLE), *others}


@pytest.mark.parametrize(("framework", "base"), CASES)
def test_every_option_is_applied_and_named_where_it_is(framework: str, base: str) -> None:
    plan = plans.plan(framework, base, DEVICE)
    texts = written(plan)
    image = texts["ontune.def"] + texts["requirements.txt"] + texts["run.sh"]
    docker = texts["Dockerfile"] + texts["install.sh"] + texts["requirements.txt"] + texts["run.sh"]
    for taken in plan.decisions:
        for application in taken.apply:
            if (application.how, application.name) in (
                ("launcher", "python"),
                ("image", "Suite"),
                ("image", "Bootstrap"),
            ):
                continue  # what happens anyway, and what the next words say
            for text in (image, docker):
                assert application.name in text or application.value in text, application
            if application.how in ("env", "package") or (
                application.how == "code" and taken.decision != "framework"
            ):
                assert f"# {taken.decision}: {taken.option}" in image


def test_a_flag_for_the_container_reaches_every_job() -> None:
    texts = written(plans.plan("pytorch", "debian-12", DEVICE))
    assert all(" run --nv " in texts[name] for name in FILES.values())
    assert "apptainer run --nv" in texts["ontune.def"]


def test_what_no_script_can_do_is_said_in_every_job() -> None:
    warmed = plans.taken("warm_up", "page-cache", plans.application("flag", "warm-page-cache", "data"))
    texts = written(plans.plan("pytorch", "debian-12", warmed))
    assert all(
        "# Left to whoever submits, warm_up: page-cache: warm-page-cache data." in texts[name]
        for name in FILES.values()
    )
    assert not any(" run warm-page-cache" in text for text in texts.values())
    masked = written(
        plans.plan(
            "pytorch",
            "debian-12",
            plans.taken("visibility", "own", plans.application("flag", "gpus-per-task", "1")),
        )
    )
    assert " --gpus-per-task=1 " in masked["job.slurm"]
    assert all(
        "# Left to whoever submits, visibility: own: gpus-per-task 1." in masked[name]
        for name in ("job.sh", "job.pbs")
    )


STAGED = plans.taken("data_path", "data-node-local", plans.application("flag", "stage-data", "node-local"))


def test_data_without_a_folder_is_not_staged_and_that_is_said() -> None:
    texts = written(plans.plan("pytorch", "debian-12", STAGED, data="synthetic"))
    assert "stage.sh" not in texts
    assert all(
        "# data_path: data-node-local: the training makes its data itself" in texts[name]
        for name in FILES.values()
    )


@pytest.mark.parametrize("fails", [False, True])
def test_data_is_staged_and_results_come_back(fails: bool, tmp_path: Path) -> None:
    data, local = tmp_path / "the data", tmp_path / "local"
    (data / "deep").mkdir(parents=True)
    (data / "deep" / "a.npz").write_text("numbers")
    local.mkdir()
    folder = write_bundle(
        plans.plan("pytorch", "debian-12", STAGED, data=str(data)),
        tmp_path / "bundle",
        wishes={"node_local": "$LOCAL/x"},
    ).folder
    # A runtime that says what it was given, and leaves a result where the job says.
    stub(
        tmp_path / "apptainer",
        f'case "$1" in inspect) {plans.LABELS} ;; *)'
        ' printf "%s\n" "$@"; '
        f'cat "$LOCAL"/x/ontune-*/data/deep/a.npz; echo model >"$ONTUNE_RESULTS/model"; exit {int(fails)} ;; esac',
    )
    (folder / "ontune.sif").touch()
    variables = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "LOCAL": str(local)}
    done = subprocess.run(
        [folder / "job.sh"], cwd=tmp_path, capture_output=True, text=True, check=False, env=variables
    )
    assert done.returncode == int(fails), done.stderr
    assert any(
        line.startswith(str(local)) and line.endswith(f"/data:{data}:ro") for line in done.stdout.splitlines()
    )
    assert "numbers" in done.stdout
    assert [path.read_text() for path in tmp_path.glob("results-*/model")] == ["model\n"]
    assert list((local / "x").iterdir()) == []
    variables.pop("LOCAL")
    unset = subprocess.run(
        [folder / "job.sh"], cwd=tmp_path, capture_output=True, text=True, check=False, env=variables
    )
    assert unset.returncode != 0 and "LOCAL" in unset.stderr


def stub(path: Path, text: str) -> None:
    """A program in the place of another."""
    path.write_text(f"#!/bin/bash\n{text}\n")
    path.chmod(0o755)


def test_a_copy_of_the_data_that_somebody_else_made_is_not_used(tmp_path: Path) -> None:
    folder = write_bundle(plans.plan("pytorch", "debian-12", STAGED, data="/"), tmp_path / "bundle").folder
    taken = Path("/proc/1")  # nobody may make a folder there, and it is not ours to write into
    done = subprocess.run(
        [folder / "stage.sh", "in", taken / "scratch", tmp_path], capture_output=True, text=True, check=False
    )
    assert done.returncode != 0 and not (tmp_path / "results").exists()


def test_two_options_share_a_variable_and_disagree_on_a_version() -> None:
    more = plans.taken("profiler", "x", plans.application("env", "LD_PRELOAD", "libx.so.1"))
    assert (
        "export LD_PRELOAD='libtcmalloc_minimal.so.4 libx.so.1'"
        in written(plans.plan("pytorch", "debian-12", more))["run.sh"]
    )
    other = plans.taken("other", "numpy-1", plans.application("package", "numpy", "1.26.4", "pip"))
    with pytest.raises(
        BadInput, match=r"wheel: torch-2\.13\.0-cpu wants numpy 2\.4\.6, other: numpy-1 wants 1\.26\.4"
    ):
        written(plans.plan("pytorch", "debian-12", other))


def test_a_plan_without_a_base_has_no_definition() -> None:
    plan = plans.plan()
    bare = Plan.from_json(
        plan.to_json()
        | {"decisions": [d for d in plan.to_json()["decisions"] if d["decision"] != "image_source"]}
    )
    with pytest.raises(BadInput, match="container base"):
        files_of(bare, ("apptainer",), ())
    assert "run.sh" in files_of(bare, (), ())


@pytest.mark.parametrize(("framework", "base"), CASES)
def test_apptainer_parses_the_definition(
    framework: str, base: str, tmp_path: Path, apptainer: Apptainer
) -> None:
    bundle = write_bundle(plans.plan(framework, base, DEVICE), tmp_path / "bundle")
    broken = bundle.definition.with_name("broken.def")
    broken.write_text(bundle.definition.read_text().replace("%help", "%nonsense"))
    assert "while parsing definition" in parsed(apptainer, broken)
    assert "while parsing definition" not in parsed(apptainer, bundle.definition)


def parsed(apptainer: Apptainer, definition: Path) -> str:
    """What Apptainer says of a definition whose base cannot be had."""
    command = [apptainer.program, "build", "--fakeroot", "--force", "never.sif", definition.name]
    done = subprocess.run(
        command,
        cwd=definition.parent,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "https_proxy": "http://127.0.0.1:9"},
    )
    assert done.returncode != 0
    return done.stderr


WISHES: tuple[dict[str, object], ...] = (
    {},
    {"nodes": 2, "node_local": "/scratch/a b"},
    {"nodes": 2, "tasks_per_node": 2, "requeue_seconds": 120, "array": "0-3%2", "modules": ["a apptainer/1.4"], "binds": ["/scratch/it's:/data"],
     "gpus": 2, "gpu_type": "a100", "node_local": "$TMPDIR/it's", "container_flags": ["--nvccli"], "mpi": "pmix", "exclusive": True, "memory_gib": 4,
     "qos": "q", "constraint": "c", "resource_syntax": "select"},
)  # fmt: skip
MPIRUN = plans.taken(
    "launcher",
    "mpirun",
    plans.application("launcher", "mpirun", "-n {tasks} --map-by ppr:{tasks_per_node}:node:PE={cores}"),
)
CACHED = plans.taken(
    "compile_cache", "local", plans.application("env", "TORCHINDUCTOR_CACHE_DIR", "{cache}/inductor")
)
MODULE = plans.taken("base", "module", plans.application("module", "pytorch/2.5"))
PLACED = plans.application("env", "A", "{rank}{local_rank}{tasks}")
PER_TASK = plans.taken("visibility", "own", plans.application("flag", "gpus-per-task", "1"), PLACED)
BOUND = plans.taken("binding", "numa", plans.application("launcher", "numactl", "--cpunodebind={numa_node}"))
MIXTURES = (
    (), (STAGED, TORCHRUN, CACHED, DEVICE, BOUND), (MPIRUN, STAGED), (MODULE, TORCHRUN, CACHED, STAGED, DEVICE), (MODULE, MPIRUN), (PER_TASK, CACHED),
)  # fmt: skip


def test_shellcheck_finds_nothing(tmp_path: Path) -> None:
    require("shellcheck", SHELLCHECK, "make venv-dev")
    for number, (more, wishes) in enumerate(itertools.product(MIXTURES, WISHES)):
        plan = plans.plan("pytorch", "debian-12", *more, name="it's $(odd) `name`", data="/data/it's here")
        for name, text in written(plan, **wishes).items():
            if name in SCRIPTS:
                (tmp_path / f"{number}-{name}").write_text(text)
    done = subprocess.run(
        [str(SHELLCHECK), *sorted(tmp_path.iterdir())], capture_output=True, text=True, check=False
    )
    assert done.stdout + done.stderr == ""


def test_usable_cores_are_the_least_of_all_limits(tmp_path: Path) -> None:
    bundle = write_bundle(plans.plan(), tmp_path / "bundle")

    def cores(*prefix: str, **variables: str) -> int:
        command = [*prefix, "sh", str(bundle.folder / "usable_cores.sh")]
        return int(
            subprocess.run(
                command, capture_output=True, text=True, check=True, env={**os.environ, **variables}
            ).stdout
        )

    all_cores = cores(OMP_NUM_THREADS="1")
    assert 1 <= all_cores <= len(os.sched_getaffinity(0))
    assert cores(SLURM_CPUS_PER_TASK="1") == 1
    assert cores(ONTUNE_CORES="100000") == all_cores
    assert cores(SLURM_CPUS_PER_TASK="many") == all_cores
    assert cores("taskset", "-c", str(min(os.sched_getaffinity(0)))) == 1


def ran(folder: Path, plan: Plan, **variables: str) -> str:
    """The first line that a run prints, with programs that say what they are called with: name, threads,
    preloaded libraries, arguments.
    """
    bundle = write_bundle(plan, folder / "a bundle")
    for name in ("python", "torchrun", "numactl"):
        stub(
            folder / name,
            'echo "${0##*/} $OMP_NUM_THREADS $LD_PRELOAD ${CUDA_VISIBLE_DEVICES-none} ${HOSTILE-} $*"',
        )
    given = {"PATH": f"{folder}:{os.environ['PATH']}", "ONTUNE_PYTHON": str(folder / "python"), **variables}
    done = subprocess.run(
        [bundle.run_script, "--windows", "2"], capture_output=True, text=True, check=True, env=given
    )
    return done.stdout.splitlines()[0]


def test_a_run_outside_a_container_applies_the_plan(tmp_path: Path) -> None:
    said = ran(
        tmp_path, plans.plan("pytorch", "debian-12", TORCHRUN), ONTUNE_CORES="1", CUDA_VISIBLE_DEVICES="0,3"
    )
    assert said.startswith(
        "torchrun 1 libtcmalloc_minimal.so.4 0,3  --no-python --nproc-per-node=2 --nnodes=1 --rdzv-endpoint=localhost:0 "
    )
    assert said.endswith("--setting threads=1 --windows 2")


def test_processes_of_one_node_share_its_cores(tmp_path: Path) -> None:
    cores = len(os.sched_getaffinity(0))
    said = ran(tmp_path, plans.plan("pytorch", "debian-12", TORCHRUN), CUDA_VISIBLE_DEVICES="0,1")
    assert f" --setting threads={max(1, cores // 2)} " in said


def test_nodes_meet_where_the_job_says(tmp_path: Path) -> None:
    meeting = {"ONTUNE_NODES": "2", "ONTUNE_HEAD": "node7", "ONTUNE_PORT": "20123", "ONTUNE_JOB": "99"}
    assert "--nnodes=2 --rdzv-endpoint=node7:20123 " in ran(
        tmp_path, plans.plan("pytorch", "debian-12", TORCHRUN), **meeting
    )


def test_there_is_one_mask_of_devices(tmp_path: Path) -> None:
    rocm = plans.taken("accelerator", "rocm", plans.application("flag", "--rocm"))
    said = ran(
        tmp_path,
        plans.plan("pytorch", "debian-12", TORCHRUN, rocm),
        ROCR_VISIBLE_DEVICES="2,3,4",
        CUDA_VISIBLE_DEVICES="2,3,4",
    )
    assert (
        said.startswith("torchrun 1 libtcmalloc_minimal.so.4 none ")
        or " none " in said.split("--no-python")[0]
    )
    assert "--nproc-per-node=3" in said


def test_a_process_knows_its_place_by_whatever_started_it(tmp_path: Path) -> None:
    placed = plans.taken("place", "x", plans.application("env", "HOSTILE", "{rank}/{tasks}/{local_rank}"))
    plan = plans.plan("pytorch", "debian-12", placed)
    slurm = {"SLURM_PROCID": "3", "SLURM_NTASKS": "8", "SLURM_LOCALID": "1"}
    assert " 3/8/1 " in ran(tmp_path, plan, **slurm)
    mpi = {"OMPI_COMM_WORLD_RANK": "5", "OMPI_COMM_WORLD_SIZE": "6", "OMPI_COMM_WORLD_LOCAL_RANK": "2"}
    assert " 5/6/2 " in ran(tmp_path, plan, **slurm, **mpi)
    assert " 0/1/0 " in ran(tmp_path, plan)


def test_a_process_is_bound_where_it_may_run(tmp_path: Path) -> None:
    bound = plans.taken(
        "binding", "numa", plans.application("launcher", "numactl", "--cpunodebind={numa_node}")
    )
    node = re.search(r"--cpunodebind=(\d+) ", ran(tmp_path, plans.plan("pytorch", "debian-12", bound)))
    assert node and str(min(os.sched_getaffinity(0))) in [
        path.name.removeprefix("cpu") for path in Path(f"/sys/devices/system/node/node{node[1]}").glob("cpu*")
    ]


def test_compile_caches_outlive_a_job_and_are_nobody_elses(tmp_path: Path) -> None:
    cached = plans.taken("compile_cache", "local", plans.application("env", "HOSTILE", "{cache}/inductor"))
    plan = plans.plan("pytorch", "debian-12", cached)
    cache = tmp_path / "cache"
    assert f" {cache}/inductor " in ran(tmp_path, plan, ONTUNE_CACHE=str(cache))
    assert cache.stat().st_mode & 0o777 == 0o700
    texts = written(plan, node_local="/local scratch")
    assert all(
        "ONTUNE_CACHE='/local scratch'/ontune-cache-$(id -u)" in texts[name] for name in FILES.values()
    )
    assert all(
        "ONTUNE_CACHE=/var/tmp/ontune-cache-$(id -u)" in written(plan, node_local="$TMPDIR")[name]
        for name in FILES.values()
    )
    assert "{cache}" not in texts["ontune.def"] and "HOSTILE" not in texts["ontune.def"], (
        "an image cannot know the cache of a node"
    )
    if os.geteuid() == 0:
        os.chown(cache, 1, 1)
        with pytest.raises(subprocess.CalledProcessError):
            ran(tmp_path, plan, ONTUNE_CACHE=str(cache))


@pytest.mark.parametrize(
    ("inside", "complaint"),
    [
        ("mpirun (Open MPI) 4.0.1", ""),
        ("mpirun (Open MPI) 5.0.2", "do not go together"),
        ("HYDRA build details:\n    Version:   4.1.2", "do not go together"),
        ("", "no MPI"),
    ],
)
def test_mpirun_starts_containers_only_where_both_mpis_agree(
    inside: str, complaint: str, tmp_path: Path
) -> None:
    folder = write_bundle(
        plans.plan("pytorch", "debian-12", MPIRUN), tmp_path / "bundle", wishes={"tasks_per_node": 2}
    ).folder
    (folder / "ontune.sif").touch()
    says = f'case "$1" in inspect) {plans.LABELS} ;; exec) [ -z "{inside}" ] || echo "{inside}" ;; esac'
    stub(tmp_path / "apptainer", says)
    stub(
        tmp_path / "mpirun",
        'if [ "$1" = --version ]; then echo "mpirun (Open MPI) 4.1.4"; else echo "$*"; fi',
    )
    variables = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run(
        [folder / "job.sh"], cwd=tmp_path, capture_output=True, text=True, check=False, env=variables
    )
    (tmp_path / "mpirun").unlink()
    without = subprocess.run(
        [folder / "job.sh"], cwd=tmp_path, capture_output=True, text=True, check=False, env=variables
    )
    assert shutil.which("mpirun") or (without.returncode == 4 and "no mpirun on the PATH" in without.stderr)
    if complaint:
        assert done.returncode == 4 and complaint in done.stderr
    else:
        assert done.returncode == 0 and done.stdout.startswith("-n 2 --map-by ppr:2:node:PE=1 "), done.stderr


def test_members_of_an_array_take_their_own_arguments(tmp_path: Path) -> None:
    folder = write_bundle(plans.plan(), tmp_path / "bundle", wishes={"array": "0-1"}).folder
    (folder / "ontune.sif").touch()
    (tmp_path / "campaign").write_text("--seed 1\n--seed 2 --windows $(touch CANARY)\n")
    stub(tmp_path / "apptainer", f'[ "$1" = inspect ] && {plans.LABELS} || printf "%s " "$@"')
    variables = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "ONTUNE_CAMPAIGN": str(tmp_path / "campaign")}

    def member(number: int) -> subprocess.CompletedProcess[str]:
        command = [folder / "job.sh", "--mode", "benchmark"]
        return subprocess.run(
            command,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            env={**variables, "ONTUNE_MEMBER": str(number)},
        )

    assert member(0).stdout.endswith("ontune.sif --mode benchmark --seed 1 ")
    assert member(1).stdout.endswith("--seed 2 --windows $(touch CANARY) ")
    assert member(2).returncode == 4 and "has no line 2" in member(2).stderr
    assert not (tmp_path / "CANARY").exists()


def test_jobs_ask_for_what_the_site_wishes() -> None:
    wishes = {
        "nodes": 2,
        "time": "1-00:30:00",
        "queue": "fast",
        "account": "p42",
        "array": "0-9%2",
        "requeue_seconds": 60,
        "gpus": 4,
    }
    texts = written(plans.plan(), **wishes, modules=["apptainer"])
    slurm = re.findall(r"^#SBATCH (.*)", texts["job.slurm"], re.MULTILINE)
    assert {
        "--nodes=2",
        "--gres=gpu:4",
        "--time=1-00:30:00",
        "--partition=fast",
        "--account=p42",
        "--array=0-9%2",
    } <= {*slurm}
    assert {"--signal=B:USR1@60", "--requeue", "--output=%x-%A_%a.out", "--error=%x-%A_%a.err"} <= {*slurm}
    assert "#PBS -l nodes=2:ppn=2:gpus=4" in texts["job.pbs"]
    assert all("module load apptainer" in texts[name] for name in FILES.values())


@pytest.mark.parametrize(
    ("wishes", "message"),
    [
        ({"nmae": "x"}, "job: nmae: unknown key; expected one of name, nodes, "),
        ({"nmae": "x"}, "did you mean 'name'?"),
        ({"name": "a\n#SBATCH --uid=0"}, "job: name"),
        ({"nodes": -1}, "job: nodes"),
        ({"time": "soon"}, "hours:minutes:seconds"),
        ({"modules": "apptainer"}, "job: modules: not a list"),
    ],
)
def test_a_wrong_wish_is_refused(wishes: dict[str, object], message: str) -> None:
    with pytest.raises(BadInput, match=re.escape(message)):
        Job.for_plan(plans.plan(), wishes)


def test_a_bundle_is_read_back(tmp_path: Path) -> None:
    write_bundle(plans.plan(), tmp_path / "bundle")
    bundle = Bundle.read(tmp_path / "bundle")
    assert bundle.plan == plans.plan()
    assert bundle.recipe.build_arguments == ("base",)
    with pytest.raises(BadInput, match="no bundle here"):
        Bundle.read(tmp_path)


def test_a_bundle_is_written_again_and_other_files_stay(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "bundle"
    write_bundle(plans.plan("pytorch"), folder)
    (folder / "ontune.sif").write_text("an image")
    write_bundle(plans.plan("tensorflow"), folder)
    assert "tensorflow-cpu==2.21.0" in (folder / "requirements.txt").read_text()
    assert (folder / "ontune.sif").read_text() == "an image"
    assert not list(folder.glob(".*"))


def test_nothing_is_written_where_something_is_wrong(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "thesis.tex").write_text("mine")
    with pytest.raises(BadInput, match="something else than a bundle"):
        write_bundle(plans.plan(), other)
    with pytest.raises(BadInput, match=r"unknown scheduler 'slrum'.*did you mean 'slurm'"):
        write_bundle(plans.plan(), tmp_path / "new", jobs=("slrum",))
    with pytest.raises(BadInput, match="cannot be written"):
        write_bundle(plans.plan(), other / "thesis.tex" / "bundle")
    assert [path.name for path in tmp_path.rglob("*")] == ["other", "thesis.tex"]
    write_bundle(plans.plan(), other, force=True)
    assert (other / "thesis.tex").read_text() == "mine"


def test_a_bundle_is_written_in_a_tenth_of_a_second(tmp_path: Path) -> None:
    write_bundle(plans.plan(), tmp_path / "warm")
    begin = time.process_time()
    write_bundle(plans.plan(), tmp_path / "bundle")
    assert time.process_time() - begin < 0.1
