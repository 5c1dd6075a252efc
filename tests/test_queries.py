"""Named queries and competency questions: each has an answer that was written down beforehand, and says so
when it gets another one.
"""

from __future__ import annotations

import json
from pathlib import Path

import pyoxigraph as ox
import pytest

from kb.errors import BadInput
from kb.store.paths import shipped
from kb.store.query_library import NamedQuery, named_queries, named_query
from kb.store.sources import shipped_sources
from kb.store.store import KnowledgeStore
from reasoner.check.finding import KnowledgeUnderCheck
from reasoner.check.questions import Expected, answer, difference, findings, read_expected
from reasoner.knowledge.compile import full_store
from tests.documents import ROOT, blocks, run

README = ROOT / "kb" / "queries" / "README.md"
QUESTIONS = [query for query in named_queries([]).values() if query.path.parent.name != "counts"]


@pytest.fixture(scope="module")
def knowledge() -> KnowledgeUnderCheck:
    under_check = KnowledgeUnderCheck(shipped_sources())
    under_check.compiled = full_store([])[1]
    return under_check


def test_there_are_enough_questions_and_each_has_an_expected_answer() -> None:
    assert len(QUESTIONS) >= 40
    assert [query.name for query in QUESTIONS if query.expected is None] == []
    assert all(query.title.endswith("?") and query.description for query in QUESTIONS)
    assert {path.stem for path in shipped("queries").rglob("*.tsv")} == {query.name for query in QUESTIONS}


def test_every_question_is_answered_as_expected(knowledge: KnowledgeUnderCheck) -> None:
    assert [str(finding) for finding in findings(knowledge, [])] == []


@pytest.mark.parametrize("query", QUESTIONS, ids=lambda query: query.name)
def test_an_expected_answer_is_of_the_querys_own_variables_and_no_row_is_told_twice(
    query: NamedQuery, knowledge: KnowledgeUnderCheck
) -> None:
    assert query.expected is not None
    expected = read_expected(query.expected)
    variables = {name for row in knowledge.compiled.select(query.text) for name in row}
    assert set(expected.variables) <= variables
    assert expected.rows
    assert len(set(expected.rows) | set(expected.never)) == len(expected.rows) + len(expected.never)
    assert {row.count("\t") for row in (*expected.rows, *expected.never)} == {len(expected.variables) - 1}


@pytest.mark.parametrize("query", QUESTIONS, ids=lambda query: query.name)
def test_an_answer_without_one_of_its_rows_is_not_the_expected_one(
    query: NamedQuery, knowledge: KnowledgeUnderCheck
) -> None:
    assert query.expected is not None
    expected = read_expected(query.expected)
    given = answer(knowledge.compiled, query, expected.variables)
    for lost in expected.rows:
        assert "not answered" in difference(expected, [row for row in given if row != lost], ordered=True)
    for wrong in expected.never:
        assert "against expectation" in difference(expected, [*given, wrong], ordered=True)


def test_the_order_counts_where_the_query_orders_and_the_answer_is_complete() -> None:
    expected = Expected(("x",), ("a", "b"))
    assert difference(expected, ["a", "b"], ordered=True) == ""
    assert difference(expected, ["b", "a"], ordered=True) == "the rows come in another order"
    assert difference(expected, ["b", "a"], ordered=False) == ""
    assert difference(expected, ["a", "b", "c"], ordered=True) == "not expected: c"
    assert difference(expected, ["a", "c", "b"], ordered=True, extended=True) == ""
    assert (
        difference(Expected(("x",), ("a",), complete=False, never=("c",)), ["c", "a"], ordered=True)
        == "answered against expectation: c"
    )


def test_a_fact_that_is_gone_is_missed_by_its_questions(knowledge: KnowledgeUnderCheck) -> None:
    needs = ox.NamedNode("https://w3id.org/ontune#needs")
    gone = list(
        knowledge.compiled.store.quads_for_pattern(
            ox.NamedNode("https://w3id.org/ontune/kb/torch-2.13.0-cu126"), needs, None
        )
    )
    knowledge.compiled.remove(gone)
    try:
        said = [finding.text for finding in findings(knowledge, [])]
    finally:
        knowledge.compiled.add(gone)
    assert {text.split(":")[0].removeprefix("competency question ") for text in said} >= {
        "builds-for-driver",
        "builds",
        "builds-for-architecture",
    }


def test_questions_of_an_addition_are_asked_and_faults_in_them_are_named(
    tmp_path: Path, knowledge: KnowledgeUnderCheck
) -> None:
    def question(name: str, query: str, expected: str) -> None:
        (tmp_path / f"{name}.rq").write_text(query)
        (tmp_path / f"{name}.tsv").write_text(expected)

    question("numerics", "SELECT ?class WHERE { ?class a on:Numerics }", "class\nExact\nLossy\nSloppy\n")
    question("broken", "SELECT ?x WHER { ?x a on:Decision }", "x\n")
    question("graph", "CONSTRUCT WHERE { ?x a on:Numerics }", "x\n")
    (tmp_path / "free.rq").write_text("SELECT ?x WHERE { ?x a on:Nothing }")
    assert [finding.text for finding in findings(knowledge, [tmp_path])] == [
        "competency question broken: broken.rq:1:16: no SPARQL from here on: '{ ?x a on:Decision }'; expected a SPARQL query that only reads",
        "competency question graph is no SELECT",
        "competency question numerics: not answered: Sloppy; not expected: Bitwise, Mixed",
    ]


# ---- parameters


def rows(query: str, knowledge: KnowledgeUnderCheck, **values: str) -> list[dict[str, str]]:
    return knowledge.compiled.select(named_query(query).filled(values))


def test_a_value_that_stands_in_the_query_is_replaced(knowledge: KnowledgeUnderCheck) -> None:
    assert named_query("builds-for-driver").fixed == {"driver": "535.129.03", "release": "torch-2.13.0"}
    assert {row["toolkit"] for row in rows("builds-for-driver", knowledge, driver="580.65.06")} == {
        "12.6",
        "13.0",
        "13.2",
    }
    assert rows("builds-for-driver", knowledge, driver="450.80.01") == []
    assert {
        row["toolkit"]
        for row in rows("builds-for-driver", knowledge, driver="450.80.02", release="torch-2.4.1")
    } == {"11.8"}


def test_a_threshold_is_a_number_and_nothing_else(knowledge: KnowledgeUnderCheck) -> None:
    assert {row["accelerator"] for row in rows("accelerators-by-memory", knowledge, at_least="256")} >= {
        "mi325x",
        "mi355x",
        "b300",
    }
    assert all(
        float(row["memory_gib"]) >= 256 for row in rows("accelerators-by-memory", knowledge, at_least="256")
    )
    with pytest.raises(BadInput, match="'1 } #' is no number; expected at_least=128"):
        named_query("accelerators-by-memory").filled({"at_least": "1 } #"})


@pytest.mark.parametrize("hostile", ['x") } #', "x\n\\", '"', "} UNION { ?s ?p ?o", "\\u007d"])
@pytest.mark.parametrize("query", ["builds-for-driver", "options"])
def test_a_parameter_is_a_literal_whatever_it_holds(
    query: str, hostile: str, knowledge: KnowledgeUnderCheck
) -> None:
    parameter = next(iter(named_query(query).parameters))
    assert rows(query, knowledge, **{parameter: hostile}) == []


@pytest.mark.parametrize(
    "query", [query for query in QUESTIONS if query.parameters], ids=lambda query: query.name
)
def test_every_parameter_narrows_the_answer(query: NamedQuery, knowledge: KnowledgeUnderCheck) -> None:
    everything = knowledge.compiled.select(query.text)
    for name in query.parameters:
        assert f"?{name}" in query.body
        if name in query.fixed:
            assert {row.get(name, query.fixed[name]) for row in everything} == {query.fixed[name]}
            continue
        value = next(row[name] for row in everything if name in row)
        kept = knowledge.compiled.select(query.filled({name: value}))
        assert kept == [row for row in everything if row.get(name) == value]
        assert knowledge.compiled.select(query.filled({name: "nobody's"})) == []


# ---- the command


def test_an_addition_of_a_query_is_checked_and_then_has_a_name(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    knowledge: KnowledgeUnderCheck,
) -> None:
    monkeypatch.setenv("ONTUNE_DATA_HOME", str(tmp_path / "data"))
    (query,) = blocks(README, "sparql")
    (expected,) = blocks(README, "text")
    (tmp_path / "large-options.rq").write_text(query)
    (tmp_path / "large-options.tsv").write_text(expected)
    (tmp_path / "broken.rq").write_text("# title: Broken?\nSELECT ?x WHER { }")
    (tmp_path / "untitled.rq").write_text("SELECT ?x { ?x a on:Decision }")
    code, said = run(["kb", "add", str(tmp_path / "broken.rq")], capsys)
    assert (code, "broken.rq:2:16: no SPARQL from here on: '{ }'" in said) == (2, True)
    code, said = run(["kb", "add", str(tmp_path / "untitled.rq")], capsys)
    assert (code, "# title: ..." in said) == (2, True)
    assert (
        run(["kb", "add", str(tmp_path / "large-options.rq"), str(tmp_path / "large-options.tsv")], capsys)[0]
        == 0
    )
    code, out = run(["query", "large-options", "--param", "decision=base_image", "--format", "csv"], capsys)
    assert code == 0
    assert "base_image,nvcr-pytorch-24.09,20000" in out
    assert {path.name for path in (tmp_path / "data" / "kb").iterdir()} == {
        "large-options.rq",
        "large-options.tsv",
    }
    added = named_queries([tmp_path / "data" / "kb"])["large-options"]
    assert added.expected is not None
    wanted = read_expected(added.expected)
    assert difference(wanted, answer(knowledge.compiled, added, wanted.variables), ordered=True) == ""


def test_every_form_of_query_has_its_formats(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["query", "ASK { kb:bf16 on:needs cap:native-bf16 }"], capsys) == (0, "yes\n")
    assert (
        json.loads(run(["query", "ASK { kb:bf16 on:needs cap:cxx }", "--format", "json"], capsys)[1])[
            "boolean"
        ]
        is False
    )
    for form in ("DESCRIBE kb:wait-passive", "CONSTRUCT WHERE { kb:wait-passive ?p ?o }"):
        for format in ("table", "turtle"):
            code, out = run(["query", form, "--format", format], capsys)
            assert code == 0
            triples = list(ox.parse(out, format=ox.RdfFormat.TURTLE))
            assert {triple.subject for triple in triples if isinstance(triple.subject, ox.NamedNode)} == {
                ox.NamedNode("https://w3id.org/ontune/kb/wait-passive")
            }
        assert any(
            node["@id"].endswith("/kb/wait-passive")
            for node in json.loads(run(["query", form, "--format", "json"], capsys)[1])
        )
        assert run(["query", form, "--format", "csv"], capsys)[0] == 2
    assert run(["query", "SELECT ?d { ?d a on:Decision }", "--format", "turtle"], capsys)[0] == 2


def test_a_parameter_reaches_a_file_and_never_goes_unheeded(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "mine.rq"
    query = "SELECT ?decision ?option { ?o on:optionOf/skos:notation ?decision ; skos:notation ?option }"
    file.write_text(f"# title: Options?\n# parameter: decision - a decision\n{query}")
    code, out = run(
        ["query", "-f", str(file), "--param", "decision=memory_format", "--format", "csv"], capsys
    )
    assert (code, sorted(out.split())) == (
        0,
        ["decision,option", "memory_format,channels_last", "memory_format,contiguous"],
    )
    assert (
        "has no parameter 'decisoin'" in run(["query", "-f", str(file), "--param", "decisoin=x"], capsys)[1]
    )
    assert run(["query", "SELECT ?x { ?x a on:Decision }", "--param", "x=y"], capsys)[0] == 2


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("SELECT ?x WHERE { kb:tcmalloc foo:needs ?x }", "query:1:40: the prefix 'foo:' is not declared"),
        (
            "SELECT ?x WHERE {\n  ?x ont:needs ?y }",
            "query:2:15: the prefix 'ont:' is not declared; expected a PREFIX line, or a known one; did",
        ),
        ("SELECT ?x\nWHERE { ?x a", "query:2:13: the query ends too early"),
        ("SELECT ?x\nWHERE { ?x a on:Option", "query:2:23: the query ends too early"),
        ("SELECT ?x\nWHER { ?x a on:Option }", "query:2:6: no SPARQL from here on: '{ ?x a on:Option }'"),
        ("DELETE WHERE { ?s ?p ?o }", "expected a SPARQL query that only reads"),
    ],
)
def test_bad_sparql_is_one_line_with_its_place(
    text: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, printed = run(["query", text], capsys)
    assert code == 2
    assert said in printed
    assert printed.count("\n") == 1


def test_a_service_is_not_asked_without_a_word(capsys: pytest.CaptureFixture[str]) -> None:
    code, printed = run(["query", "SELECT * { SERVICE <http://127.0.0.1:9/> { ?s ?p ?o } }"], capsys)
    assert (code, "SERVICE" in printed) == (2, True)


CHAINS = {
    "alternatives": "SELECT * WHERE { " + "{} UNION " * 10_000 + "{} }",
    "negations": "SELECT * WHERE { FILTER(" + "!" * 30_000 + "true) }",
    "disjunctions": "SELECT * WHERE { FILTER(" + "true || " * 10_000 + "true) }",
    "sums": "SELECT * WHERE { BIND(" + "1 + " * 10_000 + "1 AS ?x) }",
    "options": "SELECT * WHERE { " + "OPTIONAL {} " * 10_000 + " }",
    "exclusions": "SELECT * WHERE { " + "MINUS {} " * 3_000 + " }",
    "filters": "SELECT * WHERE { " + "FILTER(true) " * 10_000 + " }",
    "a path": "SELECT * WHERE { ?s " + "<urn:p>/" * 1_000 + "<urn:p> ?o }",
    "patterns": "SELECT * WHERE { " + "?s <urn:p> ?o . " * 300 + " }",
    "brackets": "SELECT * WHERE " + "{" * 30_000 + "}" * 30_000,
}


@pytest.mark.parametrize("text", CHAINS.values(), ids=CHAINS)
def test_what_overflows_the_engine_is_refused(text: str, tmp_path: Path) -> None:
    """These ended the process, or took minutes."""
    from kb.store.query_library import check_query
    from ontune.cli.query import _print_local

    path = tmp_path / "which.rq"
    path.write_text(f"# title: Which?\n{text}", encoding="utf-8")
    for ask in (lambda: check_query(path), lambda: _print_local(KnowledgeStore(), text, "query", "table")):
        with pytest.raises(BadInput, match=r"stand open|are joined"):
            ask()
