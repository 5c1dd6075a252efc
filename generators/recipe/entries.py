"""The lines of a recipe: names with values, each with the options that asked for it, and what becomes of two
options that ask for the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from generators.writers import quoting
from kb.errors import BadInput
from reasoner.answers.plan import Application, DecisionTaken, How, Manager, Plan

MEETING = ("nodes", "rendezvous", "job")


RUN_TIME = {
    name: name for name in ("cores", "devices", "numa_node", "cache", "tasks", "rank", "local_rank", *MEETING)
}
"""Placeholders of values that only a run can fill, with the shell variables that `run.sh` gives them."""


JOB_TIME = {"cores": "cores", "tasks": "total", "tasks_per_node": "tasks_per_node"}
"""As `RUN_TIME`, for the launchers that a job script starts, with its own variables."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a recipe: a name with its value, the options that asked for it, such as `allocator:
    tcmalloc`, and who applies it.
    """

    name: str
    value: str
    because: str
    by: str = ""

    @property
    def at_run_time(self) -> bool:
        """Whether the value depends on what a run finds, such as its cores."""
        return bool(self.placeholders)

    @property
    def placeholders(self) -> frozenset[str]:
        """What of a run the value asks for, by the names of `RUN_TIME`."""
        return frozenset(name for name in RUN_TIME if f"{{{name}}}" in self.value)

    @property
    def pinned(self) -> str:
        """A Python requirement: the name with its exact version, where there is one."""
        return f"{self.name}=={self.value}" if self.value else self.name


Merge = Callable[[Entry, Entry, str], Entry]


def entries_of(plan: Plan, how: How, kind: str, manager: Manager | None, where: str) -> Iterable[Entry]:
    """What a plan's options ask for by one kind of application, each as a checked line."""
    for number, taken in enumerate(plan.decisions):
        here = f"{where}: decisions[{number}]"
        for position, application in enumerate(taken.apply):
            if application.how == how and manager in (None, application.manager):
                yield _checked(application, kind, _because(taken, here), f"{here}: apply[{position}]")


def _because(taken: DecisionTaken, where: str) -> str:
    decision = quoting.name("word", taken.decision, f"{where}: decision")
    option = quoting.name("word", taken.option, f"{where}: option")
    return f"{decision}: {option}"


def _checked(application: Application, kind: str, because: str, where: str) -> Entry:
    text = quoting.value(application.value, f"{where}: value")
    if application.how == "package" and text:
        text = quoting.name(
            "address" if application.manager == "index" else "version", text, f"{where}: value"
        )
    return Entry(quoting.name(kind, application.name, f"{where}: name"), text, because, application.by)


def distinct(entries: Iterable[Entry]) -> tuple[Entry, ...]:
    """Flags may be given several times with different values, such as one for each device."""
    by_flag: dict[tuple[str, str], Entry] = {}
    for entry in entries:
        before = by_flag.get((entry.name, entry.value))
        by_flag[entry.name, entry.value] = (
            entry if before is None else Entry(entry.name, entry.value, f"{before.because}, {entry.because}")
        )
    return tuple(by_flag.values())


def merged(entries: Iterable[Entry], merge: Merge, where: str) -> tuple[Entry, ...]:
    """The lines, with those of one name made one by `merge`."""
    by_name: dict[str, Entry] = {}
    for entry in entries:
        before = by_name.get(entry.name)
        by_name[entry.name] = entry if before is None else merge(before, entry, where)
    return tuple(by_name.values())


def only_once(before: Entry, after: Entry, where: str) -> Entry:
    """Two options may want the same thing; a version or value that only one of them names holds for both."""
    if before.value and after.value and before.value != after.value:
        problem = f"{before.because} wants {before.name} {before.value}, {after.because} wants {after.value}"
        raise BadInput(where, problem, expected="one value")
    return Entry(before.name, before.value or after.value, f"{before.because}, {after.because}")


def joined(before: Entry, after: Entry, where: str) -> Entry:
    """Variables that several options set hold lists (of libraries to preload, of compiler flags), and those
    are separated by blanks.
    """
    words = list(dict.fromkeys([*before.value.split(), *after.value.split()]))
    return Entry(before.name, " ".join(words), f"{before.because}, {after.because}")
