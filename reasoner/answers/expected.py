"""What estimators that were learnt from rows expect of a request, in absolute terms: how long a published
benchmark takes.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any

from kb.observations.estimates import Estimator, estimators
from kb.records.request import Request
from kb.store.store import KnowledgeStore

MINUTES = "minutes"
_DIGITS = 3


class Expected:
    """The estimators of a knowledge base, read when a request first asks for one."""

    def __init__(self, store: KnowledgeStore) -> None:
        self._store = store

    @cached_property
    def _estimators(self) -> dict[str, Estimator]:
        return estimators(self._store)

    def time_to_target(self, request: Request) -> list[dict[str, Any]]:
        """How long the benchmark that a job is takes, on one node of the target and on all that one job may
        use; empty where the job is none, or nothing is known of it there.
        """
        from kb.records.recognition import product_of

        benchmark = str(request.workload.facts.get("benchmark") or "")
        estimator = self._estimators.get(MINUTES) if benchmark else None
        gpus = request.target.facts.get("gpus") or []
        product = product_of(gpus[0]) if gpus else None
        if estimator is None or product is None or not estimator.knows("benchmark", benchmark):
            return []
        found = []
        for nodes in dict.fromkeys((1, request.target.facts.get("nodes") or 1)):
            devices = nodes * len(gpus)
            factors = {
                "benchmark": benchmark,
                "accelerator": product.name,
                "architecture": product.architecture.arch or "",
                "devices": str(devices),
            }
            said = estimator.said(factors, product.numbers | {"devices": float(devices)})
            if said is not None:
                place = {"nodes": nodes, "accelerators": devices}
                interval = {"value": _short(said.value), "low": _short(said.low), "high": _short(said.high)}
                rows = {"unseen": list(said.unseen), "observations": list(said.rows)}
                found.append(place | interval | {"unit": MINUTES} | rows)
        return found

    def unsaid(self, request: Request) -> Iterator[str]:
        """Why nothing is said of how long a benchmark takes, a sentence each."""
        benchmark = request.workload.facts.get("benchmark")
        if not benchmark or self.time_to_target(request):
            return
        estimator = self._estimators.get(MINUTES)
        known = sorted(estimator.terms[0].values) if estimator else []
        if benchmark not in known:
            yield (
                f"no published result of the benchmark '{benchmark}' is known: known are {', '.join(known)} "
                "(see `ontune query published-results`)"
            )
            return
        yield (
            "how long the benchmark takes hangs on which accelerators there are, and on their peaks: "
            "name the product by --set 'gpus[0].model=...' (see `ontune query accelerators-by-memory`)"
        )


def _short(value: float) -> float:
    """With three digits that count."""
    return float(f"{value:.{_DIGITS}g}")
