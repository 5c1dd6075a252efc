"""The rules by other engines: pyshifty, which finds the strata itself, and pySHACL, which is led through
them.
"""

from __future__ import annotations

from collections.abc import Iterable

import pyoxigraph as ox
import pyshacl
import rdflib
import shifty

from kb.store.terms import PREFIXES

SH = rdflib.Namespace(PREFIXES["sh"])


def by_shifty(data: Iterable[ox.Quad], shapes: Iterable[ox.Quad]) -> set[str]:
    """What pyshifty concludes: N-Triples lines that the data lacks. Unsupported features of a rule are an
    error.
    """
    given = ntriples(data)
    found = shifty.infer(given.encode(), ntriples(shapes).encode(), on_unsupported="error").graph_ntriples
    return _canonical(found) - _canonical(given)


def by_pyshacl(data: Iterable[ox.Quad], shapes: Iterable[ox.Quad]) -> set[str]:
    """What pySHACL concludes: N-Triples lines that the data lacks.

    pySHACL runs the rules of one shape to a fixpoint after those of another and knows no strata; so each
    stratum is run on its own, and where several shapes share it, until nothing is added.
    """
    graph = rdflib.Graph().parse(data=ntriples(data), format="nt")
    every_shape = rdflib.Graph().parse(data=ntriples(shapes), format="nt")
    before = set(graph)
    orders = {
        rule: float(order)
        for rule, order in every_shape.subject_objects(SH.order)
        if (None, SH.rule, rule) in every_shape
    }
    for stratum in sorted(set(orders.values())):
        some_shapes = rdflib.Graph()
        for triple in every_shape:
            if triple[1] != SH.rule or orders.get(triple[2]) == stratum:
                some_shapes.add(triple)
        alone = len(set(some_shapes.subjects(SH.rule))) == 1
        size = -1
        while size < 0 or (size != len(graph) and not alone):
            size = len(graph)
            pyshacl.shacl_rules(
                graph, shacl_graph=some_shapes, advanced=True, inplace=True, iterate_rules=True
            )
    return {" ".join(term.n3() for term in triple) + " ." for triple in graph if triple not in before}


def ntriples(quads: Iterable[ox.Quad]) -> str:
    """The union of the graphs as N-Triples."""
    return "\n".join(sorted({f"{quad.subject} {quad.predicate} {quad.object} ." for quad in quads}))


def _canonical(lines: str) -> set[str]:
    return {line.strip() for line in lines.splitlines() if line.strip()}
