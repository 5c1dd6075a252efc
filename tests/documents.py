"""The documents as tests read them: fenced blocks, and what a console shows.

A block marked `console` is run by the tests as it stands: each line that begins with `$` is a command, and the lines behind it are what it prints, in
order. `...` stands for lines that are left out; blanks count for nothing. Blocks marked `sh` are only read.
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
        return shlex.split(self.line, comments=True)[1:]


def blocks(path: Path, language: str) -> list[str]:
    """The fenced blocks of a document in one language."""
    return re.findall(rf"^```{language}\n(.*?)^```", path.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


def commands(path: Path) -> Iterator[Command]:
    """The commands of all console blocks, in order."""
    for block in blocks(path, "console"):
        for text in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            line, *shown = text.replace("\\\n", " ").splitlines()
            yield Command(line, tuple(shown))


def run(words: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """Exit code and everything that a command printed: what it says on stderr, then its data."""
    with pytest.raises(SystemExit) as ended:
        main(words)
    out, err = capsys.readouterr()
    return int(ended.value.code or 0), err + out


def assert_shown(shown: tuple[str, ...], printed: str) -> None:
    """Every line that is shown was printed, in this order, and nothing else where no `...` stands between."""
    lines = [" ".join(line.split()) for line in printed.splitlines() if not _RULES.match(line)]
    place, gap = 0, False
    for wanted in (" ".join(line.split()) for line in shown if not _RULES.match(line)):
        if wanted == "...":
            gap = True
            continue
        found = lines.index(wanted, place) if wanted in lines[place:] else -1
        assert found == place or (gap and found > place), f"{wanted!r} is not printed there:\n{printed}"
        place, gap = found + 1, False
    assert gap or not shown or place == len(lines), f"more is printed than is shown:\n{printed}"
