"""`ontune run -- COMMAND`: plan for this machine, say in one line what is set, and become the command."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from kb.errors import BadInput, NoFeasiblePlan, RunFailed
from kb.records.target import LOCAL
from ontune.cli.output import emit, say
from ontune.cli.request import RequestArguments

if TYPE_CHECKING:
    from bench.own_command import Around, Command
    from reasoner.answers.plan import Plan

_LEFT_ALONE = "exact"
"""Unasked, nothing is taken that changes the numbers."""


def become(
    words: tuple[str, ...], request: RequestArguments, *, dry_run: bool, plain: bool, format: str
) -> None:
    """Start a command in the place of this process, with what a plan sets around it.

    Raises:
        BadInput: the command or the request cannot be understood.
        NoFeasiblePlan: nothing meets the request here.
        RunFailed: the operating system starts no such program.
    """
    from bench.own_command import Command

    command = Command(words)
    if plain:
        if request.typed or request.plan:
            raise BadInput(
                (*request.typed, "--plan")[0],
                "it says nothing to a command that is started as it is",
                expected="--plain alone",
            )
        if dry_run:
            emit(
                {"dry_run": True, "variables": {}, "command": list(words)},
                format,
                lambda: print(_exec(words)),
            )
            return
        _exec_now(command, {})
    found = _around(command, request)
    if dry_run:
        emit(_document(found, words), format, lambda: print("\n".join(_shell(found, words))))
        return
    say(_line(found))
    _exec_now(command, found.variables)


def _around(command: Command, request: RequestArguments) -> Around:
    from bench.own_command import around, framework_of
    from kb.records.workload import complete_workload, load_workload

    for flag, given in (("--plan", request.plan), ("--drop", request.drop), ("--endpoint", request.endpoint)):
        if given is not None:
            raise BadInput(
                flag, "a command is planned for when it starts", expected="what is asked, flag by flag"
            )
    if request.target not in (None, LOCAL):
        raise BadInput(
            "--target",
            "a command of your own runs on this machine",
            expected="no --target; ontune plan is for others",
        )
    command.program  # noqa: B018  whoever slips in its name hears of it before anything else
    reasoner = request.reasoner()
    wishes = {"numerics": _LEFT_ALONE} | request.wishes(reasoner)
    workload = load_workload(request.workload, reasoner.store, "--workload") if request.workload else None
    framework = request.framework or (workload and workload.facts.get("framework"))
    if framework is None:
        framework = framework_of(command, reasoner.frameworks_meant)
    wishes["framework"] = framework
    name = command.script.stem if command.script else command.words[0].rpartition("/")[2]
    standing = command.environment.of_framework(str(framework), reasoner.frameworks_meant)
    target = request.asked_target(reasoner)

    def asked(requires: list[str], forbid: Sequence[str]) -> Plan:
        job = workload or complete_workload(name, {"requires": requires or None}, "the command")
        return reasoner.plan(job, target, **wishes | {"forbid": (*(request.forbid or ()), *forbid)})

    requires = [standing] if standing and workload is None else []
    try:
        asked(requires, ())
    except (BadInput, NoFeasiblePlan) as error:
        if not requires:
            raise
        asked([], ())
        say(f"note: planned without regard to {standing}: {error}")
        requires = []
    pinned = [option.partition("=")[0] for option in request.pin or ()]
    return around(command, lambda forbid: asked(requires, forbid), pinned)


def _predicted(found: Around) -> str:
    """What the prediction says, where it counts nothing but what is applied."""
    ratio = found.plan.prediction["vs_default"]
    if found.at_hand or not found.variables or ratio.get("value") is None:
        return ""
    return f"predicted x {ratio['value']:.2f} ({ratio['low']:.2f} to {ratio['high']:.2f}) against leaving it"


def _line(found: Around) -> str:
    """What whoever started the command is told, in one line. A ratio is left to `--dry-run`, which has the
    room for what it hangs on.
    """
    if not found.variables:
        return (
            "ontune: started as it is: nothing is known that is faster here and set from outside "
            "(--dry-run says more)"
        )
    setting = " ".join(f"{name}={shlex.quote(value)}" for name, value in found.variables.items())
    return f"ontune: {setting} (--dry-run says why)"


def _exec(words: Sequence[str]) -> str:
    return f"exec {shlex.join(words)}"


def _shell(found: Around, words: Sequence[str]) -> list[str]:
    """What is done, as shell, with the reasons as comments."""
    lines = []
    reasons = {f"{taken.decision}={taken.option}": taken.reasons for taken in found.plan.decisions}
    for name, value in found.variables.items():
        for option in found.because[name]:
            lines.append(f"# {option}")
            lines += [f"#   {' '.join(reason.text.split())}" for reason in reasons[option]]
        lines.append(f"export {name}={shlex.quote(value)}")
    if said := _predicted(found):
        lines.append(f"# {said}")
    lines += [f"# not {option}: {why}" for option, why in found.left.items()]
    lines += [f"# {option} is as it is in your environment" for option in found.at_hand]
    return [*lines, _exec(words)]


def _document(found: Around, words: Sequence[str]) -> dict[str, Any]:
    return {
        "dry_run": True, "variables": found.variables, "because": found.because, "left": found.left,
        "at_hand": list(found.at_hand),
        "command": list(words), "plan": found.plan.to_json(),
    }  # fmt: skip


def _exec_now(command: Command, variables: dict[str, str]) -> NoReturn:
    sys.stdout.flush()
    sys.stderr.flush()
    try:
        # The user's own command is what this is for; signals and exit code are its own.
        os.execve(command.program, list(command.words), os.environ | variables)  # noqa: S606
    except OSError as error:
        raise RunFailed(f"not started: {command.program}: {error.strerror}") from error
