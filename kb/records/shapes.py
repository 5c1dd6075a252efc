"""SHACL: data against shapes, by pyshifty (fast) or pySHACL (the reference), with one form of result."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal

import pyoxigraph as ox

from kb.errors import BadInput, OntuneError
from kb.store import paths
from kb.store.files import read_text, turtle_of
from kb.store.terms import FILE, PREFIXES, local_name

Engine = Literal["shifty", "pyshacl"]
ENGINES: Final[tuple[Engine, ...]] = ("shifty", "pyshacl")

_ALL: Final = "CONSTRUCT { ?s ?p ?o } WHERE { ?s ?p ?o }"
_RESULTS: Final = """
SELECT ?focus ?path ?value ?message ?shape ?severity ?component WHERE {
  ?report sh:result ?result .
  ?result sh:focusNode ?focus ; sh:sourceShape ?shape ; sh:resultSeverity ?severity ;
    sh:sourceConstraintComponent ?component .
  OPTIONAL { ?result sh:resultPath ?path }
  OPTIONAL { ?result sh:value ?value }
  OPTIONAL { ?result sh:resultMessage ?message }
}"""


@dataclass(frozen=True, order=True)
class Violation:
    """One result of a validation.

    Attributes:
        focus: the node that breaks the shape.
        path: the property whose values break it; empty for the node itself or where the path is not one
            property.
        message: the shape's message.
        shape: IRI of the shape; empty for a nameless property shape.
        severity: `Violation`, `Warning` or `Info`.
        value: the value at fault, or empty.
        component: the kind of constraint, such as `MinCountConstraintComponent`.
    """

    focus: str
    path: str
    message: str
    shape: str
    severity: str
    value: str
    component: str


def refuse_unknown(engine: str) -> None:
    """Raise BadInput where there is no engine of that name."""
    if engine not in ENGINES:
        raise BadInput(
            "engine",
            f"unknown SHACL engine '{engine}'",
            expected=" or ".join(ENGINES),
            given=engine,
            known=ENGINES,
        )


def validate(data: ox.Store, shapes: ox.Store, engine: Engine = "shifty") -> list[Violation]:
    """Validate the union of the data's graphs against the union of the shapes' graphs; rules in the shapes
    are not run.

    Raises:
        BadInput: the engine is unknown.
        OntuneError: the engine cannot evaluate a shape.
    """
    refuse_unknown(engine)
    run = _by_shifty if engine == "shifty" else _by_pyshacl
    return _results(run(_ntriples(data), _ntriples(shapes)))


def violations(turtle: str, *names: str) -> list[Violation]:
    """All violations of shipped shapes by a piece of Turtle that somebody gives, in a stable order.

    Args:
        turtle: the data.
        names: files of `rules/shapes/`, such as `target-shapes.ttl`.
    """
    found: set[Violation] = set()
    for name in names:
        shapes = turtle_of(
            read_text(paths.shipped("rules") / "shapes" / name), name, f"{FILE}rules/shapes/{name}"
        )
        found.update(validate(turtle_of(turtle, "data", "urn:ontune:data"), shapes))
    return sorted(found)


def _ntriples(store: ox.Store) -> bytes:
    triples: Any = store.query(_ALL, use_default_graph_as_union=True)
    text: bytes = triples.serialize(format=ox.RdfFormat.N_TRIPLES)
    return text


def _by_shifty(data: bytes, shapes: bytes) -> bytes:
    # the public wrapper answers with an rdflib graph, which costs more than the validation
    from shifty._shifty import PreparedValidator

    try:
        validator = PreparedValidator(shapes=shapes, shapes_format="ntriples")
        result = validator.validate_w3c(
            data=data, data_format="ntriples", graph_mode="data", run_infer=False, on_unsupported="error"
        )
    except (ValueError, RuntimeError) as error:
        raise OntuneError(f"pyshifty cannot evaluate the shapes: {error}") from error
    return result.report_turtle.encode()


def _by_pyshacl(data: bytes, shapes: bytes) -> bytes:
    import pyshacl
    import rdflib

    graphs = [rdflib.Graph().parse(data=text, format="nt") for text in (data, shapes)]
    try:
        _, report, _ = pyshacl.validate(graphs[0], shacl_graph=graphs[1], advanced=False, inference="none")
    except Exception as error:  # pySHACL's errors share no base class that it exports
        raise OntuneError(f"pySHACL cannot evaluate the shapes: {error}") from error
    return str(report.serialize(format="turtle")).encode()


def _results(report: bytes) -> list[Violation]:
    store = ox.Store()
    store.bulk_load(report, format=ox.RdfFormat.TURTLE)
    found = set()
    solutions: Any = store.query(_RESULTS, prefixes=PREFIXES)
    for row in solutions:
        focus, value, message = (_text(row[name]) for name in ("focus", "value", "message"))
        path, shape, severity, component = (
            _iri(row[name]) for name in ("path", "shape", "severity", "component")
        )
        found.add(Violation(focus, path, message, shape, local_name(severity), value, local_name(component)))
    return sorted(found)


def _text(term: Any) -> str:
    return "" if term is None else "_:" if isinstance(term, ox.BlankNode) else str(term.value)


def _iri(term: Any) -> str:
    return term.value if isinstance(term, ox.NamedNode) else ""
