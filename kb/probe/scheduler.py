"""The batch system: which one there is, and what `sinfo`, `scontrol show node` or `pbsnodes` say of a
cluster.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, NoReturn, TypeVar

from kb.counts import MOST_DEVICES, positive, whole
from kb.errors import BadInput
from kb.values import Value

Row = dict[str, str]

_PROGRAMS = {"sinfo": "slurm", "pbsnodes": "pbs"}
# `pbs_version = 23.06.06` is said by PBS Professional and OpenPBS, `Version: 6.1.3` by Torque.
_PBS_KINDS = {True: "pbspro", False: "torque"}
_UNITS = {"b": 2.0**-30, "kb": 2.0**-20, "mb": 2.0**-10, "gb": 1.0, "tb": 2.0**10}
"""The units of PBS in GiB, which it means as powers of two."""


def present(programs: Iterable[str], environment: Mapping[str, str], pbs_version: str | None = None) -> str:
    """`slurm`, `pbs` (or of which kind: `torque`, `pbspro`), or `none`, by the programs in PATH and the job's
    environment.

    Args:
        programs: those that are there.
        environment: the variables of this process.
        pbs_version: what `qstat --version` prints.
    """
    if any(name.startswith("SLURM_JOB") for name in environment):
        return "slurm"
    found = (
        "pbs"
        if "PBS_JOBID" in environment
        else next((_PROGRAMS[name] for name in programs if name in _PROGRAMS), "none")
    )
    told = re.match(r"\s*(pbs_version\s*=|version:)", pbs_version or "", re.IGNORECASE)
    return (_PBS_KINDS["=" in told[1]] if told else "pbs") if found == "pbs" else found


class Cluster(Value, frozen=True):
    """What a dump says of a cluster.

    Attributes:
        facts: of the nodes of one partition, by the keys of a target.
        remarks: what was left out or taken of several, a sentence each.
    """

    facts: dict[str, Any]
    remarks: tuple[str, ...] = ()


def parse(text: str, where: str, partition: str = "") -> Cluster:
    """What the output of `sinfo` (any format with a header), `scontrol show node` or `pbsnodes -a` says:
    scheduler, partitions, nodes, what each has.

    Where nodes differ in something, that is left out, and a remark says so.

    Args:
        text: the output.
        where: its file.
        partition: the partition or queue whose nodes are meant; empty takes the default one, or what all have
            in common.

    Raises:
        BadInput: the text is none of these, has no such partition, or several of which it does not say which
            one is meant.
    """
    if re.search(r"^[ \t]+(state|resources_available\.\w+|np)[ \t]*=", text, re.MULTILINE):
        return _pbsnodes(text, where, partition)
    if re.search(r"^NodeName=", text, re.MULTILINE):
        return _scontrol(text, where, partition)
    header = next((line for line in text.splitlines() if "PARTITION" in _cells(line.upper())), None)
    if header is None:
        raise BadInput(
            where,
            "not the state of a cluster",
            expected="the output of sinfo with its header, of scontrol show node, or of pbsnodes -a",
        )
    return _sinfo(text.splitlines(), header, where, partition)


def _cells(line: str) -> list[str]:
    """The cells of a line, between bars where it has any."""
    return [cell.strip() for cell in line.split("|")] if "|" in line else line.split()


def _sinfo(lines: list[str], header: str, where: str, partition: str) -> Cluster:
    columns = _cells(header.upper())
    every = [
        _row(zip(columns, _cells(line), strict=False))
        for line in lines[lines.index(header) + 1 :]
        if line.strip()
    ]
    every = [row for row in every if row.get("PARTITION") not in (None, "", "PARTITION")]
    names = sorted({row["PARTITION"].rstrip("*") for row in every})
    default = next((row["PARTITION"].rstrip("*") for row in every if row["PARTITION"].endswith("*")), "")
    facts: dict[str, Any] = {"scheduler": "slurm", "partitions": names or None}
    if not names:
        return Cluster(facts)
    chosen = (
        _chosen(partition, names, where) or default or (names[0] if len(names) == 1 else _which(names, where))
    )
    remarks = [
        f"{where}: {len(names)} partitions; these are the nodes of the default one, {chosen} "
        f"(--partition {_others(names, chosen)})"
    ]
    mine = [row for row in every if row["PARTITION"].rstrip("*") == chosen]
    counted = sum(whole(row.get("NODES")) or 0 for row in mine)
    said, differing = _hardware(mine), _differing(mine, f"{where}: the nodes of {chosen}")
    if "memory_gib" not in said and not {"CPUS", "MEMORY", "GRES"} & set(mine[0]):
        differing.append(f"{where}: nothing is said of what a node has; `sinfo -o '%P %D %c %m %G'` does")
    return Cluster(
        facts | {"nodes": counted or None} | said,
        (*(remarks if not partition and len(names) > 1 else ()), *differing),
    )


def _chosen(partition: str, names: list[str], where: str) -> str:
    """The partition that is asked for. Raises BadInput where there is none of that name."""
    if partition and partition not in names:
        raise BadInput(
            "--partition",
            f"{where} has no partition '{partition}'",
            expected=", ".join(names),
            given=partition,
            known=names,
        )
    return partition


def _which(names: list[str], where: str) -> NoReturn:
    """Raises BadInput: nobody but the user knows which of the partitions is meant."""
    raise BadInput(
        where,
        f"{len(names)} partitions, and nothing says which one is meant",
        expected=f"--partition with one of {', '.join(names)}",
    )


def _others(names: list[str], chosen: str) -> str:
    others = [name for name in names if name != chosen]
    return others[0] if len(others) == 1 else f"for another: {', '.join(others)}"


_SAID = {"CPUS": "cores", "MEMORY": "memory", "GRES": "accelerators"}


def _differing(rows: list[Row], whose: str) -> list[str]:
    """In what nodes differ, which is then left out."""
    found = []
    for column, what in _SAID.items():
        stated = list(dict.fromkeys(row[column].rstrip("+") for row in rows if row.get(column)))
        if len(stated) > 1:
            found.append(
                f"{whose} differ in {what} ({', '.join(stated)}), which is left out: --set what yours has"
            )
    return found


def _row(cells: Iterable[tuple[str, str]]) -> Row:
    """A row with its counts for one node: sums by state (`A/I/O/T`) and `sockets:cores:threads` under the
    names that other formats use.
    """
    row: Row = {}
    for name, value in cells:
        if not name.endswith("(A/I)"):  # without the total
            row.setdefault(name, value)  # the first of two: only that marks the default partition
    for name in ("NODES", "CPUS"):
        row.setdefault(name, row.get(f"{name}(A/I/O/T)", ""))
    if "/" in row["NODES"]:
        row["NODES"] = row["NODES"].split("/")[-1]
    if "/" in row["CPUS"]:
        total, nodes = whole(row["CPUS"].split("/")[-1]), positive(row.get("NODES"))
        even = total is not None and nodes and total % nodes == 0
        row["CPUS"] = str(total // nodes) if total is not None and nodes and even else ""
    if (parts := row.get("S:C:T", "").split(":")) and len(parts) == 3:
        row |= dict(zip(("SOCKETS", "CORES", "THREADS"), parts, strict=True))
    return {name: value for name, value in row.items() if value}


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
    """The accelerators of a node by the column GRES, where all rows agree: one list, which may be empty; no
    list where nobody knows.
    """
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


def _scontrol(text: str, where: str, partition: str) -> Cluster:
    """What `scontrol show node` says, of which the facts of a node stand in one line or in several."""
    names = {
        "CPUTot": "CPUS",
        "RealMemory": "MEMORY",
        "Gres": "GRES",
        "Sockets": "SOCKETS",
        "CoresPerSocket": "CORES",
    }
    records = [record for record in re.split(r"(?m)^(?=NodeName=)", text) if record.startswith("NodeName=")]
    nodes = [_pairs(record) for record in records]
    mine, partitions = _of_partition(nodes, [node.get("Partitions", "") for node in nodes], partition, where)
    rows = []
    for node in mine:
        rows.append({column: node[name] for name, column in names.items() if node.get(name)})
    differing = _differing(rows, f"{where}: the nodes")
    if differing and not partition and len(partitions) > 1:
        _which(partitions, where)
    architectures = {node.get("Arch", "") for node in mine}
    found = {"scheduler": "slurm", "partitions": partitions or None, "nodes": len(mine), **_hardware(rows)}
    # A node's own name of its architecture is the least instruction set level of it.
    known = (
        {"cpu.isa_level": architectures.pop()} if len(architectures) == 1 and "" not in architectures else {}
    )
    return Cluster(found | known, tuple(differing))


_Node = TypeVar("_Node")


def _of_partition(
    nodes: list[_Node], listed: list[str], partition: str, where: str
) -> tuple[list[_Node], list[str]]:
    """The nodes of a partition (all, where none is asked for), and the names of all partitions; each node
    lists its own, between commas.
    """
    of_each: list[set[str]] = []
    for names in listed:
        of_each.append({name.strip() for name in names.split(",")} - {""})
    every = sorted(set().union(*of_each))
    chosen = _chosen(partition, every, where)
    return [node for node, its in zip(nodes, of_each, strict=True) if not chosen or chosen in its], every


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


def _pbsnodes(text: str, where: str, partition: str) -> Cluster:
    """What `pbsnodes -a` says, in the dialects of PBS Professional and of Torque; the virtual nodes of a host
    count as one.
    """
    hosts: dict[str, list[Row]] = {}
    for name, lines in re.findall(r"^(\S+)[^\n]*\n((?:[ \t]+.*\n?|\n(?=[ \t]))+)", text, re.MULTILINE):
        node = {
            key: value.strip()
            for key, value in re.findall(r"^[ \t]+([\w.]+)[ \t]*=[ \t]*(.*)$", lines, re.MULTILINE)
        }
        hosts.setdefault(node.get("resources_available.host") or re.sub(r"\[\d+\]$", "", name), []).append(
            node
        )
    listed = [_pbs_queues(nodes) for nodes in hosts.values()]
    mine, partitions = _of_partition(list(hosts.values()), listed, partition, where)
    devices = [_pbs_devices(nodes) for nodes in mine if _pbs_works(nodes)]
    # Where one host counts its accelerators, one that says nothing of any has none.
    counted = [[] if told is None else told for told in devices] if _is_any_known(devices) else []
    stated: dict[str, tuple[str, list[Any]]] = {
        "cpu.cores": ("cores", list(map(_pbs_cores, mine))),
        "memory_gib": ("memory", list(map(_pbs_memory, mine))),
        "gpus": ("accelerators", counted),
    }
    found = {"scheduler": "pbs", "partitions": partitions or None, "nodes": len(mine) or None}
    found |= {key: _agreed(values) for key, (_, values) in stated.items()}
    differing = [
        what for key, (what, values) in stated.items() if found[key] is None and _is_any_known(values)
    ]
    if differing and not partition and len(partitions) > 1:
        _which(partitions, where)
    kept = {
        key: value
        for key, value in found.items()
        if value is not None or key in ("scheduler", "partitions", "nodes", "cpu.cores")
    }
    return Cluster(
        kept,
        tuple(
            f"{where}: the nodes differ in {what}, which is left out: --set what yours has"
            for what in differing
        ),
    )


def _agreed(values: Iterable[Any]) -> Any:
    """What all say that say anything; None where they differ."""
    stated = [value for value in values if value is not None]
    return stated[0] if stated and all(value == stated[0] for value in stated) else None


def _is_any_known(values: list[Any]) -> bool:
    return any(value is not None for value in values)


def _pbs_queues(nodes: list[Row]) -> str:
    """The queues that the virtual nodes of a host list, between commas."""
    queues: list[str] = []
    for node in nodes:
        queues += (node.get("queue", ""), node.get("resources_available.Qlist", ""))
    return ",".join(queues)


def _pbs_works(nodes: list[Row]) -> bool:
    return not any(re.search("down|offline|unknown", node.get("state", "")) for node in nodes)


def _pbs_cores(nodes: list[Row]) -> int | None:
    cores = 0
    for node in nodes:
        cores += (whole(node.get("np")) or 0) + (whole(node.get("resources_available.ncpus")) or 0)
    return cores or None


def _pbs_memory(nodes: list[Row]) -> float | None:
    stated = [node.get("resources_available.mem") or _status(node, "physmem") for node in nodes]
    sizes = [re.fullmatch(r"([0-9]{1,15})([kmgt]?b)", size or "", re.IGNORECASE) for size in stated]
    return round(sum(int(size[1]) * _UNITS[size[2].lower()] for size in sizes if size), 1) or None


def _pbs_devices(nodes: list[Row]) -> list[dict[str, Any]] | None:
    """The accelerators of a host; Torque names them, PBS Professional counts them. None where it says nothing
    of any.
    """
    told = [node.get("resources_available.ngpus") or node.get("gpus") or "" for node in nodes]
    counts = [count for text in told if (count := _devices_counted(text)) is not None]
    if not counts:
        return None
    status = " ".join(node.get("gpu_status", "") for node in nodes)
    named = [name.strip() for name in re.findall(r"gpu_product_name=([^;,]+)", status)]
    count = sum(counts)
    driver = re.search(r"driver_ver=([\d.]+)", status)
    common = {"driver": driver[1]} if driver else {}
    return (
        [{"model": name} | common for name in named]
        if len(named) == count
        else [{**common} for _ in range(count)]
    )


def _devices_counted(text: str) -> int | None:
    """A count of accelerators; None where the text is none, or more than a machine has."""
    count = whole(text)
    return count if count is not None and count <= MOST_DEVICES else None


def _status(node: Row, name: str) -> str | None:
    """A value of Torque's status, which is one line of them."""
    found = re.search(rf"(?:^|,){name}=([^,]*)", node.get("status", ""))
    return found[1] if found else None
