"""Plans for every shipped target and workload: as reviewed in `golden/plans.tsv`, and each with reasons that
name their sources.

After a change of the knowledge, `python tests/test_golden_plans.py` writes the table anew; read its
difference line by line before committing it.
"""

from __future__ import annotations

import json
import sys
from functools import cache
from pathlib import Path

import pytest

from kb.records.request import plan_id
from kb.records.targets import load_target, target_names
from kb.records.workload import load_workload, workload_names
from reasoner.answers.plan import Plan
from reasoner.reasoner import Reasoner

TABLE = Path(__file__).parent / "golden" / "plans.tsv"


@cache
def reasoner() -> Reasoner:
    return Reasoner([])


@cache
def plan(target: str, workload: str) -> Plan:
    return reasoner().plan(load_workload(workload, reasoner().store), load_target(target, reasoner().store))


def shipped() -> list[tuple[str, str]]:
    return [(target, workload) for target in target_names() for workload in workload_names()]


def row(target: str, workload: str) -> str:
    """Target, workload, the wheel, every departure from a default, and the ratio to the default
    configuration.
    """
    chosen = plan(target, workload)
    defaults = {
        reasoner().catalogue.name[decision]: reasoner().catalogue.name[option]
        for decision, option in reasoner().catalogue.default.items()
    }
    departures = [
        f"{taken.decision}={taken.option}"
        for taken in chosen.decisions
        if taken.decision not in ("framework_release", "wheel") and taken.option != defaults[taken.decision]
    ]
    ratio = chosen.prediction["vs_default"]["value"]
    return "\t".join(
        [
            target,
            workload,
            chosen.option("wheel"),
            " ".join(departures) or "-",
            "-" if ratio is None else f"{ratio:.2f}",
        ]
    )


def table() -> str:
    head = "\t".join(["target", "workload", "wheel", "departures from defaults", "x default"])
    return "\n".join([head, *(row(*pair) for pair in shipped())]) + "\n"


def test_there_are_enough_targets_and_workloads() -> None:
    assert len(target_names()) >= 20
    assert len(workload_names()) >= 6


def test_plans_are_as_reviewed() -> None:
    assert table().splitlines() == TABLE.read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize("target", target_names())
def test_every_choice_and_every_rejection_has_a_reason_with_a_source(target: str) -> None:
    for workload in workload_names():
        for taken in plan(target, workload).decisions:
            assert any(reason.sources for reason in taken.reasons), (target, workload, taken.decision)
            for gone in taken.rejected:
                assert any(reason.sources for reason in gone.reasons), (
                    target,
                    workload,
                    taken.decision,
                    gone.option,
                    gone.reasons,
                )


@pytest.mark.parametrize("target", target_names())
def test_a_plan_that_is_asked_again_from_its_own_file_is_the_same(target: str) -> None:
    for workload in workload_names():
        read = json.loads(json.dumps(plan(target, workload).to_json()))
        assert plan_id(read["request"], read["knowledge"]) == read["plan_id"], workload
        again = reasoner().plan(Plan.from_json(read))
        assert (again.plan_id, again.request) == (read["plan_id"], read["request"]), workload
        assert [taken.option for taken in again.decisions] == [
            taken["option"] for taken in read["decisions"]
        ], workload


if __name__ == "__main__":
    TABLE.write_text(table(), encoding="utf-8")
    print(f"{len(shipped())} plans written to {TABLE}", file=sys.stderr)
