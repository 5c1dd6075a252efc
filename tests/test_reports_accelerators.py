"""What people reported in public of accelerators: one function a report, named by its address, with its input
in `reports/` and the right answer.
"""

from __future__ import annotations

import pytest

from kb.errors import NoFeasiblePlan
from kb.probe.machine import probe
from kb.records.workload import load_workload
from tests.reported import REPORTS, asked, reasoner, said

# ---- accelerators: which build runs on them


def test_vllm_19906_a_geforce_of_this_year_gets_a_cuda_build_that_has_code_for_it() -> None:
    question = asked("blackwell-desktop-old-torch", "resnet50")
    plan = reasoner().plan(*question, framework="pytorch")
    assert plan.option("wheel").endswith(("-cu128", "-cu129", "-cu130"))
    with pytest.raises(NoFeasiblePlan) as refusal:
        reasoner().plan(*question, framework="pytorch", pins={"framework_release": "torch-2.5.1"})
    # What the card needs, or what no build of 2.5.1 has.
    assert "12.8" in str(refusal.value) or "12.0" in str(refusal.value)
    answer = reasoner().why_not("torch-2.14.1-rocm7.14", *question, framework="pytorch")
    assert answer["status"] == "conflict" and "needs an AMD GPU" in said(answer["reasons"])


def test_comfyui_16438_a_pascal_card_gets_the_last_toolkit_that_has_code_for_it() -> None:
    target = probe(nvidia_smi=REPORTS / "pascal-latest-wheel" / "smi.xml", overrides={"glibc": "2.35"})
    assert [(each["arch"], each["compute_capability"]) for each in target.facts["gpus"]] == [("sm_61", "6.1")]
    question = load_workload("mnist-cnn"), target
    assert reasoner().plan(*question, framework="pytorch").option("wheel").endswith("-cu126")


def test_comfyui_16438_what_if_follows_the_compute_capability() -> None:
    question = asked("blackwell-desktop-old-torch", "mnist-cnn")
    answer = reasoner().what_if({"gpus[0].compute_capability": "6.1"}, *question, framework="pytorch")
    wheels = [(change["from"], change["to"]) for change in answer["changes"] if change["decision"] == "wheel"]
    assert len(wheels) == 1 and wheels[0][0].endswith("-cu130") and wheels[0][1].endswith("-cu126")


def test_vllm_39878_volta_stays_with_cuda_12() -> None:
    question = asked("volta-default-wheel", "resnet50")
    assert reasoner().plan(*question, framework="pytorch").option("wheel").endswith("-cu126")
    answer = reasoner().why_not("torch-2.15.0-cu130", *question, framework="pytorch")
    assert "the last for arch-sm_70 is CUDA 12" in said(answer["reasons"])


def test_cugraph_gnn_410_a_driver_of_cuda_12_gets_a_cuda_12_build() -> None:
    question = asked("driver-535-unpinned-torch", "resnet50")
    assert "-cu12" in reasoner().plan(*question, framework="pytorch").option("wheel")
    answer = reasoner().why_not("torch-2.15.0-cu130", *question, framework="pytorch")
    assert "needs driver for CUDA 13" in said(answer["reasons"])


def test_pytorch_164346_strix_halo_gets_a_build_with_code_for_it() -> None:
    question = asked("strix-halo-gfx1151", "mnist-cnn")
    wheel = reasoner().plan(*question, framework="pytorch").option("wheel")
    release, _, toolkit = wheel.removeprefix("torch-").partition("-rocm")
    assert tuple(map(int, release.split("."))) >= (2, 10, 0) and toolkit.startswith("7")
