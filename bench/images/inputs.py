"""What the build of an image takes from elsewhere: the base and the wheels, gathered on this machine before
the build begins.

Where `ontune fetch` has put them into the bundle they are taken from there, and nothing is asked of the
network.
"""

from __future__ import annotations

import hashlib
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

from bench.images import bases, site_settings
from bench.images.apptainer import Apptainer
from bench.images.locking import interpreter_of
from bench.images.wheels import Interpreter, collect
from bench.progress import doing
from generators.bundle import Bundle
from generators.provenance.lock import PYTHON, SYSTEM, Lock
from generators.recipe.recipe import COMPILED
from kb.errors import BadInput, RunFailed
from kb.records.site import complete_site
from kb.store import files
from kb.store.scratch import scratch

FOLDER = "fetched"
"""Where in a bundle `ontune fetch` puts what its build takes from elsewhere."""

_SUMS, _BASE, _WHEELS, _PACKAGES = "SHA256SUMS", "base.sif", "wheels", "packages"
# Stays where the base cannot be had, for the complaint names it.
_LOG = "fetch.log"
_ASK_INTERPRETER = (
    "import platform, sys; print('%d.%d' % sys.version_info[:2], platform.libc_ver()[1], platform.machine())"
)


@dataclass(frozen=True, slots=True)
class BuildInputs:
    """What a build takes from elsewhere.

    Attributes:
        base: a folder or an image; None where the build itself gets it.
        wheels: a folder with every wheel; None where pip asks the user's indexes during the build.
        packages: a folder with the Debian packages that a lock adds to the base; None where it adds none, or
            where the image's own apt gets them.
        arguments: values for the definition's `{{ ... }}`.
    """

    base: Path | None
    wheels: Path | None
    packages: Path | None = None
    arguments: Mapping[str, str] = field(default_factory=dict)

    def identity(self) -> Iterator[str]:
        """What a base that is a folder, and the wheels, hold."""
        if self.base is not None:
            yield hashlib.sha256(files.read_bytes(self.base / "var/lib/dpkg/status")).hexdigest()
        if self.wheels is not None:
            yield from sorted(path.name for path in self.wheels.iterdir())


def as_the_site_wants(bundle: Bundle) -> AbstractContextManager[None]:
    """The settings of the plan's site, and a folder that its rules allow, for a build."""
    site = complete_site(bundle.plan.site, str(bundle.folder / "plan.json")) if bundle.plan.site else None
    return site_settings.of_site(
        site, on_node=any(step.name == "build-folder" for step in bundle.recipe.steps)
    )


def gather(bundle: Bundle, apptainer: Apptainer) -> BuildInputs:
    """Have everything here that the image's build takes from elsewhere.

    Raises:
        BadInput: the bundle has no requirements, or its lock has changed since `ontune fetch`.
        RunFailed: something cannot be had, or differs from what the lock names.
    """
    if fetched(bundle):
        folder = _verified(bundle)
        # Builds go on in the bundle's folder, and its place on this machine has no business in the image.
        arguments = {"base": f"{FOLDER}/{_BASE}"} | (
            {"bootstrap": "localimage"} if bundle.recipe.of_registry else {}
        )
        packages = folder / _PACKAGES
        return BuildInputs(
            folder / _BASE, folder / _WHEELS, packages if packages.is_dir() else None, arguments
        )
    return _from_elsewhere(bundle, apptainer)


def fetch(bundle: Bundle, apptainer: Apptainer) -> Path:
    """Put everything that a bundle's lock names into its folder `fetched/`, whole or not at all. A build then
    needs no network.

    Raises:
        BadInput: the bundle is not locked, not all of it is, its base is an image of the site, or something
            is compiled in the image.
        RunFailed: something cannot be had, or differs from what the lock names.
    """
    recipe, lock = bundle.recipe, bundle.recipe.lock
    if lock is None:
        expected = "one that `ontune recipe --locked` has written"
        raise BadInput(
            str(bundle.folder), "the bundle is not locked, so nothing says what to fetch", expected=expected
        )
    if recipe.compiles:
        expected = "a base image that has them, and a plan that does not install them"
        problem = "it names what is compiled in the image from its source, which is not fetched"
        raise BadInput(str(bundle.folder / COMPILED), problem, expected=expected)
    folder = bundle.folder / FOLDER
    with as_the_site_wants(bundle), scratch("fetch", bundle.folder) as made:
        stage = made / FOLDER
        stage.mkdir()
        packages, found = bases.added_packages(lock), _from_elsewhere(bundle, apptainer)
        base = found.base or (f"{recipe.bootstrap}://{recipe.base}" if recipe.of_registry else None)
        if base is None:
            expected = (
                "a base of a registry, or one that is made of locked packages:"
                " `--pin image_source=localimage`"
            )
            raise BadInput(
                str(bundle.folder / SYSTEM),
                "the base is an image of the site, which is not fetched",
                expected=expected,
            )
        if recipe.packages_to_install and not (lock.system or lock.added):
            expected = "the lock made anew: `ontune recipe --update-lock`"
            raise BadInput(
                str(bundle.folder / SYSTEM),
                "the packages that are added to the base are not locked",
                expected=expected,
            )
        wheels = found.wheels or _wheels(bundle, interpreter_of(lock, recipe.python))
        with doing(f"writing {folder}") as tell:
            log = bundle.folder / _LOG
            apptainer.build(base, stage / _BASE, log, tell=tell)
            log.unlink()
            shutil.copytree(wheels, stage / _WHEELS)
            if packages:
                shutil.copytree(packages, stage / _PACKAGES)
            (stage / _SUMS).write_text(_sums(stage, bundle), encoding="utf-8")
        if folder.is_symlink():
            folder.unlink()
        shutil.rmtree(folder, ignore_errors=True)
        stage.rename(folder)
    return folder


def fetched(bundle: Bundle) -> bool:
    """Whether a bundle holds what its build takes from elsewhere."""
    return (bundle.folder / FOLDER / _SUMS).is_file()


def requirements_of(bundle: Bundle) -> Path:
    """What pip installs: by hash where the bundle is locked. Raises BadInput where it is missing."""
    path = bundle.folder / (PYTHON if bundle.recipe.lock else "requirements.txt")
    if not path.is_file():
        raise BadInput(str(path), "missing from the bundle", expected="a bundle as 'ontune recipe' writes it")
    return path


def _from_elsewhere(bundle: Bundle, apptainer: Apptainer) -> BuildInputs:
    recipe, lock = bundle.recipe, bundle.recipe.lock
    packages = _packages(lock) if lock else None
    if "base" not in recipe.build_arguments:
        return BuildInputs(None, None, packages, {name: bases.mirror() for name in recipe.build_arguments})
    base = bases.locked_base(lock) if lock else bases.make_base(recipe.header("Suite"))
    interpreter = Interpreter(*apptainer.execute(base, ["python3", "-c", _ASK_INTERPRETER]).split())
    # What is compiled in the image, and what that requires, is no wheel: pip then asks the indexes for all.
    wheels = None if recipe.compiles else _wheels(bundle, interpreter)
    return BuildInputs(base, wheels, packages, {"base": str(base)})


def _packages(lock: Lock) -> Path | None:
    """What a lock adds to its base.

    Where it cannot be had here, the image's own apt gets it, and the build compares the hashes all the same.
    """
    try:
        return bases.added_packages(lock)
    except RunFailed as error:
        print(
            "left to the image's own apt, by the hashes of the lock, since they are not to be had here:"
            f" the packages that are added\n{error}",
            file=sys.stderr,
        )
        return None


def _wheels(bundle: Bundle, interpreter: Interpreter) -> Path:
    return collect(requirements_of(bundle), interpreter, [index.value for index in bundle.recipe.indexes])


def _verified(bundle: Bundle) -> Path:
    """The folder of what was fetched, which is what it was then, for the lock as it is now."""
    folder = bundle.folder / FOLDER
    told = files.read_text(folder / _SUMS)
    if not told.endswith(_of_lock(bundle)):
        raise BadInput(
            str(folder),
            "fetched for another lock than the bundle has now",
            expected="`ontune fetch` again, where there is a network",
        )
    if differing := sorted(
        {line.partition("  ")[2] for line in {*told.splitlines()} ^ {*_sums(folder, bundle).splitlines()}}
    ):
        raise RunFailed(f"{folder}: not as it was fetched: {', '.join(differing)}")
    return folder


def _of_lock(bundle: Bundle) -> str:
    return "".join(f"{_sum(bundle.folder / name)}  ../{name}\n" for name in (PYTHON, SYSTEM))


def _sums(folder: Path, bundle: Bundle) -> str:
    """What `sha256sum --check` reads: everything that was fetched, and the lock that it was fetched for."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path != folder / _SUMS)
    return "".join(f"{_sum(path)}  {path.relative_to(folder)}\n" for path in files) + _of_lock(bundle)


def _sum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
