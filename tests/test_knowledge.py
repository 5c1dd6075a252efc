"""The shipped knowledge: how much there is, what it must contain, what its shapes refuse, and that one file
extends it.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from kb.errors import NoFeasiblePlan
from kb.records.targets import load_target
from kb.records.workload import load_workload
from kb.store.sources import Source, shipped_sources
from kb.store.store import KnowledgeStore
from reasoner.answers.plan import Plan
from reasoner.knowledge.compile import compile_sources
from reasoner.reasoner import Reasoner
from tests.turtle import PREFIX_LINES


@cache
def shipped() -> Reasoner:
    return Reasoner([])


def count(pattern: str) -> int:
    return int(
        shipped().full_store.select(f"SELECT (COUNT(DISTINCT ?x) AS ?n) WHERE {{ {pattern} }}")[0]["n"]
    )


def with_addition(tmp_path: Path, text: str) -> tuple[KnowledgeStore, dict[Source, str]]:
    path = tmp_path / "addition.ttl"
    path.write_text(PREFIX_LINES + text, encoding="utf-8")
    return compile_sources(shipped_sources(), [Source(path, "additions/0/addition.ttl", added=True)])


def plan(target: str, workload: str = "mnist-cnn", reasoner: Reasoner | None = None, **pins: str) -> Plan:
    planner = reasoner or shipped()
    return planner.plan(load_workload(workload, planner.store), load_target(target, planner.store), pins=pins)


@pytest.mark.parametrize(
    ("what", "least"),
    [
        ("?x a on:Accelerator", 45),
        ("?x on:optionOf kb:compiler", 16),
        ("?x on:optionOf kb:base_image", 60),
        (
            "?x on:optionOf ?d FILTER(?d NOT IN (kb:framework_release, kb:wheel, kb:base_image, kb:python))",
            60,
        ),
        ("?x on:optionOf kb:framework_release ; on:releaseOf kb:pytorch", 16),
        ("?x on:optionOf kb:framework_release ; on:releaseOf kb:tensorflow", 18),
        ("?x on:optionOf kb:framework_release ; on:releaseOf kb:jax", 8),
        (
            "{ ?x a on:Derivation } UNION { ?x a on:ConflictRule } UNION { ?x a on:Conflict } UNION { ?x a on:Effect }",
            120,
        ),
        ("?x a on:Target ; skos:notation ?n", 20),
        ("?x a on:Target ; skos:notation ?n ; on:accelerators ?k FILTER(?k > 1)", 8),
        ("?x a on:Target ; skos:notation ?n ; on:nodes ?k FILTER(?k > 1)", 4),
    ],
)
def test_there_is_enough_of(what: str, least: int) -> None:
    assert count(what) >= least


def test_what_is_ended_is_known_with_its_date() -> None:
    ended = {
        row["n"]
        for row in shipped().full_store.select("SELECT ?n WHERE { ?o on:ended ?date ; skos:notation ?n }")
    }
    assert {"mxnet", "cntk", "ngraph", "glow", "onnc"} <= ended


def test_a_cpu_with_full_rate_bf16_gets_bf16_and_neither_xla_nor_inductor_for_convolutions() -> None:
    chosen = plan("zen5-virtual")
    assert chosen.option("precision") == "bf16"
    assert chosen.option("compiler") not in ("xla", "inductor")
    compiler = next(taken for taken in chosen.decisions if taken.decision == "compiler")
    for rival in ("xla", "inductor"):
        said = next(gone for gone in compiler.rejected if gone.option == rival)
        assert any(reason.sources for reason in said.reasons)


def test_pytorch_on_that_cpu_gets_channels_last_bf16_and_another_allocator() -> None:
    chosen = plan("zen5-virtual", framework="pytorch")
    assert (chosen.option("precision"), chosen.option("memory_format")) == ("bf16", "channels_last")
    assert chosen.option("allocator") != "malloc"
    assert chosen.prediction["vs_default"]["value"] >= 2.0


def test_an_intel_cpu_whose_matrix_unit_is_hidden_stays_in_fp32() -> None:
    assert plan("sapphire-rapids-virtual").option("precision") == "fp32"
    assert plan("sapphire-rapids-node").option("precision") == "bf16"


@pytest.mark.parametrize(
    ("target", "base", "possible"),
    [("p100-node", "debian-12-build", False), ("v100-node", "debian-12-build", True)],
)
def test_torch_inductor_needs_a_device_that_triton_knows_and_a_compiler(
    target: str, base: str, possible: bool
) -> None:
    if possible:
        assert plan(target, compiler="inductor").option("base_image") not in ("debian-12", "debian-13")
    else:
        with pytest.raises(NoFeasiblePlan, match="inductor"):
            plan(target, compiler="inductor", base_image=base)


@pytest.mark.parametrize(
    ("host", "launcher", "inside"),
    [
        ({"mpi": "openmpi 4.1.4"}, "mpirun", "openmpi-4"),
        ({"mpi": "openmpi 5.0.7"}, "mpirun", "openmpi-5"),
        ({"mpi": "intel-mpi 2021.13"}, "mpirun", "mpich-4"),
        ({"mpi": "none"}, "mpirun", None),
        ({"mpi": "mpich 4.0.2", "process_management": ["pmix"]}, "srun-pmix", "openmpi-pmix"),
        ({"mpi": "openmpi 5.0.7", "process_management": ["pmi2"]}, "srun-pmi2", "mpich-pmi2"),
        ({"mpi": "openmpi 4.1.4", "process_management": ["pmi2"]}, "srun-pmix", None),
    ],
)
def test_host_and_image_have_mpi_of_one_family(
    host: dict[str, object], launcher: str, inside: str | None
) -> None:
    planner = shipped()
    target = load_target("genoa-node", planner.store).with_overrides(host)
    workload = load_workload("mlp", planner.store)
    if inside is None:
        with pytest.raises(NoFeasiblePlan, match=launcher):
            planner.plan(workload, target, pins={"launcher": launcher})
    else:
        assert planner.plan(workload, target, pins={"launcher": launcher}).option("mpi") == inside


def test_a_release_that_the_wheel_folder_does_not_hold_is_rejected_with_that_reason() -> None:
    target = load_target("zen5-virtual", shipped().store).with_overrides(
        {"wheels": ["torch-2.13.0+cpu-cp311-cp311-manylinux_2_28_x86_64.whl"]}
    )
    chosen = shipped().plan(
        load_workload("mnist-cnn", shipped().store), target, pins={"framework": "pytorch"}
    )
    assert chosen.option("wheel") == "torch-2.13.0-cpu"
    wheel = next(taken for taken in chosen.decisions if taken.decision == "wheel")
    gone = next(gone for gone in wheel.rejected if gone.option == "torch-2.14.1-cpu")
    assert any("wheel folders" in reason.text for reason in gone.reasons)


BROKEN = [
    ("kb:x a on:Option ; on:optionOf kb:allocator .", "a label"),
    ('kb:x a on:Option ; rdfs:label "x" .', "belongs to no decision"),
    ('kb:x a on:Option ; rdfs:label "x" ; on:optionOf kb:allocator ; on:versionKey "2.13" .', "padded"),
    (
        'kb:x a on:Option ; rdfs:label "x" ; on:optionOf kb:allocator ; on:numerics on:Supported .',
        "on:Exact, on:Mixed or on:Lossy",
    ),
    (
        'kb:x a on:Option ; rdfs:label "x" ; on:optionOf kb:allocator ; on:appliedBy [ a on:EnvironmentVariable ; on:value "1" ] .',
        "one name",
    ),
    ("eff:x a on:Effect ; on:option kb:tcmalloc ; on:ratio 1.2 .", "a source"),
    (
        "eff:x a on:Effect ; on:option kb:tcmalloc ; on:ratio 1.2 ; on:low 1.3 ; on:high 1.4 ; dct:source <urn:x> .",
        "lower end",
    ),
    ("eff:x a on:Effect ; on:option kb:tcmalloc ; on:ratio 0 ; dct:source <urn:x> .", "above 0"),
    ('kb:x a on:Conflict ; rdfs:label "x" ; on:option kb:tcmalloc .', "a source"),
    ("kb:x a on:Accelerator ; on:memoryGib 16.0 .", "one architecture"),
    ("kb:x a on:Decision ; rdfs:label 'x' ; skos:notation 'x' ; sh:order 99 .", "one option that is taken"),
]


@pytest.fixture(scope="module")
def refusals(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What is said of each broken addition, in the order of `BROKEN`; all are compiled together, and each is
    refused alone.
    """
    folder = tmp_path_factory.mktemp("broken")
    sources = []
    for n, (text, _) in enumerate(BROKEN):
        path = folder / f"{n:02}.ttl"
        path.write_text(PREFIX_LINES + text, encoding="utf-8")
        sources.append(Source(path, f"additions/0/{path.name}", added=True))
    return list(compile_sources(shipped_sources(), sources)[1].values())


@pytest.mark.parametrize("n", range(len(BROKEN)), ids=[said for _, said in BROKEN])
def test_a_broken_addition_is_refused_with_what_was_expected(refusals: list[str], n: int) -> None:
    assert len(refusals) == len(BROKEN)
    assert f"{n:02}.ttl" in refusals[n]
    assert BROKEN[n][1] in refusals[n]


def test_one_file_adds_an_accelerator(tmp_path: Path) -> None:
    text = 'kb:arch-sm_131 a on:AcceleratorArchitecture ; rdfs:label "a later one" ; on:arch "sm_131" ; on:trainingType "fp32", "bf16" .'
    store, refused = with_addition(tmp_path, text)
    assert not refused
    target = load_target("h200-virtual", shipped().store).with_overrides(
        {"gpus[0].arch": "sm_131", "gpus[0].compute_capability": "13.1"}
    )
    target = target.with_overrides({"gpus[0].driver": "700.1"})
    before = shipped().plan(load_workload("mnist-cnn", shipped().store), target)
    after = Reasoner(store=store).plan(load_workload("mnist-cnn", store), target)
    assert (before.option("precision"), after.option("precision")) == ("fp32", "bf16")


def test_one_file_adds_a_release(tmp_path: Path) -> None:
    text = """
      kb:torch-2.16.0 a on:Option ; on:optionOf kb:framework_release ; rdfs:label "PyTorch 2.16.0" ; skos:notation "torch-2.16.0" ;
        on:versionKey "0002.0016.0000" ; on:needs kb:pytorch , cap:python-at-least-3.10 .
      kb:torch-2.16.0-cpu a on:Option ; on:optionOf kb:wheel ; rdfs:label "PyTorch 2.16.0, CPU" ; skos:notation "torch-2.16.0-cpu" ;
        on:versionKey "0002.0016.0000" ; on:device "cpu" ; on:wheelName "torch-2.16.0+cpu" ; on:wheelIndex <https://download.pytorch.org/whl/cpu> ;
        on:needs kb:torch-2.16.0 , cap:glibc-2.28 , cap:manylinux-cpu ;
        on:appliedBy [ a on:PythonPackage ; on:name "torch" ; on:value "2.16.0+cpu" ] ."""
    store, refused = with_addition(tmp_path, text)
    assert not refused
    target = load_target("zen5-virtual", store).with_overrides(
        {"wheels": ["torch-2.16.0+cpu-cp311-cp311-manylinux_2_28_x86_64.whl"]}
    )
    chosen = Reasoner(store=store).plan(
        load_workload("mnist-cnn", store), target, pins={"framework": "pytorch"}
    )
    assert (chosen.option("framework_release"), chosen.option("wheel")) == (
        "torch-2.16.0",
        "torch-2.16.0-cpu",
    )


def test_one_file_adds_a_rule(tmp_path: Path) -> None:
    text = """
      on:RequestShape sh:rule rule:no-preload .
      rule:no-preload a sh:SPARQLRule , on:ConflictRule ; sh:order 3 ; sh:prefixes on:prefixes ; rdfs:label "nothing is preloaded here" ;
        on:message "this site forbids {?option}" ; dct:source <https://example.org/site> ;
        sh:construct "CONSTRUCT { $this on:excludes ?option } WHERE { $this a on:Request . ?option skos:notation 'tcmalloc' }" ."""
    store, refused = with_addition(tmp_path, text)
    assert not refused
    assert plan("zen5-virtual", framework="pytorch").option("allocator") == "tcmalloc"
    assert (
        plan("zen5-virtual", reasoner=Reasoner(store=store), framework="pytorch").option("allocator")
        != "tcmalloc"
    )


def test_an_effect_that_asks_for_no_situation_holds_everywhere(tmp_path: Path) -> None:
    text = """
      eff:mimalloc a on:Effect ; on:option kb:mimalloc ; on:given kb:pytorch ; on:criterion on:throughput ; on:ratio 9.0 ; on:low 8.0 ; on:high 10.0 ;
        rdfs:label "mimalloc is always better" ; dct:source <https://example.org/measured> ."""
    store, refused = with_addition(tmp_path, text)
    assert not refused
    for target in ("zen5-virtual", "eos-h100"):
        assert (
            plan(target, reasoner=Reasoner(store=store), workload="transformer", framework="pytorch").option(
                "allocator"
            )
            == "mimalloc"
        )


def test_rdflib_reads_every_file() -> None:
    rdflib = pytest.importorskip("rdflib")
    for source in shipped_sources():
        if source.path.suffix == ".ttl" and "microarchitectures" not in source.name:
            assert len(rdflib.Graph().parse(source.path, format="turtle"))


@pytest.mark.parametrize(
    ("pins", "said"),
    [
        (
            {"framework": "tensorflow", "compiler": "inductor"},
            ("asked for tensorflow", "asked for inductor", "inductor needs pytorch"),
        ),
        (
            {"python": "3.8", "framework_release": "torch-2.13.0"},
            ("asked for 3.8", "torch-2.13.0 needs Python 3.10 or newer"),
        ),
        ({"framework": "mxnet"}, ("asked for mxnet", "development of mxnet ended")),
    ],
)
def test_wishes_that_clash_are_told_with_what_one_needs_of_the_other(
    pins: dict[str, str], said: tuple[str, ...]
) -> None:
    planner = shipped()
    with pytest.raises(NoFeasiblePlan) as error:
        planner.plan(
            load_workload("mnist-cnn", planner.store), load_target("zen5-virtual", planner.store), pins=pins
        )
    assert all(part in str(error.value) for part in said)
