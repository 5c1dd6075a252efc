"""What `check` finds by scenario: contradictory, dead and uncovered knowledge, decisions that interact too
widely, and cases that do not hold.

Nothing of it is in what is shipped; a planted example of each is found, with both sides, the file and the
scenario.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kb.store.sources import added_sources, shipped_sources
from ontune.cli import main
from reasoner.check import CheckReport, Finding, cases, check, compiling
from reasoner.check.evaluation import Evaluation
from reasoner.check.finding import KnowledgeUnderCheck
from reasoner.check.scenarios import case_requests, derive_all
from tests.checked import Checked
from tests.turtle import PREFIX_LINES

PROLOGUE = (
    PREFIX_LINES
    + """
<> a on:SourceFile ; prov:wasDerivedFrom <https://example.org/> ; on:checked "2026-11-01"^^xsd:date .
"""
)
RULE = """
on:RequestShape sh:rule rule:NAME .
rule:NAME a sh:SPARQLRule , on:KIND ; sh:order ORDER ; sh:prefixes on:prefixes ; rdfs:label "planted" ; on:message "planted for {?target}" ;
    dct:source <https://example.org/> ; sh:construct "CONSTRUCT { $this HEAD } WHERE { $this on:target ?target . BODY }" .
"""
EFFECT = """
eff:NAME a on:Effect ; on:option kb:jemalloc ; on:given kb:pytorch ; on:when sit:Cpu , WHEN ; on:criterion on:throughput ;
    on:ratio RATIO ; on:low LOW ; on:high HIGH ; rdfs:label "planted" ; dct:source <https://example.org/> .
"""
OPTION = """
kb:planted-NAME a on:Option ; on:optionOf kb:planted ; on:numerics on:Bitwise ; rdfs:label "planted NAME" ; dct:source <https://example.org/> .
"""
DECISION = (
    """
kb:planted a on:Decision ; skos:notation "planted" ; sh:order 99 ; on:default kb:planted-one ; rdfs:label "planted" .
"""
    + OPTION.replace("NAME", "one")
    + OPTION.replace("NAME", "other")
)


def rule(name: str, head: str, body: str) -> str:
    kind, order = ("ConflictRule", "3") if "excludes" in head else ("Derivation", "1")
    return (
        RULE.replace("NAME", name)
        .replace("KIND", kind)
        .replace("ORDER", order)
        .replace("HEAD", head)
        .replace("BODY", body)
    )


def effect(name: str, when: str, low: float, high: float) -> str:
    values = {"NAME": name, "WHEN": when, "RATIO": f"{(low + high) / 2}", "LOW": f"{low}", "HIGH": f"{high}"}
    text = EFFECT
    for slot, value in values.items():
        text = text.replace(slot, value)
    return text


def wide() -> str:
    """Seven decisions of eleven options, of which each has an effect beside the like options of the others."""
    names, text = [f"d{n}" for n in range(7)], ""
    for n, name in enumerate(names):
        text += f'kb:{name} a on:Decision ; skos:notation "{name}" ; sh:order {100 + n} ; on:default kb:{name}-0 ; rdfs:label "{name}" .\n'
        for k in range(11):
            text += f'kb:{name}-{k} a on:Option ; on:optionOf kb:{name} ; rdfs:label "{name}-{k}" ; dct:source <https://example.org/> .\n'
    for k in range(1, 11):
        given = " , ".join(f"kb:{name}-{k}" for name in names[1:])
        text += f"eff:wide-{k} a on:Effect ; on:option kb:d0-{k} ; on:given {given} ; on:when sit:Dense , sit:HalfRateBf16 ; on:ratio 1.{k + 10} ;\n"
        text += 'rdfs:label "wide" ; dct:source <https://example.org/> .\n'
    return text


# What is planted, each on scenarios of its own, and the parts of what is found: the kind, both sides, the
# scenario.
PLANTED = {
    "two rules leave nothing": (
        rule("no-malloc", "on:excludes kb:malloc", "?target on:operatingSystem 'sles 15' ; on:accelerators 0")
        + rule(
            "only-malloc",
            "on:excludes ?option",
            "?target on:operatingSystem 'sles 15' ; on:accelerators 0 . ?option on:optionOf kb:allocator . FILTER(?option != kb:malloc)",
        ),
        [
            "contradictory: for daint-multicore llama-7b nothing is left",
            "rule:no-malloc",
            "rule:only-malloc",
            "forbids malloc",
        ],
    ),
    "a need meets a prohibition": (
        "kb:contiguous on:needs kb:glibc-keep . kb:channels_last on:needs kb:glibc-keep ."
        ' kb:own-needs a on:Override ; on:overrides kb:contiguous , kb:channels_last ; on:adds on:needs ; rdfs:label "ours" ;'
        " dct:source <https://example.org/> ."
        + rule("no-glibc-keep", "on:excludes kb:glibc-keep", "?target on:isaLevel 'aarch64'"),
        [
            "for neoverse-v2-node llama-7b nothing is left",
            "contiguous, channels_last (",
            "needs kb:glibc-keep",
            "rule:no-glibc-keep",
        ],
    ),
    "disjoint situations": (
        rule("tiny-gpu", "a sit:Tiny", "?target on:accelerators 1"),
        [
            "contradictory: for h200-virtual llama-7b",
            "rule:workload-trait (rules/derivations/situations.ttl) says sit:Attention",
            "rule:tiny-gpu",
        ],
    ),
    "opposed effects": (
        effect("jemalloc-good", "sit:Recurrent", 1.5, 1.7)
        + effect("jemalloc-bad", "sit:Recurrent", 0.5, 0.7),
        [
            "contradictory: for daint-multicore lstm",
            "eff:jemalloc-good",
            "says x1.5 to x1.7",
            "eff:jemalloc-bad",
            "says x0.5 to x0.7",
            "of jemalloc",
        ],
    ),
    "decisions that interact too widely": (
        wide(),
        [
            "too wide: for sapphire-rapids-virtual mlp the decisions",
            *(f"d{n}" for n in range(7)),
            "interact in more than 1000000 combinations",
        ],
    ),
    "a rule that never fires": (
        rule(
            "on-mars",
            "on:excludes ?option",
            "?target on:operatingSystem 'mars' . ?option on:optionOf kb:allocator",
        ),
        ["dead: rule rule:on-mars fires on no scenario"],
    ),
    "an effect that never applies": (
        effect("never", "sit:Recurrent , sit:LargerThanDevice", 1.1, 1.2),
        ["dead: eff:never has no influence on any scenario, for its situations hold for no scenario"],
    ),
    "an effect of what is excluded": (
        effect("of-ended", "sit:Recurrent", 1.1, 1.2).replace("kb:jemalloc", "kb:ngraph"),
        [
            "dead: eff:of-ended has no influence on any scenario, for wherever its situations hold, an option that it is about is excluded"
        ],
    ),
    "an effect that another hides": (
        effect("wide", "sit:Recurrent", 1.1, 1.5).replace("kb:jemalloc", "kb:mimalloc")
        + effect("narrow", "sit:Recurrent", 1.2, 1.3).replace("kb:jemalloc", "kb:mimalloc"),
        [
            "dead: eff:wide has no influence on any scenario, for wherever it applies, another statement about the same options is read instead"
        ],
    ),
    "a target that nothing bears on": (
        'tgt:blank a on:Target ; skos:notation "blank" ; rdfs:label "blank" ; on:nodes 1 ; dct:source <https://example.org/> .',
        ["uncovered: no rule, effect or need bears on the target blank"],
    ),
    "a workload that nothing bears on": (
        'wl:odd a on:Workload ; skos:notation "odd" ; rdfs:label "odd" ; on:batchSize 3 ; dct:source <https://example.org/> .',
        ["uncovered: no rule, effect or need bears on the workload odd"],
    ),
    "a rule that silences what is shipped": (
        rule("no-mask-bits", "on:excludes kb:dropout-mask-bits", "?target on:isaLevel ?any"),
        ["rule:no-mask-bits leaves what is shipped without influence on any scenario: eff:dropout-mask-bits"],
    ),
    "a decision that nothing tells apart": (
        DECISION,
        ["uncovered: nothing tells the options of the decision planted apart on any scenario"],
    ),
}


def plant(folder: Path, turtle: str, name: str = "planted") -> Path:
    file = folder / f"{name}.ttl"
    file.write_text(PROLOGUE + turtle, encoding="utf-8")
    return file


def errors(report: CheckReport) -> list[str]:
    return [finding.text for finding in report.findings if finding.severity == "error"]


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> CheckReport:
    """One check over all faults, each in a file of its own."""
    folder = tmp_path_factory.mktemp("scenarios")
    for name, (turtle, _) in PLANTED.items():
        plant(folder, turtle, name)
    return check([folder])


def test_what_is_shipped_is_neither_contradictory_nor_dead_nor_uncovered(checked: Checked) -> None:
    report = checked.report
    assert errors(report) == []
    assert report.table is not None
    assert report.table.scenarios >= 20 * 6
    assert report.table.width > 0
    assert 0 < report.table.rows < 1_000_000
    assert len(report.table.decisions) > 1


@pytest.mark.parametrize("fault", PLANTED)
def test_a_planted_fault_is_found_with_its_sides_file_and_scenario(fault: str, planted: CheckReport) -> None:
    found = [
        finding for finding in planted.findings if all(part in finding.text for part in PLANTED[fault][1])
    ]
    assert found, errors(planted)
    assert found[0].severity == ("warning" if "silences" in fault else "error")
    assert Path(found[0].file).stem == fault or "too widely" in fault


def test_cases_of_an_addition_make_scenarios_and_are_held(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    body = (
        "?target on:operatingSystem 'mars' . ?option on:optionOf kb:allocator . FILTER(?option = kb:jemalloc)"
    )
    plant(tmp_path, rule("on-mars", "on:excludes ?option", body))
    target = "targets: {mars: {from: zen5-virtual, set: {os: mars}}}\n"
    case = target + "cases: {rule:on-mars: {fires: mars mlp, silent: zen5-virtual mlp, excludes: jemalloc}}\n"
    (tmp_path / "cases.yaml").write_text(case, encoding="utf-8")
    with pytest.raises(SystemExit) as ended:
        main(["check", str(tmp_path), "--format", "json"])
    document = json.loads(capsys.readouterr().out)
    assert (ended.value.code, document["ok"]) == (0, True), document
    assert 0 < document["table"]["rows"] < 1_000_000
    case = (
        target
        + "cases: {rule:on-mars: {fires: mars mlp, silent: mars lstm}, rule:on-venus: {fires: mars mlp, silent: mars lstm}}\n"
    )
    (tmp_path / "cases.yaml").write_text(case, encoding="utf-8")
    assert [found.text for found in of_cases(tmp_path)] == [
        "the case of rule:on-mars does not hold: it fires on mars lstm",
        "the case rule:on-venus is about no active rule, effect, conflict or behaviour",
    ]


def of_cases(folder: Path) -> list[Finding]:
    """What is found of the cases alone, with an addition."""
    knowledge = KnowledgeUnderCheck([*shipped_sources(), *added_sources([folder])], [folder])
    assert [*compiling.load(knowledge), *compiling.compile_(knowledge)] == []
    evaluation = Evaluation(knowledge)
    requests = case_requests(evaluation.table)
    vars(evaluation)["scenarios"] = derive_all(evaluation.deriver, evaluation.catalogue, requests)
    return sorted(cases.findings(knowledge, evaluation), key=lambda finding: finding.text)
