"""Locked bundles with real Apptainer: what is fetched is what the lock names, a build needs no network, and
two builds give the same files.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import plans
import pytest
from conftest import ROOT

from bench.images import inputs
from bench.images.apptainer import Apptainer
from bench.images.locking import lock_for
from generators.bundle import Bundle, write_bundle
from kb.errors import BadInput, RunFailed
from kb.store.paths import cache_home
from kb.values import replace

pytestmark = [pytest.mark.apptainer, pytest.mark.slow]

# What Apptainer writes into each image of when, where and on what it was built. docs/how-to/air-gapped.md
# lists the same.
OF_THE_BUILD = {
    "/.singularity.d/labels.json",
    "/.singularity.d/Singularity",
    "/.singularity.d/bootstrap_history",
    "/.singularity.d/bootstrap_history/Apptainer0",
}

LISTING = """
import hashlib, json, os
found, left_out = {}, ("/proc", "/sys", "/dev", "/tmp", "/var/tmp", "/mnt", "/root", "/home")
for folder, folders, files in os.walk("/"):
    folders[:] = [name for name in folders if os.path.join(folder, name) not in left_out]
    for path in (os.path.join(folder, name) for name in files + folders):
        state = os.lstat(path)
        about = [state.st_mode, state.st_uid, state.st_gid]
        if os.path.islink(path):
            found[path] = [*about, os.readlink(path)]
        elif os.path.isfile(path):
            found[path] = [*about, hashlib.sha256(open(path, "rb").read()).hexdigest()]
        else:
            found[path] = about
print(json.dumps(found))
"""
UNREACHABLE = "import socket; socket.create_connection(('192.0.2.1', 80), 2)"


@dataclass(frozen=True)
class Built:
    """A locked bundle with what was fetched for it, and two images of it."""

    apptainer: Apptainer
    bundle: Bundle
    offline: Path
    online: Path


@pytest.fixture(scope="module")
def built(apptainer: Apptainer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Built]:
    """One build without a network and an empty cache; another one from the archives, in another folder, of
    the bundle without what was fetched.
    """
    folder = tmp_path_factory.mktemp("offline")
    (folder / "train.py").write_text("import fastnet\nprint('trained with', fastnet.NAME)\n")
    wheels = folder / "wheels"
    wheels.mkdir()
    plans.make_wheel(wheels, "fastnet", "2.0", "tensors>=1", module="NAME = 'fastnet'\n")
    plans.make_wheel(wheels, "tensors", "1.5", module="SIZE = {'a', 'b', 'c', 'd'}\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PIP_FIND_LINKS", str(wheels))
        patch.setenv("PIP_NO_INDEX", "1")
        plan = plans.tiny("fastnet", "2.0", script=str(folder / "train.py"), build_packages=["make"])
        bundle = write_bundle(plan, folder / "bundle", lock=lock_for(plan, None, print))
        again = write_bundle(plan, folder / "elsewhere" / "again", lock=bundle.recipe.lock)
        patch.chdir(folder)
        inputs.fetch(Bundle.read(Path("bundle")), apptainer)
        offline = build(bundle, folder / "empty", *without_network())
        (folder / "bases-only").mkdir()
        (folder / "bases-only" / "bases").symlink_to(cache_home() / "bases")
        online = build(again, folder / "bases-only")
        yield Built(apptainer, bundle, offline, online)


def build(bundle: Bundle, cache: Path, *prefix: str, runner: str = "apptainer") -> Path:
    """Build by the command line, from the folder that the bundle lies in, with a cache of its own.

    Gives the image or the environment.
    """
    command = [
        *prefix,
        sys.executable,
        "-m",
        "ontune",
        "build",
        bundle.folder.name,
        "--runner",
        runner,
        "--format",
        "json",
    ]
    variables = {**os.environ, "ONTUNE_CACHE_HOME": str(cache), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        command, cwd=bundle.folder.parent, env=variables, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return Path(json.loads(done.stdout)["path"])


def without_network() -> tuple[str, ...]:
    """What runs a command in a network namespace that has no route."""
    return ("unshare", "--net", *(() if os.geteuid() == 0 else ("--map-root-user",)))


def listing(apptainer: Apptainer, image: Path) -> Mapping[str, list[object]]:
    """Every file, folder and link of an image: mode, owner, and the hash of what it holds or where it points."""
    found: Mapping[str, list[object]] = json.loads(apptainer.execute(image, ["python3", "-c", LISTING]))
    return found


def test_the_namespace_has_no_route() -> None:
    done = subprocess.run(
        [*without_network(), sys.executable, "-c", UNREACHABLE], capture_output=True, text=True, check=False
    )
    assert "Network is unreachable" in done.stderr


def test_a_build_without_a_network_trains(built: Built) -> None:
    command = [
        built.apptainer.program,
        "--quiet",
        "run",
        *built.apptainer.run_flags,
        "--containall",
        str(built.offline),
    ]
    assert (
        subprocess.run(command, capture_output=True, text=True, check=True).stdout == "trained with fastnet\n"
    )


def test_the_job_of_a_build_without_a_network_trains(built: Built, tmp_path: Path) -> None:
    """As docs/how-to/air-gapped.md goes on: `bundle/job.sh`, beside the bundle."""
    path, flags = f"{built.apptainer.folder}:{os.environ['PATH']}", " ".join(built.apptainer.run_flags)
    variables = {**os.environ, "PATH": path, "ONTUNE_CONTAINER_FLAGS": flags}
    command = [f"{built.bundle.folder.name}/job.sh"]
    done = subprocess.run(
        command, cwd=built.bundle.folder.parent, env=variables, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "trained with fastnet\n"), done.stderr


def test_the_log_that_a_failed_fetch_names_is_there(
    built: Built, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The base is an image of a registry that does not answer."""
    monkeypatch.setenv("PIP_FIND_LINKS", str(built.bundle.folder / "fetched" / "wheels"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    lock = built.bundle.recipe.lock
    assert lock is not None
    silent = replace(lock, system=(), image=f"127.0.0.1:9/nobody/python@sha256:{'0' * 64}")
    bundle = write_bundle(plans.tiny("fastnet", "2.0", "python-3.11-slim"), tmp_path / "bundle", lock=silent)
    with pytest.raises(RunFailed, match="whole log: ") as failed:
        inputs.fetch(bundle, built.apptainer)
    log = Path(str(failed.value).rpartition("whole log: ")[2].strip())
    assert log == bundle.folder / "fetch.log" and "127.0.0.1:9" in log.read_text()
    assert not list(bundle.folder.glob(".fetched-*")) and not (bundle.folder / "fetched").exists()


def test_an_environment_without_a_network_has_the_wheels(built: Built, tmp_path: Path) -> None:
    python = build(built.bundle, tmp_path, *without_network(), runner="native") / "venv/bin/python"
    assert (
        subprocess.run(
            [python, "-c", "import fastnet; print(fastnet.NAME)"], capture_output=True, text=True, check=True
        ).stdout
        == "fastnet\n"
    )


def test_the_image_has_the_packages_of_the_lock_and_no_other(built: Built) -> None:
    lock = built.bundle.recipe.lock
    assert lock is not None and lock.suite == "bookworm" and lock.vendor == "debian" and len(lock.system) > 80
    asked = ["dpkg-query", "-W", "-f", "${Package} ${Version} ${Architecture}\n"]
    installed = built.apptainer.execute(built.offline, asked).splitlines()
    assert sorted(installed) == sorted(f"{one.name} {one.version} {one.architecture}" for one in lock.system)
    assert "make" in {one.name for one in lock.added} and "make" not in {one.name for one in lock.system}
    assert "Setting up make " in built.offline.with_suffix(".log").read_text(errors="replace"), (
        "it was there while Python packages were installed"
    )
    python = built.apptainer.execute(built.offline, ["cat", "/opt/ontune/python-packages.txt"]).splitlines()
    assert {f"{one.name}=={one.version}" for one in lock.python} == {
        line for line in python if not line.startswith(("pip=", "setuptools="))
    }


def test_two_builds_of_a_bundle_give_the_same_files(built: Built) -> None:
    offline, online = listing(built.apptainer, built.offline), listing(built.apptainer, built.online)
    assert len(offline) > 5000 and any(
        path.endswith("site-packages/__pycache__/fastnet.cpython-311.pyc") for path in offline
    )
    assert {
        path for path in offline.keys() | online.keys() if offline.get(path) != online.get(path)
    } <= OF_THE_BUILD


def test_what_was_fetched_is_what_the_lock_names(built: Built) -> None:
    folder, lock = built.bundle.folder / "fetched", built.bundle.recipe.lock
    done = subprocess.run(
        ["sha256sum", "--strict", "--check", "SHA256SUMS"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert lock is not None
    sums = dict(reversed(line.split()) for line in (folder / "SHA256SUMS").read_text().splitlines())  # type: ignore[misc]
    assert {path: digest for path, digest in sums.items() if path.startswith("wheels/")} == {
        f"wheels/{one.name}-{one.version}-py3-none-any.whl": one.sha256 for one in lock.python
    }
    assert {digest for path, digest in sums.items() if path.endswith(".deb")} == {
        one.sha256 for one in lock.added
    }
    files = {f"{name}/{path.name}" for name in ("wheels", "packages") for path in (folder / name).iterdir()}
    assert sums.keys() == {"../requirements.lock", "../system.lock", "base.sif", *files}


def test_what_was_changed_after_fetching_is_not_built(built: Built, tmp_path: Path) -> None:
    bundle = Bundle.read(shutil.copytree(built.bundle.folder, tmp_path / "bundle"))
    wheel = bundle.folder / "fetched" / "wheels" / "tensors-1.5-py3-none-any.whl"
    original = wheel.read_bytes()
    plans.make_wheel(wheel.parent, "tensors", "1.5", module="import os; os.system('true')\n")
    with pytest.raises(RunFailed, match=r"not as it was fetched: wheels/tensors-1\.5"):
        inputs.gather(bundle, built.apptainer)
    wheel.write_bytes(original)
    assert inputs.gather(bundle, built.apptainer).wheels == wheel.parent
    (wheel.parent / "more-1.0-py3-none-any.whl").write_bytes(original)
    with pytest.raises(RunFailed, match=r"not as it was fetched: wheels/more-1\.0"):
        inputs.gather(bundle, built.apptainer)
    (bundle.folder / "requirements.lock").write_text("# nothing\n")
    with pytest.raises(BadInput, match="another lock"):
        inputs.gather(bundle, built.apptainer)


def test_only_a_locked_bundle_is_fetched(built: Built, tmp_path: Path) -> None:
    bundle = write_bundle(plans.tiny("fastnet", "2.0"), tmp_path / "bundle")
    with pytest.raises(BadInput, match="not locked"):
        inputs.fetch(bundle, built.apptainer)
    assert not (bundle.folder / "fetched").exists()
