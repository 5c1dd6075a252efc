"""archspec's microarchitectures -> Turtle: the partial order, vendors and features
(`kb/facts/microarchitectures.ttl`).

`python -m kb.importers.archspec` writes the shipped file again after an update of archspec.
"""

from __future__ import annotations

import re
from datetime import date
from importlib import metadata
from pathlib import Path
from typing import Any

from kb.errors import BadInput
from kb.importers.report import ImportReport, document, literal, statement
from kb.probe.cpu import archspec_data, part_number
from kb.store import files, paths, user_files

SHIPPED = "microarchitectures.ttl"
_NEEDED = {"from", "vendor", "features"}
_NAME = re.compile(r"\w[\w.-]*")


def import_archspec(path: Path | None = None) -> ImportReport:
    """All microarchitectures of a `microarchitectures.json`.

    Args:
        path: the file; without it, that of the installed archspec.

    Raises:
        BadInput: the file holds something else.
    """
    data = _read(path) if path else archspec_data()
    version = metadata.version("archspec")
    source = f"pkg:pypi/archspec@{version}"
    statements, findings = [], []
    known = data["microarchitectures"]
    for name, entry in known.items():
        missing = [parent for parent in entry["from"] if parent not in known]
        findings += [f"{name}: descends from {parent}, which is not described" for parent in missing]
        statements.append(_described(name, entry))
    turtle = document(
        f"microarchitectures of archspec {version}, with what runs on what",
        [source],
        statements,
        _checked(path),
    )
    return ImportReport(turtle, findings)


def _read(path: Path) -> dict[str, Any]:
    expected = "archspec's microarchitectures.json"
    data: Any = files.json_of(user_files.read_text(path), str(path), expected)
    entries = data.get("microarchitectures") if isinstance(data, dict) else None
    if not isinstance(entries, dict) or not all(
        _NAME.fullmatch(name) and _is_described(entry) for name, entry in entries.items()
    ):
        raise BadInput(
            str(path), f"holds no microarchitectures with {', '.join(sorted(_NEEDED))}", expected=expected
        )
    return {"microarchitectures": entries}


def _is_described(entry: Any) -> bool:
    """Whether an entry has what is read of it, in the types that archspec uses."""
    if not isinstance(entry, dict) or not entry.keys() >= _NEEDED or not isinstance(entry["vendor"], str):
        return False
    texts = _are_texts(entry["from"]) and _are_texts(entry["features"])
    return texts and all(map(_NAME.fullmatch, entry["from"])) and isinstance(entry.get("generation", 0), int)


def _are_texts(value: Any) -> bool:
    """Whether a value is a list of texts."""
    return isinstance(value, list) and all(isinstance(word, str) for word in value)


def _described(name: str, entry: dict[str, Any]) -> str:
    generic = entry["vendor"] == "generic"
    facts = [
        f"a on:{'InstructionSetLevel' if generic else 'Microarchitecture'}",
        f"rdfs:label {literal(name)}@en",
    ]
    if not generic:
        facts.append(f"on:vendor {literal(entry['vendor'])}")
    if entry["from"]:
        facts.append("on:from " + " , ".join(f"uarch:{parent}" for parent in entry["from"]))
    if part := part_number(entry):
        facts.append(f"on:cpuPart {literal(part)}")
    if generation := entry.get("generation"):
        facts.append(f"on:generation {int(generation)}")
    if entry["features"]:
        facts.append("on:hasFeature " + " , ".join(literal(feature) for feature in entry["features"]))
    return statement(f"uarch:{name}", facts)


def _checked(path: Path | None) -> str:
    """The day on which the shipped file was made, so that making it again from the same data changes
    nothing.
    """
    shipped = paths.shipped("facts") / SHIPPED
    stated = (
        re.search(r'on:checked "([\d-]+)"', shipped.read_text(encoding="utf-8"))
        if path is None and shipped.is_file()
        else None
    )
    return stated[1] if stated else date.today().isoformat()


if __name__ == "__main__":
    (paths.shipped("facts") / SHIPPED).write_text(import_archspec().turtle, encoding="utf-8")
