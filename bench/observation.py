"""Observations: one measured run each, whether it was done, failed or ran out of time. They are added and never changed.

An observation is a file of its own in JSON-LD, so that it is an ordinary JSON object and RDF at once. It appears under its name only when it is
complete and on the disk: a process that is killed while it records leaves what was there before, and no half of a file.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, dataclass, field
from pathlib import Path
from typing import Any, Literal, Self

from kb.errors import BadInput
from kb.paths import data_home
from kb.terms import ON, PREFIXES

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
        fields = {name: value for name in self.__slots__ if (value := getattr(self, name)) not in (None, "", (), {})}
        return {"@context": CONTEXT, "type": "Observation", **fields}

    @classmethod
    def from_json(cls, obj: object, where: str) -> Self:
        """Read what `to_json` gave. Raises BadInput, beginning with `where`, for anything else."""
        if not isinstance(obj, Mapping) or obj.get("type") != "Observation":
            raise BadInput(where, "not an observation", expected="an object of type Observation")
        given: dict[str, Any] = {key: tuple(item) if isinstance(item, list) else item for key, item in obj.items() if key not in ("@context", "type")}
        known = {item.name: item.default is MISSING and item.default_factory is MISSING for item in dataclasses.fields(cls)}
        for key in given:
            if key not in known:
                raise BadInput(f"{where}: {key}", "unknown key", given=str(key), known=known)
        if missing := [name for name, required in known.items() if required and name not in given]:
            raise BadInput(where, f"missing {', '.join(missing)}")
        return cls(**given)


def observations_folder() -> Path:
    """Where observations are recorded unless somebody says otherwise."""
    return data_home() / "observations"


def record(observation: Observation, folder: Path | None = None) -> Path:
    """Add an observation, from any number of processes at once. Gives its file.

    Raises:
        BadInput: the folder cannot be written.
    """
    folder = folder or observations_folder()
    name = f"{observation.started.replace(':', '')}-{observation.id.rsplit(':', 1)[-1]}.jsonld"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor, partial = tempfile.mkstemp(prefix=f".{name}.", dir=folder)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                json.dump(observation.to_json(), file, indent=1)
                file.write("\n")
                file.flush()
                os.fsync(file.fileno())
            Path(partial).rename(folder / name)
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                Path(partial).unlink()
            raise
        _sync_folder(folder)
    except OSError as error:
        raise BadInput(str(folder), f"observations cannot be recorded: {error.strerror}", expected="a folder that can be written") from error
    return folder / name


def load(folder: Path | None = None) -> Iterator[Observation]:
    """Every observation of a folder, oldest first. Raises BadInput for a file that is not an observation."""
    for path in sorted((folder or observations_folder()).glob("[!.]*.jsonld")):
        try:
            obj = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise BadInput(str(path), f"not JSON: {error}") from error
        yield Observation.from_json(obj, str(path))


def _sync_folder(folder: Path) -> None:
    """A new name is on the disk only when its folder is."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
