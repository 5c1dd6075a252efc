"""Mixed precision as NVIDIA's tables tell it: one effect for each way in which fp32 is computed, judged by networks
that are left out in every framework.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from kb.observations import learning
from kb.records.targets import load_target
from kb.records.workload import load_workload
from reasoner.reasoner import Reasoner

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "benchmarks"))
import mixed


@pytest.mark.parametrize(("name", "most"), [("mixed_tf32", 0.27), ("mixed_fp32", 0.34)])
def test_the_gain_of_a_network_that_is_left_out_is_predicted(name: str, most: float) -> None:
    """Against FP32 the aim is 0.33, and is missed by less than a hundredth."""
    asked = learning.question(name)
    found = mixed.left_out(asked, learning.cases(asked))
    assert len(found) >= 20 and mixed.error(found) <= most
    assert 0.85 <= sum(said.covered for said in found) / len(found) <= 0.95
    assert mixed.factor(found) < 2


def test_rows_of_another_accelerator_or_way_of_computing_are_not_pooled() -> None:
    asked = learning.question("mixed_fp32")
    versions = [version for case in learning.cases(asked) for version in case.ratios]
    assert versions and all(" v100-" in version for version in versions)


def test_a_question_without_features_has_one_effect_and_no_situation_of_its_own() -> None:
    asked = learning.question("mixed_fp32")
    regions = learning.learn(asked, learning.cases(asked))
    text = learning.turtle(asked, regions)
    assert len(regions) == 1 and regions[0].bounds == {}
    assert "sh:SPARQLRule" not in text and "eff:mixed-fp32-1" in text


def test_what_is_learnt_on_a_v100_is_said_of_one_and_not_of_a_newer_accelerator() -> None:
    reasoner = Reasoner([])
    workload = load_workload("mnist-cnn", reasoner.store)
    for target, learnt in (("v100-node", True), ("eos-h100", False)):
        plan = reasoner.plan(
            workload, load_target(target, reasoner.store), numerics="mixed", pins={"precision": "fp16"}
        )
        said = [reason.id for reason in plan.decision("precision").reasons if reason.kind == "effect"]
        assert any("mixed-fp32-1" in one for one in said) == learnt, (target, said)
