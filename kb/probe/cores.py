"""Usable cores: the least of topology, affinity, cgroup quota and the scheduler's allocation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from kb.counts import positive, whole

_ALLOCATIONS = ("SLURM_CPUS_PER_TASK", "SLURM_CPUS_ON_NODE", "PBS_NUM_PPN", "NCPUS")


def quota(limits: Iterable[Mapping[str, str]]) -> int | None:
    """Whole cores that the tightest cgroup quota (version 1 or 2) allows, at least 1; None without a
    quota.
    """
    found = []
    for group in limits:
        first, second = group.get("cpu.cfs_quota_us", ""), group.get("cpu.cfs_period_us", "")
        most, _, period = group.get("cpu.max", f"{first.strip()} {second.strip()}").strip().partition(" ")
        if (cut := whole(most)) is not None and (length := positive(period)):
            found.append(max(1, cut // length))
    return min(found, default=None)


def allocation(environment: Mapping[str, str]) -> int | None:
    """Cores that a batch system has given to this process; None outside of an allocation."""
    given = (whole(environment.get(name)) for name in _ALLOCATIONS)
    return min((cores for cores in given if cores is not None), default=None)


def usable(
    topology: int | None,
    affinity: int | None,
    limits: Iterable[Mapping[str, str]],
    environment: Mapping[str, str],
) -> int | None:
    """The least of all that is known; None where nothing is."""
    known = [n for n in (topology, affinity, quota(limits), allocation(environment)) if n]
    return min(known, default=None)


def physical(siblings: Iterable[str]) -> int | None:
    """Cores by the kernel's lists of hardware threads, one text for each logical processor; None where the
    kernel gives none.
    """
    return len({text.strip() for text in siblings if text.strip()}) or None
