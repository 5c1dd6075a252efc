"""The files that people give us: JSON, YAML or Turtle, read with the file, line or key in every complaint."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

import pyoxigraph as ox

from kb.errors import BadInput
from kb.terms import RDF_TYPE, local_name

SUFFIXES = (".json", ".yaml", ".yml", ".ttl")


def looks_like_file(text: str) -> bool:
    """Whether a user means a file and not a name."""
    return text.endswith(SUFFIXES) or ("/" in text and "://" not in text)


def read_text(path: Path) -> str:
    """The text of a file.

    Raises:
        BadInput: the file is missing, unreadable, or not text.
    """
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        beside = path.parent.iterdir() if path.parent.is_dir() else ()
        known = [other.name for other in beside if other.suffix in SUFFIXES]
        raise BadInput(str(path), "no such file", given=path.name, known=known) from error
    except UnicodeDecodeError as error:
        raise BadInput(str(path), "not a text file", expected="UTF-8") from error
    except OSError as error:
        raise BadInput(str(path), error.strerror or "cannot be read") from error


def read_object(path: Path) -> dict[str, Any]:
    """The object that a JSON or YAML file holds.

    Raises:
        BadInput: the file cannot be read or parsed (the message names file and line), or holds something else than an object.
    """
    text = read_text(path)
    value = _json(path, text) if path.suffix == ".json" else _yaml(path, text)
    if not isinstance(value, dict):
        raise BadInput(str(path), "does not hold an object", expected="lines of `key: value`")
    return value


def read_turtle(path: Path) -> ox.Store:
    """The triples of a Turtle file, in the default graph.

    Raises:
        BadInput: the file cannot be read or is not Turtle; the message names file and line.
    """
    store = ox.Store()
    try:
        store.load(read_text(path), format=ox.RdfFormat.TURTLE, base_iri=path.resolve().as_uri())
    except SyntaxError as error:
        raise BadInput(f"{path}:{error.lineno or 1}", str(error.msg), expected="valid Turtle") from error
    return store


def only_instance(content: ox.Store, class_iri: str, path: Path) -> ox.NamedNode | ox.BlankNode:
    """The one resource of a class that a Turtle file describes.

    Raises:
        BadInput: there is none, or there are several.
    """
    found = [quad.subject for quad in content.quads_for_pattern(None, ox.NamedNode(RDF_TYPE), ox.NamedNode(class_iri), None)]
    if len(found) != 1 or isinstance(found[0], ox.Triple):
        raise BadInput(str(path), f"describes {len(found)} resources of the class on:{local_name(class_iri)}", expected="exactly one")
    return found[0]


def _json(path: Path, text: str) -> Any:
    def once(members: list[tuple[str, Any]]) -> dict[str, Any]:
        names = [name for name, _ in members]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise BadInput(str(path), f"key '{twice:.60}' is given more than once", expected="each key once")
        return dict(members)

    try:
        return json.loads(text, object_pairs_hook=once)
    except json.JSONDecodeError as error:
        raise BadInput(f"{path}:{error.lineno}", f"malformed JSON: {error.msg}") from error


def _yaml(path: Path, text: str) -> Any:
    import yaml

    try:
        return yaml.load(text, _strict_loader())  # noqa: S506 (it is a safe loader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        raise BadInput(f"{path}{line}", f"malformed YAML: {getattr(error, 'problem', None) or error}") from error


@functools.cache
def _strict_loader() -> Any:
    """The safe loader of YAML, which refuses a key that is given twice: by itself the last one would win in silence."""
    import yaml

    class Strict(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
        def construct_mapping(self, node: Any, deep: bool = False) -> Any:
            seen = set()
            for key, _ in node.value:
                if key.value in seen and isinstance(key.value, str):
                    raise yaml.constructor.ConstructorError(None, None, f"key '{key.value:.60}' is given more than once", key.start_mark)
                seen.add(key.value if isinstance(key.value, str) else id(key))
            return super().construct_mapping(node, deep)

    return Strict
