"""The shapes of a knowledge base among its own sources, and the lint for misspelt SHACL terms."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import pyoxigraph as ox

from kb.errors import OntuneError
from kb.records.shapes import Engine, Violation, validate
from kb.store.files import read_text, turtle_of
from kb.store.store import KnowledgeStore
from kb.store.terms import FILE, PREFIXES

_SH: Final = PREFIXES["sh"]
_OF_RULES: Final = {
    _SH + "rule",
    _SH + "construct",
}  # they are checked for themselves, and validation does not run them


def validate_store(store: KnowledgeStore, engine: Engine = "shifty") -> list[Violation]:
    """Validate a knowledge base against the shapes among its own sources (`rules/` and additions)."""
    shapes = ox.Store()
    shapes.bulk_extend(
        quad
        for quad in store.store
        if _holds_shapes(quad.graph_name) and quad.predicate.value not in _OF_RULES
    )
    return validate(store.store, shapes, engine)


def unknown_shacl_terms(files: Iterable[Path]) -> list[tuple[Path, int, str]]:
    """Terms of the SHACL namespace that SHACL 1.0 (Core, SPARQL, Advanced Features) does not define: file,
    line, term.

    An engine ignores what it does not know, so a misspelt constraint would pass everything in silence.

    Raises:
        BadInput: a file is not Turtle.
    """
    known = _shacl_terms()
    found = []
    for file in files:
        triples = turtle_of(read_text(file), str(file), FILE)
        used: set[str] = set()
        for triple in triples:
            used |= {node.value for node in triple.triple if isinstance(node, ox.NamedNode)}
        found += [
            (file, _line_of(file, term), f"sh:{term}")
            for iri in sorted(used - known)
            if (term := iri.removeprefix(_SH)) != iri
        ]
    return found


@cache
def _shacl_terms() -> frozenset[str]:
    """What the W3C's vocabulary file declares; pySHACL ships it (found without importing pySHACL, which is
    slow).
    """
    package = find_spec("pyshacl")
    if package is None or package.origin is None:
        raise OntuneError("the SHACL vocabulary is not found: pyshacl is not installed")
    vocabulary = Path(package.origin).parent / "assets" / "shacl.ttl"
    return frozenset(
        quad.subject.value
        for quad in ox.parse(path=vocabulary, format=ox.RdfFormat.TURTLE)
        if isinstance(quad.subject, ox.NamedNode)
    ) | {_SH}


def _line_of(file: Path, term: str) -> int:
    word = re.compile(rf"[:#]{re.escape(term)}\b")
    return next((n for n, line in enumerate(read_text(file).splitlines(), 1) if word.search(line)), 1)


def _holds_shapes(graph: object) -> bool:
    name = graph.value.removeprefix(FILE) if isinstance(graph, ox.NamedNode) else ""
    return name.startswith(("rules/", "additions/"))
