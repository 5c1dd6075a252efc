"""Memory that a job may use: what the machine has, cut by cgroup limits."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from kb.counts import positive, whole

_GIB = 2**30


def gib(
    meminfo: str | None,
    limits: Iterable[Mapping[str, str]] = (),
    environment: Mapping[str, str] | None = None,
) -> float | None:
    """GiB (2^30 bytes), rounded to a tenth; None where the machine does not tell.

    Args:
        meminfo: the text of /proc/meminfo.
        limits: the limit files of all control groups above the process (version 1 or 2).
        environment: the process's environment, in which Slurm states an allocation's memory for each node in
            MiB.
    """
    total = re.search(r"^MemTotal:\s*([0-9]{1,15}) kB$", meminfo or "", re.MULTILINE)
    known = [int(total[1]) * 1024] if total else []
    for group in limits:
        text = (group.get("memory.max") or group.get("memory.limit_in_bytes") or "").strip()
        known += [limit] if (limit := whole(text)) is not None else []
    allocated = positive((environment or {}).get("SLURM_MEM_PER_NODE"))
    known += [allocated * 2**20] if allocated else []
    return round(min(known) / _GIB, 1) if total else None
