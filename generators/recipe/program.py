"""What a recipe runs: a shipped network, or a program of the user's own, as the plan's workload says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from generators.writers import quoting
from kb.errors import BadInput
from kb.records.package_requirements import parsed
from reasoner.answers.plan import Plan


@dataclass(frozen=True, slots=True)
class Program:
    """What is run: one of the shipped networks, or the user's own script.

    Attributes:
        title: the workload's name.
        framework: the framework's short name, empty for a command that trains nothing.
        network: the shipped network, empty for a user's script.
        parameters: the network's parameters, such as the batch.
        script: the user's script as a path, empty for a shipped network.
        command: a command of the user's, whose program stays in the folder that the job is submitted from.
        arguments: the script's arguments.
        folder: the folder that the script and its files keep their places below; empty for that of the
            script.
        files: further files of the script: files, folders and patterns below the folder.
        requires: what the script asks for beside the packages of the plan: a requirement, and the reason for
            it as a comment; the requirement is empty where a package of the plan meets it.
        compiled: those of its requirements that are compiled against the framework once it is installed.
        data: what it trains on: `synthetic`, `digits` or a folder; empty for the program's default.
        build_source: where the source of the command's program is fetched from, or empty.
        build_command: the shell command that builds it in the image, or empty.
    """

    title: str
    framework: str
    network: str = ""
    parameters: tuple[tuple[str, str], ...] = ()
    script: str = ""
    command: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()
    folder: str = ""
    files: tuple[str, ...] = ()
    requires: tuple[tuple[str, str], ...] = ()
    compiled: tuple[tuple[str, str], ...] = ()
    data: str = ""
    build_source: str = ""
    build_command: str = ""

    @property
    def own(self) -> bool:
        """Whether the user's own program is run, and no shipped network."""
        return bool(self.script or self.command)

    @property
    def script_place(self) -> str:
        """Where the script lies in the bundle's `workload/`: its place below the program's folder, or its
        name where it lies elsewhere.
        """
        script, folder = PurePath(self.script), self.folder or PurePath(self.script).parent
        return script.relative_to(folder).as_posix() if script.is_relative_to(folder) else script.name


def program_of(plan: Plan, where: str) -> Program:
    """The program of a plan, checked. Raises BadInput where a name or a value cannot be carried."""
    workload = plan.workload
    title = quoting.plain(workload.get("name") or workload.get("network") or "workload", f"{where}: name")
    trains_nothing = workload.get("command") and not any(
        taken.decision == "framework" for taken in plan.decisions
    )
    framework = (
        ""
        if trains_nothing
        else quoting.name("word", _option(plan, "framework", where), f"{where}: framework")
    )
    data = quoting.value(workload.get("data") or "", f"{where}: data")
    if workload.get("script") or workload.get("command"):
        return Program(
            title,
            framework,
            script=quoting.value(workload.get("script") or "", f"{where}: script"),
            command=listed(workload.get("command") or (), f"{where}: command"),
            arguments=listed(workload.get("arguments") or (), f"{where}: arguments"),
            folder=quoting.value(workload.get("folder") or "", f"{where}: folder"),
            files=listed(workload.get("files") or (), f"{where}: files"),
            requires=_requires(plan, where, compiled=False),
            compiled=_requires(plan, where, compiled=True),
            data=data,
            build_source=_source(workload.get("build_source") or "", f"{where}: build_source"),
            build_command=quoting.value(workload.get("build_command") or "", f"{where}: build_command"),
        )
    network = quoting.name("word", workload.get("network") or workload.get("name"), f"{where}: network")
    return Program(title, framework, network, _parameters(workload, where), data=data)


def _requires(plan: Plan, where: str, *, compiled: bool) -> tuple[tuple[str, str], ...]:
    """The requirements of the script as the plan settled them: those that are compiled, or the others.

    Raises:
        BadInput: the plan has none settled, though the workload has requirements: it was made before they
            were read.
    """
    asked = plan.workload.get("requires") or ()
    if len(asked) != len(plan.requirements) or (
        plan.workload.get("requirements") and "requires" not in plan.workload
    ):
        problem = "the plan says nothing of what becomes of the script's requirements"
        raise BadInput(
            f"{where}: requirements",
            problem,
            expected="a plan made anew by `ontune plan` or `ontune recipe -w`",
        )
    return tuple(
        _settled(one, f"{where}: requirements[{number}]")
        for number, one in enumerate(plan.requirements)
        if bool(one.get("compiled")) == compiled
    )


def _settled(one: Mapping[str, Any], where: str) -> tuple[str, str]:
    written, asked = quoting.value(one.get("written", ""), where), quoting.value(one.get("asked", ""), where)
    if written:
        parsed(written)
    reasons = [
        asked if asked != written else "",
        quoting.value(one.get("where", ""), where) or "requires",
        quoting.value(one.get("because", ""), where),
    ]
    return written, ": ".join(reason for reason in reasons if reason)


def _source(address: object, where: str) -> str:
    return quoting.name("source", address, where) if address else ""


def _parameters(workload: Mapping[str, Any], where: str) -> tuple[tuple[str, str], ...]:
    given = workload.get("parameters") or {}
    if not isinstance(given, Mapping):
        raise BadInput(f"{where}: parameters", "not an object", expected="names with values")
    return tuple(
        (
            quoting.name("word", key, f"{where}: parameters"),
            quoting.value(item, f"{where}: parameters: {key}"),
        )
        for key, item in given.items()
        if item is not None
    )


def listed(given: object, where: str) -> tuple[str, ...]:
    """A list of texts. Raises BadInput where it is none."""
    if not isinstance(given, list | tuple):
        raise BadInput(where, "not a list", expected="a list of texts")
    return tuple(quoting.value(item, f"{where}[{index}]") for index, item in enumerate(given))


def _option(plan: Plan, decision: str, where: str) -> str:
    if all(taken.decision != decision for taken in plan.decisions):
        raise BadInput(where, f"the plan takes no decision '{decision}'", expected="a plan that names it")
    return plan.option(decision)
