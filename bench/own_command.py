"""A user's own training command, started unchanged: what a plan can apply around it and by the hook, and what
not.

The plan is asked for again without each option that nothing applies here, until what its prediction counts is
what is applied.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain

from bench import process
from bench.command import Command
from kb.errors import BadInput, NoFeasiblePlan
from reasoner.answers.plan import Application, DecisionTaken, Plan


@dataclass(frozen=True)
class Around:
    """What is put into effect around a command.

    Attributes:
        plan: the plan of which all that its prediction counts is applied, but for `at_hand`.
        variables: what is set for the program.
        settings: what the hook applies in the program.
        because: for each variable and each setting, the decisions and options that set it.
        left: options that the plan would have taken, and why nothing applies them here.
        at_hand: options that the prediction counts and that are as they are in the user's environment.
    """

    plan: Plan
    variables: dict[str, str] = field(default_factory=dict)
    settings: dict[str, str] = field(default_factory=dict)
    because: dict[str, list[str]] = field(default_factory=dict)
    left: dict[str, str] = field(default_factory=dict)
    at_hand: tuple[str, ...] = ()


@dataclass(frozen=True)
class Hooked:
    """What the hook does for a program.

    Attributes:
        options: those that it sets up in the program's framework (`decision=option`).
        left: settings that this program did not bear when it ran before, each with the reason.
    """

    options: Collection[str] = ()
    left: Mapping[str, str] = field(default_factory=dict)


def around(
    command: Command, plan: Plan, ask: Callable[[Sequence[str]], Plan], pinned: Sequence[str], hooked: Hooked
) -> Around:
    """Plan until everything that counts can be applied from outside or by the hook.

    Args:
        command: what will run.
        plan: what is best for it, whoever applies it.
        ask: gives the plan without some options (`decision=option`).
        pinned: the decisions that the user pinned.
        hooked: what the hook does.

    Raises:
        BadInput: nothing applies an option that was pinned.
        NoFeasiblePlan: as `ask`.
    """
    left: dict[str, str] = {}
    fixed: set[str] = set()
    while hindered := _hindered(plan, command, pinned, fixed, hooked):
        for option, why in hindered.items():
            if option.partition("=")[0] in pinned:
                raise BadInput(f"--pin {option}", f"nothing applies it to a command as it is: {why}")
        try:
            plan = ask([*left, *hindered])
            left |= hindered
        except NoFeasiblePlan:
            fixed |= hindered.keys()  # what stands in the environment is no choice
    found = Around(plan, left=left, at_hand=tuple(sorted(fixed)))
    for taken in _counted(plan, pinned):
        for one in taken.apply if _name(taken) not in fixed else ():
            if one.how == "env":
                value, before = _value(one, plan), found.variables.get(one.name)
                found.variables[one.name] = f"{before} {value}" if before else value
            elif one.how == "code":
                found.settings[one.name] = _value(one, plan)
            else:
                continue
            found.because.setdefault(one.name, []).append(_name(taken))
    return found


def _counted(plan: Plan, pinned: Sequence[str]) -> list[DecisionTaken]:
    """The decisions that the prediction counts, and those that the user pinned."""
    parts = (plan.prediction.get("vs_default") or {}).get("parts") or ()
    counted = set(chain.from_iterable(part["options"] for part in parts))
    return [taken for taken in plan.decisions if taken.decision in counted or taken.decision in pinned]


def _name(taken: DecisionTaken) -> str:
    return f"{taken.decision}={taken.option}"


def _hindered(
    plan: Plan, command: Command, pinned: Sequence[str], fixed: set[str], hooked: Hooked
) -> dict[str, str]:
    """The options that count and that nothing applies, with the reason."""
    found = {}
    for taken in _counted(plan, pinned):
        if _name(taken) not in fixed and (why := _hindrance(taken, command, hooked)):
            found[_name(taken)] = why
    return found


def _hindrance(taken: DecisionTaken, command: Command, hooked: Hooked) -> str:
    """Why nothing applies an option around a command; empty where something does."""
    preloads = any(variable.name == "LD_PRELOAD" for variable in taken.apply if variable.how == "env")
    for one in taken.apply:
        why = ""
        if one.how == "env":
            why = _kept_from(one, command)
        elif one.how == "code" and _name(taken) in hooked.options:
            why = _not_hooked(one, command, hooked)
        elif not (one.how == "package" and one.manager == "apt" and preloads):
            why = _BY.get(one.by, f"it is applied by {one.how} {one.name}")
        if why:
            return why
    return ""


def _not_hooked(setting: Application, command: Command, hooked: Hooked) -> str:
    """Why the hook does not apply a setting."""
    if not command.environment.loads_hook:
        return f"{command.python} does not load what would apply it (flags such as -I, -E and -S forbid it)"
    if setting.name in hooked.left:
        return f"when it ran before: {hooked.left[setting.name]}"
    if "{cores}" in setting.value and not command.runs_alone:
        return "it may start several processes that share the cores"
    return ""


_BY = {
    "hook": "it is code, and the program would have to apply it",
    "user": "it is code, and the program would have to apply it",
    "script": "it is code, and the program would have to apply it",
    "image": "it takes an image or an environment that is made for the plan (ontune recipe)",
    "job": "the job or the scheduler applies it (ontune recipe)",
}


def _kept_from(variable: Application, command: Command) -> str:
    """Why a variable is not set."""
    if variable.name in os.environ:
        return f"{variable.name} is set already, to '{os.environ[variable.name]}'"
    if any(word.startswith(f"{variable.name}=") for word in command.words):
        return f"the command sets {variable.name} itself"
    if variable.name == "LD_PRELOAD":
        missing = [library for library in variable.value.split() if not process.preloads(library)]
        return f"{' '.join(missing)} is not installed here" if missing else ""
    asked = set(re.findall(r"\{(\w+)\}", variable.value))
    if asked - {"cores"}:
        return f"{variable.name} needs what only a job knows: {', '.join(sorted(asked))}"
    return "it may start several processes that share the cores" if asked and not command.runs_alone else ""


def _value(variable: Application, plan: Plan) -> str:
    return variable.value.replace("{cores}", str(plan.target["cpu"]["usable_cores"]))
