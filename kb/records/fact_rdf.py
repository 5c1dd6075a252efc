"""Facts as RDF, and read back from it, by the table of their keys."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote, unquote

import pyoxigraph as ox

from kb.errors import BadInput
from kb.records.fact_values import Facts, Key, nothing, walk
from kb.records.names import Names
from kb.store.terms import PREFIXES, version_key

Values = Callable[[ox.NamedNode | ox.BlankNode, str], list[Any]]

_XSD = PREFIXES["xsd"]
_TRUTH = {"true": True, "1": True, "false": False, "0": False}
_WHOLE = re.compile(r"[-+]?[0-9]{1,400}")
_DECIMAL = re.compile(r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]{1,4})?")


class Emitter:
    """Turns facts into quads of one graph.

    Args:
        graph: the graph.
        names: what names are looked up in, or None.
        found: where the quads go.
        unknown: where the keys of what is null go.
    """

    def __init__(
        self, graph: ox.NamedNode, names: Names | None, found: list[ox.Quad], unknown: set[str]
    ) -> None:
        self._graph, self._names, self._found, self._unknown = graph, names, found, unknown

    def emit(self, key: Key, facts: Mapping[str, Any], node: ox.NamedNode) -> None:
        """State the facts below a key of `node`."""
        for name, member in key.members.items():
            value = facts.get(name)
            if value is None:
                self._unknown.update(below.path.removesuffix("[]") for below in (member, *walk(member)))
            elif member.members and not member.many:
                self.emit(member, value, node)
            else:
                self._list(name, member, value, node)

    def _list(self, name: str, member: Key, value: Any, node: ox.NamedNode) -> None:
        if member.count_property:
            self._found.append(ox.Quad(node, member.count_property, ox.Literal(len(value)), self._graph))
        elements = value if member.many else [value]
        if member.count_property and member.members and all(element == elements[0] for element in elements):
            elements = elements[:1]  # the count says how often
        for n, element in enumerate(elements):
            if member.members:
                child = ox.NamedNode(f"{node.value}/{name}/{n}")
                self._found.append(ox.Quad(node, member.property, child, self._graph))
                self.emit(member, element, child)
            else:
                self._found.append(ox.Quad(node, member.property, self._term(member, element), self._graph))
                if member.sort_property and (sort_key := version_key(str(element))):
                    self._found.append(ox.Quad(node, member.sort_property, ox.Literal(sort_key), self._graph))

    def _term(self, key: Key, value: Any) -> ox.NamedNode | ox.Literal:
        if not key.datatype:
            if self._names is not None and self._names.knows(key.names):
                return ox.NamedNode(self._names.find(key.names, value, key.path).iri)
            return ox.NamedNode(key.namespace + quote(value, safe=""))
        text = json.dumps(value) if isinstance(value, bool) else str(value)
        if isinstance(value, float) and "e" in text:
            text = f"{value:.18f}"  # a decimal of RDF has no exponent
        return ox.Literal(text, datatype=ox.NamedNode(_XSD + key.datatype))


def read_facts(key: Key, node: ox.NamedNode | ox.BlankNode, values: Values) -> Any:
    """The facts below a key that RDF states about a node; what it does not state is null."""
    facts: Facts = {}
    for name, member in key.members.items():
        if member.members and not member.many:
            facts[name] = read_facts(member, node, values)
            continue
        terms = values(node, member.property.value)
        if not member.many:
            facts[name] = _plain(member, terms[0]) if terms else None
        elif not member.members:
            known = terms or (member.count_property and values(node, member.count_property.value))
            facts[name] = sorted(_plain(member, term) for term in terms) if known else None
        else:
            elements = [read_facts(member, term, values) for term in sorted(terms, key=str)]
            counts = values(node, member.count_property.value) if member.count_property else []
            if counts and len(elements) <= 1:
                blank = {inner: nothing(below) for inner, below in member.members.items()}
                elements = [dict(*elements or [blank]) for _ in range(int(counts[0].value))]
            facts[name] = elements if elements or counts else None
    return facts


def _plain(key: Key, term: Any) -> Any:
    if key.namespace:
        return unquote(term.value.removeprefix(key.namespace))
    return _from_lexical(key, term.value) if key.datatype in ("integer", "decimal", "boolean") else term.value


def _from_lexical(key: Key, text: str) -> bool | int | float:
    """A truth value or a number in any of the forms that XML Schema gives it, such as `1`, ` 048` and `.5`.

    Raises BadInput for what is none.
    """
    collapsed = text.strip(" \t\r\n")
    if key.datatype == "boolean" and collapsed in _TRUTH:
        return _TRUTH[collapsed]
    if key.datatype != "boolean" and _WHOLE.fullmatch(collapsed):
        return int(collapsed)
    if (
        key.datatype == "decimal"
        and _DECIMAL.fullmatch(collapsed)
        and math.isfinite(number := float(collapsed))
    ):
        return number
    expected = "true or false" if key.datatype == "boolean" else f"a number, as xsd:{key.datatype} writes it"
    raise BadInput(f"key '{key.path}'", f"has the value {text!r:.60}", expected=expected)
