"""Planning over a small knowledge base of the tests' own: choice, reasons, proofs, why-not, what-if,
infeasible requests.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyoxigraph as ox
import pytest

from kb.errors import BadInput, NoFeasiblePlan
from kb.records.target import Target, complete_target
from kb.records.targets import load_target
from kb.records.workload import Workload, load_workload
from kb.store.sources import Source
from kb.store.store import KnowledgeStore
from kb.store.terms import PREFIXES
from reasoner.answers.proof_formats import to_dot, to_turtle
from reasoner.knowledge.rule_running import run_rules
from reasoner.knowledge.rules import load_rules
from reasoner.reasoner import Reasoner
from tests.turtle import PREFIX_LINES

TURTLE = (
    PREFIX_LINES
    + """
<> a on:SourceFile ; prov:wasDerivedFrom <https://example.org/everything> .
on:throughput a on:Criterion ; skos:notation "throughput" .
on:EnvironmentVariable on:how "env" .
kb:precision a on:Decision ; skos:notation "precision" ; sh:order 1 ; on:default kb:fp32 .
kb:fp32 a on:Option ; on:optionOf kb:precision .
kb:bf16 a on:Option ; on:optionOf kb:precision ; on:needs cap:native-bf16 .
kb:fp8 a on:Option ; on:optionOf kb:precision ; on:needs cap:fp8 .
kb:allocator a on:Decision ; skos:notation "allocator" ; sh:order 2 ; on:default kb:malloc .
kb:malloc a on:Option ; on:optionOf kb:allocator .
kb:tcmalloc a on:Option ; on:optionOf kb:allocator ; on:appliedBy [ a on:EnvironmentVariable ; on:name "LD_PRELOAD" ; on:value "libtcmalloc.so" ] .
kb:slow a on:Option ; on:optionOf kb:allocator .
kb:compiler a on:Decision ; skos:notation "compiler" ; sh:order 3 ; on:default kb:eager .
kb:eager a on:Option ; on:optionOf kb:compiler .
kb:xla a on:Option ; on:optionOf kb:compiler .
kb:jit a on:Option ; on:optionOf kb:compiler ; on:setupSeconds 100 .
eff:jit a on:Effect ; on:option kb:jit ; on:ratio 1.3 ; on:low 1.2 ; on:high 1.4 .
on:timeToSamples a on:Criterion ; skos:notation "time" ; on:sums on:setupSeconds ; on:over on:throughput .
kb:slow on:megabytes 1 . kb:malloc on:megabytes 5 . kb:tcmalloc on:megabytes 9 . kb:hack on:megabytes 9 .
on:imageSize a on:Criterion ; skos:notation "image-size" ; on:sums on:megabytes .
kb:glow a on:Option ; on:optionOf kb:compiler ; on:ended "2023" .
kb:ngraph a on:Option ; on:optionOf kb:compiler ; on:ended "2020" .
cap:native-bf16 rdfs:label "bf16 in hardware" ; on:probedBy "cpu.features" .
eff:bf16 a on:Effect ; on:option kb:bf16 ; on:when sit:Training ; on:ratio 1.6 ; on:low 1.4 ; on:high 1.8 ; dct:source <https://example.org/bf16> .
eff:tcmalloc a on:Effect ; on:option kb:tcmalloc ; on:when sit:Training ; on:ratio 1.1 ; on:low 1.05 ; on:high 1.2 ;
  dct:source <https://example.org/tc> .
eff:tcmalloc-bf16 a on:Effect ; on:option kb:tcmalloc ; on:given kb:bf16 ; on:when sit:Training ; on:ratio 1.5 ; on:low 1.4 ; on:high 1.6 .
eff:tcmalloc-rare a on:Effect ; on:option kb:tcmalloc ; on:when sit:Inference ; on:ratio 9 ; on:low 8 ; on:high 10 .
eff:slow a on:Effect ; on:option kb:slow ; on:ratio 0.5 ; on:low 0.4 ; on:high 0.6 ; dct:source <https://example.org/slow> .
eff:xla a on:Effect ; on:option kb:xla ; on:ratio 1.2 ; on:low 0.9 ; on:high 1.5 .
kb:xla-bf16 a on:Conflict ; on:option kb:xla ; on:given kb:bf16 ; rdfs:label "planted clash" ; dct:source <https://example.org/clash> .
on:RequestShape a sh:NodeShape ; sh:targetClass on:Request ; sh:rule rule:trait , rule:native-bf16 , rule:ended , rule:applies .
rule:trait a sh:SPARQLRule , on:Derivation ; sh:order 1 ; rdfs:label "a workload's trait is a situation" ;
  sh:construct "CONSTRUCT { $this a ?s } WHERE { $this on:workload ?w . ?w on:trait ?s }" .
rule:native-bf16 a sh:SPARQLRule , on:Derivation ; sh:order 1 ; rdfs:label "bf16 in hardware" ; on:message "the processor has {?feature}" ;
  dct:source <https://example.org/isa> ;
  sh:construct '''CONSTRUCT { $this on:provides cap:native-bf16 }
    WHERE { $this on:target ?t . ?t on:cpuFeature ?feature . VALUES ?feature { "bf16" } }''' .
rule:ended a sh:SPARQLRule , on:ConflictRule ; sh:order 2 ; rdfs:label "ended" ; on:message "{?option} ended in {?date}" ;
  dct:source <https://example.org/end> ;
  sh:construct "CONSTRUCT { $this on:excludes ?option } WHERE { $this a on:Request . ?option on:ended ?date }" .
kb:hack a on:Option ; on:optionOf kb:allocator ; on:support on:Unsupported .
eff:hack a on:Effect ; on:option kb:hack ; on:ratio 3 ; on:low 2.9 ; on:high 3.1 .
on:RequestShape sh:rule rule:hack .
rule:hack a sh:SPARQLRule , on:ConflictRule , on:OptInRule ; sh:order 2 ; rdfs:label "a hack" ; dct:source <https://example.org/hack> ;
  sh:construct "CONSTRUCT { $this on:excludes ?o } WHERE { ?o on:support on:Unsupported . FILTER NOT EXISTS { $this on:allows ?o } }" .
rule:applies a sh:SPARQLRule , on:Derivation ; sh:order 3 ; rdfs:label "all situations hold" ;
  sh:construct '''CONSTRUCT { $this on:applies ?e }
    WHERE { VALUES ?k { on:Effect on:Conflict } ?e a ?k . FILTER NOT EXISTS { ?e on:when ?s . FILTER NOT EXISTS { $this a ?s } } }''' .
"""
)


def reasoner_over(tmp_path: Path, turtle: str) -> Reasoner:
    file = tmp_path / "knowledge.ttl"
    file.write_text(turtle, encoding="utf-8")
    store = KnowledgeStore()
    store.load_source(Source(file, "knowledge.ttl"))
    run_rules(store, [rule for rule in load_rules(store) if not rule.per_request])
    return Reasoner(store=store)


@pytest.fixture
def reasoner(tmp_path: Path) -> Reasoner:
    return reasoner_over(tmp_path, TURTLE)


@pytest.fixture
def workload(tmp_path: Path) -> Workload:
    file = tmp_path / "job.yaml"
    file.write_text("name: job\nnetwork: mnist-cnn\ntraits: [Training]\n", encoding="utf-8")
    return load_workload(str(file))


def target(*features: str) -> Target:
    return complete_target("machine", {"cpu": {"features": list(features)}, "gpus": []}, "test")


def options(plan: Any) -> dict[str, str]:
    return {taken.decision: taken.option for taken in plan.decisions}


def test_takes_the_best_and_says_why(reasoner: Reasoner, workload: Workload) -> None:
    plan = reasoner.plan(workload, target("bf16"))
    assert options(plan) == {"precision": "bf16", "allocator": "tcmalloc", "compiler": "jit"}
    assert plan.prediction["vs_default"]["value"] == pytest.approx(1.6 * 1.5 * 1.3, rel=1e-3)
    assert "https://example.org/bf16" in plan.decision("precision").reasons[0].sources
    assert [(a.how, a.name, a.value) for a in plan.applied("env")] == [
        ("env", "LD_PRELOAD", "libtcmalloc.so")
    ]
    said = {gone.option: gone.reasons[0].text for taken in plan.decisions for gone in taken.rejected}
    assert said["ngraph"] == "ngraph ended in 2020"
    assert said["fp8"] == "fp8 needs fp8, which nothing here provides"
    assert "0.33" in said["slow"]
    assert all(
        reason.sources for taken in plan.decisions for gone in taken.rejected for reason in gone.reasons
    )


def test_an_interval_that_crosses_one_counts_nothing(reasoner: Reasoner, workload: Workload) -> None:
    assert reasoner.plan(workload, target()).option("compiler") == "jit"


def test_a_missing_fact_changes_the_plan(reasoner: Reasoner, workload: Workload) -> None:
    plan = reasoner.plan(workload, target())
    assert options(plan) == {"precision": "fp32", "allocator": "tcmalloc", "compiler": "jit"}
    assert plan.prediction["vs_default"]["value"] == pytest.approx(1.1 * 1.3, rel=1e-3)


def test_an_unknown_fact_that_matters_is_named(reasoner: Reasoner, workload: Workload) -> None:
    unknown = complete_target("machine", {"gpus": []}, "test")
    found = {entry["fact"]: entry["would_change"] for entry in reasoner.plan(workload, unknown).unknowns}
    assert {"decision": "precision", "from": "fp32", "to": "bf16"} in found["cpu.features"]
    assert "cpu.features" not in {entry["fact"] for entry in reasoner.plan(workload, target("bf16")).unknowns}


@pytest.mark.parametrize("removed", ["eff:tcmalloc a on:Effect", "rule:native-bf16 a sh:SPARQLRule"])
def test_without_its_support_a_choice_falls(tmp_path: Path, workload: Workload, removed: str) -> None:
    kept = [statement for statement in TURTLE.split(" .\n") if removed not in statement]
    plan = reasoner_over(tmp_path, " .\n".join(kept)).plan(workload, target("bf16"))
    assert options(plan)["precision"] == ("bf16" if "tcmalloc" in removed else "fp32")
    if "tcmalloc" in removed:
        assert all(reason.id != "tcmalloc" for reason in plan.decision("allocator").reasons)


def test_why_not(reasoner: Reasoner, workload: Workload) -> None:
    conflict = reasoner.why_not("fp8", workload, target("bf16"))
    assert (conflict["status"], conflict["repair"][0]["change"]) == ("conflict", "a target that gives fp8")
    [ended] = reasoner.why_not("ngraph", workload, target("bf16"))["reasons"]
    assert ended["text"] == "ngraph ended in 2020"
    beaten = reasoner.why_not("slow", workload, target("bf16"))
    assert beaten["status"] == "beaten"
    assert "https://example.org/slow" in beaten["reasons"][0]["sources"]
    clash = reasoner.why_not("xla", workload, target("bf16"), pins={"precision": "bf16"})
    assert clash["status"] == "conflict"
    assert any("planted clash" in reason["text"] for reason in clash["reasons"])
    [way] = clash["repair"]
    assert (way["add"], way["drop"]) == (["--pin", "compiler=xla"], ["--pin", "precision=bf16"])
    assert way["change"] == "--pin compiler=xla in place of --pin precision=bf16"
    assert reasoner.why_not("bf16", workload, target("bf16"))["status"] == "chosen"


def test_explains_down_to_the_facts(reasoner: Reasoner, workload: Workload) -> None:
    proof = reasoner.explain("precision", workload, target("bf16"))
    text = str(proof)
    assert proof["conclusion"] == "precision = bf16"
    assert "the request is Training" in text
    assert "the workload trait Training" in text
    refused = str(reasoner.explain("compiler=ngraph", workload, target("bf16")))
    assert "ngraph ended in 2020" in refused
    assert "https://example.org/everything" in refused


@pytest.mark.parametrize(("samples", "compiler"), [(1_000, "eager"), (1_000_000, "jit")])
def test_the_time_to_few_samples_does_not_pay_for_compilation(
    reasoner: Reasoner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, samples: int, compiler: str
) -> None:
    file = tmp_path / "job.yaml"
    file.write_text(
        f"name: job\nnetwork: mnist-cnn\ntraits: [Training]\nsamples: {samples}\n", encoding="utf-8"
    )
    machine = complete_target(
        "machine",
        {"cpu": {"features": [], "microarchitecture": "zen5", "usable_cores": 2}, "gpus": []},
        "test",
    )
    monkeypatch.setenv("ONTUNE_DATA_HOME", str(tmp_path / "data"))
    with pytest.raises(BadInput, match="measured throughput"):
        reasoner.plan(load_workload(str(file)), machine, objective="time")
    observed = {
        "id": "urn:uuid:1",
        "workload": "job",
        "workload_facts": load_workload(str(file)).to_json(),
        "microarchitecture": "zen5",
        "cores": 2,
        "outcome": "done",
        "throughput": 1000.0,
    }
    (tmp_path / "data" / "observations").mkdir(parents=True)
    decisions = [{"decision": "compiler", "option": "eager"}, {"decision": "allocator", "option": "tcmalloc"}]
    (tmp_path / "data" / "observations" / "1.jsonld").write_text(
        json.dumps({**observed, "decisions": decisions}), encoding="utf-8"
    )
    plan = reasoner.plan(load_workload(str(file)), machine, objective="time")
    assert plan.option("compiler") == compiler
    assert plan.prediction["throughput"]["value"] == pytest.approx(
        1300 if compiler == "jit" else 1000, rel=1e-3
    )
    assert plan.prediction["observations"] == ["urn:uuid:1"]


def test_a_criterion_may_be_a_sum_of_costs(reasoner: Reasoner, workload: Workload) -> None:
    assert reasoner.plan(workload, target(), objective="image-size").option("allocator") == "slow"


def test_what_needs_consent_is_offered_and_taken_only_when_allowed(
    reasoner: Reasoner, workload: Workload
) -> None:
    plan = reasoner.plan(workload, target())
    assert plan.option("allocator") == "tcmalloc"
    [offer] = plan.on_request
    assert (offer["option"], offer["accept"]) == ("hack", "--allow allocator=hack")
    assert offer["vs_best"]["value"] == pytest.approx(3 / 1.1, rel=1e-2)
    assert reasoner.plan(workload, target(), allow=["hack"]).option("allocator") == "hack"


def test_a_proof_is_also_provenance_and_a_drawing(reasoner: Reasoner, workload: Workload) -> None:
    proof = reasoner.explain("precision", workload, target("bf16"))
    store = ox.Store()
    store.bulk_load(to_turtle(proof).encode(), ox.RdfFormat.TURTLE)
    labels = {
        quad.object.value
        for quad in store.quads_for_pattern(None, ox.NamedNode(PREFIXES["rdfs"] + "label"), None, None)
    }
    assert {"precision = bf16", "the workload trait Training"} <= labels
    drawing = to_dot(proof)
    assert drawing.count(" -> ") == str(proof).count("'conclusion'") - 1
    assert 'label="precision = bf16' in drawing


def test_explains_only_what_has_a_name(reasoner: Reasoner, workload: Workload) -> None:
    with pytest.raises(BadInput, match="SUBJECT"):
        reasoner.explain("export NOTHING=1", workload, target("bf16"))


def test_what_if(reasoner: Reasoner, workload: Workload) -> None:
    answer = reasoner.what_if({"cpu.features": []}, workload, target("bf16"))
    assert [(change["decision"], change["from"], change["to"]) for change in answer["changes"]] == [
        ("precision", "bf16", "fp32")
    ]
    assert answer["changes"][0]["reasons"]


def test_an_impossible_request_names_both_sides_and_the_ways_out(
    reasoner: Reasoner, workload: Workload
) -> None:
    with pytest.raises(NoFeasiblePlan) as error:
        reasoner.plan(workload, target("bf16"), pins={"compiler": "xla", "precision": "bf16"})
    assert "planted clash" in str(error.value)
    assert "without --pin compiler=xla" in str(error.value)
    assert {tuple(way["drop"]) for way in error.value.repair} == {
        ("--pin", "compiler=xla"),
        ("--pin", "precision=bf16"),
    }
    assert "without --pin precision=bf16" in str(error.value)


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"pins": {"precison": "bf16"}}, "did you mean 'precision'"),
        ({"pins": {"precision": "bf61"}}, "did you mean 'bf16'"),
        ({"forbid": ["tcmaloc"]}, "did you mean 'tcmalloc'"),
        ({"objective": "speed"}, "unknown objective"),
        ({"numeric": "exact"}, "did you mean 'numerics'"),
    ],
)
def test_unknown_names_are_errors(
    reasoner: Reasoner, workload: Workload, choices: dict[str, Any], message: str
) -> None:
    with pytest.raises(BadInput, match=message):
        reasoner.plan(workload, target(), **choices)


def test_two_threads_get_the_same_plans_as_one(reasoner: Reasoner, workload: Workload) -> None:
    from concurrent.futures import ThreadPoolExecutor

    machines = [target("bf16"), target()] * 6
    alone = [reasoner.plan(workload, machine) for machine in machines]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda machine: reasoner.plan(workload, machine), machines))
    assert together == alone


def test_a_name_in_the_place_of_what_it_names_and_a_decision_that_is_none_are_refused_with_what_is_meant() -> (
    None
):
    with pytest.raises(BadInput, match="'mnist-cnn' is none; expected a workload, as load_workload gives it"):
        Reasoner([]).plan("mnist-cnn", "local")  # type: ignore[arg-type]
    with pytest.raises(BadInput, match="target: 'local' is none; expected a target, as load_target gives it"):
        Reasoner([]).plan(load_workload("mnist-cnn"), "local")  # type: ignore[arg-type]
    plan = Reasoner([]).plan(load_workload("mnist-cnn"), load_target("zen5-virtual"))
    with pytest.raises(BadInput, match="no decision 'precison'; did you mean 'precision'"):
        plan.option("precison")
