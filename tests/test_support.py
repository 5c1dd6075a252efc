"""A plan stands on facts and rules: take one away, and what rested on it changes or goes, down to the lines
of the generated files.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from generators.bundle import write_bundle
from kb.records.target import Target, complete_target
from kb.records.workload import load_workload
from kb.store.sources import shipped_sources
from reasoner.answers.plan import Plan
from reasoner.knowledge.compile import compile_sources
from reasoner.reasoner import Reasoner

ZEN5 = {
    "cpu": {
        "features": ["avx512_bf16", "avx512f", "avx2"],
        "vendor": "AuthenticAMD",
        "isa_level": "x86_64_v4",
        "cores": 2,
        "usable_cores": 2,
    },
    "gpus": [],
    "exclusive": True,
    "wheels": ["torch-2.13.0+cpu-cp311-cp311-manylinux_2_28_x86_64.whl"],
}


def zen5() -> Target:
    return complete_target("zen5", ZEN5, "test")


def plan_without(*removed: str) -> Plan:
    sources = [source for source in shipped_sources() if not source.name.startswith(removed)]
    store, _ = compile_sources(sources)
    return Reasoner(store=store).plan(load_workload("mnist-cnn"), zen5(), framework="pytorch")


@pytest.fixture(scope="module")
def whole() -> Plan:
    return plan_without()


def lines(plan: Plan, folder: Path) -> set[str]:
    write_bundle(plan, folder)
    texts = (
        (folder / name).read_text(encoding="utf-8") for name in ("ontune.def", "run.sh", "requirements.txt")
    )
    return {line.strip() for text in texts for line in text.splitlines()}


@pytest.mark.parametrize(
    ("removed", "decision", "before", "line"),
    [
        (
            ["kb/facts/effects/memory_cpu.ttl", "kb/facts/effects/precision_cpu.ttl"],
            "allocator",
            "tcmalloc",
            "LD_PRELOAD",
        ),
        (["kb/facts/convergence.ttl", "kb/evidence/convergence-"], "precision", "bf16", "precision=bf16"),
        (
            ["rules/derivations/situations.ttl"],
            "memory_format",
            "channels_last",
            "memory_format=channels_last",
        ),
        (["rules/conflicts/builds.ttl"], "wheel", "torch-2.13.0-cpu", "2.13.0+cpu"),
    ],
)
def test_what_rested_on_it_goes(
    whole: Plan, tmp_path: Path, removed: list[str], decision: str, before: str, line: str
) -> None:
    assert whole.option(decision) == before
    assert any(line in text for text in lines(whole, tmp_path / "whole"))
    without = plan_without(*removed)
    assert without.option(decision) != before
    assert not any(line in text for text in lines(without, tmp_path / "without"))
