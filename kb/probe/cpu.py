"""Processors: /proc/cpuinfo or lscpu text to a safe instruction set level and a likely microarchitecture,
which are two facts and never one.

The microarchitectures are archspec's, read as data.
"""

from __future__ import annotations

import functools
import importlib.util
import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from kb.errors import OntuneError
from kb.probe import recognised
from kb.values import Value

# Level, microarchitecture, confidence.
Identity = tuple[str | None, str | None, float | None]
_UNKNOWN: Identity = (None, None, None)
# Below this share of common features nothing is likely.
_LEAST_AGREEMENT = 0.5


class Microarchitecture(Value, frozen=True):
    """One microarchitecture of archspec, with what it inherits.

    Attributes:
        name: archspec's name.
        vendor: the maker, or `generic` for an instruction set level.
        features: instruction set features, aliases not resolved.
        ancestors: names of all microarchitectures from which it descends.
        part: the part number of an Arm processor, or the empty text.
        generation: the generation of a POWER processor, or 0.
    """

    name: str
    vendor: str
    features: frozenset[str]
    ancestors: frozenset[str]
    part: str
    generation: int

    @property
    def rank(self) -> tuple[int, int]:
        """The newer of two compatible ones ranks higher."""
        return len(self.ancestors), len(self.features)


class Processor(Value, frozen=True):
    """What a dump says of the processor; None is unknown.

    Attributes:
        fields: the first processor's block, or lscpu's table, with lower-case keys.
        cores: logical processors.
        physical_cores: cores without hardware threads.
        sockets: packages.
        numa_nodes: memory domains.
    """

    fields: dict[str, str]
    cores: int | None = None
    physical_cores: int | None = None
    sockets: int | None = None
    numa_nodes: int | None = None


@functools.cache
def archspec_data() -> dict[str, Any]:
    """archspec's JSON: microarchitectures, feature aliases and conversions."""
    spec = importlib.util.find_spec("archspec")  # located, not imported: its import detects the machine
    if spec is None or spec.origin is None:
        raise OntuneError("the package archspec is missing: install Ontune with its dependencies")
    data: dict[str, Any] = json.loads(
        (Path(spec.origin).parent / "json/cpu/microarchitectures.json").read_text(encoding="utf-8")
    )
    return data


def part_number(entry: Mapping[str, Any]) -> str:
    """The part number of an Arm processor in an entry of archspec, or the empty text; archspec writes
    `Unknown` where it knows none.
    """
    stated = str(entry.get("cpupart", ""))
    return "" if stated == "Unknown" else stated


@functools.cache
def microarchitectures() -> dict[str, Microarchitecture]:
    """All microarchitectures of archspec, by name."""
    stated = archspec_data()["microarchitectures"]

    def ancestors(name: str) -> frozenset[str]:
        parents = stated[name]["from"]
        return frozenset(parents).union(*map(ancestors, parents))

    return {
        name: Microarchitecture(
            name,
            entry["vendor"],
            frozenset(entry["features"]),
            ancestors(name),
            part_number(entry),
            int(entry.get("generation", 0)),
        )
        for name, entry in stated.items()
    }


def facts(processor: Processor, machine: str | None = None, byte_order: str | None = None) -> dict[str, Any]:
    """The `cpu` part of the target facts.

    Args:
        processor: what a dump says.
        machine: the kernel's name of the architecture, where known (`x86_64`).
        byte_order: `little` or `big`, where known: cpuinfo of POWER does not tell.
    """
    fields = processor.fields
    family = machine or _family(fields, byte_order)
    features = _features(fields)
    level, likely, confidence = (
        _identify(family, fields, features, machine or byte_order) if family else _UNKNOWN
    )
    return {
        "isa_level": level,
        "microarchitecture": likely,
        "confidence": confidence,
        "cores": processor.cores,
        "physical_cores": processor.physical_cores,
        "sockets": processor.sockets,
        "numa_nodes": processor.numa_nodes,
        "features": sorted(features) if features else None,
        "vendor": recognised.processor_maker(_vendor(fields) or "")
        or (_vendor_of(likely) if likely else None),
        "model": fields.get("model name") or fields.get("cpu") or None,
    }


def _vendor_of(name: str) -> str | None:
    vendor = microarchitectures()[name].vendor
    return None if vendor == "generic" else vendor


def _features(fields: dict[str, str]) -> frozenset[str]:
    return frozenset((fields.get("flags") or fields.get("features") or "").split())


def _vendor(fields: dict[str, str]) -> str | None:
    code = fields.get("cpu implementer")
    if code:
        vendors: dict[str, str] = archspec_data()["conversions"]["arm_vendors"]
        return vendors.get(code.lower(), code)
    return fields.get("vendor_id") or fields.get("vendor id")


def _family(fields: dict[str, str], byte_order: str | None) -> str | None:
    """The architecture by the shape of the dump, as each kernel port writes its own keys."""
    if stated := fields.get("architecture"):
        return stated
    if "flags" in fields:
        return "x86_64" if "lm" in fields["flags"].split() else None
    if "cpu implementer" in fields:
        return "aarch64"
    if "isa" in fields and "hart" in fields:
        return "riscv64" if fields["isa"].startswith("rv64") else None
    if power := re.match(r"POWER\d\w*", fields.get("cpu", ""), re.IGNORECASE):
        likely = "little" if power[0] in recognised.little_endian_processors() else "big"
        return "ppc64le" if (byte_order or likely) == "little" else "ppc64"
    return None


def _identify(
    family: str, fields: dict[str, str], features: frozenset[str], byte_order_told: str | None
) -> Identity:
    """By generation, by name, or by features: what the architecture's kernel port tells."""
    known = microarchitectures()
    if family not in known:
        return _UNKNOWN
    candidates = [each for each in known.values() if each.name == family or family in each.ancestors]
    if power := re.match(
        r"POWER([0-9]{1,3})", fields.get("cpu") or fields.get("model name") or "", re.IGNORECASE
    ):
        order_is_known = "architecture" in fields or byte_order_told is not None
        return _by_generation(family if order_is_known else None, int(power[1]), candidates)
    names: set[str] = set()
    for key in ("uarch", "model name"):
        names |= {plain_name(word) for word in re.split(r"[\s,]", fields.get(key, ""))}
    runs = [each for each in candidates if has_all(features, each, family)]
    named = [each for each in runs if each.vendor != "generic" and plain_name(each.name) in names]
    if named and not named[0].features:
        return family, named[0].name, 1.0
    if not features:
        return family, None, None
    return _by_features(family, fields, features, candidates, runs, named)


def _by_generation(level: str | None, generation: int, candidates: list[Microarchitecture]) -> Identity:
    best = max((each for each in candidates if each.generation <= generation), key=lambda each: each.rank)
    return level, best.name, 1.0 if level and best.generation == generation else 0.5


def _by_features(
    family: str,
    fields: dict[str, str],
    features: frozenset[str],
    candidates: list[Microarchitecture],
    runs: list[Microarchitecture],
    named: list[Microarchitecture],
) -> Identity:
    """The highest level of which every feature is there, and the vendor's microarchitecture with which the
    most features agree.
    """
    levels = [each for each in runs if each.vendor == "generic" and (each.features or each.name == family)]
    if not levels:
        return _UNKNOWN
    level = max(levels, key=_rank)
    kin = [each for each in candidates if each.vendor == _vendor(fields) and level.name in each.ancestors]
    likely = [each for each in named if each in kin] or kin
    if "cpu implementer" in fields:
        # Arm processors name their part; where the dump was cut before it, the features alone do not tell two
        # of them apart.
        part = fields.get("cpu part", "").lower()
        likely = [each for each in kin if part and each.part == part] or [
            each for each in kin if part and each in runs
        ]
    elif any(each.part for each in kin):
        likely = [
            each for each in named if each in kin
        ]  # lscpu does not print the part; it may print its name
    best = max(likely, key=lambda each: (_agreement(features, each, kin), *each.rank), default=None)
    if best is None or _agreement(features, best, kin) < _LEAST_AGREEMENT:
        return level.name, None, None
    if best in runs and best.part:
        # A known part has the level that its vendor built it to, which no feature flag states.
        level = max(
            (each for each in candidates if each.vendor == "generic" and each.name in best.ancestors),
            key=_rank,
        )
    return level.name, best.name, round(_agreement(features, best, kin), 2)


def _rank(each: Microarchitecture) -> tuple[int, int]:
    return each.rank


def has_all(features: frozenset[str], wanted: Microarchitecture, family: str) -> bool:
    """Whether a list of features has all of a microarchitecture of a family (`x86_64`), by their names or by
    those that imply them.
    """
    return all(feature in features or _implied(feature, features, family) for feature in wanted.features)


def _implied(feature: str, features: frozenset[str], family: str) -> bool:
    alias = archspec_data()["feature_aliases"].get(feature, {})
    return any(other in features for other in alias.get("any_of", ())) or family in alias.get("families", ())


def _agreement(
    features: frozenset[str], candidate: Microarchitecture, kin: Iterable[Microarchitecture]
) -> float:
    """Shared features over all features that tell the vendor's microarchitectures apart; a virtual machine
    hides features, so it stays below 1.
    """
    telling = frozenset[str]().union(*(each.features for each in kin))
    mine = features & telling
    return len(mine & candidate.features) / max(len(mine | candidate.features), 1)


def plain_name(text: str) -> str:
    """A name without case and signs."""
    return re.sub(r"[^a-z0-9]", "", text.lower())
