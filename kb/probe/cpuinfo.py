"""Readers of /proc/cpuinfo and of lscpu's text and JSON; what a truncated dump no longer says stays unknown."""

from __future__ import annotations

import json
import re

from kb.errors import BadInput
from kb.probe import recognised
from kb.probe.cpu import Processor

_KEYS = {"processor", "flags", "features", "cpu implementer", "isa", "cpu", "vendor_id", "model name"}


def parse(text: str, where: str) -> Processor:
    """A dump in whichever of the three forms.

    Args:
        text: the dump.
        where: its name, for the error.

    Raises:
        BadInput: the text has none of the forms.
    """
    stripped = text.lstrip()
    if stripped.startswith("{"):
        return _lscpu_json(text, where)
    if re.search(r"^(Architecture|Byte Order|CPU\(s\)|CPU op-mode\(s\)|Vendor ID|On-line CPU\(s\) list):", text, re.MULTILINE):
        lines = text.splitlines()
        return _lscpu(_pairs(lines if text.endswith("\n") else lines[:-1]))
    return _cpuinfo(text, where)


def _pairs(lines: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in lines:
        key, colon, value = line.partition(":")
        if colon and key.strip():
            found.setdefault(" ".join(key.split()).lower(), value.strip())
    return found


def _cpuinfo(text: str, where: str) -> Processor:
    lines = text.splitlines()
    if not text.endswith("\n") and lines and lines[-1].split()[-1:] and lines[-1].split()[-1] not in recognised.final_features():
        lines = lines[:-1]  # a line without its end may have lost features or digits
    blocks = [block for block in re.split(r"\n\s*\n", "\n".join(lines)) if re.search(r"^processor\s*:", block, re.MULTILINE)]
    if not blocks:
        raise BadInput(where, "not a dump of a processor", expected="/proc/cpuinfo, or the output of lscpu or lscpu -J")
    fields = [_pairs(block.splitlines()) for block in blocks]
    if not _KEYS & (fields[0].keys() - {"processor"}):
        return Processor(fields[0])
    numbers = {block.get("processor") for block in fields}
    packages = {block["physical id"] for block in fields if "physical id" in block}
    cores = {(block["physical id"], block["core id"]) for block in fields if "physical id" in block and "core id" in block}
    whole = _counts_agree(fields, packages)
    return Processor(
        fields[0],
        cores=len(numbers) if whole else None,
        physical_cores=len(cores) or None if whole else None,
        sockets=len(packages) or None if whole else None,
    )


def _counts_agree(blocks: list[dict[str, str]], packages: set[str]) -> bool:
    """Whether the dump lists as many processors as each package says it has; single blocks are excerpts more often than one-core machines."""
    siblings = blocks[0].get("siblings", "")
    if siblings.isdigit():
        return len(blocks) == int(siblings) * max(len(packages), 1)
    return len(blocks) > 1


def _lscpu_json(text: str, where: str) -> Processor:
    try:
        entries = json.loads(text)["lscpu"]
        fields: dict[str, str] = {}
        stack = list(entries)
        while stack:
            entry = stack.pop(0)
            fields.setdefault(str(entry["field"]).rstrip(":").lower(), str(entry.get("data") or ""))
            stack += entry.get("children", [])
    except json.JSONDecodeError as error:
        raise BadInput(f"{where}:{error.lineno}", f"malformed JSON: {error.msg}", expected="the output of lscpu -J") from error
    except (KeyError, TypeError, AttributeError) as error:
        raise BadInput(where, "not the JSON of lscpu", expected="an object with the key lscpu") from error
    return _lscpu(fields)


def _lscpu(fields: dict[str, str]) -> Processor:
    def number(key: str) -> int | None:
        return int(fields[key]) if fields.get(key, "").isdigit() else None

    sockets, per_socket = number("socket(s)"), number("core(s) per socket")
    return Processor(
        fields,
        cores=number("cpu(s)"),
        physical_cores=sockets * per_socket if sockets and per_socket else None,
        sockets=sockets,
        numa_nodes=number("numa node(s)"),
    )


def count(text: str) -> int | None:
    """Logical processors that the running kernel lists; None where it lists none."""
    return len(re.findall(r"^processor\s*:", text, re.MULTILINE)) or None
