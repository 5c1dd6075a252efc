"""What the benchmarks of learnt effects share: what the product says of networks of families that it has not
seen.

Families are left out in folds, with their twins and other names. For each fold the product learns from the
others' rows, the Turtle that it writes takes the place of the shipped one in the knowledge base, and the
requests of those left out are derived and grounded as for a plan.
"""

from __future__ import annotations

import math
import random
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from statistics import fmean

from kb.observations.learning import (
    Case,
    Question,
    carried,
    cases,
    learn,
    left_out,
    question_elsewhere,
    turtle,
    turtle_of_networks,
    without,
)
from kb.records.target import Target
from kb.records.targets import load_target
from kb.records.workload import complete_workload
from kb.store.snapshot import PLANNING
from kb.store.sources import Source
from kb.store.store import KnowledgeStore
from kb.store.terms import FILE, on
from kb.values import replace
from reasoner.inference.derive import Deriver
from reasoner.knowledge.compile import compile_snapshot
from reasoner.knowledge.readings import keep_readings
from reasoner.knowledge.rule_reading import READINGS
from reasoner.knowledge.rules import load_rules
from reasoner.model.catalogue import Catalogue
from reasoner.model.ground import Problem, ground
from reasoner.model.resolve import Request, resolve

FOLDS = 10
TOGETHER = 32  # networks that one knowledge base speaks of, each by a rule
MACHINES = {
    "rtx-3090": {
        "model": "NVIDIA GeForce RTX 3090",
        "arch": "sm_86",
        "compute_capability": "8.6",
        "memory_gib": 24,
    },
    "rtx-4090": {
        "model": "NVIDIA GeForce RTX 4090",
        "arch": "sm_89",
        "compute_capability": "8.9",
        "memory_gib": 24,
    },
    "rtx-5090": {
        "model": "NVIDIA GeForce RTX 5090",
        "arch": "sm_120",
        "compute_capability": "12.0",
        "memory_gib": 32,
    },
}


@dataclass(frozen=True)
class Reading:
    """What the product says of one left-out case: whether it takes the option, and the logarithm of the ratio
    and its interval, if it says them.
    """

    case: Case
    takes: bool
    ratio: float | None = None
    interval: tuple[float, float] | None = None

    def regret(self, version: str) -> float:
        """The logarithm of the best rate over that of what is taken."""
        ratio = self.case.ratios[version]
        return max(-ratio, 0.0) if self.takes else max(ratio, 0.0)


class Overlaid:
    """The compiled knowledge base with one learnt file in the place of the shipped one."""

    def __init__(self, base: KnowledgeStore, asked: Question, text: str, target: Target) -> None:
        self._asked, self._target = asked, target
        self._store = KnowledgeStore()
        graph = f"{FILE}kb/facts/effects/learnt_{asked.name}.ttl"
        self._store.add(quad for quad in base.store if quad.graph_name.value not in (graph, READINGS))
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "learnt.ttl")
            path.write_text(text, encoding="utf-8")
            self._store.load_source(Source(path, f"kb/facts/effects/learnt_{asked.name}.ttl"))
        if problems := keep_readings(self._store):
            raise RuntimeError(f"what was learnt is refused: {problems}")
        self._catalogue = Catalogue(self._store)
        self._deriver = Deriver(self._store, load_rules(self._store))

    @cached_property
    def _given(self) -> dict[str, str]:
        """One option of each decision that the question names beside its own, by IRI."""
        options = (self._catalogue.by_name[name][0] for name in reversed(self._asked.declared["given"]))
        return {self._catalogue.decision_of(option): option for option in options}

    def read(self, case: Case) -> Reading:
        """What the knowledge base says of a case."""
        traits = [trait for trait in self._asked.declared["when"] if trait in ("Training", "Inference")]
        facts = {
            "network": case.network,
            "traits": traits,
            "parameters": {"image_size": int(case.image_size)},
            "layers": dict(case.numbers) or None,
        }
        request = Request(complete_workload(case.network, facts, case.network), self._target)
        resolved = resolve(request, self._catalogue, self._store)
        problem = ground(self._catalogue, self._deriver.derive(resolved.facts), resolved.criteria, {})
        return self._reading(case, problem)

    def _reading(self, case: Case, problem: Problem) -> Reading:
        declared, criterion = self._asked.declared, on("throughput")
        option, default = (
            self._catalogue.by_name[declared["option"]][0],
            self._catalogue.by_name[declared["default"]][0],
        )
        decision = self._catalogue.decision_of(option)
        weights = [problem.weight({**self._given, decision: one}, criterion) for one in (option, default)]
        terms = problem.counted_of(option, {**self._given, decision: option}, criterion)
        takes = weights[0] > weights[1]
        if len(terms) != 1:
            return Reading(case, takes)
        effect = terms[0].effect
        return Reading(case, takes, math.log(effect.ratio), (math.log(effect.low), math.log(effect.high)))


def readings(
    asked: Question, known: Sequence[Case], permuted: int | None = None, each: int = 1
) -> list[Reading]:
    """What the product says of every case when its family, and whoever is its twin, is left out.

    Args:
        each: of the cases of a fold read one in this many.
        permuted: learn from ratios that were dealt anew with this seed, which can tell nothing.
    """
    base, target = _base(asked)
    found = []
    for fold in left_out(known, FOLDS):
        others = without(known, fold)
        if permuted is not None:
            others = _dealt(others, permuted)
        knowledge = Overlaid(base, asked, turtle(asked, learn(asked, others)), target)
        found += [knowledge.read(case) for case in fold[::each]]
    return found


def carried_readings(
    asked: Question, known: Sequence[Case], permuted: int | None = None, each: int = 1
) -> list[Reading]:
    """What the product says of every case that another machine has run, with what that one measured of it, when
    nothing is known of it here: its family, and whoever is its twin, is left out.

    Args:
        permuted: deal the ratios that the other machine measured of the left-out anew with this seed.
        each: of the cases of a fold read one in this many.
    """
    base, target = _base(asked)
    there = cases(question_elsewhere(asked))
    both = {(case.network, case.image_size) for case in there}
    found = []
    for fold in left_out([case for case in known if (case.network, case.image_size) in both], FOLDS):
        asking = {(case.network, case.image_size): case for case in fold[::each]}
        wanted = [case for case in there if (case.network, case.image_size) in asking]
        if permuted is not None:
            wanted = _dealt(wanted, permuted)
        said = carried(asked, without(known, fold), without(there, fold), wanted)
        told = {(one.case.network, one.case.image_size) for one in said}
        found += [Reading(case, False) for place, case in asking.items() if place not in told]
        for start in range(0, len(said), TOGETHER):
            some = said[start : start + TOGETHER]
            knowledge = Overlaid(base, asked, turtle_of_networks(asked, some), target)
            found += [knowledge.read(asking[one.case.network, one.case.image_size]) for one in some]
    return found


def _base(asked: Question) -> tuple[KnowledgeStore, Target]:
    """What planning reads, and the machine of a question."""
    base = KnowledgeStore()
    base.load_compact(compile_snapshot([], PLANNING).memory[PLANNING])
    gpu = MACHINES[asked.declared["only"]["machine"]] | {"vendor": "nvidia", "driver": "580.65.06"}
    return base, load_target("v100-node", base).with_overrides({"gpus": [gpu]})


def _dealt(known: Sequence[Case], seed: int) -> list[Case]:
    """The cases with their ratios dealt anew."""
    ratios = [case.ratios for case in known]
    random.Random(seed).shuffle(ratios)
    return [replace(case, ratios=one) for case, one in zip(known, ratios, strict=True)]


def versions_of(known: Sequence[Case]) -> list[str]:
    """The releases that cases were measured with."""
    return sorted({version for case in known for version in case.ratios})


@dataclass(frozen=True)
class Coverage:
    """How well intervals hold, over left-out families.

    Attributes:
        families: how many have an interval.
        mean, low, high: the mean of their coverage, and its 90 % interval when families are drawn anew.
        said, plain: the interval (Winkler) score of what is said, and of one constant interval.
    """

    families: int
    mean: float
    low: float
    high: float
    said: float
    plain: float


def coverage(found: Sequence[Reading], draws: int = 1000) -> Coverage:
    """How well the intervals of 90 % hold."""
    told = [reading for reading in found if reading.interval]
    everything = sorted(reading.case.ratio for reading in told)
    usual = everything[len(everything) // 20], everything[-len(everything) // 20]
    by_family: dict[str, list[Reading]] = defaultdict(list)
    for reading in told:
        by_family[reading.case.family].append(reading)

    def score(ratio: float, interval: tuple[float, float]) -> float:
        low, high = interval
        return high - low + 20 * (max(low - ratio, 0) + max(ratio - high, 0))

    shares = [
        fmean(r.interval[0] <= r.case.ratio <= r.interval[1] for r in group if r.interval)
        for group in by_family.values()
    ]
    said = fmean(
        fmean(score(r.case.ratio, r.interval) for r in group if r.interval) for group in by_family.values()
    )
    plain = fmean(fmean(score(r.case.ratio, usual) for r in group) for group in by_family.values())
    drawing = random.Random(0)
    means = sorted(fmean(drawing.choices(shares, k=len(shares))) for _ in range(draws))
    return Coverage(len(shares), fmean(shares), means[draws // 20], means[-draws // 20], said, plain)


def print_coverage(found: Sequence[Reading]) -> None:
    """Print how well intervals hold."""
    held = coverage(found)
    print(f"intervals of 90 %: mean coverage over {held.families} left-out families {held.mean:.3f}")
    print(f"  by families {held.low:.3f} to {held.high:.3f}")
    print(f"  interval score {held.said:.3f}, of a constant interval {held.plain:.3f}")
