"""Queries in processes that can be killed: what was attacked, and what a client sees of it."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from test_endpoint import free_port

from tests.serving import JSON_ROWS, Service, children_of, ontune_serve, serving, wait_until_gone

LIGHT = "SELECT ?w WHERE { ?w a on:Workload } LIMIT 3"
ENDLESS = "SELECT (COUNT(*) AS ?n) WHERE { ?a ?b ?c . ?d ?e ?f . ?g ?h ?i FILTER(?c != ?f && ?i != ?c) }"
GREEDY = "SELECT * WHERE { ?a ?b ?c . ?d ?e ?f . ?g ?h ?i } ORDER BY ?i ?f ?c"
MANY = "SELECT * WHERE { ?a ?b ?c . ?d ?e ?f } LIMIT 1000000"
QUICK_LIMITS = textwrap.dedent(
    """
    import sys, uvicorn
    from ontune.service.application import application
    from ontune.service.engine import Engine
    from ontune.service.pool import Limits
    engine = Engine(query_limits=Limits(workers=3, waiting=2, patience=1, seconds=1.5, slow_after=0.3, slow=1))
    uvicorn.run(application(engine), port=int(sys.argv[1]), log_level="critical")
    """
)
"""The service with limits that a test can wait for."""
NEWCOMER = """
@prefix on: <https://w3id.org/ontune#> .
@prefix wl: <https://w3id.org/ontune/workload/> .
@prefix sit: <https://w3id.org/ontune/situation/> .
@prefix skos: <http://www.w3.org/2004/02/skos/core#> .
@prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> .
@prefix prov: <http://www.w3.org/ns/prov#> .
@prefix xsd: <http://www.w3.org/2001/XMLSchema#> .
<> a on:SourceFile ; prov:wasDerivedFrom <urn:own> ; on:checked "2026-11-01"^^xsd:date ; on:status on:Current .
wl:newcomer a on:Workload ; skos:notation "newcomer" ; rdfs:label "a newcomer"@en ; on:trait sit:Training ;
    skos:definition "Added while it ran."@en .
"""


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    port = free_port()
    with serving(port, ontune_serve(port)) as running:
        yield running


@pytest.fixture(scope="module")
def strict() -> Iterator[Service]:
    port = free_port()
    with serving(port, [sys.executable, "-c", QUICK_LIMITS, str(port)]) as running:
        yield running


def rows(service: Service, text: str) -> int:
    answer = service.query(text)
    assert answer.status == 200, answer.body
    return len(answer.body["results"]["bindings"])


def test_a_query_that_takes_too_long_is_ended_with_its_process(strict: Service) -> None:
    answer = strict.query(ENDLESS)
    assert answer.status == 504
    assert "longer than 1.5 s" in answer.body["error"]["message"]
    fork_server = children_of(strict.process.pid)[0]
    assert wait_until_gone([pid for pid in children_of(fork_server) if _uses_processor(pid)]) == []
    assert rows(strict, LIGHT) == 3


def _uses_processor(pid: int) -> bool:
    """Whether a process computes now."""

    before = _ticks(pid)
    time.sleep(0.3)
    return _ticks(pid) > before + 10


def _ticks(pid: int) -> int:
    """What a process has computed so far, in ticks of the clock."""
    try:
        return sum(map(int, Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]))
    except OSError:
        return 0


def test_slow_queries_do_not_hold_up_quick_ones(strict: Service) -> None:
    texts = [ENDLESS.replace("?n", f"?n{n}") for n in range(20)]
    with ThreadPoolExecutor(20) as pool:
        slow = [pool.submit(strict.query, text) for text in texts]
        time.sleep(0.5)
        quick = [strict.query(LIGHT) for _ in range(5)]
        ended = {future.result().status for future in slow}
    assert ended <= {503, 504}
    assert any(answer.status == 200 for answer in quick)
    refused = [future.result() for future in slow if future.result().status == 503]
    assert refused and all(int(answer.headers["retry-after"]) > 0 for answer in refused)
    assert rows(strict, LIGHT) == 3


def test_what_was_slow_before_is_refused_at_once_while_others_are_slow(strict: Service) -> None:
    again, other = ENDLESS.replace("?n", "?again"), ENDLESS.replace("?n", "?other")
    assert strict.query(again).status == 504
    blocker = threading.Thread(target=strict.query, args=(other,))
    blocker.start()
    time.sleep(0.6)
    answer = strict.query(again)
    blocker.join()
    assert answer.status == 503
    assert answer.seconds < 0.6


def test_an_answer_that_is_cut_off_is_seen_to_be_cut_off(strict: Service) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", strict.port, timeout=60)
    connection.request(
        "GET",
        f"/sparql?query={quote('SELECT * WHERE { ?a ?b ?c . ?d ?e ?f . ?g ?h ?i }')}",
        headers={"Accept": JSON_ROWS},
    )
    answer = connection.getresponse()
    assert answer.status == 200
    with pytest.raises(http.client.IncompleteRead):
        answer.read()
    assert rows(strict, LIGHT) == 3


@pytest.mark.parametrize(
    "text",
    [
        "SELECT * WHERE " + "{" * 6000,
        "SELECT * WHERE { " + "{" * 3000 + "}" * 3000 + " }",
        "SELECT * WHERE { FILTER(" + "(" * 3000 + "1" + ")" * 3000 + ") }",
        "ASK { FILTER(" + "!" * 30000 + "true) }",
        "ASK { ?s " + "^" * 30000 + "<urn:p> ?o }",
        "SELECT (" + "-" * 30000 + "1 AS ?x) {}",
        "ASK { FILTER(" + "1+" * 30000 + "1) }",
    ],
)
def test_no_nesting_kills_the_endpoint(service: Service, text: str) -> None:
    answer = service.send("POST", "/sparql", text, Content_Type="application/sparql-query")
    assert answer.status in (200, 400, 503)
    assert rows(service, LIGHT) == 3


def test_a_query_that_wants_all_memory_takes_its_own_worker_down_alone(service: Service) -> None:
    assert service.query(GREEDY, timeout=90).status in (503, 504)
    assert rows(service, LIGHT) == 3


def test_a_worker_can_open_nothing_whatever_the_parser_thinks() -> None:
    program = textwrap.dedent(
        """
        import sys, pyoxigraph as ox
        from ontune.service import query_worker
        store = ox.Store()
        query_worker._lock_in()
        for attempt in (lambda: open("/etc/hostname"), lambda: __import__("socket").socket(), lambda: __import__("os").pipe()):
            try:
                attempt()
            except OSError:
                print("refused")
        try:
            list(store.query(f"SELECT * {{ SERVICE <http://127.0.0.1:{sys.argv[1]}/> {{ ?s ?p ?o }} }}"))
        except OSError:
            print("refused")
        """
    )
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.2)
        done = subprocess.run(
            [sys.executable, "-c", program, str(listener.getsockname()[1])],
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.stdout.split() == ["refused"] * 4, done.stderr
        with pytest.raises(TimeoutError):
            listener.accept()


def test_a_million_rows_stream_in_bounded_memory(service: Service) -> None:
    rows(service, LIGHT)
    before = resident(service)
    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=120)
    connection.request("GET", f"/sparql?query={quote(MANY)}", headers={"Accept": "text/tab-separated-values"})
    answer = connection.getresponse()
    lines, most = 0, 0
    while piece := answer.read(1 << 20):
        lines += piece.count(b"\n")
        most = max(most, resident(service))
    assert lines == 1_000_001
    assert most - before < 100 * 1024 * 1024


def resident(service: Service) -> int:
    """Bytes of memory that the service and all its workers have to themselves (what forked processes share is
    counted by its part).
    """
    total = 0
    for pid in (service.process.pid, *service.descendants()):
        try:
            proportional = [
                line
                for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
                if line.startswith("Pss:")
            ]
        except OSError:
            continue
        total += sum(int(line.split()[1]) * 1024 for line in proportional)
    return total


def test_whoever_is_killed_comes_back(service: Service) -> None:
    assert rows(service, LIGHT) == 3
    fork_server = children_of(service.process.pid)[0]
    for victim in (*children_of(fork_server), fork_server):
        os.kill(victim, signal.SIGKILL)
    assert wait_until_gone([fork_server]) == []
    assert rows(service, LIGHT) == 3
    assert service.send("POST", "/api/plan", {"workload": "mlp", "target": "dgx-h100"}).status in (200, 400)


def test_nothing_is_left_when_the_service_is_killed() -> None:
    port = free_port()
    with serving(port, ontune_serve(port)) as running:
        busy = threading.Thread(target=lambda: _ignoring_errors(running, ENDLESS))
        busy.start()
        time.sleep(0.7)
        rows(running, LIGHT)
        family = running.descendants()
        assert len(family) >= 3
        running.process.kill()
        busy.join()
        assert wait_until_gone(family) == []


def _ignoring_errors(service: Service, text: str) -> None:
    try:
        service.query(text)
    except (OSError, http.client.HTTPException):
        return


def planned_at_once(service: Service, asked: list[dict[str, str]]) -> list[Any]:
    """The plans of all of the bodies, asked for at the same time."""
    with ThreadPoolExecutor(len(asked)) as pool:
        return [
            answer.body
            for answer in pool.map(lambda body: service.send("POST", "/api/plan", body, timeout=300), asked)
        ]


def planned_by_command(asked: dict[str, str]) -> Any:
    """The plan that the command line gives."""
    words = [word for name, value in asked.items() for word in (f"--{name}", value)]
    return json.loads(
        subprocess.run(
            [sys.executable, "-m", "ontune", "plan", *words, "--format", "json"],
            capture_output=True,
            check=True,
        ).stdout
    )


def test_plans_at_once_are_those_of_the_command_line(service: Service) -> None:
    asked = [
        {"workload": workload, "target": target}
        for workload in ("mlp", "mnist-cnn", "lstm")
        for target in ("eos-h100", "zen5-virtual")
    ]
    together = planned_at_once(service, asked)
    assert [service.send("POST", "/api/plan", body).body for body in asked] == together
    assert planned_by_command(asked[3]) == together[3]


WORKLOADS = ("mlp", "mnist-cnn", "lstm", "resnet50", "transformer", "llama-7b")
TARGETS = ("eos-h100", "zen5-virtual", "mi300x-8", "genoa-node", "p100-node")


@pytest.mark.long
def test_thirty_plans_at_once_use_both_cores(service: Service, capsys: pytest.CaptureFixture[str]) -> None:
    """In rounds, of which those count during which others left the processor alone."""
    asked = [{"workload": workload, "target": target} for target in TARGETS for workload in WORKLOADS]
    expected = planned_at_once(service, asked)
    counted: list[tuple[float, float]] = []
    for _ in range(40):
        begin, others = time.monotonic(), _others_seconds(service)
        one_by_one = [service.send("POST", "/api/plan", body).body for body in asked]
        middle = time.monotonic()
        at_once = planned_at_once(service, asked)
        end = time.monotonic()
        assert one_by_one == at_once == expected
        if _others_seconds(service) - others < 0.1 * (end - begin):
            counted.append((middle - begin, end - middle))
        if len(counted) == 5:
            break
    assert [planned_by_command(body) for body in asked] == expected
    if not counted:
        pytest.skip("others use the processor: nothing can be said of what two cores would give")
    alone, together = map(sum, zip(*counted, strict=True))
    with capsys.disabled():
        print(
            f"\n30 plans, {len(counted)} rounds: {alone:.1f} s one by one, {together:.1f} s at once: {alone / together:.2f} times the throughput"
        )
    assert alone / together > 1.7 or len(os.sched_getaffinity(0)) < 2


def _others_seconds(service: Service) -> float:
    """Seconds that processors have spent so far on what is neither the service nor this test."""
    busy = [int(field) for field in Path("/proc/stat").read_text().splitlines()[0].split()[1:]]
    user, nice, system, _, _, interrupts, soft, steal = busy[:8]
    own = sum(_ticks(pid) for pid in (os.getpid(), service.process.pid, *service.descendants()))
    return (user + nice + system + interrupts + soft + steal - own) / os.sysconf("SC_CLK_TCK")


def test_changed_knowledge_is_taken_up(tmp_path: Path) -> None:
    port, data = free_port(), tmp_path / "data"
    addition = tmp_path / "more.ttl"
    addition.write_text(NEWCOMER, encoding="utf-8")
    with serving(port, ontune_serve(port), ONTUNE_DATA_HOME=str(data)) as running:
        assert "newcomer" not in running.send("GET", "/api/names").body["workloads"]
        environment = {**os.environ, "ONTUNE_DATA_HOME": str(data)}
        subprocess.run(
            [sys.executable, "-m", "ontune", "kb", "add", str(addition)],
            check=True,
            capture_output=True,
            env=environment,
        )
        deadline = time.monotonic() + 120
        while "newcomer" not in running.send("GET", "/api/names").body["workloads"]:
            assert time.monotonic() < deadline
            time.sleep(0.5)


def test_a_port_in_use_is_said(service: Service) -> None:
    done = subprocess.run(ontune_serve(service.port), capture_output=True, text=True, timeout=120)
    assert done.returncode == 2
    assert f"127.0.0.1:{service.port}" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize("host", ["no-such-host.invalid", "192.0.2.1", "a" * 300])
def test_an_address_that_is_not_of_this_machine_is_said(host: str) -> None:
    environment = {**os.environ, "ONTUNE_TOKEN": "open-sesame"}
    done = subprocess.run(
        [*ontune_serve(free_port()), "--host", host],
        capture_output=True,
        text=True,
        timeout=120,
        env=environment,
    )
    assert done.returncode == 2
    assert "--host" in done.stderr and "Traceback" not in done.stderr


def test_a_token_does_not_stay_in_the_process_list() -> None:
    port, token = free_port(), "open-sesame-4711"
    with serving(port, [*ontune_serve(port), "--token", token]) as running:
        listed = [
            Path(f"/proc/{pid}/cmdline").read_bytes() for pid in (running.process.pid, *running.descendants())
        ]
        assert listed and not any(token.encode() in line for line in listed)
        assert running.send("GET", "/api/names").status == 401
        assert running.send("GET", "/api/names", Authorization=f"Bearer {token}").status == 200


BROKEN = textwrap.dedent(
    """
    import sys
    from ontune.service import forkserver
    from ontune.service.query_worker import QueryWorker
    from ontune.service.questions import Questions
    def fail(*_): raise ZeroDivisionError("a fault")
    Questions._plan = QueryWorker._answer = fail
    forkserver.main(int(sys.argv[1]))
    """
)
"""A process that workers are forked from, with a fault in each kind of them."""


def test_a_fault_of_ours_is_logged_and_ends_nothing(tmp_path: Path) -> None:
    program = tmp_path / "broken.py"
    program.write_text(BROKEN, encoding="utf-8")
    start = textwrap.dedent(
        f"""
        import subprocess, sys, uvicorn
        from ontune.service import workers
        from ontune.service.application import application
        from ontune.service.engine import Engine
        begin = subprocess.Popen
        workers.subprocess.Popen = lambda command, **how: begin([command[0], {str(program)!r}, command[3]], **how)
        uvicorn.run(application(Engine()), port=int(sys.argv[1]), log_level="critical")
        """
    )
    port, log = free_port(), tmp_path / "log"
    with (
        log.open("w") as written,
        serving(port, [sys.executable, "-c", start, str(port)], stderr=written) as running,
    ):
        for answer in (running.query("ASK {}"), running.send("POST", "/api/plan", {"workload": "mlp"})):
            assert answer.status == 500
            assert answer.body["error"]["message"] == "internal error: see the log of the service"
        assert running.send("GET", "/api/names").status == 200
    assert log.read_text().count("ZeroDivisionError: a fault") == 2
