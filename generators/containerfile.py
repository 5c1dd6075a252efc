"""Read Dockerfiles as numbered lines with their role. Nothing that is read is run."""

from __future__ import annotations

import re

from kb.errors import BadInput

from .definition import Line, joined

INSTRUCTIONS = frozenset((
    "from", "run", "cmd", "label", "maintainer", "expose", "env", "add", "copy", "entrypoint", "volume", "user", "workdir", "arg",
    "onbuild", "stopsignal", "healthcheck", "shell",
))  # fmt: skip


def read_dockerfile(text: str, where: str) -> list[Line]:
    """The lines of a Dockerfile.

    Raises:
        BadInput: an unknown instruction, one that lacks words, or none before which a base is named; the message names file and line.
    """
    found: list[Line] = []
    stage, terminator = -1, ""
    for number, line in joined(text.replace("\r\n", "\n").split("\n"), 1):
        stripped = line.strip()
        if terminator:
            if stripped == terminator:
                terminator = ""
            elif stripped:
                found.append(Line(number, max(stage, 0), "run", "", stripped))
            continue
        if not stripped or stripped.startswith("#"):
            continue
        instruction, rest = (*stripped.split(maxsplit=1), "")[:2]
        name = instruction.lower()
        if name not in INSTRUCTIONS:
            raise BadInput(f"{where}:{number}", f"unknown instruction {instruction:.40}", given=name, known=INSTRUCTIONS)
        if stage < 0 and name not in ("from", "arg"):
            raise BadInput(f"{where}:{number}", f"{instruction} before any base", expected="FROM first")
        _check_words(instruction, rest.strip(), f"{where}:{number}")
        stage += name == "from"
        found.append(Line(number, max(stage, 0), name, "", rest.strip()))
        if (begin := re.search(r"<<-?['\"]?(\w+)", rest)) and name in ("run", "copy", "add"):
            terminator = begin.group(1)
    if stage < 0:
        raise BadInput(where, "names no base", expected="FROM")
    return found


def _check_words(instruction: str, rest: str, where: str) -> None:
    name, words = instruction.lower(), [word for word in rest.split() if not word.startswith("--")]
    least = 2 if name in ("copy", "add") and not rest.lstrip().startswith("[") and "<<" not in rest else 1
    if len(words) < least:
        raise BadInput(where, f"{instruction} lacks a word", expected=f"at least {least} behind it")
    if name == "env" and len(words) == 1 and "=" not in rest:
        raise BadInput(where, f"ENV {rest:.40} has no value", expected="ENV NAME=VALUE")
