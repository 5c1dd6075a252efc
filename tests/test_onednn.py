"""oneDNN under the frameworks: what the knowledge base concludes from a processor's features, and whether
real runs on this one agree.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
from pathlib import Path

import pytest
from conftest import ROOT
from holding import here, holding, message

from kb.probe import cpu, cpuinfo
from kb.records.target import Target

SPEC = importlib.util.find_spec("archspec")
assert SPEC and SPEC.origin
DUMPS = Path(SPEC.origin).parent / "json" / "tests" / "targets"
TRAIN = ROOT / "generators" / "payload" / "train.py"
DEFAULT, REQUEST, NO_BF16 = "sit:OneDnnByDefault", "sit:OneDnnOnRequest", "sit:NoOneDnnBf16"
LSTM = "kb:lstm-autocast-bf16"


def dumped(name: str) -> Target:
    """A machine whose /proc/cpuinfo is one that archspec ships."""
    found = cpu.facts(cpuinfo.parse((DUMPS / name).read_text(encoding="utf-8"), name))
    return here().with_overrides({f"cpu.{key}": value for key, value in found.items()} | {"gpus": []})


def told(target: Target) -> set[str]:
    """Which of the situations of oneDNN a machine is in."""
    return set(holding("lstm", target)) & {DEFAULT, REQUEST, NO_BF16}


@pytest.mark.parametrize(
    ("dump", "situations"),
    [
        ("linux-rhel7-ivybridge", {REQUEST, NO_BF16}),
        ("linux-rhel7-haswell", {REQUEST, NO_BF16}),
        ("linux-rhel7-zen", {REQUEST, NO_BF16}),
        ("linux-ubuntu20.04-zen3", {REQUEST, NO_BF16}),
        ("linux-rhel7-skylake_avx512", {REQUEST}),
        ("linux-centos7-cascadelake", {DEFAULT}),
        ("linux-ubuntu24.04-alderlake", {DEFAULT, NO_BF16}),
        ("linux-unknown-sapphirerapids", {DEFAULT}),
        ("linux-rocky8.5-zen4", {DEFAULT}),
        ("linux-rocky9-zen5", {DEFAULT}),
        ("linux-rhel9-neoverse_v2", set()),
    ],
)
def test_a_processors_features_tell_what_onednn_does_on_it(dump: str, situations: set[str]) -> None:
    target = dumped(dump)
    assert told(target) == situations
    assert (LSTM in holding("lstm", target)) == (NO_BF16 in situations)
    assert LSTM not in holding("transformer", target)


def test_of_unknown_features_nothing_is_concluded() -> None:
    assert told(here().with_overrides({"cpu.features": None})) == set()


def test_switching_onednn_on_is_worth_something_only_where_it_is_off() -> None:
    for dump, situation in (("linux-ubuntu20.04-zen3", REQUEST), ("linux-rocky9-zen5", DEFAULT)):
        about = {name for name in holding("mnist-cnn", dumped(dump)) if name.startswith("eff:onednn-o")}
        assert about == {{REQUEST: "eff:onednn-on-conv", DEFAULT: "eff:onednn-off-conv"}[situation]}


def run(python: Path, *arguments: str, **variables: str | None) -> subprocess.CompletedProcess[str]:
    """A training program with some variables set; a variable that is None is not set."""
    environment = {name: value for name, value in {**os.environ, **variables}.items() if value is not None}
    command = [str(python), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


@pytest.mark.slow
@pytest.mark.parametrize("switch", [None, "0", "1"])
def test_tensorflow_uses_onednn_where_the_knowledge_says(frameworks: Path, switch: str | None) -> None:
    words = (str(TRAIN), "--framework", "tensorflow", "--self-check", "--parameter", "batch=8")
    done = run(frameworks, *words, TF_ENABLE_ONEDNN_OPTS=switch, ONEDNN_MAX_CPU_ISA=None)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    by_default = DEFAULT in told(here())
    if {DEFAULT, REQUEST} & told(here()) or switch:
        assert found["in_effect"]["onednn"] == {None: by_default, "0": False, "1": True}[switch]
    assert ("convolution fp32" in found["libraries"]["kernels"]) == found["in_effect"]["onednn"]


AUTOCAST = """
import torch
layer = torch.nn.{layer}(8, 16)
with torch.autocast("cpu", torch.bfloat16):
    layer(torch.zeros(5, 2, 8))[0].float().sum().backward()
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("layer", "cap"), [("LSTM", None), ("LSTM", "AVX2"), ("LSTM", "SSE41"), ("GRU", None), ("GRU", "AVX2")]
)
def test_autocast_runs_a_recurrent_layer_where_the_knowledge_says(
    frameworks: Path, layer: str, cap: str | None
) -> None:
    """oneDNN capped at what an older processor has does there what the knowledge says of that processor."""
    capped = {"AVX2": "linux-rhel7-haswell", "SSE41": "linux-scientific7-k10"}
    target = dumped(capped[cap]) if cap else here()
    done = run(
        frameworks,
        "-c",
        AUTOCAST.format(layer=layer),
        ONEDNN_MAX_CPU_ISA=cap,
        ATEN_CPU_CAPABILITY="default" if cap else None,
    )
    fails = layer == "LSTM" and LSTM in holding("lstm", target)
    assert (done.returncode != 0) == fails, done.stderr
    assert not fails or message(LSTM).rpartition(": ")[2] in done.stderr
