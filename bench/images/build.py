"""What a bundle needs in order to run: its image, or an environment without a container. Both are kept in the
cache by the digest of their recipe.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import re
import shutil
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from bench.images import inputs, site_settings
from bench.images.apptainer import Apptainer
from bench.images.build_log import build_log
from bench.progress import doing
from generators.bundle import Bundle
from generators.recipe.recipe import COMPILED
from kb.errors import BadInput
from kb.store import files
from kb.store.paths import cache_home
from kb.store.scratch import scratch


@dataclass(frozen=True, slots=True)
class Built:
    """Something that was built, now or before.

    Attributes:
        path: the image, or the environment's folder.
        recipe: the digest of all that went into it.
        seconds: what the build took when it was made.
        bytes: its size.
        log: what the build said.
    """

    path: str
    recipe: str
    seconds: float
    bytes: int
    log: str


def build_image(bundle: Bundle, apptainer: Apptainer) -> Built:
    """Build a bundle's image, or take it from the cache; it then lies in the bundle, where the job scripts
    look for it.

    Raises:
        BadInput: the bundle has no definition, or the site's folder for builds cannot be used.
        RunFailed: the base cannot be made here, wheels are missing, or the build failed; the message ends
            with the last lines.
    """
    with inputs.as_the_site_wants(bundle):
        return _build_image(bundle, apptainer)


def _build_image(bundle: Bundle, apptainer: Apptainer) -> Built:
    # A lock says already what the image will hold; else what this machine has and what indexes offer must be
    # seen first.
    found = None if bundle.recipe.lock else inputs.gather(bundle, apptainer)
    digest = _digest(
        [
            *_contents(bundle),
            apptainer.version(),
            os.environ.get("SOURCE_DATE_EPOCH", ""),
            *(found.identity() if found else ()),
        ]
    )
    images = cache_home() / "images"
    image, told = images / f"{digest}.sif", images / f"{digest}.json"
    with _locked(images / f"{digest}.lock"):
        if not (told.is_file() and image.is_file()):
            log, begin = images / f"{digest}.log", time.monotonic()
            with scratch("image", images) as made:
                partial = made / "image.sif"
                found = found or inputs.gather(bundle, apptainer)
                with (
                    doing(f"building the image in {bundle.folder.name}") as tell,
                    site_settings.laid_out(found.wheels, images, found.packages) as binds,
                ):
                    apptainer.build(
                        bundle.definition, partial, log, arguments=found.arguments, binds=binds, tell=tell
                    )
                partial.rename(image)
            _write_built(
                told, Built(str(image), digest, time.monotonic() - begin, image.stat().st_size, str(log))
            )
        built = _read_built(told)
    _place(image, bundle.image)
    return built


def build_environment(bundle: Bundle) -> Built:
    """Make a virtual environment as the bundle's `install.sh` does, or take it from the cache; its Python is
    `venv/bin/python` in the folder given.

    Raises:
        BadInput: the bundle has no `install.sh`.
        RunFailed: the installation failed; the message ends with its last lines.
    """
    required = [inputs.requirements_of(bundle)]
    required += [_existing(bundle.folder / COMPILED)] if bundle.recipe.compiles else []
    copied = [_existing(bundle.folder / "install.sh"), *required]
    # Plans that ask for the same Python packages share an environment, whatever else they want of the system.
    digest = _digest([sys.version, *(_without_comments(files.read_text(path)) for path in required)])
    folder = cache_home() / "environments" / digest
    told = folder / "built.json"
    with _locked(folder.with_suffix(".lock")):
        if not told.is_file():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            for path in copied:
                shutil.copyfile(path, folder / path.name)
            if inputs.fetched(bundle):
                (folder / inputs.FOLDER).symlink_to((bundle.folder / inputs.FOLDER).resolve())
            begin, log = time.monotonic(), folder.with_suffix(".log")
            with doing("making a virtual environment"), inputs.as_the_site_wants(bundle):
                _install(folder / "install.sh", log)
            size = sum(path.lstat().st_size for path in folder.rglob("*") if not path.is_dir())
            _write_built(told, Built(str(folder), digest, time.monotonic() - begin, size, str(log)))
    return _read_built(told)


def place_environment(built: Built, bundle: Bundle) -> None:
    """Let a bundle's jobs find an environment where they look for it, as they find an image."""
    link, wanted = bundle.folder / "venv", Path(built.path, "venv")
    if link.is_symlink() or not link.exists():  # one that install.sh has made is left alone
        partial = link.with_name(".venv.part")
        partial.unlink(missing_ok=True)
        partial.symlink_to(wanted)
        partial.rename(link)


def _install(script: Path, log: Path) -> None:
    # The environment is made with the Python that runs this.
    variables = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
    }
    with build_log(log) as said:
        if said.follow(["/bin/sh", str(script)], variables):
            raise said.failed("making the virtual environment failed:")


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise BadInput(str(path), "missing from the bundle", expected="a bundle as 'ontune recipe' writes it")
    return path


def _contents(bundle: Bundle) -> Iterator[str]:
    """The definition of an image, and every file that it copies, with its name.

    Which plan asked for it does not change what is built.
    """
    if not bundle.definition.is_file():
        expected = "a bundle that has one (ontune recipe --to apptainer)"
        raise BadInput(str(bundle.definition), "missing from the bundle", expected=expected)
    definition = files.read_text(bundle.definition)
    recipe = bundle.recipe
    yield re.sub(
        "|".join(
            rf"\b{re.escape(name)}\b"
            for name in (recipe.plan_id, recipe.knowledge, " ".join(recipe.sources))
            if name
        ),
        "",
        definition,
    )
    section = re.search(r"^%files\b[^\n]*\n(.*?)(?=^%|\Z)", definition, re.MULTILINE | re.DOTALL)
    for line in (section.group(1) if section else "").split("\n"):
        if words := line.split():
            entry = bundle.folder / words[0]
            paths = sorted(entry.rglob("*")) if entry.is_dir() else [entry]
            for path in paths:
                if (
                    path.is_file() and path.parent.name != "__pycache__"
                ):  # whoever runs the bundle here leaves some
                    yield str(path.relative_to(bundle.folder))
                    yield hashlib.sha256(files.read_bytes(path)).hexdigest()


def _without_comments(text: str) -> str:
    return re.sub(r"(^|\s)#.*", "", text)


def _digest(pieces: Iterable[str]) -> str:
    state = hashlib.sha256()
    for piece in pieces:
        state.update(hashlib.sha256(piece.encode()).digest())
    return state.hexdigest()[:24]


def _place(image: Path, where: Path) -> None:
    """Put a cached image into a bundle: a second name on the same disk, else a copy."""
    with contextlib.suppress(FileNotFoundError):
        if where.samefile(image):
            return
    partial = where.with_name(f".{where.name}.part")
    partial.unlink(missing_ok=True)
    try:
        partial.hardlink_to(image)
    except OSError:
        shutil.copyfile(image, partial)
    partial.rename(where)


def _read_built(path: Path) -> Built:
    """What was written of something built. Raises BadInput where the cache is damaged."""
    told = files.json_of(files.read_text(path), str(path))
    if not isinstance(told, dict) or told.keys() != {entry.name for entry in fields(Built)}:
        raise BadInput(
            str(path),
            "is damaged",
            expected="the file as the build wrote it; remove it, and the build is made anew",
        )
    return Built(**told)


def _write_built(path: Path, built: Built) -> None:
    partial = path.with_name(f".{path.name}.part")
    partial.write_text(json.dumps(asdict(built)) + "\n", encoding="utf-8")
    partial.rename(path)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Let one process at a time build the same thing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
