"""One table of request fields: the command line, REST and Python have the same ones, of the same kinds, with
the same meaning.
"""

from __future__ import annotations

import functools
import inspect
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import typer.main

from kb.errors import BadInput
from kb.records.request import Request
from kb.records.request_fields import DROP, FIELDS, MOST, QUESTIONS, REQUEST, WISHES, RequestField, Wishes
from kb.records.target import complete_target
from kb.records.targets import load_target
from kb.records.workload import load_workload
from kb.store.terms import on
from kb.values import defaults_of
from ontune.cli import app
from ontune.cli.request import RequestArguments
from ontune.service.questions import Questions
from reasoner.inference.derive import TARGET
from reasoner.model.wishes import make_request
from reasoner.reasoner import Reasoner

ROOT = Path(__file__).resolve().parent.parent
OF_THE_COMMAND_LINE_ALONE = {"endpoint"}
"""Where the knowledge is read."""
MACHINE: Mapping[str, Any] = {
    "cpu": {"isa_level": "x86_64_v3", "features": ["avx2"], "cores": 8, "usable_cores": 8},
    "gpus": [],
    "glibc": "2.36",
}
WRONG: dict[str, tuple[Any, ...]] = {
    "plan": (7, [], "/etc/passwd", {}, {"plan_id": "x"}),
    "described": (7, [], True, "/etc/passwd", "../x.json", "no-such-name"),
    "facts": (7, [], "cpu.cores=1", {"no.such": 1}),
    "text": (7, [], {}, True),
    "texts": (7, {}, [1], [None], "no-such-name"),
    "pairs": (7, [], "precision=fp32", {"precision": 1}, {"precision": None}),
    "count": (-1, 0.5, "5", True, [], MOST + 1, 10**400),
}
"""What a field of a kind does not take."""


@functools.cache
def questions() -> Questions:
    return Questions(Reasoner([]))


def parameters(command: str) -> dict[str, Any]:
    """The parameters of a command by the longest form of theirs that is typed; an argument by its name in the
    help.
    """
    made = typing.cast(Any, typer.main.get_command(app))
    found = made.get_command(made.make_context("ontune", []), command)
    return {
        max(one.opts, key=len) if one.param_type_name == "option" else one.metavar.removesuffix("..."): one
        for one in found.params
    }


@pytest.mark.parametrize("question", QUESTIONS)
def test_the_command_line_has_the_fields_of_the_table(question: str) -> None:
    typed = parameters(question)
    for entry in (*REQUEST, *QUESTIONS[question]):
        parameter = typed[entry.flag]
        assert parameter.help == entry.help
        assert bool(parameter.multiple or parameter.nargs == -1) == entry.repeated
        assert parameter.default is None or parameter.required
        assert entry.default is None or parameter.show_default == str(entry.default)
        if entry.required and not entry.flag.startswith("--"):
            assert parameter.required


def test_the_command_line_has_no_request_field_that_the_table_lacks() -> None:
    names = {name.rstrip("_") for name in RequestArguments.__struct_fields__} - OF_THE_COMMAND_LINE_ALONE
    assert names == {entry.flag.removeprefix("--") for entry in REQUEST}


def test_python_has_the_fields_of_the_table() -> None:
    wishes = {wish.name for wish in WISHES}
    assert set(Wishes.__annotations__) == wishes | {"places", DROP.name}
    defaults = defaults_of(Request)
    assert {"workload", "target"} | wishes <= set(Request.__struct_fields__)
    for wish in WISHES:
        if wish.default is not None:
            assert defaults[wish.name] == wish.default
    for method in (
        Reasoner.plan,
        Reasoner.why_not,
        Reasoner.explain,
        Reasoner.what_if,
        Reasoner.baseline,
        make_request,
    ):
        keywords = inspect.signature(method).parameters["choices"].annotation
        assert "Wishes" in str(keywords)


@pytest.mark.parametrize("wish", WISHES, ids=lambda wish: wish.name)
def test_python_refuses_what_a_wish_does_not_take(wish: RequestField) -> None:
    reasoner = questions()._reasoner
    workload, target = load_workload("mlp", reasoner.store), load_target("zen5-virtual", reasoner.store)
    for value in WRONG[wish.kind]:
        with pytest.raises(BadInput, match=r"^--given"):
            reasoner.plan(workload, target, **{wish.name: value, "places": {wish.name: "--given"}})  # type: ignore[arg-type]


@pytest.mark.parametrize("question", QUESTIONS)
def test_rest_refuses_what_a_field_does_not_take(question: str) -> None:
    whole: dict[str, Any] = {
        "workload": "mlp",
        "target": MACHINE,
        "option": "xla",
        "subject": "precision",
        "changes": {"exclusive": True},
    }
    body = {
        name: value
        for name, value in whole.items()
        if name in {entry.name for entry in (*REQUEST, *QUESTIONS[question])}
    }
    assert questions().answer(question, body)
    for entry in (*REQUEST, *QUESTIONS[question]):
        for value in WRONG[entry.kind]:
            with pytest.raises(BadInput) as refused:
                questions().answer(question, {**body, entry.name: value})
            assert entry.kind == "facts" or refused.value.where.startswith(f"body: {entry.name}"), (
                entry.name,
                value,
            )
        if entry.required:
            with pytest.raises(BadInput, match=f"body: {entry.name}: is missing"):
                questions().answer(question, {**body, entry.name: None})
    with pytest.raises(BadInput, match="did you mean 'forbid'"):
        questions().answer(question, {**body, "forbids": []})


def test_a_whole_number_is_one_in_every_spelling_of_json() -> None:
    body = {"workload": "mlp", "target": "zen5-virtual"}
    assert questions().answer("plan", {**body, "top": 2.0}) == questions().answer("plan", {**body, "top": 2})
    assert len(questions().answer("plan", {**body, "top": 0})["alternatives"]) == 0


def test_a_body_names_no_file_of_the_server() -> None:
    for key, value in (
        ("script", "/etc/hostname"),
        ("files", ["hostname"]),
        ("folder", "/etc"),
        ("requirements", "/etc/hostname"),
    ):
        job = {"network": "mlp", "frameworks": ["pytorch"], key: value}
        for question, own in (("plan", {}), ("explain", {"subject": "run.sh:3"})):
            with pytest.raises(BadInput, match=f"key '{key}' names a file"):
                questions().answer(question, {"workload": job, "target": "zen5-virtual", **own})


def test_a_described_machine_is_that_of_a_file(tmp_path: Any) -> None:
    """Accelerators are recognised, and contradictions refused, whichever way a description comes."""
    import json

    store = questions()._reasoner.store
    described = {**MACHINE, "gpus": [{"model": "NVIDIA H100 80GB HBM3", "driver": "550.54.15"}]}
    file = tmp_path / "node.json"
    file.write_text(json.dumps(described), encoding="utf-8")
    target = load_target(str(file), store).set_by_hand({"exclusive": True}, store.names, "--set")
    plan = questions().answer("plan", {"workload": "mlp", "target": described, "set": {"exclusive": True}})
    assert plan["target"] == {"name": "request", **target.facts}
    assert plan["plan_id"] == questions()._reasoner.plan(load_workload("mlp", store), target).plan_id
    described["gpus"][0]["vendor"] = "amd"
    with pytest.raises(BadInput, match="contradict"):
        questions().answer("plan", {"workload": "mlp", "target": described})


def test_knowledge_can_be_left_out_over_rest_as_at_the_command_line() -> None:
    body = {"workload": "mlp", "target": "zen5-virtual"}
    with pytest.raises(BadInput, match="nothing is changed"):
        questions().answer("what-if", body)
    with pytest.raises(BadInput, match="no-such"):
        questions().answer("what-if", {**body, "without": ["rule:no-such"]})


def test_every_field_has_one_meaning() -> None:
    assert len(FIELDS) == len(REQUEST) + sum(map(len, QUESTIONS.values()))
    assert len({entry.flag for entry in FIELDS.values()}) == len(FIELDS)
    assert all(entry.meaning and not entry.meaning.endswith(".") for entry in FIELDS.values())


def test_the_documents_have_the_table() -> None:
    text = (ROOT / "docs" / "reference" / "requests.md").read_text(encoding="utf-8")
    rows = [
        f"| `{entry.name}` | `{entry.flag}` | {entry.kind} | {entry.meaning} |" for entry in FIELDS.values()
    ]
    assert [line for line in text.splitlines() if line.startswith("| `")] == rows


@pytest.mark.parametrize("number", [10**18, -(10**18), 10**4000, 1e300, float("nan"), float("inf")])
def test_a_number_that_nothing_can_be_compared_with_is_refused(number: float) -> None:
    for facts in ({"memory_gib": number}, {"cpu": {"cores": number}}):
        with pytest.raises(BadInput, match="has the value"):
            complete_target("node", facts, "node")


def test_a_small_number_is_a_decimal_of_rdf() -> None:
    target = complete_target("node", {"memory_gib": 1e-05}, "node")
    assert [
        quad.object.value for quad in target.quads(TARGET, TARGET) if quad.predicate.value == on("memoryGib")
    ] == ["0.000010000000000000"]  # type: ignore[union-attr]
