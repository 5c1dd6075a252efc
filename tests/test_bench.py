"""Measuring: child processes, statistics, interleaved rounds, observations, wheels and the builder's
settings.
"""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import plans
import pyoxigraph as ox
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench import demo, demo_report, process
from bench.images import site_settings
from bench.images.wheels import Interpreter, collect
from bench.measure.observation import Observation, load, record
from bench.measure.rounds import Series, Variant, measure
from bench.measure.runners import RunResult, measured_environment, read_result
from bench.measure.statistics import paired_ratio
from generators.bundle import Bundle
from kb.errors import BadInput, RunFailed
from kb.records.targets import load_target
from kb.records.workload import load_workload
from kb.store import paths
from kb.values import replace
from reasoner.answers.plan import Plan
from reasoner.reasoner import Reasoner

# ---- child processes


def test_a_child_that_takes_too_long_is_ended_with_its_children(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    script = f"trap '' TERM; sleep 600 & echo $! > {pid_file}; wait; sleep 600"
    finished = process.run(["bash", "-c", script], 3)
    assert finished.timed_out and finished.code == -signal.SIGKILL
    grandchild = Path("/proc", pid_file.read_text().strip(), "stat")
    deadline = time.monotonic() + 60
    while (alive := _state(grandchild) not in ("", "Z")) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not alive


def _state(stat: Path) -> str:
    """The state of a process; empty where it is gone."""
    try:
        return stat.read_text().split()[2]
    except OSError:
        return ""


def test_output_is_kept_whole_and_errors_by_their_end() -> None:
    script = f"import sys; print('x' * 100_000); sys.stderr.write('a' * {2 * process.TAIL_CHARACTERS} + 'the end'); sys.exit(3)"
    finished = process.run([sys.executable, "-c", script], 30)
    assert (finished.code, finished.timed_out, len(finished.output)) == (3, False, 100_001)
    assert finished.error_tail.endswith("the end") and len(finished.error_tail) == process.TAIL_CHARACTERS


def test_children_get_the_cores_and_this_process_keeps_its_own() -> None:
    before = os.sched_getaffinity(0)
    ask = [sys.executable, "-c", "import os; print(sorted(os.sched_getaffinity(0)))"]
    with process.on_cores(1) as cores:
        finished = process.run(ask, 30)
    assert json.loads(finished.output) == list(cores) and len(cores) == 1
    assert os.sched_getaffinity(0) == before
    with (
        pytest.raises(ValueError, match=f"{len(before) + 1} cores were asked for"),
        process.on_cores(len(before) + 1),
    ):
        pass


def test_a_measured_process_does_not_inherit_what_would_change_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "17")
    monkeypatch.setenv("LD_PRELOAD", "")
    environment = measured_environment({"ONTUNE_PYTHON": "/somewhere"})
    assert "OMP_NUM_THREADS" not in environment and "LD_PRELOAD" not in environment
    assert environment["ONTUNE_PYTHON"] == "/somewhere" and environment["PATH"] == os.environ["PATH"]


@pytest.mark.parametrize(
    ("code", "timed_out", "written", "outcome", "complaint"),
    [
        (0, False, '{"throughput": 1.5}', "done", ""),
        (1, False, '{"throughput": 1.5}', "failed", "sad"),
        (0, False, None, "failed", "sad\nthe program has left no result"),
        (0, False, '{"throughput":', "failed", "sad\nthe program has left no result"),
        (-9, True, '{"throughput": 1.5}', "timed-out", "sad"),
    ],
)
def test_a_run_is_judged_by_code_and_result(
    code: int, timed_out: bool, written: str | None, outcome: str, complaint: str, tmp_path: Path
) -> None:
    output = tmp_path / "result.json"
    if written is not None:
        output.write_text(written)
    judged = read_result(process.Finished(code, "", "sad", 2.0, timed_out), output)
    assert (judged.outcome, judged.complaint, judged.seconds) == (outcome, complaint, 2.0)
    assert judged.result == ({"throughput": 1.5} if outcome == "done" else None)


# ---- statistics


def test_ratio_of_a_worked_example() -> None:
    # Logarithms of 2, 2, 4: mean 4/3 ln 2, standard error 1/3 ln 2; Student's t at 97.5 % with two degrees of
    # freedom is 4.30265.
    ratio = paired_ratio([2.0, 4.0, 12.0], [1.0, 2.0, 3.0])
    assert ratio is not None and ratio.pairs == 3
    assert ratio.value == pytest.approx(2 ** (4 / 3))
    assert ratio.low == pytest.approx(2 ** (4 / 3 - 4.30265 / 3), rel=1e-5)
    assert ratio.high == pytest.approx(2 ** (4 / 3 + 4.30265 / 3), rel=1e-5)


def test_rounds_without_both_are_left_out_and_one_pair_has_no_interval() -> None:
    assert paired_ratio([None, 4.0, 1.0], [1.0, 2.0, None]) == replace(paired_ratio([4.0], [2.0]), pairs=1)  # type: ignore[type-var]
    single = paired_ratio([4.0], [2.0])
    assert single is not None and (single.low, single.high) == (None, None)
    assert paired_ratio([None], [1.0]) is None
    with pytest.raises(ValueError, match="zip"):
        paired_ratio([1.0], [1.0, 2.0])


@given(
    st.lists(st.floats(0.5, 2.0), min_size=3, max_size=8),
    st.floats(0.1, 10.0),
    st.data(),
)
def test_noise_that_hits_a_whole_round_cancels(
    noise: list[float], true_ratio: float, data: st.DataObject
) -> None:
    ratio = paired_ratio([100 * true_ratio * factor for factor in noise], [100 * factor for factor in noise])
    assert ratio is not None and ratio.value == pytest.approx(true_ratio)
    assert ratio.low == pytest.approx(true_ratio) and ratio.high == pytest.approx(true_ratio)
    inverse = paired_ratio(
        [100 * factor for factor in noise], [100 * true_ratio * factor for factor in noise]
    )
    assert inverse is not None and inverse.value * ratio.value == pytest.approx(1)


# ---- rounds


class CountingRunner:
    """A runner of real processes that print how often they have run; the third one fails."""

    name = "counting"

    def __init__(self) -> None:
        self.order: list[str] = []

    def lacks(self, plan: Plan) -> dict[str, str]:
        """Nothing is missing."""
        return {}

    def prepare(self, bundle: Bundle) -> None:
        """Nothing is needed."""

    def run(self, bundle: Bundle, arguments: Sequence[str], output: Path, cores: int | None) -> RunResult:
        """Write the number of the run as throughput."""
        self.order.append(bundle.folder.name)
        output.unlink(missing_ok=True)
        script = "import json, sys; n = int(sys.argv[1]); sys.exit('no luck') if n == 3 else json.dump({'throughput': n}, open(sys.argv[2], 'w'))"
        with process.on_cores(cores):
            return read_result(
                process.run([sys.executable, "-c", script, str(len(self.order)), str(output)], 30), output
            )


def test_variants_take_turns_and_failures_are_kept() -> None:
    variants = [Variant(name, Bundle(Path(name), plans.plan()), f"recipe of {name}") for name in "abc"]
    runner, kept = CountingRunner(), []
    series = measure(variants, runner, 3, 1, record=kept.append)
    assert runner.order == ["a", "b", "c", "b", "c", "a", "c", "a", "b"]
    assert kept == list(series.observations) and {one.series for one in kept} == {series.id}
    assert series.throughputs("a") == [1, 6, 8] and series.throughputs("c") == [None, 5, 7]
    failed = series.of("c")[0]
    assert failed.outcome == "failed" and failed.complaint.startswith("no luck")
    ratio = series.ratio("c", "a")
    assert ratio is not None and ratio.pairs == 2
    assert ratio.value == pytest.approx(math.sqrt(5 / 6 * 7 / 8))
    one = series.of("b")[2]
    assert (one.cores, one.runner, one.recipe, one.workload, one.round) == (
        1,
        "counting",
        "recipe of b",
        "mnist-cnn",
        2,
    )
    assert {"decision": "allocator", "option": "tcmalloc"} in one.decisions
    with pytest.raises(ValueError, match="different names"):
        measure([variants[0], variants[0]], runner, 1)


# ---- observations


def observation(**changes: object) -> Observation:
    given: dict[str, object] = {
        "series": "urn:uuid:1", "round": 0, "variant": "plan", "plan_id": "p", "runner": "native", "cores": 2, "workload": "mnist-cnn",
        "outcome": "done", "seconds": 3.5, "started": "2026-01-02T03:04:05.678+00:00", "throughput": 12.5,
        "windows": ({"seconds": 1.0, "samples": 128, "throughput": 128.0},), "decisions": ({"decision": "precision", "option": "bf16"},),
        "versions": {"torch": "2.13.0+cpu"}, "target_facts": {"cpu": {"cores": 2}, "gpus": []},
    }  # fmt: skip
    return Observation(**(given | changes))  # type: ignore[arg-type]


def test_an_observation_comes_back_as_it_was(tmp_path: Path) -> None:
    first = observation()
    second = observation(
        outcome="timed-out",
        throughput=None,
        windows=(),
        complaint="still compiling",
        started="2026-01-02T03:04:06.000+00:00",
    )
    record(second, tmp_path)
    record(first, tmp_path)
    assert list(load(tmp_path)) == [first, second]


def test_an_observation_is_rdf(tmp_path: Path) -> None:
    one = observation()
    store = ox.Store()
    store.load(path=str(record(one, tmp_path)), format=ox.RdfFormat.JSON_LD)
    found = store.query(
        """PREFIX on: <https://w3id.org/ontune#> PREFIX prov: <http://www.w3.org/ns/prov#>
        SELECT ?obs ?throughput ?option ?when { ?obs a on:Observation ; on:observedThroughput ?throughput ; on:onCores 2 ; prov:startedAtTime ?when ;
          on:took [ on:decisionName "precision" ; on:optionName ?option ] }"""
    )
    assert [tuple(value.value for value in row) for row in found] == [
        (one.id, "12.5", "bf16", one.started.replace("+00:00", "Z"))
    ]  # type: ignore[union-attr]


def test_terms_of_observations_are_in_the_ontology(tmp_path: Path) -> None:
    ontology = ox.parse(path=str(paths.shipped("ontology") / "evidence.ttl"), format=ox.RdfFormat.TURTLE)
    defined = {quad.subject.value for quad in ontology if isinstance(quad.subject, ox.NamedNode)}
    texts = dict.fromkeys(("knowledge", "recipe", "microarchitecture", "complaint"), "x")
    numbers = dict.fromkeys(("first_step_seconds", "peak_memory_mib", "foreign_load"), 1.0)
    full = observation(**texts, **numbers, in_effect={"a": 1}, workload_facts={"a": 1})
    used = {
        quad.predicate.value
        for quad in ox.parse(path=str(record(full, tmp_path)), format=ox.RdfFormat.JSON_LD)
    }
    ours = {term for term in used if term.startswith("https://w3id.org/ontune#")}
    assert len(ours) > 20 and ours <= defined


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "malformed JSON"),
        ('{"a": 1e999}', "too large"),
        ("[" * 100_000, "too deep"),
        ('{"type": "Observation", "round": "1"}', "missing series"),
        ("[]", "not an observation"),
        ('{"type": "Observation", "round": 1}', "missing series, variant"),
        ('{"type": "Observation", "rownd": 1}', "rownd: unknown key; did you mean 'round'?"),
    ],
)
def test_what_is_no_observation_is_named_once(
    text: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one = observation()
    record(one, tmp_path)
    (tmp_path / "bad.jsonld").write_text(text)
    assert list(load(tmp_path)) == list(load(tmp_path)) == [one]
    told = capsys.readouterr().err
    assert told.count("bad.jsonld") == 1 and message in told


def test_the_type_of_each_field_is_checked(tmp_path: Path) -> None:
    document = observation().to_json()
    for key, value in {
        "round": "1",
        "throughput": "fast",
        "windows": {},
        "outcome": "fine",
        "versions": [],
        "workload": 3,
        "cores": True,
    }.items():
        with pytest.raises(BadInput, match=f"here: {key}: has the wrong type"):
            Observation.from_json(document | {key: value}, "here")


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match="observations cannot be recorded"):
        record(observation(), tmp_path / "file")


RECORDING = """
import sys
from pathlib import Path
from test_bench import observation
from bench.measure.observation import record
number = 0
while True:
    one = observation(variant=sys.argv[2], round=number, complaint="x" * 200_000)
    record(one, Path(sys.argv[1]))
    print(one.id, flush=True)
    number += 1
"""


def test_killing_recorders_loses_nothing_and_leaves_no_half_file(tmp_path: Path) -> None:
    root = Path(__file__).parent.parent
    environment = {**os.environ, "PYTHONPATH": f"{root}{os.pathsep}{root / 'tests'}"}
    command = [sys.executable, "-c", RECORDING, str(tmp_path)]
    children = [
        subprocess.Popen([*command, str(number)], stdout=subprocess.PIPE, text=True, env=environment)
        for number in range(3)
    ]
    told: list[list[str]] = [[] for _ in children]

    def listen(number: int) -> None:
        stream = children[number].stdout
        assert stream is not None
        told[number].extend(line.strip() for line in stream)

    listeners = [threading.Thread(target=listen, args=(number,)) for number in range(len(children))]
    for listener in listeners:
        listener.start()
    deadline = time.monotonic() + 60
    while not all(told) and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.3)
    for child in children:
        child.send_signal(signal.SIGKILL)
    for child, listener in zip(children, listeners, strict=True):
        child.wait()
        listener.join()
    half: list[BadInput] = []
    kept = {one.id for one in load(tmp_path, half.append)}
    assert not half
    promised = {name for names in told for name in names if len(name) == len("urn:uuid:") + 36}
    assert all(told) and promised <= kept
    assert len(kept) <= len(promised) + len(children)  # at most one each that was recorded and not yet told


# ---- what a build is given


def test_platform_tags_reach_down_from_the_images_library() -> None:
    tags = Interpreter("3.11", "2.28", "x86_64").platforms
    assert tags[0] == "manylinux_2_28_x86_64" and tags[-1] == "linux_x86_64"
    assert "manylinux2014_x86_64" in tags and "manylinux_2_29_x86_64" not in tags
    assert (
        tags.index("manylinux_2_17_x86_64")
        < tags.index("manylinux2010_x86_64")
        < tags.index("manylinux1_x86_64")
    )


def test_wheels_are_collected_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ONTUNE_CACHE_HOME", str(tmp_path))
    requirements = tmp_path / "requirements.txt"
    requirements.write_text("six==1.17.0\n")
    interpreter = Interpreter("3.11", "2.36", "x86_64")
    folder = collect(requirements, interpreter)
    assert [path.name for path in folder.iterdir()] == ["six-1.17.0-py2.py3-none-any.whl"]
    assert "collecting wheels" in capfd.readouterr().err
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "nothing"))
    assert collect(requirements, interpreter) == folder
    assert capfd.readouterr().err == ""
    requirements.write_text("six==1.16.0\n")
    with pytest.raises(RunFailed, match=r"six==1\.16\.0"):
        collect(requirements, interpreter)
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


def test_the_builders_settings_are_lent_and_taken_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    links, certificates, scratch = tmp_path / "links", tmp_path / "ca.pem", tmp_path / "scratch"
    links.mkdir()
    scratch.mkdir()
    certificates.write_text("a certificate")
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_INDEX_URL", "https://user:secret@index.invalid/simple")
    monkeypatch.setenv("PIP_FIND_LINKS", f"{links} https://elsewhere.invalid/wheels")
    monkeypatch.setenv("PIP_CERT", str(certificates))
    with site_settings.laid_out(None, scratch) as binds:
        inside = Path(binds[0].split(":")[0], "ontune")
        assert binds[0].endswith(":/mnt") and binds[1] == f"{links}:/mnt/ontune/folder-0"
        pip = (inside / "pip.conf").read_text()
        assert "index-url = https://user:secret@index.invalid/simple" in pip
        assert "    /mnt/ontune/folder-0\n    https://elsewhere.invalid/wheels\n" in pip
        assert (inside / "certificates.pem").read_text() == "a certificate"
        exports = (inside / "environment.sh").read_text()
        assert (
            "export PIP_CONFIG_FILE=/mnt/ontune/pip.conf\n" in exports
            and "export SSL_CERT_FILE=/mnt/ontune/certificates.pem\n" in exports
        )
        assert "secret" not in exports
    with site_settings.laid_out(links, scratch) as binds:
        inside = Path(binds[0].split(":")[0], "ontune")
        assert (
            binds[1] == f"{links}:/mnt/ontune/wheels"
            and (inside / "wheels").is_dir()
            and not (inside / "pip.conf").exists()
        )
    assert list(scratch.iterdir()) == []
    strange = tmp_path / "a:b"
    strange.mkdir()
    with pytest.raises(BadInput, match="cannot be bound"), site_settings.laid_out(strange, scratch):
        pass


# ---- the demonstration


@pytest.mark.parametrize(
    ("machine", "usual_advice"),
    [("zen5-virtual", "mixed"), ("genoa-node", "mixed"), ("daint-multicore", "exact")],
)
def test_the_demonstration_begins_with_the_baseline_and_ends_with_the_plan(
    machine: str, usual_advice: str
) -> None:
    reasoner = Reasoner()
    workload, target = load_workload("mnist-cnn", reasoner.store), load_target(machine, reasoner.store)
    short = list(demo.contenders(reasoner, workload, target, full=False))
    full = list(demo.contenders(reasoner, workload, target, full=True))
    assert short[0].name == full[0].name == "B0" and short[0].numerics == "exact"
    assert short[-1].name == full[-1].name == "plan"
    assert {"B0", "B1", "B2"} <= {one.name for one in full} and next(
        one for one in full if one.name == "B2"
    ).numerics == usual_advice
    usual = short[0].plan.option("framework")
    assert all(one.plan.option("framework") == usual for one in short[:-1])
    assert len({one.plan.plan_id for one in full}) == len(full)
    within = reasoner.plan(workload, target, framework=usual)
    agree = {d.decision: d.option for d in within.decisions} == {
        d.decision: d.option for d in short[-1].plan.decisions
    }
    assert (
        (f"within {usual}, and with the framework free" in short[-1].title)
        == agree
        == (f"{usual}-plan" not in {one.name for one in short})
    )


def test_plans_that_agree_are_one_contender_of_both_names() -> None:
    reasoner = Reasoner()
    workload = load_workload("mnist-cnn", reasoner.store)
    pytorch_only = replace(workload, facts={**workload.facts, "frameworks": ["pytorch"]})
    *_, last = demo.contenders(
        reasoner, pytorch_only, load_target("zen5-virtual", reasoner.store), full=False
    )
    assert (last.name, last.title) == ("plan", "the plan within pytorch, and with the framework free")


def test_the_report_keeps_exact_gains_apart_and_the_users_framework_first() -> None:
    def row(
        title: str, framework: str, numerics: str, ratio: float, failures: list[dict[str, str]]
    ) -> dict[str, object]:
        stated = {"value": ratio, "low": ratio - 0.1, "high": ratio + 0.1, "pairs": 3}
        measured = {
            "throughput": 100 * ratio, "ratio": stated, "first_step_seconds": 0.5, "peak_memory_mib": 300.0, "foreign_load": 0.25,
            "failures": failures,
        }  # fmt: skip
        return {
            "title": title,
            "framework": framework,
            "numerics": numerics,
            "build_seconds": 40.0,
            "bytes": 2**28,
            "measured": {"1": measured},
        }

    rows = [
        row("baseline", "pytorch", "exact", 1.0, []),
        row("other exact", "tensorflow", "exact", 1.7, []),
        row("own mixed", "pytorch", "mixed", 2.0, [{"outcome": "timed-out", "complaint": "slow\nvery slow"}]),
        row("own exact", "pytorch", "exact", 1.5, []),
    ]
    document = {
        "runner": "native",
        "series": {"1": "urn:uuid:1"},
        "rows": rows,
        "observations": "there",
        "report": "here",
    }
    lines = demo_report.text(document).splitlines()
    gains = [line.strip() for line in lines if "] : " in line.replace("]:", "] :")]
    assert [line.split(" [")[0] for line in gains] == ["own exact", "other exact", "own mixed"]
    assert gains[0].endswith("x 1.50 (1.40 to 1.60) on 1 core(s)")
    headings = [line for line in lines if line.startswith("Gains")]
    assert headings == [
        "Gains that leave the numbers alone, against baseline:",
        "Gains with mixed precision, against baseline:",
    ]
    assert "own mixed on 1 core(s): a run timed-out: very slow" in lines
    assert (
        lines[-1].startswith("How it was measured")
        and "in a virtual environment" in lines[-1]
        and "0.25" in lines[-1]
    )


def test_a_series_without_a_common_round_has_no_ratio() -> None:
    assert Series("urn:uuid:1", (observation(variant="a"),)).ratio("a", "b") is None
