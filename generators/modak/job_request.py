"""MODAK's job requests (JSON) and optimisation descriptions, as a workload, wishes for its plan and wishes
for its job.

MODAK was lenient in places and silent in others. Here blanks at the ends of texts, `optimization` and empty
fields are accepted; what cannot be carried over is said in a note; a key that MODAK never had is an error.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from generators.modak import parallel_program
from generators.modak.parallel_program import ParallelProgram
from generators.modak.request_words import (
    SECTIONS,
    object_in,
    refuse_unknown,
    sections_of,
    stripped,
    text_in,
    word_in,
)
from generators.modak.scheduling import job_wishes, scheduler_of, site_name, vocabulary_of
from kb.errors import BadInput
from kb.records.workload import Workload, complete_workload

if TYPE_CHECKING:
    from kb.store.store import KnowledgeStore


_TARGET = ("name", "job_scheduler_type")
_APPLICATION = (
    "app_tag", "app_type", "executable", "arguments", "container_runtime", "build", "mpi_ranks", "threads",
    "storage", "minimal_efficiency", "storage_class_pref", "pre-execution", "post-execution",
)  # fmt: skip
_BUILD = ("src", "build_command", "build_parallelism")
_OPTIMISATION = ("enable_opt_build", "enable_autotuning", "app_type", "opt_build", "autotuning")
_OLD = ("app_name", "arch_build", "app_build")
_CONFIG = ("ai_framework", "type", "distributed_training", "layers", "parameters")
_DATA = ("location", "basedata", "size", "count", "etl")
_FRAMEWORKS: dict[str, tuple[str, ...]] = {
    "tensorflow": ("version", "xla"), "pytorch": ("version", "glow"), "keras": ("version", "backend"),
    "cntk": ("version",), "mxnet": ("version",),
}  # fmt: skip
_PARALLEL: dict[str, tuple[str, ...]] = {
    "mpi": ("library", "version", "scaling_efficiency", "core_subscription", "message_size"),
    "openmp": ("number_of_threads", "scaling_efficiency", "affinity"),
    "opencc": ("compiler", "version", "number_of_acc"),
    "opencl": ("compiler", "version", "number_of_acc"),
}
_ACCELERATORS = ("", "none", "nvidia", "amd", "fpga")
_PROCESSORS = ("", "none", "x86", "arm", "amd", "power")
_FLAGS = {"nvidia": "--nv", "amd": "--rocm"}
# The grammar of MODAK's editor spells them so.
_MISSPELT = {"mvapch": "mvapich", "opnmpi": "openmpi"}


@dataclass(frozen=True)
class ModakRequest:
    """What a request asks for, in our words.

    Attributes:
        workload: the training job; its program stays where the job is submitted.
        framework: the framework that was named, or that the image is for which was named; empty where neither
            is.
        target: the target that was named, or empty.
        at_known_site: whether that is a site which is known.
        scheduler: `bash`, `slurm` or `pbs`.
        wishes: what the job asks its scheduler for, by the names of `generators.writers.job.Job`.
        accelerated: whether a GPU was asked for.
        notes: what was read and is not carried over, or is carried over otherwise, with the reason.
        parallel: what is said of a program that trains nothing; None for a training job.
    """

    workload: Workload
    framework: str
    target: str
    scheduler: str
    wishes: dict[str, Any]
    accelerated: bool
    notes: tuple[str, ...] = field(default=())
    parallel: ParallelProgram | None = None
    at_known_site: bool = False


def read_request(path: Path, store: KnowledgeStore | None = None) -> ModakRequest:
    """Read a request (JSON, or the indented optimisation language in a file `.opt`, which says how and not
    what is run).

    Args:
        path: the file.
        store: knowledge about sites; a site's own scheduler overrides the one that the request names.

    Raises:
        BadInput: the file is malformed, is no request for a job, or has a key that MODAK never had; the
            message names the key.
    """
    job = sections_of(path)
    where = str(path)
    if "container_file" in job:
        raise BadInput(
            where,
            "the registration of an image, no request for a job",
            expected="`ontune kb import modak FOLDER` for images",
        )
    for key in job:
        if key not in SECTIONS:
            raise BadInput(
                f"{where}: {key}", "unknown key", expected=", ".join(SECTIONS), given=key, known=SECTIONS
            )
    options, target, application, optimisation = (object_in(job, key, where) for key in SECTIONS)
    notes: list[str] = []
    refuse_unknown(application, _APPLICATION, f"{where}: application")
    refuse_unknown(target, _TARGET, f"{where}: target")
    kind = _kind(optimisation, application, where)
    framework = _framework(optimisation, kind, f"{where}: optimisation", notes, store)
    if kind != "hpc" and store:
        framework = _of_image(
            text_in(application, "container_runtime"),
            framework,
            store,
            f"{where}: application: container_runtime",
            notes,
        )
    build = object_in(optimisation, "opt_build", f"{where}: optimisation") or object_in(
        optimisation, "arch_build", f"{where}: optimisation"
    )
    makers = vocabulary_of("AcceleratorMaker", store) if store else None
    accelerator = word_in(build, "acc_type", _ACCELERATORS, f"{where}: optimisation: opt_build", makers)
    if accelerator == "fpga":
        raise BadInput(
            f"{where}: optimisation: opt_build: acc_type",
            "no plan computes on an fpga",
            expected="nvidia, amd or none",
        )
    word_in(build, "cpu_type", _PROCESSORS, f"{where}: optimisation: opt_build")
    wishes = job_wishes(options, f"{where}: job_options", notes)
    accelerated = accelerator in _FLAGS or bool(wishes.get("gpus"))
    if accelerated and not wishes.get("gpus"):
        wishes["gpus"] = 1
        notes.append(f"acc_type {accelerator} without request_gpus: one accelerator is asked for")
    site = text_in(target, "name")
    scheduler = scheduler_of(
        text_in(target, "job_scheduler_type"), site, store, f"{where}: target: job_scheduler_type", notes
    )
    modules = parallel_program.site_modules(store, site_name(site, store)) if store else []
    if modules:
        wishes["modules"] = modules
        notes.append(f"{site}: jobs load {', '.join(modules)}")
    parallel = None
    if kind == "hpc":
        flag = _FLAGS.get(accelerator, "--nv") if accelerated else ""
        parallel = _parallel(application, optimisation, flag, f"{where}: optimisation", notes)
        _spread(parallel, wishes, notes)
    else:
        _note_image(text_in(application, "container_runtime"), framework, store, notes)
    workload = _workload(application, "" if parallel else framework, where)
    known = bool(site and store and parallel_program.is_site(store, site_name(site, store)))
    return ModakRequest(
        workload,
        framework,
        site_name(site, store),
        scheduler,
        wishes,
        accelerated,
        tuple(notes),
        parallel,
        known,
    )


def _kind(optimisation: Mapping[str, Any], application: Mapping[str, Any], where: str) -> str:
    """`ai_training` or `hpc`."""
    for holder, name in ((optimisation, "optimisation"), (application, "application")):
        kind = text_in(holder, "app_type")
        if kind in ("hpc", "mpi"):
            return "hpc"
        if kind == "ai_training":
            return kind
        if kind not in ("python", ""):
            problem = f"'{kind}' is neither a training job nor a parallel program"
            raise BadInput(
                f"{where}: {name}: app_type",
                problem,
                expected="ai_training, hpc or mpi",
                given=kind,
                known=("ai_training", "hpc", "mpi"),
            )
    return "ai_training"


def _framework(
    optimisation: Mapping[str, Any], kind: str, where: str, notes: list[str], store: KnowledgeStore | None
) -> str:
    details = tuple(
        key for key in optimisation if re.fullmatch(r"app_type-(ai_training|hpc|ai_inference|big_data)", key)
    )
    refuse_unknown(optimisation, (*_OPTIMISATION, *(_OLD if kind == "hpc" else ()), *details), where)
    if optimisation.get("enable_autotuning") is True:
        notes.append(
            "enable_autotuning: nothing is tuned; `ontune bench` measures the bundle against the baselines"
        )
    if kind == "hpc":
        return ""
    where = f"{where}: app_type-ai_training"
    training = object_in(optimisation, "app_type-ai_training", where)
    refuse_unknown(training, ("config", "data", *(f"ai_framework-{name}" for name in _FRAMEWORKS)), where)
    config, data = object_in(training, "config", where), object_in(training, "data", where)
    refuse_unknown(config, _CONFIG, f"{where}: config")
    refuse_unknown(data, _DATA, f"{where}: data")
    things = vocabulary_of("Framework", store) if store else None
    framework = word_in(config, "ai_framework", _FRAMEWORKS, f"{where}: config", things)
    asked = object_in(training, f"ai_framework-{framework}", where)
    refuse_unknown(asked, _FRAMEWORKS.get(framework, ()), f"{where}: ai_framework-{framework}")
    if version := text_in(asked, "version"):
        notes.append(
            f"{framework} {version}: the newest release that runs here is taken;"
            " pin framework_release to have another"
        )
    if framework == "keras":
        framework = (
            word_in(asked, "backend", _FRAMEWORKS, f"{where}: ai_framework-keras", things).replace(
                "keras", ""
            )
            or "tensorflow"
        )
        notes.append(f"keras: it comes with {framework}")
    for compiler in ("xla", "glow"):
        if asked.get(compiler) is True:
            takes = f"`ontune why-not compiler={compiler}` says what having it takes"
            notes.append(f"{compiler}: true: the plan takes a graph compiler only where it helps; {takes}")
        elif asked.get(compiler) is False:
            notes.append(
                f"{compiler}: false: the plan takes a graph compiler where it helps;"
                f" forbid {compiler} to be sure"
            )
    if left := [
        key
        for key in (*_CONFIG[1:], *_DATA)
        if stripped({**config, **data}.get(key)) not in (None, "", {}, False)
    ]:
        notes.append(
            f"{', '.join(left)}: say it in a workload's file, where it counts;"
            " MODAK read it and did nothing with it"
        )
    return framework


def _of_image(image: str, framework: str, store: KnowledgeStore, where: str, notes: list[str]) -> str:
    """The framework, which an image tells where the request does not say it.

    Raises:
        BadInput: the request and the image that it names are for different ones.
    """
    found = parallel_program.framework_of_image(store, image, _FRAMEWORKS) if image else ""
    if framework and found not in ("", framework, "keras"):
        raise BadInput(
            where, f"{image} is for {found}, and the request asks for {framework}", expected="one framework"
        )
    if found and not framework:
        notes.append(f"{found}: the framework that {image} is for")
    return framework or ("tensorflow" if found == "keras" else found)


def _parallel(
    application: Mapping[str, Any], optimisation: Mapping[str, Any], flag: str, where: str, notes: list[str]
) -> ParallelProgram:
    """What is said of MPI, in the three forms that MODAK had over the years."""
    details = object_in(optimisation, "app_type-hpc", where)
    where = f"{where}: app_type-hpc"
    refuse_unknown(details, ("config", "data", *(f"parallelisation-{name}" for name in _PARALLEL)), where)
    config = object_in(details, "config", where)
    refuse_unknown(config, ("parallelisation",), f"{where}: config")
    way = word_in(config, "parallelisation", _PARALLEL, f"{where}: config") or "mpi"
    asked = object_in(details, f"parallelisation-{way}", where)
    refuse_unknown(asked, _PARALLEL[way], f"{where}: parallelisation-{way}")
    library = text_in(asked, "library") or text_in(optimisation, "app_name")
    if library in _MISSPELT:
        notes.append(f"library {library}: read as {_MISSPELT[library]}")
        library = _MISSPELT[library]
    version = text_in(asked, "version") or text_in(object_in(optimisation, "app_build", where), "version")
    ranks, threads = (stripped(application.get(key)) or 0 for key in ("mpi_ranks", "threads"))
    for key, number in (("mpi_ranks", ranks), ("threads", threads)):
        if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number < 10**6:
            raise BadInput(
                f"{where.split(': ')[0]}: application: {key}",
                "not usable",
                expected="a whole number from 0 to 999999",
            )
    if left := [key for key in asked if key not in ("library", "version") and asked[key] not in (None, "")]:
        notes.append(f"not carried over: {', '.join(left)}")
    return ParallelProgram(
        library if way == "mpi" else "",
        version,
        text_in(application, "container_runtime"),
        ranks,
        threads,
        flag,
    )


def _spread(program: ParallelProgram, wishes: dict[str, Any], notes: list[str]) -> None:
    """The ranks over the nodes.

    `process_count_per_node` was the cores of a node in some requests and its ranks in others.
    """
    nodes, cores = int(wishes.get("nodes") or 1), int(wishes.get("cores") or 0)
    tasks = -(-program.ranks // nodes) if program.ranks else max(1, cores)
    if cores and tasks > cores:
        notes.append(
            f"mpi_ranks {program.ranks} are {tasks} on each of {nodes} nodes,"
            f" not the {cores} of process_count_per_node"
        )
    if program.ranks and program.ranks != tasks * nodes:
        notes.append(f"mpi_ranks {program.ranks}: {tasks} on each of {nodes} nodes are {tasks * nodes}")
    wishes["tasks_per_node"], wishes["cores"] = tasks, max(1, cores // tasks)
    if program.threads > wishes["cores"]:
        problem = f"threads {program.threads} of each process share {wishes['cores']} core" + (
            "s" if wishes["cores"] > 1 else ""
        )
        notes.append(f"{problem}: ask for more cores (--ask cores={program.threads}) or fewer threads")


def _note_image(image: str, framework: str, store: KnowledgeStore | None, notes: list[str]) -> None:
    if image:
        notes.append(
            f"container_runtime {image}: an image is built for the plan instead,"
            " with what is known to run on the target"
        )
    for known in parallel_program.published_images(store, framework) if store and image and framework else ():
        if known.reference == image.partition("://")[2] or known.reference == image:
            notes.append(f"{image}: {known.doubts or 'nobody has measured it'}")


def _workload(application: Mapping[str, Any], framework: str, where: str) -> Workload:
    executable, arguments = text_in(application, "executable"), text_in(application, "arguments")
    try:
        command = shlex.split(f"{executable} {arguments}".replace("\\\n", " "))
    except ValueError as error:
        raise BadInput(
            f"{where}: application: arguments",
            f"not a command: {error}",
            expected="words as a shell reads them",
        ) from error
    build = object_in(application, "build", f"{where}: application")
    refuse_unknown(build, _BUILD, f"{where}: application: build")
    facts: dict[str, Any] = {
        "traits": ["training"] if framework else [],
        "command": command or None,
        "framework": framework or None,
        "build_source": text_in(build, "src") or None,
        "build_command": text_in(build, "build_command") or None,
    }
    return complete_workload(text_in(application, "app_tag") or "modak", facts, where)
