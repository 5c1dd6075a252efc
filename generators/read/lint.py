"""Look for smells in a definition or a Dockerfile: its lines become a small graph, and each rule of
`rules/recipes/` is a query over it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

from generators.read.containerfile import read_dockerfile
from generators.read.definition import read_definition
from generators.read.recipe_graph import recipe_graph
from kb.errors import BadInput
from kb.store import paths
from kb.store.files import read_bytes

if TYPE_CHECKING:
    import pyoxigraph as ox

_LARGEST = 1_000_000
_HEADER = re.compile(r"^# (message|repair|severity|source): (.+)$", re.MULTILINE)
_SEVERITIES = ("error", "warning", "info")
_DIRECTIVE = re.compile(r"^#(?:SBATCH|PBS|BSUB|FLUX:|COBALT|\$ -)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Smell:
    """Something that will make trouble.

    Attributes:
        line: the line's number, 0 where it is about the whole file.
        rule: the name of the rule.
        severity: `error`, `warning` or `info`.
        text: what is wrong.
        repair: what to do.
        source: where the rule comes from.
    """

    line: int
    rule: str
    severity: str
    text: str
    repair: str
    source: str


def lint(path: Path) -> list[Smell]:
    """The smells of a recipe, the worst first. A file whose first instruction is that of a Dockerfile is read
    as one, any other as a definition.

    Raises:
        BadInput: the file cannot be read, is a job script or another program, or its builder would not accept
            it; the message names the line.
    """
    raw = read_bytes(path, _LARGEST)
    if b"\0" in raw:
        raise BadInput(str(path), "not a recipe", expected="a text file of at most a megabyte")
    text = raw.decode("utf-8", errors="replace")
    _check_recipe(path, text)
    language = "dockerfile" if _is_dockerfile(path, text) else "apptainer"
    lines = (
        read_dockerfile(text, str(path))
        if language == "dockerfile"
        else read_definition(text, str(path), arguments_open=True)
    )
    graph = recipe_graph(language, lines)
    found: list[Smell] = []
    for rule in sorted(paths.shipped("rules").joinpath("recipes").glob("*.rq")):
        found += _smells(rule, graph)
    return sorted(found, key=lambda smell: (_SEVERITIES.index(smell.severity), smell.line, smell.rule))


def _check_recipe(path: Path, text: str) -> None:
    """Raises BadInput for a program, by what it holds and not by its name."""
    if re.search(r"^[ \t]*(?:bootstrap[ \t]*:|from[ \t]+\S)", text, re.IGNORECASE | re.MULTILINE):
        return
    expected = "an Apptainer definition or a Dockerfile"
    if directive := _DIRECTIVE.search(text):
        line = text.count("\n", 0, directive.start()) + 1
        raise BadInput(
            f"{path}:{line}",
            f"{directive[0]}: this is a job script, and job scripts cannot be checked yet",
            expected=expected,
        )
    if text.startswith("#!"):
        raise BadInput(
            f"{path}:1",
            f"{text.splitlines()[0]:.40}: this is a program, and programs are not checked",
            expected=expected,
        )


def _is_dockerfile(path: Path, text: str) -> bool:
    if path.suffix == ".def":
        return False
    first = next(
        (
            line
            for line in text.removeprefix("\ufeff").splitlines()
            if line.strip() and not line.lstrip().startswith("#")
        ),
        "",
    )
    return (
        path.name.startswith(("Dockerfile", "Containerfile"))
        or re.match(r"\s*(FROM|ARG)\s+[^:\s]", first, re.IGNORECASE) is not None
    )


def _smells(rule: Path, graph: ox.Store) -> Iterator[Smell]:
    query = rule.read_text(encoding="utf-8")
    header = dict(_HEADER.findall(query))
    for solution in cast("ox.QuerySolutions", graph.query(query)):
        number, found = (getattr(solution[variable], "value", "") for variable in ("number", "found"))
        text = header["message"].replace("{?found}", found.strip())
        yield Smell(int(number or 0), rule.stem, header["severity"], text, header["repair"], header["source"])
