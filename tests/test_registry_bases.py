"""Locked bundles on an image of a registry, with real Apptainer: the registry is one of this machine's own,
and its image is of Debian's packages.

In that image one package of the C++ compiler's runtime has a newer version than the archive, as in images
that were made from other archives too.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import plans
import pytest
import registries
from test_offline import OF_THE_BUILD, build, listing, without_network

from bench.images import inputs, site_settings
from bench.images.apptainer import Apptainer
from bench.images.bases import make_base
from bench.images.locking import lock_for
from generators.bundle import Bundle, write_bundle
from generators.provenance.lock import Lock
from kb.errors import BadInput, RunFailed
from kb.values import replace
from reasoner.answers.plan import Plan

pytestmark = [pytest.mark.apptainer, pytest.mark.slow]

NEWER = "99-1"
VERSIONS = ("dpkg-query", "-W", "-f", "${Package} ${Version}\n")


@dataclass(frozen=True)
class Made:
    """A locked bundle with what was fetched for it, and its images.

    Attributes:
        bundle: with what was fetched.
        digest: that of the registry's image.
        before: the packages of the registry's image with their versions.
        offline: the image that was built when the registry and all else was out of reach.
        online: the image that was built from the registry.
        asked: what the registry was asked for while the first one was built.
    """

    apptainer: Apptainer
    bundle: Bundle
    digest: str
    before: set[str]
    offline: Path
    online: Path
    asked: list[str]

    @property
    def lock(self) -> Lock:
        lock = self.bundle.recipe.lock
        assert lock is not None
        return lock


def plan_on(image: str, folder: Path) -> Plan:
    """A plan on an image of bookworm, with one package of the run and one of the installation alone."""
    (folder / "train.py").write_text(
        "import fastnet\nprint('trained with', fastnet.NAME, 'tcmalloc' in open('/proc/self/maps').read())\n"
    )
    plan = plans.tiny(
        "fastnet", "2.0", base="python-3.11-slim", script=str(folder / "train.py"), build_packages=["make"]
    )
    return Plan.from_json(
        json.loads(json.dumps(plan.to_json()).replace("docker.io/library/python:3.11-slim-bookworm", image))
    )


@pytest.fixture(scope="module")
def made(apptainer: Apptainer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
    folder = tmp_path_factory.mktemp("registry")
    root, wheels = folder / "root", folder / "wheels"
    subprocess.run(["cp", "-a", make_base("bookworm"), root], check=True)
    status = root / "var/lib/dpkg/status"
    text, found = re.subn(
        r"(?m)(^Package: libgcc-s1\n(?:.+\n)*?Version: ).+", rf"\g<1>{NEWER}", status.read_text()
    )
    assert found == 1
    status.write_text(text)
    wheels.mkdir()
    plans.make_wheel(wheels, "fastnet", "2.0", module="NAME = 'fastnet'\n")
    with pytest.MonkeyPatch.context() as patch, registries.serving() as registry:
        for name, value in {
            "PIP_FIND_LINKS": str(wheels),
            "PIP_NO_INDEX": "1",
            "APPTAINER_NOHTTPS": "1",
        }.items():
            patch.setenv(name, value)
        digest = registry.add("nn/base", "1.0", root, folder)
        plan = plan_on(f"{registry.host}/nn/base:1.0", folder)
        bundle = write_bundle(plan, folder / "bundle", lock=lock_for(plan, None, print))
        again = write_bundle(plan, folder / "elsewhere" / "again", lock=bundle.recipe.lock)
        inputs.fetch(bundle, apptainer)
        before = set(apptainer.execute(bundle.folder / "fetched" / "base.sif", VERSIONS).splitlines())
        registry.asked.clear()
        offline = build(bundle, folder / "empty", *without_network())
        asked = [*registry.asked]
        online = build(again, folder / "another")
        yield Made(apptainer, bundle, digest, before, offline, online, asked)


def test_the_image_and_what_is_added_to_it_are_locked(made: Made) -> None:
    assert made.lock.image.endswith(f"/nn/base@{made.digest}") and (made.lock.vendor, made.lock.suite) == (
        "debian",
        "bookworm",
    )
    assert made.lock.system == ()
    names = {one.name for one in made.lock.added}
    assert {"libtcmalloc-minimal4", "libstdc++6", "libgcc-s1", "libc6", "make"} <= names
    assert made.lock == Lock.read(made.bundle.folder)


def test_what_was_fetched_is_what_the_lock_names(made: Made) -> None:
    folder = made.bundle.folder / "fetched"
    done = subprocess.run(
        ["sha256sum", "--strict", "--check", "SHA256SUMS"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    sums = dict(reversed(line.split()) for line in (folder / "SHA256SUMS").read_text().splitlines())  # type: ignore[misc]
    assert {digest for path, digest in sums.items() if path.endswith(".deb")} == {
        one.sha256 for one in made.lock.added
    }
    assert {digest for path, digest in sums.items() if path.endswith(".whl")} == {
        one.sha256 for one in made.lock.python
    }
    assert "base.sif" in sums


def test_a_build_without_a_network_trains(made: Made) -> None:
    assert made.asked == []
    command = [
        made.apptainer.program,
        "--quiet",
        "run",
        *made.apptainer.run_flags,
        "--containall",
        str(made.offline),
    ]
    assert (
        subprocess.run(command, capture_output=True, text=True, check=True).stdout
        == "trained with fastnet True\n"
    )


def test_the_image_has_what_it_lacked_and_no_more(made: Made) -> None:
    after = set(made.apptainer.execute(made.offline, VERSIONS).splitlines())
    locked = {one.name: one.version for one in made.lock.added}
    assert after - made.before == {f"libtcmalloc-minimal4 {locked['libtcmalloc-minimal4']}"}
    assert made.before - after == set() and f"libgcc-s1 {NEWER}" in after, (
        "what the base has stays, newer than the lock or not"
    )
    log = made.offline.with_suffix(".log").read_text(errors="replace")
    assert f"Setting up make ({locked['make']})" in log and "Setting up libgcc-s1" not in log
    recorded = made.apptainer.execute(made.offline, ["cat", "/opt/ontune/system-packages.txt"])
    assert {
        " ".join(line.split()).replace(":amd64", "").replace(":arm64", "") for line in recorded.splitlines()
    } == after


def test_an_image_from_the_registry_is_the_same(made: Made) -> None:
    offline, online = listing(made.apptainer, made.offline), listing(made.apptainer, made.online)
    assert len(offline) > 5000
    assert {
        path for path in offline.keys() | online.keys() if offline.get(path) != online.get(path)
    } <= OF_THE_BUILD


def built_with(made: Made, lock: Lock, folder: Path, *, packages: bool) -> str:
    """What the build of a bundle with another lock says, on the fetched image, with the fetched packages or
    with those of the archive.
    """
    bundle = write_bundle(made.bundle.plan, folder / "bundle", lock=lock)
    fetched, log = made.bundle.folder / "fetched", folder / "log"
    arguments = {"bootstrap": "localimage", "base": str(fetched / "base.sif")}
    try:
        with site_settings.laid_out(
            fetched / "wheels", folder, fetched / "packages" if packages else None
        ) as binds:
            made.apptainer.build(
                bundle.definition, folder / "image.sif", log, arguments=arguments, binds=binds
            )
    except RunFailed as error:
        return str(error)
    return log.read_text(errors="replace")


def test_whoever_builds_without_the_packages_gets_those_versions_of_the_archive(
    made: Made, tmp_path: Path
) -> None:
    said = built_with(made, made.lock, tmp_path, packages=False)
    assert "Setting up libtcmalloc-minimal4" in said and "/mnt/ontune/packages" not in re.sub(
        r"(?m)^\+.*", "", said
    )
    assert made.apptainer.execute(tmp_path / "image.sif", VERSIONS) == made.apptainer.execute(
        made.offline, VERSIONS
    )


def test_packages_that_are_not_to_be_had_here_are_left_to_the_image(
    made: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As on a machine without apt, which can build all the same and fetch nothing."""
    bundle = write_bundle(made.bundle.plan, tmp_path / "bundle", lock=replace(made.lock, suite="nowhere"))
    assert inputs.gather(bundle, made.apptainer) == inputs.BuildInputs(None, None)
    assert "left to the image's own apt, by the hashes of the lock" in capsys.readouterr().err
    with pytest.raises(RunFailed, match="no archive that is reached from here has the packages of nowhere"):
        inputs.fetch(bundle, made.apptainer)


@pytest.mark.parametrize("packages", [True, False])
def test_another_file_than_the_locks_is_not_installed(packages: bool, made: Made, tmp_path: Path) -> None:
    added = tuple(replace(one, sha256="0" * 64) if one.name == "make" else one for one in made.lock.added)
    said = built_with(made, replace(made.lock, added=added), tmp_path, packages=packages)
    assert "not what the lock names: make_" in said and "Setting up" not in said
    assert not (tmp_path / "image.sif").exists()


def test_packages_of_one_release_are_not_added_to_another(made: Made, tmp_path: Path) -> None:
    said = built_with(made, replace(made.lock, suite="trixie"), tmp_path, packages=True)
    assert "the base is of release 'bookworm', and the packages of the lock are of trixie" in said


def test_a_lock_without_what_is_added_is_not_fetched(made: Made, tmp_path: Path) -> None:
    """As locks were before packages that are added to an image were part of them."""
    bundle = write_bundle(
        made.bundle.plan,
        tmp_path / "bundle",
        lock=replace(made.lock, added=(), vendor="", suite=""),
    )
    with pytest.raises(BadInput, match="the packages that are added to the base are not locked"):
        inputs.fetch(bundle, made.apptainer)
