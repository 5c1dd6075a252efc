"""What was observed of a user's own training program while it ran, and what that says of it as a workload."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kb.errors import BadInput
from kb.store.files import json_of, read_bytes, read_text
from kb.store.paths import data_home

if TYPE_CHECKING:
    from kb.store.store import KnowledgeStore

_CLASSES = """SELECT ?trait ?class WHERE { ?trait on:layerClass ?class }"""
_WORDS = """SELECT ?trait ?word ?inside WHERE { ?trait on:moduleWord ?word ; on:insideOf ?inside }"""
_COUNTS = """SELECT ?trait ?general ?least ?most WHERE {
  ?trait rdfs:subClassOf ?general . ?general on:layerClass ?any
  OPTIONAL { ?trait on:leastLayers ?least } OPTIONAL { ?trait on:mostLayers ?most } }"""
_NAMES = "SELECT ?trait ?name WHERE { ?trait a on:WorkloadTrait ; skos:notation ?name }"
_TRAINING = "training"
_ATTENTION = "attention"
_COUNTED = 0.95
"""The share of parameters that must be in layers whose work is counted, for the sum to be the network's."""
_OPERATIONS = 6
"""Of a training step for each multiply-add of the forward pass: two each, forward and for the gradients of
inputs and of weights (Kaplan et al., arXiv 2001.08361, section 2.1).
"""
_MOST = 64 << 20


def digest_of(files: Iterable[Path], words: Sequence[str]) -> str:
    """A digest of a program, by the content of its files and its arguments: another job has another one.

    Args:
        files: its own files, in a fixed order; one that cannot be read counts by its name alone.
        words: what it is called with.
    """
    whole = hashlib.sha256()
    for file in files:
        try:
            content = read_bytes(file, _MOST)
        except BadInput:
            content = b""
        whole.update(hashlib.sha256(content or str(file).encode(errors="surrogateescape")).digest())
    for word in words:
        whole.update(hashlib.sha256(word.encode(errors="surrogateescape")).digest())
    return whole.hexdigest()


@dataclass(frozen=True)
class ObservedJob:
    """What is kept of a job.

    Attributes:
        path: the file.
        seen: its content, as the hook wrote it; empty where nothing was observed yet.
    """

    path: Path
    seen: Mapping[str, Any]

    @staticmethod
    def of(digest: str) -> ObservedJob:
        """What is kept of the job with a digest; a file that cannot be read counts as none."""
        path = data_home() / "jobs" / f"{digest}.json"
        try:
            seen = json_of(read_text(path), str(path)) if path.is_file() else {}
        except BadInput:
            seen = {}
        return ObservedJob(path, seen if isinstance(seen, dict) else {})

    @property
    def left(self) -> dict[str, str]:
        """The settings that the program did not bear, each with the reason."""
        return {str(name): str(why) for name, why in (self.seen.get("left") or {}).items()}

    def facts(self, store: KnowledgeStore) -> dict[str, Any]:
        """What was observed, as the facts of a workload: traits, parameters, batch, whether shapes change.

        Args:
            store: what knows which layers mean which trait.
        """
        network = self.seen.get("network")
        if not network or self.seen.get("networks"):
            return {}
        found: dict[str, Any] = {"parameter_count": network["trainable"]}
        found["traits"] = [_TRAINING, *_traits(network, store)]
        calls = self.seen.get("inputs") or []
        shapes = [call[0]["shape"] for call in calls if call]
        if len(calls) == 1 and shapes and shapes[0]:
            batch = shapes[0][0]
            found["parameters"] = {"batch": batch}
            counted = network.get("counted", 0) >= _COUNTED * network["parameters"]
            if batch and counted and _ATTENTION not in found["traits"]:  # whose products are in functions
                macs = sum(layer["macs"] for layer in network["layers"].values())
                found["gflop_per_sample"] = round(_OPERATIONS * macs / batch / 1e9, 9)
        changing = self.seen.get("shapes", 0)
        if changing == 1 or changing > 2:  # two may be a last batch that is not full
            found["dynamic_shapes"] = changing > 2
        return found


def _traits(network: Mapping[str, Any], store: KnowledgeStore) -> list[str]:
    """The names of the traits that a network's layers mean."""
    layers = network.get("layers") or {}
    all_macs = sum(layer["macs"] for layer in layers.values())
    classes: dict[str, set[str]] = {}
    for row in store.select(_CLASSES):
        classes.setdefault(row["trait"], set()).add(row["class"])

    def work(trait: str, what: str) -> int:
        return sum(layer[what] for kind, layer in layers.items() if kind in classes[trait])

    found = {trait for trait in classes if all_macs and 2 * work(trait, "macs") > all_macs}
    for row in store.select(_WORDS):
        if row["inside"] in found and any(row["word"] in module for module in network.get("modules") or ()):
            found = found - {row["inside"]} | {row["trait"]}
    for row in store.select(_COUNTS):
        if row["general"] in found and (row.get("least") or row.get("most")):
            calls = work(row["general"], "calls")
            if calls >= int(row.get("least") or 0) and calls <= int(row.get("most") or calls):
                found.add(row["trait"])
    names = {row["trait"]: row["name"] for row in store.select(_NAMES)}
    return sorted(names[trait] for trait in found)
