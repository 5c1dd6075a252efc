"""Packages that are compiled against the framework: they are installed after it, in a step of their own and not
in an environment of their own, beside what compiles them.
"""

from __future__ import annotations

import re
import subprocess
import tarfile
from functools import cache
from pathlib import Path

import plans
import pytest
from plans import make_wheel

from bench.images import inputs
from bench.images.locking import lock_for
from generators.bundle import files_of, write_bundle
from generators.recipe.recipe import COMPILED, Recipe
from generators.writers.run_script import write_compiled, write_requirements
from kb.errors import BadInput, NoFeasiblePlan
from kb.records.targets import load_target
from kb.records.workload import load_workload
from kb.values import replace
from reasoner.answers.package_remarks import package_knowledge
from reasoner.answers.plan import Plan
from reasoner.reasoner import Reasoner

FLASH = {"attention": "flash-attention-2"}


@cache
def reasoner() -> Reasoner:
    return Reasoner([])


def planned(target: str = "eos-h100", *requires: str, **pins: str) -> Plan:
    store = reasoner().store
    workload = load_workload("llama-7b", store)
    if requires:
        facts = {"script": "train.py", "requires": list(requires), "framework": "pytorch"}
        workload = replace(workload, facts={**workload.facts, **facts})
    return reasoner().plan(workload, load_target(target, store), pins=pins)


def texts(plan: Plan) -> dict[str, str]:
    written = files_of(plan, ("apptainer", "dockerfile"), (), bill=False)
    return {name: content.decode() for name, content in written.items() if not name.startswith("workload/")}


def required(plan: Plan) -> tuple[list[str], list[str]]:
    """What each of the two steps installs."""
    recipe = Recipe.from_plan(plan)
    return lines(write_requirements(recipe)), lines(write_compiled(recipe))


def lines(text: str) -> list[str]:
    return [line.split("#")[0].strip() for line in text.splitlines() if line.split("#")[0].strip()]


def test_what_is_compiled_against_the_framework_takes_a_base_with_its_compiler() -> None:
    plan, store = planned(**FLASH), reasoner().full_store
    providers = store.select(
        "SELECT ?name WHERE { ?o on:provides cap:device-compiler ; skos:notation ?name }"
    )
    assert plan.option("base_image") in {row["name"] for row in providers}
    assert planned().option("base_image") not in {row["name"] for row in providers}


@pytest.mark.parametrize(
    ("pins", "lacking"),
    [
        ({"base_image": "debian-12-build"}, "needs a compiler for the accelerator"),
        (
            {"framework_release": "torch-2.14.1"},
            r"needs a PyTorch whose extensions may be compiled as C\+\+17",
        ),
    ],
)
def test_what_cannot_compile_it_is_refused_by_name(pins: dict[str, str], lacking: str) -> None:
    with pytest.raises(NoFeasiblePlan, match=lacking):
        planned(**FLASH, **pins)


def test_it_is_installed_after_the_framework_in_a_step_of_its_own() -> None:
    plan = planned(**FLASH)
    written = texts(plan)
    assert lines(written[COMPILED]) == ["flash-attn==2.8.3.post2"]
    first = lines(written["requirements.txt"])
    assert any(line.startswith("torch==") for line in first) and "flash-attn" not in " ".join(first)
    for name in ("ontune.def", "install.sh"):
        steps = re.findall(r"-m pip install (?:.*\\\n)*.*", written[name])
        assert [("--no-build-isolation" in step, COMPILED in step) for step in steps] == [
            (False, False),
            (True, True),
        ], name
    assert f"{COMPILED} /opt/ontune/{COMPILED}" in written["ontune.def"]
    assert f"COPY {COMPILED} /opt/ontune/{COMPILED}" in written["Dockerfile"]
    assert COMPILED in written["ontune.def"].partition("%test")[2]


def test_what_is_not_compiled_has_one_step() -> None:
    written = texts(planned())
    assert COMPILED not in written and "--no-build-isolation" not in "".join(written.values())


def test_options_bring_what_their_packages_are_compiled_with() -> None:
    """What an option installs beside its package is what the package needs by its own knowledge."""
    store = reasoner().full_store
    tools = package_knowledge(store).build_tools
    by_option = store.select(
        "SELECT ?o ?name WHERE { ?o on:appliedBy ?p . ?p a on:CompiledPythonPackage ; on:name ?name }"
    )
    assert by_option
    for row in by_option:
        found = store.select(
            f"SELECT ?name ?version WHERE {{ <{row['o']}> on:appliedBy ?p . ?p a on:PythonPackage ; on:name ?name ; on:value ?version }}"
        )
        assert set(tools[row["name"]]) <= {f"{one['name']}=={one['version']}" for one in found}


@pytest.mark.parametrize(
    "name", ["flash-attn", "flash_attn>=2", "causal-conv1d", "mamba-ssm", "torch-scatter"]
)
def test_a_requirement_that_is_compiled_has_its_step_and_its_tools(name: str) -> None:
    plan = planned("eos-h100", name, "tqdm")
    first, compiled = required(plan)
    assert compiled == [name] and {"tqdm", "wheel==0.48.0", "setuptools==81.0.0"} <= set(first)
    assert [one["compiled"] for one in plan.requirements] == [True, False]


def test_a_tool_that_the_script_asks_for_itself_is_its_own() -> None:
    first, _ = required(planned("eos-h100", "flash-attn", "packaging<26"))
    assert "packaging<26" in first and not any(line.startswith("packaging==") for line in first)


@pytest.mark.parametrize("name", ["deepspeed==0.19.8", "xformers==0.0.35"])
def test_what_has_wheels_or_compiles_later_is_no_step_of_its_own(name: str) -> None:
    plan = planned("eos-h100", name)
    assert not Recipe.from_plan(plan).compiles and not required(plan)[1]


def test_a_framework_that_the_base_brings_is_seen_beside_further_packages() -> None:
    pins = {"base_image": "nvcr-pytorch-25.05", "framework_release": "pytorch-of-image"}
    for more in ({}, FLASH, {"attention": "xformers"}):
        try:
            plan = planned(**pins, **more)
        except NoFeasiblePlan:
            assert more.get("attention") == "xformers"  # which asks for another build
            continue
        assert "venv --system-site-packages" in texts(plan)["ontune.def"]
    assert "--system-site-packages" not in texts(planned())["ontune.def"]


# ---- with pip: a package whose build reads the framework that is installed

BACKEND = '''
"""Builds a wheel that says which framework was there; without one it fails, as torch's extensions do."""
import zipfile
import fastnet

NAME = "faster-2.0-py3-none-any.whl"


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    with zipfile.ZipFile(f"{wheel_directory}/{NAME}", "w") as archive:
        archive.writestr("faster.py", f"AGAINST = {fastnet.VERSION!r}\\n")
        archive.writestr("faster-2.0.dist-info/METADATA", "Metadata-Version: 2.1\\nName: faster\\nVersion: 2.0\\n")
        archive.writestr("faster-2.0.dist-info/WHEEL", "Wheel-Version: 1.0\\nGenerator: test\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        archive.writestr("faster-2.0.dist-info/RECORD", "")
    return NAME
'''


@pytest.fixture
def compiled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Plan:
    """A plan of a framework and of a package that is compiled against it, both in a folder that pip's
    configuration names.
    """
    folder, source = tmp_path / "index", tmp_path / "faster-2.0"
    folder.mkdir(), source.mkdir()
    make_wheel(folder, "fastnet", "2.0", module="VERSION = '2.0'\n")
    (source / "backend.py").write_text(BACKEND)
    (source / "pyproject.toml").write_text(
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    )
    (source / "PKG-INFO").write_text("Metadata-Version: 2.1\nName: faster\nVersion: 2.0\n")
    with tarfile.open(folder / "faster-2.0.tar.gz", "w:gz") as archive:
        archive.add(source, "faster-2.0")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    plan = plans.tiny("fastnet", "2.0", "python-3.11-slim")
    attention = plans.taken("attention", "faster", plans.application("package", "faster", "2.0", "source"))
    return replace(plan, decisions=(*plan.decisions, attention))


def test_pip_compiles_it_against_the_framework_that_it_has_installed(compiled: Plan, tmp_path: Path) -> None:
    bundle = write_bundle(compiled, tmp_path / "bundle")
    done = subprocess.run(["sh", bundle.folder / "install.sh"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    python = bundle.folder / "venv/bin/python"
    said = subprocess.run(
        [python, "-c", "import faster; print(faster.AGAINST)"], capture_output=True, text=True, check=True
    )
    assert said.stdout == "2.0\n"
    assert "faster==2.0" in (bundle.folder / "python-packages.txt").read_text()


def test_a_lock_says_what_it_does_not_hold(
    compiled: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")  # no registry answers
    said: list[str] = []
    recipe = Recipe.from_plan(compiled)
    without = replace(
        compiled,
        decisions=tuple(
            one for one in compiled.decisions if not any(each.manager == "apt" for each in one.apply)
        ),
    )
    lock = lock_for(without, None, said.append)
    assert recipe.compiles and [package.name for package in lock.python] == ["fastnet"]
    assert "not locked: what is compiled in the image (faster==2.0) and what that requires" in said
    bundle = write_bundle(without, tmp_path / "bundle", lock=lock)
    steps = re.findall(r"-m pip install (?:.*\\\n)*.*", (bundle.folder / "install.sh").read_text())
    assert ["--require-hashes" in step for step in steps] == [True, False]


def test_what_is_compiled_is_not_fetched(compiled: Plan, tmp_path: Path) -> None:
    from generators.provenance.lock import Lock

    bundle = write_bundle(compiled, tmp_path / "bundle", lock=Lock((), request="0"))
    with pytest.raises(BadInput, match="what is compiled in the image from its source, which is not fetched"):
        inputs.fetch(bundle, None)  # type: ignore[arg-type]  # nothing is asked of it


def test_a_bundle_keeps_no_step_of_another_plan(compiled: Plan, tmp_path: Path) -> None:
    folder = write_bundle(compiled, tmp_path / "bundle").folder
    assert (folder / COMPILED).is_file()
    write_bundle(plans.tiny("fastnet", "2.0", "python-3.11-slim"), folder)
    assert not (folder / COMPILED).exists()
