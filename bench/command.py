"""A user's own command, read before it is started: its program, its script and what that imports, and which
packages stand in the environment that it will run in.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from pathlib import Path

from bench import process
from generators import hook
from kb.errors import BadInput
from kb.records.imports import Imports, imported, imported_by_text
from kb.records.observed_job import digest_of
from kb.store.files import json_of, read_text

_PYTHON = re.compile(r"python[\d.]*")
_COMMENT = re.compile(r"(?m)^\s*#.*$")
_SCRIPT = re.compile(r"[\w./-]+\.py\b")
_SHEBANG = re.compile(rb"#!\s*(?:/\S*/env\s+(?:-S\s+)?)?(\S*python[\d.]*)\s")
"""The interpreter of a script, by its path or by way of `env`."""
_SECONDS = 60.0
_FLAGS = re.compile(r"-[bBdEIOPqRsSuvx]+")
"""Flags of Python without a value, among them those that keep it from loading what the environment names."""

# Runs in the Python of the user's own command, whichever that is.
_ASK = """
import json, re, sys
sys.path[:] = [entry for entry in sys.path if entry]
from importlib import metadata
installed, needs, modules = {}, {}, {}
for one in metadata.distributions():
    name = (one.metadata["Name"] or "").lower()
    installed.setdefault(name, one.version)
    required = [text for text in one.requires or () if "extra ==" not in text]
    needs.setdefault(name, [re.split(r"[^A-Za-z0-9._-]", text, maxsplit=1)[0].lower() for text in required])
    listed = (one.read_text("top_level.txt") or "").split()
    if not listed:
        listed = [str(path).split("/")[0] for path in one.files or () if str(path).endswith("__init__.py")]
    for module in listed:
        modules.setdefault(module, name)
hooked = "ontune_hook" in sys.modules
print(json.dumps({"installed": installed, "needs": needs, "modules": modules, "loads_hook": hooked}))
"""


@dataclass(frozen=True)
class Command:
    """A command as it was typed.

    Attributes:
        words: the program and its arguments.
    """

    words: tuple[str, ...]

    @cached_property
    def program(self) -> str:
        """The program's file.

        Raises:
            BadInput: there is none of that name, or it cannot be started.
        """
        found = shutil.which(self.words[0])
        if found is None:
            named = Path(self.words[0])
            if named.is_dir():
                raise BadInput("the command", f"'{named}' is a folder", expected="a program")
            if named.is_file():
                expected = f"chmod +x, or python {named}"
                raise BadInput("the command", f"'{named}' is not executable", expected=expected)
            problem = f"there is no program '{named}' here"
            raise BadInput("the command", problem, expected="one on the PATH")
        return found

    @property
    def is_python(self) -> bool:
        """Whether the program is an interpreter of Python."""
        return _PYTHON.fullmatch(Path(self.words[0]).name) is not None

    @property
    def runs_alone(self) -> bool:
        """Whether it is one process of Python on a script: launchers may start several."""
        return self.is_python and "-m" not in self.words[: self._place]

    @cached_property
    def python(self) -> str:
        """The interpreter that it runs in: itself, that of the script that it is, or the PATH's first."""
        if self.is_python:
            return self.program
        return shutil.which(self._interpreter or "python3") or sys.executable

    @cached_property
    def _interpreter(self) -> str:
        """The Python that the program's first line names; empty where it names none."""
        with Path(self.program).open("rb") as file:
            named = _SHEBANG.match(file.readline(4096))
        return os.fsdecode(named[1]) if named else ""

    @property
    def _place(self) -> int:
        """Where the script stands among the words; after the last, where there is none."""
        scripts = (n for n, word in enumerate(self.words) if word.endswith(".py") and Path(word).is_file())
        return next(scripts, len(self.words))

    @property
    def roots(self) -> list[Path]:
        """The folders that modules of the user's own are looked for in, beside that of the script."""
        return [Path(entry) for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry]

    @cached_property
    def script(self) -> Path | None:
        """The Python file that it runs, as far as its words tell, or those of a shell script among them."""
        if "-m" in self.words[: self._place][:-1]:
            module = Path(*self.words[self.words.index("-m") + 1].split("."))
            for root in (Path(), *self.roots):
                for file in (root / module.with_suffix(".py"), root / module / "__main__.py"):
                    if file.is_file():
                        return file
        if self._place < len(self.words):
            return Path(self.words[self._place])
        for folder, text in self._texts():
            names: list[str] = _SCRIPT.findall(text)
            for name in names:
                if (folder / name).is_file():
                    return folder / name
        return Path(self.program) if self._interpreter else None

    def _texts(self) -> Iterator[tuple[Path, str]]:
        """The words, which may hold a line for a shell, and the shell scripts among them, each with the
        folders that files may be named from.
        """
        for word in self.words:
            yield Path(), word
            if word.endswith(".sh") and Path(word).is_file():
                with contextlib.suppress(BadInput):  # what cannot be read names no script
                    text = _COMMENT.sub("", read_text(Path(word)))
                    yield Path(), text
                    yield Path(word).parent, text

    @cached_property
    def _imports(self) -> Imports:
        if self.script is not None:
            return imported(self.script, self.roots)
        if self.is_python and "-c" in self.words[:-1]:
            return Imports(imported_by_text(self.words[self.words.index("-c") + 1]), [])
        return Imports([], [])

    @property
    def modules(self) -> list[str]:
        """What its script imports, or the text behind `-c`.

        Raises:
            BadInput: the script cannot be read as Python.
        """
        return self._imports.packages

    @cached_property
    def digest(self) -> str:
        """What its job is known by: the content of its own files, and its words but for where it lies."""
        try:
            files = self._imports.files
        except BadInput:
            files = [self.script] if self.script else []
        place = Path(self.program).name if self.script is None else ""
        named = str(self.script) if self.script else ""
        return digest_of(files, [place, *(word for word in self.words[1:] if word != named)])

    @cached_property
    def environment(self) -> Environment:
        """What stands in the environment that it runs in; nothing where its Python does not say."""
        flags = filter(_FLAGS.fullmatch, self.words[1 : self._place]) if self.is_python else ()
        variables = hook.variables({}, os.environ.get(hook.SEARCHED, ""))
        asked = [self.python, *flags, "-c", _ASK]
        finished = process.run(asked, _SECONDS, environment=os.environ | variables)
        *_, last = finished.output.splitlines() or [""]  # what starts with that Python may have printed too
        try:
            return Environment(**json_of(last, self.python))
        except (BadInput, TypeError):
            return Environment({}, {}, {}, loads_hook=False)


@dataclass(frozen=True)
class Environment:
    """The packages of an environment.

    Attributes:
        installed: the version of each.
        needs: what each requires, without extras.
        modules: the package that brings a module.
        loads_hook: whether its Python, with the command's flags, loads the hook.
    """

    installed: Mapping[str, str]
    needs: Mapping[str, Sequence[str]]
    modules: Mapping[str, str]
    loads_hook: bool = True

    def of_framework(self, framework: str, named: Callable[[str], Sequence[str]]) -> str:
        """The package that a framework stands in here, with its version, as a requirement; empty where none
        does.
        """
        for module, package in self.modules.items():
            if list(named(module)) == [framework] and package in self.installed:
                return f"{package}=={self.installed[package].partition('+')[0]}"
        return ""

    def behind(self, module: str) -> list[str]:
        """The packages that a module comes with: its own, and what that requires, however far."""
        found = [self.modules.get(module, module)]
        for name in found:
            found += [other for other in self.needs.get(name, ()) if other not in found]
        return found


def framework_of(command: Command, named: Callable[[str], Sequence[str]]) -> str:
    """The framework that a command trains with: what its script imports, else what these packages require,
    else what alone is installed.

    Args:
        command: the command.
        named: the frameworks that a package's name means.

    Raises:
        BadInput: several are in question, or none.
    """
    if command.is_python and command.script is None:
        missing = [word for word in command.words[1:] if word.endswith(".py") and not Path(word).exists()]
        if missing:
            raise BadInput("the command", f"no file {missing[0]}", expected="a script that is there")
    environment, unread = command.environment, ""
    try:
        modules = command.modules
    except BadInput as error:  # its own Python may take it, or says better what is wrong
        modules, unread = [], f"; {error}"
    behind = list(chain.from_iterable(map(environment.behind, modules)))
    for names, told in (
        (modules, f"{command.script or 'the text behind -c'} imports"),
        (behind, f"{command.script or 'the text behind -c'} rests on"),
        ([*environment.installed, *environment.modules], f"nothing in it says; {command.python} has"),
    ):
        found = list(dict.fromkeys(chain.from_iterable(map(named, names))))
        if len(found) == 1:
            return found[0]
        if found:
            problem = f"which framework trains? {told} {' and '.join(found)}{unread}"
            raise BadInput("the command", problem, expected="--framework NAME before the --")
    problem = f"which framework trains? nothing in it says, and none is installed beside it{unread}"
    raise BadInput("the command", problem, expected="--framework NAME before the --")
