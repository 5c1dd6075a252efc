"""Measure variants against each other, in rounds: each variant runs once a round, in a process of its own, so
that noise hurts all alike.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from bench.measure.observation import Observation
from bench.measure.runners import Runner, RunResult
from bench.measure.statistics import Ratio, paired_ratio
from bench.progress import Tell
from generators.bundle import Bundle
from kb.store.scratch import scratch

Record = Callable[[Observation], object]


@dataclass(frozen=True, slots=True)
class Variant:
    """Something to be measured.

    Attributes:
        name: its name in the series.
        bundle: what is run; it has been prepared by the runner.
        recipe: the digest of what was built for it.
    """

    name: str
    bundle: Bundle
    recipe: str = ""


@dataclass(frozen=True, slots=True)
class Series:
    """What was measured together: observations of several variants, round by round.

    Attributes:
        id: the series' identifier, which its observations carry.
        observations: in the order in which they were made.
    """

    id: str
    observations: tuple[Observation, ...]

    def of(self, variant: str) -> list[Observation]:
        """The observations of a variant, by round."""
        return sorted((one for one in self.observations if one.variant == variant), key=lambda one: one.round)

    def throughputs(self, variant: str) -> list[float | None]:
        """Samples/s by round; None where the run was not done."""
        return [one.throughput for one in self.of(variant)]

    def ratio(self, variant: str, baseline: str) -> Ratio | None:
        """The throughput of a variant against another one's; None where no round has both."""
        ours, theirs = self._by_round(variant), self._by_round(baseline)
        return paired_ratio(list(ours.values()), [theirs.get(number) for number in ours])

    def _by_round(self, variant: str) -> dict[int, float | None]:
        return {one.round: one.throughput for one in self.of(variant)}


def measure(
    variants: Sequence[Variant],
    runner: Runner,
    rounds: int,
    cores: int | None = None,
    *,
    arguments: Sequence[str] = (),
    record: Record = lambda observation: None,
    tell: Tell = lambda news: None,
) -> Series:
    """Run every variant once a round and keep everything, failures too.

    Args:
        variants: what is compared; the order changes from round to round.
        runner: what runs them.
        rounds: how many rounds.
        cores: how many cores every run gets; None for all that this process may use.
        arguments: further arguments of the training programs.
        record: is given each observation as soon as it is made.
        tell: gets one line before each run.

    Raises:
        ValueError: two variants have one name, or there are fewer cores.
    """
    if len({variant.name for variant in variants}) < len(variants):
        raise ValueError("variants of a series need different names")
    series = f"urn:uuid:{uuid.uuid4()}"
    observations = []
    # The nodes of a cluster see the bundles' folders; they need not see this machine's temporary files.
    with scratch("series", variants[0].bundle.folder if runner.name == "slurm" else None) as folder:
        for number in range(rounds):
            for variant in _turned(variants, number):
                tell(f"round {number + 1} of {rounds}: {variant.name} on {_cores(cores)} core(s)")
                started = datetime.now(UTC).isoformat(timespec="milliseconds")
                ended = runner.run(variant.bundle, arguments, folder / "result.json", cores)
                observation = _observed(variant, ended, started, series, number, runner.name, _cores(cores))
                record(observation)
                observations.append(observation)
    return Series(series, tuple(observations))


def _turned(variants: Sequence[Variant], number: int) -> list[Variant]:
    """Another variant begins each round, so that none always runs after the same one."""
    start = number % max(1, len(variants))
    return [*variants[start:], *variants[:start]]


def _cores(asked: int | None) -> int:
    return asked if asked is not None else len(os.sched_getaffinity(0))


def _observed(
    variant: Variant, ended: RunResult, started: str, series: str, number: int, runner: str, cores: int
) -> Observation:
    plan, result = variant.bundle.plan, ended.result or {}
    return Observation(
        series=series,
        round=number,
        variant=variant.name,
        plan_id=plan.plan_id,
        knowledge=plan.knowledge.get("sha256", ""),
        recipe=variant.recipe,
        runner=runner,
        cores=cores,
        workload=plan.workload.get("name", ""),
        microarchitecture=(plan.target.get("cpu") or {}).get("microarchitecture") or "",
        decisions=tuple({"decision": taken.decision, "option": taken.option} for taken in plan.decisions),
        outcome=ended.outcome,
        complaint=ended.complaint,
        seconds=ended.seconds,
        started=started,
        throughput=result.get("throughput"),
        windows=tuple(result.get("windows") or ()),
        first_step_seconds=result.get("first_step_seconds"),
        peak_memory_mib=result.get("peak_memory_mib"),
        foreign_load=result.get("foreign_load"),
        versions=result.get("versions") or {},
        in_effect=result.get("in_effect") or {},
        workload_facts=plan.workload,
        target_facts=plan.target,
    )
