"""Read the shell lines of a recipe as commands with their words. Nothing that is read is run or expanded.

Only what rules ask about is told apart: commands, quotes, comments, assignments, here documents, and what
`pip install` is told to install.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

HERE_DOCUMENT = re.compile(r"(?<!<)<<-?\s*(['\"]?)([A-Za-z_]\w*)\1")
"""What begins a here document, with the word that ends it."""

_ENDS = (";", "&", "|", "(", ")", "\n", "`")
_ASSIGNED = re.compile(r"([A-Za-z_]\w*)=(.*)", re.DOTALL)
_PIP = re.compile(r"(?:.*/)?pip[\d.]*")
# Options of `pip install` that take the next word with them.
_WITH_VALUE = frozenset((
    "-r", "-c", "-e", "-f", "-i", "-t", "-C", "--requirement", "--constraint", "--editable", "--find-links",
    "--index-url", "--extra-index-url", "--trusted-host", "--target", "--prefix", "--root", "--src",
    "--progress-bar", "--config-settings", "--config-setting", "--global-option", "--install-option",
    "--build-option", "--platform", "--python-version", "--implementation", "--abi", "--only-binary",
    "--no-binary", "--upgrade-strategy", "--cache-dir", "--timeout", "--retries", "--proxy", "--cert",
    "--client-cert", "--log", "--report", "--root-user-action", "--use-feature", "--use-deprecated",
    "--exists-action", "--python", "--keyring-provider", "--default-timeout",
))  # fmt: skip
_HELD = ("-c", "--constraint", "--no-index")  # versions are those of a file or of a folder
_NAMED = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[[^]]*\])?\s*([<>=!~].*)?")


@dataclass(frozen=True, slots=True)
class Wanted:
    """A package that `pip install` is told to install.

    Attributes:
        text: as it is written.
        name: the distribution's normalised name.
        version: the exact version, or empty.
        before: the version that it must come before, or empty.
        held: whether something keeps the version from being the newest: an exact one, a bound above, a
            constraints file.
    """

    text: str
    name: str
    version: str
    before: str
    held: bool


def commands(text: str) -> Iterator[list[str]]:
    """The commands of a shell line, each as its words without quotes; comments are none."""
    words: list[str] = []
    word, quoted, place = "", False, 0
    while place <= len(text):
        character = text[place : place + 1]
        if character in ("'", '"'):
            end = _closing(text, place)
            word, quoted, place = word + text[place + 1 : end], True, end + 1
            continue
        if character == "\\" and place + 1 < len(text):
            word, place = word + text[place + 1], place + 2
            continue
        if character.startswith("$") and text[place + 1 : place + 2] in ("(", "{"):
            end = _matching(text, place + 1)
            word, place = word + text[place:end], end
            continue
        if text.startswith("{{", place) and "}}" in text[place:]:  # a build argument of a definition
            end = text.index("}}", place) + 2
            word, place = word + text[place:end], end
            continue
        if not character or character.isspace() or character in _ENDS:
            if word or quoted:
                words.append(word)
            word, quoted = "", False
            if (not character or character in _ENDS) and words:
                yield words
                words = []
        elif character == "#" and not word:
            place = len(text) if "\n" not in text[place:] else text.index("\n", place)
            continue
        else:
            word += character
        place += 1


def without_comment(text: str) -> str:
    """A shell line up to its comment."""
    place = 0
    while place < len(text):
        if text[place] in ("'", '"'):
            place = _closing(text, place)
        elif text[place] == "\\":
            place += 1
        elif text[place] == "#" and (place == 0 or text[place - 1].isspace()):
            return text[:place].rstrip()
        place += 1
    return text


def assignments(words: list[str]) -> Iterator[tuple[str, str]]:
    """Names with the values that words of a command give them: variables, and options such as
    `--password=VALUE` or `--password VALUE`."""
    for word, after in zip(words, [*words[1:], ""], strict=True):
        if match := _ASSIGNED.fullmatch(word.lstrip("-")):
            yield match[1], match[2]
        elif word.startswith("--") and after and not after.startswith("-"):
            yield word.lstrip("-").replace("-", "_"), after


def installed(words: list[str]) -> Iterator[Wanted]:
    """What a command installs by pip, by name. What is named by a variable, a path or an address is somebody
    else's to know."""
    begin = next(
        (
            place
            for place, word in enumerate(words)
            if _PIP.fullmatch(word) and "install" in words[place + 1 : place + 4]
        ),
        None,
    )
    if begin is None:
        return
    rest = words[words.index("install", begin) + 1 :]
    held = any(word.partition("=")[0] in _HELD for word in rest)
    names = (
        word
        for word, before in zip(rest, ["", *rest], strict=False)
        if before not in _WITH_VALUE and not word.startswith("-")
    )
    for text in names:
        match = _NAMED.fullmatch(text.partition(";")[0].strip())
        if not match or re.search(r"[$/{}@]|\.(?:whl|zip|tar\.\w+)(?:\[|$)", text):
            continue
        bounds = match[2] or ""
        exact = re.fullmatch(r"===?\s*([^,*\s]+)", bounds)
        below = re.search(r"<(?!=)\s*([^,\s]+)", bounds)
        above = re.search(r"==|~=|<", bounds) is not None
        name = re.sub(r"[-_.]+", "-", match[1]).lower()
        yield Wanted(text, name, exact[1] if exact else "", below[1] if below else "", held or above)


def _closing(text: str, place: int) -> int:
    """The place of the quote that closes the one at `place`, or the end."""
    quote, place = text[place], place + 1
    while place < len(text) and text[place] != quote:
        place += 2 if text[place] == "\\" and quote == '"' else 1
    return min(place, len(text))


def _matching(text: str, place: int) -> int:
    """The place behind the bracket that closes the one at `place`, or the end."""
    opening, closing = text[place], {"(": ")", "{": "}"}[text[place]]
    depth = 0
    for end in range(place, len(text)):
        depth += (text[end] == opening) - (text[end] == closing)
        if depth == 0:
            return end + 1
    return len(text)
