"""The measures of the house: its size, how dense its sentences are, what is tied to what, what a plan has to
load.

    python benchmarks/house.py                       # a table; --json for programs
    python benchmarks/house.py --seconds             # also what `ontune check` takes here
    python benchmarks/house.py --root ../before      # of another checkout
    python benchmarks/house.py --list kb/records/names.py    # where files depart from docs/contributing/style.md

A comprehension is dense that has more than one loop, more than one condition, or stands inside another one.
"""

from __future__ import annotations

import argparse
import ast
import io
import json
import os
import resource
import subprocess
import sys
import tokenize
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("kb", "reasoner", "generators", "bench", "ontune")
LONGEST = 110
FAULTS = ("two loops", "two conditions", "standing inside another one")
COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
PLAN = ("plan", "-w", "mnist-cnn", "-t", "local", "--format", "json")
ENTERED = """
import sys
ran = set()
def note(frame, event, _):
    if event == "call" and frame.f_code.co_name != "<module>":
        ran.add(frame.f_code.co_filename)
sys.setprofile(note)
from ontune.cli import main
try:
    main(sys.argv[1:])
except SystemExit:
    pass
sys.setprofile(None)
loaded = {getattr(module, "__file__", None) or "" for module in list(sys.modules.values())}
for word, files in (("loaded", loaded), ("ran", ran)):
    print(*(f"{word} {file}" for file in sorted(files)), sep="\\n", file=sys.stderr)
"""


@dataclass(frozen=True)
class Dense:
    """A comprehension, by its line, with what makes it dense."""

    line: int
    loops: int
    conditions: int
    nested: bool

    @property
    def faults(self) -> tuple[str, ...]:
        """What the style page asks otherwise."""
        found = (self.loops > 1, self.conditions > 1, self.nested)
        return tuple(text for text, holds in zip(FAULTS, found, strict=True) if holds)


@dataclass(frozen=True)
class Module:
    """A file of Python with what is measured of it."""

    path: Path

    @property
    def name(self) -> str:
        """Its name as a module."""
        parts = self.path.relative_to(ROOT).with_suffix("").parts
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)

    @cached_property
    def text(self) -> str:
        """What stands in it."""
        return self.path.read_text(encoding="utf-8")

    @property
    def long_lines(self) -> list[int]:
        """The numbers of its lines that are too long."""
        return [number for number, line in enumerate(self.text.splitlines(), 1) if len(line) > LONGEST]

    @property
    def comments(self) -> int:
        """How many lines have a comment."""
        tokens = tokenize.generate_tokens(io.StringIO(self.text).readline)
        return sum(token.type == tokenize.COMMENT for token in tokens)

    @property
    def comprehensions(self) -> list[Dense]:
        """Every comprehension in it."""
        return list(_comprehensions(ast.parse(self.text), nested=False))

    def imports(self, known: Mapping[str, Module], *, lazy: bool) -> set[str]:
        """The modules of the house that it imports: at its top, or also where its functions run."""
        found: set[str] = set()
        for node in _statements(ast.parse(self.text), lazy=lazy):
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        return found & known.keys() - {self.name}


def _comprehensions(node: ast.AST, nested: bool) -> Iterator[Dense]:
    within = nested
    if isinstance(node, COMPREHENSIONS):
        conditions = sum(len(loop.ifs) for loop in node.generators)
        yield Dense(node.lineno, len(node.generators), conditions, nested)
        within = True
    for child in ast.iter_child_nodes(node):
        yield from _comprehensions(child, within)


def _statements(node: ast.AST, *, lazy: bool) -> Iterator[ast.AST]:
    """The statements that run when a module is imported, and with `lazy` those of functions; none for types
    alone.
    """
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
            continue
        yield child
        if lazy or not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield from _statements(child, lazy=lazy)


def circles(imports: Mapping[str, set[str]]) -> list[list[str]]:
    """The groups of modules that import one another, directly or through others.

    They are the strongly connected components of the graph of imports, by Tarjan's algorithm (SIAM J. Comput.
    1, 1972): a depth-first search numbers the modules, and `low` is the lowest number that a module reaches.
    """
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(name: str) -> None:
        index[name] = low[name] = len(index)
        stack.append(name)
        for other in sorted(imports[name]):
            if other not in index:
                visit(other)
            if other in stack:
                low[name] = min(low[name], low[other])
        if low[name] == index[name]:
            group = stack[stack.index(name) :]
            del stack[stack.index(name) :]
            if len(group) > 1:
                found.append(sorted(group))

    for name in sorted(imports):
        if name not in index:
            visit(name)
    return sorted(found)


def modules() -> list[Module]:
    """Every file of the rooms; what runs inside of images is no part of the house."""
    paths: list[Path] = []
    for room in ROOMS:
        paths += sorted((ROOT / room).rglob("*.py"))
    return [Module(path) for path in paths if "payload" not in path.parts]


def size(*folders: str) -> int:
    """The bytes of all files of some folders."""
    found = 0
    for folder in folders:
        found += sum(path.stat().st_size for path in (ROOT / folder).rglob("*") if path.is_file())
    return found


def entered(words: tuple[str, ...] = PLAN) -> dict[str, list[str]]:
    """The files of ours that a command has `loaded` in a new process, and those of which a function `ran`."""
    own = {"PYTHONPATH": str(ROOT)} | {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    command = [sys.executable, "-c", ENTERED, *words]
    for _ in range(2):  # the first one may have to compile the knowledge
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=own, cwd=ROOT)
    found: dict[str, list[str]] = {"loaded": [], "ran": []}
    for line in done.stderr.splitlines():
        word, _, file = line.partition(f" {ROOT}/")
        if word in found and file.split("/")[0] in ROOMS:
            found[word].append(file)
    return found


def measures(seconds: bool = False) -> dict[str, object]:
    """All measures, by what they are called in the table."""
    house = modules()
    known = {module.name: module for module in house}
    lines = sum(len(module.text.splitlines()) for module in house)
    dense: list[Dense] = []
    for module in house:
        dense += module.comprehensions
    counted: dict[str, int] = defaultdict(int)
    for each in dense:
        for fault in each.faults:
            counted[fault] += 1
    at_import = circles({name: module.imports(known, lazy=False) for name, module in known.items()})
    in_all = circles({name: module.imports(known, lazy=True) for name, module in known.items()})
    plan = entered()
    over = sum(len(module.long_lines) for module in house)
    found: dict[str, object] = {
        "files": len(house),
        "lines": lines,
        "files over 400 lines": sum(len(module.text.splitlines()) > 400 for module in house),
        "circles of imports when loading": at_import,
        "circles with imports of functions": in_all,
        "comprehensions per 100 lines": round(100 * len(dense) / lines, 2),
        "dense comprehensions": sum(bool(each.faults) for each in dense),
        **{f"... of {fault}": counted[fault] for fault in FAULTS},
        f"lines over {LONGEST}": over,
        f"lines over {LONGEST}, %": round(100 * over / lines, 1),
        "comments, % of lines": round(100 * sum(module.comments for module in house) / lines, 2),
        "files that a plan loads": len(plan["loaded"]),
        "files of which a plan runs a function": len(plan["ran"]),
        "bytes of kb/facts": size("kb/facts"),
        "bytes of ontology, rules": size("ontology", "rules"),
    }
    if seconds:
        found |= check_seconds()
    return found


def check_seconds() -> dict[str, object]:
    """The processor time of a check that does its whole work, of one of which nothing has changed, and of
    importing rdflib and pySHACL, which tells how fast this machine is at the moment; each the least of three.
    """
    commands = {
        "ontune check --anew": ("-m", "ontune", "check", "--anew"),
        "ontune check": ("-m", "ontune", "check"),
        "import rdflib, pyshacl": ("-c", "import rdflib, pyshacl"),
    }
    took: dict[str, list[float]] = defaultdict(list)
    for _ in range(3):
        for name, words in commands.items():
            took[name].append(_processor_seconds([sys.executable, *words]))
    least = {name: min(times) for name, times in took.items()}
    found: dict[str, object] = {f"processor seconds of {name}": round(one, 2) for name, one in least.items()}
    ratio = least["ontune check --anew"] / least["import rdflib, pyshacl"]
    return found | {"... a check, times that import": round(ratio, 1)}


def _processor_seconds(command: list[str]) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, capture_output=True, cwd=ROOT)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def departures(path: Path) -> Iterator[str]:
    """Where a file departs from the style page, one line each."""
    module = Module(path.resolve())
    for number in module.long_lines:
        yield f"{path}:{number}: the line is longer than {LONGEST}"
    for each in module.comprehensions:
        if each.faults:
            yield f"{path}:{each.line}: a comprehension of {' and '.join(each.faults)}"


def main() -> None:
    """Print the measures, or where files depart from the style."""
    global ROOT
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true", help="one object instead of a table")
    parser.add_argument("--seconds", action="store_true", help="also time `ontune check`")
    parser.add_argument(
        "--list", nargs="+", type=Path, metavar="FILE", help="say where these files depart from the style"
    )
    parser.add_argument("--root", type=Path, default=ROOT, metavar="DIR", help="measure this checkout")
    asked = parser.parse_args()
    ROOT = asked.root.resolve()
    if asked.list:
        for path in asked.list:
            print("\n".join(departures(path)))
        return
    found = measures(asked.seconds)
    if asked.json:
        print(json.dumps(found, indent=2))
        return
    for name, value in found.items():
        shown = value
        if isinstance(value, list):
            groups = "; ".join(map(" - ".join, value))
            shown = f"{len(value)} ({groups})"
        print(f"{name:45} {shown}")


if __name__ == "__main__":
    main()
