"""The documents as tests read them: fenced blocks, and what a console shows.

A block marked `console` is run by the tests as it stands: each line that begins with `$` is a command, and the lines behind it are what it prints, in
order. `...` stands for lines that are left out, or at the end of a line for its rest; blanks count for nothing. A block behind a line that ends in
"In `name.ttl`:" is a file of that name. Blocks marked `sh` are only read.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from ontune.cli import main

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = [ROOT / "README.md", ROOT / "kb" / "queries" / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
_RULES = re.compile(r"^[─\s]*$")  # the line under the head of a table


@dataclass(frozen=True)
class Command:
    """A command line with the lines that a document shows of its output."""

    line: str
    shown: tuple[str, ...]

    @property
    def words(self) -> list[str]:
        """The arguments of `ontune`, without what stands behind `#`."""
        name, *words = shlex.split(self.line, comments=True)
        assert name == "ontune", f"a console block runs ontune only: {self.line}"
        return words


@dataclass(frozen=True)
class File:
    """A file that a document tells its reader to write."""

    name: str
    text: str


def blocks(path: Path, language: str) -> list[str]:
    """The fenced blocks of a document in one language."""
    return re.findall(rf"^```{language}\n(.*?)^```", path.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


def steps(path: Path) -> Iterator[Command | File]:
    """What a document tells its reader to do, in order: commands of console blocks, and files named just before their block."""
    for before, language, block in re.findall(r"([^\n]*)\n\n```(\w+)\n(.*?)^```", path.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE):
        if language == "console":
            for text in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
                line, *shown = text.splitlines()
                yield Command(line, tuple(shown))
        elif named := re.search(r"`([\w-][\w.-]*\.\w+)`[^`]*:$", before):
            yield File(named[1], block)


def follow(path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> int:
    """Do what a document says in an empty folder, with a data folder of its own; gives the number of commands."""
    monkeypatch.chdir(folder)
    monkeypatch.setenv("ONTUNE_DATA_HOME", str(folder / "data"))
    number = 0
    for step in steps(path):
        if isinstance(step, File):
            Path(step.name).write_text(step.text, encoding="utf-8")
            continue
        code, printed = run(step.words, capsys)
        assert (code != 0) == any(line.startswith("error: ") for line in step.shown), f"{step.line}: exit code {code}\n{printed}"
        assert_shown(step.shown, printed)
        number += 1
    return number


def run(words: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """Exit code and everything that a command printed: what it says on stderr, then its data."""
    with pytest.raises(SystemExit) as ended:
        main(words)
    out, err = capsys.readouterr()
    return int(ended.value.code or 0), err + out


def assert_shown(shown: tuple[str, ...], printed: str) -> None:
    """Every line that is shown was printed, in this order, and nothing else where no `...` stands between or at the end of a line."""
    lines = [" ".join(line.split()) for line in printed.splitlines()]
    lines = [line for line in lines if not _RULES.match(line)]
    place, gap = 0, False
    for wanted in (" ".join(line.split()) for line in shown if not _RULES.match(line)):
        if wanted == "...":
            gap = True
            continue
        begun = wanted.removesuffix("...")
        fits = [line.startswith(begun) if begun != wanted else line == wanted for line in lines]
        found = next((number for number in range(place, len(lines)) if fits[number]), -1)
        assert found == place or (gap and found > place), f"{wanted!r} is not printed there:\n{printed}"
        place, gap = found + 1, False
    assert gap or not shown or place == len(lines), f"more is printed than is shown:\n{printed}"
