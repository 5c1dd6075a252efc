"""Workloads: a training job, shipped or a user's own, as JSON and as RDF.

Which property holds which key of the JSON is stated in `ontology/workloads.ttl`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyoxigraph as ox

from kb import user_files
from kb.errors import BadInput
from kb.fact_keys import fact_keys, stated
from kb.named import NamedResources, values_of
from kb.program_files import placed
from kb.requirements import read_requirements
from kb.terms import RDF_TYPE, on

if TYPE_CHECKING:
    from kb.store import KnowledgeStore

_MODULE = "workloads"
_EXTENDS = "extends"


@dataclass(frozen=True)
class Workload:
    """A training job.

    Attributes:
        name: the shipped name, the file's `name`, or the name of the file.
        facts: the keys that `ontology/workloads.ttl` declares; null is not stated.
    """

    name: str
    facts: dict[str, Any]

    def quads(self, node: ox.NamedNode, graph: ox.NamedNode) -> list[ox.Quad]:
        """The facts as quads about `node`."""
        return [
            ox.Quad(node, ox.NamedNode(RDF_TYPE), ox.NamedNode(on("Workload")), graph),
            *fact_keys(_MODULE).quads(self.facts, node, graph, state_unknown=False),
        ]

    def to_json(self) -> dict[str, Any]:
        """Name and stated facts, as a user could write them."""
        return {"name": self.name} | stated(self.facts)


def complete_workload(name: str, facts: Mapping[str, Any], where: str) -> Workload:
    """A workload from facts that may be partial, such as those in a plan.

    Raises:
        BadInput: a key is unknown or a value has the wrong type; the message names `where` and the key.
    """
    given = dict(facts)
    return Workload(str(given.pop("name", name)), fact_keys(_MODULE).completed(given, where))


def load_workload(text: str, store: KnowledgeStore | None = None) -> Workload:
    """The workload that a user names.

    Args:
        text: a shipped name, or a file (.json, .yaml, .ttl). A file may start from another workload with `extends: NAME`.
        store: an open knowledge base in which shipped names are looked up first.

    Raises:
        BadInput: the name is unknown, or the file is missing, malformed, or has an unknown key or a wrong value.
    """
    if user_files.looks_like_file(text):
        return _from_file(Path(text), store)
    known = _known(store)
    return Workload(text, fact_keys(_MODULE).read(known.find(text, "workload"), known.values))


def workload_names(store: KnowledgeStore | None = None) -> list[str]:
    """The names of all shipped and added workloads."""
    return _known(store).names()


def _known(store: KnowledgeStore | None) -> NamedResources:
    return NamedResources(on("Workload"), "workloads", store.store if store else None)


def _from_file(path: Path, store: KnowledgeStore | None) -> Workload:
    keys = fact_keys(_MODULE)
    if path.suffix == ".ttl":
        content = user_files.read_turtle(path)
        node = user_files.only_instance(content, on("Workload"), path)
        return Workload(path.stem, keys.read(node, lambda subject, iri: values_of(content, subject, iri)))
    given = user_files.read_object(path)
    name, base = given.pop("name", path.stem), given.pop(_EXTENDS, None)
    if not isinstance(name, str) or not name:
        raise BadInput(str(path), "key 'name' is not a text", expected="a text")
    facts = _with_whole_paths(keys.completed(given, str(path)), path)
    if base is None:
        return Workload(name, facts)
    known = _known(store)
    start = keys.read(known.find(str(base), f"{path}: key '{_EXTENDS}'"), known.values)
    return Workload(name, _laid_over(start, facts))


def _laid_over(start: dict[str, Any], facts: dict[str, Any]) -> dict[str, Any]:
    """`start` with everything that `facts` states."""
    merged = dict(start)
    for key, value in facts.items():
        merged[key] = _laid_over(start[key], value) if isinstance(value, dict) else start[key] if value is None else value
    return merged


def _with_whole_paths(facts: dict[str, Any], path: Path) -> dict[str, Any]:
    """The files of a user's own script are named from the workload's file; a plan must find them from anywhere.

    What the script requires is read here: a plan is made for it, and remembers what it was.
    """
    found: dict[str, Any] = {key: str(_whole(facts[key], key, path)) for key in ("script", "requirements") if facts.get(key)}
    if facts.get("requirements"):
        found["requires"] = [*read_requirements(Path(found["requirements"])), *(facts.get("requires") or [])]
    if facts.get("script") or facts.get("files"):
        found["folder"] = str((path.parent / (facts.get("folder") or "")).resolve())
        placed(Path(found["folder"]), facts.get("files") or (), f"{path}: key 'files'")
    return facts | found


def _whole(name: str, key: str, path: Path) -> Path:
    file = (path.parent / name).resolve()
    if not file.is_file():
        raise BadInput(f"{path}: key '{key}'", f"no file {file}", expected="a file, named from the folder of the workload's file")
    return file
