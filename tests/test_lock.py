"""Locks and bills of materials: what pip resolves is what the bundle names, by hash; the bill is valid by the library's own validator."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import plans
import pytest

from generators import lock
from generators.bundle import write_bundle
from kb.errors import RunFailed
from reasoner.plan import Plan

PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"


def make_wheel(folder: Path, name: str, version: str, *requires: str) -> Path:
    """A pure-Python wheel with nothing but its metadata."""
    wheel = folder / f"{name}-{version}-py3-none-any.whl"
    info = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(wheel, "w") as archive:
        metadata = [f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n", *(f"Requires-Dist: {other}\n" for other in requires)]
        archive.writestr(f"{info}/METADATA", "".join(metadata))
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    return wheel


@pytest.fixture
def wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of wheels that the user's pip configuration names, and nothing else."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    make_wheel(folder, "fastnet", "2.0", "tensors>=1")
    make_wheel(folder, "tensors", "1.5")
    make_wheel(folder, "tensors", "1.4")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    yield folder


def locked_plan() -> Plan:
    plan = plans.plan("tensorflow")
    decisions = [decision for decision in plan.decisions if decision.decision not in ("wheel", "python")]
    more = (plans.taken("wheel", "fastnet-2.0", plans.application("package", "fastnet", "2.0", "pip")), plans.taken("python", PYTHON))
    return Plan.from_json(plan.to_json() | {"decisions": [*decisions_as_json(decisions), *decisions_as_json(more)]})


def decisions_as_json(decisions: object) -> list[object]:
    document: list[object] = Plan("p", {}, {}, "", "", tuple(decisions), {}, (), (), {}).to_json()["decisions"]  # type: ignore[arg-type]
    return document


def test_all_packages_are_locked_by_hash(wheels: Path, tmp_path: Path) -> None:
    bundle = write_bundle(locked_plan(), tmp_path / "bundle", locked=True)
    text = (bundle.folder / "requirements.lock").read_text()
    assert dict(re.findall(r"^(\S+) \\\n    --hash=sha256:(\w+)$", text, re.MULTILINE)) == {
        "fastnet==2.0": hashlib.sha256((wheels / "fastnet-2.0-py3-none-any.whl").read_bytes()).hexdigest(),
        "tensors==1.5": hashlib.sha256((wheels / "tensors-1.5-py3-none-any.whl").read_bytes()).hexdigest(),
    }
    definition = bundle.definition.read_text()
    assert "--require-hashes --requirement \"$prefix/requirements.lock\"" in definition
    assert "requirements.lock /opt/ontune/requirements.lock" in definition


@pytest.mark.slow
def test_an_installation_by_the_lock_refuses_another_wheel(wheels: Path, tmp_path: Path) -> None:
    bundle = write_bundle(locked_plan(), tmp_path / "bundle", locked=True)

    def install() -> subprocess.CompletedProcess[str]:
        return subprocess.run(["sh", bundle.folder / "install.sh"], capture_output=True, text=True, check=False)

    wheel = wheels / "tensors-1.5-py3-none-any.whl"
    resolved = wheel.read_bytes()
    make_wheel(wheels, "tensors", "1.5", "fastnet")
    done = install()
    assert done.returncode != 0
    assert "DO NOT MATCH THE HASHES" in done.stderr
    wheel.write_bytes(resolved)
    done = install()
    assert done.returncode == 0, done.stderr
    assert "tensors==1.5" in (bundle.folder / "python-packages.txt").read_text()


def test_what_cannot_be_resolved_is_said(wheels: Path, tmp_path: Path) -> None:
    with pytest.raises(RunFailed, match=r"No matching distribution found for gone==1"):
        lock.resolve("gone==1\n", PYTHON)
    with pytest.raises(RunFailed):
        write_bundle(plans.plan("tensorflow", "debian-12", plans.taken("python", PYTHON)), tmp_path / "bundle", locked=True)
    assert not (tmp_path / "bundle").exists()


@pytest.mark.parametrize("framework", plans.FRAMEWORKS)
def test_the_bill_of_materials_is_valid_and_complete(framework: str, tmp_path: Path) -> None:
    from spdx_tools.spdx.parser.parse_anything import parse_file
    from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document

    bundle = write_bundle(plans.plan(framework), tmp_path / "bundle")
    document = parse_file(str(bundle.folder / "sbom.spdx.json"))
    assert validate_full_spdx_document(document) == []
    named = {(package.name, package.version) for package in document.packages}
    for manager in ("apt", "pip"):
        assert {(entry.name, entry.value or None) for entry in bundle.plan.applied("package", manager)} <= named  # type: ignore[arg-type]
    on_disk = {f"./{path.relative_to(bundle.folder)}" for path in bundle.folder.rglob("*") if path.is_file()}
    assert {file.name for file in document.files} == on_disk - {"./sbom.spdx.json", "./plan.json"}


def test_the_bill_of_a_locked_bundle_has_the_hashes(wheels: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    first = write_bundle(locked_plan(), tmp_path / "first", locked=True).folder / "sbom.spdx.json"
    bill = json.loads(first.read_text())
    tensors = next(package for package in bill["packages"] if package["name"] == "tensors")
    assert tensors["checksums"][0]["checksumValue"] == hashlib.sha256((wheels / "tensors-1.5-py3-none-any.whl").read_bytes()).hexdigest()
    assert tensors["externalRefs"][0]["referenceLocator"] == "pkg:pypi/tensors@1.5"
    second = write_bundle(locked_plan(), tmp_path / "second", locked=True).folder / "sbom.spdx.json"
    assert first.read_bytes() == second.read_bytes()
