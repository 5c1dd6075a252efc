"""One state of the knowledge as it is stated: a checkout, a wheel, an exported file, or somebody's additions.

`kb.difference` compares two of them.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Final

import pyoxigraph as ox

from kb.errors import BadInput
from kb.store import archives, files
from kb.store.completion import complete
from kb.store.fact_tables import TABLE, turtle_of_rows
from kb.store.sources import SUFFIXES
from kb.store.terms import FILE, on
from kb.version import version_in

_EXPECTED: Final = (
    "a checkout, a wheel (.whl), an export (.trig, .nq), or a folder or file of additions (.ttl)"
)
_EXPORTS: Final = {".trig": "TriG", ".nq": "N-Quads"}
_KINDS: Final = (*SUFFIXES, ".rq")
_IN_A_WHEEL: Final = rf"kb/(?:ontology|rules|facts|evidence|queries)/.*(?:{'|'.join(map(re.escape, _KINDS))})"
_IN_A_CHECKOUT: Final = ("ontology", "rules", "kb/facts", "kb/evidence", "kb/queries")
_CONCLUDED: Final = {FILE + "closure", FILE + "snapshot"}
_LARGEST: Final = 256 << 20  # bytes of a whole state: what is shipped has some ten million


@dataclass(frozen=True)
class Edition:
    """What one state of the knowledge states.

    Attributes:
        name: what the asker called it.
        version: of the knowledge, as it states it, or `unknown`.
        store: its triples.
        whole: whether it is a whole knowledge base, and not somebody's additions to one.
        texts: closure rules and named queries, by their file; None where the form has none (an export).
    """

    name: str
    version: str
    store: ox.Store
    whole: bool
    texts: dict[str, str] | None = field(repr=False)


def read_edition(path: Path) -> Edition:
    """Read a state of the knowledge.

    Raises:
        BadInput: there is none, or a file of it cannot be read; the message names file and line.
    """
    if path.suffix in _EXPORTS:
        return _exported(path)
    sources = _texts_of(path)
    store = ox.Store()
    for name, (text, where) in sources.items():
        if name.endswith(TABLE):
            text = turtle_of_rows(
                text, PurePosixPath(name).name, functools.partial(_template_beside, sources, name), where
            )
        if name.endswith((".ttl", TABLE)):
            store.extend(_apart(files.turtle_of(text, where, FILE + name), name))
    if any(store.quads_for_pattern(None, ox.NamedNode(on("sourcesHash")), None, None)):
        problem = "is exported Turtle, which does not keep what is stated apart from what follows of it"
        raise BadInput(str(path), problem, expected="`ontune kb export --format trig`")
    if not len(store):
        raise BadInput(str(path), "states nothing", expected=_EXPECTED)
    # Else what one state states, and the other leaves out because it follows, would be a difference.
    complete(store)
    texts = {name: text for name, (text, _) in sources.items() if name.endswith((".ru", ".rq"))}
    return Edition(str(path), version_in(store), store, path.suffix == ".whl" or _is_checkout(path), texts)


def _exported(path: Path) -> Edition:
    """What an export keeps of its sources: the graphs that are files."""
    quads = files.turtle_of(files.read_text(path, _LARGEST), str(path), FILE, _EXPORTS[path.suffix])
    store = ox.Store()
    graphs = (quad.graph_name for quad in quads if isinstance(quad.graph_name, ox.NamedNode))
    for graph in {each for each in graphs if each.value.startswith(FILE) and each.value not in _CONCLUDED}:
        store.extend(quads.quads_for_pattern(None, None, None, graph))
    if not any(quads.quads_for_pattern(None, ox.NamedNode(on("sourcesHash")), None, None)):
        raise BadInput(
            str(path), "is no exported knowledge base", expected="what `ontune kb export --format trig` wrote"
        )
    return Edition(str(path), version_in(store), store, True, None)


def _template_beside(sources: dict[str, tuple[str, str]], table: str, name: str) -> str:
    beside = str(PurePosixPath(table).with_name(name))
    if beside not in sources:
        raise BadInput(sources[table][1], f"has no template '{name}' beside it")
    return sources[beside][0]


def _texts_of(path: Path) -> dict[str, tuple[str, str]]:
    """The texts of a state by their stable names, each with what it is called in errors."""
    if path.suffix == ".whl":
        texts = archives.zip_texts(path, _IN_A_WHEEL, _LARGEST, "a wheel of Ontune")
        return {name.removeprefix("kb/"): (text, f"{path}: {name}") for name, text in texts.items()}
    if path.is_file() and path.suffix == ".ttl":
        return {path.name: (files.read_text(path), str(path))}
    if not path.is_dir():
        raise BadInput(
            str(path),
            "is no state of the knowledge" if path.exists() else "no such file or folder",
            expected=_EXPECTED,
        )
    found = {}
    for folder in [path / part for part in _IN_A_CHECKOUT] if _is_checkout(path) else [path]:
        for each in _sources_below(folder):
            found[each.relative_to(path).as_posix().removeprefix("kb/")] = (files.read_text(each), str(each))
    return found


def _is_checkout(path: Path) -> bool:
    return (path / "ontology").is_dir() and (path / "kb" / "facts").is_dir()


def _sources_below(folder: Path) -> Iterator[Path]:
    yield from sorted(each for each in folder.rglob("*") if each.suffix in _KINDS and each.is_file())


def _apart(store: ox.Store, name: str) -> Iterator[ox.Quad]:
    """The quads of one file in a graph of its own; its blank nodes are those of no other file already."""
    graph = ox.NamedNode(FILE + name)
    return (ox.Quad(quad.subject, quad.predicate, quad.object, graph) for quad in store)
