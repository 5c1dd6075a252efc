"""MLPerf Training -> Turtle: submitted systems as targets, closed-division results as published results.

The descriptions are as submitted. Accelerator names are brought to one form by declared normalisations;
whatever else does not parse is reported and left unknown; results that do not fit their neighbours keep their
numbers and carry a doubt.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from statistics import median
from typing import Any

from kb.counts import positive
from kb.errors import BadInput
from kb.importers.report import ImportReport, document, iri_name, literal, statement
from kb.records.shapes import violations
from kb.store import files, user_files
from kb.store.normalise import normalised
from kb.store.terms import local_name

_SOURCES = (
    "https://github.com/mlcommons/training_results_v4.1",
    "https://github.com/mlcommons/training_results_v5.0",
)
_COLUMNS = (
    "round",
    "submitter",
    "system",
    "benchmark",
    "runs",
    "ok",
    "minutes_olympic",
    "minutes_min",
    "minutes_max",
)
_UNITS = {
    "TIB": 2**40,
    "TB": 10**12,
    "T": 10**12,
    "GIB": 2**30,
    "GB": 10**9,
    "G": 10**9,
    "MIB": 2**20,
    "MB": 10**6,
}
# A result is doubted where its throughput is that of its neighbours and its time is not, or the other way
# round.
_ALIKE, _FAR, _OTHER_UNIT, _LEAST_NEIGHBOURS = 0.25, 1.8, 3.0, 3
_STALE_YEARS = 1.0
_NUMBER = re.compile(r"-?[0-9]{1,15}(?:\.[0-9]{1,20})?(?:[eE][-+]?[0-9]{1,2})?")
_READ = {
    "system_name", "submitter", "division", "status", "number_of_nodes",
    "host_processors_per_node", "host_processor_model_name", "host_processor_core_count",
    "host_memory_capacity", "framework", "operating_system", "other_software_stack",
    "accelerators_per_node", "accelerator_model_name", "accelerator_memory_capacity",
}  # fmt: skip


def import_mlperf(folder: Path) -> ImportReport:
    """Systems and results of a folder with `results.csv` and the descriptions that its column `system_json`
    names.

    Raises:
        BadInput: the table is missing or lacks a column, or a description is missing or malformed.
    """
    rows = _rows(folder / "results.csv")
    findings: list[str] = []
    named = {row["system_json"]: row["round"] for row in rows}
    described = [path.relative_to(folder).as_posix() for path in sorted((folder / "systems").rglob("*.json"))]
    systems = {path: _system(folder / path, path, findings) for path in dict.fromkeys([*described, *named])}
    findings += [f"{path}: no result names this system" for path in described if path not in named]
    doubts = _doubts(rows, systems)
    _doubt_repetitions(rows, doubts)
    seen: dict[str, int] = defaultdict(int)
    statements = [system["turtle"] for system in systems.values()]
    for n, row in enumerate(rows):
        name = iri_name(f"mlperf-{row['round']}-{row['submitter']}-{row['system']}-{row['benchmark']}")
        seen[name] += 1
        if seen[name] > 1:
            findings.append(f"results.csv:{n + 2}: {name} is there {seen[name]} times; each is kept")
            name = f"{name}-{seen[name]}"
        findings += [f"results.csv:{n + 2}: {name}: {doubt}" for doubt in doubts[n]]
        statements.append(_result(name, row, systems[row["system_json"]]["iri"], doubts[n]))
    unread: set[str] = set()
    for system in systems.values():
        unread.update(system["unread"])
    findings.append(f"fields of the descriptions that are not imported: {', '.join(sorted(unread))}")
    turtle = document("MLPerf Training, closed division: systems and results", _SOURCES, statements)
    broken = violations(turtle, "target-shapes.ttl", "published-shapes.ttl")
    findings += [
        f"{found.focus}: {local_name(found.path)} {found.value}: expected {found.message}" for found in broken
    ]
    return ImportReport(turtle, findings)


def _rows(path: Path) -> list[dict[str, str]]:
    rows = files.csv_of(user_files.read_text(path), str(path))
    missing = [column for column in (*_COLUMNS, "system_json") if not rows or column not in rows[0]]
    if missing:
        raise BadInput(
            str(path),
            f"lacks the columns {', '.join(missing)}",
            expected="the table of MLPerf Training results",
        )
    return rows


def _published(path: str) -> float | None:
    """When the round of a description was published, in years."""
    rule = next((rule for step in path.split("/") if (rule := normalised("mlperf_round", step))), None)
    return _in_years(*rule.normal_form.split("-")) if rule else None


def _in_years(year: str, month: str) -> float:
    return int(year) % 100 + int(month) / 12


def _system(file: Path, path: str, findings: list[str]) -> dict[str, Any]:
    if ".." in Path(path).parts or Path(path).is_absolute():
        raise BadInput(
            "results.csv", f"'{path:.80}' lies outside of the folder", expected="a path below systems/"
        )
    description = user_files.read_object(file)
    where = path.split("systems/", 1)[-1]

    def text(field: str) -> str:
        return str(description.get(field) or "").strip()

    def count(field: str) -> int | None:
        if number := positive(text(field)):
            return number
        findings.append(f"{where}: {field} is '{text(field)}': left unknown, for it is no whole number")
        return None

    def gib(field: str, *, binary: bool) -> float | None:
        value = _gib(text(field), binary=binary)
        if value is None:
            findings.append(
                f"{where}: {field} is '{text(field)}': left unknown, for it is no amount of memory"
            )
        return value

    accelerator = normalised("accelerator_model_name", text("accelerator_model_name"))
    if accelerator is None:
        findings.append(
            f"{where}: accelerator_model_name '{text('accelerator_model_name')}' "
            "has no declared normal form: kept as it stands"
        )
    elif accelerator.normal_form != text("accelerator_model_name"):
        findings.append(
            f"{where}: accelerator_model_name '{text('accelerator_model_name')}' "
            f"is read as '{accelerator.normal_form}'"
        )
    framework = " ".join(text("framework").split())
    published = _published(path)
    if published and (newest := _newest_release(framework)) and published - newest > _STALE_YEARS:
        findings.append(
            f"{where}: framework '{framework}' names nothing newer than a year before the round: "
            "stale, kept as submitted"
        )
    nodes, devices = count("number_of_nodes"), count("accelerators_per_node")
    processors, cores = count("host_processors_per_node"), count("host_processor_core_count")
    memory = gib("host_memory_capacity", binary=False)
    model = accelerator.normal_form if accelerator else text("accelerator_model_name")
    device = [f"a on:Gpu ; on:model {literal(model)}"]
    device += [f"on:gpuVendor {literal(accelerator.vendor)}"] if accelerator and accelerator.vendor else []
    device_memory = gib("accelerator_memory_capacity", binary=True)
    device += [f"on:memoryGib {device_memory}"] if device_memory else []
    driver = _driver(description.get("other_software_stack"))
    if driver and re.fullmatch(r"\d{3}(\.\d+)+", driver):
        device.append(f"on:driver {literal(driver)}")
    elif driver:
        findings.append(f"{where}: the driver is '{driver}': left unknown, for it is no version")
    system = normalised("operating_system", text("operating_system"))
    if system is None:
        findings.append(
            f"{where}: operating_system '{text('operating_system')}' has no declared normal form: "
            "left unknown"
        )
    place = path.removeprefix("systems/").replace("/systems/", "-").removesuffix(".json")
    iri = f"tgt:mlperf-{iri_name(place.replace('/', '-'))}"
    facts = [
        f"a on:Target ; rdfs:label {literal(text('system_name') or user_files.name_of(file))}@en ; "
        f"on:submitter {literal(text('submitter'))}"
    ]
    facts += [f"on:nodes {nodes}"] if nodes else []
    facts += [f"on:accelerators {devices} ; on:gpu [ {' ; '.join(device)} ]"] if devices else []
    facts += [f"on:sockets {processors}"] if processors else []
    facts += [f"on:physicalCores {processors * cores}"] if processors and cores else []
    facts += [f"on:memoryGib {memory}"] if memory else []
    facts += [f"on:operatingSystem {literal(system.normal_form)}"] if system else []
    facts += (
        [f"on:cpuModel {literal(' '.join(text('host_processor_model_name').split()))}"]
        if text("host_processor_model_name")
        else []
    )
    facts += [f"on:frameworkAsSubmitted {literal(framework)}"] if framework else []
    total = nodes * devices if nodes and devices else None
    return {
        "iri": iri,
        "turtle": statement(iri, facts),
        "model": model,
        "devices": total,
        "unread": set(description) - _READ,
    }


def _driver(stack: Any) -> str:
    """The kernel driver where it is told apart from the driver of the container, else the one that is told;
    spaces inside do not count.
    """
    parts = [part for part in (stack if isinstance(stack, list) else [stack]) if isinstance(part, dict)]
    for field in ("nvidia_kernel_driver", "cuda_driver_version"):
        for part in parts:
            if part.get(field):
                return "".join(str(part[field]).split())
    return ""


def _newest_release(framework: str) -> float | None:
    """The newest `year.month` release that a framework's description names, in years."""
    found = [_in_years(year, month) for year, month in re.findall(r"\b(2\d)\.(0[1-9]|1[0-2])\b", framework)]
    return max(found, default=None)


def _gib(text: str, *, binary: bool) -> float | None:
    """GiB of `2.0 TB`, `81559 MiB`, `180GB`.

    With `binary`, GB means GiB, as makers of accelerators use it.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([TGM](?:i?B)?)", text, re.IGNORECASE)
    if not match:
        return None
    unit = match[2].upper()
    if binary and unit in ("G", "GB"):
        unit = "GIB"
    return round(float(match[1]) * _UNITS.get(unit, 10**6) / 2**30, 1)


def _number(row: dict[str, str], column: str) -> float | None:
    """The number of a cell, as Turtle writes one; None for anything else, such as `nan`."""
    return float(row[column]) if _NUMBER.fullmatch(row.get(column) or "") else None


def _doubts(rows: list[dict[str, str]], systems: dict[str, dict[str, Any]]) -> list[list[str]]:
    """For each row, what speaks against it, by its neighbours: the same benchmark on as many of the same
    accelerators.
    """
    doubts: list[list[str]] = [[] for _ in rows]
    groups: dict[Any, list[int]] = defaultdict(list)
    for n, row in enumerate(rows):
        system = systems[row["system_json"]]
        if _number(row, "minutes_olympic") and _number(row, "throughput_median") and system["devices"]:
            groups[row["round"], row["benchmark"], system["model"], system["devices"]].append(n)
    for members in groups.values():
        if len(members) < _LEAST_NEIGHBOURS:
            continue
        usual_minutes = median(_all(rows, members, "minutes_olympic"))
        usual_throughput = median(_all(rows, members, "throughput_median"))
        for n in members:
            minutes = (_number(rows[n], "minutes_olympic") or 0) / usual_minutes
            throughput = (_number(rows[n], "throughput_median") or 0) / usual_throughput
            if minutes >= _FAR and abs(throughput - 1) <= _ALIKE:
                doubts[n].append(
                    f"takes {minutes:.1f} times as long as its {len(members) - 1} neighbours "
                    "at the same throughput: not the computing"
                )
            elif abs(minutes - 1) <= _ALIKE and not 1 / _OTHER_UNIT < throughput < _OTHER_UNIT:
                doubts[n].append(
                    f"takes as long as its {len(members) - 1} neighbours "
                    f"at {throughput:.3g} times their throughput: another unit"
                )
    return doubts


def _doubt_repetitions(rows: list[dict[str, str]], doubts: list[list[str]]) -> None:
    """One measurement that is published twice must not count twice."""
    first: dict[tuple[str, ...], int] = {}
    for n, row in enumerate(rows):
        numbers = tuple(
            row[column] for column in ("benchmark", "minutes_olympic", "minutes_min", "minutes_max")
        )
        other = rows[first.setdefault(numbers, n)]
        if other is not row and row["minutes_olympic"]:
            doubts[n].append(
                f"has the very numbers of {other['system']} in {other['round']}: "
                "one measurement, published twice"
            )


def _all(rows: list[dict[str, str]], members: Iterable[int], column: str) -> list[float]:
    return [number for n in members if (number := _number(rows[n], column)) is not None]


def _result(name: str, row: dict[str, str], system: str, doubts: list[str]) -> str:
    label = f"{row['benchmark']} on {row['system']}, {row['submitter']}, {row['round']}"
    facts = [
        f"a on:PublishedResult ; rdfs:label {literal(label)}@en ; "
        f"on:benchmark {literal(row['benchmark'])} ; on:publishedIn {literal(row['round'])}"
    ]
    facts.append(f"on:submitter {literal(row['submitter'])} ; on:measuredOn {system}")
    numbers = {
        "runs": "timedRuns",
        "ok": "convergedRuns",
        "minutes_olympic": "minutesToTarget",
        "minutes_min": "leastMinutes",
        "minutes_max": "mostMinutes",
        "global_batch_size": "globalBatchSize",
        "throughput_median": "publishedThroughput",
    }
    stated = [
        f"on:{term} {row[column]}" for column, term in numbers.items() if _number(row, column) is not None
    ]
    facts.append(" ; ".join(stated))
    if hyper := files.json_of(row.get("hyper") or "{}", f"results.csv: {name}"):
        facts.append(f"on:hyperparameters {literal(json.dumps(hyper, sort_keys=True))}")
    facts += [f"on:doubt {literal(doubt)}" for doubt in doubts]
    return statement(f"obs:{name}", facts)
