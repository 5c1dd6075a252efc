"""The batch system: which one there is, and what `sinfo`, `scontrol show node` or `pbsnodes` say of a cluster."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from kb.counts import MOST_DEVICES, positive, whole
from kb.errors import BadInput

Row = dict[str, str]

_PROGRAMS = {"sinfo": "slurm", "pbsnodes": "pbs"}
# `pbs_version = 23.06.06` is said by PBS Professional and OpenPBS, `Version: 6.1.3` by Torque.
_PBS_KINDS = {True: "pbspro", False: "torque"}
_UNITS = {"b": 2.0**-30, "kb": 2.0**-20, "mb": 2.0**-10, "gb": 1.0, "tb": 2.0**10}
"""The units of PBS in GiB, which it means as powers of two."""


def present(programs: Iterable[str], environment: Mapping[str, str], pbs_version: str | None = None) -> str:
    """`slurm`, `pbs` (or of which kind: `torque`, `pbspro`), or `none`, by the programs in PATH and the job's environment.

    Args:
        programs: those that are there.
        environment: the variables of this process.
        pbs_version: what `qstat --version` prints.
    """
    if any(name.startswith("SLURM_JOB") for name in environment):
        return "slurm"
    found = "pbs" if "PBS_JOBID" in environment else next((_PROGRAMS[name] for name in programs if name in _PROGRAMS), "none")
    told = re.match(r"\s*(pbs_version\s*=|version:)", pbs_version or "", re.IGNORECASE)
    return (_PBS_KINDS["=" in told[1]] if told else "pbs") if found == "pbs" else found


def parse(text: str, where: str) -> dict[str, Any]:
    """What the output of `sinfo` (any format with a header), `scontrol show node` or `pbsnodes -a` says: scheduler, partitions, nodes, what each has.

    Where nodes differ in something, that is left out.

    Raises:
        BadInput: the text is none of these.
    """
    if re.search(r"^[ \t]+(state|resources_available\.\w+|np)[ \t]*=", text, re.MULTILINE):
        return _pbsnodes(text)
    if re.search(r"^NodeName=", text, re.MULTILINE):
        return _scontrol(text)
    header = next((line for line in text.splitlines() if "PARTITION" in _cells(line.upper())), None)
    if header is None:
        raise BadInput(where, "not the state of a cluster", expected="the output of sinfo with its header, of scontrol show node, or of pbsnodes -a")
    return _sinfo(text.splitlines(), header)


def _cells(line: str) -> list[str]:
    """The cells of a line, between bars where it has any."""
    return [cell.strip() for cell in line.split("|")] if "|" in line else line.split()


def _sinfo(lines: list[str], header: str) -> dict[str, Any]:
    columns = _cells(header.upper())
    rows = [_row(dict(zip(columns, _cells(line), strict=False))) for line in lines[lines.index(header) + 1 :] if line.strip()]
    rows = [row for row in rows if row.get("PARTITION")]
    partitions: dict[str, int] = {}
    for row in rows:
        name = row["PARTITION"].rstrip("*")
        partitions[name] = partitions.get(name, 0) + (whole(row.get("NODES")) or 0)
    found: dict[str, Any] = {"scheduler": "slurm", "partitions": sorted(partitions) or None}
    default = next((row["PARTITION"].rstrip("*") for row in rows if row["PARTITION"].endswith("*")), None)
    chosen = default or (next(iter(partitions)) if len(partitions) == 1 else None)
    if chosen is None:
        return found
    mine = [row for row in rows if row["PARTITION"].rstrip("*") == chosen]
    return found | {"nodes": partitions[chosen] or None} | _hardware(mine)


def _row(cells: Row) -> Row:
    """A row with its counts for one node: sums by state (`A/I/O/T`) and `sockets:cores:threads` under the names that other formats use."""
    row = {re.sub(r"\(A/I/O/T\)|\(A/I\)", "", name): value for name, value in cells.items()}
    if "/" in row.get("NODES", ""):
        row["NODES"] = row["NODES"].split("/")[-1]
    if "/" in row.get("CPUS", ""):
        total, nodes = whole(row["CPUS"].split("/")[-1]), positive(row.get("NODES"))
        even = total is not None and nodes and total % nodes == 0
        row["CPUS"] = str(total // nodes) if total is not None and nodes and even else ""
    if (parts := row.get("S:C:T", "").split(":")) and len(parts) == 3:
        row |= dict(zip(("SOCKETS", "CORES", "THREADS"), parts, strict=True))
    return row


def _hardware(rows: list[Row]) -> dict[str, Any]:
    """What each of some nodes of Slurm has, where all say the same."""
    megabytes, sockets, per_socket = _same(rows, "MEMORY"), _same(rows, "SOCKETS"), _same(rows, "CORES")
    found: dict[str, Any] = {
        "cpu.cores": _same(rows, "CPUS"),
        "cpu.sockets": sockets,
        "cpu.physical_cores": sockets * per_socket if sockets and per_socket else None,
        "memory_gib": round(megabytes / 1024, 1) if megabytes else None,
    }
    if devices := _devices(rows):
        found["gpus"] = devices[0]
    return {key: value for key, value in found.items() if value is not None}


def _devices(rows: list[Row]) -> list[list[dict[str, Any]]]:
    """The accelerators of a node by the column GRES, where all rows agree: one list, which may be empty; no list where nobody knows."""
    stated = {row.get("GRES", "") for row in rows}
    if len(stated) != 1 or stated == {""}:
        return []
    found: list[dict[str, Any]] = []
    for entry in re.sub(r"\(.*?\)", "", next(iter(stated))).split(","):
        words = entry.split(":")
        if words[0] == "gpu" and (count := _devices_counted(words[-1])) is not None:
            found += [{"model": words[1]} if len(words) == 3 else {}] * count
    return [found]


def _same(rows: list[Row], column: str) -> int | None:
    """The value that all rows share; None where they differ or one does not say."""
    values = {row.get(column, "").rstrip("+") for row in rows}
    only = values.pop() if len(values) == 1 else ""
    return whole(only)


def _scontrol(text: str) -> dict[str, Any]:
    """What `scontrol show node` says, of which the facts of a node stand in one line or in several."""
    names = {"CPUTot": "CPUS", "RealMemory": "MEMORY", "Gres": "GRES", "Sockets": "SOCKETS", "CoresPerSocket": "CORES"}
    records = [record for record in re.split(r"(?m)^(?=NodeName=)", text) if record.startswith("NodeName=")]
    nodes = [_pairs(record) for record in records]
    rows = [{column: node.get(name, "") for name, column in names.items()} for node in nodes]
    partitions = {name for node in nodes for name in node.get("Partitions", "").split(",") if name}
    architectures = {node.get("Arch", "") for node in nodes}
    found = {"scheduler": "slurm", "partitions": sorted(partitions) or None, "nodes": len(nodes), **_hardware(rows)}
    # A node's own name of its architecture is the least instruction set level of it.
    return found | ({"cpu.isa_level": architectures.pop()} if len(architectures) == 1 and "" not in architectures else {})


def _pairs(record: str) -> Row:
    """`name=value` between blanks, of which values may have some, too."""
    found: Row = {}
    name = ""
    for word in record.split():
        key, equals, value = word.partition("=")
        if equals and re.fullmatch(r"\w+", key):
            name, found[key] = key, value
        elif name:
            found[name] += f" {word}"
    return found


def _pbsnodes(text: str) -> dict[str, Any]:
    """What `pbsnodes -a` says, in the dialects of PBS Professional and of Torque; the virtual nodes of a host count as one."""
    hosts: dict[str, list[Row]] = {}
    for name, stated in re.findall(r"^(\S+)[^\n]*\n((?:[ \t]+.*\n?|\n(?=[ \t]))+)", text, re.MULTILINE):
        node = {key: value.strip() for key, value in re.findall(r"^[ \t]+([\w.]+)[ \t]*=[ \t]*(.*)$", stated, re.MULTILINE)}
        hosts.setdefault(node.get("resources_available.host") or re.sub(r"\[\d+\]$", "", name), []).append(node)
    every = [node for nodes in hosts.values() for node in nodes]
    listed = ",".join(node.get(key, "") for node in every for key in ("queue", "resources_available.Qlist"))
    working = [nodes for nodes in hosts.values() if not any(re.search("down|offline|unknown", node.get("state", "")) for node in nodes)]
    devices = [_pbs_devices(nodes) for nodes in working]
    found = {
        "scheduler": "pbs",
        "partitions": sorted({name.strip() for name in listed.split(",")} - {""}) or None,
        "nodes": len(hosts) or None,
        "cpu.cores": _agreed(map(_pbs_cores, hosts.values())),
        "memory_gib": _agreed(map(_pbs_memory, hosts.values())),
        # Where one host counts its accelerators, one that says nothing of any has none.
        "gpus": _agreed([] if told is None else told for told in devices) if any(told is not None for told in devices) else None,
    }
    return {key: value for key, value in found.items() if value is not None or key in ("scheduler", "partitions", "nodes", "cpu.cores")}


def _agreed(values: Iterable[Any]) -> Any:
    """What all say that say anything; None where they differ."""
    stated = [value for value in values if value is not None]
    return stated[0] if stated and all(value == stated[0] for value in stated) else None


def _pbs_cores(nodes: list[Row]) -> int | None:
    stated = (whole(node.get(key)) for node in nodes for key in ("np", "resources_available.ncpus"))
    return sum(count or 0 for count in stated) or None


def _pbs_memory(nodes: list[Row]) -> float | None:
    stated = [node.get("resources_available.mem") or _status(node, "physmem") for node in nodes]
    sizes = [re.fullmatch(r"([0-9]{1,15})([kmgt]?b)", size or "", re.IGNORECASE) for size in stated]
    return round(sum(int(size[1]) * _UNITS[size[2].lower()] for size in sizes if size), 1) or None


def _pbs_devices(nodes: list[Row]) -> list[dict[str, Any]] | None:
    """The accelerators of a host; Torque names them, PBS Professional counts them. None where it says nothing of any."""
    told = [node.get("resources_available.ngpus") or node.get("gpus") or "" for node in nodes]
    counts = [count for text in told if (count := _devices_counted(text)) is not None]
    if not counts:
        return None
    status = " ".join(node.get("gpu_status", "") for node in nodes)
    named = [name.strip() for name in re.findall(r"gpu_product_name=([^;,]+)", status)]
    count = sum(counts)
    driver = re.search(r"driver_ver=([\d.]+)", status)
    common = {"driver": driver[1]} if driver else {}
    return [{"model": name} | common for name in named] if len(named) == count else [{**common} for _ in range(count)]


def _devices_counted(text: str) -> int | None:
    """A count of accelerators; None where the text is none, or more than a machine has."""
    count = whole(text)
    return count if count is not None and count <= MOST_DEVICES else None


def _status(node: Row, name: str) -> str | None:
    """A value of Torque's status, which is one line of them."""
    found = re.search(rf"(?:^|,){name}=([^,]*)", node.get("status", ""))
    return found[1] if found else None
