"""What a request to MODAK wishes of its job, and which scheduler and site it means."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from generators.modak.request_words import refuse_unknown, stripped
from kb.errors import BadInput
from kb.records.names import Vocabulary
from kb.store.terms import on

if TYPE_CHECKING:
    from kb.store.store import KnowledgeStore

_SCHEDULERS = {"torque": "pbs", "pbs": "pbs", "pbspro": "pbs", "slurm": "slurm", "": "bash", "bash": "bash"}
_EVENTS = {"a": "fail", "b": "begin", "e": "end"}
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


def job_wishes(options: Mapping[str, Any], where: str, notes: list[str]) -> dict[str, Any]:
    """What the options of a job wish for, by the names of our jobs; what is left out goes into `notes`.

    Raises BadInput: a key is unknown.
    """
    refuse_unknown(options, (*_JOB, *_JOB_NOTED, "core_count", "request_event_notification"), where)
    wishes = {
        ours: given
        for theirs, ours in _JOB.items()
        if (given := stripped(options.get(theirs))) not in (None, "", 0)
    }
    if isinstance(events := stripped(options.get("request_event_notification")), str) and events:
        named = ", ".join(
            _EVENTS.get(letter, letter)
            for letter in (events.lower() if len(events) <= len(_EVENTS) else [events])
        )
        notes.append(f"request_event_notification ({named}): mail is left to your scheduler's own flags")
    if "cores" not in wishes and isinstance(cores := stripped(options.get("core_count")), int):
        wishes["cores"] = max(1, cores // max(1, int(wishes.get("nodes", 1))))
    if left := [key for key in _JOB_NOTED if stripped(options.get(key)) not in (None, "", False)]:
        notes.append(f"not carried over: {', '.join(left)}")
    return wishes


def scheduler_of(asked: str, site: str, store: KnowledgeStore | None, where: str, notes: list[str]) -> str:
    """The scheduler that a request means: that of its site, where it is known, whatever is asked.

    Raises BadInput: it is none that jobs are written for.
    """
    meant = (
        [entry.name for entry in vocabulary_of("Scheduler", store).meant(asked)] if store and asked else []
    )
    wanted = _SCHEDULERS.get(meant[0] if len(meant) == 1 else asked.lower())
    if wanted is None:
        expected = ", ".join(key for key in _SCHEDULERS if key)
        raise BadInput(
            where, f"unknown scheduler '{asked}'", expected=expected, given=asked, known=_SCHEDULERS
        )
    known = _site_scheduler(site_name(site, store), store) if site and store else ""
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


def site_name(site: str, store: KnowledgeStore | None) -> str:
    """A site as the knowledge base names it; one that it does not know as MODAK's sites are spelt here."""
    meant = [entry.name for entry in vocabulary_of("Site", store).meant(site)] if store and site else []
    return meant[0] if len(meant) == 1 else site.replace("_", "-")


def vocabulary_of(of_class: str, store: KnowledgeStore) -> Vocabulary:
    """What people call the resources of a class of ours."""
    return store.names.vocabulary(on(of_class))
