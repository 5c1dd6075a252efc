"""The same planner over a knowledge base behind a real SPARQL 1.1 endpoint (the oxigraph server)."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pyoxigraph as ox
import pytest

from kb.errors import BadInput
from kb.records.target import complete_target
from kb.records.workload import load_workload
from kb.store.remote import read_remote, select_remote
from reasoner.reasoner import Reasoner
from tests.documents import run

SERVER = Path(sys.executable).with_name("oxigraph")


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextmanager
def running(command: Sequence[str | Path], port: int) -> Iterator[str]:
    """A server's address, for as long as the block runs."""
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 300  # it may have to compile the knowledge first, on a busy machine
        while not _listens(port):
            assert server.poll() is None and time.monotonic() < deadline, (
                f"{command[0]} does not listen at {port}"
            )
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(60)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def served(folder: Path, port: int) -> Iterator[str]:
    """The query address of an oxigraph server on a folder."""
    with running(
        [
            SERVER,
            "serve-read-only",
            "--location",
            folder,
            "--union-default-graph",
            "--bind",
            f"127.0.0.1:{port}",
        ],
        port,
    ) as address:
        yield f"{address}/query"


@pytest.fixture(scope="module")
def reasoner() -> Reasoner:
    return Reasoner([])


def _full(reasoner: Reasoner, folder: Path) -> Path:
    file = folder.with_suffix(".nq")
    file.write_bytes(reasoner.full_store.dump())
    return file


@pytest.fixture(scope="module")
def endpoint(reasoner: Reasoner, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    assert shutil.which(str(SERVER)), "the oxigraph server comes with the extra `serve`"
    assert reasoner.snapshot is not None
    folder, port = tmp_path_factory.mktemp("served"), free_port()
    subprocess.run(
        [SERVER, "load", "--location", folder, "--file", _full(reasoner, folder)],
        check=True,
        capture_output=True,
    )
    with served(folder, port) as address:
        yield address


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


def test_a_slow_endpoint_is_not_waited_for_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}/query"
        monkeypatch.setenv("ONTUNE_ENDPOINT_TIMEOUT", "1")
        with pytest.raises(BadInput, match="did not answer within 1 s"):
            read_remote(address)
        monkeypatch.setenv("ONTUNE_ENDPOINT_TIMEOUT", "soon")
        with pytest.raises(BadInput, match="whole number of seconds"):
            read_remote(address)


def test_an_endpoint_with_other_triples_is_said_so(endpoint: str, tmp_path: Path) -> None:
    folder, port = tmp_path / "other", free_port()
    triples = tmp_path / "other.nq"
    triples.write_text("<urn:a> <urn:b> <urn:c> <urn:g> .\n", encoding="utf-8")
    subprocess.run([SERVER, "load", "--location", folder, "--file", triples], check=True, capture_output=True)
    with served(folder, port) as other, pytest.raises(BadInput, match="no knowledge base of Ontune"):
        read_remote(other)


def test_who_must_identify_themselves_can(reasoner: Reasoner, monkeypatch: pytest.MonkeyPatch) -> None:
    port = free_port()
    command = [sys.executable, "-m", "ontune", "serve", "--port", str(port), "--token", "open sesame"]
    with running(command, port) as address:
        with pytest.raises(BadInput, match="does not let you in"):
            read_remote(f"{address}/sparql")
        monkeypatch.setenv("ONTUNE_ENDPOINT_TOKEN", "open sesame")
        assert read_remote(f"{address}/sparql").content_hash()
        with pytest.raises(BadInput, match="unencrypted"):
            read_remote("http://example.org/sparql")


def test_a_query_is_answered_by_an_endpoint_as_by_the_snapshot(
    endpoint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = [
        ["builds-for-driver", "--param", "driver=580.65.06", "--format", "csv"],
        ["options", "--param", "decision=precision", "--format", "json"],
        ["ASK { kb:bf16 on:needs cap:native-bf16 }"],
    ]
    for words in asked:
        here, there = (run(["query", *words, *more], capsys) for more in ([], ["--endpoint", endpoint]))
        assert here[0] == 0
        assert here == there
    for text in (
        "PREFIX x: <urn:select> CONSTRUCT WHERE { kb:wait-passive on:needs ?need }",
        "# SELECT nothing\nDESCRIBE kb:flag-nv",
    ):
        here, there = (
            run(["query", text, "--format", "turtle", *more], capsys)
            for more in ([], ["--endpoint", endpoint])
        )
        assert here[0] == there[0] == 0
        assert (
            {*ox.parse(here[1], format=ox.RdfFormat.TURTLE)}
            == {*ox.parse(there[1], format=ox.RdfFormat.TURTLE)}
            != set()
        )
