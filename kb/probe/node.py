"""The node: whether others compute on it, and what it lets an ordinary user do."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from kb.counts import whole

# Above this many foreign processes, or this share of the machine, somebody else is computing.
_FOREIGN_PROCESSES, _FOREIGN_SHARE = 0.5, 0.1


def load(loadavg: str | None) -> float | None:
    """Processes of others that compute: the lesser of the last minute's average and of those runnable now
    beside the probe.

    The average alone would still show what the user's own installation has just done, the moment alone what
    runs for an instant. None where the system does not tell.
    """
    found = re.match(r"([0-9]{1,15}(?:\.[0-9]+)?) \S+ \S+ ([0-9]{1,15})/", loadavg or "")
    return min(float(found[1]), max(0.0, float(found[2]) - 1)) if found else None


def exclusive(
    environment: Mapping[str, str], topology: int | None, foreign_load: float | None
) -> bool | None:
    """True inside an allocation of the whole node, False where foreign load shows, otherwise None: nobody can
    tell from inside.
    """
    given = whole(environment.get("SLURM_CPUS_ON_NODE"))
    if environment.get("SLURM_JOB_ID") and given is not None and topology:
        return given >= topology
    if foreign_load is not None and foreign_load > max(_FOREIGN_PROCESSES, _FOREIGN_SHARE * (topology or 1)):
        return False
    return None


def user_namespaces(most: str | None, unprivileged: str | None, restricted: str | None) -> bool | None:
    """Whether an ordinary user may make a user namespace, by the kernel's switches; None where the kernel
    does not tell.
    """
    limit = whole(most)
    if limit is None:
        return None
    return limit > 0 and (unprivileged or "1").strip() != "0" and (restricted or "0").strip() == "0"


def subordinate_ids(subuid: str | None, user: str | None) -> int | None:
    """How many subordinate user IDs /etc/subuid gives to the user; None where user or file are unknown, and
    for root, who needs none.
    """
    if not user or subuid is None:
        return None
    lines = [line.split(":") for line in subuid.splitlines()]
    given = sum(whole(words[2]) or 0 for words in lines if len(words) == 3 and words[0] == user)
    return given or (None if user == "root" else 0)


def interconnect(names: Iterable[str]) -> str | None:
    """The fastest network that the node shows: InfiniBand or RoCE ports, Slingshot interfaces, else Ethernet;
    None where it shows none.
    """
    present = list(names)
    if "InfiniBand" in present:
        return "infiniband"
    if any(re.fullmatch(r"hsn\d+", name) for name in present):
        return "slingshot"
    if "Ethernet" in present:
        return "roce"
    return "ethernet" if any(name != "lo" for name in present) else None
