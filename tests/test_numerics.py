"""What may happen to the numbers: the four classes, and that no plan, defaults included, exceeds the one that
was asked for.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest

from kb.errors import BadInput, NoFeasiblePlan
from kb.records.target import Target
from kb.records.targets import load_target, target_names
from kb.records.workload import Workload, load_workload, workload_names
from kb.store.store import KnowledgeStore
from kb.store.terms import local_name, on
from reasoner.answers.plan import Plan
from reasoner.reasoner import Reasoner

# As the documents state it, against which the knowledge is held.
ORDER = (
    "bitwise",
    "exact",
    "mixed",
    "lossy",
)
NETWORKS = ("mnist-cnn", "transformer")
TF32_OFF = {
    ("env", "NVIDIA_TF32_OVERRIDE", "0"),
    ("env", "JAX_DEFAULT_MATMUL_PRECISION", "highest"),
    ("code", "fp32_mode", "ieee"),
}


@cache
def reasoner() -> Reasoner:
    return Reasoner([])


@cache
def target(name: str) -> Target:
    return load_target(name, reasoner().store)


@cache
def workload(name: str) -> Workload:
    return load_workload(name, reasoner().store)


@cache
def plan(machine: str, network: str, numerics: str | None = None, framework: str | None = None) -> Plan:
    return reasoner().plan(workload(network), target(machine), numerics=numerics, framework=framework, top=0)


@cache
def class_of() -> dict[tuple[str, str], str]:
    """The class that the knowledge states for an option, by decision and option, read by a query and not by
    the reasoner.
    """
    rows = reasoner().full_store.select(
        "SELECT ?d ?o ?c WHERE { ?i on:optionOf/skos:notation ?d ; on:numerics/skos:notation ?c . OPTIONAL { ?i skos:notation ?n }"
        " BIND(COALESCE(?n, REPLACE(STR(?i), '^.*/', '')) AS ?o) }"
    )
    return {(row["d"], row["o"]): row["c"] for row in rows}


@cache
def defaults() -> dict[str, set[str]]:
    """The default of every decision, and what frameworks document as theirs."""
    catalogue = reasoner().catalogue
    documented = {option for options in catalogue.default_with.values() for option in options}
    return {
        catalogue.name[d]: {
            catalogue.name[o] for o in {catalogue.default[d], *(documented & set(catalogue.options[d]))}
        }
        for d in catalogue.options
    }


def may_use_tf32(machine: str) -> bool:
    """Whether a shipped machine's accelerators multiply fp32 in TF32 unless told otherwise."""
    capabilities = [gpu.get("compute_capability") for gpu in target(machine).facts.get("gpus") or ()]
    return any(text not in (None, "none") and float(text) >= 8 for text in capabilities)


def loosest(chosen: Plan, machine: str) -> str:
    """The class of a plan that was asked for by formats: its departures from defaults, and TF32 where that is
    left as it stands.
    """
    found = {"bitwise"}
    for taken in chosen.decisions:
        if taken.option not in defaults()[taken.decision]:
            found.add(class_of()[taken.decision, taken.option])
    if may_use_tf32(machine) and chosen.option("fp32_mode") == "fp32-framework":
        found.add("mixed")
    return max(found, key=ORDER.index)


def applied(chosen: Plan) -> set[tuple[str, str, str]]:
    return {(one.how, one.name, one.value) for one in chosen.decision("fp32_mode").apply}


def test_the_classes_and_their_order_are_knowledge() -> None:
    assert reasoner().numerics == ORDER
    assert reasoner().exceeds("mixed", "bitwise") and not reasoner().exceeds("exact", "exact")
    with pytest.raises(BadInput, match=r"numerics.*'exat'.*did you mean 'exact'"):
        reasoner().plan(workload("mlp"), target("zen5-virtual"), numerics="exat")


def test_no_python_lists_the_classes_in_their_order() -> None:
    store: KnowledgeStore = reasoner().store
    assert {local_name(iri) for iri in store.instances(on("Numerics"))} == {
        "Bitwise",
        "Exact",
        "Mixed",
        "Lossy",
    }
    assert len(store.objects(on("Lossy"), on("exceeds"))) == 3 and not store.objects(
        on("Bitwise"), on("exceeds")
    )


@pytest.mark.parametrize(
    ("option", "numerics"),
    [
        ("allocator=tcmalloc", "bitwise"),
        ("wait_policy=wait-passive", "bitwise"),
        ("data_path=data-node-local", "bitwise"),
        ("image_source=debootstrap", "bitwise"),
        ("user_site=user-site-hidden", "bitwise"),
        ("compile_cache=compile-cache-node-local", "bitwise"),
        ("pooling_order=pooling-first", "bitwise"),
        ("threads=threads-usable", "exact"),
        ("memory_format=channels_last", "exact"),
        ("compiler=inductor", "exact"),
        ("optimizer_impl=optimizer-fused", "exact"),
        ("attention=flash-attention-2", "exact"),
        ("onednn=onednn-avx2", "exact"),
        ("gemm_library=hipblaslt", "exact"),
        ("flush_denormals=denormals-flushed", "exact"),
        ("fp32_mode=fp32-ieee", "exact"),
        ("framework_release=torch-2.13.0", "exact"),
        ("wheel=torch-2.13.0-cu126", "exact"),
        ("base_image=debian-13", "exact"),
        ("precision=tf32", "mixed"),
        ("precision=bf16", "mixed"),
        ("fp32_mode=fp32-as-bf16", "mixed"),
        ("precision=fp8", "lossy"),
    ],
)
def test_an_option_is_of_the_class_of_its_kind(option: str, numerics: str) -> None:
    decision, _, name = option.partition("=")
    assert class_of()[decision, name] == numerics


def test_every_option_has_a_class_and_every_default_that_sets_nothing_keeps_bits() -> None:
    catalogue = reasoner().catalogue
    assert class_of().keys() == {
        (catalogue.name[info.decision], info.name) for info in catalogue.info.values()
    }
    idle = {
        (catalogue.name[d], catalogue.name[o])
        for d, o in catalogue.default.items()
        if not catalogue.info[o].applications
    }
    stack = {"python", "base_image", "framework_release", "wheel"}
    assert {pair: class_of()[pair] for pair in idle if pair[0] not in stack} == {
        pair: "bitwise" for pair in idle if pair[0] not in stack
    }


def check(machine: str, network: str, numerics: str | None) -> None:
    """No option taken, and no default left standing, exceeds the class; the plan says of which it is."""
    chosen = plan(machine, network, numerics)
    assert chosen.asked_numerics == (numerics or "")
    if numerics != "bitwise":
        assert chosen.numerics == loosest(chosen, machine), (machine, network, numerics)
    if numerics is not None:
        assert ORDER.index(chosen.numerics) <= ORDER.index(numerics), (machine, network, numerics)
    mode = chosen.option("fp32_mode")
    if numerics == "exact":
        assert mode == ("fp32-ieee" if may_use_tf32(machine) else "fp32-framework"), (machine, network)
        assert not may_use_tf32(machine) or (
            applied(chosen) == TF32_OFF and "TF32" in chosen.decision("fp32_mode").reasons[-1].text
        )
    else:
        assert mode == "fp32-framework", (machine, network, numerics)


@pytest.mark.parametrize("machine", target_names())
def test_no_plan_exceeds_its_class(machine: str) -> None:
    for network in NETWORKS:
        for numerics in (None, *ORDER):
            check(machine, network, numerics)


@pytest.mark.long
@pytest.mark.parametrize("machine", target_names())
def test_no_plan_of_the_whole_grid_exceeds_its_class(machine: str) -> None:
    for network in workload_names():
        for numerics in (None, *ORDER):
            check(machine, network, numerics)


@pytest.mark.parametrize("machine", target_names())
def test_a_bitwise_plan_departs_by_what_keeps_bits_or_where_the_default_cannot_be_had(machine: str) -> None:
    chosen = plan(machine, "mnist-cnn", "bitwise")
    assert chosen.numerics == "bitwise"
    changing = [
        one
        for one in chosen.decisions
        if one.option not in defaults()[one.decision] and class_of()[one.decision, one.option] != "bitwise"
    ]
    assert {one.decision for one in changing} <= {
        "framework",
        "framework_release",
        "wheel",
        "python",
        "base_image",
    }, changing
    standing = {
        reasoner().catalogue.name[decision]: reasoner().catalogue.name[option]
        for decision, option in reasoner().catalogue.default.items()
    }
    if (
        changing
    ):  # not all of their defaults can be had together, or only with something that was not tried there
        try:
            pins = {one.decision: standing[one.decision] for one in changing}
            asked = reasoner().plan(workload("mnist-cnn"), target(machine), numerics="lossy", pins=pins)
        except NoFeasiblePlan:
            return
        assert [
            unknown["fact"]
            for unknown in asked.unknowns
            if unknown["fact"].startswith("it is not known whether")
        ]


def test_bits_are_compared_with_what_stands_and_with_what_is_pinned() -> None:
    chosen = plan("zen5-virtual", "mnist-cnn", "bitwise")
    assert chosen.option("allocator") == "tcmalloc" and chosen.option("precision") == "fp32"
    answer = reasoner().why_not(
        "memory_format=channels_last",
        workload("mnist-cnn"),
        target("zen5-virtual"),
        numerics="bitwise",
        framework="pytorch",
    )
    assert answer["status"] == "conflict" and "may change bits (exact)" in answer["reasons"][0]["text"]
    mine = reasoner().plan(
        workload("mnist-cnn"),
        target("zen5-virtual"),
        numerics="bitwise",
        pins={"memory_format": "channels_last"},
    )
    assert (mine.option("memory_format"), mine.numerics) == ("channels_last", "bitwise")
    keras = plan("zen5-virtual", "mnist-cnn", "bitwise", "tensorflow")
    assert (keras.option("compiler"), keras.numerics) == ("tf-graph", "bitwise")


@pytest.mark.parametrize("framework", ["pytorch", "tensorflow"])
def test_exact_switches_tf32_off_in_every_framework(framework: str) -> None:
    exact = plan("clemson-a100", "mnist-cnn", "exact", framework)
    assert applied(exact) == TF32_OFF and exact.numerics == "exact"
    assert plan("v100-node", "mnist-cnn", "exact", framework).option("fp32_mode") == "fp32-framework"
    default = plan("clemson-a100", "mnist-cnn", None, framework)
    assert (
        "TF32 unless told otherwise: mixed on this machine" in default.decision("fp32_mode").reasons[-1].text
    )


def test_exact_switches_tf32_off_in_a_script_for_jax_and_where_the_gpu_is_not_known() -> None:
    own = Workload("own", {"framework": "jax", "traits": ["Training", "Attention"]})
    assert applied(reasoner().plan(own, target("clemson-a100"), numerics="exact")) == TF32_OFF
    unknown = target("clemson-a100").with_overrides(
        {"gpus": [{"model": "NVIDIA X", "vendor": "nvidia", "driver": "550.90.07"}]}
    )
    assert (
        reasoner().plan(workload("mnist-cnn"), unknown, numerics="exact").option("fp32_mode") == "fp32-ieee"
    )


@pytest.mark.parametrize("network", ["mnist-cnn", "transformer", "lstm", "mlp"])
def test_tf32_is_not_refused_for_want_of_evidence_where_bf16_has_it(network: str) -> None:
    for numerics in (None, "mixed"):
        given: Any = {"pins": {"precision": "tf32"}, "framework": "pytorch", "numerics": numerics}
        assert (
            reasoner().plan(workload(network), target("clemson-a100"), **given).option("precision") == "tf32"
        )
    answer = reasoner().why_not("tf32", workload(network), target("clemson-a100"), framework="pytorch")
    assert answer["status"] == "beaten" and "no evidence" not in str(answer["reasons"])
    unheard = Workload("own", {"framework": "pytorch", "traits": ["Training"]})
    refused = reasoner().why_not("tf32", unheard, target("clemson-a100"))
    assert (
        refused["status"] == "conflict"
        and "no evidence shows that tf32, or coarser arithmetic" in refused["reasons"][0]["text"]
    )


def test_what_a_plan_says_is_accepted_by_a_word_is_accepted_by_it() -> None:
    for numerics in (None, "bitwise", "exact"):
        offered = [
            one
            for one in plan("v100-node", "mnist-cnn", numerics).on_request
            if one["decision"] == "precision"
        ]
        assert offered or numerics is None
        for one in offered:
            allow = one["accept"].removeprefix("--allow ")
            taken = reasoner().plan(
                workload("mnist-cnn"), target("v100-node"), numerics=numerics, allow=(allow,)
            )
            assert taken.option("precision") == one["option"] and taken.numerics == "mixed"


def test_bitwise_is_told_apart_from_a_run_that_repeats_itself() -> None:
    note = plan("v100-node", "mnist-cnn", "bitwise").numerics_note
    assert "whether a run repeats its own bits is another decision, determinism" in note
    assert [plan("v100-node", "mnist-cnn", other).numerics_note for other in (None, "exact")] == ["", ""]
    pinned = reasoner().plan(
        workload("mnist-cnn"), target("v100-node"), framework="pytorch", pins={"determinism": "deterministic"}
    )
    assert {one.value for one in pinned.applied("env") if one.name == "CUBLAS_WORKSPACE_CONFIG"} == {
        ":4096:8"
    }
