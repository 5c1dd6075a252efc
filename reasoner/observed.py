"""Recorded observations as the planner reads them."""

from __future__ import annotations

from dataclasses import dataclass

from kb.store import KnowledgeStore
from reasoner.ground import Problem
from reasoner.request import Request

_OBSERVATIONS = """
SELECT ?obs ?option ?throughput ?uarch ?cores WHERE {
  ?obs a on:Observation ; on:ofWorkload ?name ; on:observedThroughput ?throughput ; on:took ?option .
  OPTIONAL { ?obs on:onMicroarchitecture ?uarch } OPTIONAL { ?obs on:onCores ?cores }
  FILTER(STR(?name) = ?wanted) }"""


@dataclass(frozen=True)
class Measured:
    """One observation: its configuration (decision to option) and its throughput in samples per second."""

    iri: str
    configuration: dict[str, str]
    throughput: float


def nearest_observation(store: KnowledgeStore, problem: Problem, request: Request) -> Measured | None:
    """The observation of the same workload on the most similar machine: same microarchitecture and as many cores, else none."""
    return None
