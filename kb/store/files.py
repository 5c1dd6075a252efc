"""The one door for what others wrote: files, and JSON, YAML, XML, CSV and Turtle in them; `archives` is that
of what is packed.

Only regular files of bounded size are read, and what they hold is bounded before a parser sees it: depth,
digits, aliases. Whatever goes wrong in a parser is one message that names file and line.
"""

from __future__ import annotations

import io
import itertools
import json
import math
import os
import re
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from kb.errors import BadInput

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

    import pyoxigraph as ox

LARGEST: Final = 64 << 20
"""Bytes of the largest file that is read whole."""

DEEPEST: Final = 50
"""Levels of objects and lists within one another."""

_SURROGATE = re.compile("[\ud800-\udfff]")
_HALF_OF_A_PAIR = re.compile(r"\\u[dD][89a-fA-F]|[\ud800-\udfff]")
_BYTE_ORDER_MARKS = {b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16"}
_KINDS: tuple[tuple[Callable[[int], bool], str], ...] = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def read_bytes(path: Path, most: int = LARGEST, known: Callable[[], list[str]] = list) -> bytes:
    """The content of a regular file.

    Args:
        path: the file.
        most: bytes that it may have.
        known: gives the names of files that may have been meant, for the error.

    Raises:
        BadInput: it is missing, no regular file, unreadable or too large.
    """
    descriptor = _opened(path, known)
    with os.fdopen(descriptor, "rb") as file:
        try:
            content = file.read(most + 1)  # files of the kernel have no size to look at beforehand
        except OSError as error:
            raise BadInput(str(path), error.strerror or "cannot be read") from error
    if len(content) > most:
        raise BadInput(
            str(path),
            "is too large",
            expected=f"at most {most >> 20} MiB" if most >= 1 << 20 else f"at most {most} bytes",
        )
    return content


def read_text(path: Path, most: int = LARGEST, known: Callable[[], list[str]] = list) -> str:
    """The text of a regular file in UTF-8, with or without a byte order mark.

    Arguments and errors as `read_bytes`.
    """
    content = read_bytes(path, most, known)
    if other := _BYTE_ORDER_MARKS.get(content[:2]):
        raise BadInput(str(path), f"is encoded in {other}", expected="UTF-8")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise BadInput(f"{path}:{line}", "is no text in UTF-8", expected="UTF-8") from error
    return text.replace("\r\n", "\n").replace("\r", "\n")


def tail_of(path: Path, most: int) -> str:
    """The last characters of what a program has said into a file, whatever its encoding is; empty where there
    is no such file.
    """
    try:
        descriptor = _opened(path, list)
    except BadInput:
        return ""
    with os.fdopen(descriptor, "rb") as file:
        file.seek(max(0, os.fstat(descriptor).st_size - 4 * most))  # a character has four bytes at most
        return file.read(4 * most).decode("utf-8", "replace")[-most:]


def set_aside(error: BadInput) -> None:
    """Name a file on stderr that is not what its place asks for, once in a process: it stops nothing."""
    text = printable(str(error))
    if text not in _named:
        _named.add(text)
        print(f"set aside: {text}", file=sys.stderr)


_named: set[str] = set()


def printable(text: str) -> str:
    """The text with control characters written as escapes: what others wrote must not steer a terminal."""
    return "".join(
        sign if sign.isprintable() or sign == "\n" else sign.encode("unicode_escape").decode()
        for sign in text
    )


def json_of(text: str, where: str, expected: str = "") -> Any:
    """The value of a JSON text, strictly: each key once, no NaN, no number that is no number here, bounded
    depth.

    Args:
        text: the JSON.
        where: what holds it, for the error.
        expected: what it should have been, for the error.

    Raises:
        BadInput: it is not such JSON; the message names the line.
    """

    def once(members: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(members)
        if len(found) < len(members):
            names = [name for name, _ in members]
            twice = next(name for name in names if names.count(name) > 1)
            raise BadInput(
                where, f"key '{printable(twice):.60}' is given more than once", expected="each key once"
            )
        return found

    def no_constant(name: str) -> None:
        raise BadInput(where, f"{name} is no number of JSON", expected="a number or null")

    def number(digits: str) -> float:
        if math.isinf(value := float(digits)):
            raise BadInput(
                where, f"the number {digits:.40} is too large", expected="a number of at most 308 digits"
            )
        return value

    try:
        value = json.loads(text, object_pairs_hook=once, parse_constant=no_constant, parse_float=number)
    except json.JSONDecodeError as error:
        raise BadInput(
            f"{where}:{error.lineno}", f"malformed JSON: {error.msg}", expected=expected
        ) from error
    except RecursionError as error:
        raise _too_deep(where) from error
    except ValueError as error:
        raise BadInput(where, f"malformed JSON: {first_line(error)}", expected=expected) from error
    if depth_of(value) > DEEPEST:
        raise _too_deep(where)
    if _HALF_OF_A_PAIR.search(text) and _SURROGATE.search(json.dumps(value, ensure_ascii=False)):
        raise BadInput(
            where, "a text holds half of a pair of surrogates, which is no character", expected="characters"
        )
    return value


def yaml_of(text: str, where: str) -> Any:
    """The value of a YAML text, read by the safe loader: each key once, dates as text, bounded depth and
    aliases.

    Args and errors as `json_of`.
    """
    import yaml

    from kb.store.yaml_bounds import bound, strict_loader

    loader_class = strict_loader()
    try:
        bound(yaml.parse(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader)), where, DEEPEST)
        loader = loader_class(text)
        try:
            node = loader.get_single_node()
            return None if node is None else loader.construct_document(node)
        finally:
            loader.dispose()
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        raise BadInput(
            f"{where}{line}",
            f"malformed YAML: {printable(first_line(getattr(error, 'problem', None) or error))}",
        ) from error
    except BadInput:
        raise
    except Exception as error:  # the loader's own constructors raise whatever Python does for a value
        raise BadInput(where, f"malformed YAML: {printable(first_line(error))}") from error


def xml_of(text: str, where: str, expected: str = "") -> Element:
    """The root of an XML text without entities of its own. Arguments and errors as `json_of`."""
    from xml.etree import ElementTree

    if "<!ENTITY" in text:
        raise BadInput(where, "XML with entity declarations", expected=expected)
    if _xml_depth(text) > DEEPEST:
        raise _too_deep(where)
    try:
        return ElementTree.fromstring(text)  # noqa: S314 (entities are refused above)
    except ElementTree.ParseError as error:
        raise BadInput(
            f"{where}:{error.position[0]}", "malformed or truncated XML", expected=expected
        ) from error
    except ValueError as error:  # a character that no encoding has
        raise BadInput(where, f"malformed XML: {first_line(error)}", expected=expected) from error


def csv_of(text: str, where: str) -> list[dict[str, str]]:
    """The rows of a table with a header, each with every column: a cell that a row lacks is empty, one too
    many is refused.

    Args and errors as `json_of`.
    """
    return csv_table(text, where)[1]


def csv_table(text: str, where: str) -> tuple[list[str], list[dict[str, str]]]:
    """As `csv_of`, behind the names of the columns."""
    import csv

    reader = csv.DictReader(io.StringIO(text), restkey="", restval="", strict=True)
    rows: list[dict[str, str]] = []
    try:
        columns = list(reader.fieldnames or ())
        for row in reader:
            if "" in row and isinstance(row[""], list):
                raise BadInput(
                    f"{where}:{reader.line_num}",
                    "a row has more cells than the header",
                    expected="a table of comma-separated values",
                )
            rows.append(row)
    except csv.Error as error:
        raise BadInput(
            f"{where}:{reader.line_num}",
            f"malformed table: {first_line(error)}",
            expected="comma-separated values",
        ) from error
    return columns, rows


def turtle_of(text: str, where: str, base: str, form: str = "Turtle") -> ox.Store:
    """The triples of a Turtle text, in the default graph; or of TriG or N-Quads, in their graphs.

    Args:
        text: the Turtle.
        where: what holds it, for the error.
        base: the IRI that relative ones are taken from.
        form: `Turtle`, `TriG` or `N-Quads`.

    Raises:
        BadInput: it is not of that form; the message names the line.
    """
    import pyoxigraph as ox

    forms = {"Turtle": ox.RdfFormat.TURTLE, "TriG": ox.RdfFormat.TRIG, "N-Quads": ox.RdfFormat.N_QUADS}
    store = ox.Store()
    try:
        store.load(text.encode(), format=forms[form], base_iri=base)
    except SyntaxError as error:
        raise BadInput(
            f"{where}:{error.lineno or 1}", printable(str(error.msg)), expected=f"valid {form}"
        ) from error
    except ValueError as error:  # half of a pair of surrogates, which no encoding has
        raise BadInput(where, f"malformed {form}: {first_line(error)}", expected=f"valid {form}") from error
    return store


def depth_of(value: object) -> int:
    """How many objects and lists lie within one another at most."""
    level, deepest = [value], 0
    while level := [part for part in level if isinstance(part, dict | list)]:
        deepest += 1
        members = (part.values() if isinstance(part, dict) else part for part in level)
        level = list(itertools.chain.from_iterable(members))
    return deepest


def _opened(path: Path, known: Callable[[], list[str]]) -> int:
    """The descriptor of a regular file. Raises as `read_bytes`."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except FileNotFoundError as error:
        if path.is_symlink():
            raise BadInput(str(path), "is a link to nothing", expected="a file") from error
        raise BadInput(str(path), "no such file", given=path.name, known=known()) from error
    except (OSError, ValueError) as error:  # a name with a NUL is a ValueError
        raise BadInput(
            printable(str(path)), getattr(error, "strerror", None) or str(error), expected="a file"
        ) from error
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode):
        os.close(descriptor)
        kind = next((name for is_one, name in _KINDS if is_one(mode)), "no regular file")
        raise BadInput(str(path), f"is {kind}", expected="a regular file")
    return descriptor


def _xml_depth(text: str) -> int:
    """How many elements lie within one another at most, counted by their tags; what a comment holds counts
    too, which is no harm.
    """
    depth = deepest = 0
    for tag in re.finditer(r"<(/?)[A-Za-z_:][^<>]*?(/?)>", text):
        depth += -1 if tag[1] else 0 if tag[2] else 1
        deepest = max(depth, deepest)
    return deepest


def see_that_it_is_a_file(path: Path) -> None:
    """Raises BadInput where `read_bytes` would, whatever the size is."""
    os.close(_opened(path, list))


def _too_deep(where: str) -> BadInput:
    return BadInput(
        where, "objects or lists lie too deep within one another", expected=f"at most {DEEPEST} levels"
    )


def first_line(error: object) -> str:
    """What an error says, as one line of at most 200 signs."""
    return re.sub(r"\s+", " ", str(error)).strip()[:200] or type(error).__name__
