"""Read Apptainer definitions as `apptainer build` reads them, as numbered lines with their role. Nothing that
is read is run.

The grammar is that of Apptainer 1.4, whose documentation leaves much of it open; the tests hold this reader
against the program itself. In its order: the text is cut into stages before each line that begins with
`Bootstrap:`; a stage is a header, then sections, each from a line whose first word begins with `%`; then
every `{{ name }}` outside of comments is replaced by its default in the stage's `%arguments`, and the stage
is read again.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from generators.read.shell_lines import HERE_DOCUMENT
from kb.errors import BadInput

SECTIONS = frozenset((
    "help", "setup", "files", "labels", "environment", "pre", "post", "runscript", "test", "startscript",
    "arguments",
))  # fmt: skip
APP_SECTIONS = frozenset((
    "appinstall", "applabels", "appfiles", "appenv", "apptest", "apphelp", "apprun", "appstart",
))  # fmt: skip
HEADERS = frozenset((
    "bootstrap", "from", "includecmd", "mirrorurl", "updateurl", "osversion", "include", "library",
    "registry", "namespace", "stage", "product", "user", "regcode", "productpgp", "registerurl", "modules",
    "otherurl&n", "fingerprints", "confurl", "setopt",
))  # fmt: skip
AGENTS = frozenset((
    "library", "oras", "shub", "docker", "docker-archive", "docker-daemon", "oci", "oci-archive",
    "localimage", "yum", "dnf", "debootstrap", "arch", "busybox", "zypper", "scratch",
))  # fmt: skip
_NEED_FROM = frozenset(
    ("library", "oras", "shub", "docker", "docker-archive", "docker-daemon", "oci", "oci-archive")
)
_OF_A_SHELL = (
    "setup",
    "pre",
    "post",
    "environment",
    "test",
    "runscript",
    "startscript",
    "appinstall",
    "appenv",
    "apptest",
    "apprun",
    "appstart",
)
LONGEST_SECTION = 65_535
"""Bytes of a section together with the line behind it."""

_STAGE = re.compile(r"^bootstrap:", re.IGNORECASE | re.MULTILINE)
_ARGUMENT = re.compile(r"\{\{[\t\n\f\r ]*(\w+)[\t\n\f\r ]*\}\}", re.ASCII)
_COMMENTED = re.compile(r"#[^!]")
_FILE_WORD = re.compile(r"""([^\s"']*\{\{\s*\w+\s*\}\}*[^\s{}"']*)+|([^\s"']+|"([^"]*)"|'([^']*))""")


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


@dataclass(slots=True)
class _Part:
    """A header (whose `title` is empty) or a section, with its lines and the number of its first one."""

    number: int
    title: str
    lines: list[str] = field(default_factory=list)


def read_definition(text: str, where: str, *, arguments_open: bool = False) -> list[Line]:
    """The lines of an Apptainer definition.

    Args:
        text: the definition.
        where: its file, for messages.
        arguments_open: leave build arguments without a default as they are, which whoever builds gives; else
            one is an error, as for Apptainer.

    Raises:
        BadInput: `apptainer build` would not accept it; the message names file and line.
    """
    stages = []
    for number, stage in _stages(text):
        if _checked(stage, number, where):
            stages.append((number, stage))
    found: list[Line] = []
    names: set[str] = set()
    for place, (number, stage) in enumerate(stages):
        replaced = _with_defaults(stage, number, where, arguments_open)
        _check_base(_checked(replaced, number, where), number, names, where)
        found += _lines(replaced, number, place)
    if not found:
        raise BadInput(where, "an empty definition", expected="Bootstrap as the first header")
    for line in found:
        words = line.key.split("#")[0].split()
        if line.section == "files" and len(words) == 2 and words[1] not in names and "{{" not in line.key:
            raise BadInput(
                f"{where}:{line.number}", f"no stage is called {words[1]:.40}", given=words[1], known=names
            )
    return found


def _stages(text: str) -> Iterator[tuple[int, str]]:
    """Each stage with the number of its first line; what stands before the first one is a stage too."""
    cuts = [0, *(match.start() for match in _STAGE.finditer(text)), len(text)]
    for begin, end in itertools.pairwise(cuts):
        if begin < end:
            yield text.count("\n", 0, begin) + 1, text[begin:end]


def _parts(text: str, number: int) -> list[_Part]:
    """The header and the sections of a stage, line by line."""
    parts = [_Part(number, "")]
    lines = text.split("\n")
    for offset, raw in enumerate(lines[:-1] if lines[-1] == "" else lines):
        line = raw.removesuffix("\r")
        if line.split() and line.split()[0].startswith("%"):
            parts.append(_Part(number + offset, line))
        else:
            parts[-1].lines.append(line)
    return parts


def _checked(text: str, number: int, where: str) -> dict[str, str]:
    """The header of a stage; empty where the stage says nothing at all. Raises BadInput for what Apptainer's
    parser refuses.
    """
    parts = _parts(text, number)
    for part, after in zip(parts, [*parts[1:], _Part(0, "")], strict=True):
        size = sum(
            len(line.encode()) + 1 for line in (*([part.title] if part.title else []), *part.lines)
        ) + len(after.title.encode())
        if size > LONGEST_SECTION:
            problem = f"{size} bytes are too many for Apptainer's parser"
            raise BadInput(
                f"{where}:{part.number}", problem, expected=f"at most {LONGEST_SECTION} in a section"
            )
    header = dict(_headers(parts[0], where))
    said = False
    for position, part in enumerate(parts[1:]):
        first = position == 0 and not any(line.strip() for line in parts[0].lines)
        _check_section(part, first=first, where=where)
        said = said or any(line.strip() for line in part.lines) or not part.title.startswith("%arguments")
    if not header and said:
        raise BadInput(
            f"{where}:{number}", "a stage without its base", expected="Bootstrap as its first header"
        )
    return header


def _headers(part: _Part, where: str) -> Iterator[tuple[str, str]]:
    held_key, held = "", ""
    for offset, raw in enumerate(part.lines):
        line, here = raw.strip(), f"{where}:{part.number + offset}"
        if not line or line.startswith("#"):
            if held_key and any(later.strip() for later in part.lines[offset:]):
                raise BadInput(
                    here,
                    f"header {held_key:.40} is continued and ends here",
                    expected="the rest of its value",
                )
            continue
        line = line.split("#")[0]
        if held:
            key, value = held_key, held + line.strip()
        else:
            name, colon, rest = line.partition(":")
            if not colon:
                raise BadInput(here, f"header {name.strip():.40} has no value", expected="KEY: VALUE")
            key, value = name.strip().lower(), rest.strip()
        held_key, held = "", ""
        if value.endswith("\\"):
            held_key, held = key, value[:-1]
            held = held[:-2] + "\n" if held.endswith("\\n") else held
            continue
        if key not in HEADERS and re.sub(r"\d+$", "&n", key, flags=re.ASCII) not in HEADERS:
            raise BadInput(here, f"unknown header {key:.40}", given=key, known=HEADERS)
        yield key, value


def _check_section(part: _Part, *, first: bool, where: str) -> None:
    """Raises BadInput for a section that is unknown or that cannot be read.

    Only the first word of a stage may stand after blanks.
    """
    title, here = part.title.strip() if first else part.title, f"{where}:{part.number}"
    bare = title.lstrip("%")
    name, blank, _ = bare.partition(" ")
    if name.lower() in APP_SECTIONS:
        if not blank:
            raise BadInput(here, f"section %{name} names no app", expected=f"%{name} APP")
        if name not in APP_SECTIONS:
            raise BadInput(
                here,
                f"section %{name:.40} is not known in capitals",
                expected=f"%{name.lower()}",
                given=name,
                known=APP_SECTIONS,
            )
    elif name.lower() not in SECTIONS:
        expected = (
            "a section at the beginning of its line"
            if title != title.lstrip()
            else ", ".join(sorted(SECTIONS))
        )
        raise BadInput(
            here,
            f"unknown section {title.split()[0]:.40}",
            expected=expected,
            given=name.lower(),
            known=SECTIONS,
        )
    if name.lower() == "files":
        for offset, line in enumerate(part.lines, 1):
            if line.strip() and not line.strip().startswith("#") and not _FILE_WORD.search(line.strip()):
                raise BadInput(
                    f"{where}:{part.number + offset}",
                    "a quote that is never closed",
                    expected="SOURCE DESTINATION",
                )


def _with_defaults(text: str, number: int, where: str, arguments_open: bool) -> str:
    """A stage with its build arguments replaced.

    Raises BadInput where one has no default, unless that may stay open.
    """
    defaults: dict[str, str] = {}
    for part in _parts(text, number):
        if part.title.lstrip("%").split(" ")[0].lower() == "arguments":
            for line in map(str.strip, part.lines):
                name, equals, value = line.partition("=")
                if not line.startswith("#") and equals and name.strip():
                    defaults[name.strip()] = value.strip()
    result, done = [], 0
    for match in _ARGUMENT.finditer(text):
        begin = max(text.rfind("\n", done, match.start()), done)
        if _COMMENTED.search(text[begin : match.start()]):
            continue
        if match[1] not in defaults and arguments_open:
            continue
        if match[1] not in defaults:
            here = f"{where}:{number + text.count(chr(10), 0, match.start())}"
            raise BadInput(
                here,
                f"build argument {match[1]:.40} has no value",
                expected="a default in %arguments",
                given=match[1],
                known=defaults,
            )
        nested = _ARGUMENT.sub(lambda inner: defaults.get(inner[1], inner[0]), defaults[match[1]])
        result += [text[done : match.start()], nested]
        done = match.end()
    return "".join([*result, text[done:]])


def _check_base(header: dict[str, str], number: int, names: set[str], where: str) -> None:
    here, agent = f"{where}:{number}", header.get("bootstrap", "")
    if not agent:
        raise BadInput(
            here, "a definition or a stage without its base", expected="Bootstrap as its first header"
        )
    if agent not in AGENTS and "{{" not in agent:
        raise BadInput(here, f"unknown bootstrap agent {agent:.40}", given=agent, known=AGENTS)
    if agent in _NEED_FROM and not header.get("from"):
        raise BadInput(here, f"a base of kind {agent} without its name", expected="From")
    names.add(header.get("stage", ""))


def _lines(text: str, number: int, stage: int) -> Iterator[Line]:
    """What a stage says, without blank lines and comments."""
    header, *sections = _parts(text, number)
    for offset, line in enumerate(header.lines):
        key, colon, value = line.split("#")[0].partition(":")
        if colon and not line.lstrip().startswith("#"):
            yield Line(number + offset, stage, "header", key.strip().lower(), value.strip().rstrip("\\"))
    for part in sections:
        name, _, argument = part.title.strip().lstrip("%").partition(" ")
        if name.lower() == "files" and not part.lines:
            yield Line(part.number, stage, "files", argument.strip(), "")
        ends: list[str] = []
        for place, line in joined(part.lines, part.number + 1):
            if ends and line.strip() == ends[0]:
                ends.pop(0)
            elif ends and line.strip():
                yield Line(place, stage, "data", argument.strip(), line.strip())
            elif line.strip() and not line.lstrip().startswith("#"):
                yield Line(place, stage, name.lower(), argument.strip(), line.strip())
                ends = (
                    [match[2] for match in HERE_DOCUMENT.finditer(line)]
                    if name.lower() in _OF_A_SHELL
                    else []
                )


def joined(
    lines: list[str], first: int, escape: str = "\\", *, blanks: bool = False
) -> Iterator[tuple[int, str]]:
    """Logical lines of a shell or a Dockerfile with the number of their first line.

    Args:
        lines: the lines.
        first: the number of the first of all.
        escape: what continues a line.
        blanks: whether, as in a Dockerfile, blanks may stand behind that, and a blank line ends nothing.
    """
    held, begin, continued = "", first, False
    for number, line in enumerate(lines, first):
        if continued and (line.lstrip().startswith("#") or (blanks and not line.strip())):
            continue  # a comment inside a continued instruction
        begin = begin if continued else number
        until = line.rstrip(" \t") if blanks else line
        continued = until.endswith(escape) and not line.lstrip().startswith("#")
        if continued:
            held += until[:-1] + " "
            continue
        yield begin, held + line
        held = ""
    if held:
        yield begin, held
