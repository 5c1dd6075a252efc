"""The OWL 2 RL closure: rule by rule and on a real ontology against owlrl; inconsistencies with their
premises.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pyoxigraph as ox
import pytest

from benchmarks.university import university
from kb.errors import OntuneError
from reasoner.knowledge.closure import ClosureReport, close, closure_rules
from tests.oracles import owlrl_oracle

GRAPH = ox.NamedNode("http://example.org/inferred")
PROLOGUE = """
@prefix : <http://example.org/> .
@prefix owl: <http://www.w3.org/2002/07/owl#> .
@prefix rdf: <http://www.w3.org/1999/02/22-rdf-syntax-ns#> .
@prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> .
@prefix xsd: <http://www.w3.org/2001/XMLSchema#> .
"""

# rule, premises, one conclusion that needs the rule
PROBES = [
    ("scm-sco", ":A rdfs:subClassOf :B . :B rdfs:subClassOf :C . :C rdfs:subClassOf :D .", ":A rdfs:subClassOf :D"),
    ("scm-eqc1", ":A owl:equivalentClass :B .", ":B rdfs:subClassOf :A"),
    ("scm-eqc2", ":A rdfs:subClassOf :B . :B rdfs:subClassOf :A .", ":A owl:equivalentClass :B"),
    ("scm-spo", ":p rdfs:subPropertyOf :q . :q rdfs:subPropertyOf :r .", ":p rdfs:subPropertyOf :r"),
    ("scm-eqp1", ":p owl:equivalentProperty :q .", ":q rdfs:subPropertyOf :p"),
    ("scm-eqp2", ":p rdfs:subPropertyOf :q . :q rdfs:subPropertyOf :p .", ":q owl:equivalentProperty :p"),
    ("scm-dom1", ":p rdfs:domain :A . :A rdfs:subClassOf :B .", ":p rdfs:domain :B"),
    ("scm-dom2", ":q rdfs:domain :A . :p rdfs:subPropertyOf :q .", ":p rdfs:domain :A"),
    ("scm-rng1", ":p rdfs:range :A . :A rdfs:subClassOf :B .", ":p rdfs:range :B"),
    ("scm-rng2", ":q rdfs:range :A . :p rdfs:subPropertyOf :q .", ":p rdfs:range :A"),
    ("scm-hv", ":A owl:hasValue :v ; owl:onProperty :p . :p rdfs:subPropertyOf :q . :B owl:hasValue :v ; owl:onProperty :q .",
     ":A rdfs:subClassOf :B"),
    ("scm-svf1", ":A owl:someValuesFrom :C ; owl:onProperty :p . :B owl:someValuesFrom :D ; owl:onProperty :p . :C rdfs:subClassOf :D .",
     ":A rdfs:subClassOf :B"),
    ("scm-svf2", ":A owl:someValuesFrom :C ; owl:onProperty :p . :B owl:someValuesFrom :C ; owl:onProperty :q . :p rdfs:subPropertyOf :q .",
     ":A rdfs:subClassOf :B"),
    ("scm-avf1", ":A owl:allValuesFrom :C ; owl:onProperty :p . :B owl:allValuesFrom :D ; owl:onProperty :p . :C rdfs:subClassOf :D .",
     ":A rdfs:subClassOf :B"),
    ("scm-avf2", ":A owl:allValuesFrom :C ; owl:onProperty :p . :B owl:allValuesFrom :C ; owl:onProperty :q . :p rdfs:subPropertyOf :q .",
     ":B rdfs:subClassOf :A"),
    ("scm-int", ":A owl:intersectionOf ( :B :C ) .", ":A rdfs:subClassOf :C"),
    ("scm-uni", ":A owl:unionOf ( :B :C ) .", ":C rdfs:subClassOf :A"),
    ("prp-dom", ":p rdfs:domain :A . :x :p :y .", ":x a :A"),
    ("prp-rng", ":p rdfs:range :A . :x :p :y .", ":y a :A"),
    ("prp-fp", ":p a owl:FunctionalProperty . :x :p :y , :z .", ":y owl:sameAs :z"),
    ("prp-ifp", ":p a owl:InverseFunctionalProperty . :x :p :z . :y :p :z .", ":x owl:sameAs :y"),
    ("prp-symp", ":p a owl:SymmetricProperty . :x :p :y .", ":y :p :x"),
    ("prp-trp", ":p a owl:TransitiveProperty . :a :p :b . :b :p :c . :c :p :d . :d :p :e .", ":a :p :e"),
    ("prp-spo1", ":p rdfs:subPropertyOf :q . :x :p :y .", ":x :q :y"),
    ("prp-spo2", ":p owl:propertyChainAxiom ( :q :r ) . :x :q :y . :y :r :z .", ":x :p :z"),
    ("prp-spo2", ":p owl:propertyChainAxiom ( :q :r :q :s ) . :a :q :b . :b :r :c . :c :q :d . :d :s :e .", ":a :p :e"),
    ("prp-eqp1", ":p owl:equivalentProperty :q . :x :p :y .", ":x :q :y"),
    ("prp-eqp2", ":p owl:equivalentProperty :q . :x :q :y .", ":x :p :y"),
    ("prp-inv1", ":p owl:inverseOf :q . :x :p :y .", ":y :q :x"),
    ("prp-inv2", ":p owl:inverseOf :q . :x :q :y .", ":y :p :x"),
    ("prp-key", ":A owl:hasKey ( :p :q ) . :x a :A ; :p 1 ; :q 2 . :y a :A ; :p 1 ; :q 2 .", ":x owl:sameAs :y"),
    ("cls-int1", ":A owl:intersectionOf ( :B :C ) . :x a :B , :C .", ":x a :A"),
    ("cls-int1", ":A owl:intersectionOf ( :B :C :D :E ) . :x a :B , :C , :D , :E . :y a :B , :C , :D .", ":x a :A"),
    ("cls-int2", ":A owl:intersectionOf ( :B :C ) . :x a :A .", ":x a :C"),
    ("cls-uni", ":A owl:unionOf ( :B :C ) . :x a :C .", ":x a :A"),
    ("cls-svf1", ":A owl:someValuesFrom :B ; owl:onProperty :p . :x :p :y . :y a :B .", ":x a :A"),
    ("cls-svf2", ":A owl:someValuesFrom owl:Thing ; owl:onProperty :p . :x :p :y .", ":x a :A"),
    ("cls-avf", ":A owl:allValuesFrom :B ; owl:onProperty :p . :x a :A ; :p :y .", ":y a :B"),
    ("cls-hv1", ":A owl:hasValue :v ; owl:onProperty :p . :x a :A .", ":x :p :v"),
    ("cls-hv2", ":A owl:hasValue :v ; owl:onProperty :p . :x :p :v .", ":x a :A"),
    ("cls-maxc2", ":A owl:maxCardinality 1 ; owl:onProperty :p . :x a :A ; :p :y , :z .", ":y owl:sameAs :z"),
    ("cls-maxqc3", ":A owl:maxQualifiedCardinality 1 ; owl:onProperty :p ; owl:onClass :B . :x a :A ; :p :y , :z , :w . :y a :B . :z a :B .",
     ":y owl:sameAs :z"),
    ("cls-maxqc4", ":A owl:maxQualifiedCardinality 1 ; owl:onProperty :p ; owl:onClass owl:Thing . :x a :A ; :p :y , :z .", ":y owl:sameAs :z"),
    ("cls-oo", ":A owl:oneOf ( :x :y ) .", ":y a :A"),
    ("cax-sco", ":A rdfs:subClassOf :B . :x a :A .", ":x a :B"),
    ("cax-eqc1", ":A owl:equivalentClass :B . :x a :A .", ":x a :B"),
    ("eq-sym", ":x owl:sameAs :y .", ":y owl:sameAs :x"),
    ("eq-trans", ":x owl:sameAs :y . :y owl:sameAs :z .", ":x owl:sameAs :z"),
    ("eq-rep-s", ":x owl:sameAs :y . :x :p :z ; a :A .", ":y :p :z"),
    ("eq-rep-p", ":p owl:sameAs :q . :x :p :z .", ":x :q :z"),
    ("eq-rep-o", ":x owl:sameAs :y . :z :p :x .", ":z :p :y"),
    # rules that wake one another, and assertions that conclude axioms
    ("prp-trp", ":p rdfs:subPropertyOf :q . :q a owl:TransitiveProperty ; owl:inverseOf :r . :a :p :b . :b :p :c .", ":c :r :a"),
    ("cls-svf1", ":A owl:someValuesFrom :B ; owl:onProperty :p . :A rdfs:subClassOf :B . :a :p :b . :b :p :c . :c a :B .", ":a a :A"),
    ("cls-hv1", ":A owl:hasValue :v ; owl:onProperty :p . :p rdfs:domain :C . :B rdfs:subClassOf :A . :x a :B .", ":x a :C"),
    ("prp-trp", ":p a :Closing . :Closing rdfs:subClassOf owl:TransitiveProperty . :a :p :b . :b :p :c .", ":a :p :c"),
    ("cax-sco", ":isA rdfs:subPropertyOf rdfs:subClassOf . :A :isA :B . :x a :A .", ":x a :B"),
    ("cax-sco", ":kind rdfs:subPropertyOf rdf:type . :A rdfs:subClassOf :B . :x :kind :A .", ":x a :B"),
    ("eq-rep-s", ":alias rdfs:subPropertyOf owl:sameAs . :x :alias :y ; :p :z .", ":y :p :z"),
]  # fmt: skip

CONTRADICTIONS = [
    ("eq-diff1", ":x owl:sameAs :y ; owl:differentFrom :y .", ":x owl:sameAs :z ; owl:differentFrom :y ."),
    ("eq-diff2", "[] a owl:AllDifferent ; owl:members ( :x :y :z ) . :y owl:sameAs :z .", "[] a owl:AllDifferent ; owl:members ( :x :y :z ) ."),
    ("prp-irp", ":p a owl:IrreflexiveProperty . :x :p :x .", ":p a owl:IrreflexiveProperty . :x :p :y ."),
    ("prp-asyp", ":p a owl:AsymmetricProperty . :x :p :y . :y :p :x .", ":p a owl:AsymmetricProperty . :x :p :y ."),
    ("prp-pdw", ":p owl:propertyDisjointWith :q . :x :p :y ; :q :y .", ":p owl:propertyDisjointWith :q . :x :p :y ; :q :z ."),
    ("prp-adp", "[] a owl:AllDisjointProperties ; owl:members ( :p :q :r ) . :x :q :y ; :r :y .",
     "[] a owl:AllDisjointProperties ; owl:members ( :p :q :r ) . :x :q :y ; :r :z ."),
    ("prp-npa1", "[] owl:sourceIndividual :x ; owl:assertionProperty :p ; owl:targetIndividual :y . :x :p :y .",
     "[] owl:sourceIndividual :x ; owl:assertionProperty :p ; owl:targetIndividual :y . :x :p :z ."),
    ("prp-npa1", "[] owl:sourceIndividual :x ; owl:assertionProperty :p ; owl:targetValue 5 . :x :p 5 .",
     "[] owl:sourceIndividual :x ; owl:assertionProperty :p ; owl:targetValue 5 . :x :p 6 ."),
    ("cls-nothing2", ":A rdfs:subClassOf owl:Nothing . :x a :A .", ":A rdfs:subClassOf owl:Nothing . :x a :B ."),
    ("cls-com", ":A owl:complementOf :B . :x a :A , :B .", ":A owl:complementOf :B . :x a :A ."),
    ("cls-maxc1", ":A owl:maxCardinality 0 ; owl:onProperty :p . :x a :A ; :p :y .",
     ":A owl:maxCardinality 0 ; owl:onProperty :p . :x a :A ; :q :y ."),
    ("cls-maxqc1", ":A owl:maxQualifiedCardinality 0 ; owl:onProperty :p ; owl:onClass :B . :x a :A ; :p :y . :y a :B .",
     ":A owl:maxQualifiedCardinality 0 ; owl:onProperty :p ; owl:onClass :B . :x a :A ; :p :y ."),
    ("cax-dw", ":A owl:disjointWith :B . :C rdfs:subClassOf :A . :x a :C , :B .", ":A owl:disjointWith :B . :x a :A . :y a :B ."),
    ("cax-adc", "[] a owl:AllDisjointClasses ; owl:members ( :A :B :C ) . :x a :B , :C .",
     "[] a owl:AllDisjointClasses ; owl:members ( :A :B :C ) . :x a :B . :y a :C ."),
    ("dt-not-type", ':x :p "many"^^xsd:integer .', ":x :p 5 ."),
    ("dt-not-type", ':x :p "yes"^^xsd:boolean .', ':x :p true , "2026-11-23"^^xsd:date , "2026-11-23T10:00:00Z"^^xsd:dateTime , 1.5 .'),
    ("dt-not-type", ':x :p "yesterday"^^xsd:date .', ':x :p "2026-11-23"^^xsd:date .'),
    ("prp-fp", ":p a owl:FunctionalProperty . :x :p 1 , 2 .", ":p a owl:FunctionalProperty . :x :p 1 , 1.0 ."),
    ("cls-maxc2", ':A owl:maxCardinality 1 ; owl:onProperty :p . :x a :A ; :p "a" , "b" .',
     ":A owl:maxCardinality 1 ; owl:onProperty :p . :x a :A ; :p 1 ."),
    ("prp-rng", ':p rdfs:range xsd:integer . :x :p "five" .', ":p rdfs:range xsd:decimal . :x :p 5 ."),
]  # fmt: skip


def closed(turtle: str) -> tuple[ox.Store, ClosureReport]:
    store = ox.Store()
    store.load(
        PROLOGUE + turtle, format=ox.RdfFormat.TURTLE, to_graph=ox.NamedNode("http://example.org/stated")
    )
    return store, close(store, GRAPH)


def holds(store: ox.Store, statement: str) -> bool:
    query = PROLOGUE.replace("@prefix", "PREFIX").replace("> .", ">") + f"ASK {{ {statement} }}"
    return bool(store.query(query, use_default_graph_as_union=True))


@pytest.mark.parametrize(("rule", "premises", "conclusion"), PROBES)
def test_each_rule_concludes_what_owlrl_concludes(rule: str, premises: str, conclusion: str) -> None:
    store, report = closed(premises)
    assert holds(store, conclusion)
    assert owlrl_oracle.statements_of_store(store) == owlrl_oracle.statements(
        owlrl_oracle.expand(owlrl_oracle.parse(PROLOGUE + premises))
    )
    assert report.inconsistencies == ()
    assert rule in {name for known in closure_rules() for name in known.names}


@pytest.mark.parametrize(("rule", "contradiction", "consistent"), CONTRADICTIONS)
def test_a_contradiction_names_its_rule_and_its_premises(
    rule: str, contradiction: str, consistent: str
) -> None:
    store, report = closed(contradiction)
    assert report.inconsistencies
    assert {rule in found.rule.split(", ") for found in report.inconsistencies} == {True}
    for premise in report.inconsistencies[0].premises:
        subject = premise.subject if isinstance(premise.subject, ox.NamedNode) else "?any"
        assert holds(store, f"{subject} {premise.predicate} ?value")
    assert report.inconsistencies[0].premises
    assert closed(consistent)[1].inconsistencies == ()


def test_every_rule_is_probed() -> None:
    stated = {name for rule in closure_rules() for name in rule.names}
    probed = {rule for rule, *_ in PROBES} | {rule for rule, *_ in CONTRADICTIONS}
    assert stated - probed <= {"cax-eqc2", "eq-diff3", "prp-npa2", "cls-maxqc2", "dt-diff"}, (
        "each is a second name of a probed rule"
    )


def test_a_key_needs_all_its_properties() -> None:
    store, _ = closed(
        ":A owl:hasKey ( :p :q ) . :x a :A ; :p 1 ; :q 2 . :y a :A ; :p 1 ; :q 3 . :z :p 1 ; :q 2 ."
    )
    assert not holds(store, "?one owl:sameAs ?other")


def test_inferred_triples_lie_in_their_own_graph_and_the_default_graph_is_kept() -> None:
    store = ox.Store()
    store.load(PROLOGUE + ":A rdfs:subClassOf :B .", format=ox.RdfFormat.TURTLE)
    store.load(
        PROLOGUE + ":x a :A .", format=ox.RdfFormat.TURTLE, to_graph=ox.NamedNode("http://example.org/facts")
    )
    before = set(store)
    report = close(store, GRAPH)
    assert {(quad.subject.value, quad.object.value) for quad in set(store) - before} == {
        ("http://example.org/x", "http://example.org/B")
    }
    assert {quad.graph_name for quad in set(store) - before} == {GRAPH}
    assert before <= set(store)
    assert report.added == 1
    assert close(store, GRAPH).added == 0


def test_a_rule_that_fails_leaves_the_default_graph_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "210-broken.ru").write_text(
        "# rule: none\n# writes: property\nINSERT { ?x ?p } WHERE { ?x ?p ?y }"
    )
    store = ox.Store()
    store.load(PROLOGUE + ":x :p :y .", format=ox.RdfFormat.TURTLE)
    before = set(store)
    with pytest.raises(OntuneError, match="no CONSTRUCT query"):
        close(store, GRAPH, closure_rules(tmp_path))
    assert set(store) == before


def test_university_equals_owlrl() -> None:
    turtle = university(1_000)
    store = ox.Store()
    store.load(turtle, format=ox.RdfFormat.TURTLE)
    report = close(store, GRAPH)
    assert report.added > 1_000
    assert owlrl_oracle.statements_of_store(store) == owlrl_oracle.statements(
        owlrl_oracle.expand(owlrl_oracle.parse(turtle))
    )


@pytest.mark.slow
def test_a_slice_of_brick_equals_owlrl() -> None:
    turtle = brick_slice()
    store = ox.Store()
    store.load(turtle, format=ox.RdfFormat.TURTLE)
    report = close(store, GRAPH)
    assert report.added > 500
    assert owlrl_oracle.statements_of_store(store) == owlrl_oracle.statements(
        owlrl_oracle.expand(owlrl_oracle.parse(turtle))
    )


def brick_slice() -> str:
    """Brick's properties whole, and its classes of equipment with what is stated of them, without lists and
    texts.
    """
    package = importlib.util.find_spec("brickschema")
    assert package is not None and package.origin is not None
    store = ox.Store()
    store.bulk_load(path=Path(package.origin).parent / "ontologies/1.3/Brick.ttl", format=ox.RdfFormat.TURTLE)
    chosen = store.query("""
        PREFIX brick: <https://brickschema.org/schema/Brick#> PREFIX owl: <http://www.w3.org/2002/07/owl#>
        PREFIX rdfs: <http://www.w3.org/2000/01/rdf-schema#>
        CONSTRUCT { ?s ?p ?o } WHERE {
          { ?s a owl:ObjectProperty } UNION { ?s rdfs:subClassOf* brick:HVAC_Equipment }
          ?s ?p ?o . FILTER(isIRI(?s) && isIRI(?o))
        }""")
    text: bytes = chosen.serialize(format=ox.RdfFormat.N_TRIPLES)  # type: ignore[union-attr, assignment]
    return text.decode()
