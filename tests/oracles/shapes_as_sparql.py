"""SHACL as plain SPARQL: each constraint of the shapes is one SELECT over the data, which any engine can run;
here the store and rdflib do.

The part of SHACL that the shipped shapes use (https://www.w3.org/TR/shacl/): targets by class, by node and by
the objects of a property; predicate, alternative and inverse paths; cardinality, value type, range, text,
list, pair, `sh:or`, `sh:not` (of a pattern) and SPARQL constraints. All else is an error.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import pyoxigraph as ox
import rdflib
from rdflib.plugins.sparql import prepareQuery

from kb.store.terms import PREFIXES, RDF_TYPE, local_name

Row = dict[str, Any]
Select = Callable[[str], list[Row]]
"""Runs a query; each row maps a variable to a term of the engine."""
Result = tuple[str, str, str, str, str, str]
"""Focus, path, shape, severity, value and component, as `reasoner.knowledge.shapes.Violation` words them."""

_SH = PREFIXES["sh"]
_DESCRIBING = {
    _SH + name
    for name in ("property", "sparql", "path", "message", "severity", "rule", "order", "name", "description")
}
_DESCRIBING |= {_SH + name for name in ("targetClass", "targetNode", "targetObjectsOf", "prefixes")}
_RANGES = {"minInclusive": ">=", "minExclusive": ">", "maxInclusive": "<=", "maxExclusive": "<"}


def in_store(store: ox.Store) -> Select:
    """The store as an engine, over the union of its graphs."""

    def select(query: str) -> list[Row]:
        solutions: Any = store.query(query, use_default_graph_as_union=True)
        names = [variable.value for variable in solutions.variables]
        return [
            {name: term for name, term in zip(names, row, strict=True) if term is not None}
            for row in solutions
        ]

    return select


def in_rdflib(graph: rdflib.Graph) -> Select:
    """rdflib as an engine."""
    return lambda query: [
        {str(name): term for name, term in row.asdict().items()} for row in graph.query(_prepared(query))
    ]


_prepared = cache(prepareQuery)  # parsing takes rdflib longer than answering


def focus_nodes(shapes: ox.Store, select: Select) -> set[str]:
    """Every node that a shape is about."""
    return set[str]().union(*focus_nodes_by_shape(shapes, select).values())


def focus_nodes_by_shape(shapes: ox.Store, select: Select) -> dict[str, set[str]]:
    """For every shape with a target, the nodes that it is about."""
    rows = {
        shape.value: select(f"SELECT DISTINCT ?this WHERE {{ {_focus(shapes, shape)} }}")
        for shape in _targeted(shapes)
    }
    return {shape: {_text(row["this"]) for row in found} for shape, found in rows.items()}


def results(shapes: ox.Store, select: Select) -> list[Result]:
    """Every result of validating the data behind `select`."""
    return sorted(set[Result]().union(*results_by_shape(shapes, select).values()))


def results_by_shape(shapes: ox.Store, select: Select) -> dict[str, set[Result]]:
    """For every shape with a target, its results."""
    return {
        shape.value: set(_of_shape(shapes, select, shape, _focus(shapes, shape)))
        for shape in _targeted(shapes)
    }


def _targeted(shapes: ox.Store) -> list[Any]:
    named = [_SH + name for name in ("targetClass", "targetNode", "targetObjectsOf")]
    return list(
        dict.fromkeys(
            quad.subject for iri in named for quad in shapes.quads_for_pattern(None, ox.NamedNode(iri), None)
        )
    )


def _focus(shapes: ox.Store, shape: Any) -> str:
    ways = [
        f"{{ ?this <{RDF_TYPE}>/<{PREFIXES['rdfs']}subClassOf>* {one} }}"
        for one in _values(shapes, shape, "targetClass")
    ]
    ways += [f"{{ ?any {one} ?this }}" for one in _values(shapes, shape, "targetObjectsOf")]
    ways += [f"{{ VALUES ?this {{ {one} }} }}" for one in _values(shapes, shape, "targetNode")]
    return f"{{ SELECT DISTINCT ?this WHERE {{ {' UNION '.join(ways)} }} }}"


def _of_shape(shapes: ox.Store, select: Select, shape: Any, focus: str) -> Iterator[Result]:
    """The results of a shape for the nodes that `focus` binds to `?this`."""
    severity = next((local_name(one.value) for one in _values(shapes, shape, "severity")), "Violation")
    name = shape.value if isinstance(shape, ox.NamedNode) else ""
    paths = _values(shapes, shape, "path")
    path = _path(shapes, paths[0]) if paths else ""
    said = paths[0].value if paths and isinstance(paths[0], ox.NamedNode) else ""
    for quad in shapes.quads_for_pattern(shape, None, None):
        constraint = local_name(quad.predicate.value)
        if quad.predicate.value in _DESCRIBING or not quad.predicate.value.startswith(_SH):
            continue
        if constraint == "flags":  # how the pattern beside it is read
            continue
        component = f"{constraint[0].upper()}{constraint[1:]}ConstraintComponent"
        if constraint == "or":
            members = _members(shapes, quad.object)
            failing = [{one[0] for one in _of_shape(shapes, select, member, focus)} for member in members]
            yield from ((node, said, name, severity, node, component) for node in set.intersection(*failing))
            continue
        flags = next(iter(_values(shapes, shape, "flags")), "")
        for row in select(_violating(shapes, constraint, quad.object, path, focus, flags)):
            yield _text(row["this"]), said, name, severity, _text(row.get("value")), component
    for inner in _values(shapes, shape, "property"):
        yield from _of_shape(shapes, select, inner, focus)
    for inner in _values(shapes, shape, "sparql"):
        [text] = _values(shapes, inner, "select")
        query = re.sub(r"\bWHERE\s*\{", rf"\g<0> {focus} ", text.value.replace("$this", "?this"), count=1)
        for row in select(query):
            yield (
                _text(row["this"]),
                _text(row.get("path")),
                name,
                severity,
                _text(row.get("value")),
                "SPARQLConstraintComponent",
            )


def _violating(shapes: ox.Store, constraint: str, wanted: Any, path: str, focus: str, flags: Any) -> str:
    """The query for the nodes, and their values, that a constraint does not allow."""
    if constraint == "minCount":
        assert wanted.value == "1"
        return f"SELECT ?this WHERE {{ {focus} FILTER NOT EXISTS {{ ?this {path} ?any }} }}"
    if constraint == "maxCount":
        return f"SELECT ?this WHERE {{ {focus} ?this {path} ?each }} GROUP BY ?this HAVING (COUNT(DISTINCT ?each) > {wanted.value})"
    if constraint == "hasValue":
        return f"SELECT ?this WHERE {{ {focus} FILTER NOT EXISTS {{ ?this {path} {wanted} }} }}"
    if constraint == "lessThanOrEquals":
        comparable = "((isNumeric(?value) && isNumeric(?other)) || DATATYPE(?value) = DATATYPE(?other))"  # rdflib compares anything
        fits = f"COALESCE({comparable} && ?value <= ?other, false)"
        return f"SELECT DISTINCT ?this ?value WHERE {{ {focus} ?this {path} ?value ; {wanted} ?other FILTER(!{fits}) }}"
    wrong = {
        "class": f"NOT EXISTS {{ ?value <{RDF_TYPE}>/<{PREFIXES['rdfs']}subClassOf>* {wanted} }}",
        "datatype": f"!isLiteral(?value) || DATATYPE(?value) != {wanted}",
        "nodeKind": "!isIRI(?value)" if wanted.value == _SH + "IRI" else "",
        "pattern": f"isBlank(?value) || !REGEX(STR(?value), {wanted}{', ' if flags else ''}{flags})",
        "minLength": f"isBlank(?value) || STRLEN(STR(?value)) < {wanted.value}",
        "not": f"!isBlank(?value) && REGEX(STR(?value), {_only(shapes, wanted, 'pattern')})"
        if constraint == "not"
        else "",
        "in": " && ".join(f"!sameTerm(?value, {one})" for one in _members(shapes, wanted))
        if constraint == "in"
        else "",
        **{
            name: f"!COALESCE(isNumeric(?value) && ?value {sign} {wanted}, false)"
            for name, sign in _RANGES.items()
        },
    }[constraint]
    assert wrong
    return f"SELECT DISTINCT ?this ?value WHERE {{ {focus} ?this {path} ?value FILTER({wrong}) }}"


def _only(shapes: ox.Store, shape: Any, name: str) -> Any:
    """The value of the one constraint that a shape consists of."""
    [quad] = shapes.quads_for_pattern(shape, None, None)
    assert quad.predicate.value == _SH + name
    return quad.object


def _path(shapes: ox.Store, path: Any) -> str:
    if isinstance(path, ox.NamedNode):
        return str(path)
    if inverse := _values(shapes, path, "inversePath"):
        return f"^{_path(shapes, inverse[0])}"
    [choices] = _values(shapes, path, "alternativePath")
    return f"({'|'.join(_path(shapes, one) for one in _members(shapes, choices))})"


def _members(shapes: ox.Store, cell: Any) -> list[Any]:
    found = []
    while not isinstance(cell, ox.NamedNode):
        found.append(
            next(shapes.quads_for_pattern(cell, ox.NamedNode(PREFIXES["rdf"] + "first"), None)).object
        )
        cell = next(shapes.quads_for_pattern(cell, ox.NamedNode(PREFIXES["rdf"] + "rest"), None)).object
    return found


def _values(shapes: ox.Store, subject: Any, name: str) -> list[Any]:
    return sorted(
        {quad.object for quad in shapes.quads_for_pattern(subject, ox.NamedNode(_SH + name), None)}, key=str
    )


def _text(term: Any) -> str:
    if term is None:
        return ""
    if isinstance(term, ox.BlankNode | rdflib.BNode):
        return "_:"
    return str(term.value) if isinstance(term, ox.NamedNode | ox.Literal) else str(term)
