"""Sites: files, complaints, what they tell jobs and builds, and the images and modules that they offer."""

from __future__ import annotations

import functools
import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import plans
import pytest
import yaml
from conftest import require

from bench.images import site_settings
from generators.bundle import FORMATS, files_of
from generators.writers.job import FILES, Job
from kb.errors import BadInput
from kb.records.fact_keys import fact_keys
from kb.records.site import Site, complete_site, load_site, site_names
from kb.records.targets import load_target
from kb.records.workload import load_workload
from ontune.cli.request import RequestArguments
from reasoner.answers.plan import Plan
from reasoner.reasoner import Reasoner

FACTS: dict[str, Any] = {
    "scheduler": "slurm",
    "account": "p42",
    "time_limit": "02:00:00",
    "whole_nodes": True,
    "pmi": "pmix",
    "partitions": [
        {"name": "cpu"},
        {
            "name": "gpu",
            "gpus": True,
            "longest": "1-00:00:00",
            "qos": "fast",
            "constraint": "a100",
            "gpu_type": "a100",
        },
    ],
    "modules": ["PrgEnv-gnu apptainer/1.4"],
    "module_paths": ["/apps/modules"],
    "binds": ["/data:/data:ro", "/scratch"],
    "container_flags": ["--nvccli"],
    "storage": [{"path": "/lustre", "class": "network"}, {"path": "$LOCAL_SCRATCH/jobs", "class": "local"}],
    "build_folder": "/local/build",
    "proxies": {
        "http": "http://proxy.example.org:3128",
        "https": "http://proxy.example.org:3128",
        "none": "localhost,.example.org",
    },
    "ca_bundle": "/etc/ssl/site.pem",
    "packages": {
        "python_index": "https://mirror.example.org/simple",
        "extra_python_indexes": ["https://other.example.org/simple"],
        "wheel_folders": ["/apps/wheels"],
        "debian_mirror": "http://mirror.example.org/debian",
        "ubuntu_mirror": "http://mirror.example.org/ubuntu",
    },
    "provides": ["mkl-shim"],
}
GPU = {"cpu": {"cores": 64, "usable_cores": 64}, "gpus": [{"model": "x"}] * 4}

OFFERS = Path(__file__).with_name("offered.ttl").read_text(encoding="utf-8")
"""A site with an image and a module of its own."""


@functools.cache
def shipped() -> Reasoner:
    return Reasoner()


def at_site(facts: dict[str, Any], **target: Any) -> Plan:
    """A plan for a site with these facts."""
    plan = plans.plan()
    return Plan.from_json(
        {
            **plan.to_json(),
            "site": complete_site(facts, "site").to_json(),
            "target": target or dict(plan.target),
        }
    )


def texts(plan: Plan, **wishes: object) -> dict[str, str]:
    """The generated texts by file name."""
    return {
        name: content.decode()
        for name, content in files_of(plan, tuple(FORMATS), tuple(FILES), wishes, bill=False).items()
        if "/" not in name
    }


# ---- files


def test_every_form_of_a_site_reads_back(tmp_path: Path) -> None:
    (tmp_path / "site.json").write_text(json.dumps(FACTS))
    (tmp_path / "site.yaml").write_text(yaml.safe_dump(FACTS, sort_keys=False))
    (tmp_path / "site.ttl").write_text(complete_site(FACTS, "site").to_turtle())
    read = [load_site(str(tmp_path / f"site.{form}")) for form in ("json", "yaml", "ttl")]
    assert read[0].facts == read[1].facts == read[2].facts
    said = read[0].to_json()
    assert {key: said[key] for key in FACTS} == FACTS


def test_the_example_states_every_key() -> None:
    stated = {key.replace("[]", "") for key in fact_keys("sites").all_paths()}

    def paths(value: Any, prefix: str = "") -> set[str]:
        if isinstance(value, dict):
            return {prefix.rstrip(".")} | {
                found for key, item in value.items() for found in paths(item, f"{prefix}{key}.")
            }
        if isinstance(value, list):
            return {prefix.rstrip(".")} | {found for item in value for found in paths(item, prefix)}
        return {prefix.rstrip(".")}

    assert stated - paths(FACTS) == {"resource_syntax", "gpu_type"}  # of PBS, and of a site with one kind


@pytest.mark.parametrize(
    ("key", "value", "complaint"),
    [
        ("schedular", "slurm", "unknown key 'schedular'.*did you mean 'scheduler'"),
        ("scheduler", "slrum", "key 'scheduler': unknown scheduler 'slrum'; .*did you mean 'slurm'"),
        ("time_limit", "soon", "key 'time_limit'.*hours:minutes:seconds"),
        ("time_limit", 720, "key 'time_limit' has the value 720; expected a text"),
        ("partitions", [{"nmae": "gpu"}], r"unknown key 'partitions\[\].nmae'"),
        ("partitions", [{"name": "cpu"}, {"name": "a b"}], r"key 'partitions\[1\].name'"),
        ("partitions", {"name": "cpu"}, "key 'partitions' is not a list"),
        (
            "storage",
            [{"path": "/x", "class": "fast"}],
            r"key 'storage\[0\].class': unknown class of storage 'fast'; expected local, memory, network",
        ),
        ("storage", [{"path": "scratch", "class": "local"}], r"key 'storage\[0\].path'.*such as /scratch"),
        ("storage", [{"class": "local"}], r"key 'storage\[0\].path' does not fit"),
        (
            "storage",
            [{"path": "/scratch/../etc", "class": "local"}],
            r"key 'storage\[0\].path'.*without \.\.",
        ),
        ("provides", ["a b"], "key 'provides': unknown capability 'a b'"),
        ("account", "\ud800", "a text holds half of a pair of surrogates"),
        ("proxies", {"http": "http://me:secret@proxy:3128"}, "key 'proxies.http'.*without user and password"),
        ("packages", {"python_index": "ftp://mirror"}, "key 'packages.python_index'"),
        ("binds", ["data"], "key 'binds'.*SOURCE"),
        ("container_flags", ["-B"], "key 'container_flags'"),
        ("build_folder", "build", "key 'build_folder'"),
        ("whole_nodes", "yes", "key 'whole_nodes'.*true or false"),
        ("name", "", "key 'name'"),
        ("iri", "no iri", "key 'iri'"),
    ],
)
def test_a_wrong_site_is_refused_with_the_key(key: str, value: Any, complaint: str, tmp_path: Path) -> None:
    file = tmp_path / "site.json"
    file.write_text(json.dumps({key: value}))
    with pytest.raises(BadInput, match=complaint) as refused:
        load_site(str(file), shipped().store)
    assert str(refused.value).startswith(str(file))


def test_broken_files_and_unknown_names_are_told_apart(tmp_path: Path) -> None:
    (tmp_path / "site.yaml").write_text("scheduler: [slurm\n")
    with pytest.raises(BadInput, match=r"site.yaml:\d+: malformed YAML"):
        load_site(str(tmp_path / "site.yaml"))
    (tmp_path / "two.ttl").write_text(
        "@prefix on: <https://w3id.org/ontune#> . <urn:a> a on:Site . <urn:b> a on:Site ."
    )
    with pytest.raises(BadInput, match="describes 2 resources"):
        load_site(str(tmp_path / "two.ttl"))
    with pytest.raises(BadInput, match=r"unknown site 'puthi'.*did you mean 'puhti'"):
        load_site("puthi")
    assert {"puhti", "lumi", "sodalite-testbed"} <= {*site_names()}


# ---- what it tells jobs


def test_a_job_is_as_the_site_wants_it() -> None:
    written = texts(at_site(FACTS, **GPU))
    slurm = {*re.findall(r"^#SBATCH (.*)", written["job.slurm"], re.MULTILINE)}
    assert {
        "--account=p42",
        "--partition=gpu",
        "--qos=fast",
        "--constraint=a100",
        "--time=02:00:00",
        "--exclusive",
        "--gres=gpu:a100:4",
    } <= slurm
    assert " --mpi=pmix " in written["job.slurm"]
    for name in FILES.values():
        assert (
            "module purge\nmodule use /apps/modules\nmodule load PrgEnv-gnu apptainer/1.4\n" in written[name]
        )
        assert " run --nvccli --bind /data:/data:ro --bind /scratch --bind " in written[name]


def test_a_job_without_accelerators_goes_elsewhere_and_the_user_has_the_last_word() -> None:
    assert "#SBATCH --partition=cpu\n" in texts(at_site(FACTS))["job.slurm"]
    assert "--qos" not in texts(at_site(FACTS))["job.slurm"]
    asked = Job.for_plan(at_site(FACTS, **GPU), {"queue": "mine", "modules": [], "time": "00:10:00"})
    assert (asked.queue, asked.modules, asked.time, asked.account) == ("mine", (), "00:10:00", "p42")
    with pytest.raises(
        BadInput, match="job: time: 2-00:00:00 is more than gpu gives; expected at most 1-00:00:00"
    ):
        Job.for_plan(at_site(FACTS, **GPU), {"time": "2-00:00:00"})


def test_pbs_is_asked_in_the_words_of_the_site() -> None:
    torque = texts(
        at_site({"scheduler": "pbs"}, **GPU), memory_gib=8, nodes=2, array="0-3", time="1-00:30:00"
    )["job.pbs"]
    assert {"-l nodes=2:ppn=64:gpus=4", "-l mem=16gb", "-t 0-3", "-l walltime=24:30:00"} <= {
        *re.findall(r"^#PBS (.*)", torque, re.MULTILINE)
    }
    other = texts(
        at_site({"scheduler": "pbs", "resource_syntax": "select"}, **GPU), memory_gib=8, nodes=2, array="0-3"
    )["job.pbs"]
    assert {"-l select=2:ncpus=64:mpiprocs=1:ngpus=4:mem=8gb", "-l place=scatter", "-J 0-3"} <= {
        *re.findall(r"^#PBS (.*)", other, re.MULTILINE)
    }
    with pytest.raises(BadInput, match="PBS Professional takes one range"):
        texts(at_site({"resource_syntax": "select"}), array="1,3")


# ---- what it tells builds


def test_a_build_is_told_of_the_site_and_no_generated_file_is() -> None:
    variables = complete_site(FACTS, "site").builder_variables()
    assert (
        variables["PIP_INDEX_URL"] == "https://mirror.example.org/simple"
        and variables["APPTAINER_TMPDIR"] == "/local/build"
    )
    assert {
        "http_proxy",
        "https_proxy",
        "no_proxy",
        "PIP_CERT",
        "PIP_EXTRA_INDEX_URL",
        "PIP_FIND_LINKS",
    } <= variables.keys()
    assert {"ONTUNE_DEBIAN_MIRROR", "ONTUNE_UBUNTU_MIRROR"} <= variables.keys()
    written = texts(at_site(FACTS))
    for name in {*written} - {"plan.json"}:
        for value in variables.values():
            assert value not in written[name], f"{name} names {value}"


def test_the_site_settings_hold_for_the_time_of_the_build_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "https://mine.example.org/simple")
    monkeypatch.delenv("http_proxy", raising=False)
    certificates = tmp_path / "site.pem"
    certificates.write_text("certificates")
    facts = {key: value for key, value in FACTS.items() if key != "build_folder"} | {
        "ca_bundle": str(certificates)
    }
    with site_settings.of_site(complete_site(facts, "site")):
        assert os.environ["http_proxy"] == "http://proxy.example.org:3128"
        with site_settings.laid_out(None, tmp_path) as binds:
            stage = Path(binds[0].partition(":")[0]) / "ontune"
            assert "https://mirror.example.org/simple" in (stage / "pip.conf").read_text()
            assert (stage / "certificates.pem").read_text() == "certificates"
    assert os.environ["PIP_INDEX_URL"] == "https://mine.example.org/simple" and "http_proxy" not in os.environ


def test_a_build_folder_must_be_there_and_on_the_node(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = complete_site({"build_folder": str(tmp_path / "missing")}, "site")
    with pytest.raises(BadInput, match="no such folder"), site_settings.of_site(site):
        pass
    monkeypatch.setattr(site_settings, "storage_of", lambda folder: ("nfs4", "network"))
    with (
        pytest.raises(BadInput, match=r"nfs4.*network"),
        site_settings.of_site(complete_site({"build_folder": str(tmp_path)}, "site")),
    ):
        pass


# ---- what it offers


@pytest.fixture(scope="module")
def offering(tmp_path_factory: pytest.TempPathFactory) -> tuple[Reasoner, Site]:
    file = tmp_path_factory.mktemp("site") / "ours.ttl"
    file.write_text(OFFERS)
    arguments = RequestArguments(site=str(file))
    reasoner = arguments.reasoner()
    return reasoner, load_site(str(file), reasoner.store)


def planned(reasoner: Reasoner, **choices: Any) -> Plan:
    """A plan for PyTorch on a node with an H100 whose C library is no newer than that of the images."""
    target = load_target("eos-h100", reasoner.store).with_overrides({"runtimes": ["apptainer"]})
    return reasoner.plan(load_workload("mnist-cnn", reasoner.store), target, framework="pytorch", **choices)


def test_a_sites_image_is_a_candidate_at_the_site_once_its_terms_are_accepted(
    offering: tuple[Reasoner, Site],
) -> None:
    reasoner, site = offering
    pinned = {"base_image": "our-pytorch", "wheel": "pytorch-build-of-image"}
    target = load_target("eos-h100", reasoner.store)
    workload = load_workload("mnist-cnn", reasoner.store)
    refused = reasoner.why_not("our-pytorch", workload, target, framework="pytorch", site=site)
    assert any("the vendor's licence 3.1" in reason["text"] for reason in refused["reasons"]), refused
    elsewhere = reasoner.why_not("our-pytorch", workload, target, framework="pytorch", allow=("our-pytorch",))
    assert any("is there at" in reason["text"] for reason in elsewhere["reasons"]), elsewhere
    plan = planned(reasoner, site=site, allow=("our-pytorch",), pins=pinned)
    assert plan.option("image_source") == "site-image"
    definition = texts(plan)["ontune.def"]
    assert (
        "Bootstrap: localimage\nFrom: /apps/images/pytorch.sif\n" in definition
        and "%arguments" not in definition
    )
    built = planned(reasoner, site=site)
    assert built.option("base_image") not in ("our-pytorch",), "taken without its terms"


def test_a_sites_module_needs_no_image(offering: tuple[Reasoner, Site], tmp_path: Path) -> None:
    reasoner, site = offering
    plan = planned(reasoner, site=site, pins={"base_image": "our-module"})
    written = texts(plan)
    assert not {"ontune.def", "Dockerfile"} & written.keys()
    for name in FILES.values():
        assert "module load pytorch/2.13\n" in written[name] and "apptainer" not in written[name].replace(
            "for containers", ""
        )
    assert "#SBATCH --partition=gpu\n" in written["job.slurm"]


def test_the_question_of_a_plan_has_its_whole_site(offering: tuple[Reasoner, Site]) -> None:
    reasoner, site = offering
    asked = Plan.from_json(json.loads(json.dumps(planned(reasoner, site=site).to_json()))).asked()
    assert asked.site is not None and (asked.site.iri, asked.site.facts) == (site.iri, site.facts)
    assert reasoner.plan(asked).plan_id == planned(reasoner, site=site).plan_id != planned(reasoner).plan_id


def test_a_plan_with_a_sites_own_option_is_asked_about_with_the_sites_file(
    offering: tuple[Reasoner, Site], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    reasoner, site = offering
    file, ours = tmp_path / "plan.json", tmp_path / "ours.ttl"
    ours.write_text(OFFERS)
    file.write_text(json.dumps(planned(reasoner, site=site, pins={"base_image": "our-module"}).to_json()))
    asked = RequestArguments(plan=file, site=str(ours))
    again = asked.reasoner()
    assert again.plan(asked.question(again)).option("base_image") == "our-module"
    capsys.readouterr()
    with pytest.raises(BadInput, match=r"plan\.json: request: pins: unknown"):
        without = RequestArguments(plan=file).reasoner()
        without.plan(RequestArguments(plan=file).question(without))
    assert "was made with other knowledge" in capsys.readouterr().err
    other = RequestArguments(plan=file, site="lumi", drop=["pin=base_image"]).question(again)
    assert other.site is not None and other.site.name == "lumi"


def test_a_site_file_that_is_no_knowledge_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "broken.ttl"
    file.write_text(
        OFFERS.replace('on:optionOf kb:base_image ; skos:notation "our-module"', 'skos:notation "our module"')
    )
    with pytest.raises(BadInput, match=r"broken\.ttl"):
        RequestArguments(site=str(file)).reasoner()


def test_a_job_on_modules_runs_the_program_without_a_container(
    offering: tuple[Reasoner, Site], tmp_path: Path
) -> None:
    require("bash", True)
    reasoner, site = offering
    files = files_of(
        planned(reasoner, site=site, pins={"base_image": "our-module"}), (), ("bash",), bill=False
    )
    for name, content in files.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
        path.chmod(0o755)
    python = tmp_path / "python3"
    python.write_text('#!/bin/sh\necho "$@"\n')
    python.chmod(0o755)
    for launcher in ("torchrun",):
        (tmp_path / launcher).write_text('#!/bin/sh\nshift 6\nexec "$@"\n')
        (tmp_path / launcher).chmod(0o755)
    command = 'module() { echo "module $*"; }; export -f module; exec ./job.sh --windows 2'
    variables = {"PATH": f"{tmp_path}:/usr/bin:/bin", "HOME": str(tmp_path), "ONTUNE_PYTHON": str(python)}
    done = subprocess.run(
        ["bash", "-c", command], cwd=tmp_path, capture_output=True, text=True, check=False, env=variables
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[:2] == ["module purge", "module load pytorch/2.13"]
    assert "--network mnist-cnn" in done.stdout and done.stdout.rstrip().endswith("--windows 2")
