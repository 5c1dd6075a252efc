"""What may leave: no credential, and no character that steers a terminal. Whatever is printed, logged, told
or recorded goes through here.

The forms of credentials stand in this file and not in the knowledge base, for an error must be told before
any knowledge is read.
"""

from __future__ import annotations

import functools
import re
import string
from collections.abc import Iterator
from typing import Any, Final, TextIO

HIDDEN: Final = "***"
"""What stands in the place of a credential."""

# Controls but line end and tab (a carriage return only before a line end), marks that turn the direction of
# text, line separators, halves of pairs of surrogates, and tags, which nobody sees.
_STEERING = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069"
    "\ud800-\udfff\ufff9-\ufffb\U000e0000-\U000e007f]|\r(?!\n)"
)
_ENVIRONMENT = (
    r"[A-Z0-9_]*(?:TOKEN|SECRET|PASSWORD|PASSWD|API_?KEY|ACCESS_?KEY(?:_ID)?|SECRET_?KEY"
    r"|PRIVATE_?KEY|CREDENTIALS?)"
)
_WORD = (
    r"(?:access[-_]?|auth[-_]?|hf[-_]?|api[-_]?|bearer[-_]?)?token|passw(?:or)?d"
    r"|(?:client[-_]?)?secret|api[-_]?key|(?:secret[-_]?)?access[-_]?key"
)
_VALUE = r"(?!\*\*\*)(?!\$)[^\s'\"`,;&|<>(){}\[\]\\]+"
_PROSE = (
    r"(?![A-Z]+\b|(?:is|are|was|has|needs|must|may|cannot|and|or|to|in|for|with|from|of|file"
    r"|asks|says|takes)\b)"
)
_FORMS: Final = (
    # user:password@ in an address, and a name alone, which for some servers is the token; of ssh a name alone
    # is none
    r"(?<![A-Za-z0-9])[A-Za-z][A-Za-z0-9+.-]{0,30}://?"
    r"(?P<secret>(?!\*\*\*@)[^\s/@:'\"<>\\$]*:[^\s/@'\"<>\\]+)@",
    r"(?<![A-Za-z0-9])https?://?(?P<secret>(?!\*\*\*@)[^\s/@:'\"<>\\$]+)@",
    rf"(?i:[?&](?:{_WORD}|sig|signature|key|x-amz-[a-z-]+|auth)=)(?P<secret>{_VALUE})",
    rf"(?i:(?<![\w-])--?(?:{_WORD})=)['\"]?(?P<secret>{_VALUE})",
    rf"(?i:(?<![\w-])--?(?:{_WORD}) +)['\"]?{_PROSE}(?P<secret>{_VALUE})",
    rf"(?<![A-Za-z0-9_])(?:{_ENVIRONMENT})['\"]?\s*[=:]\s*['\"]?(?P<secret>{_VALUE})",
    rf"(?i:(?<![\w-])(?:{_WORD})=)['\"]?(?P<secret>{_VALUE})",
    rf"(?i:(?<![\w-])(?:{_WORD})['\"]\s*:\s*['\"])(?P<secret>{_VALUE})",
    rf"(?i:(?<![\w-])(?:{_WORD}):\s*)(?P<secret>(?=\S*[0-9])(?=\S{{8}}){_VALUE})",
    rf"(?i:authorization['\"]?\s*[=:]\s*['\"]?(?:bearer|basic|token)\s+)(?P<secret>{_VALUE})",
    r"(?i:(?<!\w)bearer )(?P<secret>(?!\*\*\*)[\w.~+/-]{12,}=*)",
    # tokens that show by their form whose they are
    r"(?<![A-Za-z0-9_-])(?P<secret>(?:hf_[A-Za-z0-9]{20,}|gh[pousr]_[A-Za-z0-9]{20,}|github_pat_\w{20,}"
    r"|glpat-[\w-]{16,}|nvapi-[\w-]{20,}|sk-[\w-]{20,}|xox[abprs]-[\w-]{10,}|pypi-[\w-]{40,}"
    r"|(?:AKIA|ASIA)[A-Z0-9]{16}|eyJ[\w-]{10,}\.eyJ[\w-]{5,}\.[\w-]{5,}))(?![A-Za-z0-9])",
    r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----(?P<secret>(?!\*\*\*)(?s:.{10,10000}?))(?:-----END|\Z)",
)
_HINTS = (
    "token", "passw", "secret", "api_key", "api-key", "apikey", "access_key", "access-key", "accesskey",
    "private_key", "private key", "privatekey", "credential", "bearer", "authorization",
    "sig=", "signature=", "key=", "auth=", "x-amz-",
)  # fmt: skip
# Tokens that show by their form begin with these, and stand by themselves: `mask-bits` and `lahf_lm` hold
# none.
_BEGINNINGS = (
    "hf_",
    "ghp_",
    "gho_",
    "ghu_",
    "ghs_",
    "ghr_",
    "github_pat_",
    "glpat-",
    "nvapi-",
    "sk-",
    "xox",
    "pypi-",
    "akia",
    "asia",
    "eyj",
)
_INSIDE_WORDS = frozenset(string.ascii_letters + string.digits + "_-")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_NUMBER = re.compile(r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?|[-+]?INF")


def credentials(text: str) -> Iterator[tuple[int, int]]:
    """Where credentials stand in a text, from and to; variables such as `$HF_TOKEN` are none."""
    for begin, end in _worth_a_look(text):
        for form in _forms():
            yield from (
                (begin + found.start("secret"), begin + found.end("secret"))
                for found in form.finditer(text[begin:end])
            )


def without_credentials(text: str) -> str:
    """The text with `***` in the place of every password, token and key that shows as one."""
    for begin, end in sorted(set(credentials(text)), reverse=True):
        text = text[:begin] + HIDDEN + text[end:] if HIDDEN not in text[begin:end] else text
    return text


def visible(text: str) -> str:
    """The text with every character that steers a terminal as an escape, which is also how JSON and Turtle
    write it.
    """
    return _STEERING.sub(lambda found: _escape(found[0]), text)


def clean(text: str) -> str:
    """A text as it may leave."""
    return visible(without_credentials(text))


def cleaned(value: Any) -> Any:
    """A value of JSON with all texts in it as they may leave; of a member it is the name that tells a
    credential.
    """
    if isinstance(value, str):
        return without_credentials(value)
    if isinstance(value, list | tuple):
        return type(value)(cleaned(member) for member in value)
    if isinstance(value, dict):
        return {key: _member(key, member) for key, member in value.items()}
    return value


def held(value: Any, path: str = "") -> Iterator[str]:
    """The paths of the texts in a value of JSON that hold credentials, such as `command` and
    `decisions[3].apply[0].value`.
    """
    texts = "\n".join(_texts(value))
    if any(True for _ in credentials(texts)):
        yield from _held(value, path)


def cell(text: str) -> str:
    """A text as the cell of a table that a spreadsheet may open: what would begin a formula is quoted, plain
    numbers stay.
    """
    return f"'{text}" if text.startswith(_FORMULA) and not _NUMBER.fullmatch(text) else text


class Outgoing:
    """A stream for people and programs, through which only clean text goes.

    Args:
        stream: where it goes.
    """

    def __init__(self, stream: TextIO) -> None:
        self.unguarded = stream

    def write(self, text: str) -> int:
        """Write a text as it may leave; what the stream's encoding lacks is an escape, too."""
        cleaned_text = clean(text)
        try:
            self.unguarded.write(cleaned_text)
        except UnicodeEncodeError as error:
            self.unguarded.write(
                "".join(sign if _writable(sign, error.encoding) else _escape(sign) for sign in cleaned_text)
            )
        return len(text)

    def writelines(self, lines: Any) -> None:
        """Write texts one by one."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.unguarded, name)


def _worth_a_look(text: str) -> Iterator[tuple[int, int]]:
    """The lines that have a word of which credentials are told, from and to: most of what is printed has
    none. A key of several lines is one.
    """
    if "PRIVATE KEY" in text:
        yield 0, len(text)
        return
    lower = text.lower()
    if len(lower) != len(text):  # a few letters are several in lower case, and places would shift
        lower = "".join(sign.lower() if len(sign.lower()) == 1 else sign for sign in text)
    lines: set[int] = set()
    for hint in _HINTS:
        lines |= {lower.rfind("\n", 0, place) + 1 for place in _places(hint, lower)}
    for beginning in _BEGINNINGS:
        for place in _places(beginning, lower):
            if text[place - 1 : place] not in _INSIDE_WORDS:
                lines.add(lower.rfind("\n", 0, place) + 1)
    for place in _places("@", lower):
        begin = lower.rfind("\n", 0, place) + 1
        if ":/" in lower[begin:place]:
            lines.add(begin)
    for begin in sorted(lines):
        end = lower.find("\n", begin)
        yield begin, len(text) if end < 0 else end


def _places(word: str, text: str) -> Iterator[int]:
    place = text.find(word)
    while place >= 0:
        yield place
        place = text.find(word, place + len(word))


@functools.cache
def _forms() -> tuple[re.Pattern[str], ...]:
    """Compiled when something first looks like one: a plan's first answer must not wait for it."""
    return tuple(map(re.compile, _FORMS))


def _texts(value: Any) -> Iterator[str]:
    """All texts in a value of JSON, a member's behind its name."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list | tuple):
        for member in value:
            yield from _texts(member)
    elif isinstance(value, dict):
        for key, member in _pairs(value):
            yield from (
                (f"{key}={text}" for text in _texts(member)) if isinstance(member, str) else _texts(member)
            )


def _held(value: Any, path: str) -> Iterator[str]:
    if isinstance(value, str):
        if any(True for _ in credentials(value)):
            yield path
    elif isinstance(value, list | tuple):
        for place, member in enumerate(value):
            yield from _held(member, f"{path}[{place}]")
    elif isinstance(value, dict):
        for key, member in _pairs(value):
            below = f"{path}.{key}" if path else str(key)
            named = isinstance(member, str) and any(True for _ in credentials(f"{key}={member}"))
            yield from [below] if named else _held(member, below)


def _pairs(value: dict[Any, Any]) -> Iterator[tuple[Any, Any]]:
    """The members by their names; an object that names something and gives its value is a member of that
    name, too.
    """
    yield from value.items()
    if isinstance(value.get("name"), str) and isinstance(value.get("value"), str):
        yield value["name"], value["value"]


def _member(key: Any, value: Any) -> Any:
    if isinstance(value, str) and any(True for _ in credentials(f"{key}={value}")):
        return HIDDEN if not any(True for _ in credentials(value)) else without_credentials(value)
    return cleaned(value)


def _writable(sign: str, encoding: str) -> bool:
    try:
        sign.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True


def _escape(sign: str) -> str:
    units = sign.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[n]:02x}{units[n + 1]:02x}" for n in range(0, len(units), 2))
