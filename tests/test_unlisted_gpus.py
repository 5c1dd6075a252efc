"""Forty products that are in no list of ours, drawn from a public one: each gets a build of its maker, or a
refusal with the reason.

`unlisted_gpus.tsv` says which list, how they were drawn, and when.
"""

from __future__ import annotations

import csv
from functools import cache
from pathlib import Path

import pytest

from kb.errors import BadInput, NoFeasiblePlan
from kb.records.accelerators import known_accelerators, words_of
from kb.records.recognition import ended_driver
from kb.records.target import Target, complete_target
from kb.records.workload import load_workload
from kb.store.terms import on
from reasoner.answers.plan import Plan
from reasoner.answers.unknowns import Guesses
from reasoner.model.resolve import find_option
from reasoner.reasoner import Reasoner

LINES = (Path(__file__).parent / "unlisted_gpus.tsv").read_text(encoding="utf-8").splitlines()
ROWS = list(csv.DictReader((line for line in LINES if not line.startswith("#")), delimiter="\t"))
PROCESSOR = {"isa_level": "x86_64_v3", "cores": 16, "usable_cores": 16}
MACHINE = {"cpu": PROCESSOR, "memory_gib": 64, "glibc": "2.35", "os": "ubuntu 22.04", "runtimes": ["docker"]}
BUILDS = {"nvidia": "cuda", "amd": "rocm"}


@cache
def reasoner() -> Reasoner:
    return Reasoner([])


def machine(**gpu: str) -> Target:
    return complete_target("node", MACHINE | {"gpus": [gpu]}, "test").with_devices()


def planned(target: Target) -> Plan | str:
    """The plan, or why there is none."""
    try:
        return reasoner().plan(load_workload("mnist-cnn"), target, framework="pytorch")
    except NoFeasiblePlan as error:
        return str(error)


def devices_of(plan: Plan) -> set[str]:
    """What the wheel and the image of a plan compute on."""
    catalogue, store = reasoner().catalogue, reasoner().store
    taken = [
        find_option(catalogue, f"{decision}={plan.option(decision)}", "")
        for decision in ("wheel", "base_image")
    ]
    return {device for option in taken for device in store.objects(option, on("device"))}


def test_the_products_are_many_and_in_no_list() -> None:
    assert len(ROWS) == 40 and {row["vendor"] for row in ROWS} == {"nvidia", "amd", "intel"}
    listed = {product.words for product in known_accelerators().products}
    assert not [row["model"] for row in ROWS if words_of(row["model"]) in listed]


def described(row: dict[str, str]) -> Target:
    """The product by its name alone; CUDA builds also ask what the driver runs, which no product's name
    tells.
    """
    if row["vendor"] != "nvidia":
        return machine(model=row["model"])
    ended = ended_driver(
        dict.fromkeys(("vendor", "arch", "compute_capability"))
        | {"model": row["model"], "driver": "580.95.05"}
    )
    return machine(model=row["model"], driver="470.256.02" if ended else "580.95.05")


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["model"])
def test_a_product_in_no_list_gets_a_build_of_its_maker_or_a_refusal(row: dict[str, str]) -> None:
    target = described(row)
    (found, *_) = target.facts["gpus"]
    assert found["vendor"] == row["vendor"]
    assert found["compute_capability"] in (row["compute_capability"] or "none", None)
    plan = planned(target)
    if isinstance(plan, str):
        # No build is for this accelerator: of its maker's, none carries code for it or goes with its
        # toolkits; others need another accelerator.
        assert "needs an NVIDIA GPU" in plan or "needs an AMD GPU" in plan
        if row["vendor"] in BUILDS:
            assert (
                "carries no code" in plan
                or "is built with CUDA" in plan
                or "not known whether" in plan
                or "is compiled for" in plan
            )
        return
    assert devices_of(plan) == {BUILDS[row["vendor"]]}
    # What it may not run on is said: either the architecture is known, or it is named with what it would
    # change.
    assert found["arch"] or any(unknown["fact"] == "gpus[0].arch" for unknown in plan.unknowns)


def test_a_name_alone_gets_the_build_that_every_driver_of_the_card_runs() -> None:
    """No driver is stated: unknown is not false.

    One that knows the card is of CUDA 11.1 at least, and what a newer one would change is said.
    """
    plan = planned(machine(model="NVIDIA GeForce RTX 3060"))
    assert isinstance(plan, Plan) and plan.option("wheel").endswith("-cu118")
    (told,) = [unknown for unknown in plan.unknowns if "driver" in unknown["fact"]]
    assert told["probe"] == "--set 'gpus[0].driver=580.65.06'"
    (wheel,) = [change["to"] for change in told["would_change"] if change["decision"] == "wheel"]
    known = planned(machine(model="NVIDIA GeForce RTX 3060").with_overrides({"gpus[0].driver": "580.65.06"}))
    assert isinstance(known, Plan) and known.option("wheel") == wheel


@pytest.mark.parametrize("model", ["Tesla K80", "Tesla T4", "A100"])
def test_of_a_driver_that_is_not_known_the_oldest_that_will_do_is_supposed_and_named(model: str) -> None:
    plan = planned(machine(model=model))
    assert isinstance(plan, Plan) and plan.option("wheel").endswith("cu118")
    (doubt,) = [unknown for unknown in plan.unknowns if not unknown["would_change"]]
    assert "450.80.02" in doubt["fact"] and doubt["probe"].endswith("--set 'gpus[0].driver=450.80.02'")


def test_a_build_that_needs_a_newer_driver_is_doubted_and_not_out_of_reach() -> None:
    """A release without a build for CUDA 11: where it is asked for, CUDA 12 is supposed, and not CUDA 13."""
    plan = reasoner().plan(
        load_workload("mnist-cnn"), machine(model="Tesla T4"), pins={"framework_release": "torch-2.14.1"}
    )
    assert plan.option("wheel") == "torch-2.14.1-cu126"
    assert [
        unknown["fact"]
        for unknown in plan.unknowns
        if "525.60.13" in unknown["fact"] and not unknown["would_change"]
    ]


def test_no_driver_is_proposed_that_the_card_cannot_have() -> None:
    for model, possible in (
        ("Tesla K80", ["450.80.02"]),
        ("Tesla V100", ["580.65.06", "525.60.13", "450.80.02"]),
    ):
        assert (
            Guesses(reasoner().store, reasoner().catalogue, reasoner().rules).values(
                "gpus[0].driver", machine(model=model)
            )
            == possible
        )
    with pytest.raises(
        BadInput, match=r"'580\.65\.06' no longer knows sm_37, whose last drivers are of branch 470"
    ):
        machine(model="Tesla K80", driver="580.65.06")
    with pytest.raises(BadInput, match="of branch 470"):
        machine(model="Tesla K80").set_by_hand(
            {"gpus[0].driver": "580.65.06"}, reasoner().store.names, "--set"
        )


def test_an_accelerator_of_an_unknown_maker_is_given_no_build_in_silence() -> None:
    refusal = planned(machine(model="Foo 9000"))
    assert (
        isinstance(refusal, str)
        and "needs an AMD GPU" in refusal
        and "--set 'gpus[0].vendor=nvidia'" in refusal
    )
    assert "--set 'gpus[0].vendor=amd'" in refusal
    assert isinstance(planned(machine(model="Foo 9000").with_overrides({"gpus[0].vendor": "amd"})), Plan)


def test_an_architecture_that_is_not_known_is_named_with_what_it_would_change() -> None:
    plan = planned(machine(model="NVIDIA GeForce RTX 6080", driver="580.95.05"))
    assert isinstance(plan, Plan) and devices_of(plan) == {"cuda"}
    (told,) = [unknown for unknown in plan.unknowns if unknown["fact"] == "gpus[0].arch"]
    assert {change["decision"] for change in told["would_change"]} >= {"wheel"}
    assert told["probe"] == f"--set 'gpus[0].arch={told['if']}'"
