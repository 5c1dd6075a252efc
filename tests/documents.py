"""The documents as tests read them: fenced blocks, and what a console shows.

A block marked `console` is run by the tests as it stands: each line that begins with `$` is a command, and
the lines behind it are what it prints, in order. `...` stands for lines that are left out, or at the end of a
line for its rest; `<some words>` for what is another one each time, such as an identifier or a folder; blanks
count for nothing. In an example (`examples/`) `$ python FILE` may stand, and its files lie in the folder
already. What makes the point of an example has to be shown: of a command that prints something a line is
compared that is more than a word. A block behind a line that ends in "In `name.ttl`:" is a file of that name.
Of blocks marked `sh` the commands of Ontune are parsed, and not run.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

import pytest

from ontune.cli import main

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("kb", "reasoner", "generators", "bench")
DOCUMENTS = [
    *(ROOT / f"{name}.md" for name in ("README", "CONTRIBUTING", "CHANGELOG", "SECURITY")),
    *(ROOT / room / "README.md" for room in (*ROOMS, "kb/queries")),
    *sorted((ROOT / "examples").rglob("README.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
]
_VARIES = re.compile(r"<[a-z][a-z ]*>")
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

    def run(self, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
        """Exit code and everything that was printed."""
        if not self.line.startswith("python "):
            return run(self.words, capsys)
        own = os.environ | {"PYTHONPATH": str(ROOT)}
        command = [sys.executable, *shlex.split(self.line)[1:]]
        done = subprocess.run(
            command, env=own, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
        )
        return done.returncode, done.stdout


@dataclass(frozen=True)
class File:
    """A file that a document tells its reader to write."""

    name: str
    text: str


def blocks(path: Path, language: str) -> list[str]:
    """The fenced blocks of a document in one language."""
    return re.findall(
        rf"^```{language}\n(.*?)^```", path.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
    )


def steps(path: Path) -> Iterator[Command | File]:
    """What a document tells its reader to do, in order: commands of console blocks, and files named just
    before their block.
    """
    for before, language, block in re.findall(
        r"([^\n]*)\n\n```(\w+)\n(.*?)^```", path.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
    ):
        if language == "console":
            for text in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
                line, *shown = text.splitlines()
                yield Command(line, tuple(shown))
        elif named := re.search(r"`([\w-][\w.-]*\.\w+)`[^`]*:$", before):
            yield File(named[1], block)


def unrun_commands(path: Path) -> Iterator[list[str]]:
    """The arguments of Ontune's commands in blocks that are only read."""
    for line in (
        line
        for language in ("sh", "shell")
        for block in blocks(path, language)
        for line in block.splitlines()
    ):
        words = shlex.split(line, comments=True)
        if words[:1] == ["ontune"]:
            yield list(takewhile(lambda word: word not in ("&", "|"), words[1:]))


def parse(words: list[str]) -> str | None:
    """What is wrong with the arguments of a command line, which is not run; None where it can be."""
    from typer.main import get_command

    from ontune.cli import app

    command, context = get_command(app), None
    try:
        while hasattr(command, "resolve_command"):
            context = command.make_context(words[0], [*words], parent=context)
            words = [*context._protected_args, *context.args]
            if not words:
                return None
            _, command, words = command.resolve_command(context, words)
        command.make_context(command.name, [*words], parent=context)
    except Exception as error:
        return str(error) or type(error).__name__
    return None


def follow(
    path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> int:
    """Do what a document says in an empty folder, with a data folder of its own; gives the number of
    commands.
    """
    monkeypatch.chdir(folder)
    monkeypatch.setenv("ONTUNE_DATA_HOME", str(folder / "data"))
    if path.is_relative_to(ROOT / "examples"):
        shutil.copytree(path.parent, folder, dirs_exist_ok=True)
    number = 0
    for step in steps(path):
        if isinstance(step, File):
            Path(step.name).write_text(step.text, encoding="utf-8")
            continue
        code, printed = step.run(capsys)
        assert (code != 0) == any(line.startswith("error: ") for line in step.shown), (
            f"{step.line}: exit code {code}\n{printed}"
        )
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
    """Every line that is shown was printed, in this order, and nothing else where no `...` stands between or
    at the end of a line.
    """
    lines = [line for line in map(_plain, printed.splitlines()) if not _RULES.match(line)]
    wanted_lines = [line for line in map(_plain, shown) if not _RULES.match(line)]
    assert not lines or any(map(_tells, wanted_lines)), f"no line is shown that tells something:\n{printed}"
    place, gap = 0, False
    for wanted in wanted_lines:
        if wanted == "...":
            gap = True
            continue
        form = _form(wanted)
        found = next((number for number in range(place, len(lines)) if form.fullmatch(lines[number])), -1)
        assert found == place or (gap and found > place), f"{wanted!r} is not printed there:\n{printed}"
        place, gap = found + 1, False
    assert gap or place == len(lines), f"more is printed than is shown:\n{printed}"


def _plain(line: str) -> str:
    return " ".join(line.split())


def _tells(line: str) -> bool:
    """Whether a line that is shown is worth comparing: more than one word, or a whole one."""
    kept = _VARIES.sub("", line.removesuffix("..."))
    return len(kept.split()) > 1 or bool(kept and kept == line)


def _form(line: str) -> re.Pattern[str]:
    kept = line.removesuffix("...").rstrip()
    parts = map(re.escape, _VARIES.split(kept))
    return re.compile(".+?".join(parts) + (".*" if kept != line else ""))
