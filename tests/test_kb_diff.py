"""`ontune kb diff`: what one state of the knowledge says that another does not, which of it breaks, and
whether the version announces it.
"""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path

import pytest

from kb.difference import Comparison, Difference, compare
from kb.edition import read_edition
from kb.errors import BadInput
from kb.version import shipped_version
from ontune.cli import main
from tests.turtle import PREFIX_LINES

ROOT = Path(__file__).resolve().parent.parent
KNOWLEDGE = '<https://w3id.org/ontune/knowledge> a owl:Ontology ; owl:versionInfo "VERSION" .\n'
STATED = """
on:megabytes a owl:DatatypeProperty ; rdfs:domain on:Option ; rdfs:range xsd:decimal ; rdfs:label "megabytes" .
on:gone a owl:DatatypeProperty ; rdfs:label "gone" .
[ a owl:Class ; owl:oneOf ( on:Bitwise on:Exact ) ] rdfs:subClassOf on:Numerics .
kb:tcmalloc a on:Option ; on:optionOf kb:allocator ; skos:notation "tcmalloc" ; skos:altLabel "google" ; rdfs:label "TCMalloc" ;
    on:appliedBy [ a on:EnvironmentVariable ; on:name "LD_PRELOAD" ; on:value "libtcmalloc.so.4" ] .
kb:jemalloc a on:Option ; on:optionOf kb:allocator ; skos:notation "jemalloc" ; rdfs:label "jemalloc" .
eff:fast a on:Effect ; on:option kb:tcmalloc ; on:ratio 1.2 ; rdfs:label "fast" .
rule:ended a sh:SPARQLRule , on:ConflictRule ; rdfs:label "ended" ; sh:construct "CONSTRUCT { $this on:excludes ?o } WHERE { ?o on:ended ?d }" .
shape:option a sh:NodeShape ; sh:targetClass on:Option ; sh:property [ sh:path on:optionOf ; sh:minCount 1 ] .
obs:one a on:Observation ; on:value "7" .
"""


def state(folder: Path, text: str, version: str = "0.3.1", **queries: str) -> Path:
    """A checkout that states a text."""
    for part in ("ontology", "rules", "kb/facts", "kb/queries"):
        (folder / part).mkdir(parents=True)
    (folder / "ontology" / "knowledge.ttl").write_text(PREFIX_LINES + KNOWLEDGE.replace("VERSION", version))
    (folder / "kb" / "facts" / "all.ttl").write_text(f"{PREFIX_LINES}<> a on:SourceFile .\n{text}")
    for name, query in queries.items():
        (folder / "kb" / "queries" / f"{name}.rq").write_text(query)
    return folder


def changed(tmp_path: Path, *replacements: tuple[str, str], version: str = "0.3.1") -> Comparison:
    """What it makes to write some texts otherwise."""
    text = STATED
    for before, after in replacements:
        assert before in text
        text = text.replace(before, after)
    return compare(
        read_edition(state(tmp_path / "old", STATED)), read_edition(state(tmp_path / "new", text, version))
    )


def only(comparison: Comparison) -> Difference:
    [difference] = comparison.differences
    return difference


@pytest.mark.parametrize(
    ("before", "after", "kind", "name", "what", "breaking"),
    [
        ("on:gone a owl:DatatypeProperty ; rdfs:label \"gone\" .", "", "term", "on:gone", "removed", "what names it is refused"),
        ("rdfs:range xsd:decimal", "rdfs:range xsd:integer", "term", "on:megabytes", "changed", "what it may be is another"),
        ("megabytes a owl:DatatypeProperty", "megabytes a owl:ObjectProperty", "term", "on:megabytes", "changed", "is no DatatypeProperty"),
        ('rdfs:label "megabytes"', 'rdfs:label "size"', "term", "on:megabytes", "changed", ""),
        ('; skos:altLabel "google"', "", "fact", "kb:tcmalloc", "changed", "nothing answers to 'google' any more"),
        ('skos:notation "jemalloc" ;', 'skos:notation "je" ;', "fact", "kb:jemalloc", "changed", ""),  # its label answers still
        ("tcmalloc a on:Option ; on:optionOf kb:allocator", "tcmalloc a on:Option ; on:optionOf kb:x", "fact", "kb:tcmalloc", "changed", "DECISION="),
        ("libtcmalloc.so.4", "libtcmalloc.so.5", "fact", "kb:tcmalloc", "changed", ""),
        ("on:ratio 1.2", "on:ratio 1.3", "effect", "eff:fast", "changed", ""),
        ("eff:fast a on:Effect ; on:option kb:tcmalloc ; on:ratio 1.2 ; rdfs:label \"fast\" .", "", "effect", "eff:fast", "removed", ""),
        ("?o on:ended ?d", "?o on:ended ?day", "rule", "rule:ended", "changed", ""),
        ("sh:minCount 1", "sh:minCount 2", "rule", "shape:option", "changed", "files that were accepted may be refused"),
        ("obs:one a on:Observation ; on:value \"7\" .", "", "fact", "obs:one", "removed", ""),
        ("on:Bitwise on:Exact )", "on:Bitwise )", "term", "", "", ""),
    ],
)  # fmt: skip
def test_what_is_said_otherwise_is_found_and_what_breaks_is_marked(
    tmp_path: Path, before: str, after: str, kind: str, name: str, what: str, breaking: str
) -> None:
    comparison = changed(tmp_path, (before, after))
    if not name:  # a statement about what has no name goes, and another one comes
        assert [(each.kind, each.what) for each in comparison.differences] == [
            (kind, "removed"),
            (kind, "added"),
        ]
        return
    found = only(comparison)
    assert (found.kind, found.name, found.what) == (kind, name, what)
    assert bool(found.breaking) is bool(breaking) and breaking in "; ".join(found.breaking)


def test_a_stub_deprecates_and_breaks_nothing(tmp_path: Path) -> None:
    jemalloc = 'kb:jemalloc a on:Option ; on:optionOf kb:allocator ; skos:notation "jemalloc" ; rdfs:label "jemalloc" .'
    stub = 'kb:jemalloc owl:deprecated true ; dct:isReplacedBy kb:tcmalloc ; skos:notation "jemalloc" ; on:deprecatedIn "0.4.0" .'
    found = only(changed(tmp_path, (jemalloc, stub)))
    assert (found.what, found.breaking) == ("deprecated", ())


def test_a_table_of_facts_is_what_its_rows_state(tmp_path: Path) -> None:
    """Neither that facts become a table, nor that what follows is left out, is a difference; a row that goes
    is one.
    """
    stated = 'on:versionKey "0001.0010" ; on:numerics on:Exact ; on:support on:Supported'
    row = f'\nkb:x-1.10 a on:Option ; skos:notation "x-1.10" ; on:version "1.10" ; {stated} .'
    old, new = state(tmp_path / "old", STATED + row), state(tmp_path / "new", STATED)
    for folder in (old, new):
        shutil.copytree(ROOT / "ontology", folder / "ontology", dirs_exist_ok=True)
    facts = new / "kb" / "facts"
    (facts / "x.csv").write_text("version\n1.10\n")
    (facts / "x.ttl.j2").write_text(
        '{% for row in rows %}kb:x-{{ row.version }} a on:Option ; on:version "{{ row.version }}" .{% endfor %}'
    )
    assert compare(read_edition(old), read_edition(new)).differences == ()
    (facts / "x.csv").write_text("version\n")
    found = only(compare(read_edition(old), read_edition(new)))
    assert (found.name, found.what) == ("kb:x-1.10", "removed")


def test_what_moves_to_another_file_is_no_difference(tmp_path: Path) -> None:
    old, new = state(tmp_path / "old", STATED), state(tmp_path / "new", STATED)
    (new / "kb" / "facts" / "all.ttl").rename(new / "kb" / "facts" / "other.ttl")
    assert compare(read_edition(old), read_edition(new)).differences == ()


def test_a_question_that_goes_breaks(tmp_path: Path) -> None:
    ask = "SELECT ?o WHERE { ?o a on:Option }"
    old, new = (
        state(tmp_path / "old", STATED, one=ask, two=ask),
        state(tmp_path / "new", STATED, two=f"{ask} ORDER BY ?o", three=ask),
    )
    found = {
        each.name: (each.what, each.breaking)
        for each in compare(read_edition(old), read_edition(new)).differences
    }
    assert found == {
        "queries/one.rq": ("removed", ("`ontune query one` finds nothing",)),
        "queries/three.rq": ("added", ()),
        "queries/two.rq": ("changed", ()),
    }


@pytest.mark.parametrize(
    ("version", "announced"),
    [("0.3.1", False), ("0.3.2", False), ("0.4.0", True), ("1.0.0", True), ("0.2.9", False), ("next", False)],
)
def test_a_breaking_difference_needs_a_version_that_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], version: str, announced: bool
) -> None:
    assert (
        changed(tmp_path, ("rdfs:range xsd:decimal", "rdfs:range xsd:integer"), version=version).announced
        is announced
    )
    with pytest.raises(SystemExit) as ended:
        main(["kb", "diff", str(tmp_path / "old"), str(tmp_path / "new"), "--format", "json"])
    document = json.loads(capsys.readouterr().out)
    assert (ended.value.code, document["announced"], document["breaking"]) == (
        0 if announced else 5,
        announced,
        1,
    )
    assert document["counts"] == {"term": {"changed": 1}} and document["new"]["version"] == version


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main(["kb", "diff", *words])
    return int(ended.value.code or 0), *capsys.readouterr()


def test_wheel_export_and_checkout_of_one_state_say_the_same(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wheel, export = tmp_path / "ontune.whl", tmp_path / "knowledge.trig"
    with zipfile.ZipFile(wheel, "w") as archive:  # as pyproject.toml lays a wheel out
        for folder in ("ontology", "rules", "kb/facts", "kb/evidence", "kb/queries"):
            for path in sorted((ROOT / folder).rglob("*.*")):
                name = path.relative_to(ROOT).as_posix()
                archive.write(path, name if name.startswith("kb/") else f"kb/{name}")
    with pytest.raises(SystemExit):
        main(["kb", "export", "--format", "trig", "-o", str(export)])
    for other in (wheel, export):
        code, out, err = run(capsys, str(ROOT), str(other))
        assert (code, out) == (0, f"no differences (knowledge {shipped_version()})\n"), err


def test_additions_are_compared_with_additions(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, text in (("old", STATED), ("new", STATED.replace("on:ratio 1.2", "on:ratio 1.4"))):
        (tmp_path / name).mkdir()
        (tmp_path / name / "ours.ttl").write_text(PREFIX_LINES + text)
    code, out, _ = run(capsys, str(tmp_path / "old"), str(tmp_path / "new"))
    assert (code, out.splitlines()) == (0, [
        "~ effect eff:fast", "    on:ratio: 1.2 -> 1.4", "effects: 1 changed", "knowledge unknown -> unknown: nothing breaking",
    ])  # fmt: skip
    code, _, err = run(capsys, str(tmp_path / "old"), str(ROOT))
    assert code == 2 and "is no whole knowledge base" in err


def test_what_is_no_state_of_the_knowledge_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "a.trig").write_text("<http://e/g> { <http://e/a> <http://e/b> 1 }")
    (tmp_path / "b.whl").write_bytes(b"PK")
    (tmp_path / "c.ttl").write_text("kb:x")
    (tmp_path / "d.ttl").write_text(f'{PREFIX_LINES}<urn:x> on:sourcesHash "ab" .')
    (tmp_path / "e.txt").write_text("x")
    for name, said in (
        ("empty", "states nothing"), ("a.trig", "is no exported knowledge base"), ("b.whl", "no archive"), ("c.ttl", "c.ttl:1"),
        ("d.ttl", "does not keep what is stated apart"), ("e.txt", "is no state of the knowledge"), ("none", "no such file or folder"),
    ):  # fmt: skip
        with pytest.raises(BadInput, match=said):
            read_edition(tmp_path / name)
    shutil.rmtree(tmp_path / "empty")
