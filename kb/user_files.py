"""The files that people give us: JSON, YAML or Turtle, read with the file, line or key in every complaint."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyoxigraph as ox

from kb.errors import BadInput
from kb.terms import RDF_TYPE, local_name

SUFFIXES = (".json", ".yaml", ".yml", ".ttl")


def looks_like_file(text: str) -> bool:
    """Whether a user means a file and not a name."""
    return text.endswith(SUFFIXES) or "/" in text


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
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise BadInput(f"{path}:{error.lineno}", f"malformed JSON: {error.msg}") from error


def _yaml(path: Path, text: str) -> Any:
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        return yaml.load(text, loader)  # noqa: S506 (both are safe loaders)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        raise BadInput(f"{path}{line}", f"malformed YAML: {getattr(error, 'problem', None) or error}") from error
