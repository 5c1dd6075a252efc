"""The command line: what it prints where, its exit codes, and what it says of bad input."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from generators.writers.job import wishes_known
from ontune.cli import COMMANDS, main

Ended = tuple[int, str, str]
HEAVY = {
    "torch",
    "tensorflow",
    "rdflib",
    "pyshacl",
    "owlready2",
    "rich",
    "jinja2",
    "scipy",
    "yaml",
    "pydantic",
}


@pytest.fixture
def ontune(capsys: pytest.CaptureFixture[str]) -> Any:
    """Run a command in this process: exit code, stdout, stderr."""

    def run(*words: str) -> Ended:
        with pytest.raises(SystemExit) as ended:
            main(words)
        out, err = capsys.readouterr()
        return int(ended.value.code or 0), out, err

    return run


def assert_refused(ended: Ended, *parts: str) -> None:
    """Exit code 2, nothing on stdout, and one line on stderr that has all `parts`."""
    code, out, err = ended
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert "Traceback" not in err
    for part in parts:
        assert part in err


# ---- commands


def test_help_lists_every_command_that_exists(ontune: Any) -> None:
    code, out, _ = ontune("--help")
    listed = {line.split()[0] for line in out.partition("Commands:")[2].splitlines() if line.strip()}
    assert code == 0
    assert listed
    assert listed <= set(COMMANDS)
    for command in listed:
        code, out, _ = ontune(command, "--help")
        assert code == 0
        assert out.startswith(f"Usage: ontune {command}")


def test_version_names_the_program(ontune: Any) -> None:
    code, out, _ = ontune("--version")
    assert code == 0
    assert out.startswith("ontune ")


def test_plan_prints_one_json_object(ontune: Any) -> None:
    code, out, _ = ontune("plan", "-w", "mnist-cnn", "--format", "json")
    plan = json.loads(out)
    assert code == 0
    assert set(plan) >= {
        "plan_id",
        "workload",
        "target",
        "objective",
        "decisions",
        "prediction",
        "alternatives",
        "unknowns",
        "knowledge",
    }
    assert {"decision", "option", "label", "how", "apply", "reasons", "rejected"} <= set(plan["decisions"][0])
    assert all(taken["reasons"] for taken in plan["decisions"])


def test_the_whole_plan_names_every_decision_and_its_sources(ontune: Any) -> None:
    plan = json.loads(ontune("plan", "-w", "mnist-cnn", "--format", "json")[1])
    code, out, _ = ontune("plan", "-w", "mnist-cnn", "--all")
    assert code == 0
    for taken in plan["decisions"]:
        assert taken["decision"] in out
        assert taken["option"] in out
    assert "[1] " in out
    assert "predicted against the default: " in out


def test_a_pin_is_taken_and_named_as_the_request(ontune: Any) -> None:
    plan = json.loads(
        ontune(
            "plan", "-w", "mnist-cnn", "--framework", "pytorch", "--pin", "precision=fp32", "--format", "json"
        )[1]
    )
    taken = {decision["decision"]: decision for decision in plan["decisions"]}
    assert (taken["framework"]["option"], taken["precision"]["option"]) == ("pytorch", "fp32")
    assert "request" in {reason["kind"] for reason in taken["precision"]["reasons"]}


def test_a_plan_file_answers_for_its_own_request(ontune: Any, tmp_path: Path) -> None:
    file = tmp_path / "plan.json"
    file.write_text(ontune("plan", "-w", "mnist-cnn", "--framework", "tensorflow", "--format", "json")[1])
    code, out, _ = ontune("why-not", "tensorflow", "--plan", str(file), "--format", "json")
    assert code == 0
    assert json.loads(out)["status"] == "chosen"


def test_why_not_and_explain_and_what_if(ontune: Any) -> None:
    answer = json.loads(ontune("why-not", "xla", "-w", "mnist-cnn", "--format", "json")[1])
    assert answer["decision"] == "compiler"
    assert answer["status"] in ("conflict", "beaten")
    assert answer["reasons"]
    proof = json.loads(ontune("explain", "allocator", "-w", "mnist-cnn", "--format", "json")[1])
    assert {"conclusion", "by", "premises"} <= set(proof)
    change = json.loads(ontune("what-if", "cpu.usable_cores=1", "-w", "mnist-cnn", "--format", "json")[1])
    assert {"before", "after", "changes"} == set(change)


def test_a_fact_can_be_set_for_one_plan(ontune: Any) -> None:
    plan = json.loads(ontune("plan", "-w", "mnist-cnn", "--set", "cpu.usable_cores=1", "--format", "json")[1])
    assert plan["target"]["cpu"]["usable_cores"] == 1
    assert plan["target"]["overrides"] == {"cpu.usable_cores": 1}


@pytest.mark.parametrize("suffix", [".json", ".yaml", ".ttl"])
def test_a_probed_target_can_be_planned_for(ontune: Any, tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"node{suffix}"
    code, out, err = ontune("probe", "--set", "cpu.usable_cores=1", "-o", str(file))
    assert (code, out) == (0, "")
    assert str(file) in err
    plan = json.loads(ontune("plan", "-w", "mlp", "-t", str(file), "--format", "json")[1])
    assert plan["target"]["cpu"]["usable_cores"] == 1


def test_a_dry_run_shows_what_it_would_do_and_claims_nothing(
    ontune: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("ONTUNE_TOOLS", str(tmp_path))
    bundle = tmp_path / "bundle"
    assert ontune("recipe", "-w", "mnist-cnn", "-t", "eos-h100", "--site", "lumi", "-o", str(bundle))[0] == 0
    assert "#SBATCH --partition=small-g\n" in (bundle / "job.slurm").read_text()
    before = sorted(bundle.rglob("*"))
    for runner, first in (
        ("slurm", "sbatch"),
        ("apptainer", "singularity"),
        ("native", str(bundle / "run.sh")),
    ):
        code, out, _ = ontune(
            "run", str(bundle), "--dry-run", "--runner", runner, "--format", "json", "--", "--windows", "1"
        )
        shown = json.loads(out)
        assert (
            code == 0
            and shown["dry_run"] is True
            and shown["command"][0] == first
            and "--windows" in shown["command"]
        )
        assert shown["missing"] == ([] if runner == "native" else [first, str(bundle / "ontune.sif")])
        assert not {"outcome", "throughput", "done"} & shown.keys()
    assert sorted(bundle.rglob("*")) == before
    assert_refused(ontune("run", str(bundle), "--runner", "slurm"), "expected Apptainer")


def test_kb_stats_counts_what_the_contract_names(ontune: Any) -> None:
    counts = json.loads(ontune("kb", "stats", "--format", "json")[1])
    named = "triples microarchitectures accelerators framework_releases compilers images options rules effects observations queries targets workloads"
    assert set(counts) == set(named.split())
    assert counts["options"] > counts["compilers"] > 0
    assert counts["workloads"] >= 6


# ---- streams


def test_planning_imports_nothing_heavy() -> None:
    planning = "main(['plan', '-w', 'mnist-cnn', '--format', 'json'])"
    code = f"import sys; from ontune.cli import main\ntry: {planning}\nfinally: print(*sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["plan_id"]
    assert not {name.partition(".")[0] for name in done.stderr.split()} & HEAVY


def test_tables_have_no_colour_in_a_pipe_or_with_no_color() -> None:
    for further in ({}, {"NO_COLOR": "1", "FORCE_COLOR": "1"}):
        done = subprocess.run(
            [sys.executable, "-m", "ontune", "query", "workloads"],
            capture_output=True,
            env={**os.environ, **further},
            check=True,
        )
        assert b"mnist-cnn" in done.stdout
        assert b"\x1b[3" not in done.stdout


def test_a_reader_that_goes_away_ends_it_silently() -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "ontune", "kb", "export"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None and process.stderr is not None
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait(timeout=60) == 141


# ---- bad input


def test_misspelt_names_are_refused_with_the_nearest_one(ontune: Any) -> None:
    assert_refused(ontune("plam"), "plam", "plan")
    assert_refused(ontune("plan", "--worklaod", "mlp"), "--worklaod", "'--workload'")
    assert_refused(ontune("plan", "-w", "mnist-cn"), "mnist-cn", "'mnist-cnn'")
    assert_refused(ontune("plan", "-w", "mlp", "-t", "locl"), "locl")
    assert_refused(ontune("plan", "-w", "mlp", "--numerics", "exat"), "--numerics", "'exact'")
    assert_refused(ontune("plan", "-w", "mlp", "--format", "jsn"), "--format", "'json'")
    assert_refused(ontune("plan", "-w", "mlp", "--pin", "precison=bf16"), "precison", "'precision'")
    assert_refused(ontune("plan", "-w", "mlp", "--pin", "precision=bf61"), "bf61", "'bf16'")
    assert_refused(ontune("plan", "-w", "mlp", "--pin", "bf16"), "--pin", "DECISION=OPTION")
    assert_refused(ontune("plan", "-w", "mlp", "--forbid", "tcmaloc"), "tcmaloc", "'tcmalloc'")
    assert_refused(ontune("plan", "-w", "mlp", "--framework", "pytoch"), "pytoch", "'pytorch'")
    assert_refused(ontune("plan", "-w", "mlp", "--objective", "throughptu"), "throughptu", "'throughput'")
    assert_refused(ontune("why-not", "inductr", "-w", "mlp"), "inductr", "'inductor'")
    assert_refused(ontune("what-if", "cpu.core=4", "-w", "mlp"), "cpu.core", "'cpu.cores'")
    assert_refused(ontune("query", "workload"), "'workloads'")
    assert_refused(ontune("query", "options", "--param", "decison=x"), "decison", "'decision'")
    assert_refused(ontune("probe", "--set", "gpus[0].model=x"), "gpus")


def test_a_missing_workload_is_told(ontune: Any) -> None:
    assert_refused(ontune("plan"), "--workload", "expected")
    assert_refused(ontune("plan", "-w"), "-w")
    assert_refused(ontune("plan", "-w", "mlp", "--top", "many"), "--top", "many")


def test_files_are_refused_with_their_line_or_key(ontune: Any, tmp_path: Path) -> None:
    def written(name: str, text: str) -> str:
        (tmp_path / name).write_text(text)
        return str(tmp_path / name)

    assert_refused(
        ontune("plan", "-w", written("job.yaml", "network: mlp\nbatch: [1\n")), "job.yaml:3", "malformed YAML"
    )
    assert_refused(
        ontune("plan", "-w", written("job.json", '{\n"network": }')), "job.json:2", "malformed JSON"
    )
    assert_refused(
        ontune("plan", "-w", written("key.yaml", "netwrk: mlp\n")), "key.yaml", "netwrk", "'network'"
    )
    assert_refused(ontune("plan", "-w", str(tmp_path / "jbo.yaml")), "jbo.yaml", "no such file", "'job.yaml'")
    assert_refused(ontune("plan", "-w", written("list.yaml", "- 1\n")), "list.yaml", "expected")
    assert_refused(
        ontune("plan", "-w", "mlp", "-t", written("node.ttl", "@prefix on: <x> .\nbroken")), "node.ttl:2"
    )
    assert_refused(
        ontune("plan", "-w", "mlp", "-t", written("cores.json", '{"cpu": {"cores": "four"}}')),
        "cores.json",
        "cpu.cores",
        "whole number",
    )
    assert_refused(
        ontune("explain", "precision", "--plan", written("plan.json", '{"plan_id": 1}')), "plan.json"
    )
    assert_refused(ontune("query", "-f", str(tmp_path / "none.rq")), "none.rq", "no such file")
    assert_refused(ontune("query", "-f", written("q.rq", "SELECT *\nWHERE { ?s ?p }")), "q.rq:2")


def test_a_target_that_breaks_a_shape_is_refused(ontune: Any, tmp_path: Path) -> None:
    file = tmp_path / "node.yaml"
    file.write_text("cpu:\n  cores: -4\n")
    assert_refused(ontune("plan", "-w", "mlp", "-t", str(file)), "node.yaml", "cpu.cores")


def test_queries_can_only_read(ontune: Any) -> None:
    assert_refused(ontune("query", "INSERT DATA { kb:pytorch rdfs:label 'x' }"), "query:1", "only reads")


@pytest.mark.parametrize("place", ["/proc/nothing/here", "/dev/null/bundle"])
def test_a_folder_that_cannot_be_written_is_refused(ontune: Any, place: str) -> None:
    assert_refused(ontune("recipe", "-w", "mlp", "-o", place), place, "cannot be written")
    assert_refused(ontune("probe", "-o", f"{place}.json"), place, "cannot be written")


def test_a_folder_with_something_else_is_left_alone(ontune: Any, tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("precious")
    assert_refused(ontune("recipe", "-w", "mlp", "-o", str(tmp_path)), str(tmp_path), "--force")
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_workload_without_its_option_is_told_where_it_belongs(ontune: Any) -> None:
    assert_refused(ontune("plan", "mnist-cnn"), "(mnist-cnn)", "behind -w")
    assert_refused(ontune("query", "options", "precision"), "(precision)", "ontune query --help")


def test_an_addition_that_is_broken_is_not_added(ontune: Any, tmp_path: Path) -> None:
    file = tmp_path / "mine.ttl"
    file.write_text("<a> <b> ")
    assert_refused(ontune("kb", "add", str(file)), "mine.ttl:1", "nothing was added")
    assert not (Path(os.environ["ONTUNE_DATA_HOME"]) / "kb" / "mine.ttl").exists()


def test_an_endpoint_that_does_not_answer_is_named(ontune: Any) -> None:
    assert_refused(
        ontune("query", "workloads", "--endpoint", "http://127.0.0.1:9/sparql"),
        "http://127.0.0.1:9/sparql",
        "does not answer",
    )
    assert_refused(ontune("query", "workloads", "--endpoint", "file:///etc/passwd"), "--endpoint", "http")


def test_ask_lists_its_names(ontune: Any) -> None:
    code, out, _ = ontune("recipe", "--ask", "help", "--format", "json")
    wishes = json.loads(out)["wishes"]
    assert code == 0 and {wish["name"] for wish in wishes} == set(wishes_known())
    assert all(wish["meaning"] for wish in wishes)
    for words, said in ((("nods=2",), "did you mean 'nodes'?"), (("nodes",), "`--ask help` lists the names")):
        assert_refused(
            ontune("recipe", "-w", "mlp", "-t", "zen5-virtual", "-o", "/nowhere", "--ask", *words), said
        )


def test_no_feasible_plan_is_exit_code_3(ontune: Any) -> None:
    code, out, err = ontune(
        "plan", "-w", "mnist-cnn", "--pin", "framework=pytorch", "--pin", "compiler=tf-graph"
    )
    assert (code, out) == (3, "")
    assert "Smallest ways out:\n" in err


def test_an_internal_error_is_one_line_without_debug(ontune: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reasoner.reasoner.Reasoner.plan", lambda *_, **__: 1 // 0)
    code, out, err = ontune("plan", "-w", "mlp")
    assert (code, out) == (1, "")
    assert err.count("\n") == 1
    assert "ZeroDivisionError" in err
    code, out, err = ontune("plan", "-w", "mlp", "--debug")
    assert (code, out) == (1, "")
    assert (
        err.rstrip().endswith("ZeroDivisionError: integer division or modulo by zero") and "Traceback" in err
    )


# ---- named queries


def test_every_named_query_runs_and_says_what_it_answers(ontune: Any) -> None:
    listed = json.loads(ontune("query", "--list", "--format", "json")[1])
    assert len(listed) > 20
    assert {"name", "title", "parameters", "fixed"} == set(listed[0])
    for query in listed[::8]:  # tests/test_queries.py runs them all
        code, out, err = ontune("query", query["name"], "--format", "json")
        assert code == 0, err
        assert json.loads(out)["head"]["vars"]
        assert query["title"] != query["name"]
