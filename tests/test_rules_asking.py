"""What rules conclude of a request does not depend on what was asked before, and is what running every rule
over everything concludes.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import pyoxigraph as ox
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kb.errors import BadInput
from kb.store.store import KnowledgeStore
from kb.store.terms import PREFIXES, expand, on
from reasoner.inference.derive import REQUEST, REQUEST_GRAPH, Deriver
from reasoner.knowledge.rule_running import run_rules
from reasoner.knowledge.rules import load_rules
from tests.oracles.shacl_rules import by_shifty, ntriples
from tests.turtle import PREFIX_LINES

SHAPES = """
on:OfRequest a sh:NodeShape ; sh:targetClass on:Request . on:OfThings a sh:NodeShape ; sh:targetSubjectsOf on:p0 .
on:prefixes sh:declare [ sh:prefix "on" ; sh:namespace "https://w3id.org/ontune#"^^xsd:anyURI ] ,
    [ sh:prefix "kb" ; sh:namespace "https://w3id.org/ontune/kb/"^^xsd:anyURI ] .
"""
NODES = ("kb:n0", "kb:n1", "kb:n2")
OWN = ("kb:m0", "kb:m1")
"""What requests bring: about these, and about no other node, they say something."""
TOP = 3
Triples = frozenset[tuple[str, str, str]]


def rule(number: int, order: int, head: str, body: str, shape: str = "on:OfRequest") -> str:
    text = f"CONSTRUCT {{ $this {head} }} WHERE {{ {body} }}"
    return f'{shape} sh:rule rule:r{number} . rule:r{number} a sh:SPARQLRule ; sh:order {order} ; sh:prefixes on:prefixes ; sh:construct "{text}" .'


def knowledge(turtle: str) -> KnowledgeStore:
    store = KnowledgeStore()
    store.store.load((PREFIX_LINES + SHAPES + turtle).encode(), format=ox.RdfFormat.TURTLE)
    return store


def facts(triples: Triples) -> list[ox.Quad]:
    named = {"request": REQUEST, "a": ox.NamedNode(PREFIXES["rdf"] + "type")}
    terms = [[named.get(term) or ox.NamedNode(expand(term)) for term in triple] for triple in sorted(triples)]
    return [
        ox.Quad(*three, REQUEST_GRAPH)
        for three in ([REQUEST, named["a"], ox.NamedNode(on("Request"))], *terms)
    ]


def naive(store: KnowledgeStore, request: Sequence[ox.Quad]) -> set[str]:
    """What follows when every rule of a stratum is run over everything, again and again until nothing is new;
    no rule is left out.
    """
    whole = KnowledgeStore()
    whole.add([*store.store, *request])
    before = set(ntriples(whole.store).splitlines())
    for _, stratum in itertools.groupby(load_rules(store), key=lambda one: one.order):
        rules, size = list(stratum), -1
        while size != len(whole.store):
            size = len(whole.store)
            for one in rules:
                for focus in one.focus:
                    found = whole.construct(one.construct_for(focus.pattern))
                    whole.add(
                        [
                            ox.Quad(triple.subject, triple.predicate, triple.object, ox.NamedNode(one.iri))
                            for triple in found
                        ]
                    )
    return set(ntriples(whole.store).splitlines()) - before


def asked(deriver: Deriver, request: Sequence[ox.Quad], before: set[str]) -> set[str]:
    with deriver.at(request) as derivation:
        return (
            set(ntriples(derivation.in_store().store).splitlines())
            - before
            - set(ntriples(request).splitlines())
        )


def check(turtle: str, requests: Sequence[Triples]) -> None:
    """Ask one deriver all requests in their order, and compare each answer with one that has never been
    asked, and with the naive fixpoint.
    """
    given_knowledge, compiled = knowledge(turtle), knowledge(turtle)
    rules = load_rules(compiled)
    run_rules(compiled, [one for one in rules if not one.per_request])
    before = set(ntriples(compiled.store).splitlines())
    deriver = Deriver(compiled, rules)
    for triples in requests:
        request = facts(triples)
        expected = naive(given_knowledge, request) - before
        assert asked(deriver, request, before) == expected
        assert asked(Deriver(compiled, rules), request, before) == expected
    whole = [*given_knowledge.store, *request]
    assert by_shifty(whole, given_knowledge.store) == naive(given_knowledge, request)


def test_a_rule_with_brackets_concludes_the_same_whatever_was_asked_before() -> None:
    turtle = rule(0, 1, "on:p1 ?x", "$this on:p0 [ on:p0 ?x ]")
    one, other = (
        frozenset([("request", "on:p0", "kb:m0"), ("kb:m0", "on:p0", "kb:n1")]),
        frozenset([("request", "on:p0", "kb:m0")]),
    )
    two = one | {("kb:m0", "on:p0", "kb:n2")}
    for requests in itertools.permutations((one, other, two)):
        check(turtle, requests)


BODIES = (
    "$this on:{} ?x . ?x on:{} [ on:{} ?y ]",
    "[ on:{} $this ; on:{} ?x ] .",
    "_:b on:{} $this . $this on:{} ?x . _:b a on:C",
    "$this on:{}/^on:{} ?x",
    "$this (on:{}|on:{})+ ?x",
    "$this on:{}* ?x",
    "$this on:{}? ?y . ?y on:{} ?x",
    "$this !on:{} ?x",
    "$this on:{} ?x VALUES (?x ?z) {{ (kb:n0 UNDEF) (kb:n1 1) }}",
    "$this on:{} ?x OPTIONAL {{ ?x on:{} ?y }} FILTER(!BOUND(?y))",
    "$this on:{} ?x OPTIONAL {{ ?x on:{} ?y FILTER(?y != $this) }} BIND(COALESCE(?y, $this) AS ?z) FILTER(?z != ?x)",
    "$this on:{} ?x FILTER(?x = kb:n0 || EXISTS {{ ?x on:{} ?y FILTER NOT EXISTS {{ ?y on:{} $this }} }})",
    "$this on:{} ?x FILTER(!(NOT EXISTS {{ ?x on:{} ?y }}))",
    "$this on:{} ?x FILTER NOT EXISTS {{ ?x on:{} [ on:{} ?y ] }}",
    "{{ $this on:{} ?x }} UNION {{ [] on:{} $this ; on:{} ?x }}",
    "$this on:{} ?y BIND(?y AS ?x)",
    "$this on:{} ?x . ?x a [] .",
)


@st.composite
def rule_bases(draw: st.DrawFn) -> str:
    """Facts, and rules of several strata that read what is below them, and their own where they negate
    nothing.
    """
    lines = [
        f"{s} on:p0 {o} ."
        for s, o in draw(st.sets(st.tuples(st.sampled_from(NODES), st.sampled_from(NODES)), max_size=4))
    ]
    lines += [f"{one} a on:C ." for one in draw(st.sets(st.sampled_from(NODES), max_size=2))]
    for number in range(draw(st.integers(2, 5))):
        order, body = draw(st.integers(1, TOP)), draw(st.sampled_from(BODIES))
        order = TOP if "!on" in body else order  # such a path reads whatever there is
        highest = order - 1 if any(word in body for word in ("NOT", "!B", "COALESCE")) else order
        levels = [f"p{draw(st.integers(0, highest))}" for _ in range(body.count("on:{}"))]
        shape = draw(st.sampled_from(["on:OfRequest", "on:OfRequest", "on:OfThings"]))
        lines.append(
            rule(
                number,
                order,
                f"on:p{order} {draw(st.sampled_from(['?x', '?x', 'kb:n2']))}",
                body.format(*levels),
                shape,
            )
        )
    return "\n".join(lines)


REQUESTS = st.frozensets(
    st.tuples(
        st.sampled_from(["request", "request", *OWN]), st.just("on:p0"), st.sampled_from([*NODES, *OWN])
    ),
    min_size=1,
    max_size=5,
)


@settings(max_examples=50, suppress_health_check=list(HealthCheck))
@given(turtle=rule_bases(), requests=st.lists(REQUESTS, min_size=2, max_size=4))
def test_the_order_of_asking_changes_nothing(turtle: str, requests: list[Triples]) -> None:
    try:
        load_rules(knowledge(turtle))
    except BadInput as error:
        assert "rests on the absence" in str(error)  # a path that may go anywhere, in or below a negation
        return
    check(turtle, requests)
