"""MODAK's job requests (JSON) and optimisation descriptions, as a workload, wishes for its plan and wishes for its job.

MODAK was lenient in places and silent in others. Here blanks at the ends of texts, `optimization` and empty fields are accepted; what cannot be
carried over is said in a note; a key that MODAK never had is an error.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kb import user_files
from kb.errors import BadInput
from kb.workload import Workload, complete_workload

if TYPE_CHECKING:
    from kb.store import KnowledgeStore

_SCHEDULERS = {"torque": "pbs", "pbs": "pbs", "slurm": "slurm", "": "bash", "bash": "bash"}
_EVENTS = {"a": "fail", "b": "begin", "e": "end"}

_SECTIONS = ("job_options", "target", "application", "optimisation")
_JOB = {
    "job_name": "name", "account": "account", "queue": "queue", "wall_time_limit": "time", "node_count": "nodes", "process_count_per_node": "cores",
    "request_gpus": "gpus", "job_array": "array", "architecture_constraint": "constraint", "qos": "qos", "node_exclusive": "exclusive",
}  # fmt: skip
_JOB_NOTED = (
    "core_count_per_process", "memory_limit", "minimum_memory_per_processor", "request_specific_nodes", "standard_output_file",
    "standard_error_file", "combine_stdout_stderr", "copy_environment", "copy_environment_variable", "job_dependency", "email_address", "defer_job",
    "node_mutex",
)  # fmt: skip
_APPLICATION = ("app_tag", "app_type", "executable", "arguments", "container_runtime", "build", "mpi_ranks", "threads", "storage")
_OPTIMISATION = ("enable_opt_build", "enable_autotuning", "app_type", "opt_build", "autotuning")


@dataclass(frozen=True)
class ModakRequest:
    """What a request asks for, in our words.

    Attributes:
        workload: the training job; its program stays where the job is submitted.
        framework: the framework that was named, or empty.
        target: the target that was named, or empty.
        scheduler: `bash`, `slurm` or `pbs`.
        wishes: what the job asks its scheduler for, by the names of `generators.job.Job`.
        accelerated: whether a GPU was asked for.
        notes: what was read and is not carried over, with the reason.
    """

    workload: Workload
    framework: str
    target: str
    scheduler: str
    wishes: dict[str, Any]
    accelerated: bool
    notes: tuple[str, ...] = field(default=())


def read_request(path: Path, store: KnowledgeStore | None = None) -> ModakRequest:
    """Read a request (JSON, or the indented optimisation language in a file `.opt`).

    Args:
        path: the file.
        store: knowledge about sites; a site's own scheduler overrides the one that the request names.

    Raises:
        BadInput: the file is malformed, is no request for a training job, or has a key that MODAK never had; the message names the key.
    """
    job = _job(path)
    where = str(path)
    for key in job:
        if key not in _SECTIONS:
            raise BadInput(f"{where}: {key}", "unknown key", expected=", ".join(_SECTIONS), given=key, known=_SECTIONS)
    options, target, application, optimisation = (_object(job, key, where) for key in _SECTIONS)
    notes: list[str] = []
    kind = _text(optimisation, "app_type") or _text(application, "app_type")
    if kind not in ("ai_training", "python", ""):
        raise BadInput(f"{where}: app_type", f"'{kind}' is no training job", expected="ai_training")
    _known(application, _APPLICATION, f"{where}: application")
    framework = _framework(optimisation, f"{where}: optimisation", notes)
    build = _object(optimisation, "opt_build", f"{where}: optimisation")
    accelerator = _text(build, "acc_type").lower()
    wishes = _wishes(options, f"{where}: job_options", notes)
    accelerated = accelerator in ("nvidia", "amd") or bool(wishes.get("gpus"))
    if accelerated and not wishes.get("gpus"):
        wishes["gpus"] = 1
        notes.append(f"acc_type {accelerator} without request_gpus: one accelerator is asked for")
    site = _text(target, "name")
    scheduler = _scheduler(_text(target, "job_scheduler_type"), site, store, f"{where}: target: job_scheduler_type", notes)
    if image := _text(application, "container_runtime"):
        notes.append(f"container_runtime {image}: an image is built for the plan instead")
    return ModakRequest(_workload(application, framework, where), framework, site.replace("_", "-"), scheduler, wishes, accelerated, tuple(notes))


def _job(path: Path) -> dict[str, Any]:
    text = user_files.read_text(path)
    if path.suffix == ".opt":
        given = _indented(text, str(path))
    else:
        try:
            given = json.loads(text)
        except ValueError as error:
            line = getattr(error, "lineno", 1)
            raise BadInput(f"{path}:{line}", f"not JSON: {getattr(error, 'msg', error)}", expected="a MODAK request") from error
    for wrapper in ("request", "job"):
        if isinstance(given, Mapping) and isinstance(given.get(wrapper), Mapping):
            given = given[wrapper]
    if not isinstance(given, Mapping) or not (set(given) & {*_SECTIONS, "optimization"}):
        raise BadInput(str(path), "no MODAK request", expected=f"an object with {', '.join(_SECTIONS)}")
    return {("optimisation" if key == "optimization" else key): item for key, item in given.items()}


def _indented(text: str, where: str) -> dict[str, Any]:
    """The optimisation language: YAML, but for its first line and its tabs."""
    import yaml

    body = re.sub(r"^\s*optimi[sz]ation\b[^:\n]*:\s*\n", "", text, count=1)
    if body == text:
        raise BadInput(f"{where}:1", "no optimisation description", expected="optimization NAME:")
    try:
        given = yaml.safe_load(body.expandtabs(4))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise BadInput(f"{where}:{mark.line + 2 if mark else 1}", "malformed", expected="key: value, indented by tabs") from error
    return {"optimisation": given}


def _framework(optimisation: Mapping[str, Any], where: str, notes: list[str]) -> str:
    details = tuple(key for key in optimisation if re.fullmatch(r"app_type-\w+", key))
    _known(optimisation, (*_OPTIMISATION, *details), where)
    training = _object(optimisation, "app_type-ai_training", where)
    config = _object(training, "config", f"{where}: app_type-ai_training")
    framework = _text(config, "ai_framework").lower()
    asked = _object(training, f"ai_framework-{framework}", f"{where}: app_type-ai_training")
    if version := _text(asked, "version"):
        notes.append(f"{framework} {version}: the newest release that runs here is taken; pin framework_release to have another")
    for compiler in ("xla", "glow"):
        if asked.get(compiler) is True:
            notes.append(f"{compiler}: true: the plan takes a graph compiler only where it helps; pin compiler={compiler} to have it anyway")
    if optimisation.get("enable_autotuning") is True:
        notes.append("enable_autotuning: use `ontune tune`")
    return framework


def _wishes(options: Mapping[str, Any], where: str, notes: list[str]) -> dict[str, Any]:
    _known(options, (*_JOB, *_JOB_NOTED, "core_count", "request_event_notification"), where)
    wishes = {ours: stripped for theirs, ours in _JOB.items() if (stripped := _stripped(options.get(theirs))) not in (None, "", 0)}
    if isinstance(events := _stripped(options.get("request_event_notification")), str) and events:
        named = ", ".join(_EVENTS.get(letter, letter) for letter in (events.lower() if len(events) <= len(_EVENTS) else [events]))
        notes.append(f"request_event_notification ({named}): mail is left to your scheduler's own flags")
    if "cores" not in wishes and isinstance(cores := _stripped(options.get("core_count")), int):
        wishes["cores"] = max(1, cores // max(1, int(wishes.get("nodes", 1))))
    if left := [key for key in _JOB_NOTED if _stripped(options.get(key)) not in (None, "", False)]:
        notes.append(f"not carried over: {', '.join(left)}")
    return wishes


def _scheduler(asked: str, site: str, store: KnowledgeStore | None, where: str, notes: list[str]) -> str:
    if asked.lower() not in _SCHEDULERS:
        expected = ", ".join(key for key in _SCHEDULERS if key)
        raise BadInput(where, f"unknown scheduler '{asked}'", expected=expected, given=asked.lower(), known=_SCHEDULERS)
    wanted = _SCHEDULERS[asked.lower()]
    known = _site_scheduler(site.replace("_", "-"), store) if site and store else ""
    if known and known != wanted:
        notes.append(f"{site} is run by {known}, whatever the request says ({asked or 'nothing'})")
    return known or wanted


def _site_scheduler(site: str, store: KnowledgeStore) -> str:
    if not re.fullmatch(r"[A-Za-z0-9-]+", site):
        return ""
    query = f'SELECT ?scheduler WHERE {{ ?site a on:Site ; on:scheduler ?scheduler . FILTER(REGEX(STR(?site), "[/-]{site}$")) }} LIMIT 1'
    return next((row["scheduler"] for row in store.select(query)), "")


def _workload(application: Mapping[str, Any], framework: str, where: str) -> Workload:
    executable, arguments = _text(application, "executable"), _text(application, "arguments")
    try:
        command = shlex.split(f"{executable} {arguments}".replace("\\\n", " "))
    except ValueError as error:
        raise BadInput(f"{where}: application: arguments", f"not a command: {error}", expected="words as a shell reads them") from error
    facts: dict[str, Any] = {"traits": ["Training"], "command": command or None, "framework": framework or None}
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


def _text(holder: Mapping[str, Any], key: str) -> str:
    item = holder.get(key)
    return "" if item is None else str(item).strip()


def _stripped(item: Any) -> Any:
    return item.strip() if isinstance(item, str) else item
