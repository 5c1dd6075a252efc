"""SHACL: data against shapes, by pyshifty (fast) or pySHACL (the reference), with one form of result; and the lint for misspelt SHACL terms."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, Final, Literal

import pyoxigraph as ox

from kb.errors import BadInput, OntuneError
from kb.paths import shipped
from kb.store import KnowledgeStore
from kb.terms import FILE, PREFIXES, local_name

Engine = Literal["shifty", "pyshacl"]
ENGINES: Final[tuple[Engine, ...]] = ("shifty", "pyshacl")

_SH: Final = PREFIXES["sh"]
_ALL: Final = "CONSTRUCT { ?s ?p ?o } WHERE { ?s ?p ?o }"
_RESULTS: Final = """
SELECT ?focus ?path ?value ?message ?shape ?severity WHERE {
  ?report sh:result ?result .
  ?result sh:focusNode ?focus ; sh:sourceShape ?shape ; sh:resultSeverity ?severity .
  OPTIONAL { ?result sh:resultPath ?path }
  OPTIONAL { ?result sh:value ?value }
  OPTIONAL { ?result sh:resultMessage ?message }
}"""


@dataclass(frozen=True, order=True)
class Violation:
    """One result of a validation.

    Attributes:
        focus: the node that breaks the shape.
        path: the property whose values break it; empty for the node itself or where the path is not one property.
        message: the shape's message.
        shape: IRI of the shape; empty for a nameless property shape.
        severity: `Violation`, `Warning` or `Info`.
        value: the value at fault, or empty.
    """

    focus: str
    path: str
    message: str
    shape: str
    severity: str
    value: str


def validate(data: ox.Store, shapes: ox.Store, engine: Engine = "shifty") -> list[Violation]:
    """Validate the union of the data's graphs against the union of the shapes' graphs; rules in the shapes are not run.

    Raises:
        BadInput: the engine is unknown.
        OntuneError: the engine cannot evaluate a shape.
    """
    if engine not in ENGINES:
        raise BadInput("engine", f"unknown SHACL engine '{engine}'", expected=" or ".join(ENGINES), given=engine, known=ENGINES)
    run = _by_shifty if engine == "shifty" else _by_pyshacl
    return _violations(run(_ntriples(data), _ntriples(shapes)))


def validate_store(store: KnowledgeStore, engine: Engine = "shifty") -> list[Violation]:
    """Validate a knowledge base against the shapes among its own sources (`rules/` and additions)."""
    shapes = ox.Store()
    shapes.bulk_extend(quad for quad in store.store if _holds_shapes(quad.graph_name))
    return validate(store.store, shapes, engine)


def unknown_shacl_terms(files: Iterable[Path]) -> list[tuple[Path, int, str]]:
    """Terms written `sh:...` that SHACL 1.0 (Core, SPARQL, Advanced Features) does not define: file, line, term.

    An engine ignores what it does not know, so a misspelt constraint would pass everything in silence.
    """
    known = _shacl_terms()
    found = []
    for file in files:
        for number, line in enumerate(_without_texts(file.read_text(encoding="utf-8")).splitlines(), 1):
            found += [(file, number, f"sh:{term}") for term in re.findall(r"(?<![\w:])sh:(\w+)", line) if term not in known]
    return found


def _shacl_terms() -> frozenset[str]:
    """The terms that the SHACL vocabulary declares; pySHACL carries the W3C's file."""
    folder = resources.files("pyshacl") / "assets"
    raise NotImplementedError(folder)
