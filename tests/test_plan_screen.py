"""A plan on one screen: 80 columns and 40 lines, and nothing that matters is left out."""

from __future__ import annotations

import pytest

from kb.records.targets import load_target, target_names
from kb.records.workload import load_workload, workload_names
from ontune.cli.plan_screen import LINES, print_screen
from ontune.cli.plan_words import departs
from ontune.cli.source_names import short_name
from reasoner.answers.plan import Plan
from reasoner.reasoner import Reasoner

REASONER = Reasoner([])


def screen(
    plan: Plan,
    exact: Plan | None,
    columns: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> list[str]:
    monkeypatch.setenv("COLUMNS", str(columns))
    print_screen(plan, exact)
    return capsys.readouterr().out.splitlines()


def check(
    target: str, workload: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    job, machine = load_workload(workload, REASONER.store), load_target(target, REASONER.store)
    plan = REASONER.plan(job, machine)
    exact = None if plan.numerics == "exact" else REASONER.plan(job, machine, numerics="exact")
    lines = screen(plan, exact, 80, monkeypatch, capsys)
    text = " ".join(" ".join(lines).split())
    assert len(lines) <= LINES and max(map(len, lines)) <= 80, (target, workload, len(lines))
    ratio = plan.prediction["vs_default"]
    assert (f"x {ratio['value']:.2f} (" if ratio["value"] is not None else ratio["reason"]) in text
    left_alone = {taken.option for taken in plan.decisions if not departs(taken)}
    for part in ratio["parts"]:
        # What was left alone brings nothing.
        assert not left_alone & set(part["options"].values()), (
            target,
            workload,
            part,
        )
        assert all(option in text for option in part["options"].values())
    for taken in plan.decisions:
        assert not departs(taken) or f"{taken.decision} {taken.option}" in text, (
            target,
            workload,
            taken.decision,
        )
    for unknown in plan.unknowns:
        assert unknown["probe"] in text, (target, workload, unknown)
    assert "the default: " in text and "--all" in lines[-1]


@pytest.mark.parametrize("target", target_names())
def test_a_plan_is_one_screen(
    target: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    check(target, "mnist-cnn", monkeypatch, capsys)


@pytest.mark.long
@pytest.mark.parametrize("target", target_names())
def test_every_plan_is_one_screen(
    target: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for workload in workload_names():
        check(target, workload, monkeypatch, capsys)


def test_a_wide_terminal_is_used(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    plan = REASONER.plan(
        load_workload("mnist-cnn", REASONER.store), load_target("genoa-node", REASONER.store)
    )
    narrow, wide = (screen(plan, None, columns, monkeypatch, capsys) for columns in (80, 160))
    assert max(map(len, wide)) > 100 and "(series zen4-vm)" in " ".join(wide) and len(narrow) <= LINES


def test_a_wish_is_shown_with_what_is_known_of_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    job, machine = load_workload("mnist-cnn", REASONER.store), load_target("genoa-node", REASONER.store)
    plan = REASONER.plan(job, machine, pins={"framework": "pytorch", "compiler": "inductor"})
    text = " ".join(screen(plan, None, 120, monkeypatch, capsys))
    assert "x 0.75" in text and "you asked for it" in text


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("https://github.com/pytorch/pytorch/issues/44943", "pytorch/pytorch#44943"),
        ("https://github.com/pytorch/pytorch/pull/164854", "pytorch/pytorch#164854"),
        ("https://w3id.org/ontune/observation/zen5-vm", "series zen5-vm"),
        ("pkg:pypi/torch@2.15.0", "torch 2.15.0"),
        ("https://docs.pytorch.org/tutorials/recipes/recipes/tuning_guide.html", "pytorch: tuning_guide"),
        ("https://doi.org/10.48550/arXiv.1910.02054", "doi:10.48550/arXiv.1910.02054"),
        ("a note", "a note"),
    ],
)
def test_a_source_has_a_readable_name(source: str, name: str) -> None:
    assert short_name(source) == name
