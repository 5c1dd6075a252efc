"""MODAK's job requests (JSON) and optimisation descriptions, as a workload, wishes for its plan and wishes
for its job.

MODAK was lenient in places and silent in others. Here blanks at the ends of texts, `optimization` and empty
fields are accepted; what cannot be carried over is said in a note; a key that MODAK never had is an error.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from generators.modak import parallel_program
from generators.modak.parallel_program import ParallelProgram
from kb.errors import BadInput
from kb.records.names import Vocabulary, folded
from kb.records.workload import Workload, complete_workload
from kb.store import user_files
from kb.store.files import json_of, yaml_of
from kb.store.terms import on

if TYPE_CHECKING:
    from kb.store.store import KnowledgeStore

_SCHEDULERS = {"torque": "pbs", "pbs": "pbs", "pbspro": "pbs", "slurm": "slurm", "": "bash", "bash": "bash"}
_EVENTS = {"a": "fail", "b": "begin", "e": "end"}

_SECTIONS = ("job_options", "target", "application", "optimisation")
_JOB = {
    "job_name": "name", "account": "account", "queue": "queue", "wall_time_limit": "time",
    "node_count": "nodes", "process_count_per_node": "cores", "partition": "queue", "request_gpus": "gpus",
    "job_array": "array", "architecture_constraint": "constraint", "qos": "qos",
    "node_exclusive": "exclusive",
}  # fmt: skip
_JOB_NOTED = (
    "core_count_per_process", "memory_limit", "minimum_memory_per_processor", "request_specific_nodes",
    "standard_output_file", "standard_error_file", "combine_stdout_stderr", "copy_environment",
    "copy_environment_variable", "job_dependency", "email_address", "defer_job", "node_mutex",
)  # fmt: skip
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
    job = _job(path)
    where = str(path)
    if "container_file" in job:
        raise BadInput(
            where,
            "the registration of an image, no request for a job",
            expected="`ontune kb import modak FOLDER` for images",
        )
    for key in job:
        if key not in _SECTIONS:
            raise BadInput(
                f"{where}: {key}", "unknown key", expected=", ".join(_SECTIONS), given=key, known=_SECTIONS
            )
    options, target, application, optimisation = (_object(job, key, where) for key in _SECTIONS)
    notes: list[str] = []
    _known(application, _APPLICATION, f"{where}: application")
    _known(target, _TARGET, f"{where}: target")
    kind = _kind(optimisation, application, where)
    framework = _framework(optimisation, kind, f"{where}: optimisation", notes, store)
    if kind != "hpc" and store:
        framework = _of_image(
            _text(application, "container_runtime"),
            framework,
            store,
            f"{where}: application: container_runtime",
            notes,
        )
    build = _object(optimisation, "opt_build", f"{where}: optimisation") or _object(
        optimisation, "arch_build", f"{where}: optimisation"
    )
    makers = _things("AcceleratorMaker", store) if store else None
    accelerator = _one_of(build, "acc_type", _ACCELERATORS, f"{where}: optimisation: opt_build", makers)
    if accelerator == "fpga":
        raise BadInput(
            f"{where}: optimisation: opt_build: acc_type",
            "no plan computes on an fpga",
            expected="nvidia, amd or none",
        )
    _one_of(build, "cpu_type", _PROCESSORS, f"{where}: optimisation: opt_build")
    wishes = _wishes(options, f"{where}: job_options", notes)
    accelerated = accelerator in _FLAGS or bool(wishes.get("gpus"))
    if accelerated and not wishes.get("gpus"):
        wishes["gpus"] = 1
        notes.append(f"acc_type {accelerator} without request_gpus: one accelerator is asked for")
    site = _text(target, "name")
    scheduler = _scheduler(
        _text(target, "job_scheduler_type"), site, store, f"{where}: target: job_scheduler_type", notes
    )
    modules = parallel_program.site_modules(store, _site_name(site, store)) if store else []
    if modules:
        wishes["modules"] = modules
        notes.append(f"{site}: jobs load {', '.join(modules)}")
    parallel = None
    if kind == "hpc":
        flag = _FLAGS.get(accelerator, "--nv") if accelerated else ""
        parallel = _parallel(application, optimisation, flag, f"{where}: optimisation", notes)
        _spread(parallel, wishes, notes)
    else:
        _note_image(_text(application, "container_runtime"), framework, store, notes)
    workload = _workload(application, "" if parallel else framework, where)
    known = bool(site and store and parallel_program.is_site(store, _site_name(site, store)))
    return ModakRequest(
        workload,
        framework,
        _site_name(site, store),
        scheduler,
        wishes,
        accelerated,
        tuple(notes),
        parallel,
        known,
    )


def _job(path: Path) -> dict[str, Any]:
    text = user_files.read_text(path)
    given = _indented(text, str(path)) if path.suffix == ".opt" else json_of(text, str(path))
    for wrapper in ("request", "job"):
        if isinstance(given, Mapping) and isinstance(given.get(wrapper), Mapping):
            given = given[wrapper]
    if not isinstance(given, Mapping) or not (set(given) & {*_SECTIONS, "optimization"}):
        raise BadInput(str(path), "no MODAK request", expected=f"an object with {', '.join(_SECTIONS)}")
    return {("optimisation" if key == "optimization" else key): item for key, item in given.items()}


def _indented(text: str, where: str) -> dict[str, Any]:
    """The optimisation language: YAML, but for its first line and its tabs."""
    body = re.sub(r"^\s*optimi[sz]ation\b[^:\n]*:\s*\n", "", text, count=1)
    if body == text:
        raise BadInput(f"{where}:1", "no optimisation description", expected="optimization NAME:")
    # The editor lets `key:"value"` pass.
    spaced = re.sub(r'^([ \t]*[\w-]+:)(?=")', r"\1 ", body.expandtabs(4), flags=re.MULTILINE)
    first_line = text[: len(text) - len(body)].count("\n")
    return {"optimisation": yaml_of("\n" * first_line + spaced, where)}


def _kind(optimisation: Mapping[str, Any], application: Mapping[str, Any], where: str) -> str:
    """`ai_training` or `hpc`."""
    for holder, name in ((optimisation, "optimisation"), (application, "application")):
        kind = _text(holder, "app_type")
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
    _known(optimisation, (*_OPTIMISATION, *(_OLD if kind == "hpc" else ()), *details), where)
    if optimisation.get("enable_autotuning") is True:
        notes.append(
            "enable_autotuning: nothing is tuned; `ontune bench` measures the bundle against the baselines"
        )
    if kind == "hpc":
        return ""
    where = f"{where}: app_type-ai_training"
    training = _object(optimisation, "app_type-ai_training", where)
    _known(training, ("config", "data", *(f"ai_framework-{name}" for name in _FRAMEWORKS)), where)
    config, data = _object(training, "config", where), _object(training, "data", where)
    _known(config, _CONFIG, f"{where}: config")
    _known(data, _DATA, f"{where}: data")
    things = _things("Framework", store) if store else None
    framework = _one_of(config, "ai_framework", _FRAMEWORKS, f"{where}: config", things)
    asked = _object(training, f"ai_framework-{framework}", where)
    _known(asked, _FRAMEWORKS.get(framework, ()), f"{where}: ai_framework-{framework}")
    if version := _text(asked, "version"):
        notes.append(
            f"{framework} {version}: the newest release that runs here is taken;"
            " pin framework_release to have another"
        )
    if framework == "keras":
        framework = (
            _one_of(asked, "backend", _FRAMEWORKS, f"{where}: ai_framework-keras", things).replace(
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
        if _stripped({**config, **data}.get(key)) not in (None, "", {}, False)
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
    details = _object(optimisation, "app_type-hpc", where)
    where = f"{where}: app_type-hpc"
    _known(details, ("config", "data", *(f"parallelisation-{name}" for name in _PARALLEL)), where)
    config = _object(details, "config", where)
    _known(config, ("parallelisation",), f"{where}: config")
    way = _one_of(config, "parallelisation", _PARALLEL, f"{where}: config") or "mpi"
    asked = _object(details, f"parallelisation-{way}", where)
    _known(asked, _PARALLEL[way], f"{where}: parallelisation-{way}")
    library = _text(asked, "library") or _text(optimisation, "app_name")
    if library in _MISSPELT:
        notes.append(f"library {library}: read as {_MISSPELT[library]}")
        library = _MISSPELT[library]
    version = _text(asked, "version") or _text(_object(optimisation, "app_build", where), "version")
    ranks, threads = (_stripped(application.get(key)) or 0 for key in ("mpi_ranks", "threads"))
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
        _text(application, "container_runtime"),
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


def _wishes(options: Mapping[str, Any], where: str, notes: list[str]) -> dict[str, Any]:
    _known(options, (*_JOB, *_JOB_NOTED, "core_count", "request_event_notification"), where)
    wishes = {
        ours: stripped
        for theirs, ours in _JOB.items()
        if (stripped := _stripped(options.get(theirs))) not in (None, "", 0)
    }
    if isinstance(events := _stripped(options.get("request_event_notification")), str) and events:
        named = ", ".join(
            _EVENTS.get(letter, letter)
            for letter in (events.lower() if len(events) <= len(_EVENTS) else [events])
        )
        notes.append(f"request_event_notification ({named}): mail is left to your scheduler's own flags")
    if "cores" not in wishes and isinstance(cores := _stripped(options.get("core_count")), int):
        wishes["cores"] = max(1, cores // max(1, int(wishes.get("nodes", 1))))
    if left := [key for key in _JOB_NOTED if _stripped(options.get(key)) not in (None, "", False)]:
        notes.append(f"not carried over: {', '.join(left)}")
    return wishes


def _scheduler(asked: str, site: str, store: KnowledgeStore | None, where: str, notes: list[str]) -> str:
    meant = [entry.name for entry in _things("Scheduler", store).meant(asked)] if store and asked else []
    wanted = _SCHEDULERS.get(meant[0] if len(meant) == 1 else asked.lower())
    if wanted is None:
        expected = ", ".join(key for key in _SCHEDULERS if key)
        raise BadInput(
            where, f"unknown scheduler '{asked}'", expected=expected, given=asked, known=_SCHEDULERS
        )
    known = _site_scheduler(_site_name(site, store), store) if site and store else ""
    if known and known != wanted:
        notes.append(f"{site} is run by {known}, whatever the request says ({asked or 'nothing'})")
    return known or wanted


def _site_scheduler(site: str, store: KnowledgeStore) -> str:
    if not re.fullmatch(r"[A-Za-z0-9-]+", site):
        return ""
    query = (
        "SELECT ?scheduler WHERE { ?site a on:Site ; on:scheduler ?scheduler ."
        f' FILTER(REGEX(STR(?site), "[/-]{site}$")) }} LIMIT 1'
    )
    return next((row["scheduler"] for row in store.select(query)), "")


def _site_name(site: str, store: KnowledgeStore | None) -> str:
    """A site as the knowledge base names it; one that it does not know as MODAK's sites are spelt here."""
    meant = [entry.name for entry in _things("Site", store).meant(site)] if store and site else []
    return meant[0] if len(meant) == 1 else site.replace("_", "-")


def _things(of_class: str, store: KnowledgeStore) -> Vocabulary:
    return store.names.vocabulary(on(of_class))


def _workload(application: Mapping[str, Any], framework: str, where: str) -> Workload:
    executable, arguments = _text(application, "executable"), _text(application, "arguments")
    try:
        command = shlex.split(f"{executable} {arguments}".replace("\\\n", " "))
    except ValueError as error:
        raise BadInput(
            f"{where}: application: arguments",
            f"not a command: {error}",
            expected="words as a shell reads them",
        ) from error
    build = _object(application, "build", f"{where}: application")
    _known(build, _BUILD, f"{where}: application: build")
    facts: dict[str, Any] = {
        "traits": ["training"] if framework else [],
        "command": command or None,
        "framework": framework or None,
        "build_source": _text(build, "src") or None,
        "build_command": _text(build, "build_command") or None,
    }
    return complete_workload(_text(application, "app_tag") or "modak", facts, where)


def _object(holder: Mapping[str, Any], key: str, where: str) -> Mapping[str, Any]:
    item = holder.get(key)
    if item in (None, ""):
        return {}
    if not isinstance(item, Mapping):
        raise BadInput(f"{where}: {key}", "not an object", expected="names with values")
    return item


def _known(given: Mapping[str, Any], known: tuple[str, ...], where: str) -> None:
    for key in given:
        if key not in known:
            raise BadInput(f"{where}: {key}", "unknown key", given=key, known=known)


def _one_of(
    holder: Mapping[str, Any], key: str, known: Collection[str], where: str, things: Vocabulary | None = None
) -> str:
    """A word of a list, as the list has it; empty where nothing is said. `things` are what else the words may
    be called by.
    """
    said = _text(holder, key)
    if not said:
        return ""
    spelt = {folded(word): word for word in known}
    meant = [entry.name for entry in (things.meant(said) if things else ()) if entry.name in known]
    word = spelt.get(folded(said), meant[0] if len(meant) == 1 else None)
    if word is None:
        expected = ", ".join(name for name in known if name)
        raise BadInput(
            f"{where}: {key}", f"'{said:.60}' is not known", expected=expected, given=said, known=known
        )
    return word


def _text(holder: Mapping[str, Any], key: str) -> str:
    item = holder.get(key)
    return "" if item is None else str(item).strip()


def _stripped(item: Any) -> Any:
    return item.strip() if isinstance(item, str) else item
