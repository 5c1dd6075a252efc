"""The description of the service is valid, and true: real bodies and real answers are what it says."""

from __future__ import annotations

import json
import typing
from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

import pytest
from conftest import require
from rest import InThisProcess
from test_endpoint import free_port

from kb.records.request_fields import QUESTIONS, REQUEST
from ontune.service.failures import MEANING
from ontune.service.openapi import document
from ontune.service.results import GRAPHS, plain
from reasoner.answers import decoding, plan
from tests.serving import Service, ontune_serve, serving

CASES: tuple[tuple[str, dict[str, Any]], ...] = (
    ("plan", {"workload": "mnist-cnn", "target": "eos-h100"}),
    (
        "plan",
        {
            "workload": "resnet50",
            "target": "zen5-virtual",
            "framework": "pytorch",
            "numerics": "exact",
            "top": 2.0,
        },
    ),
    (
        "plan",
        {
            "workload": "transformer",
            "target": "mi300x-8",
            "site": "lumi",
            "forbid": "tcmalloc",
            "allow": ["precision=fp16"],
        },
    ),
    (
        "plan",
        {
            "workload": "lstm",
            "target": {"cpu": {"isa_level": "x86_64_v3"}},
            "set": {"cpu.usable_cores": 4},
            "site": {"account": "p42"},
        },
    ),
    (
        "plan",
        {
            "workload": {"network": "mlp", "requires": ["torch==2.5.1", "pandas"], "traits": ["training"]},
            "target": "genoa-node",
            "pins": None,
        },
    ),
    ("why-not", {"workload": "mnist-cnn", "target": "eos-h100", "option": "xla"}),
    (
        "why-not",
        {
            "workload": "mnist-cnn",
            "target": "eos-h100",
            "option": "compiler=tf-graph",
            "framework": "pytorch",
        },
    ),
    ("why-not", {"workload": "mlp", "target": {"cpu": {"isa_level": "x86_64_v2"}}, "option": "tcmalloc"}),
    ("explain", {"workload": "mnist-cnn", "target": "eos-h100", "subject": "precision"}),
    (
        "explain",
        {"workload": "mnist-cnn", "target": "zen5-virtual", "subject": "LD_PRELOAD", "framework": "pytorch"},
    ),
    ("what-if", {"workload": "mnist-cnn", "target": "eos-h100", "changes": {"gpus": []}}),
)
FAILING: tuple[tuple[int, str, Any], ...] = (
    (400, "plan", {"workload": "mnist-cn"}),
    (400, "plan", {"workload": "mlp", "forbids": []}),
    (
        409,
        "plan",
        {
            "workload": "mnist-cnn",
            "target": "eos-h100",
            "pins": {"framework": "pytorch", "compiler": "tf-graph"},
        },
    ),
)


@pytest.fixture(scope="module")
def app() -> InThisProcess:
    return InThisProcess()


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    port = free_port()
    with serving(port, ontune_serve(port)) as running:
        yield running


def faults(schema: dict[str, Any], value: Any) -> list[str]:
    """What of a value is not as a schema of the document says."""
    require("jsonschema", find_spec("jsonschema"), "make venv-dev")
    import jsonschema

    whole = {**schema, "components": document(False)["components"]}
    return [
        f"{error.json_path}: {error.message:.300}"
        for error in jsonschema.Draft202012Validator(whole).iter_errors(value)
    ]


def body_of(question: str) -> dict[str, Any]:
    found: dict[str, Any] = document(False)["paths"][f"/api/{question}"]["post"]["requestBody"]["content"][
        "application/json"
    ]
    return found


def answer_of(path: str, method: str, status: int) -> dict[str, Any]:
    found: dict[str, Any] = document(False)["paths"][path][method]["responses"][str(status)]["content"][
        "application/json"
    ]["schema"]
    return found


@pytest.mark.parametrize("token", [False, True])
def test_the_document_is_valid(token: bool) -> None:
    require("openapi-spec-validator", find_spec("openapi_spec_validator"), "make venv-dev")
    from openapi_spec_validator import validate

    validate(json.loads(json.dumps(document(token))))


def test_the_document_has_every_route(app: InThisProcess) -> None:
    assert app.send("GET", "/api/openapi.json").json == json.loads(json.dumps(document(False)))
    assert set(document(False)["paths"]) == {route.path for route in app._app.routes}  # type: ignore[attr-defined]


@pytest.mark.parametrize("question", QUESTIONS)
def test_bodies_have_the_fields_of_the_table(question: str) -> None:
    body = body_of(question)
    assert list(body["schema"]["properties"]) == [entry.name for entry in (*REQUEST, *QUESTIONS[question])]
    assert faults(body["schema"], body["example"]) == []
    assert faults(body["schema"], {**body["example"], "forbids": []})


@pytest.mark.parametrize(("question", "body"), CASES)
def test_answers_are_as_described(app: InThisProcess, question: str, body: dict[str, Any]) -> None:
    assert faults(body_of(question)["schema"], body) == []
    answer = app.send("POST", f"/api/{question}", body)
    assert answer.status == 200, answer.content
    assert faults(answer_of(f"/api/{question}", "post", 200), answer.json) == []


@pytest.mark.parametrize("question", QUESTIONS)
def test_examples_are_answered(app: InThisProcess, question: str) -> None:
    assert app.send("POST", f"/api/{question}", body_of(question)["example"]).status == 200


@pytest.mark.parametrize(("status", "question", "body"), FAILING)
def test_failures_are_as_described(app: InThisProcess, status: int, question: str, body: Any) -> None:
    answer = app.send("POST", f"/api/{question}", body)
    assert answer.status == status
    assert faults(answer_of(f"/api/{question}", "post", status), answer.json) == []


@pytest.mark.parametrize("path", ["/api/names", "/api/stats"])
def test_what_is_told_is_as_described(app: InThisProcess, path: str) -> None:
    answer = app.send("GET", path)
    assert answer.status == 200
    assert faults(answer_of(path, "get", 200), answer.json) == []


@pytest.mark.parametrize(
    "kind",
    [plan.Plan, plan.DecisionTaken, plan.Rejected, plan.Application, plan.Reason],
    ids=lambda kind: kind.__name__,
)
def test_the_parts_of_a_plan_are_those_of_the_schema(kind: Any) -> None:
    schema = document(False)["components"]["schemas"][kind.__name__]
    hints = typing.get_type_hints(kind)
    assert set(schema["properties"]) == set(kind.__struct_fields__) == set(schema["required"])
    for part, described in schema["properties"].items():
        if "enum" in described:
            assert described["enum"] == decoding.words_of(hints[part])


def test_the_service_answers_as_described(service: Service) -> None:
    """Over HTTP, with its workers: queries too."""
    for question in QUESTIONS:
        answer = service.send("POST", f"/api/{question}", body_of(question)["example"])
        assert faults(answer_of(f"/api/{question}", "post", 200), answer.body) == []
    for path, described in (
        ("/api/queries/options?decision=precision", "/api/queries/{name}"),
        ("/api/stats", "/api/stats"),
    ):
        rows = service.send("GET", path)
        assert rows.body and faults(answer_of(described, "get", 200), rows.body) == []
    found = document(False)["paths"]["/sparql"]["get"]["responses"]["200"]["content"]
    for text in ("ASK {}", "SELECT * { ?s ?p ?o } LIMIT 50", "SELECT ?x ('a'@en AS ?y) {}"):
        assert faults(found["application/sparql-results+json"]["schema"], service.query(text).body) == []
    graphs = [plain(format) for format in GRAPHS]
    for media in found:
        answer = service.query(
            "CONSTRUCT WHERE { ?s ?p ?o } LIMIT 1" if media in graphs else "SELECT * {}", accept=media
        )
        assert (answer.status, answer.headers["content-type"].partition(";")[0]) == (200, media)


def test_each_failure_has_its_own_status_and_message(service: Service) -> None:
    plan, json_body = {"workload": "mlp", "target": "zen5-virtual"}, {"Content_Type": "application/json"}
    found = {
        404: service.send("POST", "/api/pln", plan),
        405: service.send("GET", "/api/plan"),
        406: service.query("ASK {}", accept="image/png"),
        413: service.send("POST", "/api/plan", "x" * 3_000_000, **json_body),
        415: service.send("POST", "/api/plan", plan, Content_Type="text/plain"),
        421: service.send("GET", "/api/names", Host="evil.example"),
        400: service.send("POST", "/api/plan", "{", **json_body),
        409: service.send(
            "POST",
            "/api/plan",
            {
                "workload": "mlp",
                "target": "eos-h100",
                "pins": {"framework": "pytorch", "compiler": "tf-graph"},
            },
        ),
        403: service.send("POST", "/sparql", "CLEAR ALL", Content_Type="application/sparql-update"),
    }
    assert {status: answer.status for status, answer in found.items()} == {status: status for status in found}
    messages = [answer.body["error"]["message"] for answer in found.values()]
    assert len(set(messages)) == len(messages)
    schema = {"$ref": "#/components/schemas/Error"}
    assert [faults(schema, answer.body) for answer in found.values()] == [[]] * len(found)
    assert "did you mean '/api/plan'" in found[404].body["error"]["message"]
    assert found[405].headers["allow"] == "POST"
    assert set(found) | {401, 500, 503, 504} == set(MEANING)


def test_the_same_path_with_a_slash_is_another_one(app: InThisProcess) -> None:
    assert app.send("GET", "/api/names/").status == 404


def test_names_of_the_loopback_are_understood_with_their_port() -> None:
    app = InThisProcess(hosts=("127.0.0.1", "localhost", "::1"))
    for host in ("127.0.0.1", "127.0.0.1:7878", "localhost:80", "[::1]", "[::1]:7878"):
        assert app.send("GET", "/api/openapi.json", host=host).status == 200
    for host in ("", "evil.example", "localhost.evil.example", "[::2]:7878", "::1"):
        assert app.send("GET", "/api/openapi.json", host=host).status == 421


def test_who_has_no_token_is_told_so_and_nothing_else() -> None:
    app = InThisProcess(token="open-sesame")
    for path in ("/api/names", "/api/plan", "/api/no-such", "/sparql"):
        answer = app.send("POST", path, {"workload": "mlp"})
        assert (answer.status, answer.headers["www-authenticate"]) == (401, "Bearer")
        assert faults({"$ref": "#/components/schemas/Error"}, answer.json) == []
    assert app.send("GET", "/api/openapi.json").json["security"] == [{"token": []}]
    assert app.send("GET", "/api/names", authorization="Bearer open-sesame").status == 200


@pytest.mark.parametrize(
    ("media", "status"),
    [("application/json", 200), ("application/json; charset=utf-8", 200), ("application/ld+json", 200), ("text/plain", 415),
     ("application/x-www-form-urlencoded", 415), ("multipart/form-data; boundary=x", 415), ("", 415)],
)  # fmt: skip
def test_a_body_is_json_and_says_so(app: InThisProcess, media: str, status: int) -> None:
    body = {"workload": "mlp", "target": "zen5-virtual"}
    assert app.send("POST", "/api/plan", body, content_type=media).status == status
    assert app.send("POST", "/api/plan", body).status == 200
    assert app.send("POST", "/api/plan", body, content_encoding="gzip").status == 415
