"""The lines of a recipe as a small graph, for the queries of `rules/recipes/`: what each line does, its base,
its commands, what they install."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from generators.read.definition import Line
from generators.read.shell_lines import assignments, commands, installed, without_comment
from kb.store import paths
from kb.store.terms import RDF_TYPE, on, version_key

if TYPE_CHECKING:
    import pyoxigraph as ox

_RECIPE = "urn:ontune:recipe"
_ROLES = {
    **dict.fromkeys(("post", "setup", "pre", "appinstall", "run"), "shell"),
    **dict.fromkeys(("labels", "applabels", "label"), "label"),
    **dict.fromkeys(("test", "apptest"), "test"),
    **dict.fromkeys(("env", "environment", "appenv"), "environment"),
    "from": "base",
}
_NAMES = ("package_names.ttl", "variables.ttl")  # facts that rules look names up in
_VARIABLE = re.compile(r"\$(?:(\w+)|\{(\w+)(?::?-([^}]*))?\})")
_SAY_ONLY = ("echo", "printf")
_MOST_VARIABLES = 4  # in the name of a base: with more of them it may be any stage


@dataclass(frozen=True, slots=True)
class _Stage:
    """A stage of the build: its number, its base without options and with the defaults of build arguments,
    and its name in small letters."""

    number: int
    base: str
    name: str


def recipe_graph(language: str, lines: list[Line]) -> ox.Store:
    """The graph of a recipe, with the facts that its rules look names up in.

    Args:
        language: `apptainer` or `dockerfile`.
        lines: what was read of it.
    """
    import pyoxigraph as ox

    store = ox.Store()
    for facts in _NAMES:
        store.load(path=str(paths.shipped("facts") / facts), format=ox.RdfFormat.TURTLE, base_iri="file:")
    store.add(ox.Quad(ox.NamedNode(_RECIPE), ox.NamedNode(RDF_TYPE), ox.NamedNode(on("Recipe"))))
    store.add(ox.Quad(ox.NamedNode(_RECIPE), ox.NamedNode(on("recipeLanguage")), ox.Literal(language)))
    stages = list(_stages(lines))
    kept = _kept(stages) if language == "dockerfile" else {max((line.stage for line in lines), default=0)}
    for place, line in enumerate(lines):
        for node, term, value in _facts(f"{_RECIPE}/{place}", line, lines):
            store.add(ox.Quad(ox.NamedNode(node), ox.NamedNode(on(term)), _term(value)))
        store.add(
            ox.Quad(
                ox.NamedNode(f"{_RECIPE}/{place}"),
                ox.NamedNode(on("inImage")),
                ox.Literal(line.stage in kept),
            )
        )
    for stage, place in zip(
        stages, (place for place, line in enumerate(lines) if line.section == "from"), strict=False
    ):
        if _earlier(stage, stages) is None:
            store.add(
                ox.Quad(
                    ox.NamedNode(f"{_RECIPE}/{place}"), ox.NamedNode(on("baseName")), ox.Literal(stage.base)
                )
            )
    return store


def _term(value: str | int) -> ox.NamedNode | ox.Literal:
    import pyoxigraph as ox

    return ox.NamedNode(value) if isinstance(value, str) and value.startswith(_RECIPE) else ox.Literal(value)


def _facts(node: str, line: Line, lines: list[Line]) -> Iterator[tuple[str, str, str | int]]:
    """What a line says, as subject, local name of a property, and value."""
    role = _ROLES.get(line.section, "")
    runs = role in ("shell", "test") or line.section in ("environment", "appenv")
    yield node, "lineNumber", line.number
    yield node, "stageNumber", line.stage
    yield node, "section", line.section
    yield node, "lineText", without_comment(line.text) if runs else line.text
    if role:
        yield node, "role", role
    if line.section == "header" and line.key == "from" and _pulled(line, lines):
        yield node, "role", "base"
        yield node, "baseName", line.text
    # Options of the instruction.
    text = re.sub(r"^(?:--\S+\s+)*", "", line.text) if line.section == "run" else line.text
    for place, words in enumerate(commands(text)):
        if runs:
            yield from _command(node, f"{node}/command/{place:03}", words)
        if runs or line.section in ("env", "arg", "data"):
            yield from _assigned(node, f"{node}/command/{place:03}", words)
    if line.section == "env" and not re.match(r"\w+=", line.text):  # the older form, with a blank
        name, _, value = line.text.partition(" ")
        yield from _assignment(node, f"{node}/assigned", name, value.strip())


def _command(line: str, node: str, words: list[str]) -> Iterator[tuple[str, str, str | int]]:
    yield line, "command", node
    yield node, "program", words[0].rpartition("/")[2]
    if words[0] in _SAY_ONLY:
        return
    yield node, "commandText", " ".join(words)
    for word in words[1:]:
        yield node, "word", word
    for place, wanted in enumerate(installed(words)):
        package = f"{node}/package/{place:03}"
        yield node, "installs", package
        yield package, "packageText", wanted.text
        yield package, "distribution", wanted.name
        yield package, "versionHeld", wanted.held
        if key := version_key(wanted.version):
            yield package, "packageVersionKey", key
        if key := version_key(wanted.before):
            yield package, "versionsBeforeKey", key


def _assigned(line: str, node: str, words: list[str]) -> Iterator[tuple[str, str, str | int]]:
    for place, (name, value) in enumerate(assignments(words)):
        yield from _assignment(line, f"{node}/assignment/{place}", name, value)


def _assignment(line: str, node: str, name: str, value: str) -> Iterator[tuple[str, str, str | int]]:
    yield line, "assigns", node
    yield node, "assignedName", name
    yield node, "assignedValue", value


def _pulled(line: Line, lines: list[Line]) -> bool:
    """Whether the base of a definition is an image that a registry may change."""
    return any(
        other.stage == line.stage and other.key == "bootstrap" and other.text.lower() == "docker"
        for other in lines
    )


def _stages(lines: list[Line]) -> Iterator[_Stage]:
    """The stages of a Dockerfile."""
    defaults: dict[str, str] = {}
    begun = False
    for line in lines:
        if line.section == "arg" and not begun:
            for words in commands(line.text):
                defaults.update(assignments(words))
        if line.section == "from":
            begun = True
            words = [word for word in line.text.split() if not word.startswith("--")]
            named = len(words) > 2 and words[1].lower() == "as"
            base = _VARIABLE.sub(
                lambda match: defaults.get(match[1] or match[2], match[3] or match[0]),
                words[0] if words else "",
            )
            yield _Stage(line.stage, base, words[2].lower() if named else "")


def _earlier(stage: _Stage, stages: list[_Stage]) -> _Stage | None:
    """The stage that another one begins from, where that is no image. A variable in its name may stand for
    anything."""
    base = stage.base.lower()
    parts = re.split(r"(?:\$\w+|\$\{[^}]*\})+", base)
    if len(parts) == 1:
        names = (other for other in reversed(stages[: stage.number]) if other.name == base)
        return next(names, None) if base else None
    if len(parts) > _MOST_VARIABLES:
        return None
    pattern = ".*".join(map(re.escape, parts))
    before = [other for other in stages if other.number < stage.number and other.name]
    return next((other for other in reversed(before) if re.fullmatch(pattern, other.name)), None)


def _kept(stages: list[_Stage]) -> set[int]:
    """The stages whose layers the image has: the last one, and those that it begins from."""
    kept: set[int] = set()
    stage = stages[-1] if stages else None
    while stage is not None:
        kept.add(stage.number)
        stage = _earlier(stage, stages)
    return kept
