"""The HTTP service, as a client sees it: a real server, a real SPARQL endpoint behind it."""

from __future__ import annotations

import http.client
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from test_endpoint import free_port

TOKEN = "a token that nobody guesses"
Ask = Callable[..., tuple[int, Any]]


@pytest.fixture(scope="module")
def ask() -> Iterator[Ask]:
    """Send a request: status and body, read as JSON where it is."""
    port = free_port()
    environment = {**os.environ, "ONTUNE_TOKEN": TOKEN}
    server = subprocess.Popen(
        [sys.executable, "-m", "ontune", "serve", "--port", str(port)],
        stderr=subprocess.PIPE,
        env=environment,
        text=True,
    )

    def send(
        method: str, path: str, body: Any = None, *, token: str | None = TOKEN, **headers: str
    ) -> tuple[int, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        sent = {name.replace("_", "-"): value for name, value in headers.items()} | (
            {"Authorization": f"Bearer {token}"} if token else {}
        )
        connection.request(method, path, body if isinstance(body, str | None) else json.dumps(body), sent)
        answer = connection.getresponse()
        text = answer.read().decode()
        return answer.status, json.loads(text) if "json" in answer.headers.get("content-type", "") else text

    try:
        assert server.stderr is not None
        assert str(port) in server.stderr.readline()
        for _ in range(100):
            try:
                send("GET", "/")
                break
            except ConnectionRefusedError:
                time.sleep(0.1)
        yield send
    finally:
        children = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split()
        server.terminate()
        server.communicate(timeout=20)
        assert server.returncode == 0
        assert children
        assert not any(Path(f"/proc/{child}").exists() for child in children)


def test_it_plans_and_answers(ask: Ask) -> None:
    status, plan = ask(
        "POST", "/api/plan", {"workload": "mnist-cnn", "pins": {"precision": "fp32"}, "framework": "pytorch"}
    )
    assert status == 200
    taken = {decision["decision"]: decision["option"] for decision in plan["decisions"]}
    assert (taken["framework"], taken["precision"]) == ("pytorch", "fp32")
    assert ask("POST", "/api/why-not", {"workload": "mnist-cnn", "option": "xla"})[1]["reasons"]
    assert "premises" in ask("POST", "/api/explain", {"workload": "mnist-cnn", "subject": "allocator"})[1]
    assert (
        "after"
        in ask("POST", "/api/what-if", {"workload": "mnist-cnn", "changes": {"cpu.usable_cores": 1}})[1]
    )


def test_a_plan_of_the_service_is_that_of_the_command_line(ask: Ask) -> None:
    target = {
        "cpu": {"isa_level": "x86_64_v3", "features": ["avx2"], "cores": 8, "usable_cores": 8},
        "gpus": [],
        "glibc": "2.36",
    }
    first, second = (ask("POST", "/api/plan", {"workload": "mlp", "target": target})[1] for _ in range(2))
    assert first["plan_id"] == second["plan_id"]
    assert first["target"]["cpu"]["usable_cores"] == 8


@pytest.mark.parametrize(
    ("body", "part"),
    [
        ({"workload": "mnist-cn"}, "mnist-cnn"),
        ({"workload": "/etc/passwd"}, "expected a name"),
        ({"workload": "mlp", "target": "../x.json"}, "expected a name"),
        ({"workload": "mlp", "pln": 1}, "plan"),
        ({"workload": "mlp", "pins": {"precision": "bf61"}}, "bf16"),
        ({}, "workload"),
        ("{", "malformed JSON"),
        ("[]", "an object"),
    ],
)
def test_bad_input_is_a_message(ask: Ask, body: Any, part: str) -> None:
    status, answer = ask("POST", "/api/plan", body)
    assert status == 400
    assert part in answer["error"]["message"] or "unknown key" in answer["error"]["message"]
    assert "Traceback" not in answer["error"]["message"]


def test_a_site_is_named_or_described_but_never_a_file(ask: Ask) -> None:
    asked = {"workload": "mnist-cnn", "target": "eos-h100", "framework": "pytorch"}
    assert ask("POST", "/api/plan", {**asked, "site": "lumi"})[1]["site"]["name"] == "lumi"
    assert ask("POST", "/api/plan", {**asked, "site": {"account": "p42"}})[1]["site"]["account"] == "p42"
    wrong = (
        ("/etc/passwd", "body: site"),
        ({"acount": "p42"}, "did you mean 'account'"),
        ("lumy", "did you mean 'lumi'"),
        (7, "body: site"),
    )
    for site, part in wrong:
        status, answer = ask("POST", "/api/plan", {**asked, "site": site})
        assert status == 400 and part in answer["error"]["message"]


def test_no_feasible_plan_is_a_conflict(ask: Ask) -> None:
    status, answer = ask(
        "POST",
        "/api/plan",
        {"workload": "mnist-cnn", "pins": {"framework": "pytorch", "compiler": "tf-graph"}},
    )
    assert status == 409
    assert "Smallest ways out" in answer["error"]["message"]


def test_sparql_is_spoken_and_only_reads(ask: Ask) -> None:
    text = "SELECT ?name WHERE { ?w a <https://w3id.org/ontune#Workload> ; <http://www.w3.org/2004/02/skos/core#notation> ?name }"
    status, found = ask("GET", f"/sparql?query={quote(text)}", Accept="application/sparql-results+json")
    assert status == 200
    assert "mnist-cnn" in {row["name"]["value"] for row in found["results"]["bindings"]}
    status, found = ask("POST", "/sparql", text, Accept="text/csv", Content_Type="application/sparql-query")
    assert status == 200
    assert "mnist-cnn" in found.splitlines()
    status, _ = ask("POST", "/sparql", "CLEAR ALL", Content_Type="application/sparql-update")
    assert status >= 400


@pytest.mark.parametrize(
    "text",
    [
        "SELECT * { SERVICE <http://127.0.0.1:9/> { ?s ?p ?o } }",
        "SELECT * { service silent <http://127.0.0.1:9/> { ?s ?p ?o } }",
        "PREFIX x: <http://127.0.0.1:9/> SELECT * { SERVICE x:y { ?s ?p ?o } }",
        "SELECT * { BIND(<http://127.0.0.1:9/> AS ?w) SERVICE # no\n?w { ?s ?p ?o } }",
        "SELECT * { \\u0053ERVICE <http://127.0.0.1:9/> { ?s ?p ?o } }",
    ],
)
def test_no_query_makes_the_server_ask_another_one(ask: Ask, text: str) -> None:
    for answer in (
        ask("GET", f"/sparql?query={quote(text)}"),
        ask("POST", "/sparql", text, Content_Type="application/sparql-query"),
        ask("POST", "/sparql", f"query={quote_plus(text)}", Content_Type="application/x-www-form-urlencoded"),
    ):
        assert answer[0] == 400
        assert "SERVICE" in answer[1]["error"]["message"]


def test_a_word_that_looks_like_federation_is_no_harm(ask: Ask) -> None:
    text = "SELECT ?service WHERE { ?service a <https://w3id.org/ontune#Workload> FILTER(!CONTAINS(STR(?service), 'service')) }"
    assert ask("GET", f"/sparql?query={quote(text)}", Accept="text/csv")[0] == 200


def test_named_queries_and_names(ask: Ask) -> None:
    names = ask("GET", "/api/names")[1]
    assert "mnist-cnn" in names["workloads"]
    assert {row["option"] for row in ask("GET", "/api/queries/options?decision=precision")[1]} >= {
        "fp32",
        "bf16",
    }
    assert ask("GET", "/api/queries/optins")[0] == 404


def test_only_those_with_the_token_get_in(ask: Ask) -> None:
    assert ask("POST", "/api/plan", {"workload": "mlp"}, token=None)[0] == 401
    assert ask("POST", "/api/plan", {"workload": "mlp"}, token="guess")[0] == 401
    assert ask("GET", "/sparql?query=ASK%7B%7D", token=None)[0] == 401
    status, page = ask("GET", "/", token=None)
    assert status == 200
    assert not re.search(r"(src|href)=.https?:", page)


def test_a_foreign_name_is_refused(ask: Ask) -> None:
    assert ask("GET", "/api/names", Host="evil.example")[0] == 421


def test_a_huge_body_is_refused(ask: Ask) -> None:
    status, answer = ask("POST", "/api/plan", json.dumps({"workload": "x" * 2_000_000}))
    assert status == 413
    assert "too large" in answer["error"]["message"]


def test_others_may_only_come_with_a_token() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "ontune", "serve", "--host", "0.0.0.0"], capture_output=True, text=True
    )
    assert done.returncode == 2
    assert "--token" in done.stderr
