"""Workloads: a training job, shipped or a user's own, as JSON and as RDF.

Which property holds which key of the JSON is stated in `ontology/workloads.ttl`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyoxigraph as ox

from kb.errors import BadInput
from kb.records import script
from kb.records.fact_keys import fact_keys, stated
from kb.records.fact_values import refuse_credentials
from kb.records.names import Names, folded, listed
from kb.records.package_requirements import read_requirements
from kb.records.resources import NamedResources, values_of
from kb.store import user_files
from kb.store.program_files import placed
from kb.store.terms import RDF_TYPE, on
from kb.values import Described, replace

if TYPE_CHECKING:
    from kb.store.store import KnowledgeStore

_MODULE = "workloads"
_EXTENDS = "extends"
_WITHOUT_TRAITS = "without_traits"


class Workload(Described, frozen=True, eq=False):
    """A training job.

    Attributes:
        name: the shipped name, the file's `name`, or the name of the file.
        facts: the keys that `ontology/workloads.ttl` declares; null is not stated.
        where: what describes it (a file, a flag), for errors.
    """

    name: str
    facts: dict[str, Any]
    where: str = "workload"

    def quads(self, node: ox.NamedNode, graph: ox.NamedNode, names: Names | None = None) -> list[ox.Quad]:
        """The facts as quads about `node`; `names` is what names in them are looked up in."""
        return [
            ox.Quad(node, ox.NamedNode(RDF_TYPE), ox.NamedNode(on("Workload")), graph),
            *fact_keys(_MODULE).quads(self.facts, node, graph, state_unknown=False, names=names),
        ]

    def named(self, names: Names) -> Workload:
        """The workload with each name in its facts as the knowledge base has it.

        Raises:
            BadInput: a name is unknown; the message names file and key.
        """
        return replace(self, facts=fact_keys(_MODULE).named(self.facts, names, self.where))

    def to_json(self) -> dict[str, Any]:
        """Name and stated facts, as a user could write them."""
        return {"name": self.name} | stated(self.facts)

    @property
    def what(self) -> str:
        """As `what_is`, of this one."""
        return what_is(self.to_json())


def what_is(described: Mapping[str, Any]) -> str:
    """A digest of what is stated of a job, as `Workload.to_json` gives it, but for its name: jobs with the
    same digest are the same job.
    """
    facts = {key: value for key, value in described.items() if key != "name"}
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def complete_workload(name: str, facts: Mapping[str, Any], where: str) -> Workload:
    """A workload from facts that may be partial, such as those in a plan.

    Raises:
        BadInput: a key is unknown or a value has the wrong type; the message names `where` and the key.
    """
    given = dict(facts)
    return Workload(str(given.pop("name", name)), fact_keys(_MODULE).completed(given, where), where)


def load_workload(text: str, store: KnowledgeStore | None = None, where: str = "workload") -> Workload:
    """The workload that a user names.

    Args:
        text: a name, or a file (.json, .yaml, .ttl). A file may start from another workload with `extends:
            NAME or FILE`. Of a Python program (.py) is taken what `kb.records.script` reads of it; nothing
            of it is run.
        store: an open knowledge base in which names are looked up first; with it, the names in a file are
            checked at once, else when it is planned.
        where: what names it, for the error.

    Raises:
        BadInput: the name is unknown, or the file is missing, malformed, or has an unknown key or a wrong
            value.
    """
    if user_files.looks_like_file(text) or text.endswith(script.SUFFIX):
        found = _from_file(Path(text), store)
    else:
        known = _known(store)
        entry = known.find(text, where)
        found = Workload(
            entry.name,
            fact_keys(_MODULE).read(ox.NamedNode(entry.iri), known.values),
            f"workload {entry.name}",
        )
    return found.named(store.names) if store else found


def workload_names(store: KnowledgeStore | None = None) -> list[str]:
    """The names of all shipped and added workloads."""
    return _known(store).names()


def _known(store: KnowledgeStore | None) -> NamedResources:
    return NamedResources(on("Workload"), "workloads", store)


def _from_file(path: Path, store: KnowledgeStore | None, started: tuple[Path, ...] = ()) -> Workload:
    keys = fact_keys(_MODULE)
    if path.suffix == script.SUFFIX and store is not None:
        facts = keys.completed(script.facts_of(path, store), str(path))
        return Workload(user_files.name_of(path), facts, str(path))
    if path.suffix == ".ttl":
        content = user_files.read_turtle(path)
        node = user_files.only_instance(content, on("Workload"), path)
        facts = keys.read(node, lambda subject, iri: values_of(content, subject, iri))
        refuse_credentials(facts, str(path))
        return Workload(user_files.name_of(path), facts, str(path))
    given = user_files.read_object(path)
    name, base = given.pop("name", user_files.name_of(path)), given.pop(_EXTENDS, None)
    left_out = given.pop(_WITHOUT_TRAITS, None)
    if not isinstance(name, str) or not name:
        raise BadInput(str(path), "key 'name' is not a text", expected="a text")
    facts = _with_whole_paths(keys.completed(given, str(path)), path)
    if base is None:
        if left_out is not None:
            raise BadInput(
                f"{path}: key '{_WITHOUT_TRAITS}'", "nothing is inherited", expected=f"'{_EXTENDS}' beside it"
            )
        return Workload(name, facts, str(path))
    start = _start(str(base), path, store, (*started, path.resolve()))
    return Workload(
        name,
        _laid_over(start.facts, facts) | {"traits": _traits(start, facts["traits"], left_out, path, store)},
        str(path),
    )


def _start(base: str, path: Path, store: KnowledgeStore | None, started: tuple[Path, ...]) -> Workload:
    """The workload that a file starts from: a known one, or that of another file, as seen from it."""
    where = f"{path}: key '{_EXTENDS}'"
    if not user_files.looks_like_file(base):
        return load_workload(base, store, where)
    other = (path.parent / base).resolve()
    if other in started:
        raise BadInput(
            where, f"'{base}' extends this file", expected="files that do not start from each other"
        )
    return _from_file(other, store, started)


def _traits(
    start: Workload, own: list[str] | None, left_out: Any, path: Path, store: KnowledgeStore | None
) -> list[str] | None:
    """The inherited traits but those that are left out, then the file's own."""
    where = f"{path}: key '{_WITHOUT_TRAITS}'"
    if left_out is not None and (
        not isinstance(left_out, list) or not all(isinstance(trait, str) for trait in left_out)
    ):
        raise BadInput(where, "is not a list of names", expected="inherited traits that do not hold here")
    inherited = {_trait(trait, start.where, store): trait for trait in start.facts["traits"] or ()}
    for trait in left_out or ():
        if inherited.pop(_trait(trait, where, store), None) is None:
            raise BadInput(
                where, f"'{trait}' is not inherited", expected=listed(inherited), given=trait, known=inherited
            )
    return [*inherited.values(), *(own or ())] or None


def _trait(name: str, where: str, store: KnowledgeStore | None) -> str:
    """A trait as the knowledge base names it; without one, its name without the differences of spelling."""
    known = store is not None and store.names.knows(on("WorkloadTrait"))
    return store.names.find(on("WorkloadTrait"), name, where).name if store and known else folded(name)


def _laid_over(start: dict[str, Any], facts: dict[str, Any]) -> dict[str, Any]:
    """`start` with everything that `facts` states: a value takes the place of the inherited one."""
    merged = dict(start)
    for key, value in facts.items():
        merged[key] = (
            _laid_over(start[key], value)
            if isinstance(value, dict)
            else start[key]
            if value is None
            else value
        )
    return merged


def _with_whole_paths(facts: dict[str, Any], path: Path) -> dict[str, Any]:
    """The files of a user's own script are named from the workload's file; a plan must find them from
    anywhere.

    What the script requires is read here: a plan is made for it, and remembers what it was.
    """
    found: dict[str, Any] = {
        key: str(_whole(facts[key], key, path)) for key in ("script", "requirements") if facts.get(key)
    }
    if facts.get("requirements"):
        found["requires"] = [*read_requirements(Path(found["requirements"])), *(facts.get("requires") or [])]
    if facts.get("script") or facts.get("files"):
        found["folder"] = str((path.parent / (facts.get("folder") or "")).resolve())
        placed(Path(found["folder"]), facts.get("files") or (), f"{path}: key 'files'")
    return facts | found


def _whole(name: str, key: str, path: Path) -> Path:
    file = (path.parent / name).resolve()
    if not file.is_file():
        raise BadInput(
            f"{path}: key '{key}'",
            f"no file {file}",
            expected="a file, named from the folder of the workload's file",
        )
    return file
