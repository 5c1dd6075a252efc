"""Accelerators that are in no list: what names, drivers, capabilities and generations tell, what hand-set
facts change, and what stays unknown.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from kb.errors import BadInput
from kb.probe import gpu
from kb.probe.cpu import microarchitectures
from kb.records.recognition import as_devices, completed
from kb.records.target import Target, complete_target
from kb.records.targets import load_target

KEYS = ("vendor", "model", "arch", "compute_capability", "memory_gib", "driver", "cuda_max", "mig")


def recognised(**facts: Any) -> dict[str, Any]:
    return completed([dict.fromkeys(KEYS) | facts])[0]


def described(*gpus: dict[str, Any]) -> Target:
    return complete_target("node", {"gpus": list(gpus)}, "test").with_devices()


@pytest.mark.parametrize(
    ("model", "vendor", "arch"),
    [
        ("NVIDIA GeForce RTX 3060", "nvidia", "sm_86"),
        ("NVIDIA GeForce RTX 3080 Laptop GPU", "nvidia", "sm_86"),
        ("NVIDIA GeForce RTX 2050", "nvidia", "sm_86"),
        ("NVIDIA GeForce RTX 5070 Ti", "nvidia", "sm_120"),
        ("NVIDIA RTX 4000 SFF Ada Generation", "nvidia", "sm_89"),
        ("NVIDIA RTX PRO 4500 Blackwell", "nvidia", "sm_120"),
        ("Quadro RTX 4000", "nvidia", "sm_75"),
        ("NVIDIA A10G", "nvidia", "sm_86"),
        ("GeForce GTX 1660 SUPER", "nvidia", "sm_75"),
        ("GeForce GTX 960M", "nvidia", "sm_50"),
        ("GeForce GTX 960", "nvidia", "sm_52"),
        ("NVIDIA TITAN X (Pascal)", "nvidia", "sm_61"),
        ("GeForce GTX TITAN X", "nvidia", "sm_52"),
        ("Tesla K80", "nvidia", "sm_37"),
        ("NVIDIA Jetson Orin Nano", "nvidia", "sm_87"),
        ("rtx_2080_ti", "nvidia", "sm_75"),
        ("rtx3090", "nvidia", "sm_86"),
        ("AMD Radeon RX 6600 XT", "amd", "gfx1032"),
        ("AMD Radeon RX 6700S", "amd", "gfx1032"),
        ("AMD Radeon RX 6800M", "amd", "gfx1031"),
        ("Radeon RX 9060 XT", "amd", "gfx1200"),
        ("AMD Instinct MI308X", "amd", "gfx942"),
        ("AMD Radeon 780M", "amd", "gfx1103"),
        ("mi210", "amd", "gfx90a"),
        ("Intel(R) Arc(TM) A770 Graphics", "intel", "xe-hpg"),
        ("Intel Data Center GPU Max 1350", "intel", "xe-hpc"),
        ("Apple M3 Max", "apple", None),
        # What names leave open stays open: there is a Turing, an Ada and a Blackwell card of this number.
        ("RTX 6000", "nvidia", None),
        # A series of a later year: its maker is known by its words, its architecture by nothing.
        ("NVIDIA GeForce RTX 6080", "nvidia", None),
        ("AMD Radeon RX 10070", "amd", None),
        ("Foo 9000", None, None),
    ],
)
def test_a_name_tells_the_maker_and_the_architecture(
    model: str, vendor: str | None, arch: str | None
) -> None:
    found = recognised(model=model)
    assert (found["vendor"], found["arch"]) == (vendor, arch)


@pytest.mark.parametrize(
    ("facts", "vendor", "arch", "capability"),
    [
        ({"compute_capability": "6.1"}, "nvidia", "sm_61", "6.1"),
        ({"compute_capability": "13.0"}, "nvidia", "sm_130", "13.0"),
        ({"arch": "sm_86"}, "nvidia", "sm_86", "8.6"),
        ({"arch": "SM86"}, "nvidia", "sm_86", "8.6"),
        ({"arch": "compute_90a"}, "nvidia", "sm_90", "9.0"),
        ({"arch": "sm_130"}, "nvidia", "sm_130", "13.0"),
        ({"arch": "gfx90a:sramecc+:xnack-"}, "amd", "gfx90a", "none"),
        ({"arch": "gfx1250"}, "amd", "gfx1250", "none"),
        ({"arch": "gaudi2"}, "intel", "gaudi2", "none"),
        ({"driver": "580.95.05"}, "nvidia", None, None),
        ({"driver": "550.54.15", "memory_gib": 24}, "nvidia", None, None),
        ({"driver": "6.12.12"}, None, None, None),
        ({"cuda_max": "12.2"}, "nvidia", None, None),
        ({"model": "NVIDIA A10", "compute_capability": "7.5"}, "nvidia", "sm_75", "7.5"),
        ({"model": "AMD A10 Radeon R7", "driver": "6.8.5"}, "amd", None, None),
    ],
)
def test_drivers_capabilities_and_architectures_tell_each_other(
    facts: dict[str, Any], vendor: str | None, arch: str | None, capability: str | None
) -> None:
    found = recognised(**facts)
    assert (found["vendor"], found["arch"], found["compute_capability"]) == (vendor, arch, capability)


@pytest.mark.parametrize(
    ("model", "memory"),
    [
        ("NVIDIA GeForce RTX 4090", 24.0),
        ("NVIDIA GeForce RTX 4090 Laptop GPU", None),
        ("NVIDIA GeForce RTX 5090 D V2", None),
        ("NVIDIA H100 PCIe 96GB", None),
        ("Tesla V100-SXM2-16GB", 16.0),
        ("Tesla V100S-PCIE-32GB", None),
    ],
)
def test_a_variant_of_a_product_has_not_its_memory(model: str, memory: float | None) -> None:
    assert recognised(model=model)["memory_gib"] == memory


@pytest.mark.parametrize(
    ("model", "left", "slice_", "memory", "arch"),
    [
        ("NVIDIA A100-SXM4-40GB MIG 1g.5gb", "NVIDIA A100-SXM4-40GB", "1g.5gb", 5.0, "sm_80"),
        ("MIG 1g.10gb", None, "1g.10gb", 10.0, None),
        ("3g.20gb", None, "3g.20gb", 20.0, None),
        ("a100_3g.20gb", "a100", "3g.20gb", 20.0, "sm_80"),
        ("nvidia_h100_80gb_hbm3_1g.10gb", "nvidia_h100_80gb_hbm3", "1g.10gb", 10.0, "sm_90"),
        ("NVIDIA H100 80GB HBM3 MIG 1c.3g.40gb", "NVIDIA H100 80GB HBM3", "1c.3g.40gb", 40.0, "sm_90"),
        ("1g.10gb+me", None, "1g.10gb+me", 10.0, None),
    ],
)
def test_a_slice_is_no_products_name(
    model: str, left: str | None, slice_: str, memory: float, arch: str | None
) -> None:
    found = recognised(model=model)
    assert (found["model"], found["mig"], found["memory_gib"], found["arch"]) == (left, slice_, memory, arch)


def test_a_card_of_two_devices_is_two_of_half_its_memory() -> None:
    for stated in ({}, {"memory_gib": 128}):
        found = described({"model": "AMD Instinct MI250X"} | stated).facts["gpus"]
        assert [(each["arch"], each["memory_gib"]) for each in found] == [("gfx90a", 64.0)] * 2
    assert len(described({"model": "AMD Instinct MI250"}, {"model": "AMD Instinct MI250"}).facts["gpus"]) == 4
    # Who states the memory of one device has counted devices; so has the tool, which lists them.
    assert len(described({"model": "AMD Instinct MI250X", "memory_gib": 64}).facts["gpus"]) == 1
    assert len(described({"model": "AMD Instinct MI210"}).facts["gpus"]) == 1
    listed = [dict.fromkeys(KEYS) | {"model": "AMD Instinct MI250X", "memory_gib": 64.0}] * 8
    assert as_devices(listed) == listed


# ---- facts set by hand


def test_what_follows_from_a_fact_follows_anew_when_it_is_set() -> None:
    target = described({"model": "NVIDIA GeForce RTX 3080", "driver": "580.95.05", "memory_gib": 10})
    older = target.with_overrides({"gpus[0].compute_capability": "6.1"}).facts["gpus"][0]
    assert (older["arch"], older["compute_capability"], older["memory_gib"], older["driver"]) == (
        "sm_61",
        "6.1",
        10,
        "580.95.05",
    )
    by_arch = target.with_overrides({"gpus[0].arch": "sm_75"}).facts["gpus"][0]
    assert (by_arch["arch"], by_arch["compute_capability"]) == ("sm_75", "7.5")
    other = target.with_overrides({"gpus[0].model": "AMD Instinct MI300X"}).facts["gpus"][0]
    assert (other["vendor"], other["arch"], other["compute_capability"], other["memory_gib"]) == (
        "amd",
        "gfx942",
        "none",
        192.0,
    )
    maker = target.with_overrides({"gpus[0].vendor": "amd"}).facts["gpus"][0]
    assert (maker["vendor"], maker["arch"], maker["compute_capability"]) == ("amd", None, None)


def test_what_is_set_by_hand_is_kept_whatever_follows() -> None:
    target = described({"model": "NVIDIA GeForce RTX 3080"})
    both = target.with_overrides({"gpus[0].arch": "sm_86", "gpus[0].compute_capability": "8.0"}).facts[
        "gpus"
    ][0]
    assert (both["arch"], both["compute_capability"]) == ("sm_86", "8.0")
    unknown = target.with_overrides({"gpus[0].arch": "null"})
    assert unknown.facts["gpus"][0]["arch"] is None and "gpus[0].arch" in unknown.unknown()
    whole = target.with_overrides({"gpus": '[{"model": "AMD Instinct MI250X"}]'}).facts
    assert len(whole["gpus"]) == 2 and whole["overrides"]["gpus"][0]["arch"] is None


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        (
            "{vendor: amd, model: NVIDIA GeForce RTX 3060}",
            r"vendor 'amd' is of amd, and model 'NVIDIA GeForce RTX 3060' of nvidia",
        ),
        ("{vendor: nvidia, arch: gfx1100}", r"arch 'gfx1100' of amd"),
        (
            "{arch: sm_90, compute_capability: '8.0'}",
            r"has compute capability 9\.0, and compute_capability is '8\.0'",
        ),
        ("{model: AMD Instinct MI210, driver: 580.95.05}", r"driver '580\.95\.05' of nvidia"),
    ],
)
def test_contradicting_facts_are_refused_with_their_place(facts: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "t.yaml").write_text(f"gpus: [{{memory_gib: 8}}, {facts}]\n")
    with pytest.raises(BadInput, match=rf"t\.yaml: the facts of gpus\[1\] contradict each other: .*{said}"):
        load_target(str(tmp_path / "t.yaml"))


# ---- what a tool says of the generation


@pytest.mark.parametrize(
    ("name", "generation", "arch"),
    [
        ("NVIDIA GeForce RTX 3080", "Ampere", "sm_86"),
        ("NVIDIA A10G", "Ampere", "sm_86"),
        ("NVIDIA RTX 4000 Ada Generation", "Ada Lovelace", "sm_89"),
        ("NVIDIA Graphics Device", "Hopper", "sm_90"),  # one architecture only
        ("NVIDIA Graphics Device", "Ampere", None),  # several
        ("NVIDIA Graphics Device", "Rubin", None),  # one that is not known yet
        ("GeForce GTX 1080", None, "sm_61"),  # an older tool that does not say it
    ],
)
def test_the_generation_that_the_driver_names_narrows_the_architecture(
    name: str, generation: str | None, arch: str | None
) -> None:
    said = f"<product_architecture>{generation}</product_architecture>" if generation else ""
    text = f"<nvidia_smi_log><driver_version>550.54.15</driver_version><gpu><product_name>{name}</product_name>{said}</gpu></nvidia_smi_log>"
    (found,) = completed(gpu.nvidia(text, "smi.xml"))
    assert (found["vendor"], found["arch"]) == ("nvidia", arch)


# ---- processors, and facts that contradict each other


@pytest.mark.parametrize(
    ("facts", "level"),
    [
        ({"model": "Intel(R) Xeon(R) Gold 6248R CPU @ 3.00GHz", "cores": 96, "sockets": 2}, "x86_64"),
        ({"model": "AMD EPYC 7763 64-Core Processor"}, "x86_64"),
        ({"model": "Neoverse-N1"}, "armv8.2a"),
        ({"microarchitecture": "cascadelake"}, "x86_64_v4"),
        ({"microarchitecture": "zen3"}, "x86_64_v3"),
        ({"microarchitecture": "neoverse_v2"}, "armv9.0a"),
        ({"features": ["avx512f", "avx512_vnni"]}, "x86_64_v4"),
        ({"features": ["avx2"], "microarchitecture": "zen3"}, "x86_64_v3"),
        ({"features": ["aes"]}, None),
        ({"model": "Foo 9000"}, None),
        ({"isa_level": "x86_64_v2", "microarchitecture": "zen3"}, "x86_64_v2"),
    ],
)
def test_what_is_stated_of_a_processor_tells_what_is_sure_to_run(
    facts: dict[str, Any], level: str | None
) -> None:
    assert complete_target("node", {"cpu": facts, "gpus": []}, "test").facts["cpu"]["isa_level"] == level


def test_features_that_a_virtual_machine_hides_count_before_its_microarchitecture() -> None:
    shown = microarchitectures()["haswell"].features
    cpu = {"microarchitecture": "cascadelake", "features": sorted(shown)}
    assert complete_target("node", {"cpu": cpu}, "test").facts["cpu"]["isa_level"] == "x86_64_v3"


@pytest.mark.parametrize(
    ("facts", "complaint"),
    [
        (
            {"gpus": [{"model": "H100", "driver": "550.54", "arch": "sm_80"}]},
            r"gpus\[0\].*'H100' is of sm_90, and arch is 'sm_80'",
        ),
        (
            {"gpus": [{"model": "H100", "compute_capability": "8.0"}]},
            "compute capability 9.0, and compute_capability is '8.0'",
        ),
        ({"gpus": [{"model": "H100", "memory_gib": 40}]}, "memory_gib is 40 .a slice is told by `mig`."),
        (
            {"gpus": [{"model": "Tesla K80", "driver": "510.47.03"}]},
            "no longer knows sm_37, whose last drivers are of branch 470",
        ),
        (
            {"cpu": {"isa_level": "aarch64", "microarchitecture": "zen3"}},
            "no zen3 processor has isa_level 'aarch64'",
        ),
        (
            {"cpu": {"isa_level": "x86_64_v4", "microarchitecture": "zen3"}},
            "no zen3 processor has isa_level 'x86_64_v4'",
        ),
        (
            {"cpu": {"isa_level": "aarch64", "features": ["avx2"]}},
            "features are those of x86_64_v3 processors, and aarch64 is none",
        ),
    ],
)
def test_facts_that_cannot_be_true_together_are_refused(facts: dict[str, Any], complaint: str) -> None:
    with pytest.raises(BadInput, match=f"^test: .*{complaint}"):
        complete_target("node", facts, "test")


@pytest.mark.parametrize(
    "gpu",
    [
        {"model": "H100", "memory_gib": 40, "mig": "3g.40gb"},
        {"model": "H100", "memory_gib": 94},
        {"model": "A100", "memory_gib": 64},
        {"model": "NVIDIA A100-SXM-64GB", "memory_gib": 63.4},
        {"model": "B200", "memory_gib": 192},
        {"model": "MI250X", "memory_gib": 128},
        {"model": "H100", "arch": "sm_90a"},
        {"model": "Tesla V100", "driver": "580.65.06"},
    ],
)
def test_facts_of_a_product_that_there_is_are_taken(gpu: dict[str, Any]) -> None:
    assert described(gpu).facts["gpus"][0]["arch"]


def test_python_has_the_same_gate_as_files(tmp_path: Path) -> None:
    facts = {"gpus": [{"model": "A100 80GB", "driver": "550.54"}], "cpu": {"microarchitecture": "zen3"}}
    (tmp_path / "n.yaml").write_text(json.dumps(facts))
    described_here = complete_target("n", facts, "me").facts
    assert described_here == load_target(str(tmp_path / "n.yaml")).facts
    (found,) = described_here["gpus"]
    assert (found["vendor"], found["arch"], found["compute_capability"], found["memory_gib"]) == (
        "nvidia",
        "sm_80",
        "8.0",
        80.0,
    )


def test_memory_follows_from_the_form_of_a_card() -> None:
    assert (
        recognised(model="H100 SXM5")["memory_gib"] == 79.6
        and recognised(model="NVIDIA H200 SXM5")["memory_gib"] == 140.4
    )
