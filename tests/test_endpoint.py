"""The same planner over a knowledge base behind a real SPARQL 1.1 endpoint (the oxigraph server)."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pyoxigraph as ox
import pytest

from kb.errors import BadInput
from kb.remote import read_remote, select_remote
from kb.target import complete_target
from kb.workload import load_workload
from reasoner.reasoner import Reasoner
from tests.documents import run

SERVER = Path(sys.executable).with_name("oxigraph")


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@pytest.fixture(scope="module")
def reasoner() -> Reasoner:
    return Reasoner([])


@pytest.fixture(scope="module")
def endpoint(reasoner: Reasoner, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    assert shutil.which(str(SERVER)), "the oxigraph server comes with the extra `serve`"
    assert reasoner.snapshot is not None
    folder, port = tmp_path_factory.mktemp("served"), free_port()
    subprocess.run([SERVER, "load", "--location", folder, "--file", reasoner.snapshot.full], check=True, capture_output=True)
    server = subprocess.Popen(
        [SERVER, "serve-read-only", "--location", folder, "--union-default-graph", "--bind", f"127.0.0.1:{port}"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        for _ in range(100):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}/query"
    finally:
        server.terminate()
        server.wait(10)


def test_a_plan_from_an_endpoint_is_the_plan_from_the_snapshot(reasoner: Reasoner, endpoint: str) -> None:
    cpu = {"isa_level": "x86_64_v4", "features": ["avx512_bf16"], "vendor": "AuthenticAMD", "usable_cores": 2}
    machine = complete_target("machine", {"cpu": cpu, "gpus": []}, "test")
    remote = Reasoner(store=read_remote(endpoint))
    for name in ("mnist-cnn", "transformer"):
        workload = load_workload(name)
        assert remote.plan(workload, machine) == reasoner.plan(workload, machine)
        assert remote.why_not("xla", workload, machine) == reasoner.why_not("xla", workload, machine)


def test_an_endpoint_refuses_nonsense_with_one_message(endpoint: str) -> None:
    with pytest.raises(BadInput, match="refuses the query"):
        select_remote(endpoint, "SELECT nonsense")


def test_an_endpoint_without_knowledge_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="does not answer"):
        read_remote(f"http://127.0.0.1:{free_port()}/query")
    with pytest.raises(BadInput, match="is no address"):
        read_remote("localhost/query")


def test_a_query_is_answered_by_an_endpoint_as_by_the_snapshot(endpoint: str, capsys: pytest.CaptureFixture[str]) -> None:
    asked = [
        ["builds-for-driver", "--param", "driver=580.65.06", "--format", "csv"],
        ["options", "--param", "decision=precision", "--format", "json"],
        ["ASK { kb:bf16 on:needs cap:native-bf16 }"],
    ]
    for words in asked:
        here, there = (run(["query", *words, *more], capsys) for more in ([], ["--endpoint", endpoint]))
        assert here[0] == 0
        assert here == there
    for text in ("PREFIX x: <urn:select> CONSTRUCT WHERE { kb:wait-passive on:needs ?need }", "# SELECT nothing\nDESCRIBE kb:flag-nv"):
        here, there = (run(["query", text, "--format", "turtle", *more], capsys) for more in ([], ["--endpoint", endpoint]))
        assert here[0] == there[0] == 0
        assert {*ox.parse(here[1], format=ox.RdfFormat.TURTLE)} == {*ox.parse(there[1], format=ox.RdfFormat.TURTLE)} != set()
