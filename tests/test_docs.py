"""What the documents show works: their commands are run, their files written and read, their links followed."""

from __future__ import annotations

import doctest
import re
import threading
from pathlib import Path

import pytest

import ontune
from kb.cases import CaseTable
from kb.records.fact_keys import fact_keys
from kb.records.site import load_site
from ontune.cli import COMMANDS
from reasoner.reasoner import Reasoner
from tests.documents import DOCUMENTS, ROOT, assert_shown, blocks, follow, parse, steps, unrun_commands

FOLLOWED = [path for path in DOCUMENTS if any(steps(path))]
PYTHON = ROOT / "docs" / "reference" / "python.md"


@pytest.mark.parametrize(
    "path", FOLLOWED, ids=lambda path: path.stem if path.stem != "README" else path.parent.name
)
def test_whoever_follows_a_document_sees_what_it_shows(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert follow(path, tmp_path, monkeypatch, capsys) > 0


def test_every_kind_of_document_is_followed() -> None:
    assert {path.stem for path in FOLLOWED} >= {
        "first-plan",
        "add-a-gpu",
        "add-a-framework-release",
        "add-an-option",
        "add-a-rule",
    }
    assert ROOT / "README.md" in FOLLOWED
    examples = {path.parent for path in (ROOT / "examples").glob("*/*") if path.is_file()}
    assert examples and examples <= {path.parent for path in FOLLOWED}


def test_the_example_of_a_rule_fires_and_is_silent_where_its_cases_say() -> None:
    """What `ontune check .` holds there, without trying all that is known."""
    folder = ROOT / "examples" / "own-rule"
    reasoner = Reasoner([folder])
    assert reasoner.refused == ()
    table = CaseTable(reasoner.store, [folder])
    for line, fires in (
        (table.cases["rule:no-preload"].fires, True),
        (table.cases["rule:no-preload"].silent, False),
    ):
        asked = table.request(line)
        answer = reasoner.why_not("tcmalloc", asked.workload, asked.target, **asked.wishes)
        texts = [reason["text"] for reason in answer["reasons"]]
        assert any("our policy forbids LD_PRELOAD" in text for text in texts) is fires, texts


@pytest.mark.parametrize(
    ("shown", "printed"),
    [
        (["..."], "all that matters\n"),
        ([], "all that matters\n"),
        (["plan ...", "..."], "plan 1: a job\nprecision bf16\n"),
        (["added: <folder>..."], "added: /tmp/x.ttl\n"),
        (["precision fp32", "..."], "precision bf16\nmore\n"),
        (["plan <id>: a job"], "plan 1: another job\n"),
        (["one line"], "one line\nand another\n"),
    ],
)
def test_an_example_that_hides_its_point_or_lies_is_found(shown: list[str], printed: str) -> None:
    with pytest.raises(AssertionError):
        assert_shown(tuple(shown), printed)


@pytest.mark.parametrize(
    ("shown", "printed"),
    [
        ([], ""),
        (["yes"], "yes\n"),
        (["plan <id>: a job", "..."], "plan 1: a job\nprecision bf16\n"),
        (["...", "precision bf16 ..."], "plan\nprecision  bf16   x 2\n"),
    ],
)
def test_an_example_that_shows_its_point_is_taken(shown: list[str], printed: str) -> None:
    assert_shown(tuple(shown), printed)


def test_commands_that_are_not_run_are_parsed() -> None:
    """The blocks that need a network, a cluster or time: their commands exist, and take the arguments that
    they are shown with.
    """
    shown = [(path, command) for path in DOCUMENTS for command in unrun_commands(path)]
    assert len(shown) > 10
    for path, words in shown:
        assert parse(words) is None, f"{path}: {' '.join(words)}"


def test_the_python_reference_shows_what_python_prints(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    # A fence behind an example is no output of it.
    text = PYTHON.read_text(encoding="utf-8").replace("```", "")
    examples = doctest.DocTestParser().get_doctest(text, {}, "python.md", str(PYTHON), 0)
    done = doctest.DocTestRunner().run(examples)
    assert (done.failed, done.attempted > 15) == (0, True), capsys.readouterr().out


def test_the_site_in_the_guide_states_every_key_and_its_options_are_knowledge(tmp_path: Path) -> None:
    guide = ROOT / "docs" / "how-to" / "describe-your-cluster.md"
    (tmp_path / "cluster.yaml").write_text(blocks(guide, "yaml")[0])
    stated = load_site(str(tmp_path / "cluster.yaml")).to_json()
    unsaid = {key for key in fact_keys("sites").root.members if key not in stated}
    assert unsaid == {"resource_syntax", "whole_nodes", "gpu_type"}  # in the table, or for each partition
    (tmp_path / "cluster.ttl").write_text(blocks(guide, "turtle")[0])
    reasoner = Reasoner([tmp_path / "cluster.ttl"])
    assert reasoner.refused == () and {"our-pytorch", "our-module"} <= reasoner.catalogue.by_name.keys()
    assert load_site("our-cluster", reasoner.store).facts["account"] == "p42"


def test_the_python_reference_names_everything_that_is_public() -> None:
    text = PYTHON.read_text(encoding="utf-8")
    described = {
        "Application",
        "Bundle",
        "DecisionTaken",
        "Reason",
        "Rejected",
        "Target",
        "Workload",
    }  # parts and arguments of what is named
    assert {name for name in ontune.__all__ if f"{name}" not in text} <= described
    assert all(getattr(ontune, name).__doc__ for name in ontune.__all__)
    with pytest.raises(AttributeError, match="no attribute 'Planner'"):
        ontune.Planner  # noqa: B018


def test_commands_that_are_named_exist() -> None:
    for path in DOCUMENTS:
        named = set(re.findall(r"(?<!from )\bontune ([a-z][a-z-]*)", path.read_text(encoding="utf-8")))
        assert named <= set(COMMANDS), path


def headings(path: Path) -> set[str]:
    """The headings of a document as links name them."""
    found = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in found}


def test_links_lead_somewhere() -> None:
    for path in DOCUMENTS:
        for target, fragment in re.findall(
            r"\]\((?!https?:)([^)#]*)(?:#([^)]+))?\)", path.read_text(encoding="utf-8")
        ):
            file = (path.parent / target).resolve() if target else path
            assert file.exists(), f"{path}: {target}"
            assert not fragment or fragment in headings(file), f"{path}: {target}#{fragment}"


def test_every_document_is_reached_from_the_index() -> None:
    """Itself, or a list that it links: of the records of decisions."""
    index = ROOT / "docs" / "index.md"
    reached = {index, *linked_in(index)}
    for path in [path for path in reached if path.name == "README.md"]:
        reached |= linked_in(path)
    assert set(DOCUMENTS) <= reached


def linked_in(path: Path) -> set[Path]:
    """The files that a document links."""
    targets = re.findall(r"\]\((?!https?:)([^)#]+)", path.read_text(encoding="utf-8"))
    return {(path.parent / target).resolve() for target in targets}


def test_one_reasoner_answers_several_threads_as_it_answers_one(capsys: pytest.CaptureFixture[str]) -> None:
    jobs = [
        (workload, target)
        for workload in ("mnist-cnn", "transformer")
        for target in ("zen5-virtual", "eos-h100", "t4-cloud")
    ]

    def answers(reasoner: ontune.Reasoner, workload: str, target: str) -> tuple[object, ...]:
        job, node = ontune.load_workload(workload), ontune.load_target(target)
        return (
            reasoner.plan(job, node),
            reasoner.why_not("inductor", job, node),
            reasoner.what_if({"exclusive": False}, job, node),
        )

    alone = {job: answers(ontune.Reasoner([]), *job) for job in jobs[:3]}
    shared, found, problems = ontune.Reasoner([]), {}, []

    def work(share: list[tuple[str, str]]) -> None:
        try:
            for job in share:
                found[job] = answers(shared, *job)
        except Exception as error:
            problems.append(error)

    threads = [threading.Thread(target=work, args=(jobs[number::3],)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    assert {job: found[job] for job in alone} == alone
    assert found == {job: answers(shared, *job) for job in jobs}
    assert capsys.readouterr() == ("", "")
