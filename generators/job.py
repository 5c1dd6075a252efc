"""Jobs: scripts that run a bundle's image under bash, Slurm or PBS."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from kb.errors import BadInput
from reasoner.plan import Plan

from . import quoting
from .recipe import Recipe
from .render import render

FILES = {"bash": "job.sh", "slurm": "job.slurm", "pbs": "job.pbs"}
"""The name of the script for each scheduler."""

_DIRECTIVE = (r"[A-Za-z0-9][A-Za-z0-9_.,:&|@+-]{0,127}", "letters, digits and '_.,:&|@+-'")
_TIME = (r"(\d+-)?\d{1,3}(:\d\d){1,2}", "hours:minutes:seconds")
_ARRAY = (r"\d+(-\d+)?(,\d+(-\d+)?)*(%\d+)?", "indices such as 0-9 or 1,3,5%2")
_MODULE = (r"[A-Za-z0-9][A-Za-z0-9_.+/-]{0,127}", "a module's name such as apptainer/1.4")
_TEXTS = {
    "queue": _DIRECTIVE, "account": _DIRECTIVE, "qos": _DIRECTIVE, "constraint": _DIRECTIVE, "mpi": _DIRECTIVE, "time": _TIME, "array": _ARRAY,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Job:
    """What a scheduler is asked for.

    Attributes:
        name: a letter, then letters, digits, `_`, `.`, `-`.
        nodes: the number of nodes.
        tasks_per_node: processes started on each node.
        cores: cores for each task; 0 leaves it to the scheduler.
        gpus: accelerators on each node.
        memory_gib: memory on each node, in GiB; 0 leaves it to the scheduler.
        time: the limit, as `hours:minutes:seconds`.
        queue: partition or queue.
        account: who pays.
        qos: quality of service (Slurm).
        constraint: features of the nodes (Slurm).
        mpi: the kind of process management that `srun` offers (Slurm).
        array: indices of a job array.
        requeue_seconds: seconds before the limit at which the program is told to write a checkpoint and the job is queued again (Slurm); 0: never.
        exclusive: whether the nodes are asked for as a whole (Slurm).
        modules: environment modules to load.
        binds: folders that the container is to see, as `SOURCE[:TARGET[:ro]]`.
    """

    name: str = "ontune"
    nodes: int = 1
    tasks_per_node: int = 1
    cores: int = 0
    gpus: int = 0
    memory_gib: int = 0
    time: str = "01:00:00"
    queue: str = ""
    account: str = ""
    qos: str = ""
    constraint: str = ""
    mpi: str = ""
    array: str = ""
    requeue_seconds: int = 0
    exclusive: bool = False
    modules: tuple[str, ...] = ()
    binds: tuple[str, ...] = ()

    @classmethod
    def for_plan(cls, plan: Plan, wishes: Mapping[str, Any] | None = None, where: str = "job") -> Self:
        """A job that has the plan's target to itself, with what the user or the site wishes instead.

        Raises:
            BadInput: an unknown key, or a value that no scheduler would understand.
        """
        cpu = plan.target.get("cpu") or {}
        asked: dict[str, Any] = {
            "name": re.sub(r"[^A-Za-z0-9_.-]", "-", f"ontune-{plan.workload.get('name') or plan.workload.get('network')}")[:63],
            "cores": cpu.get("usable_cores") or cpu.get("cores") or 0,
            "gpus": len(plan.target.get("gpus") or ()),
            **(wishes or {}),
        }
        known = {field.name: field for field in dataclasses.fields(cls)}
        for key, item in asked.items():
            if key not in known:
                raise BadInput(f"{where}: {key}", "unknown key", given=str(key), known=known)
            asked[key] = _checked(key, item, known[key].default, f"{where}: {key}")
        return cls(**asked)


def write(recipe: Recipe, scheduler: str, job: Job) -> str:
    """The text of a job script for `bash`, `slurm` or `pbs`."""
    return render(f"{FILES[scheduler]}.j2", recipe, job=job, runtime_flags=runtime_flags(recipe))


def runtime_flags(recipe: Recipe) -> str:
    """The flags that the plan gives to the container's runtime, with a blank before each."""
    return "".join(f" {entry.name}" + (f"={quoting.shell(entry.value)}" if entry.value else "") for entry in recipe.flags)


def _checked(key: str, item: object, default: object, where: str) -> Any:
    if isinstance(default, tuple):
        if not isinstance(item, list | tuple):
            raise BadInput(where, "not a list", expected="a list of texts")
        return tuple(_member(key, element, f"{where}[{index}]") for index, element in enumerate(item))
    if isinstance(default, bool):
        if not isinstance(item, bool):
            raise BadInput(where, "not a truth value", expected="true or false")
        return item
    if isinstance(default, int):
        if isinstance(item, bool) or not isinstance(item, int) or not 0 <= item < 10**6:
            raise BadInput(where, "not usable", expected="a whole number from 0 to 999999")
        return item
    if key == "name":
        return quoting.name("job name", item, where)
    return _matching(item, _TEXTS[key], where) if item else ""


def _member(key: str, item: object, where: str) -> str:
    return _matching(item, _MODULE, where) if key == "modules" else quoting.value(item, where)


def _matching(item: object, grammar: tuple[str, str], where: str) -> str:
    pattern, expected = grammar
    if not isinstance(item, str) or not re.fullmatch(pattern, item, re.ASCII):
        raise BadInput(where, "not usable", expected=expected)
    return item
