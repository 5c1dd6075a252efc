"""Observations: one measured run each, whether it was done, failed or ran out of time. They are added and
never changed.

An observation is a file of its own in JSON-LD, so that it is an ordinary JSON object and RDF at once. It
appears under its name only when it is complete and on the disk: a process that is killed while it records
leaves what was there before, and no half of a file.
"""

from __future__ import annotations

import dataclasses
import json
import os
import re
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, dataclass, field
from pathlib import Path
from typing import Any, Literal, Self

from kb.clean import cleaned
from kb.errors import BadInput
from kb.observations.recorded import LARGEST, SUFFIX, place
from kb.records.workload import what_is
from kb.store import files
from kb.store.files import set_aside
from kb.store.paths import data_home
from kb.store.scratch import scratch
from kb.store.terms import ON, PREFIXES

Outcome = Literal["done", "failed", "timed-out"]

CONTEXT: dict[str, Any] = {
    "@version": 1.1,
    "on": ON,
    "id": "@id",
    "type": "@type",
    "Observation": "on:Observation",
    "started": {"@id": f"{PREFIXES['prov']}startedAtTime", "@type": f"{PREFIXES['xsd']}dateTime"},
    "series": "on:inSeries",
    "round": "on:inRound",
    "variant": "on:ofVariant",
    "plan_id": "on:ofPlan",
    "knowledge": "on:underKnowledge",
    "recipe": "on:ofRecipe",
    "runner": "on:runBy",
    "cores": "on:onCores",
    "workload": "on:ofWorkload",
    "microarchitecture": "on:onMicroarchitecture",
    "decisions": "on:took",
    "decision": "on:decisionName",
    "option": "on:optionName",
    "outcome": "on:outcome",
    "complaint": "on:complaint",
    "seconds": "on:wallSeconds",
    "throughput": "on:observedThroughput",
    "windows": {"@id": "on:windows", "@type": "@json"},
    "first_step_seconds": "on:firstStepSeconds",
    "peak_memory_mib": "on:peakMemoryMib",
    "foreign_load": "on:foreignLoad",
    "versions": {"@id": "on:underVersions", "@type": "@json"},
    "in_effect": {"@id": "on:inEffect", "@type": "@json"},
    "workload_facts": {"@id": "on:workloadFacts", "@type": "@json"},
    "target_facts": {"@id": "on:targetFacts", "@type": "@json"},
}


@dataclass(frozen=True, slots=True)
class Observation:
    """One measured run.

    Attributes:
        id: a `urn:uuid:`, given when it is made.
        started: when the run began (ISO 8601, UTC).
        series: the identifier of the series in which variants were interleaved.
        round: the round of the series, from 0; ratios are paired within a round.
        variant: the variant's name in its series.
        plan_id: the plan that was run.
        knowledge: the hash of the knowledge base under which it was planned.
        recipe: the digest of what was built, empty where nothing was.
        runner: what ran it: `apptainer`, `native` or `slurm`.
        cores: cores that the run had.
        workload: the workload's name.
        microarchitecture: the CPU's, as the target's facts name it; empty if unknown.
        decisions: `{decision, option}` for every decision of the plan.
        outcome: how the run ended.
        complaint: the last lines of its standard error, where it was not done.
        seconds: wall time of the whole run.
        throughput: the median of the windows, in samples/s; None where nothing was measured.
        windows: the windows after warm-up: `seconds`, `samples`, `throughput` each.
        first_step_seconds: time of the first step, compilation included.
        peak_memory_mib: peak of the resident memory.
        foreign_load: CPUs, on average, that other processes kept busy among those of the run.
        versions: the exact versions of the software that ran.
        in_effect: what the framework itself reported to be in effect.
        workload_facts: the workload's description.
        target_facts: the target's facts.
    """

    series: str
    round: int
    variant: str
    plan_id: str
    runner: str
    cores: int
    workload: str
    outcome: Outcome
    seconds: float
    started: str
    knowledge: str = ""
    recipe: str = ""
    microarchitecture: str = ""
    complaint: str = ""
    throughput: float | None = None
    first_step_seconds: float | None = None
    peak_memory_mib: float | None = None
    foreign_load: float | None = None
    decisions: tuple[Mapping[str, str], ...] = ()
    windows: tuple[Mapping[str, float], ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict)
    in_effect: Mapping[str, Any] = field(default_factory=dict)
    workload_facts: Mapping[str, Any] = field(default_factory=dict)
    target_facts: Mapping[str, Any] = field(default_factory=dict)
    id: str = field(default_factory=lambda: f"urn:uuid:{uuid.uuid4()}")

    def to_json(self) -> dict[str, Any]:
        """The observation as a JSON-LD object; what is not known is left out."""
        fields = {
            name: value for name in self.__slots__ if (value := getattr(self, name)) not in (None, "", (), {})
        }
        return {"@context": CONTEXT, "type": "Observation", **fields}

    @classmethod
    def from_json(cls, obj: object, where: str) -> Self:
        """Read what `to_json` gave. Raises BadInput, beginning with `where`, for anything else."""
        if not isinstance(obj, Mapping) or obj.get("type") != "Observation":
            raise BadInput(where, "not an observation", expected="an object of type Observation")
        given: dict[str, Any] = {
            key: tuple(item) if isinstance(item, list) else item
            for key, item in obj.items()
            if key not in ("@context", "type")
        }
        known = {
            item.name: item.default is MISSING and item.default_factory is MISSING
            for item in dataclasses.fields(cls)
        }
        for key in given:
            if key not in known:
                raise BadInput(f"{where}: {key}", "unknown key", given=str(key), known=known)
        if missing := [name for name, required in known.items() if required and name not in given]:
            raise BadInput(where, f"missing {', '.join(missing)}")
        for item in dataclasses.fields(cls):
            if item.name in given and not _fits(given[item.name], str(item.type)):
                raise BadInput(f"{where}: {item.name}", "has the wrong type", expected=str(item.type))
        return cls(**given)


def _fits(value: object, annotation: str) -> bool:
    """Whether a value from JSON is of the type that a field is annotated with, as far down as the outermost
    kind.
    """
    if value is None or isinstance(value, bool):
        return value is None and "None" in annotation
    if annotation == "Outcome":
        return value in ("done", "failed", "timed-out")
    kinds = {"str": str, "int": int, "float": int | float, "tuple": tuple, "Mapping": Mapping}
    return isinstance(value, kinds[re.split(r"[\[ ]", annotation)[0]])


def observations_folder() -> Path:
    """Where observations are recorded unless somebody says otherwise."""
    return data_home() / "observations"


def record(observation: Observation, folder: Path | None = None) -> Path:
    """Add an observation, from any number of processes at once. Gives its file.

    Raises:
        BadInput: the folder cannot be written.
    """
    what = what_is(observation.workload_facts) if observation.workload_facts else observation.workload
    folder = place(folder or observations_folder(), what, observation.microarchitecture, observation.cores)
    name = f"{observation.started.replace(':', '')}-{observation.id.rsplit(':', 1)[-1]}{SUFFIX}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with scratch("record", folder) as made:
            with (made / name).open("w", encoding="utf-8") as file:
                json.dump(cleaned(observation.to_json()), file, indent=1)
                file.write("\n")
                file.flush()
                os.fsync(file.fileno())
            (made / name).rename(folder / name)
        _sync_folder(folder)
        _sync_folder(folder.parent)
    except OSError as error:
        raise BadInput(
            str(folder),
            f"observations cannot be recorded: {error.strerror}",
            expected="a folder that can be written",
        ) from error
    return folder / name


def load(
    folder: Path | None = None, aside: Callable[[BadInput], object] = set_aside
) -> Iterator[Observation]:
    """Every observation of a folder and of those in it, oldest first.

    Args:
        folder: the folder; without it, where they are recorded.
        aside: is given what is wrong with a file that is no observation; by default it is named on stderr.
    """
    folder = folder or observations_folder()
    found = (*folder.glob(f"[!.]*{SUFFIX}"), *folder.glob(f"[!.]*/[!.]*{SUFFIX}"))
    for path in sorted(found, key=lambda path: path.name):
        try:
            observation = Observation.from_json(
                files.json_of(files.read_text(path, LARGEST), str(path)), str(path)
            )
        except BadInput as error:
            aside(error)
        else:
            yield observation


def _sync_folder(folder: Path) -> None:
    """A new name is on the disk only when its folder is."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
