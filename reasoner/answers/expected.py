"""What estimators that were learnt from rows expect of a request, in absolute terms: how long a published
benchmark takes, and how many samples/s a configuration reaches.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cached_property
from typing import Any

from kb.observations.estimates import QUERY, SHORT, Estimate, Estimator, estimators_in
from kb.records.request import Request
from kb.store.store import KnowledgeStore
from kb.values import Value, replace

MINUTES, ON_GPU, ON_CPU = "minutes", "samples/s on a GPU", "samples/s on a CPU"
_DIGITS = 3
_PRECISION, _FRAMEWORK = "precision", "framework"
_KINDS = ("Inference", "Training")
_MEASURE = "measure it there: `ontune recipe -o DIR`, `ontune build DIR`, `ontune bench DIR`"
_COUNT = (
    "throughput is not predicted: state `gflop_per_sample` in the workload (PyTorch counts it: "
    "torch.utils.flop_counter.FlopCounterMode around one step, divided by the batch)"
)
_BATCH = "throughput is not predicted: state `parameters: {batch: ...}` in the workload"
_WIDE = (
    "the predicted throughput is wide, since what starts the operators of so short a step is not known: "
    f"{_MEASURE}"
)
_NO_CORES = (
    "throughput is not predicted: the microarchitecture, the count of cores, or the peak of one is not known "
    f"(add `on:corePeak`): --set cpu.microarchitecture=..., --set cpu.physical_cores=..., or {_MEASURE}"
)
_NO_PEAK = (
    "throughput is not predicted: no peak of this accelerator is known; name the product by "
    "--set 'gpus[0].model=...' (see `ontune query accelerators-by-memory`), or add its peaks"
)


class Expected:
    """The estimators of a knowledge base: kept with it as texts, and read when a request asks for one."""

    def __init__(self, store: KnowledgeStore) -> None:
        self._texts = store.select(QUERY)

    @cached_property
    def _estimators(self) -> dict[str, Estimator]:
        return estimators_in(self._texts)

    def throughput(
        self, request: Request, taken: Mapping[str, str], devices: int
    ) -> tuple[dict[str, Any] | None, str]:
        """The samples/s that a configuration is expected to reach, with `basis` in words; else None, and what
        would settle it.

        Args:
            taken: the options by the names of their decisions.
            devices: how many accelerators of a node the program uses; 0: all that there are.
        """
        facts, gpus = request.workload.facts, request.target.facts.get("gpus") or []
        estimator = self._estimators.get(ON_GPU if gpus else ON_CPU)
        gflop, batch = facts.get("gflop_per_sample"), (facts.get("parameters") or {}).get("batch")
        if gflop is None or batch is None:
            return None, _COUNT if gflop is None else _BATCH
        device = _accelerator(gpus[0]) if gpus else _processor(request.target.facts["cpu"])
        peak = estimator.peak(taken[_PRECISION], device.numbers) if estimator and device else None
        if estimator is None or device is None or peak is None:
            return None, _NO_PEAK if gpus else _NO_CORES
        used = (devices or len(gpus)) if gpus else 1
        job = _Job(float(gflop), float(batch), peak)
        said = _said(estimator, _factors(request, estimator, device, taken, used), device.numbers, job)
        if said is None:
            return None, _NO_PEAK if gpus else _NO_CORES
        basis = f"estimated by operations and peaks from {estimator.counted} rows of other jobs"
        unsaid = ""
        if "step_ms" in estimator.seen and job.step_ms < estimator.seen["step_ms"][0]:
            basis += f"; no more is known of steps that take {job.step_ms:.2g} ms at the peak"
            unsaid = _WIDE
        rates = {name: _short(getattr(said, name) * used) for name in ("value", "low", "high")}
        return rates | {"basis": basis}, unsaid

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

    def unsaid_of_benchmark(self, request: Request) -> str:
        """Why nothing is said of how long a benchmark takes; empty where something is, or there is none."""
        benchmark = request.workload.facts.get("benchmark")
        if not benchmark or self.time_to_target(request):
            return ""
        estimator = self._estimators.get(MINUTES)
        known = sorted(estimator.terms[0].values) if estimator else []
        if benchmark not in known:
            return (
                f"no published result of the benchmark '{benchmark}' is known: known are {', '.join(known)} "
                "(see `ontune query published-results`)"
            )
        return (
            "how long the benchmark takes hangs on which accelerators there are, and on their peaks: "
            "name the product by --set 'gpus[0].model=...' (see `ontune query accelerators-by-memory`)"
        )


class _Device(Value, frozen=True):
    """What computes: its name and architecture as rows have them, and its numbers."""

    name: str
    architecture: str
    numbers: dict[str, float]


class _Job(Value, frozen=True):
    """GFLOP of a sample, samples of a step, and TFLOP/s at most."""

    gflop: float
    batch: float
    peak: float

    @property
    def step_ms(self) -> float:
        """Milliseconds of a step at the peak."""
        return self.gflop * self.batch / self.peak


def _accelerator(gpu: dict[str, Any]) -> _Device | None:
    from kb.records.recognition import product_of

    product = product_of(gpu)
    return _Device(product.name, product.architecture.arch or "", product.numbers) if product else None


def _processor(cpu: Mapping[str, Any]) -> _Device | None:
    """The cores that may be used, as one device."""
    from kb.records.core_peaks import core_peak

    microarchitecture = cpu.get("microarchitecture") or ""
    counts = [cpu[key] for key in ("usable_cores", "physical_cores") if cpu.get(key)]
    peak = core_peak(microarchitecture)
    if peak is None or not counts:
        return None
    return _Device(f"a {microarchitecture}", microarchitecture, {"single_peak": peak * min(counts)})


def _said(
    estimator: Estimator, factors: Mapping[str, str], numbers: Mapping[str, float], job: _Job
) -> Estimate | None:
    """What the estimator says. Where a number lies beyond those of the rows, the interval spans what it says
    of the last that they had and of this one.
    """
    told = dict(numbers) | {"gflop": job.gflop, "peak": job.peak, "step_ms": job.step_ms}
    shortest = estimator.seen.get("step_ms", (0.0, 0.0))[0]
    said = estimator.said(factors, told | {"step_ms": max(job.step_ms, shortest)})
    if said is None:
        return None
    low = said.low
    if job.step_ms < shortest:
        # What computes could be as fast as in long steps; what starts the operators, as slow as it ever was.
        low = min(low, job.batch / estimator.seen[SHORT][1])
    elif job.peak > (most := estimator.seen["peak"][1]):
        # Whether further cores bring anything is not known.
        less = estimator.said(factors, told | {"peak": most})
        low = min(low, less.low) if less else low
    return replace(said, low=low, value=math.sqrt(low * said.high)) if low < said.low else said


def _factors(
    request: Request, estimator: Estimator, device: _Device, taken: Mapping[str, str], devices: int
) -> dict[str, str]:
    """What the estimator tells networks and devices apart by; of several traits the last that rows had."""
    facts = request.workload.facts
    traits = [trait for trait in facts.get("traits") or [] if trait not in _KINDS]
    known = [trait for trait in traits if estimator.knows("class", trait)]
    kind = next((trait for trait in facts.get("traits") or [] if trait in _KINDS), _KINDS[-1])
    network = str(facts.get("network") or "")
    sequence = (facts.get("parameters") or {}).get("sequence")
    return {
        "kind": kind,
        "class": (known or traits or [""])[-1],
        "precision": taken[_PRECISION],
        "framework": taken[_FRAMEWORK],
        "network": network,
        "network_in_kind": f"{network}-{kind}",
        "case": f"{network}-{kind}-{sequence}" if sequence else "",
        "accelerator": device.name,
        "architecture": device.architecture,
        "spread_over": "one" if devices == 1 else "many",
    }


def _short(value: float) -> float:
    """With three digits that count."""
    return float(f"{value:.{_DIGITS}g}")
