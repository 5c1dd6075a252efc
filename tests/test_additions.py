"""A bad addition never breaks planning: it is refused with its reason, and the rest stands."""

from __future__ import annotations

import json
import shutil
import uuid
from collections.abc import Sequence
from pathlib import Path

import pytest

from kb.errors import BadInput
from kb.records.targets import load_target
from kb.records.workload import load_workload
from kb.store.sources import Source, added_sources, content_hash, shipped_sources
from kb.store.store import KnowledgeStore
from kb.store.terms import PREFIXES, expand, on
from ontune.cli import main
from reasoner.knowledge.compile import compile_all, compile_snapshot, compile_sources
from reasoner.overlay import judging
from reasoner.reasoner import Reasoner
from tests.turtle import PREFIX_LINES

PROLOGUE = (
    PREFIX_LINES
    + """
<> a on:SourceFile ; prov:wasDerivedFrom <https://example.org/> ; on:checked "2026-11-01"^^xsd:date .
"""
)
RULE = """
on:RequestShape sh:rule rule:NAME .
rule:NAME a sh:SPARQLRule , on:ConflictRule ; sh:order 3 ; sh:prefixes on:prefixes ; rdfs:label "a rule" ; on:message "{?option} is out" ;
    dct:source <https://example.org/> ; sh:construct "CONSTRUCT { $this on:excludes ?option } WHERE { BODY }" .
"""
OPTION = """
kb:poolalloc a on:Option ; on:optionOf kb:allocator ; skos:notation "poolalloc" ; rdfs:label "PoolAlloc" ; dct:source <https://example.org/> ;
    on:appliedBy [ a on:EnvironmentVariable ; on:name "LD_PRELOAD" ; on:value "libpoolalloc.so.1" ] .
"""
EFFECT = """
eff:poolalloc a on:Effect ; on:option kb:poolalloc ; on:given kb:pytorch ; on:when sit:Cpu ; on:ratio 1.9 ; on:low 1.8 ; on:high 2.0 ;
    rdfs:label "PoolAlloc" ; dct:source <https://example.org/> .
"""


OVERRIDE = """
kb:OWN a on:Override ; on:overrides RESOURCE ; on:HOW PROPERTY ; rdfs:label "our nodes differ" ; dct:source <https://example.org/> .
"""


def override(resource: str, property_: str, how: str = "adds") -> str:
    own = f"override-{resource}-{property_}".replace(":", "-")
    return (
        OVERRIDE.replace("OWN", own)
        .replace("RESOURCE", resource)
        .replace("PROPERTY", property_)
        .replace("HOW", how)
    )


def rule(name: str, body: str) -> str:
    return RULE.replace("NAME", name).replace("BODY", body)


GOOD = {"an effect of what comes later.ttl": PROLOGUE + EFFECT, "my allocator.ttl": PROLOGUE + OPTION}
# what a bad addition says, and the parts of what is said of it
BAD = {
    "no Turtle": ("kb:x kb:y", ["no Turtle.ttl:", "expected valid Turtle"]),
    "a shape broken": (
        "kb:x a on:Option ; on:optionOf kb:allocator ; dct:source <https://example.org/> .",
        ["kb:x: a label (rdfs:label)"],
    ),
    "a contradiction": (
        override("kb:mimalloc", "rdf:type") + "kb:mimalloc a on:Decision .",
        ["it contradicts itself: two disjoint classes share a member"],
    ),
    "a rule that leaves nothing": (
        rule("no-allocator", "$this a on:Request . ?option on:optionOf kb:allocator"),
        ["no configuration meets the request", "is out", "says no-allocator"],
    ),
    "a need that nothing meets": (
        "".join(override(f"kb:{name}", "on:needs") for name in ("pytorch", "tensorflow", "jax"))
        + "kb:pytorch on:needs cap:mkl-shim . kb:tensorflow on:needs cap:mkl-shim . kb:jax on:needs cap:mkl-shim .",
        ["no configuration meets the request", "a shim for MKL's dispatch"],
    ),
    "an unstratified rule": (
        rule(
            "unstratified",
            "$this on:target ?target . ?option on:optionOf kb:allocator . FILTER NOT EXISTS { $this on:excludes ?option }",
        ),
        ["rule unstratified: it rests on the absence of what"],
    ),
    "a rule with an unknown term": (
        rule("misspelt", "$this on:tarjet ?target . ?option on:optionOf kb:allocator"),
        ["rule misspelt: nothing is known of on:tarjet; did you mean 'on:target'?"],
    ),
    "a rule with an unknown prefix": (
        rule("foreign", "$this foo:target ?option"),
        ["rule foreign: unknown prefix foo:"],
    ),
    "a rule that is no query": (
        rule("broken", "$this on:target"),
        ["rule broken: its text is no CONSTRUCT query"],
    ),
    "a rule that asks a service": (
        rule("asking", "$this on:target ?target . SERVICE <https://example.org/sparql> { ?option ?p ?o }"),
        ["rule asking: it asks another service (SERVICE)"],
    ),
    "a shipped option renamed": (
        override("kb:tcmalloc", "skos:notation") + 'kb:tcmalloc skos:notation "pagekeeper" .',
        ["kb:tcmalloc: one identifier without blanks", "skos:notation"],
    ),
    "a shipped option moved": (
        override("kb:jemalloc", "on:optionOf") + "kb:jemalloc on:optionOf kb:compiler .",
        ["jemalloc: the option belongs to allocator and to compiler"],
    ),
    "a shipped effect changed": (
        override("eff:tcmalloc-conv", "on:ratio", "replaces") + "eff:tcmalloc-conv on:ratio 9.0 .",
        ["eff:tcmalloc-conv: a ratio that is not above the upper end", "(found '9')"],
    ),
    "a shipped default doubled": (
        override("kb:allocator", "on:default") + "kb:allocator on:default kb:tcmalloc .",
        ["kb:allocator: one option that is taken where nothing else is said"],
    ),
    "a name shadowed": (
        OPTION.replace("poolalloc", "shadow").replace('notation "shadow"', 'notation "tcmalloc"'),
        ["a name that no other option of the decision has (found 'tcmalloc')"],
    ),
    "a target shadowed": (
        'tgt:mine a on:Target ; skos:notation "eos-h100" ; rdfs:label "mine" ; dct:source <https://example.org/> ; on:accelerators 0 .',
        ["a name that nothing else of its kind has (found 'eos-h100')"],
    ),
    "an effect beside its own decision": (
        EFFECT.replace("poolalloc", "own")
        .replace("kb:own", "kb:tcmalloc")
        .replace("kb:pytorch", "kb:malloc"),
        ["eff:own: options of other decisions than that of its own option"],
    ),
    "an effect beside nothing": (
        EFFECT.replace("poolalloc", "beside")
        .replace("kb:beside", "kb:tcmalloc")
        .replace("kb:pytorch", "kb:nowhere"),
        ["eff:beside: nothing is known of kb:nowhere (on:given)"],
    ),
    "a decision without options": (
        'kb:empty a on:Decision ; skos:notation "empty" ; sh:order 99 ; on:default kb:tcmalloc ; rdfs:label "empty" .',
        ["kb:empty: a default that is an option of this decision"],
    ),
    "a shipped option described again": (
        OPTION.replace("poolalloc", "tcmalloc").replace("PoolAlloc", "TCMalloc"),
        [
            "kb:tcmalloc: it is shipped, and this states its dct:source , rdfs:label , on:appliedBy",
            "on:overrides kb:tcmalloc",
        ],
    ),
    "a shipped default changed": (
        "kb:allocator on:default kb:tcmalloc .",
        ["kb:allocator: it is shipped, and this states its on:default"],
    ),
    "an override of nothing": (
        override("kb:nowhere", "on:needs"),
        ["kb:nowhere: nothing shipped has that name"],
    ),
    "an option without a name": (
        OPTION.replace("kb:poolalloc", "[]").replace("poolalloc", "nameless"),
        ["a on:Option is a blank node ([ ... ] or _:name), and needs a name such as kb:NAME"],
    ),
    "a conflict without a name": (
        '[] a on:Conflict ; on:option kb:tcmalloc ; on:when sit:Cpu ; rdfs:label "no" ; dct:source <https://example.org/> .',
        ["a on:Conflict is a blank node"],
    ),
    "an effect of what has no name": (
        EFFECT.replace("poolalloc", "of-nameless").replace("kb:of-nameless", "[ on:optionOf kb:allocator ]"),
        ["eff:of-nameless: its on:option is a blank node"],
    ),
    "a rule without a name": (
        rule("nameless", "$this a on:Request . ?option on:optionOf kb:allocator").replace(
            "rule:nameless", "_:r"
        ),
        ["is a blank node ([ ... ] or _:name), and needs a name"],
    ),
    "something about nobody": (
        "[] on:excludes kb:tcmalloc .",
        ["what has on:excludes", "nothing refers to it"],
    ),
    "a property misspelt": (
        OPTION.replace("poolalloc", "misspelt").replace("rdfs:label", "on:suport on:Supported ; rdfs:label"),
        ["kb:misspelt: nothing is known of on:suport; did you mean 'on:support'?"],
    ),
    "a property misspelt within": (
        OPTION.replace("poolalloc", "misspelt-within").replace("on:value", "on:vallue"),
        ["kb:misspelt-within: nothing is known of on:vallue; did you mean 'on:value'?"],
    ),
    "a class misspelt": (
        OPTION.replace("poolalloc", "of-no-class").replace("a on:Option", "a on:Optoin"),
        ["kb:of-no-class: nothing is known of on:Optoin (rdf:type); did you mean 'on:Option'?"],
    ),
    "a value misspelt": (
        OPTION.replace("poolalloc", "of-no-numerics").replace(
            "rdfs:label", "on:numerics on:Bitwize ; rdfs:label"
        ),
        ["kb:of-no-numerics: nothing is known of on:Bitwize (on:numerics); did you mean 'on:Bitwise'?"],
    ),
    "capabilities in a circle": (
        'cap:one a on:Capability ; rdfs:label "one" ; on:implies cap:two . cap:two a on:Capability ; rdfs:label "two" ; on:implies cap:one .',
        ["the capability implies itself"],
    ),
    "classes in a circle": (
        'sit:One a owl:Class ; rdfs:label "one" ; rdfs:subClassOf sit:Two . sit:Two a owl:Class ; rdfs:label "two" ; rdfs:subClassOf sit:One .',
        ["the class is its own superclass"],
    ),
    "numerics in a circle": (
        'on:Odd a on:Numerics ; rdfs:label "odd" ; skos:notation "odd" ; on:exceeds on:Even .'
        ' on:Even a on:Numerics ; rdfs:label "even" ; skos:notation "even" ; on:exceeds on:Odd .',
        ["comes before itself in an order, by exceeds"],
    ),
    "a slot that nothing fills": (
        rule(
            "unfilled",
            "$this a on:Request . ?option on:optionOf kb:allocator FILTER NOT EXISTS { ?option on:needs ?need }",
        ).replace("{?option}", "{?need}"),
        ["rule unfilled: its message has the slot {?need}, and nothing in its body binds ?need"],
    ),
    "a rule of many braces": (
        rule(
            "braces", "$this a on:Request . ?option on:optionOf kb:allocator " + "{" * 30_000 + "}" * 30_000
        ),
        ["rule:braces: its text has", "at most 20000 are read"],
    ),
    "a rule of some braces": (
        rule("few-braces", "$this a on:Request . ?option on:optionOf kb:allocator " + "{" * 300 + "}" * 300),
        ["rule:few-braces: 301 brackets stand open"],
    ),
    "a shape of many braces": (
        'shape:deep a sh:NodeShape ; sh:targetClass on:Option ; sh:sparql [ sh:select "SELECT $this WHERE '
        + "{" * 5_000
        + "}" * 5_000
        + '" ] .',
        ["a node without a name: 5000 brackets stand open"],
    ),
    "a rule with an aggregate": (
        rule(
            "counting",
            "$this a on:Request . { SELECT ?option (COUNT(?need) AS ?n) WHERE { ?option on:needs ?need } GROUP BY ?option }",
        ),
        [
            "rule counting: it has a query within the query (SELECT); write what it finds as a derivation of its own"
        ],
    ),
    "a rule that costs too much": (
        rule(
            "dear", "$this a on:Request . ?option on:optionOf kb:allocator . ?a ?b ?c . ?d ?e ?f . ?g ?h ?i"
        ),
        ["rule dear: took more than 2 s on "],
    ),
    "facts of every request": (
        "<urn:ontune:request> on:provides cap:native-bf16 .",
        ["this node stands for what a user asks about"],
    ),
}


def test_an_override_replaces_what_follows_of_a_shipped_resource_too(tmp_path: Path) -> None:
    """That a release is exact, and how its version sorts, stands in no file: an override of the one or the
    other leaves nothing of it.
    """
    text = override("kb:torch-2.13.0", "on:version", "replaces") + 'kb:torch-2.13.0 on:version "2.13.7" .'
    text += (
        override("kb:torch-2.13.0-cpu", "on:numerics", "replaces")
        + "kb:torch-2.13.0-cpu on:numerics on:Mixed ."
    )
    (tmp_path / "mine.ttl").write_text(PROLOGUE + text)
    store, refused = compile_sources(shipped_sources(), added_sources([tmp_path]))
    assert refused == {}
    release, build = PREFIXES["kb"] + "torch-2.13.0", PREFIXES["kb"] + "torch-2.13.0-cpu"
    assert [store.objects(release, on(name)) for name in ("version", "versionKey")] == [
        ["2.13.7"],
        ["0002.0013.0007"],
    ]
    assert store.objects(build, on("numerics")) == [on("Mixed")]


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> tuple[KnowledgeStore, dict[Source, str]]:
    """The knowledge with all additions at once, good and bad, and what is said of those refused."""
    folder = tmp_path_factory.mktemp("additions")
    for name, text in GOOD.items():
        (folder / name).write_text(text, encoding="utf-8")
    for name, (text, _) in BAD.items():
        (folder / f"{name}.ttl").write_text(PROLOGUE + text, encoding="utf-8")
    (folder / "no text.ttl").write_bytes(b"<urn:a> <urn:b> '\xff' .")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(judging, "SECONDS_FOR_A_RULE", 2)
        return compile_sources(shipped_sources(), added_sources([folder]))


@pytest.mark.parametrize("name", BAD)
def test_a_bad_addition_is_refused_with_its_reason(
    name: str, compiled: tuple[KnowledgeStore, dict[Source, str]]
) -> None:
    [said] = [text for text in compiled[1].values() if f"/{name}.ttl" in text]
    assert all(part in said for part in BAD[name][1]), said


def test_nothing_else_is_refused(compiled: tuple[KnowledgeStore, dict[Source, str]]) -> None:
    assert len(compiled[1]) == len(BAD) + 1
    assert any("no text.ttl" in text for text in compiled[1].values())


def test_the_rest_stands_and_decides(compiled: tuple[KnowledgeStore, dict[Source, str]]) -> None:
    reasoner = Reasoner(store=compiled[0])
    plan = reasoner.plan(
        load_workload("mlp", compiled[0]), load_target("zen5-virtual", compiled[0]), framework="pytorch"
    )
    assert plan.option("allocator") == "poolalloc"


def run(*words: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(list(words))
    return int(ended.value.code or 0)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ONTUNE_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.delenv("ONTUNE_KB_PATH", raising=False)
    return tmp_path


PLAN = ("plan", "-w", "mlp", "-t", "zen5-virtual", "--framework", "pytorch", "--format", "json")


def test_additions_come_by_command_by_folder_and_by_variable(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    option, effect, bad = (home / name for name in ("option.ttl", "effect.ttl", "bad.ttl"))
    option.write_text(PROLOGUE + OPTION, encoding="utf-8")
    effect.write_text(PROLOGUE + EFFECT, encoding="utf-8")
    bad.write_text(PROLOGUE + BAD["a name shadowed"][0], encoding="utf-8")
    assert run("kb", "add", str(option)) == 0
    assert run("kb", "add", str(bad)) == 2
    assert "bad.ttl" in (said := capsys.readouterr().err)
    assert "a name that no other option of the decision has" in said
    assert not (home / "data" / "kb" / "bad.ttl").exists()
    named = home / "site"
    named.mkdir()
    shutil.copy(effect, named)  # it rests on what was added before
    shutil.copy(bad, named)
    monkeypatch.setenv("ONTUNE_KB_PATH", f"{named}:{home / 'nowhere'}")
    assert run(*PLAN) == 0
    found = capsys.readouterr()
    [allocator] = [taken for taken in json.loads(found.out)["decisions"] if taken["decision"] == "allocator"]
    assert allocator["option"] == "poolalloc"
    assert f"refused: {named / 'bad.ttl'}: " in found.err
    assert f"refused: {home / 'nowhere'}: ONTUNE_KB_PATH names it" in found.err


def test_what_was_added_is_listed_and_removed_by_name(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    option, effect = home / "option.ttl", home / "effect.ttl"
    option.write_text(PROLOGUE + OPTION, encoding="utf-8")
    effect.write_text(PROLOGUE + EFFECT, encoding="utf-8")
    (home / "mine.rq").write_text(
        "# title: Mine\n# description: Mine.\nSELECT ?d WHERE { ?d a on:Decision }\n", encoding="utf-8"
    )
    (home / "site").mkdir()
    (home / "data" / "tables").mkdir(parents=True)
    for file in ("runs.csv.gz", "runs.csv-metadata.json"):
        (home / "data" / "tables" / file).touch()
    shutil.copy(effect, home / "site")
    monkeypatch.setenv("ONTUNE_KB_PATH", str(home / "site"))
    assert run("kb", "add", str(option), str(home / "mine.rq")) == 0
    capsys.readouterr()

    def listed() -> dict[str, tuple[str, str]]:
        assert run("kb", "list", "--format", "json") == 0
        return {one["file"]: (one["name"], one["state"]) for one in json.loads(capsys.readouterr().out)}

    kept, elsewhere, table = (
        home / "data" / "kb",
        str(home / "site" / "effect.ttl"),
        str(home / "data" / "tables" / "runs.csv.gz"),
    )
    assert listed() == {
        str(kept / "mine.rq"): ("mine.rq", "in force"),
        str(kept / "option.ttl"): ("option.ttl", "in force"),
        table: ("runs", "in force"),
        elsewhere: ("", "in force"),
    }
    assert run("kb", "remove", "mine.rq", "optoin.ttl") == 2
    assert (
        "no addition 'optoin.ttl'; expected one of mine.rq, option.ttl, runs; did you mean 'option.ttl'?"
        in capsys.readouterr().err
    )
    assert (kept / "mine.rq").exists()  # all of them or none
    assert run("kb", "remove", "option.ttl", "runs") == 0
    said = capsys.readouterr().err
    # What rested on it.
    assert f"removed: {kept / 'option.ttl'}" in said and f"refused: {elsewhere}: " in said
    left = listed()
    assert left.keys() == {str(kept / "mine.rq"), elsewhere} and "in force" not in left[elsewhere][1]
    assert not any((home / "data" / "tables").iterdir())


def test_a_wheel_of_which_nobody_says_what_it_computes_on_is_not_added(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: torch\nVersion: 2.99.0\nRequires-Python: >=3.10\n"
    )
    assert run("kb", "import", "wheel", str(home / "METADATA")) == 2
    said = capsys.readouterr().err
    assert (
        "with -o FILE, state on:device by hand, then add that" in said
        and "torch-2.99.0-wheel does not say what it computes on" in said
    )
    assert run("kb", "import", "wheel", str(home / "METADATA"), "-o", str(home / "torch.ttl")) == 0
    text = (home / "torch.ttl").read_text()
    (home / "torch.ttl").write_text(text.replace("on:wheelName", 'on:device "cpu" ; on:wheelName'))
    assert run("kb", "add", str(home / "torch.ttl")) == 0


def test_what_was_added_is_judged_once(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """By its content: `kb add` judges it before it lies in its place, and the next plan finds that, in the
    presence of another folder, too.
    """
    judged: list[list[str]] = []

    def counted(shipped: Sequence[Source], added: Sequence[Source]) -> KnowledgeStore:
        judged.append([source.name for source in added])
        return compile_all([*shipped, *added])

    monkeypatch.setattr(judging, "judge", counted)
    (home / "site").mkdir()
    monkeypatch.setenv("ONTUNE_KB_PATH", str(home / "site"))
    (home / "site" / "effect.ttl").write_text(PROLOGUE + EFFECT, encoding="utf-8")
    (home / "option.ttl").write_text(
        f"# never judged before: {uuid.uuid4()}\n{PROLOGUE}{OPTION}", encoding="utf-8"
    )
    assert run("kb", "add", str(home / "option.ttl")) == 0
    assert judged == [["additions/0/option.ttl", "additions/1/effect.ttl"]]
    assert run(*PLAN) == 0
    assert "poolalloc" in capsys.readouterr().out
    assert len(judged) == 1


def test_a_plan_names_the_changes_of_what_is_shipped(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / "site").mkdir()
    text = override("kb:allocator", "on:default", "replaces") + "kb:allocator on:default kb:jemalloc ."
    (home / "site" / "default.ttl").write_text(PROLOGUE + text, encoding="utf-8")
    monkeypatch.setenv("ONTUNE_KB_PATH", str(home / "site"))
    assert run(*PLAN) == 0
    found = capsys.readouterr()
    assert "refused" not in found.err
    plan = json.loads(found.out)
    [change] = plan["knowledge"]["overrides"]
    assert change == {
        "resource": "kb:allocator",
        "property": "on:default",
        "how": "replaced",
        "why": "our nodes differ",
    }
    store = Reasoner([home / "site"]).store
    assert store.objects(expand("kb:allocator"), on("default")) == [expand("kb:jemalloc")]
    assert run(*PLAN[:-1], "table") == 0
    assert "changed by your additions: on:default of kb:allocator (our nodes differ)" in " ".join(
        capsys.readouterr().out.split()
    )


def test_what_cannot_be_read_is_refused(home: Path) -> None:
    (home / "gone.ttl").write_text(PROLOGUE + OPTION, encoding="utf-8")
    sources = added_sources([home])
    (home / "gone.ttl").unlink()
    assert len(content_hash(sources)) == 64
    [said] = compile_sources(shipped_sources(), sources)[1].values()
    assert said == f"{home / 'gone.ttl'}: no such file"


def test_equal_additions_in_another_folder_are_refused_by_where_they_lie(home: Path) -> None:
    for name in ("here", "there"):
        (home / name).mkdir()
        (home / name / "bad.ttl").write_text(PROLOGUE + BAD["a name shadowed"][0], encoding="utf-8")
    here, there = (compile_snapshot([home / name]) for name in ("here", "there"))
    assert here.folder == there.folder  # compiled once
    for name, snapshot in (("here", here), ("there", there)):
        [(source, said)] = snapshot.refused.items()
        assert source.path == home / name / "bad.ttl" and said.startswith(f"{source.path}: ")


def test_what_is_refused_is_not_exported(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "site").mkdir()
    (home / "site" / "bad.ttl").write_text(PROLOGUE + BAD["a name shadowed"][0], encoding="utf-8")
    (home / "site" / "option.ttl").write_text(PROLOGUE + OPTION, encoding="utf-8")
    monkeypatch.setenv("ONTUNE_KB_PATH", str(home / "site"))
    assert run("kb", "export", "--format", "html", "-o", str(home / "pages")) == 0
    said = "".join(page.read_text(encoding="utf-8") for page in (home / "pages").rglob("*.html"))
    assert "poolalloc" in said and "kb:shadow" not in said


def test_a_reasoner_reads_all_knowledge_again_after_its_snapshot_was_dropped(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ONTUNE_CACHE_HOME", str(home / "cache"))
    (home / "site").mkdir()
    (home / "site" / "option.ttl").write_text(PROLOGUE + OPTION, encoding="utf-8")
    same, other = Reasoner([home / "site"]), Reasoner([home / "site"])
    shutil.rmtree(home / "cache" / "snapshots")
    assert len(same.full_store.store) > len(same.store.store)
    (home / "site" / "option.ttl").unlink()
    shutil.rmtree(home / "cache" / "snapshots")
    with pytest.raises(BadInput, match="it has changed since"):
        _ = other.full_store
