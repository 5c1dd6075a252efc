"""Requests to MODAK, as its users wrote them: what they meant holds, what was sloppy is read, what cannot be read is said."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import plans
import pytest

from generators.bundle import files_of
from generators.modak import read_request
from kb.errors import BadInput
from kb.store import KnowledgeStore
from kb.terms import on
from reasoner.plan import Plan

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
        "application": {"app_tag": "resnet-benchmark", "executable": "./resnet_benchmark.sh", "arguments": "--name 'two words'"},
        "optimisation": {
            "enable_opt_build": True,
            "app_type": "ai_training",
            "opt_build": {"cpu_type": "x86", "acc_type": "nvidia"},
            "app_type-ai_training": {"config": {"ai_framework": "tensorflow"}, "ai_framework-tensorflow": {"version": "2.1", "xla": True}},
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
    assert (read.framework, read.scheduler, read.accelerated, read.workload.name) == ("tensorflow", "pbs", True, "resnet-benchmark")
    assert read.wishes == {"name": "resnet", "time": "12:00:00", "nodes": 1, "cores": 40, "gpus": 1}
    assert read.workload.facts["command"] == ["./resnet_benchmark.sh", "--name", "two words"]
    assert any(note.startswith("xla: true: ") for note in read.notes)
    assert any("standard_output_file" in note for note in read.notes)


def test_its_job_asks_for_the_accelerator_and_runs_the_command_where_it_is(tmp_path: Path) -> None:
    read = read_request(written(tmp_path, REQUEST))
    plan = Plan.from_json(plans.plan("tensorflow", "debian-12", plans.taken("device", "cuda", plans.application("flag", "--nv"))).to_json())
    plan = Plan.from_json(plan.to_json() | {"workload": read.workload.to_json()})
    files = {name: content.decode() for name, content in files_of(plan, ("apptainer",), (read.scheduler,), read.wishes).items()}
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
        (("job_options", "wall_time"), "1:00", "job_options: wall_time: unknown key; did you mean 'wall_time_limit'?"),
        (("optimisation", "app_type"), "hpc", "app_type: 'hpc' is no training job"),
        (("target", "job_scheduler_type"), "slrum", "unknown scheduler 'slrum'; expected torque, pbs, slurm, bash; did you mean 'slurm'?"),
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
    store.store.update(f"INSERT DATA {{ <urn:site/modak-my-cluster> a <{on('Site')}> ; <{on('scheduler')}> 'slurm' }}")
    read = read_request(written(tmp_path, changed("target", value={"name": "my_cluster", "job_scheduler_type": "torque"})), store)
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
