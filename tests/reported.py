"""What tests of public reports share: their inputs in `reports/`, and the answers to them."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from kb.records.target import Target
from kb.records.targets import load_target
from kb.records.workload import Workload, load_workload
from reasoner.reasoner import Reasoner

REPORTS = Path(__file__).parent / "reports"


@cache
def reasoner() -> Reasoner:
    return Reasoner([])


def asked(report: str, workload: str, target: str = "target.yaml") -> tuple[Workload, Target]:
    """What a report is about: files of its folder, or shipped names."""
    job, machine = REPORTS / report / workload, REPORTS / report / target
    return (
        load_workload(str(job) if job.is_file() else workload, reasoner().store),
        load_target(str(machine) if machine.is_file() else target, reasoner().store),
    )


def said(reasons: Any) -> str:
    """Reasons, as objects or as JSON, in one text."""
    return "\n".join(reason["text"] if isinstance(reason, dict) else reason.text for reason in reasons)
