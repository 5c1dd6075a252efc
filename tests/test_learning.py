"""Learning from rows: what is written is what is scored, families are left out whole, and what was learnt
stands before what was quoted.
"""

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
from kb.observations.learning import Case, Question
from kb.store import paths
from ontune.cli import main
from reasoner.model.catalogue import Effect
from reasoner.reasoner import Reasoner

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "benchmarks"))
import compiling
import layout
import learnt

QUESTION = "layout_training"
LAYOUTS = (QUESTION, "layout_inference")
DECLARED = {"features": {"share": "groupedShare"}, "regions": 2, "least": 4}


@cache
def known(name: str = QUESTION) -> tuple[Case, ...]:
    return tuple(learning.cases(learning.question(name)))


def made(n: int, share: float, ratio: float, family: str = "") -> Case:
    return Case(f"net{n}", "224", family or f"family{n}", f"net{n}", {"share": share}, {"1": ratio})


def test_a_threshold_is_found_and_both_sides_are_told_apart() -> None:
    given = [made(n, n / 20, 0.2 if n < 10 else -0.5) for n in range(20)]
    low, high = learning.learn(Question("made", DECLARED), given)
    assert low.bounds["share"] == (-math.inf, high.bounds["share"][0])
    assert 0.45 <= high.bounds["share"][0] <= 0.5
    assert (round(low.ratio, 6), round(high.ratio, 6)) == (0.2, -0.5)


def test_networks_of_one_family_say_nothing_of_others() -> None:
    one = [made(n, 0.1, 0.2, "only") for n in range(10)]
    many = [made(n, 0.9, 0.2 + 0.01 * (-1) ** n) for n in range(10, 20)]
    regions = learning.learn(Question("made", DECLARED | {"regions": 2}), [*one, *many])
    assert any(region.families == 1 for region in regions) or len(regions) == 1
    for region in regions:
        crosses = region.mean[0] <= 0 <= region.mean[1]
        assert crosses == (region.families == 1), region


def test_too_few_cases_are_refused() -> None:
    with pytest.raises(BadInput, match="too few"):
        learning.learn(Question("made", DECLARED), [made(1, 0.1, 0.2)])


def test_a_left_out_family_takes_twins_and_other_names_along() -> None:
    by_name = {case.network: case for case in known()}
    kept = {case.network for case in learning.without(known(), [by_name["resnet50"]])}
    assert not kept & {"resnet50", "gluon_resnet50_v1b", "ssl_resnet50", "tv_resnet50"}
    assert "resnet101" in kept


@pytest.mark.parametrize("name", learning.questions())
def test_the_shipped_effects_are_what_the_shipped_rows_say(name: str) -> None:
    asked = learning.question(name)
    shipped = paths.shipped("facts") / "effects" / f"learnt_{name}.ttl"
    assert shipped.read_text(encoding="utf-8") == learning.turtle(asked, learning.learn(asked, known(name)))


@pytest.mark.parametrize("name", learning.questions())
def test_no_number_of_the_answer_is_a_feature_of_the_question(name: str) -> None:
    features = set(learning.question(name).features)
    assert not features & {"network", "machine", "value", "batch", "framework_version"}
    assert set(known(name)[0].numbers) <= features


def test_few_networks_promise_less_than_many() -> None:
    spread = [0.1 * (-1) ** n for n in range(40)]
    few = [made(n, 0.1, ratio) for n, ratio in enumerate(spread[:4])]
    many = [made(n, 0.9, ratio + 1) for n, ratio in enumerate(spread, 4)]
    low, high = learning.learn(Question("made", DECLARED), [*few, *many])
    assert (low.networks, high.networks) == (4, 40)
    assert low.interval[1] - low.interval[0] > 2 * (high.interval[1] - high.interval[0])
    assert (round(high.interval[0], 6), round(high.interval[1], 6)) == (0.9, 1.1)


def test_families_that_are_left_out_decide_how_many_regions_there_are() -> None:
    """Ratios that follow nothing are not cut, and those that follow a threshold are."""
    drawing = random.Random(0)
    sizes = DECLARED | {"regions": [2, 8], "least": [2, 4], "judged_by": "size"}
    noise = [made(n, n / 60, drawing.gauss(0, 0.3), f"family{n % 20}") for n in range(60)]
    steps = [made(n, n / 60, float(n // 15), f"family{n % 20}") for n in range(60)]
    assert len(learning.learn(Question("made", sizes), noise)) == 2
    assert len(learning.learn(Question("made", sizes), steps)) >= 4


def test_what_was_learnt_stands_before_what_was_quoted() -> None:
    reasoner = Reasoner([])
    assert any(effect.learnt for effect in reasoner.catalogue.effects.values())
    table = learnt.load_target("v100-node", reasoner.store)
    for shares, expected in (
        ((0.0, 0.009, 0.437, 0.296), "channels_last"),
        ((0.538, 0.002, 0.067, 0.259), "contiguous"),
    ):
        numbers = dict(
            zip(
                ("grouped_share", "odd_channel_share", "spatial_share", "batch_norm_share"),
                shares,
                strict=True,
            )
        )
        workload = learnt.complete_workload(
            "own", {"traits": ["Training", "Convolutional"], "layers": numbers}, "own"
        )
        plan = reasoner.plan(workload, table, framework="pytorch", pins={"precision": "fp16"})
        assert plan.option("memory_format") == expected


@pytest.mark.parametrize(("mean", "counts"), [((1.05, 1.2), True), ((0.95, 1.2), False), (None, False)])
def test_the_choice_asks_the_interval_of_the_mean(mean: tuple[float, float] | None, counts: bool) -> None:
    effect = Effect("urn:e", "urn:o", (), frozenset(), "urn:c", 1.1, 0.8, 1.4, mean)
    assert bool(effect.weight) == counts


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "each", "bound", "constants"),
    [
        (QUESTION, 1, 1.04, {"1.10": (1.16, 1.15), "1.11": (1.14, 1.16)}),
        ("layout_inference", 4, 1.012, {"2.1.0": (1.11, 1.02)}),
    ],
)
def test_the_layout_that_is_planned_for_left_out_families_is_nearly_the_best(
    name: str, each: int, bound: float, constants: dict[str, tuple[float, float]]
) -> None:
    """Of many networks one in `each` is read; who is left out and what is learnt is the same."""
    asked, cases = learning.question(name), known(name)
    found = learnt.readings(asked, cases, each=each)
    assert len(found) * each >= len(cases)
    assert set(learnt.versions_of(cases)) == constants.keys()
    for version, (never, always) in constants.items():
        assert round(layout.constant(cases, version, False), 2) == never
        assert round(layout.constant(cases, version, True), 2) == always
        assert layout.regret(found, version) <= bound
    for fold in learning.left_out(cases, learnt.FOLDS):
        rest = learning.without(cases, fold)
        assert not {case.family for case in fold} & {case.family for case in rest}
        assert not {case.twin for case in fold} & {case.twin for case in rest}


@pytest.mark.slow
@pytest.mark.parametrize("name", compiling.QUESTIONS)
def test_the_gain_of_compiling_that_is_said_of_left_out_families_is_nearly_right(name: str) -> None:
    """Of ten networks one is read, so the bound of all of them, 0.15, is shown by the benchmark."""
    asked, cases = learning.question(name), known(name)
    found = learnt.readings(asked, cases, each=10)
    assert all(reading.ratio is not None for reading in found)
    errors = [compiling.error(reading) for reading in found]
    usual = median(case.ratio for case in cases)
    constant = fmean(compiling.error(layout.Reading(r.case, True, usual)) for r in found)
    assert 0.17 <= compiling.constant(cases) <= 0.18
    assert fmean(errors) <= 0.15
    assert fmean(errors) < 0.9 * constant


@pytest.mark.slow
def test_the_gain_of_compiling_that_another_gpu_measured_is_carried_over() -> None:
    """Of twelve networks one is read, so the bound of all of them, 0.07, is shown by the benchmark."""
    name = compiling.QUESTIONS[0]
    asked, cases = learning.question(name), known(name)
    found = learnt.carried_readings(asked, cases, each=12)
    dealt = learnt.carried_readings(asked, cases, each=60, permuted=1)
    assert len(found) > 100
    assert fmean(map(compiling.error, found)) <= 0.07
    assert fmean(map(compiling.error, dealt)) > 0.17, (
        "with another network's gain it is no better than a constant"
    )


def test_what_is_carried_over_is_the_gain_elsewhere_times_what_the_others_differ_by() -> None:
    there = [made(n, n / 40, 0.5) for n in range(40)]
    here = [made(n, n / 40, 0.5 + (0.1 if n < 20 else 0.3)) for n in range(40)]
    elsewhere = {"regions": 2, "least": 4}
    asked = Question(
        "made", DECLARED | {"elsewhere": elsewhere, "regions": 1, "least": 40, "judged_by": "size"}
    )
    few, many = made(90, 0.1, 1.0), made(91, 0.9, 0.2)
    first, second = learning.carried(asked, here, there, [few, many])
    assert (round(first.region.ratio, 6), round(second.region.ratio, 6)) == (1.1, 0.5)
    assert first.region.interval[0] <= first.region.ratio <= first.region.interval[1]
    unknown = learning.Case("other", "224", "other", "other", {}, {"1": 0.4})
    assert not learning.carried(asked, here, there, [unknown])


def test_a_network_that_another_machine_has_run_is_learnt_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ONTUNE_DATA_HOME", str(tmp_path))
    words = ["kb", "learn", "compile_inference_ada", "--network"]
    assert run(*words, "resnet5") == 2
    assert "resnet50" in capsys.readouterr().err
    assert run("kb", "learn", "layout_training", "--network", "resnet50") == 2
    assert run(*words, "resnet50", "-o", str(tmp_path)) == 0
    text = (tmp_path / "learnt_compile_inference_ada_networks.ttl").read_text()
    base = Reasoner([])
    knowledge = learnt.Overlaid(
        base.store, learning.question("compile_inference_ada"), text, gpu(base, "rtx-4090")
    )
    (case,) = (
        one for one in known("compile_inference_ada") if (one.network, one.image_size) == ("resnet50", "224")
    )
    said = knowledge.read(case)
    assert said.ratio is not None and said.interval is not None
    assert said.interval[0] < case.ratio < said.interval[1]
    assert said.interval[1] - said.interval[0] < 0.4


def gpu(reasoner: Reasoner, name: str) -> learnt.Target:
    told = learnt.MACHINES[name] | {"vendor": "nvidia", "driver": "580.65.06"}
    return learnt.load_target("v100-node", reasoner.store).with_overrides({"gpus": [told]})


def run(*words: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(list(words))
    return int(ended.value.code or 0)


def test_intervals_are_widened_until_left_out_families_lie_inside() -> None:
    """Families that differ as wholes: within one the ratios are the same, so many networks do not help."""
    drawing = random.Random(1)
    middles = [drawing.gauss(0, 0.3) for _ in range(12)]
    given = [made(n, n / 240, middles[n % 12], f"family{n % 12}") for n in range(240)]
    asked = {"regions": [2, 4], "least": [20], "judged_by": "size"}
    open_, fixed = (
        learning.learn(Question("made", DECLARED | sizes), given)
        for sizes in (asked, {"regions": 2, "least": 20})
    )
    width = max(region.interval[1] - region.interval[0] for region in open_)
    assert width >= max(region.interval[1] - region.interval[0] for region in fixed)
    held = [
        fmean(
            region.interval[0] <= case.ratio <= region.interval[1]
            for case in given
            if case.family == family
            for region in open_
            if region.holds(case.numbers)
        )
        for family in {case.family for case in given}
    ]
    assert fmean(held) >= 0.85


@pytest.mark.parametrize("name", LAYOUTS)
def test_ratios_that_were_dealt_anew_tell_nothing(name: str) -> None:
    """As good as a coin at best: no worse than the better constant would be a leak."""
    asked, gained = learning.question(name), []
    for fold in learning.left_out(known(name), learnt.FOLDS):
        rest = learning.without(known(name), fold)
        ratios = [case.ratios for case in rest]
        random.Random(2).shuffle(ratios)
        regions = learning.learn(
            asked, [learnt.replace(case, ratios=dealt) for case, dealt in zip(rest, ratios, strict=True)]
        )
        for case in fold:
            takes = any(
                case.numbers and region.holds(case.numbers) and region.mean[0] > 0 for region in regions
            )
            gained.append(max(-case.ratio, 0.0) if takes else max(case.ratio, 0.0))
    best_constant = min(
        fmean(max(case.ratio, 0.0) for case in known(name)),
        fmean(max(-case.ratio, 0.0) for case in known(name)),
    )
    assert fmean(gained) > 0.85 * best_constant
