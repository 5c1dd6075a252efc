"""Tables of facts, and what sources leave out because it follows."""

from __future__ import annotations

import shutil
from pathlib import Path

import pyoxigraph as ox
import pytest

from kb.errors import BadInput
from kb.store.completion import complete
from kb.store.fact_tables import TEMPLATE, each, listed, turtle_of_table
from kb.store.files import csv_of
from kb.store.paths import shipped
from kb.store.sources import Source, shipped_sources
from kb.store.store import KnowledgeStore
from kb.store.terms import PREFIXES, on

TABLES = [
    source
    for source in shipped_sources()
    if source.name.startswith("kb/facts/") and source.path.suffix == ".csv"
]
TEMPLATE_OF_TWO = """{% for row in rows %}
kb:{{ row.name }} a on:Option ; rdfs:label "{{ row.label }}"@en ; on:version "{{ row.version }}" ; on:needs {{ row.needs | each("cap:") }} .
{% endfor %}
"""


def table(folder: Path, rows: str, template: str = TEMPLATE_OF_TWO) -> Path:
    path = folder / "things.csv"
    path.write_text(f"name,label,version,needs\n{rows}")
    path.with_name("things" + TEMPLATE).write_text(template)
    return path


def test_a_row_becomes_what_the_template_says(tmp_path: Path) -> None:
    store = KnowledgeStore()
    store.load_source(Source(table(tmp_path, "a,an A,1.10,avx; cxx\nb,a B,1.9,avx\n"), "things.csv"))
    assert sorted(store.objects(PREFIXES["kb"] + "a", on("needs"))) == [
        PREFIXES["cap"] + "avx",
        PREFIXES["cap"] + "cxx",
    ]
    assert store.objects(PREFIXES["kb"] + "b", on("version")) == ["1.9"]


@pytest.mark.parametrize(
    ("rows", "template", "said"),
    [
        (
            'a,"an ""A""",1,avx\n',
            TEMPLATE_OF_TWO,
            "things.csv:2: column 'label' holds a sign that ends a text",
        ),
        ("a,A,1,avx,more\n", TEMPLATE_OF_TWO, "things.csv:2: a row has more cells than the header"),
        (
            "a,A,1,avx\n",
            "{% for row in rows %}{{ row.lable }}{% endfor %}",
            "the table has no column 'lable'",
        ),
        ("a,A,1,avx\n", "{% for row in rows %}", "Unexpected end of template"),
        ("a,A,1,avx\n", "{{ rows.__class__.__mro__ }}", "unsafe"),
    ],
    ids=["quotation mark", "cell too many", "unknown column", "open loop", "Python's inside"],
)
def test_a_wrong_table_is_refused_with_its_place(tmp_path: Path, rows: str, template: str, said: str) -> None:
    with pytest.raises(BadInput) as refused:
        turtle_of_table(table(tmp_path, rows, template))
    assert said in str(refused.value)


def test_a_table_without_its_template_is_refused(tmp_path: Path) -> None:
    path = table(tmp_path, "a,A,1,avx\n")
    path.with_name("things" + TEMPLATE).unlink()
    with pytest.raises(BadInput, match=r"things\.ttl\.j2"):
        turtle_of_table(path)


def test_values_stand_in_a_statement_and_in_a_sentence() -> None:
    assert (each("a; b", "cap:"), each("", "cap:"), each("x>=1,<2", '"', '"')) == (
        "cap:a , cap:b",
        "",
        '"x>=1,<2"',
    )
    assert (listed("a"), listed("a; b"), listed("a; b; c")) == ("a", "a and b", "a, b and c")


@pytest.mark.parametrize("source", TABLES, ids=lambda source: source.path.stem)
def test_every_row_of_a_shipped_table_says_something(source: Source, tmp_path: Path) -> None:
    """Without one of its rows a table says less: no row is a twin of another, and none is passed over."""
    for template in source.path.parent.glob("*.j2"):
        shutil.copy(template, tmp_path)
    rows = source.path.read_text().splitlines()
    whole = _triples(source.path)
    for dropped in {1, len(rows) // 2, len(rows) - 1}:
        shorter = tmp_path / source.path.name
        shorter.write_text("\n".join(row for number, row in enumerate(rows) if number != dropped) + "\n")
        assert len(_triples(shorter)) < len(whole), rows[dropped]
    assert len(csv_of(source.path.read_text(), "")) == len(rows) - 1


def _triples(path: Path) -> set[str]:
    parsed = ox.parse(turtle_of_table(path), format=ox.RdfFormat.TURTLE, base_iri="file:")
    return {
        str(quad.triple)
        for quad in parsed
        if not isinstance(quad.object, ox.BlankNode) and not isinstance(quad.subject, ox.BlankNode)
    }


def completed(turtle: str) -> KnowledgeStore:
    store = KnowledgeStore()
    ontology = [source for source in shipped_sources() if source.name.startswith("ontology/")]
    store.load_sources(ontology)
    prefixes = "".join(f"@prefix {prefix}: <{namespace}> .\n" for prefix, namespace in PREFIXES.items())
    store.store.load(
        (prefixes + turtle).encode(), format=ox.RdfFormat.TURTLE, to_graph=ox.NamedNode("file:own")
    )
    store.complete()
    return store


def of(store: KnowledgeStore, name: str, *properties: str) -> list[list[str]]:
    return [store.objects(PREFIXES["kb"] + name, on(property_)) for property_ in properties]


def test_what_follows_is_filled_in_where_a_source_leaves_it_out() -> None:
    store = completed(
        'kb:x-1.10 a on:Option ; on:version "1.10.2" . kb:toolkit-cuda-99 a on:Toolkit ; on:version "99" .'
    )
    assert of(store, "x-1.10", "versionKey", "numerics", "support") == [
        ["0001.0010.0002"],
        [on("Exact")],
        [on("Supported")],
    ]
    notations = [
        store.objects(PREFIXES["kb"] + name, PREFIXES["skos"] + "notation")
        for name in ("x-1.10", "toolkit-cuda-99")
    ]
    assert notations == [["x-1.10"], ["cuda-99"]]
    (quad,) = store.store.quads_for_pattern(
        ox.NamedNode(PREFIXES["kb"] + "x-1.10"), ox.NamedNode(on("versionKey")), None, None
    )
    assert quad.graph_name == ox.NamedNode("file:own"), "as if the file had stated it"


def test_what_a_source_states_stays() -> None:
    store = completed(
        'kb:x a on:Option ; on:numerics on:Lossy ; on:support on:Unsupported ; skos:notation "ix" .'
    )
    assert of(store, "x", "numerics", "support") == [[on("Lossy")], [on("Unsupported")]]
    assert store.objects(PREFIXES["kb"] + "x", PREFIXES["skos"] + "notation") == ["ix"]


def test_what_is_no_version_has_no_order() -> None:
    store = completed('kb:c a on:CodeList ; on:compiledFor "gfx90a" , "9.0" . kb:e a on:Effect .')
    assert of(store, "c", "compiledForKey") == [["0009.0000"]]
    assert of(store, "e", "numerics", "support") == [[], []]


def test_no_shipped_fact_is_written_although_it_follows() -> None:
    """Knowledge stands in its shortest form; but what is read without the store states all."""
    read_alone = (
        "kb/facts/targets/",
        "kb/facts/workloads/",
        "kb/facts/accelerators/",
        "kb/facts/package_names.ttl",
    )
    ontology = KnowledgeStore()
    ontology.load_sources([source for source in shipped_sources() if source.name.startswith("ontology/")])
    for source in shipped_sources():
        if (
            source.name.startswith(("kb/facts/", "kb/evidence/"))
            and source.holds_triples
            and not source.name.startswith(read_alone)
        ):
            own = KnowledgeStore()
            own.load_source(source)
            follows = {quad for quad in own.store if _may_follow(quad)}
            shorter = ox.Store()
            shorter.extend([*ontology.store, *(quad for quad in own.store if quad not in follows)])
            complete(shorter)
            repeated = follows & set(shorter)
            assert not repeated, (source.name, sorted(map(str, repeated))[:3])


def _may_follow(quad: ox.Quad) -> bool:
    name = quad.predicate.value.removeprefix(PREFIXES["on"])
    return (
        name.endswith("Key")
        or name in ("numerics", "support")
        or quad.predicate.value == PREFIXES["skos"] + "notation"
    )


def test_the_facts_lie_where_they_are_shipped_from() -> None:
    assert {source.path.parent.relative_to(shipped("facts")).as_posix() for source in TABLES} == {
        ".",
        "images",
        "releases",
        "wheels",
    }
