"""What readers are given: seeds changed by chance, always in the same way for one seed of the chance; and
hostile constructions, made by hand.
"""

from __future__ import annotations

import copy
import json
import os
import random
import re
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

TOKENS: tuple[bytes, ...] = tuple(
    text.encode("utf-8", "surrogatepass")
    for text in (
        "\x00", "\x1b[2J", "\u202e", "\ufeff", "\ud800", "²", "٣", "½", "-1", "-0", "0", "1e999", "NaN", "-Infinity", ".nan", ".inf", "9" * 5000,
        "1_000",
        "0x10", "0o17", "1e-400", "2020-13-45", "!!bool x", "!!python/object/apply:os.system [id]", "!!binary x", "&a [*a]", "*a", "<<: *a",
        "null", "~",
        "true", "[]", "{}", '""', "[" * 200, "{" * 200, "(" * 200, "- " * 100, '{"a":' * 60, "\\", "\\u0000", "\\ud800", "'", '"', "`", "${IFS}",
        "$(id)",
        "{{ x }}", "{% x %}", "%post", "\n", "\r", "\r\n", "\t", "\v", "\u2028", "\x85", " " * 500, "a" * 5000, "é" * 100, "=1+1", "@", "#", ";",
        ":", ",",
        "..", "../../../etc/passwd", "/dev/zero", "/proc/self/mem", "file:///etc/passwd", "https://me:hunter2@host/", "--token abc",
        "<!ENTITY x 'y'>",
        "<![CDATA[", "]]>", "<a>", "</a>", "&lt;", "&#0;", "<urn:x>", "<http://x y>", "_:b", '"""', "@prefix a: <b> .", "^^xsd:integer",
        "SERVICE <urn:x> {}",
        "SELECT * WHERE { ?s ?p ?o }", "DROP ALL", "LOAD <file:///etc/passwd>", "FROM debian\n", "RUN \\\n", "-r self.txt", "-e .", "--hash=sha256:0",
    )
)  # fmt: skip
VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 1.5, -0.0, 1e308, 10**30, 2**63, "", " ", "\x00", "\x1b[31m", "\u202e", "a" * 5000, "²", "=1+1", "../x",
    "/dev/zero", [], {},
    [[]], [None], [{}], {"": ""}, {"a": {"b": {"c": []}}}, [1, "a", None, {}], ["a"] * 1000, "none", "null", "-5", "nan", "1e999", "[1]",
    "${IFS}", "é",
    "https://me:hunter2@host/", "\ud800",
)  # fmt: skip
Maker = Callable[[Path, bytes], Path]
"""Makes a hostile file at a path, from the seed of a reader; gives the path that the reader is given."""


def mutated(seed: bytes, others: list[bytes], chance: random.Random) -> bytes:
    """A seed, changed in one to four places; JSON is as often changed in its values as in its text."""
    if seed[:1] in (b"{", b"[") and chance.random() < 0.5:
        return _changed_values(seed, chance)
    content = bytearray(seed)
    for _ in range(chance.choice((1, 1, 1, 2, 3, 4))):
        begin = chance.randrange(len(content) + 1)
        end = min(len(content), begin + chance.choice((0, 1, 1, 2, 5, 20, 100)))
        match chance.randrange(9):
            case 0:
                content[begin:end] = chance.choice(TOKENS)
            case 1:
                del content[begin:end]
            case 2:
                content[begin:begin] = content[begin:end] * chance.choice((2, 3, 50))
            case 3 if content:
                content[min(begin, len(content) - 1)] ^= 1 << chance.randrange(8)
            case 4:
                del content[begin:]
            case 5:
                other = chance.choice(others)
                content[begin:end] = other[chance.randrange(len(other) + 1) :][:200]
            case 6:
                lines = bytes(content).splitlines(keepends=True)
                chance.shuffle(lines)
                content = bytearray(b"".join(lines))
            case 7:
                content[begin:end] = bytes(chance.randrange(256) for _ in range(chance.randrange(1, 8)))
            case _:
                content[begin:end] = _other_number(content, chance)
    return bytes(content)


def _other_number(content: bytearray, chance: random.Random) -> bytes:
    return chance.choice(
        (b"0", b"-1", b"99999999999999999999", b"1e400", b"3.5", b"\xc2\xb2", b"1" * 400, b"NaN")
    )


def _changed_values(seed: bytes, chance: random.Random) -> bytes:
    """JSON with some of its values and keys replaced."""
    try:
        value = json.loads(seed)
    except ValueError:
        return seed + b"x"
    for _ in range(chance.choice((1, 1, 2, 3))):
        places = list(_places(value))
        if not places:
            break
        holder, key = chance.choice(places)
        match chance.randrange(4):
            case 0 if isinstance(holder, dict):
                holder[chance.choice(("", "x", "\x1b", "a" * 300, "__class__", str(key) + "s"))] = holder.pop(
                    key
                )
            case 1 if isinstance(holder, list):
                holder.extend(copy.deepcopy(holder[key]) for _ in range(30))
            case _:
                holder[key] = copy.deepcopy(chance.choice(VALUES))  # it may be changed in its turn
    return json.dumps(value).encode()


def _places(value: Any) -> Any:
    members = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    for key, member in members:
        yield value, key
        yield from _places(member)


# ---- made by hand


def _whole(content: bytes) -> Maker:
    def make(path: Path, seed: bytes) -> Path:
        path.write_bytes(content)
        return path

    return make


def _around(before: bytes, behind: bytes) -> Maker:
    def make(path: Path, seed: bytes) -> Path:
        path.write_bytes(before + seed + behind)
        return path

    return make


def _of_seed(change: Callable[[bytes], bytes]) -> Maker:
    def make(path: Path, seed: bytes) -> Path:
        path.write_bytes(change(seed))
        return path

    return make


def _pipe(path: Path, seed: bytes) -> Path:
    os.mkfifo(path)
    return path


def _folder(path: Path, seed: bytes) -> Path:
    path.mkdir()
    return path


def _link(to: str) -> Maker:
    def make(path: Path, seed: bytes) -> Path:
        path.symlink_to(to)
        return path

    return make


def _socket(path: Path, seed: bytes) -> Path:
    here = Path.cwd()
    os.chdir(path.parent)
    try:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(path.name)
    finally:
        os.chdir(here)
    return path


def _hole(path: Path, seed: bytes) -> Path:
    path.touch()
    os.truncate(path, 1 << 40)
    return path


def _odd_name(path: Path, seed: bytes) -> Path:
    named = Path(os.fsdecode(os.fsencode(path.parent) + b"/\xff\xfe\x1b[31m" + os.fsencode(path.name)))
    named.write_bytes(seed)
    return named


def _missing(path: Path, seed: bytes) -> Path:
    return path


BOMB = b"a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + b"".join(
    b"a%d: &a%d [%s]\n" % (n, n, b", ".join([b"*a%d" % (n - 1)] * 9)) for n in range(1, 10)
)
XML_BOMB = b"<?xml version='1.0'?><!DOCTYPE a [<!ENTITY a 'xx'>" + b"".join(
    b"<!ENTITY a%d '%s'>" % (n, b"&a;" * 10) for n in range(9)
) + b"]><nvidia_smi_log>&a8;</nvidia_smi_log>"  # fmt: skip

CRAFTED: dict[str, Maker] = {
    "pipe": _pipe,
    "folder": _folder,
    "link to /dev/zero": _link("/dev/zero"),
    "link to /dev/null": _link("/dev/null"),
    "link to nothing": _link("nowhere"),
    "link to itself": _link("loop"),
    "link to a folder": _link("/"),
    "socket": _socket,
    "hole of a tebibyte": _hole,
    "name that is no text": _odd_name,
    "missing": _missing,
    "empty": _whole(b""),
    "one line end": _whole(b"\n"),
    "NUL": _whole(b"\0" * 1000),
    "UTF-16": _of_seed(lambda seed: seed.decode("utf-8", "replace").encode("utf-16")),
    "latin": _around(b"\xe9\xff ", b""),
    "byte order mark": _around(b"\xef\xbb\xbf", b""),
    "carriage returns": _of_seed(lambda seed: seed.replace(b"\n", b"\r")),
    "windows": _of_seed(lambda seed: seed.replace(b"\n", b"\r\n")),
    "twice": _of_seed(lambda seed: seed + seed),
    "half": _of_seed(lambda seed: seed[: len(seed) // 2]),
    "half a character": _around(b"", b"\xe2\x82"),
    "controls behind": _around(b"", b"\x1b]0;x\x07\x9b2J"),
    "controls before": _around(b"\x1b[2J", b""),
    "zeros for digits": _of_seed(lambda seed: re.sub(rb"[0-9]", b"0", seed)),
    "nines for digits": _of_seed(lambda seed: re.sub(rb"[0-9]", b"9", seed)),
    "digits longer": _of_seed(lambda seed: re.sub(rb"[0-9]", lambda digit: digit[0] * 40, seed[:4000])),
    "digits of another script": _of_seed(
        lambda seed: re.sub(rb"[0-9]", lambda digit: "٠١٢٣٤٥٦٧٨٩"[int(digit[0])].encode(), seed)
    ),
    "superscripts": _of_seed(lambda seed: re.sub(rb"[0-9]", "²".encode(), seed)),
    "negative": _of_seed(lambda seed: seed.replace(b": ", b": -").replace(b"=", b"=-")),
    "null for all": _of_seed(lambda seed: seed.replace(b'"', b"")),
    "deep brackets": _whole(b"[" * 100_000),
    "deep objects": _whole(b'{"a":' * 20_000),
    "closed brackets": _whole(b"[" * 20_000 + b"]" * 20_000),
    "deep flow": _whole(b"a: " + b"[" * 5000),
    "deep dashes": _whole(b"- " * 20_000),
    "deep indents": _whole(b"".join(b" " * n + b"a:\n" for n in range(500))),
    "braces": _whole(b"{" * 30_000),
    "parentheses": _whole(b"(" * 30_000),
    "angles": _whole(b"<" * 100_000),
    "deep XML": _whole(b"<nvidia_smi_log>" + b"<a>" * 50_000),
    "entities": _whole(XML_BOMB),
    "outer entity": _whole(
        b"<!DOCTYPE a [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><nvidia_smi_log>&x;</nvidia_smi_log>"
    ),
    "aliases": _whole(BOMB),
    "alias of itself": _whole(b"a: &a {b: *a}\n"),
    "alias of nothing": _whole(b"a: *b\n"),
    "merge of itself": _whole(b"a: &a\n  <<: *a\n"),
    "tags": _whole(b"a: !!bool x\nb: !!int y\nc: !!timestamp 2020-13-45\nd: !!set [a]\n"),
    "python's tags": _whole(b"a: !!python/object/apply:os.system ['touch CANARY']\n"),
    "five thousand digits": _whole(b"batch: " + b"9" * 5000 + b"\n"),
    "digits in JSON": _whole(b'{"batch": ' + b"9" * 5000 + b"}"),
    "not a number": _whole(b'{"batch": NaN, "memory_gib": -Infinity}'),
    "too large a number": _whole(b'{"batch": 1e999}'),
    "key twice": _whole(b'{"name": "a", "name": "b"}'),
    "half a pair": _whole(b'{"name": "\\ud800"}'),
    "key of half a pair": _whole(b'{"\\ud800": 1}'),
    "a text": _whole(b'"text"'),
    "a list": _whole(b"[1, 2, 3]"),
    "a number": _whole(b"5"),
    "long line": _whole(b"a" * 3_000_000),
    "long value": _whole(b"name: " + b"a" * 3_000_000 + b"\n"),
    "many lines": _whole(b"\n" * 1_000_000),
    "many comments": _whole(b"# a\n" * 200_000),
    "many keys": _whole(b"".join(b"k%d: 1\n" % n for n in range(20_000))),
    "many cells": _whole(b"a,b\n" + b"," * 100_000 + b"\n"),
    "open quote": _whole(b'"' + b"a\n" * 100_000),
    "large cell": _whole(b'a\n"' + b"x" * 300_000 + b'"\n'),
    "backslashes": _whole(b"\\" * 200_000),
    "continued lines": _whole(b"a \\\n" * 50_000),
    "include of itself": _whole(b"-r input.txt\n-r input.txt\n"),
    "include of everything": _whole(b"-r /dev/zero\n-r ..\n"),
    "markers": _whole(b"a; " + b"(" * 3000 + b"python_version>'3'" + b")" * 3000 + b"\n"),
    "versions": _whole(b"a==" + b"1." * 20_000 + b"1\n"),
    "SPARQL braces": _whole(b"SELECT * WHERE " + b"{" * 30_000 + b"}" * 30_000),
    "SPARQL paths": _whole(b"SELECT * WHERE { ?s " + b"(" * 3000 + b"<urn:p>" + b")*" * 3000 + b" ?o }"),
    "SPARQL unions": _whole(b"SELECT * WHERE { " + b"{} UNION " * 10_000 + b"{} }"),
    "SPARQL filter": _whole(b"SELECT * WHERE { FILTER(" + b"!" * 30_000 + b"true) }"),
    "SERVICE": _whole(b"SELECT * WHERE { 1SERVICE <http://127.0.0.1:1/> { ?s ?p ?o } }"),
    "update": _whole(b"DROP ALL ; LOAD <file:///etc/passwd>"),
    "Turtle lists": _whole(b"<urn:a> <urn:b> " + b"(" * 30_000 + b")" * 30_000 + b" ."),
    "Turtle blank nodes": _whole(
        b"<urn:a> <urn:b> " + b"[ <urn:c> " * 10_000 + b"1" + b" ]" * 10_000 + b" ."
    ),
    "Turtle IRIs": _whole(b"<urn:a\\u0020b> a <relative> , <http://[bad> , <urn:x" + b"%" * 10_000 + b"> ."),
    "a recipe of stages": _whole(b"".join(b"FROM a AS b%d\n" % n for n in range(5000))),
    "a recipe of one line": _whole(b"FROM a\nRUN " + b"a && " * 50_000 + b"b\n"),
    "a recipe of installs": _whole(
        b"FROM a\n" + b"RUN apt update && dnf install x && pip install --user x && git clone u\n" * 2000
    ),
    "a recipe of variables": _whole(b"FROM a\n" + b"ENV A=b C=d\nRUN cd /x\nRUN export E=f\n" * 3000),
    "a recipe of heredocs": _whole(b"FROM a\n" + b"RUN <<A <<B <<C\n" * 3000),
    "a recipe of quotes": _whole(b"Bootstrap: docker\nFrom: a\n%post\n" + b"echo '\"`$((" * 5000),
    "a recipe of sections": _whole(b"Bootstrap: docker\nFrom: a\n" + b"%post\n" * 20_000),
    "an archive that is none": _whole(b"PK\x03\x04" + b"\0" * 1000),
    "an empty archive": _whole(b"PK\x05\x06" + b"\0" * 18),
}
NO_FILES = {
    "pipe", "folder", "link to /dev/zero", "link to /dev/null", "link to nothing", "link to itself", "link to a folder", "socket",
    "hole of a tebibyte", "name that is no text", "missing",
}  # fmt: skip
"""The constructions that are no file, or no ordinary name: what is typed or sent has none."""
