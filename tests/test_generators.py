"""What is written from a plan: reviewed texts, every option in every output, Apptainer's and the shell's own judgement, whole or not at all."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from pathlib import Path

import plans
import pytest
from conftest import require

import bench.apptainer
from generators.bundle import FORMATS, Bundle, files_of, write_bundle
from generators.job import FILES, Job
from kb.errors import BadInput
from reasoner.plan import Plan

GOLDEN = Path(__file__).parent / "golden" / "bundles"
SCRIPTS = ("run.sh", "install.sh", "usable_cores.sh", *FILES.values())
CASES = [(framework, base) for framework in plans.FRAMEWORKS for base in plans.BASES]

DEVICE = plans.taken("accelerator", "cuda", plans.application("flag", "--nv"))
TORCHRUN = plans.taken("launcher", "torchrun", plans.application("launcher", "torchrun", "--standalone --no-python --nproc-per-node={devices}"))


@pytest.fixture(scope="module")
def apptainer() -> str:
    """The program of a working Apptainer."""
    found = bench.apptainer.find()
    require("Apptainer", found)
    assert found is not None
    return found.program


def written(plan: Plan, **wishes: object) -> dict[str, str]:
    """The texts of a bundle's generated files by name."""
    files = files_of(plan, tuple(FORMATS), tuple(FILES), wishes, bill=False)
    return {name: content.decode() for name, content in files.items() if not name.startswith("workload/")}


@pytest.mark.parametrize(("framework", "base"), CASES)
def test_the_texts_are_the_reviewed_ones(framework: str, base: str) -> None:
    """Write the reviewed texts anew with ONTUNE_WRITE_GOLDEN=1, and review the difference."""
    folder = GOLDEN / f"{framework}-{base}"
    texts = {name: text for name, text in written(plans.plan(framework, base)).items() if name not in ("plan.json", "usable_cores.sh")}
    if os.environ.get("ONTUNE_WRITE_GOLDEN"):
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            (folder / name).write_text(text)
    assert texts == {file.name: file.read_text() for file in folder.iterdir()}


@pytest.mark.parametrize(("framework", "base"), CASES)
def test_every_option_is_applied_and_named_where_it_is(framework: str, base: str) -> None:
    plan = plans.plan(framework, base, DEVICE)
    texts = written(plan)
    image = texts["ontune.def"] + texts["requirements.txt"] + texts["run.sh"]
    docker = texts["Dockerfile"] + texts["install.sh"] + texts["requirements.txt"] + texts["run.sh"]
    for taken in plan.decisions:
        for application in taken.apply:
            if (application.how, application.name) in (("launcher", "python"), ("image", "Suite"), ("image", "Bootstrap")):
                continue  # what happens anyway, and what the next words say
            for text in (image, docker):
                assert application.name in text or application.value in text, application
            if application.how in ("env", "package") or (application.how == "code" and taken.decision != "framework"):
                assert f"# {taken.decision}: {taken.option}" in image


def test_a_flag_for_the_container_reaches_every_job() -> None:
    texts = written(plans.plan("pytorch", "debian-12", DEVICE))
    assert all(" run --nv " in texts[name] for name in FILES.values())
    assert "apptainer run --nv" in texts["ontune.def"]


def test_what_no_script_can_do_is_said_in_every_job() -> None:
    staged = plans.taken("data_path", "data-node-local", plans.application("flag", "stage-data", "node-local"))
    texts = written(plans.plan("pytorch", "debian-12", staged))
    assert all("# Left to whoever submits, data_path: data-node-local: stage-data node-local." in texts[name] for name in FILES.values())
    assert not any(" run stage-data" in text for text in texts.values())


def test_two_options_share_a_variable_and_disagree_on_a_version() -> None:
    more = plans.taken("profiler", "x", plans.application("env", "LD_PRELOAD", "libx.so.1"))
    assert "export LD_PRELOAD='libtcmalloc_minimal.so.4 libx.so.1'" in written(plans.plan("pytorch", "debian-12", more))["run.sh"]
    other = plans.taken("other", "numpy-1", plans.application("package", "numpy", "1.26.4", "pip"))
    with pytest.raises(BadInput, match=r"wheel: torch-2\.13\.0-cpu wants numpy 2\.4\.6, other: numpy-1 wants 1\.26\.4"):
        written(plans.plan("pytorch", "debian-12", other))


def test_a_plan_without_a_base_has_no_definition() -> None:
    plan = plans.plan()
    bare = Plan.from_json(plan.to_json() | {"decisions": [d for d in plan.to_json()["decisions"] if d["decision"] != "image_source"]})
    with pytest.raises(BadInput, match="container base"):
        files_of(bare, ("apptainer",), ())
    assert "run.sh" in files_of(bare, (), ())


@pytest.mark.parametrize(("framework", "base"), CASES)
def test_apptainer_parses_the_definition(framework: str, base: str, tmp_path: Path, apptainer: str) -> None:
    bundle = write_bundle(plans.plan(framework, base, DEVICE), tmp_path / "bundle")
    broken = bundle.definition.with_name("broken.def")
    broken.write_text(bundle.definition.read_text().replace("%help", "%nonsense"))
    assert "while parsing definition" in parsed(apptainer, broken)
    assert "while parsing definition" not in parsed(apptainer, bundle.definition)


def parsed(apptainer: str, definition: Path) -> str:
    """What Apptainer says of a definition whose base cannot be had."""
    command = [apptainer, "build", "--fakeroot", "--force", "never.sif", definition.name]
    done = subprocess.run(command, cwd=definition.parent, capture_output=True, text=True, check=False, env={**os.environ, "https_proxy": "http://127.0.0.1:9"})
    assert done.returncode != 0
    return done.stderr


def test_shellcheck_finds_nothing(tmp_path: Path) -> None:
    require("shellcheck", shutil.which("shellcheck"), "make venv-dev")
    plan = plans.plan("pytorch", "debian-12", DEVICE, TORCHRUN, name="it's $(odd) `name`")
    wishes = {"modules": ["apptainer/1.4"], "binds": ["/scratch/it's:/data"], "array": "0-3%2", "requeue_seconds": 120, "gpus": 2, "exclusive": True}
    bundle = write_bundle(plan, tmp_path / "bundle", wishes=wishes)
    done = subprocess.run(["shellcheck", *SCRIPTS], cwd=bundle.folder, capture_output=True, text=True, check=False)
    assert done.stdout + done.stderr == ""


def test_usable_cores_are_the_least_of_all_limits(tmp_path: Path) -> None:
    bundle = write_bundle(plans.plan(), tmp_path / "bundle")

    def cores(*prefix: str, **variables: str) -> int:
        command = [*prefix, "sh", str(bundle.folder / "usable_cores.sh")]
        return int(subprocess.run(command, capture_output=True, text=True, check=True, env={**os.environ, **variables}).stdout)

    all_cores = cores(OMP_NUM_THREADS="1")
    assert 1 <= all_cores <= len(os.sched_getaffinity(0))
    assert cores(SLURM_CPUS_PER_TASK="1") == 1
    assert cores(ONTUNE_CORES="100000") == all_cores
    assert cores(SLURM_CPUS_PER_TASK="many") == all_cores
    assert cores("taskset", "-c", str(min(os.sched_getaffinity(0)))) == 1


def test_a_run_outside_a_container_applies_the_plan(tmp_path: Path) -> None:
    bundle = write_bundle(plans.plan("pytorch", "debian-12", TORCHRUN), tmp_path / "a bundle")
    for name in ("python", "torchrun"):
        program = tmp_path / name
        program.write_text('#!/bin/sh\necho "${0##*/} $OMP_NUM_THREADS $LD_PRELOAD $*"\n')
        program.chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"
    variables = {"PATH": path, "ONTUNE_PYTHON": str(tmp_path / "python"), "ONTUNE_CORES": "1", "CUDA_VISIBLE_DEVICES": "0,3"}
    done = subprocess.run([bundle.run_script, "--windows", "2"], capture_output=True, text=True, check=False, env=variables)
    said = done.stdout.splitlines()[0]
    assert said.startswith("torchrun 1 libtcmalloc_minimal.so.4 --standalone --no-python --nproc-per-node=2 ")
    assert said.endswith("--setting threads=1 --windows 2")


def test_jobs_ask_for_what_the_site_wishes() -> None:
    wishes = {"nodes": 2, "time": "1-00:30:00", "queue": "fast", "account": "p42", "array": "0-9%2", "requeue_seconds": 60, "gpus": 4}
    texts = written(plans.plan(), **wishes, modules=["apptainer"])
    slurm = re.findall(r"^#SBATCH (.*)", texts["job.slurm"], re.MULTILINE)
    assert {"--nodes=2", "--gres=gpu:4", "--time=1-00:30:00", "--partition=fast", "--account=p42", "--array=0-9%2"} <= {*slurm}
    assert {"--signal=B:USR1@60", "--requeue", "--output=%x-%j.out", "--error=%x-%j.err"} <= {*slurm}
    assert "#PBS -l nodes=2:ppn=2:gpus=4" in texts["job.pbs"]
    assert all("module load apptainer" in texts[name] for name in FILES.values())


@pytest.mark.parametrize(
    ("wishes", "message"),
    [
        ({"nmae": "x"}, "job: nmae: unknown key; did you mean 'name'?"),
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
