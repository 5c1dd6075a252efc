"""Every text that comes from a user or from the knowledge base is hostile until it has passed through here.

Two ways lead into a generated file: a *name* must match the grammar of what it names, or it is refused; a
*value* may be any printable text, and is quoted for the language it is written in.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping, Sequence

from kb.errors import BadInput

LONGEST = 32_768
"""Characters in a value: a quarter of what Linux takes as one argument of a program."""

_GRAMMARS = {
    "variable": (r"[A-Za-z_][A-Za-z0-9_]*", "a variable's name: letters, digits, '_'"),
    "system package": (
        r"[a-z0-9][a-z0-9+.-]+",
        "a Debian package's name: lower-case letters, digits, '+', '-', '.'",
    ),
    "python package": (
        r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?(\[[A-Za-z0-9._,-]+\])?",
        "a distribution's name: letters, digits, '-', '_', '.'",
    ),
    "version": (
        r"[A-Za-z0-9][A-Za-z0-9.+:~!_-]*",
        "a version: letters, digits, '.', '+', ':', '~', '!', '-'",
    ),
    "header": (r"[A-Za-z][A-Za-z0-9-]*", "a header's key: letters, digits, '-'"),
    "flag": (r"(--?)?[A-Za-z0-9][A-Za-z0-9-]*", "a flag such as --nv"),
    "word": (
        r"[A-Za-z0-9_][A-Za-z0-9_.+-]*",
        "letters, digits, '_', '.', '+', '-', not beginning with a sign",
    ),
    "job name": (
        r"[A-Za-z][A-Za-z0-9_.-]{0,62}",
        "a job's name: a letter, then at most 62 letters, digits, '_', '.', '-'",
    ),
    "address": (r"(https?|file)://[^\s'\"\\]+", "an address that begins with https://, http:// or file://"),
    "source": (r"(https?|git)://[^\s'\"\\]+", "an address that begins with https://, http:// or git://"),
    "module": (
        r"[A-Za-z0-9][A-Za-z0-9_.+/-]*( [A-Za-z0-9][A-Za-z0-9_.+/-]*)*",
        "a module's name such as pytorch/2.5",
    ),
    "image": (
        r"[a-z0-9][A-Za-z0-9._:/-]*@sha256:[0-9a-f]{64}",
        "an image of a registry with its digest: NAME@sha256:...",
    ),
    "identifier": (r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,127}", "at most 128 letters, digits, '_', '.', ':', '-'"),
}


def name(kind: str, text: object, where: str) -> str:
    """`text`, if it follows the grammar of `kind` (a key of this module's table).

    Raises BadInput at `where` if not.
    """
    pattern, expected = _GRAMMARS[kind]
    if not isinstance(text, str) or len(text) > LONGEST or not re.fullmatch(pattern, text, re.ASCII):
        raise BadInput(where, f"{_shown(text)} is not usable", expected=expected)
    return text


def value(text: object, where: str) -> str:
    """A number or a text as one line of printable text.

    Raises BadInput at `where` for what no generated file can carry.
    """
    if isinstance(text, bool):
        return str(text).lower()
    if isinstance(text, int | float):
        return str(text)
    if not isinstance(text, str):
        raise BadInput(where, f"{_shown(text)} is not usable", expected="text or a number")
    if len(text) > LONGEST:
        raise BadInput(where, f"{len(text)} characters are too many", expected=f"at most {LONGEST}")
    if not text.isprintable():
        raise BadInput(
            where,
            f"{_shown(text)} holds a line break or another character that cannot be printed",
            expected="one line of text",
        )
    return text


def plain(text: str, where: str) -> str:
    """A value for a place where nothing can be quoted: additionally no build argument of an Apptainer
    definition.
    """
    if "{{" in value(text, where):
        raise BadInput(
            where,
            f"{_shown(text)} holds '{{{{'",
            expected="text without it: a definition file would replace it",
        )
    return text


def shell(text: str, variables: Mapping[str, str] | None = None) -> str:
    """One word of a POSIX shell.

    Args:
        text: any value.
        variables: shell variables by the placeholder that stands for them: with `{"cores": "cores"}`,
            `{cores}` becomes `"$cores"`.
    """
    if not variables:
        return shlex.quote(text)
    pieces = re.split("({(?:" + "|".join(map(re.escape, variables)) + ")})", text)
    return _word(pieces, lambda piece: f'"${variables[piece[1:-1]]}"')


def command_word(text: str) -> str:
    """A word of a user's command: `${NAME}` is the variable of the job, everything else is as it stands."""
    pieces = re.split(r"(\$\{[A-Za-z_][A-Za-z0-9_]*\})", text)
    return _word(pieces, lambda piece: f'"{piece[:-1]}:?}}"')


def _word(pieces: Sequence[str], variable: Callable[[str], str]) -> str:
    """One word of a shell: texts as they stand, and between them, at every second place, variables."""
    quoted = [
        variable(piece) if place % 2 else shlex.quote(piece) for place, piece in enumerate(pieces) if piece
    ]
    return "".join(quoted) or "''"


def folder(path: str) -> str:
    """A folder as a word of a POSIX shell; it may begin with a variable, which must be set where the word is
    used.
    """
    variable = re.match(r"\$([A-Za-z_]\w*)", path, re.ASCII)
    if not variable:
        return shlex.quote(path)
    rest = path[variable.end() :]
    return f'"${{{variable[1]}:?}}"' + (shlex.quote(rest) if rest else "")


def definition(word: str) -> str:
    """A quoted shell word for an Apptainer definition, where two open braces would begin a build argument."""
    return re.sub(r"\{(?=\{)", "{''", word)


def dockerfile(text: str) -> str:
    """A double-quoted word of a Dockerfile's instruction."""
    return '"' + re.sub(r'([\\"$])', r"\\\1", text) + '"'


def comment(text: str) -> str:
    """Text for the rest of a comment line, in every language that is written here."""
    return "".join(character if character.isprintable() else " " for character in text).replace("{{", "{ {")


def _shown(text: object) -> str:
    shown = repr(text)
    return shown if len(shown) <= 60 else f"{shown[:57]}..."
