"""The door for foreign files: what is no file, what is too much, what a parser stumbles over."""

from __future__ import annotations

import gzip
import json
import os
import socket
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kb.errors import BadInput
from kb.store.archives import gzip_text
from kb.store.files import (
    DEEPEST,
    csv_of,
    json_of,
    printable,
    read_bytes,
    read_text,
    xml_of,
    yaml_of,
)

BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 10)
)


def refused(read: Any, *arguments: Any) -> str:
    begin = time.monotonic()
    with pytest.raises(BadInput) as caught:
        read(*arguments)
    assert time.monotonic() - begin < 10
    return str(caught.value)


def test_only_regular_files_are_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    with socket.socket(socket.AF_UNIX) as listener:
        os.chdir(tmp_path)
        listener.bind("socket")
        for name, said in {
            "pipe": "is a pipe",
            "/dev/zero": "is a device",
            "/dev/null": "is a device",
            "dangling": "is a link to nothing",
            ".": "is a folder",
            "socket": "No such device",
            "missing": "no such file",
            "nul\0": "null byte",
            "x" * 5000: "too long",
        }.items():
            assert said in refused(read_text, Path(name)), name


def test_a_link_to_a_file_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("text", encoding="utf-8")
    (tmp_path / "link").symlink_to("file")
    assert read_text(tmp_path / "link") == "text"


def test_size_is_bounded_where_the_file_says_none(tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(b"x" * 101)
    assert "too large" in refused(read_bytes, tmp_path / "large", 100)
    assert read_bytes(tmp_path / "large", 101)
    assert "too large" in refused(read_bytes, Path("/proc/self/status"), 10)
    os.truncate(tmp_path / "large", 1 << 40)  # a hole of a tebibyte
    assert "too large" in refused(read_text, tmp_path / "large")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"ok\n\xff\xfe\n", ":2: is no text in UTF-8"),
        ("batch: 1".encode("utf-16"), "encoded in UTF-16"),
        ("é".encode("latin-1"), ":1: is no text"),
    ],
)
def test_encodings_are_named(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "file").write_bytes(content)
    assert said in refused(read_text, tmp_path / "file")


def test_a_byte_order_mark_and_foreign_line_ends_are_no_fault(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"\xef\xbb\xbfbatch: 1\r\nname: x\r")
    assert read_text(tmp_path / "file") == "batch: 1\nname: x\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"a": 1,\n "a": 2}', "more than once"),
        ('{"a": NaN}', "NaN is no number"),
        ('{"a": -Infinity}', "is no number"),
        ('{"a": 1e999}', "too large"),
        ('{"a": ' + "1" * 5000 + "}", "malformed JSON"),
        ("[" * 100_000, "too deep"),
        ("[" * (DEEPEST + 1) + "]" * (DEEPEST + 1), "too deep"),
        ('{"a":' * 3000 + "1" + "}" * 3000, "too deep"),
        ("{\n\n", "file.json:3: malformed"),
        ('{"a": "\x00"}', "malformed"),
        ("", "malformed"),
    ],
)
def test_json_is_strict_and_bounded(text: str, said: str) -> None:
    assert said in refused(json_of, text, "file.json")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (BOMB, "too many values"),
        ("a: &a [*a]", "stands inside what it means"),
        ("a: &a {b: *a}", "stands inside what it means"),
        ("a: *nothing", "means nothing"),
        ("a: 1\na: 2", "file.yaml:2"),
        ("a: " + "1" * 5000, "malformed"),
        ("a: !!bool x", "malformed"),
        ("a: !!int x", "malformed"),
        ("a: !!timestamp 2020-13-45", "malformed"),
        ("a: !!python/object/apply:os.system [id]", "malformed"),
        ("a: \x00", "malformed"),
        ("? [a]\n: b", "malformed"),
        ("[" * 100_000, "dep"),  # libyaml has a bound of its own
        ("- " * 10_000, "too deep"),
        ("".join(f"{' ' * n}a:\n" for n in range(200)), "too deep"),
        ("a: b: c", "file.yaml:1"),
        ("a\n---\nb", "malformed"),
        ("\x85a: \ud800", "malformed"),
    ],
)
def test_yaml_is_strict_and_bounded(text: str, said: str) -> None:
    assert said in refused(yaml_of, text, "file.yaml")


def test_what_looks_like_a_date_is_text() -> None:
    assert yaml_of("batch: 2020-13-45\nday: 2026-11-30", "file") == {
        "batch": "2020-13-45",
        "day": "2026-11-30",
    }


def test_aliases_that_people_write_are_read() -> None:
    assert yaml_of("a: &gpu {model: x}\nb: [*gpu, *gpu]", "file") == {
        "a": {"model": "x"},
        "b": [{"model": "x"}] * 2,
    }


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(VALUES)
def test_json_that_is_right_is_read_as_it_is(value: Any) -> None:
    assert json_of(json.dumps(value), "file") == value


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    for read in (json_of, yaml_of):
        try:
            read(text, "file")
        except BadInput as error:
            assert str(error).startswith("file")


def test_what_is_packed_is_bounded_unpacked(tmp_path: Path) -> None:
    (tmp_path / "bomb.gz").write_bytes(gzip.compress(b"a" * 1_000_000))
    assert "too large when it is unpacked" in refused(gzip_text, tmp_path / "bomb.gz", 100_000)
    assert len(gzip_text(tmp_path / "bomb.gz", 1_000_000)) == 1_000_000
    for content in (b"", b"\x1f\x8b", b"text", gzip.compress(b"abc")[:-3], gzip.compress(b"\xff")):
        (tmp_path / "bad.gz").write_bytes(content)
        if content:
            assert "is damaged" in refused(gzip_text, tmp_path / "bad.gz", 1000)


@pytest.mark.parametrize("text", ["a,b\n1,2,3\n", 'a\n"open', "a\n" + "x" * 200_000 + "\n", 'a\n"b"c\n'])
def test_tables_are_strict(text: str) -> None:
    assert "file.csv" in refused(csv_of, text, "file.csv")


def test_a_cell_that_is_missing_is_empty() -> None:
    assert csv_of("a,b\n1\n", "file.csv") == [{"a": "1", "b": ""}]


@pytest.mark.parametrize("text", ['"\\ud800"', '{"\\udfff": 1}', '["a\\ud800b"]'])
def test_half_of_a_pair_of_surrogates_is_no_text(text: str) -> None:
    assert "half of a pair" in refused(json_of, text, "file.json")
    assert json_of('"\\ud83d\\ude80"', "file.json") == "🚀"


@pytest.mark.parametrize(
    "text", ["<a>" * 50_000, "<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>", "<a>", "", "<a>\x00</a>"]
)
def test_xml_is_bounded(text: str) -> None:
    assert "file.xml" in refused(xml_of, text, "file.xml")


def test_control_characters_are_written_out() -> None:
    assert printable("a\x1b[31mb\u202e\x00") == "a\\x1b[31mb\\u202e\\x00"
