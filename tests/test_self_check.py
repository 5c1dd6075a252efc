"""What the self-check of an image reads from oneDNN and OpenMP: recorded logs, what contradicts a setting,
and real runs of both frameworks.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

PAYLOAD = ROOT / "generators" / "payload"
sys.path.append(str(PAYLOAD))

import libraries  # noqa: E402

# Lines of oneDNN 3.12 (PyTorch 2.13), oneDNN 3.7 (TensorFlow 2.21) and libgomp, as they were written on a
# Xeon of the Sapphire Rapids generation.
SAID = """onednn_verbose,v1,info,oneDNN v3.12.0 (commit 80afa71049cd69a3df32adcccb623b12cd7baa22)
onednn_verbose,v1,info,cpu,runtime:OpenMP,nthr:2
onednn_verbose,v1,info,cpu,isa:Intel AVX-512 with Intel DL Boost and bfloat16 support
onednn_verbose,v1,primitive,info,template:operation,engine,primitive,implementation,prop_kind,memory_descriptors
onednn_verbose,v1,primitive,exec,cpu,reorder,jit:uni,undef,src:bf16::blocked:acdb::f0 dst:bf16::blocked:Adcb16a::f0,,,32x1x3x3,0.002
onednn_verbose,v1,primitive,exec,cpu,convolution,brg_conv_fwd:avx512_core_bf16,forward_training,src:bf16:a:blocked:acdb::f0,,,mb2,0.1
onednn_verbose,v1,primitive,exec,cpu,inner_product,x64:gemm:jit,forward_training,src:f32::blocked:ab::f0 wei:f32::blocked:ba::f0,,,mb128,25.8
onednn_verbose,v1,primitive,exec,cpu,gemm_api,,undef,src_f32::blocked:ab:f0 wei_f32::blocked:ba:f0,,,128x10:10x128,0.09
OPENMP DISPLAY ENVIRONMENT BEGIN
  _OPENMP = '201511'
  [host] OMP_WAIT_POLICY = 'PASSIVE'
  OMP_NUM_THREADS = '1'
OPENMP DISPLAY ENVIRONMENT END""".splitlines()


def test_a_log_is_read() -> None:
    assert libraries.report(SAID) == {
        "isa": "Intel AVX-512 with Intel DL Boost and bfloat16 support",
        "kernels": {"convolution bf16": 1, "inner_product fp32": 1, "gemm_api fp32": 1},
        "implementations": ["brg_conv_fwd:avx512_core_bf16", "gemm", "x64:gemm:jit"],
        "layouts": {"acdb": 1},
        "openmp": {"OMP_WAIT_POLICY": "PASSIVE", "OMP_NUM_THREADS": "1"},
    }
    assert libraries.report([]) == {
        "isa": "",
        "kernels": {},
        "implementations": [],
        "layouts": {},
        "openmp": {},
    }


def test_what_contradicts_a_setting_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OMP_WAIT_POLICY", "OMP_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    found = libraries.report(SAID)
    assert libraries.contradictions(found, {"precision": "bf16"}) == []
    assert libraries.contradictions(found, {"precision": "fp32"}) == []
    only_single = found | {"kernels": {"matmul fp32": 3}}
    assert libraries.contradictions(only_single, {"precision": "bf16"}) == [
        "precision=bf16, and no kernel computed in it: matmul fp32"
    ]
    # Such a processor has none.
    assert libraries.contradictions(only_single | {"isa": "Intel AVX2"}, {"precision": "bf16"}) == []
    # No kernel of oneDNN ran at all.
    assert libraries.contradictions(found | {"kernels": {}}, {"precision": "bf16"}) == []
    monkeypatch.setenv("OMP_WAIT_POLICY", "active")
    assert libraries.contradictions(found, {}) == ["OMP_WAIT_POLICY=active, and OpenMP works with PASSIVE"]
    monkeypatch.setenv("OMP_WAIT_POLICY", "passive")
    assert libraries.contradictions(found, {}) == []


@pytest.mark.slow
@pytest.mark.parametrize("framework", ["pytorch", "tensorflow"])
def test_the_libraries_of_a_real_run_speak(framework: str, frameworks: Path) -> None:
    # Of this precision oneDNN has kernels for every CPU, and TensorFlow takes them on every CPU where it is
    # told to.
    command = [
        frameworks,
        PAYLOAD / "train.py",
        "--framework",
        framework,
        "--self-check",
        "--setting",
        "precision=fp32",
    ]
    variables = {
        **os.environ,
        "OMP_WAIT_POLICY": "passive",
        "OMP_NUM_THREADS": "1",
        "TF_ENABLE_ONEDNN_OPTS": "1",
    }
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=variables)
    said = json.loads(done.stdout)["libraries"]
    assert "onednn_verbose" not in done.stderr and "OMP_" not in done.stderr
    assert said["isa"] and said["openmp"]["OMP_WAIT_POLICY"] == "PASSIVE"
    assert "convolution fp32" in said["kernels"]
