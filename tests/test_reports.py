"""What people reported in public, each with its input in `reports/` and the answer that is right: one
function a report, named by its address.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from generators.bundle import write_bundle
from generators.read.lint import lint
from kb.errors import BadInput, NoFeasiblePlan
from kb.records.targets import load_target
from kb.records.workload import Workload, load_workload
from kb.store.query_library import named_query
from reasoner.answers.plan import Plan
from tests.reported import REPORTS, asked, reasoner, said


def of(plan: Plan, decision: str) -> str:
    """Why a plan takes what it takes for a decision."""
    return said(plan.decision(decision).reasons)


def test_torchio_1183_numpy_2_beside_an_old_torch_is_refused() -> None:
    question = asked("numpy2-old-torch", "job.yaml")
    with pytest.raises(NoFeasiblePlan) as refusal:
        reasoner().plan(*question, pins={"framework_release": "torch-2.2.2"})
    assert (
        "torch-2.2.2 takes numpy<2; the script's requirements ask for numpy>=2 (requirements.txt:1)"
        in str(refusal.value)
    )
    free = reasoner().plan(*question)
    assert [one["because"] for one in free.requirements] == ["the plan installs numpy 2.2.6", ""]
    assert free.option("framework_release") not in {
        "torch-1.12.1",
        "torch-1.13.1",
        "torch-2.0.1",
        "torch-2.1.2",
        "torch-2.2.2",
    }


def test_atmorep_77_a_job_script_cannot_be_checked_yet() -> None:
    """Until job scripts are linted, the answer is that this is one."""
    with pytest.raises(
        BadInput, match=r"job\.slurm:2: #SBATCH: this is a job script, and job scripts cannot be checked yet"
    ):
        lint(REPORTS / "job-script-duplicate-gpu" / "job.slurm")


def planned(report: str, workload: str = "mnist-cnn", **wishes: Any) -> Plan:
    """The plan for a report's target; a workload that is a file is one of the report's."""
    named = str(REPORTS / report / workload) if workload.endswith(".yaml") else workload
    target = load_target(str(REPORTS / report / "target.yaml"), reasoner().store)
    return reasoner().plan(
        load_workload(named, reasoner().store), target, **{"framework": "pytorch", **wishes}
    )


def rows(query: str, **values: str) -> list[dict[str, str]]:
    return reasoner().full_store.select(named_query(query).filled(values))


def test_grace_hopper_old_release() -> None:
    """pytorch/pytorch#123835: there is no CUDA build of torch 2.2 for Arm processors."""
    with pytest.raises(NoFeasiblePlan) as refused:
        planned("grace-hopper-old-release", "resnet50", pins={"framework_release": "torch-2.2.2"})
    assert "there is no torch-2.2.2-cu118 for aarch64 processors" in str(refused.value)
    assert "without --pin framework_release=torch-2.2.2" in str(refused.value)
    newer = planned("grace-hopper-old-release", "resnet50")
    assert newer.option("wheel") == "torch-2.14.1-cu126"
    assert "https://download.pytorch.org/whl/cu126" in {one.value for one in newer.applied("package")}


def test_radeon_6600_gfx1032() -> None:
    """ROCm/legacy-rocm-build#1797: no build carries gfx1032; running it as gfx1030 works, and nobody supports
    it.
    """
    unasked = planned("radeon-6600-gfx1032")
    assert not unasked.option("wheel").startswith("torch-")
    assert "it is not known whether rocm-pytorch-7.2 carries code for gfx1032" in unasked.unknowns[0]["fact"]
    assert "--allow gpu_identity=gpu-identity-gfx1030" in {one["accept"] for one in unasked.on_request}
    allowed = planned("radeon-6600-gfx1032", allow=["gpu-identity-gfx1030"])
    assert allowed.option("wheel") == "torch-2.14.1-rocm7.14"
    assert ("HSA_OVERRIDE_GFX_VERSION", "10.3.0") in {(one.name, one.value) for one in allowed.applied("env")}
    assert rows("builds-for-architecture", architecture="gfx1032") == []
    assert [row["option"] for row in rows("set-by", name="HSA_OVERRIDE_GFX_VERSION")] == [
        "gpu-identity-gfx1030"
    ]


def test_strix_halo_gfx1151() -> None:
    """pytorch/pytorch#164346: gfx1151 is in the builds with ROCm 7.1 and newer."""
    assert planned("strix-halo-gfx1151").option("wheel") == "torch-2.14.1-rocm7.14"
    with pytest.raises(NoFeasiblePlan, match=r"torch-2\.8\.0-rocm6\.4 carries no code for gfx1151"):
        planned("strix-halo-gfx1151", pins={"framework_release": "torch-2.8.0"})


def test_deepspeed_needs_nvcc(tmp_path: Path) -> None:
    """deepspeedai/DeepSpeed#2772: its operators are compiled at first use, by an nvcc of the build's CUDA."""
    taken = planned("deepspeed-needs-nvcc", "job.yaml", pins={"distributed": "deepspeed-zero"})
    assert "devel" in taken.option("base_image")
    assert "cuda12" in taken.option("base_image") or "cuda-12" in taken.option("base_image")
    assert "-cu12" in taken.option("wheel")
    bundle = tmp_path / "bundle"
    write_bundle(taken, bundle)
    assert "export CUDA_HOME=/usr/local/cuda" in (bundle / "ontune.def").read_text()
    found = {smell.rule: smell.line for smell in lint(REPORTS / "deepspeed-needs-nvcc" / "Dockerfile")}
    assert found["deepspeed-without-nvcc"] == 2


def test_old_glibc_no_container_query() -> None:
    """pytorch/pytorch#150724: of torch 2.6 only the cpu, cu118 and cu124 builds run beside glibc 2.17, and
    nothing newer does.
    """
    builds = {row["build"] for row in rows("builds-for-glibc", glibc="2.17", framework="pytorch")}
    assert {"torch-2.6.0-cpu", "torch-2.6.0-cu118", "torch-2.6.0-cu124", "torch-2.5.1-cu118"} <= builds
    assert not builds & {
        "torch-2.6.0-cu126",
        "torch-2.6.0-rocm6.2.4",
        "torch-2.6.0-cpu-aarch64",
        "torch-2.7.0-cu118",
        "torch-2.7.1-cu118",
    }


def test_pytorch_44943_channels_last_in_fp32_loses_on_a_v100() -> None:
    question = asked("channels-last-fp32-volta", "resnet50")
    exact = reasoner().plan(*question, framework="pytorch", numerics="exact")
    assert exact.option("memory_format") == "contiguous"
    answer = reasoner().why_not("channels_last", *question, framework="pytorch", pins={"precision": "fp32"})
    assert answer["status"] == "beaten" and "reaches 0.60 of the chosen one" in said(answer["reasons"])
    assert "NHWC pays in 16 bits only" in said(answer["reasons"])
    pinned = reasoner().plan(
        *question, framework="pytorch", numerics="exact", pins={"memory_format": "channels_last"}
    )
    assert "x0.6 (0.5 to 0.95)" in of(pinned, "memory_format")


def test_pytorch_98441_compiling_for_changing_lengths_is_warned_of() -> None:
    question = asked("compile-dynamic-lengths", "job.yaml")
    assert reasoner().plan(*question).option("compiler") == "eager"
    answer = reasoner().why_not("inductor", *question)
    assert answer["status"] == "beaten" and "each new length compiles again" in said(answer["reasons"])
    pinned = reasoner().plan(*question, pins={"compiler": "inductor"})
    assert "you asked for it" in of(pinned, "compiler") and "each new length compiles again" in of(
        pinned, "compiler"
    )
    free = reasoner().plan(*question)
    assert pinned.prediction["vs_default"]["value"] == pytest.approx(
        0.7 * free.prediction["vs_default"]["value"], rel=1e-3
    )


@pytest.mark.parametrize("report", ["pytorch/98102", "pytorch/93468"])
def test_further_reports_of_changing_lengths_are_answered_alike(report: str) -> None:
    """T5 for translation, and OpenNMT, whose first hundred steps took 3.5 times as long: attention networks
    with sentences of any length.
    """
    job = Workload(
        report,
        {
            "traits": ["Training", "Attention", "DynamicShapes"],
            "framework": "pytorch",
            "parameters": {"batch": 1},
        },
    )
    for target in ("clemson-a100", "v100-node", "zen5-virtual"):
        pinned = reasoner().plan(job, load_target(target, reasoner().store), pins={"compiler": "inductor"})
        assert "each new length compiles again" in of(pinned, "compiler"), target


def test_pytorch_34977_grouped_convolutions_are_not_promised_the_gain_of_nhwc() -> None:
    resnext = Workload(
        "resnext101",
        {"traits": ["Training", "Convolutional", "GroupedConvolutional"], "framework": "pytorch"},
    )
    for machine in ("v100-node", "clemson-a100", "eos-h100"):
        target = load_target(machine, reasoner().store)
        assert reasoner().plan(resnext, target).option("memory_format") == "contiguous"
        answer = reasoner().why_not("channels_last", resnext, target, pins={"precision": "fp16"})
        assert "143 ms from 4.1 ms on a V100" in said(answer["reasons"]), machine


def test_tensorflow_tpu_389_depthwise_convolutions_in_fp32_lose_in_nhwc_on_a_v100() -> None:
    efficientnet = Workload(
        "efficientnet",
        {"traits": ["Training", "Convolutional", "GroupedConvolutional"], "framework": "pytorch"},
    )
    target = load_target("v100-node", reasoner().store)
    pinned = reasoner().plan(efficientnet, target, pins={"memory_format": "channels_last"}, numerics="exact")
    assert pinned.prediction["vs_default"]["value"] < 1 and "0.87 s and not 0.67 s" in of(
        pinned, "memory_format"
    )


@pytest.mark.parametrize(
    ("report", "kind"),
    [
        ("pytorch/23862", "Convolutional"),
        ("chainer/2554", "Dense"),
        ("dfdx/59", "Dense"),
        ("pytorch/4737", "Recurrent"),
    ],
)
def test_training_that_slows_down_on_a_cpu_is_told_to_flush_denormals(report: str, kind: str) -> None:
    """Convolutions five times slower with trained weights, epochs of an MNIST classifier that take longer and
    longer, products of products.
    """
    job = Workload(report, {"traits": ["Training", kind, "DenormalNumbers"], "framework": "pytorch"})
    plan = reasoner().plan(job, load_target("zen5-virtual", reasoner().store))
    assert plan.option("flush_denormals") == "denormals-flushed"
    assert "become denormal" in of(plan, "flush_denormals")
