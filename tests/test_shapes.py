"""SHACL validation: the same results from both engines, on hand-made data and on mutated slices of what is
shipped; misspelt terms.
"""

from __future__ import annotations

import itertools
import random
from pathlib import Path

import pyoxigraph as ox
import pytest

from kb.errors import BadInput, OntuneError
from kb.records.shapes import Engine, Violation, validate
from kb.store.sources import Source, shipped_sources
from kb.store.store import KnowledgeStore
from kb.store.terms import FILE, PREFIXES, RDF_TYPE
from reasoner.knowledge.compile import compile_sources
from reasoner.knowledge.shapes import unknown_shacl_terms, validate_store
from tests.oracles.shapes_as_sparql import (
    Result,
    focus_nodes,
    focus_nodes_by_shape,
    in_rdflib,
    in_store,
    results,
    results_by_shape,
)

SHAPES = """
@prefix sh: <http://www.w3.org/ns/shacl#> . @prefix : <http://example.org/> . @prefix xsd: <http://www.w3.org/2001/XMLSchema#> .
:prefixes sh:declare [ sh:prefix "ex" ; sh:namespace "http://example.org/"^^xsd:anyURI ] .
:Machine a sh:NodeShape ; sh:targetClass :Host ; sh:property :cores , :label ; sh:property [ sh:path ( :gpu :memory ) ; sh:datatype xsd:integer ] ;
    sh:sparql [ sh:prefixes :prefixes ; sh:message "more GPUs than cores" ;
        sh:select "SELECT $this ?value WHERE { $this ex:gpus ?value ; ex:cores ?cores . FILTER(?value > ?cores) }" ] .
:cores a sh:PropertyShape ; sh:path :cores ; sh:minCount 1 ; sh:maxCount 1 ; sh:message "one number of cores" .
:label a sh:PropertyShape ; sh:path :label ; sh:minCount 1 ; sh:severity sh:Warning ; sh:message "a label" .
"""
DATA = """
@prefix : <http://example.org/> .
:good a :Host ; :cores 8 ; :gpus 2 ; :label "good" ; :gpu [ :memory 80 ] .
:bad a :Host ; :cores 2 , 4 ; :gpus 3 ; :gpu [ :memory "eighty" ] .
"""


def store_of(turtle: str) -> ox.Store:
    store = ox.Store()
    store.load(turtle, format=ox.RdfFormat.TURTLE)
    return store


def told(violations: list[Violation]) -> list[tuple[str, ...]]:
    """Without the messages: where a shape has none, each engine words its own."""
    return [(one.focus, one.path, one.shape, one.severity, one.value, one.component) for one in violations]


@pytest.mark.parametrize("engine", ["shifty", "pyshacl"])
def test_both_engines_find_the_same_four_results(engine: Engine) -> None:
    found = validate(store_of(DATA), store_of(SHAPES), engine)
    host = "http://example.org/bad"
    assert [(one.focus, one.severity, one.component) for one in found] == [
        (host, "Violation", "DatatypeConstraintComponent"),
        (host, "Violation", "SPARQLConstraintComponent"),
        (host, "Violation", "MaxCountConstraintComponent"),
        (host, "Warning", "MinCountConstraintComponent"),
    ]
    assert [one.message for one in found[1:]] == ["more GPUs than cores", "one number of cores", "a label"]
    assert [one.value for one in found[:2]] == ["eighty", "3"]


def test_an_unknown_engine_is_refused() -> None:
    with pytest.raises(BadInput, match="did you mean 'pyshacl'"):
        validate(store_of(DATA), store_of(SHAPES), "pyshacle")  # type: ignore[arg-type]


@pytest.mark.parametrize("engine", ["shifty", "pyshacl"])
def test_a_shape_that_cannot_be_evaluated_is_an_error_and_not_silence(engine: Engine) -> None:
    broken = SHAPES.replace("FILTER(?value > ?cores)", "FILTER(?value >")
    with pytest.raises(OntuneError):
        validate(store_of(DATA), store_of(broken), engine)


def test_unknown_shacl_terms_are_found_by_file_and_line(tmp_path: Path) -> None:
    file = tmp_path / "shapes.ttl"
    file.write_text(SHAPES.replace("sh:minCount 1 ; sh:maxCount", "sh:minCount 1 ;\n sh:maxcount"))
    assert unknown_shacl_terms([file]) == [(file, 8, "sh:maxcount")]
    file.write_text(SHAPES)
    assert unknown_shacl_terms([file]) == []


def test_terms_of_shacl_1_2_are_unknown(tmp_path: Path) -> None:
    file = tmp_path / "shapes.ttl"
    file.write_text(SHAPES + ":x sh:property [ sh:path :p ; sh:subsetOf :q ] .")
    assert [term for _, _, term in unknown_shacl_terms([file])] == ["sh:subsetOf"]


def test_shipped_files_use_no_unknown_term() -> None:
    assert (
        unknown_shacl_terms([source.path for source in shipped_sources() if source.path.suffix == ".ttl"])
        == []
    )


SLICES = range(60)


@pytest.mark.slow
@pytest.mark.parametrize("seed", SLICES)
def test_engines_agree_on_mutated_slices(seed: int) -> None:
    store = mutated_slice(random.Random(seed))
    shapes = shapes_of(store.store)
    assert 0 < len(focus_nodes(shapes, in_store(store.store))) <= 300
    by_shifty = told(validate_store(store, "shifty"))
    assert by_shifty == told(validate_store(store, "pyshacl"))
    assert sorted(set(by_shifty)) == results(shapes, in_store(store.store))
    assert sorted(set(by_shifty)) == results(shapes, in_rdflib(store.to_rdflib()))


def test_the_mutations_break_shapes_of_many_kinds() -> None:
    broken = [validate_store(mutated_slice(random.Random(seed))) for seed in SLICES]
    assert sum(map(bool, broken)) >= 50
    assert len({violation.component for found in broken for violation in found}) >= 8


@pytest.mark.long
@pytest.mark.parametrize("faulty", [False, True])
def test_engines_agree_on_all_that_is_shipped(faulty: bool) -> None:
    """All data against all shapes in one run of each engine: as it is shipped, and with every shape broken
    that is about any node.
    """
    store, _ = compile_sources(shipped_sources())
    shapes = shapes_of(store.store)
    if faulty:
        break_every_shape(store)
    assert bool(agreed(store, shapes)) == faulty


@pytest.mark.slow
def test_engines_agree_on_a_fault_in_every_shape() -> None:
    """Every shape that is about any node is broken; of the data there is what stands around the faults, for
    rdflib answers slowly.
    """
    store, _ = compile_sources(shipped_sources())
    shapes = shapes_of(store.store)
    break_every_shape(store)
    part = around_the_faults(store)
    assert len(part.store) < len(store.store) / 3
    broken, about = (ask(shapes, in_store(part.store)) for ask in (results_by_shape, focus_nodes_by_shape))
    whole = focus_nodes_by_shape(shapes, in_store(store.store))
    assert {shape for shape in whole if whole[shape] and not (about[shape] and broken[shape])} == set()
    assert len(agreed(part, shapes)) > 400


def agreed(store: KnowledgeStore, shapes: ox.Store) -> list[tuple[str, ...]]:
    """What both engines find, and what the shapes as SPARQL find in the store and in rdflib."""
    by_shifty = told(validate_store(store, "shifty"))
    assert by_shifty == told(validate_store(store, "pyshacl"))
    assert sorted(set(by_shifty)) == results(shapes, in_store(store.store))
    assert sorted(set(by_shifty)) == results(shapes, in_rdflib(store.to_rdflib()))
    return by_shifty


def around_the_faults(store: KnowledgeStore) -> KnowledgeStore:
    """The shapes, the classes, and all that is said of the nodes that `break_every_shape` has spoken of, of
    what that names, and that names them.
    """
    faults = {quad.subject for quad in store.store.quads_for_pattern(None, None, None, ox.NamedNode(FAULTS))}
    named = {quad.object for node in faults for quad in store.store.quads_for_pattern(node, None, None, None)}
    wider = ox.NamedNode(PREFIXES["rdfs"] + "subClassOf")
    part = KnowledgeStore()
    part.add(
        quad
        for quad in store.store
        if quad.subject in faults
        or quad.subject in named
        or quad.object in faults
        or quad.predicate == wider
        or quad.graph_name.value.startswith(FILE + "rules/shapes/")
    )
    return part


def test_the_faults_in_all_that_is_shipped_break_every_shape() -> None:
    store, _ = compile_sources(shipped_sources())
    shapes = shapes_of(store.store)
    assert told(validate_store(store)) == results(shapes, in_store(store.store)) == []
    assert len(focus_nodes(shapes, in_store(store.store))) > 1000
    break_every_shape(store)
    broken = results_by_shape(shapes, in_store(store.store))
    about = focus_nodes_by_shape(shapes, in_store(store.store))
    assert {shape for shape in about if about[shape] and not broken[shape]} == set()
    assert len(set[Result]().union(*broken.values())) > 400
    assert sorted(set(told(validate_store(store)))) == results(shapes, in_store(store.store))


def shapes_of(store: ox.Store) -> ox.Store:
    """The shipped shapes among a knowledge base's sources."""
    shapes = ox.Store()
    shapes.extend(
        ox.Quad(*quad.triple)
        for quad in store
        if str(quad.graph_name.value).startswith(FILE + "rules/shapes/")
    )
    return shapes


FAULTS = FILE + "faults"
OTHER_FAULTS = """
@prefix on: <https://w3id.org/ontune#> . @prefix : <http://example.org/> .
<urn:ontune:request> on:target :target .
:capability a on:Capability .
:site on:storageArea :area . :target on:gpu :gpu . :gpu on:model "one" , "other" .
:image a on:PublishedImage ; on:imageReference "image:latest" .
:effect a on:Effect ; on:option :option ; on:given :option . :option on:optionOf :decision .
"""


def break_every_shape(store: KnowledgeStore) -> None:
    """Say of three nodes of every shape all that is said of the next, and the same again of a text; and what
    breaks those shapes that bear that.
    """
    graph = ox.NamedNode(FAULTS)
    faults = set()
    for nodes in focus_nodes_by_shape(shapes_of(store.store), in_store(store.store)).values():
        named = [ox.NamedNode(node) for node in sorted(nodes - {"_:"})]
        for node, other in itertools.pairwise(named[:4]):
            said = [
                quad for one in (node, other) for quad in store.store.quads_for_pattern(one, None, None, None)
            ]
            faults |= {
                ox.Quad(node, quad.predicate, value, graph)
                for quad in said
                for value in (quad.object, ox.Literal("another"))
            }
    store.add(faults)
    store.store.bulk_load(OTHER_FAULTS.encode(), format=ox.RdfFormat.TURTLE, to_graph=graph)


def mutated_slice(chance: random.Random) -> KnowledgeStore:
    """The core ontology, all shapes, and one file of facts, targets or rules, in which some triples are lost,
    doubled or changed.
    """
    sources = [source for source in shipped_sources() if source.path.suffix == ".ttl"]
    kept = [
        source
        for source in sources
        if source.name.startswith(("ontology/core", "rules/shapes/", "rules/prefixes"))
    ]
    small = [
        source
        for source in sources
        if source not in kept
        and source.path.stat().st_size < 40_000
        and not source.name.startswith("ontology/")
    ]
    store = KnowledgeStore()
    for source in kept:
        store.load_source(source)
    chosen: Source = chance.choice(small)
    store.load_source(chosen)
    quads = sorted(store.store.quads_for_pattern(None, None, None, ox.NamedNode(chosen.graph)), key=str)
    for quad in chance.sample(quads, min(6, len(quads))):
        change = chance.choice(["lose", "double", "text", "class"])
        if change == "lose":
            store.remove([quad])
        elif change == "double":
            store.add([ox.Quad(quad.subject, quad.predicate, ox.Literal("another"), quad.graph_name)])
        elif change == "text":
            store.remove([quad])
            store.add([ox.Quad(quad.subject, quad.predicate, ox.Literal("wrong"), quad.graph_name)])
        else:
            kind = ox.NamedNode(
                PREFIXES["on"] + chance.choice(["Target", "ConflictRule", "Effect", "Option"])
            )
            store.add([ox.Quad(quad.subject, ox.NamedNode(RDF_TYPE), kind, quad.graph_name)])
    return store
