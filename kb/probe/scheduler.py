"""The batch system: which one there is, and what `sinfo` or `pbsnodes` say of a cluster."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from kb.errors import BadInput

_PROGRAMS = {"sinfo": "slurm", "pbsnodes": "pbs"}
# `pbs_version = 23.06.06` is said by PBS Professional and OpenPBS, `Version: 6.1.3` by Torque.
_PBS_KINDS = {True: "pbspro", False: "torque"}


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
    """What the output of `sinfo` (any format with a header) or of `pbsnodes -a` says: scheduler, partitions and nodes.

    Raises:
        BadInput: the text is neither.
    """
    if re.search(r"^\s+(state|resources_available\.\w+|np)\s*=", text, re.MULTILINE):
        return _pbsnodes(text)
    header = next((line for line in text.splitlines() if "PARTITION" in line.upper().split()), None)
    if header is None:
        raise BadInput(where, "not the state of a cluster", expected="the output of sinfo with its header, or of pbsnodes -a")
    return _sinfo(text.splitlines(), header, where)


def _sinfo(lines: list[str], header: str, where: str) -> dict[str, Any]:
    columns = header.upper().split()
    partitions: dict[str, int] = {}
    found: dict[str, Any] = {"scheduler": "slurm"}
    rows = [dict(zip(columns, line.split(), strict=False)) for line in lines[lines.index(header) + 1 :] if line.strip()]
    for row in rows:
        name = row["PARTITION"].rstrip("*")
        nodes = row.get("NODES", "").split("/")[-1]
        partitions[name] = partitions.get(name, 0) + (int(nodes) if nodes.isdigit() else 0)
    found["partitions"] = sorted(partitions) or None
    default = next((row["PARTITION"].rstrip("*") for row in rows if row["PARTITION"].endswith("*")), None)
    chosen = default or (next(iter(partitions)) if len(partitions) == 1 else None)
    if chosen is None:
        return found
    mine = [row for row in rows if row["PARTITION"].rstrip("*") == chosen]
    found["nodes"] = partitions[chosen] or None
    found["cpu.cores"] = _same(mine, "CPUS")
    if devices := _devices(mine):
        found["gpus"] = devices[0]
    megabytes = _same(mine, "MEMORY")
    found["memory_gib"] = round(megabytes / 1024, 1) if megabytes else None
    return found


def _devices(rows: list[dict[str, str]]) -> list[list[dict[str, Any]]]:
    """The accelerators of a node by the column GRES, where all rows agree: one list, which may be empty; no list where nobody knows."""
    stated = {row.get("GRES", "") for row in rows}
    if len(stated) != 1 or stated == {""}:
        return []
    found: list[dict[str, Any]] = []
    for entry in next(iter(stated)).split(","):
        words = re.sub(r"\(.*", "", entry).split(":")
        if words[0] == "gpu" and words[-1].isdigit():
            found += [{"model": words[1]} if len(words) == 3 else {}] * int(words[-1])
    return [found]


def _same(rows: list[dict[str, str]], column: str) -> int | None:
    """The value that all rows share; None where they differ or one does not say."""
    values = {row.get(column, "").rstrip("+") for row in rows}
    only = values.pop() if len(values) == 1 else ""
    return int(only) if only.isdigit() else None


def _pbsnodes(text: str) -> dict[str, Any]:
    names = [line.strip() for line in text.splitlines() if line and not line[0].isspace()]
    cores = {int(n) for n in re.findall(r"^\s+(?:np|resources_available\.ncpus)\s*=\s*(\d+)", text, re.MULTILINE)}
    queues = set(re.findall(r"^\s+queue\s*=\s*(\S+)", text, re.MULTILINE))
    return {
        "scheduler": "pbs",
        "partitions": sorted(queues) or None,
        "nodes": len(names) or None,
        "cpu.cores": cores.pop() if len(cores) == 1 else None,
    }
