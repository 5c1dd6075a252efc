"""Requests to MODAK, as its users wrote them: what they meant holds, what was sloppy is read, what cannot be
read is said.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import plans
import pytest

from generators.bundle import files_of
from generators.modak.job_request import ModakRequest, read_request
from generators.modak.parallel_program import plan_of
from kb.errors import BadInput
from kb.store.store import KnowledgeStore
from kb.store.terms import on
from ontune.cli import main
from reasoner.answers.plan import Plan
from reasoner.reasoner import Reasoner

REQUEST: dict[str, Any] = {
    "job": {
        "job_options": {
            "job_name": "resnet",
            "wall_time_limit": "12:00:00 ",
            "node_count": 1,
            "process_count_per_node": 40,
            "request_gpus": 1,
            "standard_output_file": "resnet.out",
            "request_event_notification": "abe",
        },
        "target": {"job_scheduler_type": "torque"},
        "application": {
            "app_tag": "resnet-benchmark",
            "executable": "./resnet_benchmark.sh",
            "arguments": "--name 'two words'",
        },
        "optimisation": {
            "enable_opt_build": True,
            "app_type": "ai_training",
            "opt_build": {"cpu_type": "x86", "acc_type": "nvidia"},
            "app_type-ai_training": {
                "config": {"ai_framework": "tensorflow"},
                "ai_framework-tensorflow": {"version": "2.1", "xla": True},
            },
        },
    }
}


def changed(*path: str, value: Any) -> dict[str, Any]:
    """The request with one value replaced."""
    request: dict[str, Any] = json.loads(json.dumps(REQUEST))
    holder = request["job"]
    for key in path[:-1]:
        holder = holder.setdefault(key, {})
    holder[path[-1]] = value
    return request


def written(folder: Path, request: object, name: str = "request.json") -> Path:
    file = folder / name
    file.write_text(request if isinstance(request, str) else json.dumps(request))
    return file


def test_a_request_becomes_a_workload_and_wishes(tmp_path: Path) -> None:
    read = read_request(written(tmp_path, REQUEST))
    assert (read.framework, read.scheduler, read.accelerated, read.workload.name) == (
        "tensorflow",
        "pbs",
        True,
        "resnet-benchmark",
    )
    assert read.wishes == {"name": "resnet", "time": "12:00:00", "nodes": 1, "cores": 40, "gpus": 1}
    assert read.workload.facts["command"] == ["./resnet_benchmark.sh", "--name", "two words"]
    assert any(note.startswith("xla: true: ") for note in read.notes)
    assert any("standard_output_file" in note for note in read.notes)


def test_its_job_asks_for_the_accelerator_and_runs_the_command_where_it_is(tmp_path: Path) -> None:
    read = read_request(written(tmp_path, REQUEST))
    plan = Plan.from_json(
        plans.plan(
            "tensorflow", "debian-12", plans.taken("device", "cuda", plans.application("flag", "--nv"))
        ).to_json()
    )
    plan = Plan.from_json(plan.to_json() | {"workload": read.workload.to_json()})
    files = {
        name: content.decode()
        for name, content in files_of(plan, ("apptainer",), (read.scheduler,), read.wishes).items()
    }
    job = files["job.pbs"]
    assert "#PBS -l nodes=1:ppn=40:gpus=1" in job
    assert "#PBS -l walltime=12:00:00\n" in job
    assert " run --nv " in job
    assert "    ./resnet_benchmark.sh\n    --name\n    'two words'\n" in files["run.sh"]
    assert "xla_dump" not in files["run.sh"]
    assert "set -euo pipefail" in job


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (
            ("job_options", "wall_time"),
            "1:00",
            "job_options: wall_time: unknown key; did you mean 'wall_time_limit'?",
        ),
        (
            ("optimisation", "app_type"),
            "ai_inference",
            "app_type: 'ai_inference' is neither a training job nor a parallel program",
        ),
        (
            ("optimisation", "opt_build", "acc_type"),
            "fpga",
            "opt_build: acc_type: no plan computes on an fpga; expected nvidia, amd or none",
        ),
        (
            ("optimisation", "opt_build", "acc_type"),
            "nvidea",
            "'nvidea' is not known; expected none, nvidia, amd, fpga; did you mean 'nvidia'?",
        ),
        (
            ("optimisation", "opt_build", "cpu_type"),
            "x68",
            "'x68' is not known; expected none, x86, arm, amd, power; did you mean 'x86'?",
        ),
        (
            ("optimisation", "app_type-ai_training", "config", "ai_framework"),
            "tensorflow/pytorch",
            "ai_framework: 'tensorflow/pytorch' is not known",
        ),
        (
            ("optimisation", "app_type-ai_training", "ai_framework-tensorflow", "verison"),
            "2",
            "verison: unknown key; did you mean 'version'?",
        ),
        (("optimisation", "app_type-ai_training", "ai_framework-tf"), {}, "ai_framework-tf: unknown key"),
        (("optimisation", "app_type-training"), {}, "app_type-training: unknown key"),
        (("target", "nmae"), "x", "target: nmae: unknown key; did you mean 'name'?"),
        (("application", "build"), {"cmd": "make"}, "application: build: cmd: unknown key"),
        (
            ("target", "job_scheduler_type"),
            "slrum",
            "unknown scheduler 'slrum'; expected torque, pbs, pbspro, slurm, bash; did you mean 'slurm'?",
        ),
        (("application", "arguments"), "'open", "application: arguments: not a command"),
        (("optimisation", "opt_build"), "x86", "opt_build: not an object"),
        (("job_option",), {}, "job_option: unknown key"),
    ],
)
def test_what_cannot_be_read_is_said(path: tuple[str, ...], value: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(BadInput) as refusal:
        read_request(written(tmp_path, changed(*path, value=value)))
    assert message in str(refusal.value)


def test_what_was_sloppy_is_read(tmp_path: Path) -> None:
    request = changed("optimisation", "opt_build", value={"cpu_type": "x86", "acc_type": ""})
    request["job"]["optimization"] = request["job"].pop("optimisation")
    del request["job"]["target"], request["job"]["job_options"]["request_gpus"]
    read = read_request(written(tmp_path, {"comment": ["recorded"], "request": request}))
    assert (read.framework, read.accelerated, read.scheduler) == ("tensorflow", False, "bash")


def test_an_accelerator_is_asked_for_where_only_its_type_is_named(tmp_path: Path) -> None:
    read = read_request(written(tmp_path, changed("job_options", value={})))
    assert read.wishes == {"gpus": 1}
    assert "acc_type nvidia without request_gpus: one accelerator is asked for" in read.notes


def test_a_site_knows_its_own_scheduler(tmp_path: Path) -> None:
    store = KnowledgeStore()
    store.store.update(
        f"INSERT DATA {{ <urn:site/modak-my-cluster> a <{on('Site')}> ; <{on('scheduler')}> 'slurm' }}"
    )
    read = read_request(
        written(tmp_path, changed("target", value={"name": "my_cluster", "job_scheduler_type": "torque"})),
        store,
    )
    assert (read.target, read.scheduler) == ("my-cluster", "slurm")
    assert "my_cluster is run by slurm, whatever the request says (torque)" in read.notes


def test_the_optimisation_language_is_read(tmp_path: Path) -> None:
    text = "optimization ai.tf: \n\tenable_opt_build: true\n\tapp_type: ai_training\n\topt_build:\n\t\tcpu_type: arm\n\t\tacc_type: nvidia\n"
    text += '\tapp_type-ai_training:\n\t\tconfig:\n\t\t\tai_framework: tensorflow\n\t\tai_framework-tensorflow:\n\t\t\tversion: "1.1"\n'
    read = read_request(written(tmp_path, text, "request.opt"))
    assert (read.framework, read.accelerated) == ("tensorflow", True)
    with pytest.raises(BadInput, match=r"request\.opt:1"):
        read_request(written(tmp_path, "something else", "request.opt"))


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"name": "an image"}'])
def test_what_is_no_request_is_refused(text: str, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"request\.json"):
        read_request(written(tmp_path, text))


# MODAK's golden requests for MPI: https://github.com/SODALITE-EU/application-optimisation, MODAK/test/input.
XTHI = {
    "src": "https://raw.githubusercontent.com/olcf/XC30-Training/master/affinity/Xthi.c",
    "build_command": "mpicc -o xthi -fopenmp Xthi.c",
}


def parallel(
    site: str = "",
    scheduler: str = "torque",
    per_node: int = 40,
    library: str = "mpich",
    version: str = "3.1.4",
) -> dict[str, Any]:
    """A request for `xthi` on two nodes, with 80 ranks of two threads."""
    return {
        "job": {
            "job_options": {
                "job_name": "mpi_test",
                "wall_time_limit": "1:00:00",
                "node_count": 2,
                "process_count_per_node": per_node,
            },
            "target": {"name": site, "job_scheduler_type": scheduler},
            "application": {
                "app_type": "hpc",
                "executable": "./xthi",
                "arguments": "",
                "mpi_ranks": 80,
                "threads": 2,
                "build": XTHI,
            },
            "optimisation": {
                "enable_opt_build": True,
                "app_type": "hpc",
                "opt_build": {"cpu_type": "x86", "acc_type": ""},
                "app_type-hpc": {
                    "config": {"parallelisation": "mpi"},
                    "data": {},
                    "parallelisation-mpi": {"library": library, "version": version},
                },
            },
        }
    }


@pytest.fixture(scope="module")
def shipped() -> KnowledgeStore:
    return Reasoner([]).full_store


def answered(
    folder: Path, request: object, store: KnowledgeStore
) -> tuple[ModakRequest, Plan, dict[str, str]]:
    """A request for a parallel program, its plan, and the files of its bundle."""
    read = read_request(written(folder, request), store)
    assert read.parallel is not None
    plan = plan_of(
        read.parallel,
        read.workload,
        read.scheduler,
        store,
        {"version": "0", "sha256": "ab" * 32},
        "request.json",
    )
    plan = Plan.from_json(json.loads(json.dumps(plan.to_json())))
    files = files_of(plan, ("apptainer", "dockerfile"), (read.scheduler,), read.wishes)
    return read, plan, {name: content.decode() for name, content in files.items()}


def test_the_golden_request_for_mpich_keeps_its_meaning(tmp_path: Path, shipped: KnowledgeStore) -> None:
    read, plan, files = answered(tmp_path, parallel(), shipped)
    assert (read.scheduler, read.wishes["nodes"], read.wishes["tasks_per_node"]) == ("pbs", 2, 40)
    assert "Bootstrap: docker\nFrom: ethcscs/mpich:ub1804_cuda101_mpi314_gnugprof\n" in files["ontune.def"]
    assert [one.name for one in plan.applied("launcher")] == ["mpirun"]
    assert (
        "export OMP_NUM_THREADS=2" in files["run.sh"]
        and "    ./xthi\n" in files["run.sh"]
        and "ONTUNE_PYTHON" not in files["run.sh"]
    )
    job = files["job.pbs"]
    assert "#PBS -l nodes=2:ppn=40\n" in job and re.search(r"^#PBS -l walltime=0?1:00:00$", job, re.MULTILINE)
    assert "set -euo pipefail" in job and "--nv" not in job and "module load" not in job
    assert "total=80" in job and re.search(
        r'^exec mpirun -n "\$total" "\$\{start\[@\]\}" "\$@"$', job, re.MULTILINE
    )
    assert (
        "threads 2 of each process share 1 core: ask for more cores (--ask cores=2) or fewer threads"
        in read.notes
    )
    reasons = [reason.text for reason in plan.decision("base_image").reasons]
    assert reasons == ["MODAK's image for mpich 3.1.4"]


def test_what_it_builds_is_fetched_by_whoever_submits_and_checked(
    tmp_path: Path, shipped: KnowledgeStore
) -> None:
    files = answered(tmp_path, parallel(), shipped)[2]
    assert "sh -c 'mpicc -o xthi -fopenmp Xthi.c'" in files["build_program.sh"]
    assert f"curl --fail --location --remote-name {XTHI['src']}\n" in files["build_program.sh"]
    assert not any(
        "no-check-certificate" in text or "xthi.c" in text.lower()
        for name, text in files.items()
        if name.startswith(("job", "ontune"))
    )
    with pytest.raises(BadInput, match="build_source"):
        request = parallel()
        request["job"]["application"]["build"] = XTHI | {"src": "https://x/$(id)' y"}
        answered(tmp_path, request, shipped)


def test_the_golden_request_at_a_site_follows_the_sites_rules(
    tmp_path: Path, shipped: KnowledgeStore
) -> None:
    read, plan, files = answered(tmp_path, parallel("egi", "slurm", 1, "openmpi", "3.1.3"), shipped)
    assert plan.applied("image")[1].value == "ethcscs/openmpi:3.1.3"
    assert read.scheduler == "pbs" and "egi is run by pbs, whatever the request says (slurm)" in read.notes
    assert "module load mpi/openmpi-x86_64\n" in files["job.pbs"]
    assert "mpi_ranks 80 are 40 on each of 2 nodes, not the 1 of process_count_per_node" in read.notes


def test_an_accelerator_reaches_the_container(tmp_path: Path, shipped: KnowledgeStore) -> None:
    """MODAK left the flag away where only the type was named."""
    for kind, flag in (("nvidia", "--nv"), ("amd", "--rocm")):
        request = parallel()
        request["job"]["optimisation"]["opt_build"]["acc_type"] = kind
        files = answered(tmp_path, request, shipped)[2]
        assert f" run {flag} " in files["job.pbs"] and ":gpus=1" in files["job.pbs"]


@pytest.mark.parametrize(
    ("library", "version", "message"),
    [
        ("mpich", "9", "no image has mpich 9; expected 3.1.4, or an image in application: container_runtime"),
        ("lam", "7", "no image is known for 'lam'"),
        ("mvapch", "3.14", "no image has mvapich 3.14; expected 2.2"),
    ],
)
def test_a_library_without_an_image_is_refused(
    library: str, version: str, message: str, tmp_path: Path, shipped: KnowledgeStore
) -> None:
    with pytest.raises(BadInput) as refusal:
        answered(tmp_path, parallel(library=library, version=version), shipped)
    assert message in str(refusal.value)


@pytest.mark.parametrize(
    ("image", "bootstrap"),
    [
        ("docker://a/b:1", "Bootstrap: docker\nFrom: a/b:1"),
        ("oras://a/b:1", "Bootstrap: oras\nFrom: a/b:1"),
        ("library://a/b/c:1", "Bootstrap: library\nFrom: a/b/c:1"),
    ],
)
def test_an_image_that_is_named_is_taken(
    image: str, bootstrap: str, tmp_path: Path, shipped: KnowledgeStore
) -> None:
    request = parallel(library="lam")
    request["job"]["application"]["container_runtime"] = image
    assert bootstrap in answered(tmp_path, request, shipped)[2]["ontune.def"]


def test_a_command_has_the_jobs_variables_and_runs_nothing_else(
    tmp_path: Path, shipped: KnowledgeStore
) -> None:
    request = parallel()
    arguments = "${ASTER_ROOT}/14.4/bin \\\n-n 'two words' '$(touch CANARY)' `touch CANARY` ${X:-`id`}"
    request["job"]["application"] |= {"executable": "echo ", "arguments": arguments}
    files = answered(tmp_path, request, shipped)[2]
    for name in ("run.sh", "usable_cores.sh"):
        written(tmp_path, files[name], name).chmod(0o755)
    with_variable = {**os.environ, "ASTER_ROOT": "/opt/a b"}
    ran = subprocess.run(
        [tmp_path / "run.sh"], capture_output=True, text=True, check=True, cwd=tmp_path, env=with_variable
    )
    assert ran.stdout == "/opt/a b/14.4/bin -n two words $(touch CANARY) `touch CANARY` ${X:-`id`}\n"
    assert not (tmp_path / "CANARY").exists()
    unset = subprocess.run([tmp_path / "run.sh"], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert unset.returncode != 0 and "ASTER_ROOT" in unset.stderr


def test_older_forms_of_the_request_are_read(tmp_path: Path) -> None:
    request = parallel("cirrus", "slurm")
    optimisation = {
        "app_type": "hpc",
        "app_name": "openmpi",
        "arch_build": {"cpu_type": "x86"},
        "app_build": {"version": "3.1.3"},
    }
    request["job"]["optimisation"] = optimisation
    read = read_request(written(tmp_path, request))
    assert read.parallel is not None and (read.parallel.library, read.parallel.version) == (
        "openmpi",
        "3.1.3",
    )


def test_the_language_of_modaks_editor_is_read_with_its_slips(tmp_path: Path) -> None:
    text = "optimization modak.mpi:\n\tapp_type: hpc\n\topt_build: \n\t\tacc_type: amd\n\tapp_type-hpc: \n\t\tconfig:\n\t\t\tparallelisation: mpi\n"
    text += '\t\tdata: \n\t\t\tlocation:"/data"\n\t\tparallelisation-mpi: \n\t\t\tlibrary: mvapch\n\t\t\tscaling_efficiency: 0.75\n'
    read = read_request(written(tmp_path, text, "request.opt"))
    assert read.parallel is not None and (read.parallel.library, read.parallel.flag) == ("mvapich", "--rocm")
    assert {"library mvapch: read as mvapich", "not carried over: scaling_efficiency"} <= {*read.notes}


def test_what_modak_read_and_never_used_is_said(tmp_path: Path) -> None:
    config = {"ai_framework": "keras", "type": "translation", "distributed_training": True, "layers": 6}
    request = changed(
        "optimisation",
        "app_type-ai_training",
        value={"config": config, "ai_framework-keras": {"backend": "tensorflow"}},
    )
    read = read_request(written(tmp_path, request))
    assert read.framework == "tensorflow"
    assert any(
        note.startswith("type, distributed_training, layers: say it in a workload's file")
        for note in read.notes
    )


def test_the_command_takes_a_description_with_a_workload(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = "optimization ai.tf: \n\tapp_type: ai_training\n\tapp_type-ai_training:\n\t\tconfig:\n\t\t\tai_framework: tensorflow\n"
    file = written(tmp_path, text, "request.opt")
    told = ["recipe", "--from-modak", str(file), "-o", str(tmp_path / "bundle"), "-t", "zen5-virtual"]
    for words, code in ((told, 2), ([*told, "-w", "mnist-cnn"], 0)):
        with pytest.raises(SystemExit) as ended:
            main(words)
        assert (ended.value.code or 0) == code
        assert ("nothing is said of what is run" in capsys.readouterr().err) == (code == 2)
    assert json.loads((tmp_path / "bundle" / "plan.json").read_text())["workload"]["network"] == "mnist-cnn"


def asking(**application: str) -> dict[str, Any]:
    """A request that names no framework, with some keys of its application."""
    request = changed("optimisation", value={"app_type": "ai_training", "enable_opt_build": False})
    request["job"]["application"] |= application
    return request


@pytest.mark.parametrize(
    ("image", "framework"),
    [
        ("docker://modakopt/modak:tensorflow-2.1-gpu-src", "tensorflow"),
        ("tensorflow/tensorflow:2.1.0-py3", "tensorflow"),
        ("docker://pytorch/pytorch:1.4-cuda10.1-cudnn7-devel", "pytorch"),
        ("nvcr.io/nvidia/pytorch:20.03-py3", "pytorch"),
        ("docker://some-container", ""),
        ("ubuntu:18.04", ""),
        ("", ""),
    ],
)
def test_the_framework_is_that_of_the_image_where_none_is_named(
    image: str, framework: str, tmp_path: Path, shipped: KnowledgeStore
) -> None:
    read = read_request(written(tmp_path, asking(container_runtime=image)), shipped)
    assert (read.framework, read.workload.facts["framework"] or "") == (framework, framework)
    assert any(note == f"{framework}: the framework that {image} is for" for note in read.notes) == bool(
        framework
    )


def test_an_image_for_another_framework_than_the_one_named_is_refused(
    tmp_path: Path, shipped: KnowledgeStore
) -> None:
    request = changed("application", "container_runtime", value="pytorch/pytorch:latest")
    with pytest.raises(
        BadInput,
        match="container_runtime: pytorch/pytorch:latest is for pytorch, and the request asks for tensorflow",
    ):
        read_request(written(tmp_path, request), shipped)


def told(words: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """Exit code of a command, and what it says on stderr."""
    with pytest.raises(SystemExit) as ended:
        main(words)
    return int(ended.value.code or 0), capsys.readouterr().err


def test_the_framework_of_a_request_holds_beside_a_workload(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    request = asking(container_runtime="tensorflow/tensorflow:2.1.0-py3")
    del request["job"]["application"]["executable"], request["job"]["application"]["arguments"]
    bundle = tmp_path / "bundle"
    words = [
        "recipe",
        "--from-modak",
        str(written(tmp_path, request)),
        "-o",
        str(bundle),
        "-t",
        "zen5-virtual",
        "-w",
    ]
    assert told([*words, "mnist-cnn"], capsys)[0] == 0
    taken = {
        one["decision"]: one["option"] for one in json.loads((bundle / "plan.json").read_text())["decisions"]
    }
    assert taken["framework"] == "tensorflow"
    (tmp_path / "job.yaml").write_text("framework: pytorch\nnetwork: mnist-cnn\ntraits: [Training]\n")
    code, said = told([*words, str(tmp_path / "job.yaml")], capsys)
    assert code == 2 and "is written for pytorch, and request.json asks for tensorflow" in said
    assert told([*words, "mnist-cnn", "--framework", "pytorch", "--force"], capsys)[0] == 0
    assert '"torch-' in (bundle / "plan.json").read_text()


def test_a_known_site_is_a_known_target(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of whose machines nothing is known: that is said, no other machine takes their place, and no build is
    taken for granted.
    """
    bundle = tmp_path / "bundle"
    for name in ("egi", "lumi"):
        request = written(tmp_path, changed("target", value={"name": name, "job_scheduler_type": "torque"}))
        code, said = told(["recipe", "--from-modak", str(request), "-o", str(bundle)], capsys)
        assert (
            f"{name} is a known site, of whose machines nothing is known here: describe one with --target"
            in said
        )
        assert code == 3 and "no configuration meets the request" in said and not bundle.exists()
    request = written(tmp_path, changed("target", value={"name": "lumy"}))
    code, said = told(["recipe", "--from-modak", str(request), "-o", str(bundle)], capsys)
    assert code == 2 and "target: name: unknown target 'lumy'" in said and "did you mean 'lumi'?" in said
