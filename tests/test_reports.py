"""What people reported in public, each with its input in `reports/` and the answer that is right: one function a report, named by its address."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import pytest

from generators.lint import lint
from kb.errors import BadInput, NoFeasiblePlan
from kb.target import Target, load_target
from kb.workload import Workload, load_workload
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



def test_torchio_1183_numpy_2_beside_an_old_torch_is_refused() -> None:
    question = asked("numpy2-old-torch", "job.yaml")
    with pytest.raises(NoFeasiblePlan) as refusal:
        reasoner().plan(*question, pins={"framework_release": "torch-2.2.2"})
    assert "torch-2.2.2 takes numpy<2; the script's requirements ask for numpy>=2 (requirements.txt:1)" in str(refusal.value)
    free = reasoner().plan(*question)
    assert [one["because"] for one in free.requirements] == ["the plan installs numpy 2.2.6", ""]
    assert free.option("framework_release") not in {"torch-1.12.1", "torch-1.13.1", "torch-2.0.1", "torch-2.1.2", "torch-2.2.2"}


def test_atmorep_77_a_job_script_cannot_be_checked_yet() -> None:
    """Until job scripts are linted, the answer is that this is one."""
    with pytest.raises(BadInput, match=r"job\.slurm:2: #SBATCH: this is a job script, and job scripts cannot be checked yet"):
        lint(REPORTS / "job-script-duplicate-gpu" / "job.slurm")
