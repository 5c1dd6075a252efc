"""A name that was given up keeps answering, by what took its place, and says so: in files, flags and calls,
and in additions.
"""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import pyoxigraph as ox
import pytest

from kb import __version__
from kb.deprecations import former_names, renew
from kb.errors import BadInput, DeprecatedName
from kb.records.names import Names
from kb.store.paths import shipped as shipped_folder
from kb.store.store import KnowledgeStore
from kb.store.terms import expand, on, prefixed
from kb.version import UNKNOWN, shipped_version, version_in
from ontune.cli import main
from reasoner.reasoner import Reasoner
from tests.turtle import PREFIX_LINES

ADDED = "https://w3id.org/ontune/file/additions/"
STUBS = """
kb:google-malloc owl:deprecated true ; dct:isReplacedBy kb:tcmalloc ; skos:notation "google-malloc" ; on:deprecatedIn "0.2.0" .
on:takesMegabytes owl:deprecated true ; dct:isReplacedBy on:megabytes ; on:deprecatedIn "0.2.0" .
"""
HEADER = '\n<> a on:SourceFile ; prov:wasDerivedFrom <https://example.org/> ; on:checked "2026-11-30"^^xsd:date ; on:status on:Current .\n'
OURS = """
eff:ours a on:Effect ; on:option kb:google-malloc ; on:given kb:tensorflow ; on:when sit:Cpu , sit:Recurrent ; on:criterion on:throughput ;
    on:ratio 3.0 ; on:low 2.5 ; on:high 3.5 ; rdfs:label "our allocator weighs more" ; dct:source <https://example.org/> .
on:RequestShape sh:rule rule:ours .
rule:ours a sh:SPARQLRule , on:ConflictRule ; sh:order 3 ; sh:prefixes on:prefixes ; rdfs:label "no large option for our target" ;
    on:message "{?option} is large" ; dct:source <https://example.org/> ; sh:construct \"\"\"CONSTRUCT { $this on:excludes ?option } WHERE {
    $this on:target ?target . ?target on:exclusive false . ?option on:takesMegabytes 7 ; on:optionOf kb:allocator }\"\"\" .
kb:large a on:Option ; on:optionOf kb:allocator ; skos:notation "large" ; rdfs:label "large" ; on:takesMegabytes 7 ;
    dct:source <https://example.org/> ; on:numerics on:Bitwise ; on:support on:Supported .
"""


def names_of(store: ox.Store) -> Names:
    return KnowledgeStore(store).names


def store_of(**files: str) -> ox.Store:
    """A store with one graph a file; a file whose name begins with `added` is an addition."""
    store = ox.Store()
    for name, text in files.items():
        graph = ox.NamedNode(
            f"{ADDED}0/{name}" if name.startswith("added") else f"https://w3id.org/ontune/file/{name}"
        )
        store.load(PREFIX_LINES + text, format=ox.RdfFormat.TURTLE, base_iri=graph.value, to_graph=graph)
    return store


SHIPPED = 'kb:tcmalloc a on:Option ; skos:notation "tcmalloc" . kb:jemalloc a on:Option ; skos:notation "jemalloc" ; skos:altLabel "je" .'


@pytest.mark.parametrize(
    "text", ["google-malloc", "Google_Malloc", "kb:google-malloc", "https://w3id.org/ontune/kb/google-malloc"]
)
def test_a_deprecated_name_finds_what_took_its_place_and_says_so(text: str) -> None:
    names = names_of(store_of(shipped=SHIPPED, stubs=STUBS))
    with pytest.warns(
        DeprecatedName, match="is deprecated since knowledge 0.2.0: 'tcmalloc' takes its place"
    ):
        assert names.find(on("Option"), text, "--pin").name == "tcmalloc"


def test_a_current_name_goes_before_a_deprecated_one() -> None:
    taken = 'kb:je owl:deprecated true ; dct:isReplacedBy kb:tcmalloc ; skos:notation "je" ; on:deprecatedIn "0.2.0" .'
    names = names_of(store_of(shipped=SHIPPED, stubs=taken))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert names.find(on("Option"), "je", "--pin").name == "jemalloc"


def test_the_last_of_several_replacements_answers_and_a_circle_ends() -> None:
    rows = """kb:a dct:isReplacedBy kb:b . kb:b dct:isReplacedBy kb:tcmalloc . kb:x dct:isReplacedBy kb:y . kb:y dct:isReplacedBy kb:x ."""
    store = KnowledgeStore(store_of(shipped=SHIPPED, stubs=rows))
    former = former_names(store.quads, store.objects)
    assert {name.iri for name in former[expand("kb:tcmalloc")]} == {expand("kb:a"), expand("kb:b")}
    assert {expand("kb:x"), expand("kb:y")} >= former.keys() - {expand("kb:tcmalloc")}


def test_a_deprecated_name_of_another_kind_of_thing_stays_unknown() -> None:
    with pytest.raises(BadInput, match="unknown target 'google-malloc'"):
        names_of(store_of(shipped=SHIPPED + " tgt:x a on:Target .", stubs=STUBS)).find(
            on("Target"), "google-malloc", "-t", what="target"
        )


def test_additions_are_read_by_the_names_of_today() -> None:
    store = store_of(shipped=SHIPPED, stubs=STUBS, added=OURS)
    before = {quad for quad in store if not str(quad.graph_name).startswith(f"<{ADDED}")}
    renewed = renew(store, ADDED)
    assert {(former.iri, new) for former, new in renewed} == {
        (expand("kb:google-malloc"), expand("kb:tcmalloc")),
        (expand("on:takesMegabytes"), expand("on:megabytes")),
    }
    added = [quad for quad in store if str(quad.graph_name).startswith(f"<{ADDED}")]
    text = next(quad.object.value for quad in added if quad.predicate.value.endswith("construct"))
    assert f"?option <{on('megabytes')}> 7 ; on:optionOf kb:allocator" in text
    assert not any("google-malloc" in str(quad) or "takesMegabytes" in str(quad) for quad in added)
    assert before == {quad for quad in store if not str(quad.graph_name).startswith(f"<{ADDED}")}


def test_a_stub_in_an_addition_stays_what_it_is() -> None:
    store = store_of(shipped=SHIPPED, added=STUBS)
    stated = set(store)
    assert renew(store, ADDED) == [] and set(store) == stated


def test_old_names_answer_in_flags_and_in_additions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "stubs.ttl").write_text(PREFIX_LINES + HEADER + STUBS)
    (tmp_path / "ours.ttl").write_text(PREFIX_LINES + HEADER + OURS)
    monkeypatch.setenv("ONTUNE_KB_PATH", str(tmp_path))
    asked = ("-w", "lstm", "-t", "zen5-virtual", "--set", "exclusive=false", "--format", "json")
    plans = {}
    for name in ("google-malloc", "tcmalloc"):
        with pytest.raises(SystemExit) as ended:
            main(["plan", *asked, "--framework", "tensorflow", "--pin", f"allocator={name}"])
        out, err = capsys.readouterr()
        assert ended.value.code == 0, err
        plans[name] = json.loads(out)
        assert (
            err.count("note: 'google-malloc' is deprecated since knowledge 0.2.0: 'tcmalloc' takes its place")
            == 1
        ) is (name != "tcmalloc"), err
    assert plans["google-malloc"] == plans["tcmalloc"]
    reasons = next(
        taken["reasons"] for taken in plans["tcmalloc"]["decisions"] if taken["decision"] == "allocator"
    )
    assert any("our allocator weighs more" in reason["text"] for reason in reasons), reasons
    with pytest.raises(SystemExit):
        main(["why-not", "large", *asked])
    assert json.loads(capsys.readouterr().out)["reasons"][0]["text"] == "large is large"


def test_the_knowledge_has_a_version_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    version = shipped_version()
    assert version.count(".") == 2 and all(part.isdigit() for part in version.split("."))
    with pytest.raises(SystemExit):
        main(["--version"])
    assert capsys.readouterr().out == f"ontune {__version__}, knowledge {version}\n"
    assert Reasoner([]).knowledge.items() >= {"version": version, "program": __version__}.items()
    with pytest.raises(SystemExit):
        main(["kb", "compile", "--format", "json"])
    assert json.loads(capsys.readouterr().out).items() >= {"version": version, "program": __version__}.items()
    assert version_in(KnowledgeStore().store) == UNKNOWN


OLD = 'kb:old owl:deprecated true ; dct:isReplacedBy kb:new ; on:deprecatedIn "0.2.0" .'
USES = "eff:x on:given kb:old ."


@pytest.mark.parametrize(
    ("shipped", "added", "found"),
    [
        (OLD, "", {}),
        (OLD + USES, "", {"deprecated-in-use": ["eff:x"]}),
        (OLD + "kb:thing kb:old 7 .", "", {"deprecated-in-use": ["kb:thing"]}),
        (OLD, USES, {"deprecated-in-addition": ["eff:x"]}),
        ("kb:old owl:deprecated true .", "", {"deprecated-without-replacement": ["kb:old"]}),
        (
            OLD.replace('on:deprecatedIn "0.2.0"', "rdfs:seeAlso kb:new"),
            "",
            {"deprecated-without-replacement": ["kb:old"]},
        ),
        ("kb:old dct:isReplacedBy kb:new .", "", {"deprecated-without-replacement": ["kb:old"]}),
    ],
)
def test_checks_find_what_uses_a_deprecated_name(
    shipped: str, added: str, found: dict[str, list[str]]
) -> None:
    knowledge = KnowledgeStore(store_of(shipped=shipped, added=added))
    answers = {}
    for name in ("deprecated-in-use", "deprecated-in-addition", "deprecated-without-replacement"):
        text = (shipped_folder("rules") / "checks" / f"{name}-violation.rq").read_text()
        if rows := knowledge.select(text):
            answers[name] = [prefixed(row.get("user", row["term"])) for row in rows]
    assert answers == found
