"""OWL 2 DL by HermiT (through owlready2): is the whole consistent, can every class have a member, and if not,
which few axioms are to blame?

Only the OWL part of the knowledge base is given to HermiT: declarations, axioms, and what is stated with
declared classes and properties. The smallest set of axioms that still contradicts is found by leaving out
what is not needed for it (`reasoner.solve.minimal_part`); where the RL closure sees the contradiction too it
is asked instead of HermiT, which costs a Java start each time.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import shutil
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import pyoxigraph as ox

from kb.errors import OntuneError
from kb.store.store import KnowledgeStore
from kb.store.terms import FILE, PREFIXES, RDF_TYPE, local_name
from reasoner.check.finding import Finding, KnowledgeUnderCheck
from reasoner.knowledge.closure import close
from reasoner.solve import minimal_part

Axiom = tuple[ox.Triple, ...]
Contradicts = Callable[[Sequence[Axiom]], bool]

_OWL: Final = PREFIXES["owl"]
_ABOUT_AXIOMS: Final = {
    PREFIXES["rdfs"] + name for name in ("subClassOf", "subPropertyOf", "domain", "range")
} | {PREFIXES["rdf"] + name for name in ("first", "rest")}
_DECLARED: Final = """SELECT DISTINCT ?term ?kind WHERE {
  VALUES ?kind { owl:Class owl:ObjectProperty owl:DatatypeProperty } ?term a ?kind }"""
_WITNESS: Final = ox.NamedNode("urn:ontune:some-member")
_SECONDS_TO_EXPLAIN: Final = 40.0


class ReasonerMissing(OntuneError):
    """HermiT cannot be run on this machine."""


def findings(knowledge: KnowledgeUnderCheck) -> Iterator[Finding]:
    """A contradiction or the unsatisfiable classes, each with a smallest set of axioms that is to blame."""
    axioms = owl_axioms(knowledge.stated)
    try:
        consistent, unsatisfiable = classify(axioms)
    except ReasonerMissing as error:
        yield Finding("error", "", "", str(error))
        return
    if not consistent:
        yield _explained(knowledge, "", "the knowledge base contradicts itself (OWL 2 DL)", axioms)
    for iri in unsatisfiable:
        member = (ox.Triple(_WITNESS, ox.NamedNode(RDF_TYPE), ox.NamedNode(iri)),)
        yield _explained(knowledge, iri, f"the class {local_name(iri)} can have no member", axioms, member)


def owl_axioms(store: KnowledgeStore) -> list[Axiom]:
    """The OWL part of a knowledge base; triples that share a blank node are one axiom. Shapes and rules are
    left out.
    """
    kinds = defaultdict(set)
    for row in store.select(_DECLARED):
        kinds[row["kind"]].add(row["term"])
    properties = kinds[_OWL + "ObjectProperty"] | kinds[_OWL + "DatatypeProperty"]
    classes = kinds[_OWL + "Class"]
    named = properties | classes

    def counts(quad: ox.Quad) -> bool:
        predicate = quad.predicate.value
        if isinstance(quad.graph_name, ox.NamedNode) and quad.graph_name.value.startswith(FILE + "rules/"):
            return False
        if predicate == RDF_TYPE:
            kind = quad.object.value if isinstance(quad.object, ox.NamedNode) else ""
            return kind in classes or (kind.startswith(_OWL) and kind != _OWL + "AnnotationProperty")
        if predicate in _ABOUT_AXIOMS or (
            predicate.startswith(_OWL) and not isinstance(quad.object, ox.Literal)
        ):
            return (
                not isinstance(quad.subject, ox.NamedNode)
                or quad.subject.value in named
                or predicate.startswith(_OWL)
            )
        return predicate in properties or predicate in (
            _OWL + "maxCardinality",
            _OWL + "maxQualifiedCardinality",
            _OWL + "hasValue",
        )

    return _by_blank_nodes(
        [quad.triple for quad in store.store if counts(quad) and quad.predicate.value != _OWL + "imports"]
    )


def classify(axioms: Sequence[Axiom]) -> tuple[bool, list[str]]:
    """Whether HermiT finds the axioms consistent, and the IRIs of the classes that can have no member.

    Raises:
        ReasonerMissing: Java or owlready2 is missing.
        OntuneError: HermiT does not accept the axioms.
    """
    if shutil.which("java") is None:
        raise ReasonerMissing(
            "HermiT needs Java, and no 'java' is on the PATH; "
            "install a Java runtime (version 11 or newer) or leave out --dl"
        )
    try:
        import owlready2  # type: ignore[import-untyped]
    except ImportError as error:
        raise ReasonerMissing(
            "HermiT is run through owlready2, which is not installed: pip install owlready2"
        ) from error
    world = owlready2.World()
    text = "".join(f"{triple} .\n" for triple in itertools.chain.from_iterable(axioms))
    with contextlib.redirect_stderr(
        io.StringIO()
    ):  # it warns of names that are property and individual at once, which OWL 2 DL allows
        world.get_ontology("urn:ontune:checked").load(fileobj=io.BytesIO(text.encode()), format="ntriples")
    try:
        owlready2.sync_reasoner_hermit(world, debug=0, ignore_unsupported_datatypes=True)
    except owlready2.OwlReadyInconsistentOntologyError:
        return False, []
    except owlready2.OwlReadyJavaError as error:
        raise OntuneError(f"HermiT does not accept the ontology: {_first_line(str(error))}") from error
    return True, sorted(found.iri for found in world.inconsistent_classes() if found is not owlready2.Nothing)


def contradicts_by_closure(axioms: Sequence[Axiom]) -> bool:
    """Whether the RL closure sees a contradiction: sound, fast, and not complete for DL."""
    store = ox.Store()
    triples = itertools.chain.from_iterable(axioms)
    store.bulk_extend(ox.Quad(triple.subject, triple.predicate, triple.object) for triple in triples)
    return bool(close(store, ox.NamedNode("urn:ontune:inferred")).inconsistencies)


def _explained(
    knowledge: KnowledgeUnderCheck, iri: str, what: str, axioms: Sequence[Axiom], *given: Axiom
) -> Finding:
    end = time.monotonic() + _SECONDS_TO_EXPLAIN
    oracle = (
        contradicts_by_closure
        if contradicts_by_closure([*axioms, *given])
        else lambda some: not classify(some)[0]
    )

    def in_time(some: Sequence[Axiom]) -> bool:
        if time.monotonic() > end:
            raise TimeoutError
        return oracle(some)

    try:
        blamed = minimal_part(axioms, lambda some: not in_time([*given, *some]))
    except TimeoutError:
        return knowledge.finding(
            iri, f"{what}; the axioms to blame were not found within {_SECONDS_TO_EXPLAIN:g} s"
        )
    subject = iri or next(
        (axiom[0].subject.value for axiom in blamed if isinstance(axiom[0].subject, ox.NamedNode)), ""
    )
    return knowledge.finding(subject, f"{what}, because of: {'; '.join(sorted(map(_readable, blamed)))}")


def _by_blank_nodes(triples: Sequence[ox.Triple]) -> list[Axiom]:
    """Group the triples that are connected by blank nodes; each other triple stands alone."""
    leader: dict[str, str] = {}

    def root(node: str) -> str:
        while leader.setdefault(node, node) != node:
            node = leader[node]
        return node

    alone: list[Axiom] = []
    tied: list[tuple[ox.Triple, str]] = []
    for triple in triples:
        blank = [term.value for term in (triple.subject, triple.object) if isinstance(term, ox.BlankNode)]
        if not blank:
            alone.append((triple,))
            continue
        for other in blank[1:]:
            leader[root(other)] = root(blank[0])
        tied.append((triple, blank[0]))
    groups: dict[str, list[ox.Triple]] = defaultdict(list)
    for triple, node in tied:
        groups[root(node)].append(triple)
    return alone + [tuple(group) for group in groups.values()]


def _readable(axiom: Axiom) -> str:
    def word(term: Any) -> str:
        return (
            local_name(term.value)
            if isinstance(term, ox.NamedNode)
            else "_"
            if isinstance(term, ox.BlankNode)
            else str(term)
        )

    return " and ".join(" ".join(map(word, triple)) for triple in axiom)


def _first_line(text: str) -> str:
    return next(
        (line.strip() for line in text.splitlines() if "xception" in line),
        text.strip().splitlines()[0] if text.strip() else "no message",
    )
