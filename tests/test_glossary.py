"""The glossary, the troubleshooting page and the records of decisions cannot rot: each is compared with what
it speaks of.
"""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from typer.main import get_command

from kb.store.sources import shipped_sources
from kb.store.store import KnowledgeStore
from kb.store.terms import expand
from ontune.cli import COMMANDS, app
from tests.documents import ROOT, blocks, parse

GLOSSARY = ROOT / "docs" / "reference" / "glossary.md"
TROUBLE = ROOT / "docs" / "how-to" / "troubleshoot.md"
DECISIONS = ROOT / "docs" / "decisions"
ROOMS = ("kb", "reasoner", "generators", "bench", "ontune")


def tables() -> list[list[list[str]]]:
    """The rows of the two tables, cell by cell."""
    found: list[list[list[str]]] = []
    for line in GLOSSARY.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        if line.startswith("|---"):
            found.append([])
        elif line.startswith("| ") and found and cells[0] != "word":
            found[-1].append(cells)
    return found


TERMS, WORDS = tables()


@cache
def ontology() -> KnowledgeStore:
    store = KnowledgeStore()
    for source in shipped_sources():
        if source.name.startswith("ontology/") and source.path.suffix == ".ttl":
            store.load_source(source)
    return store


def test_words_and_meanings_are_the_labels_and_definitions_of_the_ontology() -> None:
    for word, term, _, _, meaning in TERMS:
        iri = expand(term.strip("`"))
        assert ontology().label(iri) == word, term
        assert ontology().objects(iri, expand("skos:definition")) == [meaning], term
    assert len(TERMS) > 30 and len(WORDS) > 10


def test_every_class_that_requests_and_plans_are_made_of_is_a_word() -> None:
    there = {term.strip("`") for _, term, *_ in TERMS}
    core = "Request Target Workload Site Situation Decision Option Capability Effect Conflict Criterion Numerics Application Behaviour"
    assert {f"on:{name}" for name in core.split()} <= there


def test_one_word_means_one_thing() -> None:
    words = [row[0] for row in (*TERMS, *WORDS)]
    assert len(set(words)) == len(words)
    assert [row[0] for row in TERMS] == sorted(row[0] for row in TERMS)


@pytest.mark.parametrize(
    "name", sorted({name for row in (*TERMS, *WORDS) for name in re.findall(r"`([\w.]+)`", row[-3])})
)
def test_names_of_python_exist(name: str) -> None:
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        try:
            value = importlib.import_module(".".join(parts[:length]))
        except ModuleNotFoundError:
            continue
        for part in parts[length:]:
            value = getattr(value, part)
        return
    pytest.fail(f"no module of {name}")


@cache
def flags() -> frozenset[str]:
    """Every option of every command."""
    group, found = get_command(app), set()
    for command in COMMANDS:
        try:
            found |= {
                flag for parameter in group.get_command(None, command).params for flag in parameter.opts
            }
        except Exception:  # a command of a later version
            continue
    return frozenset(found)


def test_words_of_the_command_line_exist() -> None:
    queries = {path.stem for path in (ROOT / "kb" / "queries").rglob("*.rq")}
    for row in (*TERMS, *WORDS):
        for typed in re.findall(r"`([^`]+)`", row[-2]):
            if typed.startswith("--"):
                assert typed in flags(), typed
                continue
            program, command, *rest = typed.split()
            assert program == "ontune" and command in COMMANDS, typed
            if command == "query" and rest:
                assert rest[0] in queries, typed
            elif rest:
                assert parse([command, *rest, "--help"]) is None or rest[0] in (
                    "learn",
                    "add",
                    "diff",
                    "compile",
                    "rows",
                ), typed


def literals() -> Iterator[str]:
    """Every text that a program of ours may print, its slots as blanks."""
    for room in ROOMS:
        for path in sorted((ROOT / room).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    yield node.value
    for path in (ROOT / "Makefile", *sorted((ROOT / "generators" / "writers" / "templates").glob("*.j2"))):
        yield path.read_text(encoding="utf-8")


SHOWN = [line for block in blocks(TROUBLE, "text") for line in block.splitlines()]
MESSAGES = [line for line in SHOWN if re.sub(r"<[a-z ]+>", "", line).strip()]


@cache
def printed() -> str:
    return "\0".join(literals())


@pytest.mark.parametrize("message", MESSAGES)
def test_messages_that_are_explained_are_printed(message: str) -> None:
    fixed = [part for part in re.split(r"<[a-z ]+>|\$\w+", message) if re.search(r"\w{3}", part)]
    assert fixed
    for part in fixed:
        assert part.strip(" .:'") in printed(), part


def test_the_page_explains_the_failures_of_each_kind() -> None:
    text = TROUBLE.read_text(encoding="utf-8")
    assert len(MESSAGES) == len(set(MESSAGES)) >= 20
    assert all(
        f"## {part}" in text
        for part in (
            "Setting up",
            "Asking for a plan",
            "Additions",
            "Building and running",
            "Asking elsewhere",
        )
    )


RECORDS = sorted(DECISIONS.glob("[0-9]*.md"))


@pytest.mark.parametrize("path", RECORDS, ids=lambda path: path.stem)
def test_a_record_of_a_decision_is_short_and_has_its_three_parts(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == ["Context", "Decision", "Consequences"]
    assert all(part.strip() for part in re.split(r"^#.*$", text, flags=re.MULTILINE)[1:])
    assert len(text.splitlines()) < 40


def test_records_are_numbered_and_listed() -> None:
    listed = re.findall(
        r"^\| (\d+) \| \[[^\]]+\]\((\d{4})-[\w-]+\.md\) \|$",
        (DECISIONS / "README.md").read_text(encoding="utf-8"),
        re.MULTILINE,
    )
    assert [(int(number), int(name)) for number, name in listed] == [
        (place, place) for place in range(1, len(RECORDS) + 1)
    ]
    paths = {
        path
        for record in RECORDS
        for path in re.findall(r"`([\w]+/[\w./]+\.py)`", record.read_text(encoding="utf-8"))
    }
    assert paths and all((ROOT / path).is_file() for path in paths)
