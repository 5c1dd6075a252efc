"""Locks and bills of materials: what pip resolves is what the bundle names, by hash; the bill is valid by the
library's own validator.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import plans
import pytest
from conftest import require
from plans import make_wheel
from spdx_tools.spdx.parser.parse_anything import parse_file
from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document
from test_generators import SHELLCHECK

from bench.images import registry
from bench.images import wheels as wheels_of
from bench.images.locking import interpreter_of, lock_for
from bench.images.scripts import script
from bench.images.wheels import Interpreter
from generators.bundle import Bundle, write_bundle
from generators.provenance.lock import Lock, SystemPackage
from generators.read.definition import read_definition
from generators.recipe.recipe import Recipe
from kb.errors import BadInput, RunFailed
from kb.records.targets import load_target
from kb.records.workload import load_workload
from kb.values import replace
from ontune.cli import main
from reasoner.answers.plan import DecisionTaken, Plan
from reasoner.reasoner import Reasoner

INTERPRETER = Interpreter(f"{sys.version_info.major}.{sys.version_info.minor}", "", platform.machine())
SYSTEM = (
    SystemPackage("libc6", "2.36-9+deb12u14", "amd64", "c" * 64),
    SystemPackage("libstdc++6", "1:12.2.0-14+deb12u1", "amd64", "d" * 64),
)

ADDED = (SystemPackage("make", "4.3-4.1", "amd64", "b" * 64),)


@pytest.fixture
def wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of wheels that the user's pip configuration names, and nothing else."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    make_wheel(folder, "fastnet", "2.0", "tensors>=1")
    make_wheel(folder, "tensors", "1.5")
    make_wheel(folder, "tensors", "1.4")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    return folder


def locked(folder: Path, plan: Plan | None = None) -> Bundle:
    """A bundle with all that pip finds for `fastnet`, on a base of two packages."""
    python = wheels_of.resolve("fastnet==2.0\n", INTERPRETER)
    return write_bundle(
        plan or plans.tiny("fastnet", "2.0"),
        folder,
        lock=Lock(python, SYSTEM, ADDED, "debian", "bookworm", request="0"),
    )


def on_image(version: str = "2.0", **changed: str) -> Plan:
    """A plan on an image of a registry that adds nothing to it, or one with other texts in the place of some
    of its own.
    """
    plan = plans.tiny("fastnet", version, base="python-3.11-slim")
    if not changed:
        return replace(
            plan, decisions=tuple(taken for taken in plan.decisions if taken.decision != "allocator")
        )
    text = json.dumps(plan.to_json())
    for name, value in changed.items():
        text = text.replace(
            {"image": "docker.io/library/python:3.11-slim-bookworm", "suite": '"bookworm"'}[name], value
        )
    return Plan.from_json(json.loads(text))


def test_all_packages_are_locked_by_hash(wheels: Path, tmp_path: Path) -> None:
    bundle = locked(tmp_path / "bundle")
    text = (bundle.folder / "requirements.lock").read_text()
    assert dict(re.findall(r"^(\S+) \\\n    --hash=sha256:(\w+)$", text, re.MULTILINE)) == {
        "fastnet==2.0": sha256(wheels / "fastnet-2.0-py3-none-any.whl"),
        "tensors==1.5": sha256(wheels / "tensors-1.5-py3-none-any.whl"),
    }
    definition = bundle.definition.read_text()
    assert '--require-hashes --requirement "$prefix/requirements.lock"' in definition
    assert (
        "requirements.lock /opt/ontune/requirements.lock" in definition
        and "system.lock /opt/ontune/system.lock" in definition
    )


@pytest.mark.slow
def test_an_installation_by_the_lock_refuses_another_wheel(wheels: Path, tmp_path: Path) -> None:
    bundle = locked(tmp_path / "bundle")

    def install() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["sh", bundle.folder / "install.sh"], capture_output=True, text=True, check=False
        )

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


def test_what_cannot_be_resolved_is_said(wheels: Path) -> None:
    with pytest.raises(RunFailed, match=r"No matching distribution found for gone==1"):
        wheels_of.resolve("gone==1\n", INTERPRETER)


def test_a_lock_is_read_back(wheels: Path, tmp_path: Path) -> None:
    bundle = locked(tmp_path / "bundle")
    lock = Lock.read(bundle.folder)
    assert lock == bundle.recipe.lock and lock is not None
    assert (lock.system, lock.added) == (SYSTEM, ADDED) and [package.name for package in lock.python] == [
        "fastnet",
        "tensors",
    ]
    write_bundle(bundle.plan, bundle.folder)
    assert Lock.read(bundle.folder) is None, "a bundle that is not locked keeps no lock"


@pytest.mark.parametrize(
    "line",
    [
        "package libc6 2.36 amd64 abc",
        "added libc6 2.36 amd64",
        "package $(id) 1 all " + "0" * 64,
        "image debian:12",
        "suite ../..",
        "curl x | sh",
    ],
)
def test_what_is_no_lock_is_named_by_its_line(line: str, wheels: Path, tmp_path: Path) -> None:
    bundle = locked(tmp_path / "bundle")
    (bundle.folder / "system.lock").write_text(f"# A lock.\nvendor debian\n{line}\n")
    with pytest.raises(BadInput, match=r"system\.lock:3"):
        Lock.read(bundle.folder)


def test_a_lock_stays_while_the_same_is_asked_for(wheels: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")  # no registry answers
    plan, said = on_image(), list[str]()
    first = lock_for(plan, None, said.append)
    assert [package.version for package in first.python] == ["2.0", "1.5"]
    assert (
        said[0].startswith(
            "not locked: the base. docker.io/library/python:3.11-slim-bookworm: docker.io does not tell"
        )
        and len(said) == 1
    )
    assert first.image == ""
    make_wheel(wheels, "tensors", "1.6")
    renamed = Plan.from_json(plan.to_json() | {"plan_id": "fedcba9876543210"})
    assert lock_for(renamed, first, said.append) == first
    assert [package.version for package in lock_for(plan, None, said.append).python] == ["2.0", "1.6"]
    make_wheel(wheels, "fastnet", "3.0")
    assert [package.version for package in lock_for(on_image("3.0"), first, said.append).python] == ["3.0"]


class Registry(BaseHTTPRequestHandler):
    """A registry with one image, which asks everybody for a token that everybody gets."""

    def do_HEAD(self) -> None:
        if self.headers.get("Authorization") != "Bearer anybody":
            self.answer(
                401,
                {
                    "WWW-Authenticate": f'Bearer realm="http://{self.headers["Host"]}/token",service="test",scope="repository:nn/base:pull"'
                },
            )
        elif (
            self.path == "/v2/nn/base/manifests/1.0"
            and "application/vnd.oci.image.index.v1+json" in self.headers["Accept"]
        ):
            self.answer(200, {"Docker-Content-Digest": f"sha256:{'e' * 64}"})
        else:
            self.answer(404, {})

    def do_GET(self) -> None:
        wanted = self.path.startswith("/token?") and "scope=repository%3Ann%2Fbase%3Apull" in self.path
        self.answer(200 if wanted else 404, {}, b'{"token": "anybody"}')

    def answer(self, code: int, headers: dict[str, str], body: bytes = b"") -> None:
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def host() -> Iterator[str]:
    """Where a registry listens on this machine."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Registry) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def test_the_image_of_a_registry_is_locked_by_its_digest(host: str, wheels: Path, tmp_path: Path) -> None:
    digest = "sha256:" + "e" * 64
    assert registry.pinned(f"{host}/nn/base:1.0") == f"{host}/nn/base@{digest}"
    assert registry.pinned(f"debian@{digest}") == f"debian@{digest}"
    with pytest.raises(RunFailed, match=r"nn/base:2\.0: .* does not tell its digest: .*404"):
        registry.pinned(f"{host}/nn/base:2.0")
    plan, said = on_image(image=f"{host}/nn/base:1.0"), list[str]()
    bundle = write_bundle(plan, tmp_path / "bundle", lock=lock_for(plan, None, said.append))
    assert said == []
    header = {
        line.key: line.text
        for line in read_definition(bundle.definition.read_text(), "ontune.def")
        if line.section == "header"
    }
    assert header == {"bootstrap": "docker", "from": f"{host}/nn/base@{digest}"}
    assert f"FROM {host}/nn/base@{digest}\n" in (bundle.folder / "Dockerfile").read_text()
    base = next(
        package
        for package in parse_file(str(bundle.folder / "sbom.spdx.json")).packages
        if package.name == f"{host}/nn/base"
    )
    assert base.checksums[0].value == "e" * 64


def test_what_is_added_to_an_image_is_locked_with_all_that_it_needs(
    host: str, wheels: Path, tmp_path: Path
) -> None:
    plan = on_image(image=f"{host}/nn/base:1.0")
    lock = lock_for(plan, None, print)
    named = {one.name: one for one in lock.added}
    assert {"libtcmalloc-minimal4", "libstdc++6", "libgcc-s1", "libc6"} <= named.keys() and "apt" not in named
    assert (lock.vendor, lock.suite, lock.system) == ("debian", "bookworm", ())
    assert lock_for(plan, lock, print) is lock
    assert lock_for(plan, replace(lock, added=(), suite="", vendor=""), print) == lock, (
        "as locks were, without what is added"
    )
    assert interpreter_of(lock, "3.11").glibc == "2.36", (
        "wheels are for the C library of the release, whatever this machine has"
    )
    bundle = write_bundle(plan, tmp_path / "bundle", lock=lock)
    install = [
        line.text
        for line in read_definition(bundle.definition.read_text(), "ontune.def")
        if line.section == "post"
    ]
    assert any(line.startswith('set -- "$@" libtcmalloc-minimal4 ') for line in install) and not any(
        line.startswith("need ") for line in install
    )
    require("shellcheck", SHELLCHECK, "make venv-dev")
    done = subprocess.run(
        [str(SHELLCHECK), bundle.folder / "install.sh"], capture_output=True, text=True, check=False
    )
    assert done.stdout + done.stderr == ""
    document = parse_file(str(bundle.folder / "sbom.spdx.json"))
    assert "/opt/ontune/system-packages.txt" in document.creation_info.document_comment, (
        "what of it the image lacks is known when it is built"
    )
    bill = {package.name: package for package in document.packages}
    assert all(bill[name].checksums[0].value == one.sha256 for name, one in named.items())
    assert bill["libc6"].external_references[0].locator.endswith("&distro=bookworm")


def recipe_of(plan: Plan, folder: Path, *more: str) -> int:
    """The exit code of `ontune recipe --locked`."""
    (folder / "plan.json").write_text(json.dumps(plan.to_json()))
    with pytest.raises(SystemExit) as ended:
        main(["recipe", "--plan", str(folder / "plan.json"), "-o", str(folder / "bundle"), "--locked", *more])
    return int(ended.value.code or 0)


def test_a_release_that_no_archive_has_is_not_locked(
    host: str, wheels: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = on_image(image=f"{host}/nn/base:1.0", suite='"nowhere"')
    assert recipe_of(plan, tmp_path) == 4
    said = capsys.readouterr().err
    assert (
        "no archive that is reached from here has the packages of nowhere; asked those of: " in said
        and "packages.ubuntu_mirror" in said
    )
    assert not (tmp_path / "bundle").exists()


def test_an_archive_that_does_not_answer_is_not_passed_over(
    wheels: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with pytest.raises(
        RunFailed,
        match=r"(?s)Failed to fetch.*no archive that is reached from here has the packages of bookworm",
    ):
        lock_for(plans.tiny("fastnet", "2.0", base="python-3.11-slim"), None, print)


def test_an_image_of_no_known_release_is_not_locked(
    host: str, wheels: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = on_image(image=f"{host}/nn/base:1.0")
    bases = [
        replace_applications(taken) if taken.decision == "base_image" else taken for taken in plan.decisions
    ]
    assert recipe_of(replace(plan, decisions=tuple(bases)), tmp_path) == 2
    assert "is, so what is added to it (libtcmalloc-minimal4) cannot be locked" in capsys.readouterr().err


def replace_applications(taken: DecisionTaken) -> DecisionTaken:
    """A base of which nothing tells the release."""
    return replace(taken, apply=tuple(one for one in taken.apply if one.name != "Suite"))


def test_the_archives_of_another_distribution_are_a_sites() -> None:
    ask = ["bash", "-c", '. "$1" && suite_sources "$2" "$3"', "bash", str(script("common.sh"))]
    mirrors = {
        "ONTUNE_UBUNTU_MIRROR": "http://mirror.example.org/ubuntu",
        "ONTUNE_DEBIAN_MIRROR": "http://mirror.example.org/debian",
    }
    signed = {
        vendor: f"deb [signed-by=/usr/share/keyrings/{vendor}-archive-keyring.gpg] http://mirror.example.org/{vendor}"
        for vendor in ("debian", "ubuntu")
    }
    for (suite, vendor), expected in {
        ("noble", "ubuntu"): [
            f"{signed['ubuntu']} {release} main universe" for release in ("noble", "noble-updates")
        ],
        ("trixie", "debian"): [f"{signed['debian']} trixie main"],
    }.items():
        done = subprocess.run(
            [*ask, suite, vendor], capture_output=True, text=True, check=True, env={**os.environ, **mirrors}
        )
        assert done.stdout.splitlines() == expected


@pytest.mark.parametrize(
    ("workload", "target"),
    [("resnet50", "v100-node"), ("transformer", "eos-h100"), ("mnist-cnn", "zen5-virtual")],
)
def test_the_release_of_every_base_that_something_is_added_to_is_known(workload: str, target: str) -> None:
    reasoner = Reasoner([])
    plan = reasoner.plan(load_workload(workload, reasoner.store), load_target(target, reasoner.store))
    recipe = Recipe.from_plan(plan)
    assert (
        recipe.of_registry
        and recipe.packages_to_install
        and recipe.header("Suite") in ("bookworm", "trixie", "jammy", "noble")
    )


@pytest.mark.parametrize("framework", plans.FRAMEWORKS)
def test_the_bill_of_materials_is_valid_and_complete(framework: str, tmp_path: Path) -> None:
    bundle = write_bundle(plans.plan(framework), tmp_path / "bundle")
    document = parse_file(str(bundle.folder / "sbom.spdx.json"))
    assert validate_full_spdx_document(document) == []
    named = {(package.name, package.version) for package in document.packages}
    for manager in ("apt", "pip"):
        assert {
            (entry.name, entry.value or None) for entry in bundle.plan.applied("package", manager)
        } <= named  # type: ignore[arg-type]
    on_disk = {f"./{path.relative_to(bundle.folder)}" for path in bundle.folder.rglob("*") if path.is_file()}
    assert {file.name for file in document.files} == on_disk - {"./sbom.spdx.json", "./plan.json"}


def test_the_bill_of_a_locked_bundle_has_the_hashes(
    wheels: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    first = locked(tmp_path / "first").folder / "sbom.spdx.json"
    document = parse_file(str(first))
    assert validate_full_spdx_document(document) == []
    found = {package.name: package for package in document.packages}
    for name, url, hashed in (
        ("tensors", "pkg:pypi/tensors@1.5", sha256(wheels / "tensors-1.5-py3-none-any.whl")),
        (
            "libstdc++6",
            "pkg:deb/debian/libstdc%2B%2B6@1:12.2.0-14%2Bdeb12u1?arch=amd64&distro=bookworm",
            "d" * 64,
        ),
    ):
        assert found[name].checksums[0].value == hashed
        assert found[name].external_references[0].locator == url
    second = locked(tmp_path / "second").folder / "sbom.spdx.json"
    assert first.read_bytes() == second.read_bytes()


def sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()
