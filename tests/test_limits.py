"""Every output applies every option, or says in its file and on stderr what it cannot; two stages where
packages are needed to build only.
"""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import plans
import pytest

from bench.images.apptainer import Apptainer
from generators.bundle import FORMATS, files_of, write_bundle
from generators.read.definition import read_definition
from generators.recipe.limits import unapplied
from generators.recipe.recipe import Recipe
from kb.values import replace
from ontune.cli import main
from reasoner.answers.plan import Application, Plan

DEVICE = plans.taken("accelerator", "cuda", plans.application("flag", "--nv"))
STAGED = plans.taken("data_path", "data-node-local", plans.application("flag", "stage-data", "node-local"))
MPI = plans.taken("distributed", "mpi", plans.application("launcher", "mpirun", "-n 4"))
INDEXED = plans.taken(
    "wheel_index", "cpu", plans.application("package", "cpu", "https://example.org/whl", "index")
)
FILES = {
    "apptainer": ("ontune.def", "run.sh"),
    "dockerfile": ("Dockerfile", "install.sh", "run.sh"),
    "install": ("install.sh", "run.sh"),
}


def plan(framework: str, base: str) -> Plan:
    return plans.plan(framework, base, DEVICE, STAGED, MPI, INDEXED)


def shows(application: Application, text: str) -> bool:
    """Whether a text does what an application asks for, in the words of that output."""
    name, value = re.escape(application.name), re.escape(application.value)
    forms = {
        ("env", ""): rf"(export|ENV) {name}=",
        ("package", "apt"): rf"need {name}\b",
        ("package", "pip"): rf"^{name}=={value}",
        ("package", "index"): rf"--extra-index-url '?{value}",
        ("code", ""): rf"--setting '?{name}=|--framework {value}",
        ("image", ""): {"Suite": rf"\b{value}\b", "Bootstrap": rf"Bootstrap: {value}|FROM {value}", "From": value}.get(application.name, value),
        ("flag", ""): r"never",
        ("launcher", ""): rf"^ +{name}\b" if application.name != "python" else r'"\$python"',
    }  # fmt: skip
    return re.search(forms[(application.how, application.manager)], text, re.MULTILINE) is not None


@pytest.mark.parametrize("framework", plans.FRAMEWORKS)
@pytest.mark.parametrize("base", plans.BASES)
@pytest.mark.parametrize("output", FILES)
def test_every_application_is_applied_or_said_to_be_left(framework: str, base: str, output: str) -> None:
    asked = plan(framework, base)
    files = {
        name: content.decode()
        for name, content in files_of(asked, tuple(FORMATS), (), bill=False).items()
        if name.count("/") == 0
    }
    left = unapplied(Recipe.from_plan(asked), output)
    text = "\n".join(files[name] for name in (*FILES[output], "requirements.txt"))
    for line in left:
        assert f"# Not applied here: {line}." in files[FILES[output][0]]
    code = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    for taken in asked.decisions:
        for application in taken.apply:
            said = any(
                line.startswith(
                    f"{application.name} {application.value}".strip() + f" ({taken.decision}: {taken.option}"
                )
                for line in left
            )
            if (output, application.name, base) in (
                ("dockerfile", "Suite", "debian-12"),
                ("dockerfile", "Bootstrap", "python-3.11-slim"),
            ):
                continue  # the name of the image says both
            assert said or shows(application, code), (output, application)


def test_what_is_left_is_said_on_stderr(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "plan.json").write_text(json.dumps(plan("pytorch", "debian-12").to_json()))
    with pytest.raises(SystemExit) as ended:
        main(
            [
                "recipe",
                "--plan",
                str(tmp_path / "plan.json"),
                "-o",
                str(tmp_path / "bundle"),
                "--format",
                "json",
            ]
        )
    said = capsys.readouterr()
    assert not ended.value.code and json.loads(said.out)["files"]
    for line in (
        "ontune.def: not applied: --nv (accelerator: cuda): the image cannot hold it; jobs give it when they run the image",
        "Dockerfile: not applied: Bootstrap localimage (image_source: localimage): a Dockerfile begins from images of a registry alone",
        "install.sh: not applied: stage-data node-local (data_path: data-node-local): job scripts do it, or say that they cannot",
    ):
        assert line in said.err


def built_in_two(**workload: object) -> Plan:
    return plans.plan("pytorch", "debian-12", build_packages=["g++", "git"], **workload)


def test_packages_that_only_build_stay_in_the_first_stage() -> None:
    text = files_of(built_in_two(), ("apptainer",), (), bill=False)["ontune.def"].decode()
    lines = read_definition(text, "ontune.def")
    names = [line.text for line in lines if (line.section, line.key) == ("header", "stage")]
    assert names == ["build", "final"]
    needs = [
        {line.text.split()[1] for line in lines if line.stage == stage and line.text.startswith("need ")}
        for stage in (0, 1)
    ]
    assert needs[0] - needs[1] == {"g++", "git"} and "libtcmalloc-minimal4" in needs[1]
    copied = [line for line in lines if line.section == "files" and line.key == "from build"]
    assert [line.text for line in copied] == ["/opt/ontune /opt/ontune"]
    sections = [{line.section for line in lines if line.stage == stage} for stage in (0, 1)]
    assert sections[0] == {"header", "arguments", "files", "post"}
    assert sections[1] == sections[0] | {"labels", "help", "environment", "runscript", "test"}
    assert not any("pip install" in line.text for line in lines if line.stage == 1)
    assert "Stage:" not in files_of(plans.plan(), ("apptainer",), (), bill=False)["ontune.def"].decode()


def test_labels_carry_the_keys_of_the_oci_and_where_the_plan_comes_from() -> None:
    digest = "sha256:" + "ab" * 32
    base = plans.taken(
        "base_image", "pinned", plans.application("image", "From", f"docker.io/library/debian@{digest}")
    )
    pinned = plans.plan("pytorch", "python-3.11-slim")
    decisions = tuple(base if taken.decision == "base_image" else taken for taken in pinned.decisions)
    assert (
        Recipe.from_plan(pinned).labels["org.opencontainers.image.base.name"]
        == "docker.io/library/python:3.11-slim-bookworm"
    )
    labels = Recipe.from_plan(replace(pinned, decisions=decisions)).labels
    assert labels["org.opencontainers.image.base.name"] == "docker.io/library/debian"
    assert labels["org.opencontainers.image.base.digest"] == digest
    assert labels["org.opencontainers.image.version"] == labels["ontune.plan-id"] == pinned.plan_id
    assert labels["ontune.knowledge-sha256"] == pinned.knowledge["sha256"]
    assert labels["ontune.sources"] == "https://example.org/source"


@pytest.mark.apptainer
@pytest.mark.parametrize(
    ("bootstrap", "source", "says"),
    [
        ("docker", "docker.io/library/debian:12", "conveyor failed to get"),
        ("oras", "registry.example/base:1", "conveyor failed to get"),
        ("library", "lib/collection/base:1", "library client configuration"),
        ("localimage", "docker.io/library/debian:12", "conveyor failed to get"),
        ("debootstrap", "docker.io/library/debian:12", "conveyor failed to get"),
    ],
)
def test_apptainer_takes_every_kind_of_base(
    bootstrap: str, source: str, says: str, apptainer: Apptainer, tmp_path: Path
) -> None:
    kind = plans.taken("image_source", bootstrap, plans.application("image", "Bootstrap", bootstrap))
    base = plans.taken(
        "base_image",
        "base",
        plans.application("image", "From", source),
        plans.application("image", "Suite", "bookworm"),
    )
    asked = built_in_two()
    decisions = tuple(
        {"image_source": kind, "base_image": base}.get(taken.decision, taken) for taken in asked.decisions
    )
    bundle = write_bundle(replace(asked, decisions=decisions), tmp_path / "bundle")
    arguments = [
        word
        for name in bundle.recipe.build_arguments
        for word in ("--build-arg", f"{name}=http://127.0.0.1:9/nowhere")
    ]
    command = [apptainer.program, "build", "--fakeroot", "--force", *arguments, "never.sif", "ontune.def"]
    unreachable = {
        "https_proxy": "http://127.0.0.1:9",
        "http_proxy": "http://127.0.0.1:9",
        "PATH": "/usr/bin:/bin:/usr/sbin:/sbin",
    }
    said = subprocess.run(
        command, cwd=bundle.folder, capture_output=True, text=True, check=False, env=unreachable
    ).stderr
    assert says in said and "panic" not in said, said
