"""Plans of the knowledge base, built and run: four of two frameworks on different bases, with every option
seen in effect inside the container.

What is seen is what the kernel (`/proc/self/maps`, `smaps`), oneDNN's own log and the OpenMP runtime say, not
what was asked for.
"""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from holding import holding

from bench.images.apptainer import Apptainer
from bench.measure.runners.apptainer import ApptainerRunner
from generators.bundle import Bundle, write_bundle
from kb.records.targets import load_target
from kb.records.workload import load_workload
from reasoner.answers.plan import Plan
from reasoner.reasoner import Reasoner

pytestmark = [pytest.mark.apptainer, pytest.mark.slow]

LOCAL = {"image_source": "localimage"}
PLANS: dict[str, dict[str, str]] = {
    "pytorch-bf16": LOCAL
    | {
        "framework": "pytorch",
        "base_image": "debian-12",
        "precision": "bf16",
        "memory_format": "channels_last",
        "allocator": "tcmalloc",
    }
    | {"wait_policy": "wait-passive", "threads": "threads-usable", "compiler": "eager"},
    "pytorch-inductor": LOCAL
    | {
        "framework": "pytorch",
        "base_image": "debian-12-build",
        "precision": "fp32",
        "memory_format": "contiguous",
        "allocator": "jemalloc",
    }
    | {"wait_policy": "wait-default", "threads": "threads-1", "compiler": "inductor"},
    "tensorflow-bf16": LOCAL
    | {
        "framework": "tensorflow",
        "base_image": "debian-12",
        "precision": "bf16",
        "allocator": "tcmalloc",
        "threads": "threads-usable",
    }
    | {"compiler": "tf-graph"},
    "tensorflow-hugepages": LOCAL
    | {
        "framework": "tensorflow",
        "base_image": "debian-13",
        "precision": "fp32",
        "allocator": "glibc-hugepages",
        "threads": "threads-1",
    }
    | {"compiler": "tf-graph", "onednn": "onednn-on"},
}


@functools.cache
def planned(name: str) -> Plan:
    """The plan for this machine, seen as one that computes in bfloat16 natively: kernels show here what is
    used, not what is fast.
    """
    reasoner = Reasoner([])
    target = load_target("local", reasoner.store)
    features = sorted({*(target.facts["cpu"].get("features") or ()), "avx512_bf16"})
    return reasoner.plan(
        load_workload("mnist-cnn", reasoner.store),
        target.with_overrides({"cpu.features": features}),
        pins=PLANS[name],
    )


@pytest.fixture(scope="session")
def checked(
    apptainer: Apptainer, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], tuple[Bundle, dict[str, Any]]]:
    """The bundle of a plan, built, and what `%test` reports in its image."""
    folder = tmp_path_factory.mktemp("plans")

    @functools.cache
    def check(name: str) -> tuple[Bundle, dict[str, Any]]:
        bundle = write_bundle(planned(name), folder / name)
        ApptainerRunner(apptainer).prepare(bundle)
        said = apptainer.execute(bundle.image, ["sh", "/.singularity.d/test"])
        return bundle, json.loads(said[said.index("{") : said.rindex("}") + 1])

    return check


def onednn_convolves(plan: Plan) -> bool:
    """Whether the convolutions of a plan are oneDNN's on this processor, as the knowledge says.

    Frameworks' own kernels say nothing.
    """
    held = holding("mnist-cnn")
    asked = (
        plan.option("framework") == "pytorch"
        or plan.option("onednn") == "onednn-on"
        or "sit:OneDnnOnRequest" not in held
    )
    return asked and not (plan.option("precision") == "bf16" and "sit:NoOneDnnBf16" in held)


def test_the_plans_differ_in_framework_base_and_options() -> None:
    taken = [frozenset((d.decision, d.option) for d in planned(name).decisions if d.apply) for name in PLANS]
    assert len(set(taken)) == len(PLANS) >= 4
    for decision, least in (
        ("framework", 2),
        ("base_image", 3),
        ("precision", 2),
        ("allocator", 3),
        ("compiler", 3),
        ("threads", 2),
    ):
        assert len({planned(name).option(decision) for name in PLANS}) >= least, decision


@pytest.mark.parametrize("name", PLANS)
def test_every_option_is_in_effect_in_the_image(
    name: str, checked: Callable[[str], tuple[Bundle, dict[str, Any]]]
) -> None:
    bundle, seen = checked(name)
    plan, effect, libraries = bundle.plan, seen["in_effect"], seen["libraries"]
    for setting in plan.applied("code"):
        if (
            setting.name in effect
            and "{" not in setting.value
            and (setting.name, setting.value) != ("memory_format", "contiguous")
        ):
            assert str(effect[setting.name]) == setting.value, setting
    preloaded = [
        library for item in plan.applied("env") if item.name == "LD_PRELOAD" for library in item.value.split()
    ]
    assert effect["preloaded"] == dict.fromkeys(preloaded, True)
    kernels, precision = set(libraries["kernels"]), plan.option("precision")
    assert (f"convolution {precision}" in kernels) == onednn_convolves(plan)
    assert (
        not kernels or "AVX" in libraries["isa"] or "SVE" in libraries["isa"] or "ASIMD" in libraries["isa"]
    )
    if precision == "fp32":
        assert not any(kernel.endswith("bf16") for kernel in kernels)
    if "bfloat16" in libraries["isa"] and precision == "bf16":
        assert any("bf16" in implementation for implementation in libraries["implementations"])
    cores = len(os.sched_getaffinity(0))
    assert effect["threads"] == {"threads-1": 1}.get(plan.option("threads"), cores)
    for package in plan.applied("package", "pip"):
        if package.name in seen["versions"]:
            assert seen["versions"][package.name] == package.value


def test_channels_last_reaches_the_kernels(checked: Callable[[str], tuple[Bundle, dict[str, Any]]]) -> None:
    assert set(checked("pytorch-bf16")[1]["libraries"]["layouts"]) == (
        {"acdb"} if onednn_convolves(planned("pytorch-bf16")) else set()
    )


def test_idle_threads_wait_as_planned(checked: Callable[[str], tuple[Bundle, dict[str, Any]]]) -> None:
    passive, default = (
        checked(name)[1]["libraries"]["openmp"] for name in ("pytorch-bf16", "pytorch-inductor")
    )
    assert passive["OMP_WAIT_POLICY"] == "PASSIVE"
    assert (
        passive["OMP_NUM_THREADS"] == str(len(os.sched_getaffinity(0))) and default["OMP_NUM_THREADS"] == "1"
    )


def test_glibc_asks_for_huge_pages(
    apptainer: Apptainer, checked: Callable[[str], tuple[Bundle, dict[str, Any]]]
) -> None:
    bundle, _ = checked("tensorflow-hugepages")
    ask = "import re; b = bytearray(1 << 26); print(len(re.findall(r'^VmFlags:.* hg', open('/proc/self/smaps').read(), re.M)))"
    assert int(apptainer.execute(bundle.image, ["python", "-c", ask]).split()[0]) > 0
    plain, _ = checked("pytorch-bf16")
    assert (
        int(apptainer.execute(plain.image, ["env", "-u", "LD_PRELOAD", "python", "-c", ask]).split()[0]) == 0
    )


@pytest.mark.parametrize("name", ["pytorch-bf16", "tensorflow-hugepages"])
def test_an_image_of_a_plan_trains(
    name: str, apptainer: Apptainer, checked: Callable[[str], tuple[Bundle, dict[str, Any]]], tmp_path: Path
) -> None:
    bundle, _ = checked(name)
    quick = ("--windows", "1", "--window-seconds", "0.2", "--warmup-steps", "1")
    ran = ApptainerRunner(apptainer).run(bundle, quick, tmp_path / "result.json", 1)
    assert ran.outcome == "done" and ran.result is not None, ran.complaint
    assert ran.result["throughput"] > 0 and ran.result["parameter_count"] == 1_199_882
