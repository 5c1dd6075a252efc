"""A proof tree as PROV-O in Turtle, and as a drawing for Graphviz."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pyoxigraph as ox

from kb.store.terms import PREFIXES, RDF_TYPE

Proof = dict[str, Any]


def to_turtle(proof: Proof) -> str:
    """Each conclusion is a `prov:Entity`; what concluded it is the `prov:Activity` that generated it and used
    its premises.
    """
    triples = list(_provenance(proof, ox.BlankNode()))
    used = {name: PREFIXES[name] for name in ("prov", "rdfs", "dct")}
    written = ox.serialize(triples, format=ox.RdfFormat.TURTLE, prefixes=used)
    return written.decode() if written else ""


def to_dot(proof: Proof) -> str:
    """A directed graph from premises to conclusion, in Graphviz's language."""
    return "\n".join(
        [
            "digraph proof {",
            '  rankdir="BT"; node [shape=box, fontname="sans-serif"];',
            *_drawn(proof, "n"),
            "}",
            "",
        ]
    )


def _provenance(proof: Proof, entity: ox.BlankNode) -> Iterator[ox.Triple]:
    activity = ox.BlankNode()
    yield _triple(entity, RDF_TYPE, ox.NamedNode(PREFIXES["prov"] + "Entity"))
    yield _triple(entity, PREFIXES["rdfs"] + "label", ox.Literal(proof["conclusion"]))
    yield _triple(entity, PREFIXES["prov"] + "wasGeneratedBy", activity)
    yield _triple(activity, RDF_TYPE, ox.NamedNode(PREFIXES["prov"] + "Activity"))
    yield _triple(activity, PREFIXES["rdfs"] + "label", ox.Literal(_by(proof)))
    for source in proof["by"].get("sources", ()):
        yield _triple(
            activity,
            PREFIXES["dct"] + "source",
            ox.NamedNode(source) if ":" in source else ox.Literal(source),
        )
    for premise in proof["premises"]:
        used = ox.BlankNode()
        yield _triple(activity, PREFIXES["prov"] + "used", used)
        yield from _provenance(premise, used)


def _triple(
    subject: ox.BlankNode, predicate: str, value: ox.NamedNode | ox.BlankNode | ox.Literal
) -> ox.Triple:
    return ox.Triple(subject, ox.NamedNode(predicate), value)


def _drawn(proof: Proof, node: str) -> Iterator[str]:
    yield f"  {node} [label={json.dumps(proof['conclusion'] + chr(10) + _by(proof), ensure_ascii=False)}];"
    for i, premise in enumerate(proof["premises"]):
        yield f"  {node}_{i} -> {node};"
        yield from _drawn(premise, f"{node}_{i}")


def _by(proof: Proof) -> str:
    return f"by {proof['by']['kind']} {proof['by']['id']}"
