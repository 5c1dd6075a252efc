"""Facts as JSON and as RDF, by one table: the properties of an ontology module that carry `on:factKey`.

A key is a path: `a.b` is a member, `a[]` each value of a list, `a[].b` a member of each object of a list. A
fact that is null is unknown, and is stated so in RDF (`on:unknownFact`), because what is not known is not
false.
"""

from __future__ import annotations

import functools
import itertools
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import pyoxigraph as ox

from kb.errors import BadInput
from kb.records.fact_rdf import Emitter, Values, read_facts
from kb.records.fact_values import (
    Facts,
    Key,
    completed_element,
    completed_value,
    nothing,
    refuse_credentials,
    typed_value,
    walk,
)
from kb.records.names import Names
from kb.store import paths
from kb.store.terms import PREFIXES, local_name, on

_XSD = PREFIXES["xsd"]
_RANGE = PREFIXES["rdfs"] + "range"
_IMPORTS = PREFIXES["owl"] + "imports"
_MEANING = PREFIXES["skos"] + "definition"
_OF_VALUES = {_RANGE, _MEANING, on("namedBy"), on("spelledAs")}


class FactKeys:
    """The table of one kind of facts."""

    def __init__(self, root: Key) -> None:
        self.root = root

    def all_paths(self) -> list[str]:
        """Every path that holds a value."""
        return [key.path for key in walk(self.root) if not key.members or key.many]

    def key_of(self, property_iri: str, *, in_list: bool = False) -> str:
        """The path that a property holds, for the resource itself or for the objects of a list; empty where
        it holds none.
        """
        for key in walk(self.root):
            counted = key.count_property is not None and key.count_property.value == property_iri
            if (key.property.value == property_iri or counted) and ("[]." in key.path) == in_list:
                return key.path.removesuffix("[]")
        return ""

    def quads(
        self,
        facts: Facts,
        node: ox.NamedNode,
        graph: ox.NamedNode,
        *,
        state_unknown: bool = True,
        names: Names | None = None,
    ) -> list[ox.Quad]:
        """The facts as quads about `node`; objects of a list become nodes below it (`<node>/gpus/0`).

        Args:
            facts: complete facts.
            node: what they are about.
            graph: the graph of the quads.
            state_unknown: whether to state the keys of what is null.
            names: what the names of resources are looked up in; without it their IRIs follow from the keys'
                namespaces.
        """
        found: list[ox.Quad] = []
        unknown: set[str] = set()
        Emitter(graph, names, found, unknown).emit(self.root, facts, node)
        if not state_unknown:
            return found
        predicate = ox.NamedNode(on("unknownFact"))
        found += [ox.Quad(node, predicate, ox.Literal(path), graph) for path in sorted(unknown)]
        return found

    def read(self, node: ox.NamedNode | ox.BlankNode, values: Values) -> Facts:
        """The facts that RDF states about `node`; what it does not state is null.

        Args:
            node: the resource.
            values: gives the objects of a resource's property.
        """
        facts: Facts = read_facts(self.root, node, values)
        return facts

    def unknown(self, facts: Facts) -> list[str]:
        """The paths of all facts that are null, with the places in lists: `gpus[0].driver`."""
        return list(_unknown(self.root, facts, ""))

    def local_files(self, facts: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        """The files that the facts name, each with its key, such as `packages.wheel_folders`.

        Facts of the wrong form name none.
        """
        for key in walk(self.root):
            if not key.local_file:
                continue
            path = key.path.removesuffix("[]")
            value: Any = facts
            for step in path.split("."):
                value = value.get(step) if isinstance(value, Mapping) else None
            for one in value if isinstance(value, list | tuple) else [value]:
                if isinstance(one, str) and one:
                    yield path, one

    def named(self, facts: Facts, names: Names, where: str) -> Facts:
        """The facts with each name as the knowledge base has it, so that all spellings of a thing are one
        fact.

        Args:
            facts: complete facts.
            names: what is known.
            where: file or option, for the error.

        Raises:
            BadInput: a name is unknown or ambiguous; the message names `where` and the key.
        """
        found: Facts = _named(self.root, facts, names, where, "")
        return found

    def named_at(self, path: str, value: Any, names: Names) -> Any:
        """As `named`, for the value of one key, such as `gpus[0].vendor`; a key that is unknown is left
        alone.
        """
        key = self.root
        for name in re.sub(r"\[\d*\]", "", path).split("."):
            if name not in key.members:
                return value
            key = key.members[name]
        return _named(key, value, names, "", path)

    def empty(self) -> Facts:
        """Facts of which nothing is known."""
        return {name: nothing(key) for name, key in self.root.members.items()}

    def completed(self, facts: Facts, where: str) -> Facts:
        """The given facts, checked, with null for every key that is absent.

        Raises:
            BadInput: a key is unknown or a value has the wrong type; the message names `where` and the key.
        """
        complete: Facts = completed_value(self.root, facts, where)
        refuse_credentials(complete, where)
        return complete

    def assign(self, facts: Facts, path: str, value: Any) -> Facts:
        """A copy of the facts with one value replaced.

        Args:
            facts: complete facts.
            path: such as `cpu.usable_cores`, `gpus[0].driver` or `gpus`.
            value: a value of the key's type, or a text that is read as one.

        Raises:
            BadInput: the key is unknown, the place is not in the list, or the value has the wrong type.
        """
        refuse_credentials({path: value}, path)
        copy: Facts = json.loads(json.dumps(facts))
        steps = re.findall(r"([^.\[\]]+)(?:\[(\d+)\])?(?:\.|$)", path)
        key, holder = self.root, copy
        for n, (name, place) in enumerate(steps):
            if name not in key.members or (place and not key.members[name].many):
                raise self._no_such_key(path)
            key = key.members[name]
            if n == len(steps) - 1 and not place:
                holder[name] = typed_value(key, value, path)
                return copy
            if holder.get(name) is None and not key.many:
                holder[name] = nothing(key)
            inner = holder[name]
            if key.many:
                if not place or not inner or int(place) >= len(inner):
                    raise BadInput(
                        path,
                        f"there is no such place in {name}",
                        expected=f"an index below {len(inner or [])}, as in {name}[0]",
                    )
                if n == len(steps) - 1:
                    inner[int(place)] = completed_element(key, value, path)
                    return copy
                inner = inner[int(place)]
            holder = inner
        raise self._no_such_key(path)

    def _no_such_key(self, path: str) -> BadInput:
        known = [known.replace("[].", "[0].").removesuffix("[]") for known in self.all_paths()]
        given = next(
            (key for key in known if key.rpartition(".")[2] == path), re.sub(r"\[\d*\]", "[0]", path)
        )
        return BadInput(path, "no such fact", expected="a key of `ontune probe`", given=given, known=known)


@functools.cache
def fact_keys(module: str) -> FactKeys:
    """The table that `ontology/<module>.ttl` declares; what the values of a key are is stated there too, or
    all of it in modules that it imports.
    """
    root = Key("")
    here = _statements(module)
    for subject, facts in here.items():
        for path in facts.get(on("factKey"), ()):
            anywhere = facts if _RANGE in facts else _imported(module).get(subject, {}) | facts
            key = _place(root, path.value)
            key.property = ox.NamedNode(subject)
            value_range = anywhere[_RANGE][0].value if _RANGE in anywhere else f"{_XSD}string"
            key.namespace = facts[on("factNamespace")][0].value if on("factNamespace") in facts else ""
            key.datatype = (
                local_name(value_range) if value_range.startswith(_XSD) and not key.namespace else ""
            )
            key.names = (
                anywhere[on("namedBy")][0].value
                if on("namedBy") in anywhere
                else ""
                if key.datatype
                else value_range
            )
            key.spelling = anywhere[on("spelledAs")][0].value if on("spelledAs") in anywhere else ""
            key.local_file = on("namesLocalFile") in facts
            key.meaning = str(anywhere[_MEANING][0].value) if _MEANING in anywhere else ""
            key.sort_property = facts[on("sortedBy")][0] if on("sortedBy") in facts else None
        for path in facts.get(on("countOf"), ()):
            _place(root, path.value).count_property = ox.NamedNode(subject)
    for key in walk(root):
        if key.members:
            key.names = ""  # its objects are described, not named
    return FactKeys(root)


@functools.cache
def _imported(module: str) -> dict[str, dict[str, list[Any]]]:
    """What the modules that a module imports state of what its keys' values are."""
    imports = itertools.chain.from_iterable(facts.get(_IMPORTS, ()) for facts in _statements(module).values())
    found: dict[str, dict[str, list[Any]]] = {}
    for imported in imports:
        for subject, facts in _statements(local_name(imported.value)).items():
            for predicate in _OF_VALUES & facts.keys():
                found.setdefault(subject, {}).setdefault(predicate, []).extend(facts[predicate])
    return found


@functools.cache
def _statements(module: str) -> dict[str, dict[str, list[Any]]]:
    """What a module of the ontology states, by subject and predicate."""
    found: dict[str, dict[str, list[Any]]] = {}
    for quad in ox.parse(path=str(paths.shipped("ontology") / f"{module}.ttl"), format=ox.RdfFormat.TURTLE):
        if isinstance(quad.subject, ox.NamedNode):
            found.setdefault(quad.subject.value, {}).setdefault(quad.predicate.value, []).append(quad.object)
    return found


def stated(facts: Facts) -> Facts:
    """The facts without those that are null, and without objects of which nothing is left."""
    kept = {key: _stated_within(value) for key, value in facts.items()}
    return {key: value for key, value in kept.items() if value not in (None, {})}


def _stated_within(value: Any) -> Any:
    """A fact's value of which the objects, or those in its list, hold only what is stated."""
    if isinstance(value, dict):
        return stated(value)
    if isinstance(value, list):
        return [stated(item) if isinstance(item, dict) else item for item in value]
    return value


def _place(root: Key, path: str) -> Key:
    key, walked = root, ""
    for step in path.split("."):
        walked = f"{walked}.{step}" if walked else step
        key = key.members.setdefault(step.removesuffix("[]"), Key(walked, many=step.endswith("[]")))
    return key


def _named(key: Key, value: Any, names: Names, where: str, path: str) -> Any:
    if value is None or not key.holds_names:
        return value
    if key.many and isinstance(value, list):
        elements = [
            _named(key.of_one, element, names, where, f"{path}[{n}]") for n, element in enumerate(value)
        ]
        # A set has no order and holds nothing twice.
        return sorted(set(elements)) if key.names or key.spelling else elements
    if key.members and isinstance(value, dict):
        below = {name: f"{path}.{name}" if path else name for name in value}
        return {
            name: _named(key.members[name], value[name], names, where, below[name])
            if name in key.members
            else value[name]
            for name in value
        }
    if key.names and isinstance(value, str) and names.knows(key.names):
        place = re.sub(r"\[\d+\]$", "", path)
        return names.find(key.names, value, f"{where}: key '{place}'" if where else path).name
    return names.spelt(key.spelling, value) if key.spelling and isinstance(value, str) else value


def _unknown(key: Key, facts: Mapping[str, Any], prefix: str) -> Iterator[str]:
    for name, member in key.members.items():
        value = facts.get(name)
        if value is None:
            yield prefix + name
        elif member.members and not member.many:
            yield from _unknown(member, value, f"{prefix}{name}.")
        elif member.members:
            for n, element in enumerate(value):
                yield from _unknown(member, element, f"{prefix}{name}[{n}].")
