"""`check`: what is shipped passes; each planted fault is found, in its file and with its term; a
contradiction of OWL DL is found and explained.

What the scenarios show is in `test_scenarios`.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from kb.errors import BadInput
from kb.store.sources import added_sources, shipped_sources
from reasoner.check import CheckReport, check, compiling, consistency, kept_report
from reasoner.check.finding import KnowledgeUnderCheck
from reasoner.solve import minimal_part
from tests.checked import Checked

ROOT = Path(__file__).resolve().parent.parent

PROLOGUE = """
@prefix on: <https://w3id.org/ontune#> .
@prefix kb: <https://w3id.org/ontune/kb/> .
@prefix cap: <https://w3id.org/ontune/capability/> .
@prefix rule: <https://w3id.org/ontune/rule/> .
@prefix : <https://w3id.org/ontune/kb/planted/NUMBER/> .
@prefix owl: <http://www.w3.org/2002/07/owl#> .
@prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> .
@prefix xsd: <http://www.w3.org/2001/XMLSchema#> .
@prefix rdf: <http://www.w3.org/1999/02/22-rdf-syntax-ns#> .
@prefix sh: <http://www.w3.org/ns/shacl#> .
@prefix skos: <http://www.w3.org/2004/02/skos/core#> .
@prefix dct: <http://purl.org/dc/terms/> .
@prefix prov: <http://www.w3.org/ns/prov#> .
"""
RULE = """
:Focus a sh:NodeShape ; sh:targetClass on:Request ; sh:rule rule:planted-NUMBER .
rule:planted-NUMBER a sh:SPARQLRule , on:ConflictRule ; sh:order 3 ; sh:prefixes on:prefixes ; rdfs:label "planted" ; on:message "{?option} is out" ;
    dct:source <https://example.org/> ; sh:construct "CONSTRUCT { $this on:excludes ?option } WHERE { $this on:allows ?option }" .
"""
DECISION = """
:d a on:Decision ; rdfs:label "d" ; skos:notation "d_NUMBER" ; sh:order NUMBER ; on:default :a .
:a a on:Option ; rdfs:label "a" ; skos:notation "a-NUMBER" ; on:optionOf :d ; dct:source <https://example.org/> .
"""
OTHER = ':b a on:Option ; rdfs:label "b" ; skos:notation "b-NUMBER" ; on:optionOf :d ; dct:source <https://example.org/> .'

OVERRIDE = ':o-NUMBER a on:Override ; on:overrides %s ; on:adds %s ; rdfs:label "planted" ; dct:source <https://example.org/> . '

# what is planted (each file with names of its own: NUMBER), and a part of the finding
FAULTS = {
    "no Turtle": (":x :y", "expected valid Turtle"),
    "no label": (DECISION.replace('rdfs:label "a" ; ', "") + OTHER, "a: the term has no label"),
    "no definition": (':P a owl:Class ; rdfs:label "P" .', "P: the term of the ontology has no definition"),
    "no source": (
        DECISION + OTHER.replace(" ; dct:source <https://example.org/>", ""),
        "b: the option has no source of its own",
    ),
    "no default": (DECISION.replace(" ; on:default :a", "") + OTHER, "d: the decision has no default"),
    "two defaults": (DECISION + OTHER + ":d on:default :b .", "the decision has several defaults"),
    "ended default": (
        DECISION + OTHER + ':a on:ended "2020" .',
        "the default a of the decision is deprecated or has ended",
    ),
    "one option": (DECISION, "fewer than two options"),
    "no decision": (
        ':b a on:Option ; rdfs:label "b" ; dct:source <https://example.org/> .',
        "b: the option belongs to no decision",
    ),
    "cycle": (
        ':c a on:Capability ; rdfs:label "c" ; on:implies :e . :e a on:Capability ; rdfs:label "e" ; on:implies :c .',
        "the capability implies itself",
    ),
    "needs itself": (DECISION + OTHER + ":a on:needs :b . :b on:needs :a .", "the option needs itself"),
    "dangling": (DECISION + OTHER + ":a on:needs cap:nowhere .", "nothing is known of nowhere"),
    "expired": (
        '<> a on:SourceFile ; prov:wasDerivedFrom <https://example.org/> ; on:checked "2020-01-01"^^xsd:date .',
        "more than 400 days ago",
    ),
    "no source of a term": (
        ':P a owl:Class ; rdfs:label "P" ; skos:definition "P" .',
        "P: the term has no source of its own",
    ),
    "two definitions": (
        ':P a owl:Class ; rdfs:label "P" ; skos:definition "one" , "another" ; dct:source <https://example.org/> .',
        "the term of the ontology has several definitions",
    ),
    "variable of a site": (
        DECISION
        + OTHER
        + ':b on:appliedBy [ a on:EnvironmentVariable ; on:name "NCCL_IB_HCA" ; on:value "mlx5_0" ] .',
        "b sets NCCL_IB_HCA, which is a fact of a site",
    ),
    "misleading name": (
        DECISION + OTHER + ':b on:appliedBy [ a on:PythonPackage ; on:name "tvm" ; on:value "1.0.0" ] .',
        "b installs tvm, which is another package than its name suggests: apache-tvm",
    ),
    "undeclared property": (":x on:colour 5 .", "the property colour is declared nowhere"),
    "undeclared class": (":x a on:Colour .", "the class Colour is declared nowhere"),
    "interval": (
        DECISION
        + OTHER
        + ":e a on:Effect ; on:option :b ; on:low 2.0 ; on:ratio 1.5 ; on:high 3.0 ; on:unverified true .",
        "does not lie between",
    ),
    "punning": (
        OVERRIDE % ("on:option", "rdf:type") + "on:option a owl:DatatypeProperty .",
        "in OWL 2 DL a property is of one kind",
    ),
    "literal for a resource": (
        DECISION + OTHER + ':b on:needs "c" .',
        "the object property needs has the literal value 'c'",
    ),
    "resource for a literal": (
        DECISION + OTHER + ":b on:setupSeconds :a .",
        "the datatype property setupSeconds has the resource",
    ),
    "RL: superclass": (
        ":P a owl:Class ; rdfs:label 'P' ; skos:definition 'P' ; rdfs:subClassOf "
        "[ a owl:Restriction ; owl:onProperty on:needs ; owl:someValuesFrom :P ] .",
        "someValuesFrom stands on the right of a subclass axiom",
    ),
    "RL: subclass": (
        ':P a owl:Class ; rdfs:label "P" ; skos:definition "P" . [ a owl:Class ; owl:complementOf :P ] rdfs:subClassOf on:Option .',
        "complementOf stands on the left of a subclass axiom",
    ),
    "RL: cardinality": (
        OVERRIDE % ("on:Option", "rdfs:subClassOf")
        + "on:Option rdfs:subClassOf [ a owl:Restriction ; owl:onProperty on:optionOf ; owl:maxCardinality 2 ] .",
        "OWL 2 RL knows at most 0 or 1",
    ),
    "contradiction": (
        DECISION + OTHER + ":b a on:Decision .",
        "contradiction (cax-dw): two disjoint classes share a member",
    ),
    "unknown SHACL term": (":S a sh:NodeShape ; sh:mincount 1 .", "SHACL 1.0 has no term sh:mincount"),
    "rule without order": (RULE.replace("sh:order 3 ; ", ""), "a rule has one sh:order"),
    "rule without source": (RULE.replace("dct:source <https://example.org/> ; ", ""), "a rule has a source"),
    "rule without message": (RULE.replace('on:message "{?option} is out" ;', ""), "a rule has one message"),
    "rule with an unknown slot": (
        RULE.replace("{?option}", "{?choice}"),
        "has the slot {?choice}, and nothing in its body binds",
    ),
    "rule that never runs": (
        RULE.replace("sh:rule rule:planted-NUMBER", "sh:nodeKind sh:IRI"),
        "a rule hangs on a shape by sh:rule",
    ),
    "rule about another node": (
        RULE.replace("{ $this on:excludes ?option }", "{ ?option on:excludes $this }"),
        "a head's subject is $this",
    ),
    "rule with a new node": (
        RULE.replace("on:excludes ?option }", "on:excludes [] }"),
        "its head makes a blank node",
    ),
    "rule with an unknown prefix": (
        RULE.replace("$this on:allows", "$this foo:allows"),
        "unknown prefix foo:",
    ),
    "rule that is no SPARQL": (
        RULE.replace("WHERE { $this on:allows ?option }", "WHERE { $this on:allows }"),
        "its text is no CONSTRUCT query",
    ),
    "rule of no kind": (RULE.replace(", on:ConflictRule", ""), "a rule is a derivation or a conflict rule"),
    "rule with an unknown term": (
        RULE.replace("$this on:allows", "$this on:alows"),
        "nothing is known of on:alows; did you mean 'on:allows'?",
    ),
    "rule that asks a service": (
        RULE.replace(
            "$this on:allows ?option",
            "$this on:allows ?option . SERVICE <https://example.org/sparql> { ?option ?p ?o }",
        ),
        "it asks another service (SERVICE)",
    ),
    "rule that reads too early": (
        RULE.replace("sh:order 3", "sh:order 1").replace(
            "$this on:allows ?option", "$this on:excludes ?option"
        ),
        "it does not see it; give it a sh:order of at least 3",
    ),
    "rule that ignores its focus": (
        RULE.replace("$this on:allows ?option", "?x on:allows ?option"),
        "its body does not mention $this",
    ),
}


@pytest.fixture(scope="module")
def shipped_report(checked: Checked) -> CheckReport:
    return checked.report


@pytest.fixture(scope="module")
def planted_report(tmp_path_factory: pytest.TempPathFactory) -> CheckReport:
    """One check over all faults, each in a file of its own, and over a sound addition."""
    folder = tmp_path_factory.mktemp("planted")
    for number, (name, (turtle, _)) in enumerate(FAULTS.items(), 900):
        plant(folder / f"{slug(name)}.ttl", turtle, number)
    plant(folder / "sound.ttl", DECISION + OTHER + RULE, 1000)
    return check([folder])


def plant(file: Path, turtle: str, number: int) -> None:
    file.write_text((PROLOGUE + turtle).replace("NUMBER", str(number)))


def slug(name: str) -> str:
    return "-".join(name.replace(":", "").lower().split())


def test_what_is_shipped_has_no_error(shipped_report: CheckReport) -> None:
    assert [str(finding) for finding in shipped_report.findings if finding.severity == "error"] == []
    assert shipped_report.ok


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_found_in_its_file(
    fault: str, planted_report: CheckReport, shipped_report: CheckReport
) -> None:
    expected = FAULTS[fault][1]
    found = [finding for finding in planted_report.findings if expected in finding.text]
    assert found, [str(finding) for finding in planted_report.findings if slug(fault) in finding.file]
    if fault not in (
        "punning",
        "RL: subclass",
        "RL: cardinality",
    ):  # these are faults of a shipped term, which stands in its own file
        assert any(f"/{slug(fault)}.ttl" in finding.file for finding in found), [
            str(finding) for finding in found
        ]
    assert not any(
        expected in finding.text for finding in shipped_report.findings if finding.severity == "error"
    )


def test_a_sound_addition_has_no_finding(planted_report: CheckReport) -> None:
    assert [str(finding) for finding in planted_report.findings if "/sound.ttl" in finding.file] == []


def test_the_line_of_bad_turtle_is_named(planted_report: CheckReport) -> None:
    found = [finding.text for finding in planted_report.findings if "valid Turtle" in finding.text]
    assert f"no-turtle.ttl:{PROLOGUE.count(chr(10)) + 1}" in found[0]


def test_an_unknown_engine_is_refused() -> None:
    with pytest.raises(BadInput, match="shifty or pyshacl"):
        check([], engine="jena")  # type: ignore[arg-type]


def test_a_question_answered_otherwise_is_found_at_its_expected_answer(tmp_path: Path) -> None:
    (tmp_path / "numerics.rq").write_text(
        "SELECT ?class WHERE { ?class a on:Numerics } ORDER BY DESC(?class)"
    )
    (tmp_path / "numerics.tsv").write_text("class\nExact\nSloppy\n")
    found = [finding for finding in check([tmp_path]).findings if "competency question" in finding.text]
    assert [finding.text for finding in found] == [
        "competency question numerics: not answered: Sloppy; not expected: Mixed, Lossy, Bitwise"
    ]
    assert found[0].file == str(tmp_path / "numerics.tsv")


def test_the_smallest_contradiction_is_minimal() -> None:
    asked = []

    def consistent(some: Sequence[int]) -> bool:
        asked.append(some)
        return not {7, 19, 33} <= set(some)

    assert minimal_part(range(40), consistent) == [7, 19, 33]
    assert len(asked) < 40
    assert minimal_part(range(7), consistent) == []


def loaded(*folders: Path) -> KnowledgeUnderCheck:
    """What HermiT is asked of: the sources as they are stated."""
    knowledge = KnowledgeUnderCheck([*shipped_sources(), *added_sources(folders)], folders)
    assert [finding for finding in compiling.load(knowledge) if finding.severity == "error"] == []
    return knowledge


@pytest.mark.slow
def test_hermit_finds_what_is_shipped_consistent() -> None:
    assert [str(finding) for finding in consistency.findings(loaded())] == []


@pytest.mark.slow
def test_hermit_explains_an_unsatisfiable_class(tmp_path: Path) -> None:
    turtle = ':Both a owl:Class ; rdfs:label "both" ; skos:definition "an option that is a decision" ; rdfs:subClassOf on:Option , on:Decision .'
    plant(tmp_path / "planted.ttl", turtle, 900)
    (found,) = consistency.findings(loaded(tmp_path))
    assert "can have no member" in found.text
    assert found.file == str(tmp_path / "planted.ttl")
    for axiom in ("Both subClassOf Option", "Both subClassOf Decision", "Decision disjointWith Option"):
        assert axiom in found.text


def test_without_java_the_finding_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    (found,) = consistency.findings(loaded())
    assert "HermiT needs Java" in found.text


def test_a_check_does_little_twice(checked: Checked) -> None:
    """It makes few rows of tables that come to nothing (once 26 for each that was kept, now 2.5), and looks
    for a configuration of a problem only where none is known.
    """
    assert checked.report.table is not None
    assert checked.taken["_extend"] < 4 * checked.taken["_settle"]
    assert checked.taken["Search"] * 10 < checked.report.table.scenarios
    assert checked.taken["distinct_problems"] == 1


def test_what_was_found_is_kept_until_something_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, checked: Checked
) -> None:
    monkeypatch.setenv("ONTUNE_CACHE_HOME", str(tmp_path / "cache"))
    key = kept_report.key_of("shifty")
    assert kept_report.read(key) is None
    kept_report.keep(key, checked.report)
    assert kept_report.read(key) == checked.report
    again = check([], use_kept=True)
    assert (again.kept, again.findings, again.table) == (True, checked.report.findings, checked.report.table)
    assert kept_report.key_of("pyshacl") != key

    file = tmp_path / "cache" / "checks" / f"{key}.json"
    file.write_text(file.read_text().replace('"warning"', '"error"', 1))
    assert kept_report.read(key) is None, "what was changed by hand is not believed"

    shapes = shutil.copytree(ROOT / "rules", tmp_path / "rules")
    monkeypatch.setattr(kept_report.paths, "shipped", lambda folder: tmp_path / folder)
    before = kept_report.key_of("shifty")
    (shapes / "checks" / "further.rq").write_text("")
    assert kept_report.key_of("shifty") != before, "every file counts"


def test_additions_are_checked_each_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_report, "read", lambda key: pytest.fail("a kept report was asked for"))
    plant(tmp_path / "no-turtle.ttl", ": a ", 900)
    assert not check([tmp_path], use_kept=True).ok
    (tmp_path / "no-turtle.ttl").rename(tmp_path / "question.rq")
    monkeypatch.setattr("reasoner.check.compiling.load", refuse)
    with pytest.raises(AssertionError, match="whole work"):  # a folder with no Turtle is an addition too
        check([tmp_path], use_kept=True)


def refuse(knowledge: KnowledgeUnderCheck) -> None:
    raise AssertionError("whole work")
