"""Paired training runs become convergence evidence only where they hold, with enough pairs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyoxigraph as ox
import pytest

from kb.errors import BadInput
from kb.importers import import_source
from kb.store import paths
from kb.store.terms import PREFIXES, RDF_TYPE, on


def outcome(**changes: Any) -> dict[str, Any]:
    pairs = [{"seed": seed, "fp32": 0.97, "bf16": 0.975} for seed in range(5)]
    return {
        **{
            "framework": "pytorch",
            "network": "mlp",
            "parameters": {"batch": 128},
            "versions": {"python": "3.11.7", "torch": "2.13.0+cpu"},
        },
        **{
            "date": "2026-11-23",
            "cpu": "a CPU",
            "device": "cpu",
            "precision": "bf16",
            "settings": {"threads": "1"},
            "data": "digits",
            "metric": "accuracy",
            "epochs": 12,
        },
        **{
            "validation_samples": 359,
            "quality": 0.95,
            "margin": 0.01,
            "pairs": pairs,
            "mean_difference": 0.005,
            "holds": True,
        },
        **changes,
    }


def written(folder: Path, **changes: Any) -> Path:
    file = folder / "result.json"
    file.write_text(json.dumps(outcome(**changes)))
    return file


def evidence(turtle: str) -> set[ox.NamedNode | ox.BlankNode | ox.Triple]:
    store = ox.Store()
    store.load(turtle, format=ox.RdfFormat.TURTLE, base_iri="file:///evidence.ttl")
    return {
        quad.subject
        for quad in store.quads_for_pattern(
            None, ox.NamedNode(RDF_TYPE), ox.NamedNode(on("ConvergenceEvidence")), None
        )
    }


def test_pairs_that_hold_are_evidence_in_the_situations_of_their_network(tmp_path: Path) -> None:
    report = import_source("convergence", written(tmp_path))
    assert report.findings == []
    assert evidence(report.turtle) == {ox.NamedNode(PREFIXES["obs"] + "convergence-bf16-pytorch-mlp")}
    for text in (
        "on:option kb:bf16",
        "on:given kb:pytorch",
        "sit:Dense",
        "on:seeds 5",
        "on:margin 0.0100",
        "pkg:pypi/torch@2.13.0>",
    ):
        assert text in report.turtle
    command = "--framework pytorch --network mlp --precision bf16 --epochs 12 --seeds 5 --parameter batch=128 --setting threads=1"
    assert f"python convergence.py {command}" in report.turtle


@pytest.mark.parametrize(
    ("changes", "why"),
    [({"holds": False}, "not reached"), ({"pairs": outcome()["pairs"][:4]}, "4 pairs, of 5")],
)
def test_pairs_that_fail_or_are_too_few_are_a_finding(
    tmp_path: Path, changes: dict[str, Any], why: str
) -> None:
    report = import_source("convergence", written(tmp_path, **changes))
    assert report.turtle == ""
    assert why in report.findings[0]


def test_other_files_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "other.json"
    file.write_text("[]")
    with pytest.raises(BadInput, match="is not a result of paired runs"):
        import_source("convergence", file)
    with pytest.raises(BadInput, match="mlpp"):
        import_source("convergence", written(tmp_path, network="mlpp"))


def test_the_shipped_evidence_covers_both_frameworks() -> None:
    files = paths.shipped("evidence").glob("convergence-*.ttl")
    names = {
        str(node.value)
        for file in files
        for node in evidence(file.read_text(encoding="utf-8"))
        if isinstance(node, ox.NamedNode)
    }
    networks = ("mlp", "mnist-cnn", "transformer", "lstm", "resnet50")
    assert names == {
        PREFIXES["obs"] + f"convergence-bf16-{framework}-{network}"
        for framework in ("pytorch", "tensorflow")
        for network in networks
    }
