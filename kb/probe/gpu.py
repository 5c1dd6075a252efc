"""Accelerators: `nvidia-smi -q -x` XML, `rocm-smi` or `amd-smi` JSON, and what the PCI bus shows where no
tool is installed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from kb.counts import whole
from kb.errors import BadInput
from kb.records.recognition import architecture_reported
from kb.store import files

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

_NVIDIA = "the whole output of nvidia-smi -q -x"
_ROCM = "the whole output of rocm-smi or amd-smi with --json"
_DISPLAY_CLASSES = ("0x03", "0x12")
_ABSENT = {"", "n/a", "[n/a]", "unknown", "[not supported]"}


def nvidia(text: str, where: str, compute_capabilities: str | None = None) -> list[dict[str, Any]]:
    """The accelerators in the XML of `nvidia-smi -q -x`; a partitioned one counts as its slices.

    Args:
        text: the XML.
        where: its name, for the error.
        compute_capabilities: what `nvidia-smi --query-gpu=compute_cap` prints, which the XML lacks.

    Raises:
        BadInput: the XML is truncated or is something else; the message names the line.
    """
    log = files.xml_of(text, where, _NVIDIA)
    if log.tag != "nvidia_smi_log":
        raise BadInput(where, f"XML of another kind ({log.tag})", expected=_NVIDIA)
    capabilities = [line.strip() for line in (compute_capabilities or "").splitlines()]
    found: list[dict[str, Any]] = []
    for n, gpu in enumerate(log.findall("gpu")):
        capability = (
            capabilities[n] if n < len(capabilities) and re.fullmatch(r"\d+\.\d+", capabilities[n]) else None
        )
        model, generation = _text(gpu, "product_name"), _text(gpu, "product_architecture")
        told = architecture_reported(model, generation, capability)
        device = {
            "vendor": "nvidia",
            "model": model,
            "compute_capability": told.capability if told else None,
            "arch": told.arch if told else None,
            "memory_gib": _gib(_text(gpu, "fb_memory_usage/total")),
            "driver": _text(log, "driver_version"),
            "cuda_max": _text(log, "cuda_version"),
            "mig": "none",
        }
        slices = gpu.findall("mig_devices/mig_device")
        if (_text(gpu, "mig_mode/current_mig") or "").lower() == "enabled":
            for part in slices:
                found.append(
                    device | {"memory_gib": _gib(_text(part, "fb_memory_usage/total")), "mig": _profile(part)}
                )
        else:
            found.append(device)
    attached = _text(log, "attached_gpus")
    if whole(attached) not in (None, len(log.findall("gpu"))):
        raise BadInput(
            where,
            f"announces {attached} accelerators and describes {len(log.findall('gpu'))}",
            expected=_NVIDIA,
        )
    return found


def _profile(part: Element) -> str | None:
    """The slice's share of the multiprocessors, as its profile is not in the XML."""
    count = _text(part, "device_attributes/shared/multiprocessor_count") or _text(
        part, "shared/multiprocessor_count"
    )
    memory = _gib(_text(part, "fb_memory_usage/total"))
    return f"{count} SM, {memory} GiB" if count and memory else "slice"


def rocm(text: str, where: str) -> list[dict[str, Any]]:
    """The accelerators in the JSON of `rocm-smi --json` or `amd-smi static --json`; warnings that a tool
    wrote before it are passed over.

    Raises:
        BadInput: the JSON is malformed or truncated (the message names the line), or is something else.
    """
    lines = text.splitlines()
    before = next((n for n, line in enumerate(lines) if line.lstrip()[:1] in ("{", "[")), 0)
    data = files.json_of("\n" * before + "\n".join(lines[before:]), where, _ROCM)
    if isinstance(data, dict) and isinstance(data.get("gpu_data"), list):
        data = data["gpu_data"]
    if isinstance(data, list) and all(isinstance(card, dict) and "gpu" in card for card in data):
        return [_from_fields(_flat(card), None) for card in data]
    if isinstance(data, dict):
        cards = {
            name: card
            for name, card in data.items()
            if re.fullmatch(r"card\d+", name) and isinstance(card, dict)
        }
        system = data.get("system") if isinstance(data.get("system"), dict) else {}
        if cards:
            driver = next(
                (str(value) for key, value in (system or {}).items() if "driver" in key.lower()), None
            )
            return [_from_fields(_flat(card), driver) for card in cards.values()]
    raise BadInput(where, "no accelerator in it", expected=_ROCM)


def _from_fields(fields: Mapping[str, str], driver: str | None) -> dict[str, Any]:
    names = [
        _first(fields, *keys)
        for keys in (("card series", "market_name"), ("product_name", "device name", "card model"))
    ]
    return {
        "vendor": "amd",
        "model": next((name for name in names if name and re.search(r"\d", name)), None)
        or next(filter(None, names), None),
        "arch": _gfx(" ".join(fields.values())),
        "compute_capability": "none",
        "memory_gib": _memory(fields),
        "driver": _version(driver or _first(fields, "driver version", "driver.version", "driver_version")),
        "cuda_max": "none",
        "mig": "none",
    }


def _gfx(text: str) -> str | None:
    """The LLVM target that a text names.

    rocm-smi writes the last digit of those of the generation 9 in decimal: its gfx9010 is gfx90a.
    """
    found = re.search(r"gfx[0-9a-f]+", text)
    decimal = re.fullmatch(r"(gfx9\d)(\d\d)", found[0]) if found else None
    return f"{decimal[1]}{int(decimal[2]):x}" if decimal else found[0] if found else None


def _memory(fields: Mapping[str, str]) -> float | None:
    """GiB by the key of either tool; rocm-smi has the unit in its key, as in `VRAM Total Memory (MiB)`."""
    for name, value in fields.items():
        if (unit := re.fullmatch(r"vram total memory \((\w+)\)", name)) and whole(value) is not None:
            return _gib(f"{value} {unit[1].upper()}")
    return _gib(_first(fields, "vram.size.value", "vram.size", "vram_size", "vram_size_mb"))


def _version(text: str | None) -> str | None:
    """The version of a driver; the driver that a kernel brings along has none of its own, and the tools name
    the kernel instead.
    """
    return text if text and re.fullmatch(r"\d+(\.\d+)+", text) else None


def _flat(value: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    found: dict[str, str] = {}
    for key, member in value.items():
        name = f"{prefix}{key}".lower()
        if isinstance(member, dict):
            found |= _flat(member, f"{name}.")
        elif isinstance(member, str | int | float):
            found[name] = str(member)
    return found


def _first(fields: Mapping[str, str], *names: str) -> str | None:
    """The first stated value among fields with one of these names, or whose last part has it."""
    for wanted in names:
        for name, value in fields.items():
            if (name == wanted or name.endswith("." + wanted)) and value.lower() not in _ABSENT:
                return value
    return None


def _text(element: Element, path: str) -> str | None:
    text = (element.findtext(path) or "").strip()
    return None if text.lower() in _ABSENT else text


def _gib(text: str | None) -> float | None:
    """GiB from `81559 MiB`, `192 GB` (which the tools mean as GiB) or a number of bytes or MiB."""
    match = re.fullmatch(r"(\d{1,18}(?:\.\d*)?)\s*([KMG]I?B|B)?", (text or "").strip(), re.IGNORECASE)
    if not match:
        return None
    number, unit = float(match[1]), (match[2] or ("B" if float(match[1]) > 2**30 else "MB"))[0]
    return round(number / {"B": 2**30, "K": 2**20, "M": 2**10, "G": 1}[unit.upper()], 1)


def visible(found: list[dict[str, Any]], stated: str | None) -> list[dict[str, Any]]:
    """The accelerators that the environment leaves to this process.

    Args:
        found: all that the tool describes.
        stated: the variable with their places (`0,2`); other forms, and places that are not there, leave all
            visible.
    """
    places = [whole(place) for place in (stated or "").split(",")]
    known = [place for place in places if place is not None and place < len(found)]
    return [found[place] for place in known] if len(known) == len(places) else found


def on_bus(devices: Iterable[Sequence[str]], makers: Iterable[str]) -> bool:
    """Whether the PCI bus shows a display or processing controller of a maker of accelerators.

    Args:
        devices: class and vendor of each device, in hexadecimal.
        makers: PCI identifiers of the makers.
    """
    known = set(makers)
    return any(kind.startswith(_DISPLAY_CLASSES) and vendor in known for kind, vendor in devices)
