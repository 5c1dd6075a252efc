"""Jobs: scripts that run a bundle's image under bash, Slurm or PBS."""

from __future__ import annotations

import dataclasses
import inspect
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from typing import Any, Self

from generators.recipe.recipe import RUNTIMES, Recipe
from generators.writers import quoting
from generators.writers.render import render
from kb.errors import BadInput
from reasoner.answers.plan import DecisionTaken, Plan

FILES = {"bash": "job.sh", "slurm": "job.slurm", "pbs": "job.pbs"}
"""The name of the script for each scheduler."""

_DIRECTIVE = (r"[A-Za-z0-9][A-Za-z0-9_.,:&|@+-]{0,127}", "letters, digits and '_.,:&|@+-'")
_TIME = (r"(\d{1,4}-)?\d{1,4}:\d\d:\d\d", "hours:minutes:seconds")
_ARRAY = (r"\d{1,9}(-\d{1,9})?(,\d{1,9}(-\d{1,9})?)*(%\d{1,9})?", "indices such as 0-9 or 1,3,5%2")
_TEXTS = {
    "queue": _DIRECTIVE, "account": _DIRECTIVE, "qos": _DIRECTIVE, "constraint": _DIRECTIVE, "time": _TIME,
    "longest": _TIME, "array": _ARRAY,
    "mpi": (r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", "a name that `srun --mpi=list` lists, such as pmix"),
    "gpu_type": (r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", "letters, digits and '_.-'"),
    "resource_syntax": (r"nodes|select", "nodes or select"),
    "node_local": (
        r"(?!.*/\.\.(/|\Z))(/|\$[A-Za-z_]\w*(/|(?=\Z)))[^,:$]*",
        "a folder such as /scratch, or one that begins with $TMPDIR",
    ),
    "modules": (
        r"[A-Za-z0-9][A-Za-z0-9_.+/-]{0,127}( [A-Za-z0-9][A-Za-z0-9_.+/-]{0,127})*",
        "a module's name such as apptainer/1.4",
    ),
    "module_paths": (r"/.+", "a folder by its whole path"),
    "binds": (r"/[^,:]*(:/[^,:]*(:r[ow])?)?", "a folder as SOURCE[:TARGET[:ro]], each beginning with /"),
    "container_flags": (r"--[a-z][a-z-]*(=[A-Za-z0-9_.,:/@+-]*)?", "a long flag such as --nvccli"),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Job:
    """What a scheduler is asked for, and what the job finds at its site.

    Attributes:
        name: a letter, then letters, digits, `_`, `.`, `-`.
        nodes: the number of nodes.
        tasks_per_node: processes started on each node.
        cores: cores for each task; 0 leaves it to the scheduler.
        gpus: accelerators on each node.
        gpu_type: the scheduler's name for their kind (Slurm).
        memory_gib: memory on each node, in GiB; 0 leaves it to the scheduler.
        time: the limit, as `hours:minutes:seconds`.
        longest: the most that the limit may be; empty: unknown.
        queue: partition or queue.
        account: who pays.
        qos: quality of service (Slurm).
        constraint: features of the nodes (Slurm).
        mpi: the kind of process management that `srun` offers (Slurm).
        array: indices of a job array.
        requeue_seconds: seconds before the limit at which the program is told to write a checkpoint and the
            job is queued again (Slurm); 0: never.
        requeues: how often it is queued again at the most (Slurm).
        exclusive: whether the nodes are asked for as a whole.
        resource_syntax: how PBS is asked for nodes: `nodes` (Torque and older forms) or `select` (PBS
            Professional, OpenPBS).
        node_local: a folder on storage of the node's own; it may begin with a variable that jobs find set.
        modules: environment modules to load.
        module_paths: folders of module files that are looked into beside the usual ones.
        binds: folders that the container is to see, as `SOURCE[:TARGET[:ro]]`.
        container_flags: flags of the container's runtime beside those of the plan.
    """

    name: str = "ontune"
    nodes: int = 1
    tasks_per_node: int = 1
    cores: int = 0
    gpus: int = 0
    gpu_type: str = ""
    memory_gib: int = 0
    time: str = "01:00:00"
    longest: str = ""
    queue: str = ""
    account: str = ""
    qos: str = ""
    constraint: str = ""
    mpi: str = ""
    array: str = ""
    requeue_seconds: int = 0
    requeues: int = 20
    exclusive: bool = False
    resource_syntax: str = "nodes"
    node_local: str = ""
    modules: tuple[str, ...] = ()
    module_paths: tuple[str, ...] = ()
    binds: tuple[str, ...] = ()
    container_flags: tuple[str, ...] = ()

    @classmethod
    def for_plan(cls, plan: Plan, wishes: Mapping[str, Any] | None = None, where: str = "job") -> Self:
        """A job that asks for what the plan uses of its target, as its site wants it, with what the user
        wishes instead.

        Raises:
            BadInput: an unknown key, a value that no scheduler would understand, a time that the site does
                not give, or nodes or tasks that the plan's program would not use.
        """
        wishes = dict(wishes or {})
        name = re.sub(
            r"[^A-Za-z0-9_.-]", "-", f"ontune-{plan.workload.get('name') or plan.workload.get('network')}"
        )[:63]
        asked: dict[str, Any] = {"name": name, **_of_target(plan, wishes), **wishes}
        known = {field.name: field for field in dataclasses.fields(cls)}
        for key, item in asked.items():
            if key not in known:
                raise BadInput(
                    f"{where}: {key}",
                    "unknown key",
                    expected=f"one of {', '.join(known)}",
                    given=str(key),
                    known=known,
                )
            asked[key] = _checked(key, item, known[key].default, f"{where}: {key}")
        made = cls(**asked)
        if made.nodes < 1 or made.tasks_per_node < 1:
            raise BadInput(
                f"{where}: nodes, tasks_per_node", "below 1", expected="at least one task on one node"
            )
        _check_used(plan, made, where)
        if made.longest and _seconds(made.time) > _seconds(made.longest):
            raise BadInput(
                f"{where}: time",
                f"{made.time} is more than {made.queue or 'the queue'} gives",
                expected=f"at most {made.longest}",
            )
        if made.resource_syntax == "select" and "," in made.array:
            raise BadInput(
                f"{where}: array", "PBS Professional takes one range", expected="indices such as 0-9"
            )
        return made

    @property
    def hours(self) -> str:
        """The time limit without days, as PBS wants it."""
        seconds = _seconds(self.time)
        return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"

    @property
    def cache(self) -> str:
        """The folder below which compilers keep their caches: storage of the node that outlives the job."""
        # A folder of somebody else's in /var/tmp is refused by run.sh.
        return self.node_local if self.node_local.startswith("/") else "/var/tmp"  # noqa: S108


def left_open(plan: Plan, wishes: Mapping[str, Any] | None = None) -> Iterator[str]:
    """What the job scripts of a plan leave to somebody else, a sentence each: a scheduler for which none is
    written, nodes that a script must find.

    Args:
        plan: the plan.
        wishes: as `Job.for_plan` takes them.
    """
    scheduler = plan.site.get("scheduler") or plan.target.get("scheduler")
    if scheduler not in (None, "none", *FILES, *_SYNTAX):
        yield (
            f"no job script is written for {scheduler}:"
            " ask it for the nodes yourself, and start job.sh inside"
        )
    made = Job.for_plan(plan, wishes)
    own = plan.workload.get("script") or plan.workload.get("command")
    applied = chain.from_iterable(taken.apply for taken in plan.decisions)
    spreads = any(one.how == "launcher" and "{rendezvous}" in one.value for one in applied)
    if own and made.nodes * made.tasks_per_node > 1 and not spreads:
        yield (
            f"your program is started {made.nodes * made.tasks_per_node} times,"
            " and each trains the same unless it finds the others itself (SLURM_PROCID, ...);"
            " a plan with another option of distributed starts it so that it can"
        )


def wishes_known() -> dict[str, tuple[Any, str]]:
    """What a job may be asked for: for each name the value without a wish (a site or the plan may say
    otherwise), and what it means.
    """
    attributes = (inspect.getdoc(Job) or "").partition("Attributes:")[2]
    meanings = dict(re.findall(r"^    (\w+): (.+)", attributes, re.MULTILINE))
    return {field.name: (field.default, meanings[field.name]) for field in dataclasses.fields(Job)}


def write(recipe: Recipe, scheduler: str, job: Job, digest: str) -> str:
    """The text of a job script for `bash`, `slurm` or `pbs`, which runs images with the recipe's `digest`."""
    modules = [*job.modules, *(module.name for module in recipe.modules)]
    bind = "--bind" if recipe.runtime == RUNTIMES[0] else "--volume"
    given = {
        "job": job,
        "digest": digest,
        "scheduler": scheduler,
        "modules": modules,
        "bind": bind,
        "runtime_flags": runtime_flags(recipe),
    }
    return render(f"{FILES[scheduler]}.j2", recipe, **given)


def runtime_flags(recipe: Recipe) -> str:
    """The flags that the plan gives to the container's runtime, with a blank before each."""
    return "".join(
        f" {entry.name}" + (f"={quoting.shell(entry.value)}" if entry.value else "") for entry in recipe.flags
    )


_SYNTAX = {"torque": "nodes", "pbspro": "select", "openpbs": "select"}
"""How each scheduler of the PBS family is asked for nodes; of one that is only known as `pbs`, the older form
is understood by more.
"""


def _of_target(plan: Plan, wishes: Mapping[str, Any]) -> dict[str, Any]:
    """What the plan uses of a node, and what its site wants: with some of the accelerators go as many of the
    cores and as much of the memory.
    """
    cpu, every = plan.target.get("cpu") or {}, len(plan.target.get("gpus") or ())
    tasks = wishes.get("tasks_per_node")
    tasks = tasks if isinstance(tasks, int) and tasks > 1 else 1
    gpus = min(every, plan.devices * tasks) if plan.devices else every
    site = _of_site(plan.site, gpus=bool(wishes.get("gpus", gpus)))
    scheduler = plan.site.get("scheduler") or plan.target.get("scheduler")
    syntax = {"resource_syntax": _SYNTAX[scheduler]} if scheduler in _SYNTAX else {}
    wanted = wishes.get("gpus", gpus)
    parted = (
        every
        and isinstance(wanted, int)
        and 0 < wanted < every
        and not wishes.get("exclusive", site.get("exclusive"))
    )
    share = Fraction(wanted, every) if parted else Fraction(1)
    usable = math.floor((cpu.get("usable_cores") or cpu.get("cores") or 0) * share)
    memory = math.floor((plan.target.get("memory_gib") or 0) * share) if parted else 0
    return {
        "cores": max(1, usable // tasks) if usable else 0,
        "gpus": gpus,
        "memory_gib": memory,
        **syntax,
        **site,
    }


def _check_used(plan: Plan, job: Job, where: str) -> None:
    """Refuse nodes and tasks that would only do the same once more.

    What a user's own program makes of them is its own affair.
    """
    own = plan.workload.get("script") or plan.workload.get("command")
    if not plan.devices or own:
        return
    for key, asked in (("nodes", job.nodes), ("tasks_per_node", job.tasks_per_node)):
        if asked > 1:
            because = next(taken for taken in plan.decisions if _sets_devices(taken))
            problem = (
                f"{asked} are asked for, and each would train the same:"
                f" {because.decision}={because.option} uses {plan.devices} device"
            )
            raise BadInput(
                f"{where}: {key}",
                problem,
                expected=f"{key}=1, or a plan that takes another option for {because.decision}",
            )


def _sets_devices(taken: DecisionTaken) -> bool:
    return any(flag.name == "devices" for flag in taken.apply)


def _of_site(site: Mapping[str, Any], *, gpus: bool) -> dict[str, Any]:
    """What a site (see `kb.records.site`) wants of a job: of its partitions, the first for jobs that use
    accelerators, or do not.
    """
    partitions = [entry for entry in site.get("partitions") or () if bool(entry.get("gpus")) == gpus]
    chosen = partitions[0] if partitions else {}
    local = [area["path"] for area in site.get("storage") or () if area.get("class") in ("local", "memory")]
    wanted = {
        "time": site.get("time_limit"), "account": site.get("account"), "exclusive": site.get("whole_nodes"),
        "mpi": site.get("pmi"), "resource_syntax": site.get("resource_syntax"),
        "modules": site.get("modules"), "module_paths": site.get("module_paths"), "binds": site.get("binds"),
        "container_flags": site.get("container_flags"), "node_local": next(iter(local), None),
        "queue": chosen.get("name"), "longest": chosen.get("longest"), "qos": chosen.get("qos"),
        "constraint": chosen.get("constraint"),
        "gpu_type": chosen.get("gpu_type") or site.get("gpu_type"),
    }  # fmt: skip
    return {key: item for key, item in wanted.items() if item is not None}


def _seconds(time: str) -> int:
    days, _, clock = time.rpartition("-")
    hours, minutes, seconds = map(int, clock.split(":"))
    return ((int(days or 0) * 24 + hours) * 60 + minutes) * 60 + seconds


def _checked(key: str, item: object, default: object, where: str) -> Any:
    if isinstance(default, tuple):
        if not isinstance(item, list | tuple):
            raise BadInput(where, "not a list", expected="a list of texts")
        return tuple(
            _matching(element, _TEXTS[key], f"{where}[{index}]") for index, element in enumerate(item)
        )
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
    return _matching(item, _TEXTS[key], where) if item else default


def _matching(item: object, grammar: tuple[str, str], where: str) -> str:
    pattern, expected = grammar
    if (
        not isinstance(item, str)
        or len(item) > quoting.LONGEST
        or not item.isprintable()
        or not re.fullmatch(pattern, item, re.ASCII)
    ):
        raise BadInput(where, "not usable", expected=expected)
    return item
