"""Learning from rows: what is written is what is scored, families are left out whole, and what was learnt
stands before what was quoted.
"""

from __future__ import annotations

import math
import random
import sys
from functools import cache
from pathlib import Path
from statistics import fmean

import pytest

from kb import learning, paths
from kb.errors import BadInput
from kb.learning import Case, Question
from reasoner.menu import Effect
from reasoner.reasoner import Reasoner

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "benchmarks"))
import layout

QUESTION = "layout_training"
DECLARED = {"features": {"share": "groupedShare"}, "regions": 2, "least": 4}


@cache
def known() -> tuple[Case, ...]:
    return tuple(learning.cases(learning.question(QUESTION)))


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


def test_the_shipped_effects_are_what_the_shipped_rows_say() -> None:
    asked = learning.question(QUESTION)
    shipped = paths.shipped("facts") / "effects" / f"learnt_{QUESTION}.ttl"
    assert shipped.read_text(encoding="utf-8") == learning.turtle(asked, learning.learn(asked, known()))


def test_no_number_of_the_answer_is_a_feature_of_the_question() -> None:
    features = set(learning.question(QUESTION).features)
    assert not features & {"network", "machine", "value", "batch", "framework_version"}
    assert set(known()[0].numbers) <= features


def test_what_was_learnt_stands_before_what_was_quoted() -> None:
    reasoner = Reasoner([])
    learnt = {iri for iri, effect in reasoner.menu.effects.items() if effect.learnt}
    assert learnt
    table = layout.load_target("v100-node", reasoner.store)
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
        workload = layout.complete_workload(
            "own", {"traits": ["Training", "Convolutional"], "layers": numbers}, "own"
        )
        plan = reasoner.plan(workload, table, framework="pytorch", pins={"precision": "fp16"})
        assert plan.option("memory_format") == expected


@pytest.mark.parametrize(("mean", "counts"), [((1.05, 1.2), True), ((0.95, 1.2), False), (None, False)])
def test_the_choice_asks_the_interval_of_the_mean(mean: tuple[float, float] | None, counts: bool) -> None:
    effect = Effect("urn:e", "urn:o", (), frozenset(), "urn:c", 1.1, 0.8, 1.4, mean)
    assert bool(effect.weight) == counts


@pytest.mark.slow
def test_the_layout_that_is_planned_for_left_out_families_is_nearly_the_best() -> None:
    asked = learning.question(QUESTION)
    found = layout.readings(asked, known())
    assert len(found) == len(known())
    for version, never, always in (("1.10", 1.16, 1.15), ("1.11", 1.14, 1.16)):
        assert round(layout.constant(known(), version, False), 2) == never
        assert round(layout.constant(known(), version, True), 2) == always
        assert layout.regret(found, version) <= 1.04
    for fold in layout.left_out(known()):
        rest = learning.without(known(), fold)
        assert not {case.family for case in fold} & {case.family for case in rest}
        assert not {case.twin for case in fold} & {case.twin for case in rest}


def test_ratios_that_were_dealt_anew_tell_nothing() -> None:
    """As good as a coin at best: no worse than the better constant would be a leak."""
    asked, gained = learning.question(QUESTION), []
    for fold in layout.left_out(known()):
        rest = learning.without(known(), fold)
        ratios = [case.ratios for case in rest]
        random.Random(2).shuffle(ratios)
        regions = learning.learn(
            asked, [layout.replace(case, ratios=dealt) for case, dealt in zip(rest, ratios, strict=True)]
        )
        for case in fold:
            takes = any(
                case.numbers and region.holds(case.numbers) and region.mean[0] > 0 for region in regions
            )
            gained.append(max(-case.ratio, 0.0) if takes else max(case.ratio, 0.0))
    best_constant = min(
        fmean(max(case.ratio, 0.0) for case in known()), fmean(max(-case.ratio, 0.0) for case in known())
    )
    assert fmean(gained) > 0.85 * best_constant
