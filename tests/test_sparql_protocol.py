"""The SPARQL 1.1 protocol as its public suite tests it
(https://w3c.github.io/rdf-tests/sparql/sparql11/protocol/): 27 query tests, and 7 updates.

The requests are written down here after the suite's description, each with what is to come of it. An endpoint
that only reads refuses every update.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlencode

import pyoxigraph as ox
import pytest
from test_endpoint import free_port

from kb.errors import BadInput
from kb.store.sparql_text import depth, refuse_federation, tokens, unescaped, with_whole_names
from kb.store.terms import PREFIXES, prefixed
from reasoner.knowledge.compile import full_store
from tests.serving import Service, serving

DATA = "http://kasei.us/2009/09/sparql/data/data{}.rdf"
ONE, TWO, THREE = (DATA.format(n) for n in (1, 2, 3))
DIRECT, FORM, UPDATE = (
    "application/sparql-query",
    "application/x-www-form-urlencoded",
    "application/sparql-update",
)
BOTH_DEFAULT = f"ASK {{ <{ONE}> a ?type . <{TWO}> a ?type . }}"
BOTH_NAMED = f"ASK {{ GRAPH ?g1 {{ <{ONE}> a ?type }} GRAPH ?g2 {{ <{TWO}> a ?type }} }}"
FULL = f"ASK {{ <{THREE}> a ?type GRAPH ?g1 {{ <{ONE}> a ?type }} GRAPH ?g2 {{ <{TWO}> a ?type }} }}"
DEFAULTS = [("default-graph-uri", ONE), ("default-graph-uri", TWO)]
NAMED = [("named-graph-uri", ONE), ("named-graph-uri", TWO)]
SERVER = """
import sys, uvicorn
from ontune.service.application import application
from ontune.service.engine import Engine
uvicorn.run(application(Engine([sys.argv[2]])), port=int(sys.argv[1]), log_level="critical")
"""


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The service over the three documents of the suite, each in the graph of its address."""
    data = tmp_path_factory.mktemp("suite") / "data.nq"
    document, typed = (
        "<http://xmlns.com/foaf/0.1/Document>",
        "<http://www.w3.org/1999/02/22-rdf-syntax-ns#type>",
    )
    data.write_text(
        "".join(f"<{graph}> {typed} {document} <{graph}> .\n" for graph in (ONE, TWO, THREE)),
        encoding="utf-8",
    )
    port = free_port()
    with serving(port, [sys.executable, "-c", SERVER, str(port), str(data)]) as running:
        yield running


@pytest.mark.parametrize(
    ("method", "address", "body", "media_type", "accept"),
    [
        pytest.param("POST", [], urlencode({"query": "ASK {}"}), FORM, "", id="post-form"),
        pytest.param("GET", [("query", "ASK {}")], None, "", "", id="get"),
        pytest.param("POST", [], "ASK {}", DIRECT, "", id="post-direct"),
        pytest.param("GET", [("query", BOTH_DEFAULT), *DEFAULTS], None, "", "", id="default-graphs-get"),
        pytest.param("POST", DEFAULTS, BOTH_DEFAULT, DIRECT, "", id="default-graphs-post"),
        pytest.param("POST", NAMED, BOTH_NAMED, DIRECT, "", id="named-graphs-post"),
        pytest.param("GET", [("query", BOTH_NAMED), *NAMED], None, "", "", id="named-graphs-get"),
        pytest.param("POST", [("default-graph-uri", THREE), *NAMED], FULL, DIRECT, "", id="whole-dataset"),
        pytest.param(
            "POST",
            NAMED,
            f"ASK FROM <{THREE}> {BOTH_NAMED.removeprefix('ASK')}",
            DIRECT,
            "",
            id="the-protocol-before-the-query",
        ),
        pytest.param("POST", [], "ASK {}", DIRECT, "application/sparql-results+xml", id="boolean-as-xml"),
    ],
)
def test_questions_that_are_true(
    suite: Service, method: str, address: list[tuple[str, str]], body: str, media_type: str, accept: str
) -> None:
    headers = {name: value for name, value in (("Content_Type", media_type), ("Accept", accept)) if value}
    answer = suite.send(method, f"/sparql?{urlencode(address)}", body, **headers)
    assert answer.status == 200, answer.body
    assert (
        answer.body["boolean"] is True
        if isinstance(answer.body, dict)
        else "<boolean>true</boolean>" in answer.body
    )


@pytest.mark.parametrize(
    ("query", "types"),
    [
        (
            "SELECT (1 AS ?value) {}",
            (
                "application/sparql-results+xml",
                "application/sparql-results+json",
                "text/tab-separated-values",
                "text/csv",
            ),
        ),
        ("ASK {}", ("application/sparql-results+xml", "application/sparql-results+json")),
        ("DESCRIBE <http://example.org/>", ("application/rdf+xml", "text/turtle", "application/n-triples")),
        ("CONSTRUCT { <s> <p> 1 } WHERE {}", ("application/rdf+xml", "text/turtle", "application/n-triples")),
    ],
)
def test_answers_come_in_a_fitting_form(suite: Service, query: str, types: tuple[str, ...]) -> None:
    assert (
        suite.send("POST", "/sparql", query, Content_Type=DIRECT).headers["content-type"].partition(";")[0]
        in types
    )
    for accept in types:
        assert (
            suite.send("POST", "/sparql", query, Content_Type=DIRECT, Accept=accept)
            .headers["content-type"]
            .partition(";")[0]
            == accept
        )
    assert suite.send("POST", "/sparql", query, Content_Type=DIRECT, Accept="image/png").status == 406


@pytest.mark.parametrize(
    ("method", "address", "body", "media_type"),
    [
        pytest.param("PUT", [("query", "ASK {}")], None, "", id="method"),
        pytest.param("GET", [("query", "ASK {}"), ("query", "SELECT * {}")], None, "", id="two-queries"),
        pytest.param("POST", [], "ASK {}", "text/plain", id="media-type"),
        pytest.param("POST", [], urlencode({"query": "ASK {}"}), "", id="form-without-its-type"),
        pytest.param("POST", [], "ASK {}", "", id="direct-without-its-type"),
        pytest.param("POST", [], "ASK {}".encode("utf-16"), f"{DIRECT}; charset=UTF-16", id="no-utf-8"),
        pytest.param("POST", [], urlencode({"query": "ASK"}), FORM, id="syntax"),
        pytest.param("GET", [("update", "CLEAR ALL")], None, "", id="update-by-get"),
        pytest.param(
            "POST",
            [],
            urlencode([("update", "CLEAR NAMED"), ("update", "CLEAR DEFAULT")]),
            FORM,
            id="two-updates",
        ),
        pytest.param("POST", [], "CLEAR NAMED", "text/plain", id="update-media-type"),
        pytest.param("POST", [], urlencode({"update": "CLEAR NAMED"}), "", id="update-without-its-type"),
        pytest.param(
            "POST", [], "CLEAR NAMED".encode("utf-16"), f"{UPDATE}; charset=UTF-16", id="update-no-utf-8"
        ),
        pytest.param("POST", [], urlencode({"update": "CLEAR XYZ"}), FORM, id="update-syntax"),
        pytest.param(
            "POST",
            [("using-named-graph-uri", ONE)],
            "INSERT { ?s a ?t } USING <urn:g> WHERE { ?s a ?t }",
            UPDATE,
            id="update-dataset",
        ),
    ],
)
def test_bad_requests_are_refused(
    suite: Service, method: str, address: list[tuple[str, str]], body: str | bytes | None, media_type: str
) -> None:
    headers = {"Content_Type": media_type} if media_type else {}
    assert 400 <= suite.send(method, f"/sparql?{urlencode(address)}", body, **headers).status < 500


INSERT = "INSERT DATA { GRAPH <http://example.org/new> { <urn:a> <urn:b> <urn:c> } }"


@pytest.mark.parametrize(
    ("address", "body", "media_type"),
    [
        pytest.param([("using-graph-uri", ONE)], INSERT, UPDATE, id="default-graph"),
        pytest.param(
            [("using-graph-uri", ONE), ("using-graph-uri", TWO)], INSERT, UPDATE, id="default-graphs"
        ),
        pytest.param(
            [("using-named-graph-uri", ONE), ("using-named-graph-uri", TWO)],
            INSERT,
            UPDATE,
            id="named-graphs",
        ),
        pytest.param(
            [("using-graph-uri", ONE), ("using-named-graph-uri", TWO)], INSERT, UPDATE, id="whole-dataset"
        ),
        pytest.param([], urlencode({"update": INSERT}), FORM, id="post-form"),
        pytest.param([], INSERT, UPDATE, id="post-direct"),
        pytest.param([], "CLEAR SILENT GRAPH <named1> ; " + INSERT, UPDATE, id="base"),
    ],
)
def test_updates_are_refused_and_change_nothing(
    suite: Service, address: list[tuple[str, str]], body: str, media_type: str
) -> None:
    assert suite.send("POST", f"/sparql?{urlencode(address)}", body, Content_Type=media_type).status == 403
    assert suite.query("ASK { GRAPH <http://example.org/new> { ?s ?p ?o } }").body["boolean"] is False
    for update in (INSERT, "LOAD <http://127.0.0.1:9/>", "CLEAR ALL"):
        assert suite.send("GET", f"/sparql?query={quote(update)}").status == 400


AWAY = "<http://127.0.0.1:9/>"
INNER = "{ ?s ?p ?o }"
DISGUISES = [
    f"SELECT * {{ SERVICE {AWAY} {INNER} }}",
    f"SELECT * {{ service {AWAY} {INNER} }}",
    f"SELECT * {{ SeRvIcE {AWAY} {INNER} }}",
    f"SELECT * {{ SERVICE SILENT {AWAY} {INNER} }}",
    f"SELECT * {{ SERVICE\tsilent\n{AWAY}{INNER} }}",
    f"SELECT * {{SERVICE{AWAY}{INNER}}}",
    f"SELECT * {{ ?s ?p 1SERVICE {AWAY} {INNER} }}",
    f"SELECT * {{ ?s ?p 1.5SERVICE {AWAY} {INNER} }}",
    f"SELECT * {{ ?s ?p 1e0SERVICE {AWAY} {INNER} }}",
    f"SELECT * {{ ?s ?p trueSERVICE {AWAY} {INNER} }}",
    f"SELECT * {{ ?s ?p falseSERVICE {AWAY} {INNER} }}",
    f"SELECT * {{ ?s ?p 'x'SERVICE {AWAY} {INNER} }}",
    f'SELECT * {{ ?s ?p "x"@enSERVICE {AWAY} {INNER} }}',
    f"SELECT * {{ ?s ?p <urn:o>SERVICE {AWAY} {INNER} }}",
    f"SELECT * {{ ?s ?p ?o.SERVICE {AWAY} {INNER} }}",
    f"SELECT * {{ ?s ?p []SERVICE {AWAY} {INNER} }}",
    f"SELECT * {{ {{}}SERVICE {AWAY} {INNER} }}",
    f"SELECT * {{ FILTER(true)SERVICE {AWAY} {INNER} }}",
    f"PREFIX x: {AWAY} SELECT * {{ SERVICE x: {INNER} }}",
    f"PREFIX x: {AWAY} SELECT * {{ SERVICE x:y {INNER} }}",
    f"PREFIX : {AWAY} SELECT * {{ SERVICE : {INNER} }}",
    f"PREFIX : {AWAY} SELECT * {{ SERVICE:{INNER} }}",
    f"PREFIX service: {AWAY} SELECT * {{ SERVICE service: {INNER} }}",
    f"PREFIX é: {AWAY} SELECT * {{ SERVICE é:a {INNER} }}",
    f"PREFIX a.b: {AWAY} SELECT * {{ SERVICE a.b:c {INNER} }}",
    f"BASE {AWAY} SELECT * {{ SERVICE <x> {INNER} }}",
    f"SELECT * {{ BIND({AWAY} AS ?w) SERVICE ?w {INNER} }}",
    f"SELECT * {{ BIND({AWAY} AS ?w) SERVICE $w {INNER} }}",
    f"SELECT * {{ BIND({AWAY} AS ?w) SERVICE # no\n?w {INNER} }}",
    f"SELECT * {{ SERVICE#no\n{AWAY}{INNER} }}",
    f"SELECT * {{ SERVICE # SELECT\n# more\r\n {AWAY} {INNER} }}",
    f"SELECT * {{ \\u0053ERVICE {AWAY} {INNER} }}",
    f"SELECT * {{ S\\u0045RVIC\\u0065 {AWAY} {INNER} }}",
    f"SELECT * {{ \\U00000053ERVICE {AWAY} {INNER} }}",
    f"SELECT * {{ OPTIONAL {{ SERVICE {AWAY} {INNER} }} }}",
    f"SELECT * {{ {{ }} UNION {{ SERVICE {AWAY} {INNER} }} }}",
    f"SELECT * {{ FILTER EXISTS {{ SERVICE {AWAY} {INNER} }} }}",
    f"SELECT * {{ FILTER NOT EXISTS {{ {{ SERVICE {AWAY} {INNER} }} }} }}",
    f"SELECT * {{ ?s ?p ?o MINUS {{ SERVICE {AWAY} {INNER} }} }}",
    f"SELECT * {{ GRAPH ?g {{ SERVICE {AWAY} {INNER} }} }}",
    f"SELECT * {{ {{ SELECT * {{ SERVICE {AWAY} {INNER} }} }} }}",
    f"CONSTRUCT {INNER} WHERE {{ SERVICE {AWAY} {INNER} }}",
    f"DESCRIBE ?s WHERE {{ SERVICE {AWAY} {INNER} }}",
    f"ASK {{ SERVICE {AWAY} {INNER} }}",
    f"SELECT (COUNT(*) AS ?n) {{ ?s ?p ?o BIND(EXISTS {{ SERVICE {AWAY} {INNER} }} AS ?e) }}",
]


@pytest.mark.parametrize("query", DISGUISES)
def test_no_disguise_of_service_is_answered(query: str) -> None:
    with pytest.raises(BadInput, match="SERVICE"):
        refuse_federation(query, "query")


def test_disguises_are_refused_over_http(suite: Service) -> None:
    assert len(DISGUISES) >= 40
    for query in DISGUISES:
        answer = suite.send("POST", "/sparql", query.encode(), Content_Type=DIRECT)
        assert answer.status == 400, query


@pytest.mark.parametrize(
    "query",
    [
        "SELECT ?service WHERE { ?service a ?type FILTER(!CONTAINS(STR(?service), 'SERVICE <http://a/> {')) }",
        "SELECT * WHERE { ?s <http://example.org/SERVICE> ?o } # SERVICE <http://127.0.0.1:9/> { }",
        'SELECT * WHERE { ?s ?p """SERVICE <http://127.0.0.1:9/> {\n}""" }',
        "PREFIX service: <urn:x> SELECT * WHERE { ?s service:service service:SERVICE }",
    ],
)
def test_the_word_alone_is_no_harm(query: str) -> None:
    refuse_federation(query, "query")


def test_tokens_are_the_whole_query() -> None:
    for query in (
        *DISGUISES,
        'SELECT * { ?a <urn:b> \'it\\\'s\', """a "quoted" # no comment""" FILTER(?a<3 && ?b>.5e3) } # end',
    ):
        assert "".join(token.text for token in tokens(query)) == unescaped(query)
    assert depth("SELECT * { { ( [ '{{{{' ] ) } } # {{{") == 4


def test_names_that_the_engine_refuses_are_written_out() -> None:
    written = with_whole_names(
        "PREFIX cap: <urn:own:> SELECT * { kb:torch-2.13.0-cu130 on:needs cap:x.1.2 ; rdfs:label 'kb:a.b.c' } # kb:a.b.c"
    )
    assert f"<{PREFIXES['kb']}torch-2.13.0-cu130>" in written
    assert "<" in with_whole_names("ASK { ?x sh:prefix kb:torch-2.13.0 }")  # the word alone declares nothing
    assert (
        "on:needs" in written
        and "cap:x.1.2" in written
        and "'kb:a.b.c'" in written
        and "# kb:a.b.c" in written
    )


def test_every_shipped_name_can_be_asked_for_with_its_prefix(suite: Service) -> None:
    store = full_store([])[1]
    terms = {
        term for quad in store.store for term in (quad.subject, quad.predicate, quad.object, quad.graph_name)
    }
    iris = {term.value for term in terms if isinstance(term, ox.NamedNode)}
    names = {iri: name for iri in iris if (name := prefixed(iri)) != iri}
    assert len(names) > 2_500
    for iri, name in names.items():
        found: Any = store.store.query(
            with_whole_names(f"SELECT ?s {{ VALUES ?s {{ {name} }} }}"), prefixes=PREFIXES
        )
        assert [row["s"].value for row in found] == [iri]
    for start in range(0, len(names), 200):
        some = list(names)[start : start + 200]
        text = f"SELECT ?s {{ VALUES ?s {{ {' '.join(names[iri] for iri in some)} }} }}"
        answer = suite.send("POST", "/sparql", text, Content_Type=DIRECT)
        assert answer.status == 200, answer.body
        assert [row["s"]["value"] for row in answer.body["results"]["bindings"]] == some


def test_a_graph_without_a_name_is_no_fault_of_the_worker(suite: Service) -> None:
    for name in ("default-graph-uri", "named-graph-uri"):
        answer = suite.send("GET", f"/sparql?query=ASK%7B%7D&{name}=")
        assert answer.status == 400
        assert name in answer.body["error"]["message"]
