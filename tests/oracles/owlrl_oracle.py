"""owlrl as an oracle for the closure: what it derives, without what holds of everything and without blank
nodes.
"""

from __future__ import annotations

from typing import Any

import owlrl
import pyoxigraph as ox
import rdflib
from rdflib.namespace import OWL, RDF, RDFS

Statement = tuple[str, str, str]

_REFLEXIVE = {OWL.sameAs, RDFS.subClassOf, RDFS.subPropertyOf, OWL.equivalentClass, OWL.equivalentProperty}


def parse(turtle: str) -> rdflib.Graph:
    """The graph as it is stated."""
    return rdflib.Graph().parse(data=turtle, format="turtle")


def expand(graph: rdflib.Graph) -> rdflib.Graph:
    """Add everything that owlrl derives; returns the same graph."""
    owlrl.DeductiveClosure(owlrl.OWLRL_Semantics).expand(graph)
    return graph


def statements(graph: rdflib.Graph) -> set[Statement]:
    """The statements about named things that say something: no tautologies, no axioms about OWL itself, no
    literal subjects.
    """
    named = (
        (s, p, o) for s, p, o in graph if isinstance(s, rdflib.URIRef) and not isinstance(o, rdflib.BNode)
    )
    return {(_text(s), _text(p), _text(o)) for s, p, o in named if not _empty(s, p, o)}


def statements_of_store(store: ox.Store) -> set[Statement]:
    """The same of the union of a store's graphs."""
    graph = rdflib.Graph()
    triples: Any = store.query("CONSTRUCT { ?s ?p ?o } WHERE { ?s ?p ?o }", use_default_graph_as_union=True)
    graph.parse(data=triples.serialize(format=ox.RdfFormat.N_TRIPLES), format="nt")
    return statements(graph)


def _empty(s: Any, p: Any, o: Any) -> bool:
    return (
        (s == o and p in _REFLEXIVE)
        or o == OWL.Thing
        or s == OWL.Nothing
        or (p == RDF.type and o in (RDFS.Datatype, OWL.AnnotationProperty))
        or (s, p, o) == (OWL.Thing, RDF.type, OWL.Class)
        or str(s).startswith("http://www.w3.org/2001/XMLSchema#")
    )


def _text(term: Any) -> str:
    value = term.toPython() if isinstance(term, rdflib.Literal) else term
    return f'"{value}"' if isinstance(term, rdflib.Literal) else str(term)
