"""Look for smells in a definition or a Dockerfile: its lines become a small graph, and each rule of `rules/recipes/` is a query over it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

from kb import paths
from kb.errors import BadInput
from kb.terms import RDF_TYPE, on

from .containerfile import read_dockerfile
from .definition import Line, read_definition

if TYPE_CHECKING:
    import pyoxigraph as ox

_LARGEST = 1_000_000
_RECIPE = "urn:ontune:recipe"
_HEADER = re.compile(r"^# (message|repair|severity|source): (.+)$", re.MULTILINE)
_ROLES = {
    **dict.fromkeys(("post", "setup", "pre", "appinstall", "run"), "shell"),
    **dict.fromkeys(("labels", "applabels", "label"), "label"),
    **dict.fromkeys(("test", "apptest"), "test"),
    "from": "base",
}
_SEVERITIES = ("error", "warning", "info")
_NAMES = ("package_names.ttl", "variables.ttl")  # facts that rules look names up in


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
    """The smells of a recipe, the worst first. A file whose first instruction is that of a Dockerfile is read as one, any other as a definition.

    Raises:
        BadInput: the file cannot be read, or its builder would not accept it; the message names the line.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise BadInput(str(path), f"cannot be read: {error.strerror}", expected="a definition or a Dockerfile") from error
    if len(raw) > _LARGEST or b"\0" in raw:
        raise BadInput(str(path), "not a recipe", expected="a text file of at most a megabyte")
    text = raw.decode("utf-8", errors="replace")
    language = "dockerfile" if _is_dockerfile(path, text) else "apptainer"
    lines = read_dockerfile(text, str(path)) if language == "dockerfile" else read_definition(text, str(path))
    graph = _graph(language, lines)
    found = [smell for rule in sorted(paths.shipped("rules").joinpath("recipes").glob("*.rq")) for smell in _smells(rule, graph)]
    return sorted(found, key=lambda smell: (_SEVERITIES.index(smell.severity), smell.line, smell.rule))


def _is_dockerfile(path: Path, text: str) -> bool:
    if path.suffix == ".def":
        return False
    first = next((line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")), "")
    return path.name.startswith(("Dockerfile", "Containerfile")) or re.match(r"\s*(FROM|ARG)\s+[^:\s]", first, re.IGNORECASE) is not None


def _smells(rule: Path, graph: ox.Store) -> Iterator[Smell]:
    query = rule.read_text(encoding="utf-8")
    header = dict(_HEADER.findall(query))
    for solution in cast("ox.QuerySolutions", graph.query(query)):
        number, found = (getattr(solution[variable], "value", "") for variable in ("number", "found"))
        text = header["message"].replace("{?found}", found.strip())
        yield Smell(int(number or 0), rule.stem, header["severity"], text, header["repair"], header["source"])


def _graph(language: str, lines: list[Line]) -> ox.Store:
    import pyoxigraph as ox

    store = ox.Store()
    for facts in _NAMES:
        store.load(path=str(paths.shipped("facts") / facts), format=ox.RdfFormat.TURTLE, base_iri="file:")

    def state(node: str, term: str, value: str | int) -> None:
        store.add(ox.Quad(ox.NamedNode(node), ox.NamedNode(on(term)), ox.Literal(value)))

    store.add(ox.Quad(ox.NamedNode(_RECIPE), ox.NamedNode(RDF_TYPE), ox.NamedNode(on("Recipe"))))
    state(_RECIPE, "recipeLanguage", language)
    for place, line in enumerate(lines):
        node = f"{_RECIPE}/{place}"
        state(node, "lineNumber", line.number)
        state(node, "stageNumber", line.stage)
        state(node, "section", line.section)
        state(node, "lineText", line.text)
        if role := _role(line, lines):
            state(node, "role", role)
        if line.section == "from" and (name := re.search(r"\sas\s+(\S+)", line.text, re.IGNORECASE)):
            state(f"{node}/stage", "role", "stage")
            state(f"{node}/stage", "lineText", name.group(1))
    return store


def _role(line: Line, lines: list[Line]) -> str:
    """What the line does, whatever the language calls it. Only bases that a registry may change are bases here."""
    if line.section != "header":
        return _ROLES.get(line.section, "")
    pulled = any(other.stage == line.stage and other.key == "bootstrap" and other.text.lower() == "docker" for other in lines)
    return "base" if line.key == "from" and pulled else ""
