"""Estimators: what a formula says, how it is learnt, and that plans read it."""

from __future__ import annotations

import math
import random
import sys
from functools import cache
from pathlib import Path
from statistics import fmean, median

import pytest

from kb.errors import BadInput
from kb.observations import learning
from kb.observations.estimates import Estimator, Term, estimators
from kb.observations.learning import Declared, Sample
from kb.records.recognition import product_of
from kb.records.target import read_target
from kb.records.targets import load_target, target_names
from kb.records.workload import Workload, complete_workload, load_workload, workload_names
from kb.store import paths
from kb.store.sources import Source
from kb.store.store import KnowledgeStore
from reasoner.answers.plan import Plan
from reasoner.reasoner import Reasoner

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "benchmarks"))
import mlperf
import throughput

MADE = Declared(
    "made",
    {
        "title": "made",
        "quantity": "made",
        "sources": ["https://example.org/"],
        "checked": "2026-11-30",
        "terms": [
            {"name": "kind", "by": ["kind"], "spread": 3.0},
            {"name": "size", "number": "size", "per": 10, "spread": 1.0},
            {"name": "place", "by": ["kind", "place"]},
        ],
        "left_out": ["place"],
    },
)


@cache
def reasoner() -> Reasoner:
    return Reasoner([])


def made(seed: int, *, noise: float = 0.02) -> list[Sample]:
    """Two kinds, a slope of -0.8, and places that differ by about 0.3."""
    drawing = random.Random(seed)
    samples = []
    for kind, start in (("a", 1.0), ("b", 2.0)):
        for place in range(12):
            offset = drawing.gauss(0, 0.3)
            for size in (10.0, 20.0, 80.0):
                value = start + offset - 0.8 * math.log(size / 10) + drawing.gauss(0, noise)
                name = f"{kind}{place}"
                samples.append(
                    Sample(
                        value,
                        {"kind": kind, "place": name},
                        {"size": size},
                        {"place": name},
                        (f"row-{name}-{size:g}",),
                    )
                )
    return samples


def benchmark_of(name: str) -> Workload:
    facts = {"benchmark": name, "network": name, "traits": ["Training"]}
    return complete_workload(name, facts, "test")


def planned(benchmark: str, target: str) -> Plan:
    return reasoner().plan(benchmark_of(benchmark), load_target(target, reasoner().store))


def test_a_level_that_no_row_had_counts_nothing_and_widens_the_interval() -> None:
    terms = (
        Term("all", spread=1.0, values={"": 1.0}),
        Term("size", (), "size", 10.0, 2, 0.1, {"": 0.5}),
        Term("kind", ("kind",), spread=0.3, values={"a": 0.2}, rows={"a": ("one", "two")}),
    )
    estimator = Estimator("made", "made", "made", 0.1, 1.5, terms)
    known = estimator.said({"kind": "a"}, {"size": 20.0})
    other = estimator.said({"kind": "z"}, {"size": 20.0})
    assert known is not None and other is not None
    assert math.log(known.value) == pytest.approx(1.2 + 0.5 * math.log(2) ** 2)
    assert (known.unseen, known.rows) == ((), ("one", "two"))
    assert math.log(known.high / known.value) == pytest.approx(1.5 * 1.645 * 0.1)
    assert (other.unseen, other.rows) == (("kind",), ())
    assert math.log(other.value) == pytest.approx(1.0 + 0.5 * math.log(2) ** 2)
    assert math.log(other.value / other.low) == pytest.approx(1.5 * 1.645 * math.hypot(0.1, 0.3))


def test_nothing_is_said_where_a_fact_is_not_told() -> None:
    estimator = Estimator("made", "made", "made", 0.1, 1.0, (Term("size", (), "size", values={"": 1.0}),))
    assert estimator.said({}, {}) is None


def test_spreads_and_slopes_are_found_and_intervals_hold_for_what_is_left_out() -> None:
    samples = made(1)
    found = learning.learn_estimator(MADE, samples)
    by_name = {term.name: term for term in found.terms}
    assert by_name["size"].values[""] == pytest.approx(-0.8, abs=0.02)
    assert 0.2 < by_name["place"].spread < 0.45 and 0.01 < found.noise < 0.04
    left_out = learning.left_out_estimates(MADE, samples, "place")
    held = [one.low <= math.exp(sample.value) <= one.high for one, sample in left_out if one is not None]
    assert len(held) == len(samples) and 0.75 <= sum(held) / len(held) <= 1


def test_a_group_that_is_left_out_says_nothing_of_itself() -> None:
    samples = made(2)
    far = [Sample(one.value + 5, one.factors, one.numbers, one.groups) for one in samples[:3]]
    left_out = dict(
        zip(
            ("10", "20", "80"),
            [one for one, sample in learning.left_out_estimates(MADE, [*far, *samples[3:]], "place")],
            strict=False,
        )
    )
    for one in left_out.values():
        assert one is not None and "place" in one.unseen and one.value < math.exp(2.5)


def test_too_few_rows_are_refused() -> None:
    with pytest.raises(BadInput, match="too few"):
        learning.learn_estimator(MADE, made(1)[:4])


def test_what_is_written_is_read_as_it_was_learnt(tmp_path: Path) -> None:
    found = learning.learn_estimator(MADE, made(3))
    path = tmp_path / "made.ttl"
    path.write_text(learning.turtle_of_estimator(MADE, found), encoding="utf-8")
    store = KnowledgeStore()
    store.load_source(Source(path, "made.ttl"))
    read = estimators(store)["made"]
    assert [term.name for term in read.terms] == [term.name for term in found.terms]
    for factors in ({"kind": "a", "place": "a3"}, {"kind": "b", "place": "elsewhere"}):
        said, again = found.said(factors, {"size": 33.0}), read.said(factors, {"size": 33.0})
        assert said is not None and again is not None
        assert again.value == pytest.approx(said.value, rel=1e-3) and again.unseen == said.unseen
        assert again.rows == said.rows and again.high == pytest.approx(said.high, rel=1e-2)


def test_an_unknown_estimator_is_named_with_the_nearest() -> None:
    with pytest.raises(BadInput, match="mlperf_minutes"):
        learning.declared_estimator("mlperf_minute")


@cache
def next_round() -> tuple[mlperf.Said, ...]:
    """What is said of round v5.0 by what was learnt from v4.1 alone."""
    learnt, judged = mlperf.rounds()
    asked = learning.declared_estimator("mlperf_minutes")
    return tuple(mlperf.said(learning.learn_estimator(asked, learnt), judged))


def test_a_later_round_of_mlperf_is_predicted() -> None:
    found = next_round()
    seen = [mlperf.error(one) for one in found if mlperf.seen(one)]
    unseen = [mlperf.error(one) for one in found if not mlperf.seen(one)]
    assert len(seen) >= 80 and len(unseen) >= 80
    assert median(seen) <= 0.06 and median(unseen) <= 0.22
    assert mlperf.told_apart(found) >= 0.93 and mlperf.told_apart(found, equal_counts=True) >= 0.865


def test_the_shipped_estimator_is_of_all_rows_that_nothing_speaks_against() -> None:
    samples, left_out = learning.samples(learning.declared_estimator("mlperf_minutes"))
    shipped = estimators(reasoner().store)["minutes"]
    behind = {row for rows in shipped.terms[-1].rows.values() for row in rows}
    assert behind == {row for sample in samples for row in sample.rows}
    text = (paths.shipped("evidence") / "mlperf" / "training.ttl").read_text(encoding="utf-8")
    assert text.count("a on:PublishedResult") == len(samples) + len(left_out)


def test_a_plan_says_how_long_a_published_benchmark_takes_and_by_which_results() -> None:
    one, many = planned("llama2_70b_lora", "eos-h100").prediction["time_to_target"]
    assert (one["nodes"], one["accelerators"], many["nodes"], many["accelerators"]) == (1, 8, 8, 64)
    assert 22 < one["low"] < one["value"] < one["high"] < 34 and 3.5 < many["value"] < 6
    assert "mlperf-v4.1-NVIDIA-eos-n8-ngc24.09-nemo-llama2-70b-lora" in many["observations"]
    assert len(one["observations"]) >= 5 and one["unseen"] == []


def test_where_no_result_is_of_the_same_the_interval_is_wider_and_says_so() -> None:
    (known,) = planned("bert", "nyx-b200").prediction["time_to_target"]
    (other,) = planned("bert", "t4-cloud").prediction["time_to_target"]
    assert "measured" in other["unseen"] and other["observations"] == []
    assert other["high"] / other["low"] > 3 * known["high"] / known["low"]


def test_a_benchmark_that_is_not_known_and_a_machine_without_one_are_told() -> None:
    assert planned("llama2_70b_lora", "zen5-virtual").prediction["time_to_target"] == []
    said, *_ = planned("llama2_70b_lora", "zen5-virtual").prediction["unsaid"]
    assert "gpus[0].model" in said
    said, *_ = planned("berd", "eos-h100").prediction["unsaid"]
    assert "'berd'" in said and "bert" in said and "ontune query published-results" in said


def test_what_is_no_benchmark_is_not_spoken_of() -> None:
    plan = reasoner().plan(
        complete_workload("mine", {"network": "mine", "traits": ["Training"]}, "test"),
        load_target("eos-h100", reasoner().store),
    )
    assert plan.prediction["time_to_target"] == []


@pytest.mark.parametrize(
    ("model", "memory", "name"),
    [
        ("NVIDIA H100 80GB HBM3", 79.6, "h100-sxm"),
        ("Tesla V100-SXM2-32GB", 32, "v100-32"),
        ("NVIDIA A100 80GB PCIe", 80, "a100-pcie-80"),
        ("NVIDIA A100-SXM4-80GB", 80, "a100-80"),
        ("V100", 32, None),
        ("a100", None, None),
        ("of nobody", 8, None),
    ],
)
def test_a_product_is_known_by_its_name_and_memory(
    model: str, memory: float | None, name: str | None
) -> None:
    found = product_of({"model": model, "memory_gib": memory})
    assert (found.name if found else None) == name
    if found is not None:
        assert found.numbers["half_peak"] >= found.numbers["single_peak"] > 0
        assert found.numbers["bandwidth"] > 0 and found.numbers["power"] > 0


def test_a_slice_has_not_the_peaks_of_the_product() -> None:
    assert product_of({"model": "NVIDIA A100 80GB PCIe", "mig": "1g.10gb", "memory_gib": 10}) is None


@cache
def rates() -> tuple[Sample, ...]:
    return tuple(learning.samples(learning.declared_estimator("throughput_gpu"))[0])


@cache
def without_its_accelerator() -> tuple[throughput.Said, ...]:
    """What is said of NeuSight's rows where their accelerator is left out of every table, by the shipped spreads."""
    shipped = estimators(reasoner().store)["samples/s on a GPU"]
    wanted = {one.groups["device"] for one in rates() if one.groups["table"] == "neusight"}
    asked, found = learning.declared_estimator("throughput_gpu"), []
    for device in sorted(wanted):
        # What is not of this accelerator is one group more, which nothing is asked of.
        known = [one for one in rates() if one.groups["device"] != device]
        learnt = learning.learn_estimator(
            Declared(asked.name, {**asked.declared, "left_out": []}), known, learning.spreads_of(shipped)
        )
        for one in rates():
            if one.groups["device"] == device and one.groups["table"] == "neusight":
                said = learnt.said(one.factors, one.numbers)
                assert said is not None
                found.append((said, one))
    return tuple(found)


def test_an_accelerator_that_no_row_had_is_predicted_from_others() -> None:
    found = without_its_accelerator()
    assert len(found) == 89 and all("accelerator" in said.unseen for said, _ in found)
    assert fmean(map(throughput.error, found)) <= 0.15
    assert fmean(throughput.error(one) for one in found if one[1].factors["kind"] == "Training") <= 0.17
    errors = {
        device: fmean(map(throughput.error, some))
        for device, some in throughput.by_group(found, "device").items()
    }
    assert max(errors.values()) <= 0.30  # the P4 and the P100 lie above 0.25
    assert sum(error > 0.25 for error in errors.values()) <= 2


def test_no_factor_or_number_is_the_measured_rate() -> None:
    shipped = estimators(reasoner().store)["samples/s on a GPU"]
    assert shipped.needs <= {
        "kind", "class", "precision", "network", "network_in_kind", "case", "accelerator", "architecture",
        "spread_over", "gflop", "peak", "bandwidth", "power", "step_ms",
    }  # fmt: skip
    assert "step_seconds" not in shipped.needs


def test_every_golden_plan_with_known_operations_and_a_known_peak_has_a_throughput() -> None:
    predicted = 0
    for target in target_names():
        machine = load_target(target, reasoner().store)
        for name in workload_names():
            prediction = reasoner().plan(load_workload(name, reasoner().store), machine).prediction
            rate = prediction["throughput"]
            assert rate["value"] is not None and 0 < rate["low"] < rate["value"] < rate["high"], (
                target,
                name,
            )
            assert rate["basis"].startswith("estimated") and prediction["observations"] == []
            predicted += 1
    assert predicted == len(target_names()) * len(workload_names()) >= 138


def rate_of(facts: dict[str, object], target: str = "eos-h100") -> tuple[dict[str, object], str]:
    described = {"network": "mine", "traits": ["Training", "Convolutional"], **facts}
    plan = reasoner().plan(
        complete_workload("mine", described, "test"), load_target(target, reasoner().store)
    )
    return plan.prediction["throughput"], " ".join(plan.prediction["unsaid"])


def test_what_a_throughput_hangs_on_is_told() -> None:
    rate, unsaid = rate_of({})
    assert rate["value"] is None and "`gflop_per_sample`" in unsaid and "FlopCounterMode" in unsaid
    rate, unsaid = rate_of({"gflop_per_sample": 24.0})
    assert rate["value"] is None and "batch" in unsaid
    rate, unsaid = rate_of({"gflop_per_sample": 24.0, "parameters": {"batch": 256}})
    assert rate["value"] is not None and unsaid == ""


def test_a_machine_of_which_no_peak_is_known_says_what_would_settle_it() -> None:
    described = {
        "gflop_per_sample": 24.0,
        "parameters": {"batch": 256},
        "network": "mine",
        "traits": ["Training"],
    }
    small = {
        "model": "NVIDIA GeForce RTX 4070",
        "vendor": "nvidia",
        "arch": "sm_89",
        "compute_capability": "8.9",
        "memory_gib": 12,
        "driver": "580.65.06",
    }
    for name, key, value, word in (
        ("zen5-virtual", "cpu", {"isa_level": "x86_64_v3"}, "cpu.microarchitecture"),
        ("eos-h100", "gpus", [small], "gpus[0].model"),
    ):
        facts = load_target(name, reasoner().store).facts
        target = read_target("made", {"cpu": facts["cpu"], "gpus": facts["gpus"], key: value}, "test")
        plan = reasoner().plan(complete_workload("mine", described, "test"), target)
        assert plan.prediction["throughput"]["value"] is None
        assert word in " ".join(plan.prediction["unsaid"])


def test_further_cores_than_any_row_had_widen_the_interval_downwards() -> None:
    few, many = (
        reasoner()
        .plan(load_workload("mlp", reasoner().store), load_target(name, reasoner().store))
        .prediction
        for name in ("zen5-virtual", "genoa-node")
    )
    few, many = few["throughput"], many["throughput"]
    assert many["high"] > few["high"] and many["high"] / many["low"] > 2 * few["high"] / few["low"]


def test_more_operations_take_longer_and_a_wider_device_is_faster() -> None:
    long = {"gflop_per_sample": 240.0, "parameters": {"batch": 256}}
    short = {"gflop_per_sample": 24.0, "parameters": {"batch": 256}}
    fast, slow = rate_of(short, "eos-h100")[0], rate_of(long, "eos-h100")[0]
    assert float(str(fast["value"])) > 3 * float(str(slow["value"]))
    assert float(str(rate_of(short, "t4-cloud")[0]["value"])) < float(str(fast["value"])) / 2


def test_a_step_that_takes_no_time_at_the_peak_is_bound_by_what_starts_it_and_says_so() -> None:
    rate, unsaid = rate_of({"gflop_per_sample": 0.05, "parameters": {"batch": 64}})
    assert float(str(rate["high"])) / float(str(rate["low"])) > 20 and "`ontune bench DIR`" in unsaid
    asked = learning.declared_estimator("throughput_gpu")
    low, high = estimators(reasoner().store)["samples/s on a GPU"].seen["short_step_seconds"]
    steps = [one.numbers["step_seconds"] for one in learning.short_steps(asked)]
    assert len(steps) > 50 and low == pytest.approx(min(steps), rel=1e-3) and high >= max(steps) * 0.999


def test_rows_faster_than_a_peak_and_repeats_are_left_out_by_name() -> None:
    _, reasons = learning.samples(learning.declared_estimator("throughput_gpu"))
    assert any("faster than the peak" in reason for reason in reasons)
    assert any("repeat" in reason for reason in reasons)
