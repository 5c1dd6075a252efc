"""The MPI of the host, by what `mpirun --version` prints, and what the scheduler offers to MPI programs, by
`srun --mpi=list`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import pairwise

from kb.store.normalise import normalised


def implementation(version: str | None, environment: Mapping[str, str]) -> str | None:
    """Implementation and version, such as `openmpi 4.1.4`; `none` where no program starts MPI; None where
    that is unknown.

    Args:
        version: what the program prints, or None where there is none.
        environment: the process's environment: where modules are in use, one of them may bring an MPI that is
            not loaded yet.
    """
    if version is None:
        return None if environment.get("MODULEPATH") else "none"
    # Some implementations spread their name and version over two lines.
    lines = [line.strip() for line in version.splitlines() if line.strip()]
    spoken = [*lines, *(f"{first} {second}" for first, second in pairwise(lines))]
    return next((rule.normal_form for line in spoken if (rule := normalised("mpi_version", line))), None)


def process_management(listing: str | None, scheduler: str | None) -> list[str] | None:
    """The interfaces by which `srun` starts MPI programs, such as `pmix`; empty where there is no Slurm, None
    where it does not say.

    Args:
        listing: what `srun --mpi=list` prints: a headline, and one name in an indented line each.
        scheduler: the scheduler's name, or None where it is unknown.
    """
    if listing is None:
        return None if scheduler in (None, "slurm") else []
    return (
        sorted(set(re.findall(r"^[ \t]+(?:srun:[ \t]+)?(\w+)[ \t]*$", listing, re.MULTILINE)) - {"none"})
        or None
    )
