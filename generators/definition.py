"""Read Apptainer definitions by the grammar of `apptainer build`, and Dockerfiles, as numbered lines with their role. Nothing that is read is run."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from kb.errors import BadInput

SECTIONS = frozenset((
    "help", "setup", "files", "labels", "environment", "pre", "post", "runscript", "test", "startscript", "arguments",
))  # fmt: skip
APP_SECTIONS = frozenset((
    "appinstall", "applabels", "appfiles", "appenv", "apptest", "apphelp", "apprun", "appstart",
))  # fmt: skip
HEADERS = frozenset((
    "bootstrap", "from", "includecmd", "mirrorurl", "updateurl", "osversion", "include", "library", "registry", "namespace", "stage",
    "product", "user", "regcode", "productpgp", "registerurl", "modules", "fingerprints", "confurl", "setopt",
))  # fmt: skip
AGENTS = frozenset((
    "library", "oras", "shub", "docker", "docker-archive", "docker-daemon", "oci", "oci-archive", "localimage", "yum", "dnf", "debootstrap",
    "arch", "busybox", "zypper", "scratch",
))  # fmt: skip
INSTRUCTIONS = frozenset((
    "from", "run", "cmd", "label", "maintainer", "expose", "env", "add", "copy", "entrypoint", "volume", "user", "workdir", "arg",
    "onbuild", "stopsignal", "healthcheck", "shell",
))  # fmt: skip
_NUMBERED = re.compile(r"otherurl\d+")
_STAGE = re.compile(r"^bootstrap:", re.IGNORECASE)
_ARGUMENT = re.compile(r"\{\{\s*(\w+)\s*\}\}")


@dataclass(frozen=True, slots=True)
class Line:
    """One logical line of a recipe; continued lines are joined.

    Attributes:
        number: the number of its first line in the file, from 1.
        stage: the stage that it belongs to, from 0.
        section: the definition's section, `header`, or the Dockerfile's instruction, in lower case.
        key: the header's key in lower case, the arguments of the section, or empty.
        text: the line, or the instruction's arguments.
    """

    number: int
    stage: int
    section: str
    key: str
    text: str


def read_definition(text: str, where: str) -> list[Line]:
    """The lines of an Apptainer definition.

    Raises:
        BadInput: `apptainer build` would not accept it; the message names file and line.
    """
    found: list[Line] = []
    stage, section, argument = -1, "header", ""
    seen: set[tuple[int, str]] = set()
    for number, line in _joined(text, "%"):
        here, word = f"{where}:{number}", line.split(maxsplit=1)[0] if line.split() else ""
        if _STAGE.match(line):
            stage, section, argument = stage + 1, "header", ""
        if word.startswith("%"):
            section, argument = _section(line, first=not seen and section == "header" and not found, where=here)
            seen.add((stage, section))
            continue
        if not word or (word.startswith("#") and section == "header"):
            continue
        if section == "header":
            key, value = _header(line, here)
            found.append(Line(number, max(stage, 0), section, key, value))
        elif not word.startswith("#"):
            found.append(Line(number, max(stage, 0), section, argument, line.strip()))
    _check_stages(found, where)
    _check_arguments(text, found, where)
    return found


def read_dockerfile(text: str, where: str) -> list[Line]:
    """The lines of a Dockerfile.

    Raises:
        BadInput: an unknown instruction, or none before which a base is named; the message names file and line.
    """
    found: list[Line] = []
    stage, terminator = -1, ""
    for number, line in _joined(text):
        stripped = line.strip()
        if terminator:
            if stripped == terminator:
                terminator = ""
            elif stripped:
                found.append(Line(number, max(stage, 0), "run", "", stripped))
            continue
        if not stripped or stripped.startswith("#"):
            continue
        instruction, _, rest = stripped.partition(" ")
        name = instruction.lower()
        if name not in INSTRUCTIONS:
            raise BadInput(f"{where}:{number}", f"unknown instruction {instruction:.40}", given=name, known=INSTRUCTIONS)
        if stage < 0 and name not in ("from", "arg"):
            raise BadInput(f"{where}:{number}", f"{instruction} before any base", expected="FROM first")
        stage += name == "from"
        found.append(Line(number, max(stage, 0), name, "", rest.strip()))
        if (begin := re.search(r"<<-?['\"]?(\w+)", rest)) and name in ("run", "copy", "add"):
            terminator = begin.group(1)
    if stage < 0:
        raise BadInput(where, "names no base", expected="FROM")
    return found


def _joined(text: str, boundary: str = "") -> Iterator[tuple[int, str]]:
    """Logical lines with the number of their first line; a line that begins with `boundary` is never joined to the one before."""
    held, begin = "", 0
    for number, line in enumerate(text.replace("\r\n", "\n").split("\n"), 1):
        if held and boundary and line.lstrip().startswith(boundary):
            yield begin, held
            held = ""
        if held and line.lstrip().startswith("#"):
            continue  # a comment inside a continued instruction
        begin = begin if held else number
        if line.endswith("\\") and not line.lstrip().startswith("#"):
            held += line[:-1] + " "
            continue
        yield begin, held + line
        held = ""
    if held:
        yield begin, held


def _section(line: str, *, first: bool, where: str) -> tuple[str, str]:
    """The name and the arguments of a section. Only the first word of a file may stand after blanks."""
    name, _, argument = (line.strip() if first else line).lstrip("%").partition(" ")
    name = name.lower().rstrip()
    if name in APP_SECTIONS:
        if not argument.strip():
            raise BadInput(where, f"section %{name} names no app", expected=f"%{name} APP")
    elif name not in SECTIONS:
        expected = "a section at the beginning of its line" if line != line.lstrip() else ", ".join(sorted(SECTIONS))
        raise BadInput(where, f"unknown section {line.split()[0]:.40}", expected=expected, given=name, known=SECTIONS)
    return name, argument.strip()


def _header(line: str, where: str) -> tuple[str, str]:
    key, colon, value = line.split("#")[0].partition(":")
    name = key.strip().lower()
    if not colon:
        raise BadInput(where, f"header {key.strip():.40} has no value", expected="KEY: VALUE")
    if name not in HEADERS and not _NUMBERED.fullmatch(name):
        raise BadInput(where, f"unknown header {key.strip():.40}", given=name, known=HEADERS)
    return name, value.strip()


def _check_stages(lines: list[Line], where: str) -> None:
    stages: set[str] = set()
    agents = {line.stage for line in lines if (line.section, line.key) == ("header", "bootstrap")}
    if not lines or not agents or any(line.stage not in agents for line in lines) or lines[0].key != "bootstrap":
        raise BadInput(where, "a definition or a stage without its base", expected="Bootstrap as the first header")
    for line in lines:
        if (line.section, line.key) == ("header", "stage"):
            stages.add(line.text)
        elif (line.section, line.key) == ("header", "bootstrap") and line.text.lower() not in AGENTS and not _ARGUMENT.search(line.text):
            raise BadInput(f"{where}:{line.number}", f"unknown bootstrap agent {line.text:.40}", given=line.text.lower(), known=AGENTS)
        elif line.section == "files" and line.key.startswith("from ") and line.key.split()[1] not in stages:
            raise BadInput(f"{where}:{line.number}", f"no stage is called {line.key.split()[1]:.40}", given=line.key.split()[1], known=stages)


def _check_arguments(text: str, lines: list[Line], where: str) -> None:
    """Every `{{ name }}` outside of comments has a default, else it must be given to the build."""
    defaults = {line.text.partition("=")[0].strip() for line in lines if line.section == "arguments"}
    for number, line in enumerate(text.split("\n"), 1):
        for asked in _ARGUMENT.findall(line if not line.lstrip().startswith("#") else ""):
            if asked not in defaults:
                problem = f"build argument {asked:.40} has no value"
                raise BadInput(f"{where}:{number}", problem, expected="a default in %arguments", given=asked, known=defaults)
