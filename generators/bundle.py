"""A bundle: the folder of files that are generated from a plan, written whole or not at all."""

from __future__ import annotations

import functools
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from generators.provenance import sbom
from generators.provenance.lock import PYTHON, SYSTEM, Lock
from generators.recipe import script
from generators.recipe.recipe import COMPILED, Recipe
from generators.writers import apptainer, dockerfile, job, run_script
from kb.errors import BadInput
from kb.store import local_files
from kb.store.files import json_of, read_text
from kb.store.scratch import scratch
from kb.values import replace
from reasoner.answers.plan import Plan

FORMATS = {"apptainer": "ontune.def", "dockerfile": "Dockerfile"}
"""The name of the recipe in each language."""

_PAYLOAD = Path(__file__).parent / "payload"
_PLAN = "plan.json"
_EXECUTABLE = (".sh",)


@dataclass(frozen=True, slots=True)
class Bundle:
    """A folder with a plan and what was generated from it.

    Attributes:
        folder: where it is.
        plan: what it was generated from.
    """

    folder: Path
    plan: Plan

    @classmethod
    def read(cls, folder: Path) -> Self:
        """The bundle that lies in `folder`.

        Raises BadInput where there is none, or where its plan cannot be read.
        """
        file = folder / _PLAN
        try:
            text = read_text(file)
        except BadInput as error:
            raise BadInput(
                str(folder), "no bundle here", expected=f"a folder with {_PLAN}, as `ontune recipe` writes it"
            ) from error
        return cls(folder, Plan.from_json(json_of(text, str(file)), str(file)))

    @property
    def recipe(self) -> Recipe:
        """What the generated files were written from. Raises BadInput for a lock that cannot be read."""
        return Recipe.from_plan(self.plan, str(self.folder / _PLAN), Lock.read(self.folder))

    @property
    def definition(self) -> Path:
        """The Apptainer definition. It is built with the bundle's folder as working directory."""
        return self.folder / FORMATS["apptainer"]

    @property
    def recipe_digest(self) -> str:
        """The digest that the Dockerfile's image is named and labelled by; empty where the bundle has no
        Dockerfile.
        """
        file = self.folder / FORMATS["dockerfile"]
        label = (
            re.search(r'^LABEL ontune\.recipe="([0-9a-f]+)"$', read_text(file), re.MULTILINE)
            if file.is_file()
            else None
        )
        return label[1] if label else ""

    @property
    def image(self) -> Path:
        """Where the job scripts look for the image, unless `ONTUNE_IMAGE` names another place."""
        return self.folder / "ontune.sif"

    @property
    def run_script(self) -> Path:
        """The script that trains in an environment made by `install.sh`."""
        return self.folder / "run.sh"


def write_bundle(
    plan: Plan,
    folder: Path,
    formats: Sequence[str] = tuple(FORMATS),
    jobs: Sequence[str] = tuple(job.FILES),
    *,
    wishes: Mapping[str, Any] | None = None,
    lock: Lock | None = None,
    force: bool = False,
) -> Bundle:
    """Generate the files of a plan. Whoever does so names the files of this machine that the plan takes
    (`kb.store.local_files`).

    Args:
        plan: what is applied, all of it.
        folder: where the files go; made if it is not there. Other files in a bundle's folder stay as they
            are, except recipes and what they install, which would be of another plan.
        formats: recipes to write: `apptainer`, `dockerfile`.
        jobs: job scripts to write: `bash`, `slurm`, `pbs`.
        wishes: what the job asks its scheduler for, by the names of `generators.writers.job.Job`.
        lock: exact versions and hashes of all that the image gets, which the build enforces.
        force: write into a folder that holds something else than a bundle.

    Raises:
        BadInput: the folder holds something else or cannot be written, a format or scheduler is unknown, or
            the plan holds a text that no generated file can carry. Nothing has been written then.
    """
    where = str(folder)
    for place, kind, asked, known in (
        ("--to", "recipe format", formats, FORMATS),
        ("--job", "scheduler", jobs, job.FILES),
    ):
        for one in asked:
            if one not in known:
                raise BadInput(
                    place, f"unknown {kind} '{one}'", expected=", ".join(known), given=one, known=known
                )
    if not force and folder.is_dir() and any(folder.iterdir()) and not (folder / _PLAN).is_file():
        raise BadInput(
            where,
            "the folder holds something else than a bundle",
            expected="a new or empty folder, a bundle, or --force",
        )
    _write(folder, files_of(plan, formats, jobs, wishes, lock=lock))
    local_files.remember(local_files.of(plan.workload, plan.site))
    return Bundle(folder, plan)


def files_of(
    plan: Plan,
    formats: Sequence[str],
    jobs: Sequence[str],
    wishes: Mapping[str, Any] | None = None,
    *,
    lock: Lock | None = None,
    bill: bool = True,
) -> dict[str, bytes]:
    """The contents of a bundle's files by their path in its folder.

    Takes and raises what `write_bundle` does; `bill`: with the bill of materials.
    """
    recipe = Recipe.from_plan(plan, lock=lock)
    in_image = {
        "requirements.txt": requirements_of(recipe),
        **({COMPILED: run_script.write_compiled(recipe)} if recipe.compiles else {}),
        **(lock.texts() if lock else {}),
        "run.sh": run_script.write_run(recipe),
        "usable_cores.sh": run_script.write_usable_cores(recipe),
    }
    workload = {
        f"workload/{name}": content
        for name, content in (script.files(recipe) if recipe.program.own else _payload()).items()
    }
    copied, digest = (*in_image, "workload"), _digest(recipe, in_image, workload)
    texts = {**in_image, "install.sh": run_script.write_install(recipe)}
    if recipe.program.build_command:
        texts["build_program.sh"] = run_script.write_build_program(recipe)
    if recipe.staged_folder:
        texts["stage.sh"] = run_script.write_stage(recipe)
    formats = formats if recipe.in_container else ()
    if "apptainer" in formats:
        texts[FORMATS["apptainer"]] = apptainer.write(recipe, copied, digest)
    if "dockerfile" in formats:
        texts[FORMATS["dockerfile"]] = dockerfile.write(recipe, ("install.sh", *copied), digest)
    asked = job.Job.for_plan(plan, wishes)
    for scheduler in jobs:
        texts[job.FILES[scheduler]] = job.write(recipe, scheduler, asked, digest)
    files = workload | {name: text.encode() for name, text in texts.items()}
    if bill:
        files["sbom.spdx.json"] = sbom.write(recipe, files).encode()
    files[_PLAN] = (json.dumps(plan.to_json(), indent=2) + "\n").encode()
    return files


def requirements_of(recipe: Recipe) -> str:
    """The text of `requirements.txt`: what the plan pins, and what a user's script wants beside it."""
    return run_script.write_requirements(recipe)


def _digest(recipe: Recipe, texts: Mapping[str, str], workload: Mapping[str, bytes]) -> str:
    """What tells images of different content apart: plans that ask for the same image share it, whatever
    their names.
    """
    unnamed = replace(recipe, plan_id="", knowledge="", sources=())
    definition = {"": apptainer.write(unnamed, (), "")} if recipe.bootstrap else {}
    state = hashlib.sha256()
    for name, content in {
        **workload,
        **{name: text.encode() for name, text in {**definition, **texts}.items()},
    }.items():
        state.update(f"{name} {len(content)}\n".encode() + content)
    return state.hexdigest()[:24]


@functools.cache
def _payload() -> dict[str, bytes]:
    """The stand-alone training programs, by file name."""
    return {file.name: file.read_bytes() for file in sorted(_PAYLOAD.iterdir()) if file.is_file()}


def _write(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write all files, or none: they are complete beside their place before the first one is put there, and
    the plan comes last.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with scratch("bundle", folder if folder.is_dir() else folder.parent) as made:
            made.chmod(0o755)
            for name, content in files.items():
                file = made / name
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(content)
                file.chmod(0o755 if file.suffix in _EXECUTABLE else 0o644)
            if not folder.is_dir():
                made.rename(folder)
                return
            for name in files:
                _refuse_link(folder, Path(name).parent)
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                (made / name).replace(folder / name)  # a link of that name is replaced, not followed
            # What reads the folder would enforce them, or build an image that is not the plan's.
            for name in {PYTHON, SYSTEM, COMPILED, *FORMATS.values()} - set(files):
                (folder / name).unlink(missing_ok=True)
    except OSError as error:
        raise BadInput(
            str(folder),
            f"cannot be written: {error.strerror or error}",
            expected="a folder that you may write to",
        ) from error


def _refuse_link(folder: Path, below: Path) -> None:
    """Raises BadInput where a folder of a bundle is a link: what is written would go elsewhere."""
    for part in (below, *below.parents):
        if (folder / part).is_symlink() and part != Path():
            raise BadInput(
                str(folder / part),
                "is a link, through which nothing is written",
                expected="a folder of the bundle's own",
            )
