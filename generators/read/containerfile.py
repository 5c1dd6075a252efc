"""Read Dockerfiles as numbered lines with their role. Nothing that is read is run."""

from __future__ import annotations

import re
from collections.abc import Iterator

from generators.read.definition import Line, joined
from generators.read.shell_lines import HERE_DOCUMENT
from kb.errors import BadInput

INSTRUCTIONS = frozenset((
    "from", "run", "cmd", "label", "maintainer", "expose", "env", "add", "copy", "entrypoint", "volume",
    "user", "workdir", "arg", "onbuild", "stopsignal", "healthcheck", "shell",
))  # fmt: skip
_ESCAPE = re.compile(r"#\s*escape\s*=\s*([\\`])\s*$", re.IGNORECASE)


def read_dockerfile(text: str, where: str) -> list[Line]:
    """The lines of a Dockerfile. A here document that a shell runs is one line of it; one that is the
    content of a file is `data`.

    Raises:
        BadInput: an unknown instruction, one that lacks words, or none before which a base is named; the
            message names file and line.
    """
    found: list[Line] = []
    stage, ends, body = -1, list[str](), list[tuple[int, str]]()
    lines = text.replace("\r\n", "\n").removeprefix("\ufeff").split("\n")
    for number, line in joined(lines, 1, escape=_escape(lines), blanks=True):
        stripped = line.strip()
        if ends:
            if stripped != ends[0]:
                body.append((number, line))
                continue
            ends.pop(0)
            found += _document(found[-1], body)
            body = []
            continue
        if not stripped or stripped.startswith("#"):
            continue
        instruction, rest = (*stripped.split(maxsplit=1), "")[:2]
        name = instruction.lower()
        if name not in INSTRUCTIONS:
            raise BadInput(
                f"{where}:{number}", f"unknown instruction {instruction:.40}", given=name, known=INSTRUCTIONS
            )
        if stage < 0 and name not in ("from", "arg"):
            raise BadInput(f"{where}:{number}", f"{instruction} before any base", expected="FROM first")
        _check_words(instruction, rest.strip(), f"{where}:{number}")
        stage += name == "from"
        found.append(Line(number, max(stage, 0), name, "", rest.strip()))
        if name in ("run", "copy", "add"):
            ends = [match[2] for match in HERE_DOCUMENT.finditer(rest)]
    if stage < 0:
        raise BadInput(where, "names no base", expected="FROM")
    return found


def _escape(lines: list[str]) -> str:
    """The character that continues lines, which a directive before everything else may change."""
    for line in lines:
        if not line.startswith("#"):
            break
        if match := _ESCAPE.match(line):
            return match[1]
    return "\\"


def _document(begun: Line, body: list[tuple[int, str]]) -> Iterator[Line]:
    """A here document, numbered by its own lines: one line of the shell where it is all that is run."""
    if begun.section == "run" and re.sub(r"^(?:--\S+\s+)*", "", begun.text).startswith("<<") and body:
        yield Line(body[0][0], begun.stage, "run", "", "\n".join(line for _, line in body).strip("\n"))
        return
    yield from (Line(number, begun.stage, "data", "", line.strip()) for number, line in body if line.strip())


def _check_words(instruction: str, rest: str, where: str) -> None:
    name, words = instruction.lower(), [word for word in rest.split() if not word.startswith("--")]
    least = 2 if name in ("copy", "add") and not rest.lstrip().startswith("[") and "<<" not in rest else 1
    if len(words) < least:
        raise BadInput(where, f"{instruction} lacks a word", expected=f"at least {least} behind it")
    if name == "env" and len(words) == 1 and "=" not in rest:
        raise BadInput(where, f"ENV {rest:.40} has no value", expected="ENV NAME=VALUE")
