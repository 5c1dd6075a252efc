"""`ontune run -- COMMAND`: plan for this machine, say in one line what is set, and become the command."""

from __future__ import annotations

import contextlib
import errno
import os
import shlex
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from kb.clean import clean
from kb.errors import BadInput, NoFeasiblePlan, RunFailed
from kb.records.target import LOCAL
from ontune.cli.output import emit
from ontune.cli.request import RequestArguments

if TYPE_CHECKING:
    from bench.command import Command
    from bench.own_command import Around
    from kb.records.workload import Workload
    from reasoner.answers.plan import Plan
    from reasoner.reasoner import Reasoner

_LEFT_ALONE = "exact"
"""Unasked, nothing is taken that changes the numbers."""

_OF_PLANS_ALONE = {
    "--plan": "the wishes of the plan as flags",
    "--drop": "a wish that is not typed",
    "--endpoint": "the knowledge base of this machine",
    "--top": "ontune plan, which lists alternatives",
}
"""Flags of planning that are not for a command, with what is for it instead."""


def become(
    words: tuple[str, ...], request: RequestArguments, *, dry_run: bool, plain: bool, format: str
) -> None:
    """Start a command in the place of this process, with what a plan sets around it.

    Raises:
        BadInput: the command or the request cannot be understood.
        NoFeasiblePlan: nothing meets the request here.
        RunFailed: the operating system starts no such program.
    """
    from bench.command import Command
    from bench.own_command import Around

    command = Command(words)
    _refuse_what_says_nothing(request, plain=plain, dry_run=dry_run, format=format)
    command.program  # noqa: B018  whoever slips in its name hears of it before anything else
    found = None if plain else _around(command, request)
    if dry_run:
        emit(_document(found, command), format, lambda: print("\n".join(_shell(found, command))))
        return
    if isinstance(found, Around):
        _note(_line(found))
    _exec_now(command, found.variables | _hook_variables(found, command) if found else {})


def _refuse_what_says_nothing(request: RequestArguments, *, plain: bool, dry_run: bool, format: str) -> None:
    if format == "json" and not dry_run:
        raise BadInput("--format", "a command prints what it prints", expected="--dry-run beside it")
    typed = [*request.typed, *(["--plan"] if request.plan else [])]
    if plain and typed:
        problem = "it says nothing to a command that is started as it is"
        raise BadInput(typed[0], problem, expected="--plain alone")
    for flag in typed:
        if flag in _OF_PLANS_ALONE:
            raise BadInput(flag, "it says nothing to a command of your own", expected=_OF_PLANS_ALONE[flag])
    if request.target not in (None, LOCAL):
        problem = "a command of your own runs on this machine"
        raise BadInput("--target", problem, expected="no --target; ontune plan is for others")


def _around(command: Command, request: RequestArguments) -> Around:
    """The plan for a command with what is put into effect of it."""
    from bench.own_command import Hooked, around
    from kb.records.observed_job import ObservedJob

    try:
        Path.cwd()
    except OSError as error:
        raise BadInput("the folder you are in", "is gone", expected="one that is there") from error
    reasoner = request.reasoner()
    workload = _described(command, request, reasoner)
    wishes = {"numerics": _LEFT_ALONE} | request.wishes(reasoner)
    wishes["framework"] = _framework(command, request, workload, reasoner)
    hooked = Hooked(
        reasoner.applied_at_start(wishes["framework"]),
        {} if workload else ObservedJob.of(command.digest).left,
    )
    standing = command.environment.of_framework(wishes["framework"], reasoner.frameworks_meant)
    target = request.asked_target(reasoner)

    def asked(requires: str, forbid: Sequence[str]) -> Plan:
        job = workload or _unnamed(command, requires, reasoner)
        return reasoner.plan(job, target, **wishes | {"forbid": (*(request.forbid or ()), *forbid)})

    requires = "" if workload else standing
    try:
        plan = asked(requires, ())
    except (BadInput, NoFeasiblePlan) as error:
        if not requires:
            raise
        plan = asked("", ())
        _note(f"ontune: planned without regard to {standing}: {error}")
        requires = ""
    pinned = [option.partition("=")[0] for option in request.pin or ()]
    return around(command, plan, lambda forbid: asked(requires, forbid), pinned, hooked)


def _unnamed(command: Command, requires: str, reasoner: Reasoner) -> Workload:
    """A command as a job of which is known what was observed when it ran before, and the framework that
    stands there.
    """
    from kb.records.observed_job import ObservedJob
    from kb.records.workload import complete_workload

    name = command.script.stem if command.script else Path(command.words[0]).name
    observed = ObservedJob.of(command.digest).facts(reasoner.store)
    return complete_workload(
        name, observed | {"requires": [requires] if requires else None}, "the command"
    ).named(reasoner.store.names)


def _hook_variables(found: Around, command: Command) -> dict[str, str]:
    """What has the program load the hook, which applies what only code can and observes; nothing where its
    Python would not load it.
    """
    from generators import hook
    from kb.records.observed_job import ObservedJob

    if not command.environment.loads_hook:
        return {}
    job = ObservedJob.of(command.digest)
    asked = {"settings": found.settings, "record": str(job.path), "left": job.left, "process": os.getpid()}
    return hook.variables(asked, os.environ.get(hook.SEARCHED, ""))


def _described(command: Command, request: RequestArguments, reasoner: Reasoner) -> Workload | None:
    """What `-w` says of the job. Raises BadInput where that is another program than the command."""
    from kb.records.workload import load_workload

    if request.workload is None:
        return None
    workload = load_workload(request.workload, reasoner.store, "--workload")
    script = workload.facts.get("script")
    same = script and command.script and Path(script).resolve() == command.script.resolve()
    if workload.facts.get("command") or (script and not same):
        problem = f"'{request.workload}' describes another program than the command behind --"
        raise BadInput(
            "--workload", problem, expected="a file without 'script' and 'command', or with this one"
        )
    return workload


def _framework(
    command: Command, request: RequestArguments, workload: Workload | None, reasoner: Reasoner
) -> str:
    """The framework that is asked for, else the one that the command trains with."""
    from bench.command import framework_of

    asked = request.framework or (workload and workload.facts.get("framework"))
    if not asked:
        return framework_of(command, reasoner.frameworks_meant)
    with contextlib.suppress(BadInput):  # what cannot be read contradicts nothing
        for module in command.modules:
            meant = reasoner.frameworks_meant(module)
            if meant and meant != (reasoner.frameworks_meant(asked) or [asked]):
                _note(f"ontune: {command.script} imports {meant[0]}, and {asked} is planned for, as asked")
                break
    return str(asked)


def _note(text: str) -> None:
    """A line on stderr; where it cannot be written, the program is started all the same."""
    if sys.stderr is not None:
        with contextlib.suppress(OSError, ValueError):
            os.write(2, f"{clean(text)}\n".encode(errors="replace"))


def _predicted(found: Around) -> str:
    """What the prediction says, where it counts nothing but what is applied."""
    ratio = found.plan.prediction["vs_default"]
    if found.at_hand or not (found.variables or found.settings) or ratio.get("value") is None:
        return ""
    return f"predicted x {ratio['value']:.2f} ({ratio['low']:.2f} to {ratio['high']:.2f}) against leaving it"


def _line(found: Around) -> str:
    """What whoever started the command is told, in one line. A ratio is left to `--dry-run`, which has the
    room for what it hangs on.
    """
    if found.variables or found.settings:
        outside = [f"{name}={_word(value)}" for name, value in found.variables.items()]
        inside = [f"{name}={value}" for name, value in found.settings.items()]
        parts = [" ".join(outside), f"in the program {', '.join(inside)}" if inside else ""]
        return f"ontune: {'; '.join(filter(None, parts))} (--dry-run says why)"
    if found.left:
        return "ontune: started as it is (--dry-run says what else would be taken, and why it is not)"
    return "ontune: started as it is: nothing is known that is faster here and set from outside"


def _word(text: str) -> str:
    """A word for a shell; one that is no text in UTF-8 by its bytes, as bash reads them."""
    if text.isprintable() or not any("\udc80" <= character <= "\udcff" for character in text):
        return shlex.quote(text)
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    raw = escaped.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return f"$'{raw}'"


def _told(text: str) -> str:
    """Words that are no text in UTF-8, as JSON can hold them."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _shell(found: Around | None, command: Command) -> list[str]:
    """What is done, as shell, with the reasons as comments."""
    first = command.program if command.words[0].startswith("-") else command.words[0]
    start = f"exec {' '.join(map(_word, (first, *command.words[1:])))}"
    if found is None:
        return [start]
    lines = []
    reasons = {f"{taken.decision}={taken.option}": taken.reasons for taken in found.plan.decisions}

    def why(name: str) -> Iterator[str]:
        for option in found.because[name]:
            yield f"# {option}"
            yield from (f"#   {' '.join(reason.text.split())}" for reason in reasons[option])

    for name, value in found.variables.items():
        lines += [*why(name), f"export {name}={_word(value)}"]
    for name in found.settings:
        lines += why(name)
    by_hook = _hook_variables(found, command)
    lines += [f"export {name}={_word(value)}" for name, value in by_hook.items()]
    if said := _predicted(found):
        lines.append(f"# {said}")
    lines += [f"# not {option}: {' '.join(why.split())}" for option, why in found.left.items()]
    lines += [f"# {option} is as it is in your environment" for option in found.at_hand]
    return [*lines, start]


def _document(found: Around | None, command: Command) -> dict[str, Any]:
    words = [_told(word) for word in command.words]
    if found is None:
        return {"dry_run": True, "variables": {}, "settings": {}, "command": words}
    return {
        "dry_run": True,
        "variables": found.variables,
        "settings": found.settings,
        "because": found.because,
        "left": found.left,
        "at_hand": list(found.at_hand),
        "command": words,
        "plan": found.plan.to_json(),
    }


def _exec_now(command: Command, variables: Mapping[str, str]) -> NoReturn:
    """Become the command, with what Python has changed of this process put back."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):  # it may be closed
            stream.flush()
    for name in ("SIGPIPE", "SIGXFSZ"):
        signal.signal(getattr(signal, name), signal.SIG_DFL)
    environment = os.environ | variables
    if "LC_CTYPE" in environment and not _was_given("LC_CTYPE"):
        del environment["LC_CTYPE"]  # Python sets it in the locale C
    try:
        # The user's own command is what this is for; signals and exit code are its own.
        os.execve(command.program, list(command.words), environment)  # noqa: S606
    except OSError as error:
        if error.errno == errno.ENOEXEC:  # no #! line: a shell takes it for its own
            words = ["/bin/sh", command.program, *command.words[1:]]
            os.execve(words[0], words, environment)  # noqa: S606
        raise RunFailed(f"not started: {command.program}: {error.strerror}") from error


def _was_given(name: str) -> bool:
    """Whether this process was started with a variable."""
    try:
        given = Path("/proc/self/environ").read_bytes()
    except OSError:
        return True
    return any(entry.startswith(f"{name}=".encode()) for entry in given.split(b"\0"))
