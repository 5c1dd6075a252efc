"""Readers of /proc/cpuinfo and of lscpu's text and JSON; what a truncated dump no longer says stays
unknown.
"""

from __future__ import annotations

import re
from collections import Counter, deque

from kb.counts import whole
from kb.errors import BadInput
from kb.probe import recognised
from kb.probe.cpu import Processor
from kb.store import files

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
    if re.search(r"^# CPU,", text, re.MULTILINE):
        return _lscpu_parsable(text)
    if re.search(
        r"^(Architecture|Byte Order|CPU\(s\)|CPU op-mode\(s\)|Vendor ID|On-line CPU\(s\) list):",
        text,
        re.MULTILINE,
    ):
        lines = text.splitlines()
        return _lscpu(_entries(lines if text.endswith("\n") else lines[:-1]))
    return _cpuinfo(text, where)


def _entries(lines: list[str]) -> list[tuple[str, str]]:
    """The keys in lower case with their values, in their order: some kinds of lines stand once for each kind
    of core.
    """
    parts = [line.partition(":") for line in lines]
    return [
        (" ".join(key.split()).lower(), value.strip()) for key, colon, value in parts if colon and key.strip()
    ]


def _first(entries: list[tuple[str, str]]) -> dict[str, str]:
    return dict(reversed(entries))


def _cpuinfo(text: str, where: str) -> Processor:
    lines = text.splitlines()
    if (
        not text.endswith("\n")
        and lines
        and lines[-1].split()[-1:]
        and lines[-1].split()[-1] not in recognised.final_features()
    ):
        lines = lines[:-1]  # a line without its end may have lost features or digits
    blocks = [
        block
        for block in re.split(r"\n\s*\n", "\n".join(lines))
        if re.search(r"^processor\s*:", block, re.MULTILINE)
    ]
    if not blocks:
        raise BadInput(
            where, "not a dump of a processor", expected="/proc/cpuinfo, or the output of lscpu or lscpu -J"
        )
    fields = [_first(_entries(block.splitlines())) for block in blocks]
    if not _KEYS & (fields[0].keys() - {"processor"}):
        return Processor(fields[0])
    common = _common(fields)
    numbers = {block.get("processor") for block in fields}
    packages = {block["physical id"] for block in fields if "physical id" in block}
    cores = {
        (block["physical id"], block["core id"])
        for block in fields
        if "physical id" in block and "core id" in block
    }
    whole = _counts_agree(fields, packages)
    return Processor(
        common,
        cores=len(numbers) if whole else None,
        physical_cores=len(cores) or None if whole else None,
        sockets=len(packages) or None if whole else None,
    )


def _common(blocks: list[dict[str, str]]) -> dict[str, str]:
    """The first core's block.

    Of cores of several kinds it is only what all have: a program may come to run on any of them.
    """
    kinds = {_kind_of_core(block) for block in blocks}
    if len(kinds) == 1:
        return blocks[0]
    shared = {}
    for key, value in blocks[0].items():
        if all(block.get(key) == value for block in blocks):
            shared[key] = value
    for key in ("flags", "features"):
        if all(key in block for block in blocks):
            lists = [block[key].split() for block in blocks]
            common = set(lists[0]).intersection(*lists)
            shared[key] = " ".join(word for word in lists[0] if word in common)
    return shared


def _kind_of_core(block: dict[str, str]) -> tuple[str, ...]:
    return tuple(block.get(key, "") for key in ("cpu implementer", "cpu part", "model name", "uarch"))


def _lscpu_parsable(text: str) -> Processor:
    """The topology that `lscpu -p` lists, one line a logical processor; offline ones have no numbers."""
    header = next(line for line in text.splitlines() if line.startswith("# CPU,"))
    columns = header.removeprefix("# ").lower().split(",")
    lines = [
        line for line in text.splitlines(keepends=True) if line.endswith("\n") and re.match(r"\d+,", line)
    ]
    rows = [dict(zip(columns, line.strip().split(","), strict=False)) for line in lines]

    def count(*names: str) -> int | None:
        different = set()
        for row in rows:
            if row.get(names[-1]):
                different.add(tuple(row.get(name, "") for name in names))
        return len(different) or None

    return Processor(
        {},
        cores=count("cpu"),
        physical_cores=count("socket", "core"),
        sockets=count("socket"),
        numa_nodes=count("node"),
    )


def _counts_agree(blocks: list[dict[str, str]], packages: set[str]) -> bool:
    """Whether the dump lists as many processors as each package says it has; single blocks are excerpts more
    often than one-core machines.
    """
    siblings = whole(blocks[0].get("siblings"))
    if siblings is not None:
        return len(blocks) == siblings * max(len(packages), 1)
    return len(blocks) > 1


def _lscpu_json(text: str, where: str) -> Processor:
    document = files.json_of(text, where, "the output of lscpu -J")
    fields: list[tuple[str, str]] = []
    try:
        entries = deque(document["lscpu"])
        while entries:
            entry = entries.popleft()
            fields.append((str(entry["field"]).rstrip(":").lower(), str(entry.get("data") or "")))
            entries += entry.get("children", [])
    except (KeyError, TypeError, AttributeError) as error:
        raise BadInput(where, "not the JSON of lscpu", expected="an object with the key lscpu") from error
    return _lscpu(fields)


def _lscpu(entries: list[tuple[str, str]]) -> Processor:
    """The table of lscpu. Where it has a part for each of several kinds of cores, none of the kinds is the
    processor's.
    """
    fields = _first(entries)
    kinds = [value for key, value in entries if key == "model name"]

    def number(key: str) -> int | None:
        return whole(fields.get(key))

    sockets, per_socket = number("socket(s)"), number("core(s) per socket")
    physical = sockets * per_socket if sockets and per_socket else None
    if len(set(kinds)) > 1:
        times = Counter(key for key, _ in entries)
        several = {key for key, count in times.items() if count > 1}
        fields = {
            key: value for key, value in fields.items() if key not in several or key in ("vendor id", "flags")
        }
        physical, sockets = None, number("socket(s)")
    return Processor(
        fields,
        cores=number("cpu(s)"),
        physical_cores=physical,
        sockets=sockets,
        numa_nodes=number("numa node(s)"),
    )


def count(text: str) -> int | None:
    """Logical processors that the running kernel lists; None where it lists none."""
    return len(re.findall(r"^processor\s*:", text, re.MULTILINE)) or None
