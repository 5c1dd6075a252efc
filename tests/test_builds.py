"""Builds as three-valued facts: known to carry code for an accelerator, known not to, or not known. Beside
the reports, further public ones.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest

from kb.errors import BadInput, NoFeasiblePlan
from kb.records.target import Target
from kb.records.targets import load_target
from kb.records.workload import load_workload
from kb.store.terms import PREFIXES
from reasoner.answers.plan import Plan
from reasoner.reasoner import Reasoner

X86 = {"isa_level": "x86_64_v3", "features": ["avx", "avx2", "fma"], "cores": 16, "usable_cores": 16}
ARM = {"isa_level": "aarch64", "microarchitecture": "neoverse_v2", "cores": 72, "usable_cores": 72}


@cache
def reasoner() -> Reasoner:
    return Reasoner([])


def machine(gpu: dict[str, Any], cpu: dict[str, Any] = X86, **facts: Any) -> Target:
    return load_target("zen5-virtual", reasoner().store).with_overrides(
        {"cpu": cpu, "gpus": [gpu], "glibc": "2.35", "registry": True, **facts}
    )


def nvidia(model: str, arch: str, driver: str = "580.95.05") -> dict[str, Any]:
    digits = arch.removeprefix("sm_")
    capability = f"{digits[:-1]}.{digits[-1]}"
    return {
        "model": model,
        "vendor": "nvidia",
        "arch": arch,
        "compute_capability": capability,
        "driver": driver,
        "memory_gib": 16,
    }


def amd(model: str, arch: str) -> dict[str, Any]:
    return {"model": model, "vendor": "amd", "arch": arch, "compute_capability": "none", "memory_gib": 16}


def plan(target: Target, framework: str = "pytorch", **wishes: Any) -> Plan:
    return reasoner().plan(
        load_workload("mnist-cnn", reasoner().store), target, framework=framework, **wishes
    )


def against(option: str, target: Target) -> str:
    said = reasoner().why_not(
        option, load_workload("mnist-cnn", reasoner().store), target, framework="pytorch"
    )
    return "; ".join(reason["text"] for reason in said["reasons"])


V100, P40, ADA = (
    nvidia("Tesla V100", "sm_70"),
    nvidia("Tesla P40", "sm_61"),
    nvidia("NVIDIA GeForce RTX 4090", "sm_89"),
)
SPARK, THOR = nvidia("NVIDIA GB10", "sm_121"), nvidia("NVIDIA Thor", "sm_110")
MI50, PHOENIX = amd("AMD Instinct MI50", "gfx906"), amd("AMD Radeon 780M", "gfx1103")
# What was reported where: the machine, what is asked for and taken, and a build that is refused.
PUBLIC = {
    "2.11's CUDA 12.8 build left Volta: pytorch/pytorch#182250": (
        V100,
        X86,
        "torch-2.11.0-cu126",
        "torch-2.11.0-cu128",
    ),
    "2.8's CUDA 12.8 build has no Pascal: jhj0517/Whisper-WebUI#653": (
        P40,
        X86,
        "torch-2.8.0-cu126",
        "torch-2.8.0-cu128",
    ),
    "2.7's CUDA 12.8 build has no Volta: EutropicAI/vs-playground#59": (
        V100,
        X86,
        "torch-2.7.1-cu118",
        "torch-2.7.1-cu128",
    ),
    "code for 12.0 runs on 12.1: eugr/spark-vllm-docker#15": (
        SPARK,
        ARM,
        "torch-2.13.0-cu130",
        "torch-2.13.0-cu126",
    ),
    "Thor is in the Arm builds of CUDA 13: vllm-project/vllm#31544": (
        THOR,
        ARM,
        "torch-2.12.1-cu130",
        "torch-2.12.1-cu126",
    ),
    "code for 8.6 runs on 8.9: pytorch/pytorch#95648": (ADA, X86, "torch-2.6.0-cu118", "torch-2.15.0-cpu"),
    "ROCm 6.4 dropped gfx906's kernels: ROCm/TheRock#1844": (
        MI50,
        X86,
        "torch-2.7.1-rocm6.3",
        "torch-2.9.1-rocm6.4",
    ),
    "gfx1103 came with 2.13: pytorch/pytorch#179653": (
        PHOENIX,
        X86,
        "torch-2.13.0-rocm7.2",
        "torch-2.12.1-rocm7.2",
    ),
}


@pytest.mark.parametrize("report", PUBLIC)
def test_the_build_that_runs_is_taken_and_the_other_refused(report: str) -> None:
    gpu, cpu, taken, refused = PUBLIC[report]
    target = machine(gpu, cpu)
    assert plan(target, pins={"framework_release": taken.rpartition("-")[0]}).option("wheel") == taken
    with pytest.raises(NoFeasiblePlan):
        plan(target, pins={"wheel": refused})


def test_a_thor_has_no_build_beside_an_x86_processor() -> None:
    with pytest.raises(NoFeasiblePlan, match=r"carries no code that runs on compute capability 11\.0"):
        plan(machine(THOR, X86), pins={"framework_release": "torch-2.12.1"})


def test_what_is_not_recorded_is_taken_last_and_named() -> None:
    arm = machine(nvidia("NVIDIA GH200 480GB", "sm_90", "550.90.07"), ARM)
    assert plan(arm).option("wheel") == "torch-2.14.1-cu126"
    assert not [unknown for unknown in plan(arm).unknowns if "torch-" in unknown["fact"]]
    asked = plan(arm, pins={"framework_release": "torch-2.6.0"})
    assert asked.option("wheel") == "torch-2.6.0-cu126"
    assert (
        next(unknown["fact"] for unknown in asked.unknowns)
        == "it is not known whether torch-2.6.0-cu126 carries code for sm_90"
    )
    assert "it is not known whether" in against("wheel=torch-2.6.0-cu126", arm)


def test_a_way_that_is_printed_for_a_doubt_works() -> None:
    arm = machine(nvidia("NVIDIA GH200 480GB", "sm_90", "550.90.07"), ARM)
    workload = load_workload("mnist-cnn", reasoner().store)
    repair = reasoner().why_not("wheel=torch-2.6.0-cu126", workload, arm, framework="pytorch")["repair"]
    decision, option = repair[0]["change"].removeprefix("--pin ").split("=")
    assert plan(arm, pins={decision: option}).option("wheel") == "torch-2.6.0-cu126"


def test_beside_an_unknown_processor_a_build_for_either_will_do() -> None:
    unknown = machine(nvidia("NVIDIA H100 80GB HBM3", "sm_90"), {**X86, "isa_level": None})
    assert plan(unknown).option("wheel").startswith("torch-2.15.0-cu130")


@pytest.mark.parametrize("version", ["2.0.0", "2.1.1", "2.4.0", "2.5.0", "2.7.0", "2.9.0", "2.14.0"])
def test_patch_releases_can_be_asked_for(version: str) -> None:
    assert (
        plan(load_target("eos-h100", reasoner().store), pins={"framework_release": f"torch-{version}"})
        .option("wheel")
        .startswith(f"torch-{version}-cu")
    )


@pytest.mark.parametrize(
    ("build", "glibc"),
    [
        ("torch-2.6.0-cu126", "2.28"),
        ("torch-2.6.0-rocm6.2.4", "2.28"),
        ("torch-2.6.0-cpu-aarch64", "2.28"),
        ("torch-2.6.0-cpu", "2.17"),
        ("torch-2.6.0-cu124", "2.17"),
    ],
)
def test_builds_of_2_6_ask_for_the_c_library_that_they_were_built_with(build: str, glibc: str) -> None:
    needs = reasoner().store.objects(f"{PREFIXES['kb']}{build}", f"{PREFIXES['on']}needs")
    assert [need.rsplit("-", 1)[1] for need in needs if "/glibc-" in need] == [glibc]


def test_an_image_may_be_older_than_the_host() -> None:
    new_host = machine(nvidia("NVIDIA H100 80GB HBM3", "sm_90"), glibc="2.39")
    assert plan(new_host, pins={"base_image": "ubuntu-22.04"}).option("base_image") == "ubuntu-22.04"


def test_tensorflow_in_an_image_needs_avx_too() -> None:
    old = {**X86, "isa_level": "x86_64_v2", "features": ["sse4_2"]}
    with pytest.raises(NoFeasiblePlan, match=r"needs (AVX|a CPU that TensorFlow is built for)"):
        plan(machine(nvidia("Tesla T4", "sm_75"), old), framework="tensorflow")


def test_a_level_of_the_instruction_set_has_its_features() -> None:
    told_nothing_else = load_target("zen5-virtual", reasoner().store).with_overrides(
        {"cpu": {"isa_level": "x86_64_v4", "cores": 2, "usable_cores": 2}}
    )
    assert plan(told_nothing_else, framework="tensorflow").option("wheel").startswith("tensorflow-")


def test_a_missing_capability_is_explained_by_its_own_source() -> None:
    old = machine(nvidia("NVIDIA A100-SXM4-80GB", "sm_80", "535.230.02"))
    workload = load_workload("mnist-cnn", reasoner().store)
    said = reasoner().why_not("torch-2.15.0-cu130", workload, old, framework="pytorch")["reasons"]
    assert said[0]["text"].endswith(
        "needs driver for CUDA 13 (580 or newer), which here only cuda-compat would provide"
    )
    assert said[0]["sources"] == (
        "https://docs.nvidia.com/deploy/cuda-compatibility/minor-version-compatibility.html",
    )


def test_nhwc_gains_on_cdna_alone() -> None:
    assert plan(load_target("mangoboost-mi300x", reasoner().store)).option("memory_format") == "channels_last"
    assert plan(machine(amd("AMD Radeon 8060S", "gfx1151"))).option("memory_format") == "contiguous"


class TestNumbers:
    """`threads=64`: options made for the request."""

    def test_a_number_is_an_option(self) -> None:
        taken = plan(load_target("genoa-node", reasoner().store), pins={"threads": "64"})
        threads = next(one for one in taken.decisions if one.decision == "threads")
        assert threads.option == "threads-64"
        assert {(one.name, one.value) for one in threads.apply} == {
            ("OMP_NUM_THREADS", "64"),
            ("threads", "64"),
        }

    def test_the_option_that_a_plan_names_can_be_asked_for(self) -> None:
        target = load_target("genoa-node", reasoner().store)
        assert plan(target, pins={"threads": "threads-64"}).plan_id != plan(target).plan_id
        assert plan(target, pins={"threads": "threads-64"}).option("threads") == "threads-64"
        assert plan(target, pins={"threads": "1"}).option("threads") == "threads-1"  # an option of its own

    def test_more_than_the_usable_cores_is_named(self) -> None:
        crowded = plan(load_target("zen5-virtual", reasoner().store), pins={"threads": "64"})
        assert crowded.option("threads") == "threads-64"
        assert "64 threads would share 2 usable cores" in crowded.unknowns[0]["fact"]
        assert not [
            unknown
            for unknown in plan(load_target("zen5-virtual", reasoner().store), pins={"threads": "2"}).unknowns
            if "threads" in unknown["fact"]
        ]

    def test_without_a_number_it_is_no_option(self) -> None:
        assert "takes a number" in against(
            "threads=threads-number", load_target("zen5-virtual", reasoner().store)
        )
        assert "64 threads would share 2 usable cores" in against(
            "threads=64", load_target("zen5-virtual", reasoner().store)
        )

    @pytest.mark.parametrize("number", ["0", "9999"])
    def test_numbers_out_of_the_range_are_refused(self, number: str) -> None:
        with pytest.raises(BadInput, match="a number from 1 to 4096"):
            plan(load_target("zen5-virtual", reasoner().store), pins={"threads": number})


def test_the_plain_package_is_the_build_that_its_metadata_name() -> None:
    """The metadata of torch 2.15.0 ask for cuda-toolkit 13.2.2, those of 2.14.1 for 13.0.3, those of 2.8.0
    for 12.8.90.
    """
    found = reasoner().store.select(
        "SELECT ?name ?toolkit WHERE { ?wheel on:wheelName ?name ; on:toolkit ?toolkit }"
    )
    toolkits = {row["name"]: row["toolkit"] for row in found}
    assert [toolkits[f"torch-{release}"] for release in ("2.15.0", "2.14.1", "2.8.0")] == [
        "13.2",
        "13.0",
        "12.8",
    ]


def test_an_image_with_cuda_compat_runs_cuda_13_on_an_older_driver_of_a_data_centre_gpu() -> None:
    """NVIDIA's forward compatibility: on R535, which its release notes name, with a doubt; not on GeForce,
    not on R545.
    """
    hopper = machine(nvidia("NVIDIA H100 80GB HBM3", "sm_90", "535.183.01"))
    taken = plan(hopper, pins={"wheel": "torch-2.12.1-cu130"})
    assert taken.option("driver_libraries") == "cuda-compat"
    assert taken.option("base_image").startswith("cuda-13.")
    assert (
        plan(machine(nvidia("NVIDIA H100 80GB HBM3", "sm_90"))).option("driver_libraries")
        == "host-driver-libraries"
    )
    for other in (
        nvidia("NVIDIA H100 80GB HBM3", "sm_90", "545.23.08"),
        nvidia("NVIDIA GeForce RTX 4090", "sm_89", "535.183.01"),
    ):
        with pytest.raises(NoFeasiblePlan):
            plan(machine(other), pins={"wheel": "torch-2.12.1-cu130"})


def test_a_rocm_build_that_the_driver_is_not_known_to_run_is_doubted() -> None:
    """AMD's table: the driver of ROCm 6.0 (6.3.6) runs programs of 5.6 to 6.2; that of 6.4 (6.12.12) also of
    releases within a year.
    """
    old, newer = (
        machine({**amd("AMD Instinct MI210", "gfx90a"), "driver": driver}) for driver in ("6.3.6", "6.12.12")
    )
    assert plan(old).option("wheel") == "torch-2.6.0-rocm6.2.4"
    assert plan(newer).option("wheel").endswith("-rocm7.2")
    assert "driver 6.3.6 runs programs of ROCm 7.2" in against("torch-2.12.1-rocm7.2", old)
    assert plan(old, pins={"wheel": "torch-2.12.1-rocm7.2"}).option("wheel") == "torch-2.12.1-rocm7.2"


def test_it_is_said_that_a_user_without_subordinate_ids_may_not_be_able_to_make_a_base() -> None:
    """Where no registry answers a base must be made: taken, with the doubt and what settles it; an ordinary
    user's machine has none.
    """
    alone = load_target("zen5-virtual", reasoner().store).with_overrides({"registry": False, "subuids": 0})
    taken = plan(alone)
    assert taken.option("image_source") == "localimage"
    assert [unknown["probe"] for unknown in taken.unknowns if "no subordinate IDs" in unknown["fact"]]
    usual = plan(alone.with_overrides({"subuids": 65536}))
    assert not [unknown for unknown in usual.unknowns if "subordinate" in unknown["fact"]]


def test_what_an_image_brings_is_used_with_the_framework_that_it_brings() -> None:
    """Transformer Engine is built for the image's own PyTorch: another one, installed beside it, would not
    find it.
    """
    workload = load_workload("llama-7b", reasoner().store)
    asked = {"pins": {"precision": "fp8"}, "allow": ("precision=fp8",)}
    taken = reasoner().plan(workload, load_target("eos-h100", reasoner().store), **asked)  # type: ignore[arg-type]
    assert (taken.option("framework_release"), taken.option("wheel")) == (
        "pytorch-of-image",
        "pytorch-build-of-image",
    )
