"""Usable cores: the least of topology, affinity, cgroup quota and the scheduler's allocation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

_ALLOCATIONS = ("SLURM_CPUS_PER_TASK", "SLURM_CPUS_ON_NODE", "PBS_NUM_PPN", "NCPUS")


def quota(limits: Iterable[Mapping[str, str]]) -> int | None:
    """Whole cores that the tightest cgroup quota (version 1 or 2) allows, at least 1; None without a quota."""
    found = []
    for group in limits:
        first, second = group.get("cpu.cfs_quota_us", ""), group.get("cpu.cfs_period_us", "")
        most, _, period = group.get("cpu.max", f"{first.strip()} {second.strip()}").strip().partition(" ")
        if most.isdigit() and period.isdigit() and int(period) > 0:
            found.append(max(1, int(most) // int(period)))
    return min(found, default=None)


def allocation(environment: Mapping[str, str]) -> int | None:
    """Cores that a batch system has given to this process; None outside of an allocation."""
    found = [int(environment[name]) for name in _ALLOCATIONS if environment.get(name, "").isdigit()]
    return min(found, default=None)


def usable(topology: int | None, affinity: int | None, limits: Iterable[Mapping[str, str]], environment: Mapping[str, str]) -> int | None:
    """The least of all that is known; None where nothing is."""
    known = [n for n in (topology, affinity, quota(limits), allocation(environment)) if n]
    return min(known, default=None)


def physical(siblings: Iterable[str]) -> int | None:
    """Cores by the kernel's lists of hardware threads, one text for each logical processor; None where the kernel gives none."""
    return len({text.strip() for text in siblings if text.strip()}) or None
