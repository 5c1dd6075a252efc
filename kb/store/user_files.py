"""The files that people give us: JSON, YAML or Turtle, read with the file, line or key in every complaint."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyoxigraph as ox

from kb.errors import BadInput
from kb.store import files
from kb.store.terms import RDF_TYPE, local_name

SUFFIXES = (".json", ".yaml", ".yml", ".ttl")


def looks_like_file(text: str) -> bool:
    """Whether a user means a file and not a name."""
    return text.endswith(SUFFIXES) or ("/" in text and "://" not in text)


def name_of(path: Path) -> str:
    """What a file's resource is called where the file does not say: its name without the end, as it can be
    printed.
    """
    return files.printable(path.stem)


def read_text(path: Path) -> str:
    """The text of a file; of one that is missing, the nearest name beside it is told.

    Raises as `kb.store.files.read_text`.
    """

    def beside() -> list[str]:
        others = path.parent.iterdir() if path.parent.is_dir() else ()
        return [other.name for other in others if other.suffix in SUFFIXES]

    return files.read_text(path, known=beside)


def read_object(path: Path) -> dict[str, Any]:
    """The object that a JSON or YAML file holds.

    Raises:
        BadInput: the file cannot be read or parsed (the message names file and line), or holds something else
            than an object.
    """
    text = read_text(path)
    value = files.json_of(text, str(path)) if path.suffix == ".json" else files.yaml_of(text, str(path))
    if not isinstance(value, dict):
        raise BadInput(str(path), "does not hold an object", expected="lines of `key: value`")
    return value


def read_turtle(path: Path) -> ox.Store:
    """The triples of a Turtle file, in the default graph.

    Raises:
        BadInput: the file cannot be read or is not Turtle; the message names file and line.
    """
    return files.turtle_of(read_text(path), str(path), path.resolve().as_uri())


def only_instance(content: ox.Store, class_iri: str, path: Path) -> ox.NamedNode | ox.BlankNode:
    """The one resource of a class that a Turtle file describes.

    Raises:
        BadInput: there is none, or there are several.
    """
    found = [
        quad.subject
        for quad in content.quads_for_pattern(None, ox.NamedNode(RDF_TYPE), ox.NamedNode(class_iri), None)
    ]
    if len(found) != 1 or isinstance(found[0], ox.Triple):
        raise BadInput(
            str(path),
            f"describes {len(found)} resources of the class on:{local_name(class_iri)}",
            expected="exactly one",
        )
    return found[0]
