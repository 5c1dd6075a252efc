"""Accelerators: the dumps of their tools, whole, damaged and sliced; what the bus and the environment say."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kb.errors import BadInput
from kb.probe import gpu

XML = """<?xml version="1.0" ?>
<!DOCTYPE nvidia_smi_log SYSTEM "nvsmi_device_v12.dtd">
<nvidia_smi_log>
 <driver_version>535.54.03</driver_version>
 <cuda_version>12.2</cuda_version>
 <attached_gpus>2</attached_gpus>
 <gpu id="00000000:01:00.0">
  <product_name>NVIDIA A100-SXM4-80GB</product_name>
  <product_architecture>Ampere</product_architecture>
  <mig_mode><current_mig>Enabled</current_mig></mig_mode>
  <mig_devices>
   <mig_device>
    <index>0</index>
    <device_attributes><shared><multiprocessor_count>42</multiprocessor_count></shared></device_attributes>
    <fb_memory_usage><total>40192 MiB</total></fb_memory_usage>
   </mig_device>
   <mig_device>
    <index>1</index>
    <device_attributes><shared><multiprocessor_count>14</multiprocessor_count></shared></device_attributes>
    <fb_memory_usage><total>9728 MiB</total></fb_memory_usage>
   </mig_device>
  </mig_devices>
  <fb_memory_usage><total>81920 MiB</total></fb_memory_usage>
 </gpu>
 <gpu id="00000000:41:00.0">
  <product_name>NVIDIA A100-SXM4-80GB</product_name>
  <mig_mode><current_mig>Disabled</current_mig></mig_mode>
  <mig_devices>
   None
  </mig_devices>
  <fb_memory_usage><total>81920 MiB</total></fb_memory_usage>
 </gpu>
</nvidia_smi_log>
"""


def test_several_gpus_and_slices() -> None:
    found = gpu.nvidia(XML, "smi.xml", "8.0\n8.0\n")
    assert [(each["memory_gib"], each["mig"] == "none") for each in found] == [
        (39.2, False),
        (9.5, False),
        (80.0, True),
    ]
    assert {
        (each["driver"], each["cuda_max"], each["compute_capability"], each["arch"]) for each in found
    } == {("535.54.03", "12.2", "8.0", "sm_80")}


@pytest.mark.parametrize("kept", range(len(XML.splitlines())))
def test_nvidia_xml_cut_after_any_line_is_an_error(kept: int) -> None:
    with pytest.raises(BadInput, match=r"smi\.xml"):
        gpu.nvidia("\n".join(XML.splitlines()[:kept]), "smi.xml")


@pytest.mark.parametrize("lost", range(len(XML.splitlines())))
def test_nvidia_xml_without_any_line_is_an_error_or_partial(lost: int) -> None:
    lines = XML.splitlines()
    try:
        found = gpu.nvidia("\n".join(lines[:lost] + lines[lost + 1 :]), "smi.xml")
    except BadInput as error:
        assert "smi.xml" in str(error)
        return
    assert {each["model"] for each in found} <= {"NVIDIA A100-SXM4-80GB", None}
    assert {each["driver"] for each in found} <= {"535.54.03", None}


def test_entities_in_xml_are_refused() -> None:
    with pytest.raises(BadInput, match="entity"):
        gpu.nvidia('<!DOCTYPE x [<!ENTITY a "b">]><nvidia_smi_log/>', "smi.xml")


ROCM = {
    "card0": {
        "Card Series": "AMD Instinct MI300X",
        "VRAM Total Memory (B)": "206141652992",
        "GFX Version": "gfx942",
    },
    "card1": {"Card series": "AMD Instinct MI300X", "VRAM Total Memory (B)": "206141652992"},
    "system": {"Driver version": "6.10.5"},
}
AMD = [
    {
        "gpu": 0,
        "asic": {"market_name": "AMD Instinct MI300X", "target_graphics_version": "gfx942"},
        "vram": {"size": {"value": 196592, "unit": "MB"}},
        "driver": {"version": "6.10.5"},
    }
]


@pytest.mark.parametrize("wrap", [list, lambda cards: {"gpu_data": cards}], ids=["list", "gpu_data"])
def test_both_amd_tools_say_the_same(wrap: object) -> None:
    old = gpu.rocm(json.dumps(ROCM), "rocm.json")
    new = gpu.rocm(json.dumps(wrap(AMD)), "amd.json")  # type: ignore[operator]
    assert old[0] == new[0]
    assert (old[0]["model"], old[0]["arch"], old[0]["memory_gib"], old[0]["driver"]) == (
        "AMD Instinct MI300X",
        "gfx942",
        192.0,
        "6.10.5",
    )
    assert len(old) == 2 and old[1]["arch"] is None


@settings(max_examples=60)
@given(st.integers(0, len(json.dumps(ROCM, indent=1)) - 1))
def test_amd_json_cut_anywhere_is_an_error_with_its_line(length: int) -> None:
    with pytest.raises(BadInput, match=r"rocm\.json:\d+: malformed JSON"):
        gpu.rocm(json.dumps(ROCM, indent=1)[:length], "rocm.json")


@pytest.mark.parametrize("dump", [ROCM, AMD], ids=["rocm-smi", "amd-smi"])
def test_amd_json_cut_after_or_without_any_line_is_an_error_or_partial(dump: object) -> None:
    lines = json.dumps(dump, indent=1).splitlines()
    for n in range(len(lines)):
        for text in ("\n".join(lines[:n]), "\n".join(lines[:n] + lines[n + 1 :])):
            try:
                found = gpu.rocm(text, "amd.json")
            except BadInput as error:
                assert "amd.json" in str(error)
                continue
            assert {each["model"] for each in found} <= {"AMD Instinct MI300X", None}
            assert {each["arch"] for each in found} <= {"gfx942", None}
            assert {each["memory_gib"] for each in found} <= {192.0, None}


@pytest.mark.parametrize(
    ("stated", "left"), [(None, "abc"), ("", "abc"), ("2,0", "ca"), ("7", "abc"), ("GPU-1a2b", "abc")]
)
def test_the_environment_hides_accelerators(stated: str | None, left: str) -> None:
    found: list[dict[str, object]] = [{"model": name} for name in "abc"]
    assert "".join(str(each["model"]) for each in gpu.visible(found, stated)) == left


def test_a_controller_without_a_tool_is_unknown_not_absent() -> None:
    assert gpu.on_bus([["0x030200", "0x10de"]], ["0x10de"])
    assert not gpu.on_bus([["0x030000", "0x1a03"], ["0x020000", "0x10de"]], ["0x10de"])


# ---- what the tools of AMD print in the field, trimmed from public issue threads


def test_rocm_smi_states_the_unit_in_its_key() -> None:
    for key, value in (
        ("VRAM Total Memory (B)", "68702699520"),
        ("VRAM Total Memory (MiB)", "65520"),
        ("vram Total Memory (MiB)", "65520"),
    ):
        (found,) = gpu.rocm(
            json.dumps({"card0": {"Card Series": "AMD INSTINCT MI250 (MCM) OAM AC MBA", key: value}}),
            "rocm.json",
        )
        assert found["memory_gib"] == 64.0


def test_rocm_smi_writes_an_llvm_target_in_decimal() -> None:
    for printed, target in (
        ("gfx9010", "gfx90a"),
        ("gfx9012", "gfx90c"),
        ("gfx1030", "gfx1030"),
        ("gfx906", "gfx906"),
        ("gfx942", "gfx942"),
    ):
        assert gpu.rocm(json.dumps({"card0": {"GFX Version": printed}}), "rocm.json")[0]["arch"] == target


def test_amd_smi_names_the_driver_or_only_its_kernel() -> None:
    for section, driver in (
        ({"name": "amdgpu", "version": "6.18.3", "os_kernel_version": "5.15.0-164-generic"}, "6.18.3"),
        ({"driver_name": "amdgpu", "driver_version": "6.7.12", "driver_date": "2025/08/01 00:00"}, "6.7.12"),
        ({"name": "amdgpu", "version": "Linuxversion6.17.7-ba22.fc43.x86_64(bazzite@builder)"}, None),
        ({"name": "amdgpu", "version": "N/A"}, None),
    ):
        assert gpu.rocm(json.dumps([{"gpu": 0, "driver": section}]), "amd.json")[0]["driver"] == driver
    assert (
        gpu.rocm(
            json.dumps({"card0": {}, "system": {"Driver version": "4.18.0-348.12.2.el8_5.x86_64"}}),
            "rocm.json",
        )[0]["driver"]
        is None
    )


def test_a_name_without_a_number_gives_way_to_the_boards() -> None:
    card = {
        "gpu": 0,
        "asic": {"market_name": "AMD Radeon Graphics"},
        "board": {"product_name": "Strix [Radeon 880M / 890M]"},
    }
    assert gpu.rocm(json.dumps([card]), "amd.json")[0]["model"] == "Strix [Radeon 880M / 890M]"


def test_warnings_before_the_json_are_passed_over() -> None:
    warned = (
        "amdsmi_interface.py:3569: SyntaxWarning: 'return' in a 'finally' block\n  return return_dictionary\n"
    )
    assert gpu.rocm(warned + json.dumps(AMD, indent=1), "amd.json") == gpu.rocm(json.dumps(AMD), "amd.json")
    with pytest.raises(BadInput, match=r"amd\.json:\d+: malformed JSON"):
        gpu.rocm(warned + json.dumps(AMD, indent=1)[:-20], "amd.json")
