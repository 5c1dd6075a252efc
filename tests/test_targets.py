"""Targets and workloads as files: JSON, YAML, Turtle, overrides, and what is refused."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path

import pyoxigraph as ox
import pytest

from kb.errors import BadInput
from kb.probe.machine import probe
from kb.records.fact_keys import fact_keys
from kb.records.targets import load_target
from kb.records.workload import load_workload
from kb.store import paths
from kb.store.terms import on

SPEC = importlib.util.find_spec("archspec")
assert SPEC is not None and SPEC.origin is not None
DUMP = Path(SPEC.origin).parent / "json/tests/targets/linux-rocky8.5-zen4"
NODE, GRAPH = ox.NamedNode("urn:test:target"), ox.NamedNode("urn:test:graph")
GPU = """<nvidia_smi_log><driver_version>535.54.03</driver_version><cuda_version>12.2</cuda_version>
<gpu><product_name>NVIDIA A100-SXM4-80GB</product_name><fb_memory_usage><total>81920 MiB</total></fb_memory_usage></gpu></nvidia_smi_log>
"""
PREFIXES = "@prefix on: <https://w3id.org/ontune#> . @prefix skos: <http://www.w3.org/2004/02/skos/core#> .\n"


# ---- overrides


def test_overrides_are_typed_and_recorded() -> None:
    target = probe(overrides={"cpu.usable_cores": "1", "gpus": '[{"model": "X"}]', "glibc": "2.10"})
    target = target.with_overrides({"gpus[0].driver": "535.104", "exclusive": "true", "memory_gib": "null"})
    assert (
        target.facts["gpus"][0]["driver"] == "535.104"
        and target.facts["glibc"] == "2.10"
        and target.facts["exclusive"] is True
    )
    assert target.facts["overrides"]["gpus[0].driver"] == "535.104" and "memory_gib" in target.unknown()
    assert any(
        quad.predicate.value == on("override") and quad.object.value == 'glibc="2.10"'
        for quad in target.quads(NODE, GRAPH)
    )


@pytest.mark.parametrize(
    ("key", "value", "complaint"),
    [
        ("cpu.usable_core", "1", "did you mean 'cpu.usable_cores'"),
        ("cpu.usable_cores", "many", "expected a whole number"),
        ("gpus[3].driver", "1", "no such place in gpus"),
        ("driver", "535", r"did you mean 'gpus\[0\]\.driver'"),
        ("gpus", "1", r"is not a list; expected a list, such as \[\{.*count: 8\}\]"),
        ("gpus", '[{"model": "H100", "count": 0}]', "expected a whole number from 1"),
        ("gpus", "{", "expected a JSON or YAML value"),
        ("exclusive", "maybe", "expected true or false"),
        ("cpu.usable_cores", "100000", "expected no more than cpu.cores"),
        ("nonsense", "1", "no such fact"),
        ("", "1", "no such fact"),
    ],
)
def test_wrong_overrides_are_refused(key: str, value: str, complaint: str) -> None:
    with pytest.raises(BadInput, match=complaint):
        probe(overrides={key: value})


# ---- JSON, YAML, Turtle


def test_every_form_of_a_target_reads_back(tmp_path: Path) -> None:
    (tmp_path / "smi.xml").write_text(GPU)
    target = probe(
        cpuinfo=DUMP, nvidia_smi=tmp_path / "smi.xml", overrides={"glibc": "2.28", "exclusive": "true"}
    )
    (tmp_path / "t.json").write_text(json.dumps(target.to_json()))
    (tmp_path / "t.yaml").write_text(target.to_yaml())
    (tmp_path / "t.ttl").write_text(target.to_turtle())
    assert (
        load_target(str(tmp_path / "t.json")).facts
        == load_target(str(tmp_path / "t.yaml")).facts
        == target.facts
    )
    assert load_target(str(tmp_path / "t.ttl")).facts | {"overrides": None} == target.facts | {
        "overrides": None
    }


def test_unknown_is_stated_and_known_none_is_not() -> None:
    target = probe(cpuinfo=DUMP, overrides={"gpus": "[]"})
    stated = {(quad.predicate.value, quad.object.value) for quad in target.quads(NODE, GRAPH)}
    assert (on("accelerators"), "0") in stated and (on("unknownFact"), "glibc") in stated
    assert (on("unknownFact"), "gpus") not in stated


@pytest.mark.parametrize(
    ("written", "key", "value"),
    [
        ('on:memoryGib "  048 "^^xsd:decimal', "memory_gib", 48),
        ('on:memoryGib "+.5"^^xsd:decimal', "memory_gib", 0.5),
        ('on:memoryGib "8."^^xsd:decimal', "memory_gib", 8),
        ('on:nodes "\\n007"^^xsd:integer', "nodes", 7),
        ('on:exclusive "1"^^xsd:boolean', "exclusive", True),
        ('on:exclusive "0"^^xsd:boolean', "exclusive", False),
    ],
)
def test_numbers_have_every_form_that_their_datatype_gives_them(
    written: str, key: str, value: object, tmp_path: Path
) -> None:
    path = tmp_path / "machine.ttl"
    path.write_text(
        PREFIXES + f"@prefix xsd: <http://www.w3.org/2001/XMLSchema#> .\n<urn:m> a on:Target ; {written} .\n"
    )
    found = load_target(str(path)).facts[key]
    assert found == value and isinstance(found, bool) is isinstance(value, bool)


@pytest.mark.parametrize(
    "written",
    [
        'on:memoryGib "1_0"^^xsd:decimal',
        'on:nodes "8.0"^^xsd:integer',
        'on:exclusive "yes"^^xsd:boolean',
        f'on:memoryGib "{"9" * 5000}"^^xsd:decimal',
    ],
)
def test_what_only_claims_to_be_a_number_is_refused(written: str, tmp_path: Path) -> None:
    path = tmp_path / "machine.ttl"
    path.write_text(
        PREFIXES + f"@prefix xsd: <http://www.w3.org/2001/XMLSchema#> .\n<urn:m> a on:Target ; {written} .\n"
    )
    with pytest.raises(BadInput, match=r"memory_gib|nodes|exclusive"):
        load_target(str(path))


def test_versions_have_sort_keys() -> None:
    target = probe(
        cpuinfo=DUMP,
        overrides={"glibc": "2.9", "gpus": '[{"driver": "535.54.03", "compute_capability": "12.0"}]'},
    )
    keys = {quad.predicate.value: quad.object.value for quad in target.quads(NODE, GRAPH)}
    assert (keys[on("glibcKey")], keys[on("driverKey")], keys[on("computeCapabilityKey")]) == (
        "0002.0009",
        "0535.0054.0003",
        "0012.0000",
    )


def test_one_accelerator_in_turtle_stands_for_several(tmp_path: Path) -> None:
    path = tmp_path / "node.ttl"
    path.write_text(
        PREFIXES + '<urn:n> a on:Target ; on:accelerators 8 ; on:gpu [ on:model "X" ; on:memoryGib 80.0 ] .'
    )
    facts = load_target(str(path)).facts
    assert len(facts["gpus"]) == 8 and facts["gpus"][7]["memory_gib"] == 80.0


@pytest.mark.parametrize(
    "text", ["gpus: {model: H100, count: 8}", "gpus: [{model: H100, count: 3}, {model: H100, count: 5}]"]
)
def test_accelerators_are_counted_or_listed(tmp_path: Path, text: str) -> None:
    (tmp_path / "n.yaml").write_text(text)
    gpus = load_target(str(tmp_path / "n.yaml")).facts["gpus"]
    assert len(gpus) == 8 and all(gpu["arch"] == "sm_90" and "count" not in gpu for gpu in gpus)


@pytest.mark.parametrize(
    ("name", "text", "complaint"),
    [
        ("a.yaml", "glibcc: '2.3'\n", r"a\.yaml: unknown key 'glibcc'.*did you mean 'glibc'"),
        ("a.yaml", "glibc: 2.34\n", r"a\.yaml: key 'glibc' has the value 2\.34; expected a text"),
        ("a.yaml", "memory_gib: -1\n", r"a\.yaml: key 'memory_gib'.*expected GiB above 0"),
        (
            "a.yaml",
            "cpu: {cores: 4, usable_cores: 8}\n",
            r"a\.yaml: key 'cpu.usable_cores'.*no more than cpu.cores",
        ),
        ("a.yaml", "gpus: [{driver: abc}]\n", r"a\.yaml: key 'gpus\[0\]\.driver'.*such as 535"),
        ("a.yaml", "glibc: [\n", r"a\.yaml:2: malformed YAML"),
        ("a.yaml", "- glibc\n", r"a\.yaml: does not hold an object"),
        ("a.json", '{\n"glibc": }', r"a\.json:2: malformed JSON"),
        (
            "a.ttl",
            "@prefix on: <https://w3id.org/ontune#> .\n<urn:x> a on:Target ; on:cores 'four' .",
            r"a\.ttl: key 'cpu.cores'",
        ),
        ("a.ttl", "<urn:x> a\n", r"a\.ttl:\d+: "),
        ("a.ttl", "<urn:x> a <urn:y> .", r"a\.ttl: describes 0 resources"),
    ],
)
def test_a_wrong_target_file_names_file_and_key_or_line(
    tmp_path: Path, name: str, text: str, complaint: str
) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(BadInput, match=complaint):
        load_target(str(tmp_path / name))


@pytest.mark.parametrize(
    ("name", "arch", "memory"),
    [
        ("NVIDIA H100 80GB HBM3", "sm_90", 79.6),
        ("NVIDIA H100 PCIe", "sm_90", 80.0),
        ("NVIDIA H100 40GB HBM3", "sm_90", None),
        ("Tesla T4 16GB", "sm_75", 15.0),
        ("NVIDIA A100-SXM4-40GB", "sm_80", 40.0),
        ("AMD Instinct MI300X", "gfx942", 192.0),
        ("NVIDIA Brandnew 80GB", None, None),
        ("a100", "sm_80", None),
        ("rtx", None, None),
    ],
)
def test_a_products_name_tells_what_is_unknown(
    tmp_path: Path, name: str, arch: str | None, memory: float | None
) -> None:
    (tmp_path / "t.yaml").write_text(f"gpus: [{{model: {name}}}]\n")
    (found,) = load_target(str(tmp_path / "t.yaml")).facts["gpus"]
    assert (found["arch"], found["memory_gib"]) == (arch, memory)


def test_what_a_driver_says_is_not_overruled_by_the_product(tmp_path: Path) -> None:
    (tmp_path / "t.yaml").write_text(
        "gpus: [{model: NVIDIA A100-SXM4-80GB, memory_gib: 79.3}, {model: NVIDIA A100-SXM4-80GB, mig: slice}]\n"
    )
    whole, slice_ = load_target(str(tmp_path / "t.yaml")).facts["gpus"]
    assert (whole["memory_gib"], whole["arch"], slice_["memory_gib"], slice_["arch"]) == (
        79.3,
        "sm_80",
        None,
        "sm_80",
    )


def test_the_example_of_the_documentation_is_read_as_it_says(tmp_path: Path) -> None:
    text = (Path(__file__).parent.parent / "docs/how-to/describe-a-machine.md").read_text()
    (by_hand,) = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    (tmp_path / "node.yaml").write_text(by_hand)
    found = load_target(str(tmp_path / "node.yaml")).facts
    assert (found["gpus"][0]["arch"], found["gpus"][0]["driver"], found["cpu"]["usable_cores"]) == (
        "sm_90",
        "550.54.15",
        28,
    )


def test_a_new_product_is_one_turtle_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    added = tmp_path / "kb"
    added.mkdir()
    text = PREFIXES + "@prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> .\n"
    text += '<urn:b900> a on:Accelerator ; rdfs:label "B900"@en ; on:architecture [ on:arch "sm_200" ; on:maker "nvidia" ] ; on:memoryGib 400.0 .'
    (added / "b900.ttl").write_text(text)
    (added / "broken.ttl").write_text("<urn:x> a\n")
    monkeypatch.setenv("ONTUNE_KB_PATH", str(added))
    (tmp_path / "t.yaml").write_text("gpus: [{model: NVIDIA B900}]\n")
    (found,) = load_target(str(tmp_path / "t.yaml")).facts["gpus"]
    assert (found["arch"], found["vendor"], found["memory_gib"]) == ("sm_200", "nvidia", 400.0)


def test_unknown_targets_and_missing_files_suggest_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="did you mean 'local'"):
        load_target("locl")
    (tmp_path / "node.yaml").touch()
    with pytest.raises(BadInput, match=r"no such file; did you mean 'node\.yaml'"):
        load_target(str(tmp_path / "nod.yaml"))


def test_a_users_target_is_found_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine.ttl").write_text(PREFIXES + '<urn:n> a on:Target ; skos:notation "mine" ; on:cores 4 .')
    monkeypatch.setenv("ONTUNE_KB_PATH", str(tmp_path))
    assert load_target("mine").facts["cpu"]["cores"] == 4


# ---- workloads


def test_a_shipped_workload_and_its_extension(tmp_path: Path) -> None:
    shipped = load_workload("mnist-cnn")
    assert shipped.facts["parameter_count"] == 1199882
    (tmp_path / "mine.yaml").write_text("extends: mnist-cnn\nparameters: {batch: 256}\n")
    mine = load_workload(str(tmp_path / "mine.yaml"))
    assert mine.name == "mine" and mine.facts["traits"] == shipped.facts["traits"]
    assert mine.facts["parameters"]["batch"] == 256 and mine.facts["parameters"]["image_size"] == 28
    assert all(quad.predicate.value != on("unknownFact") for quad in mine.quads(NODE, GRAPH))


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("netwrok: x\n", "did you mean 'network'"),
        ("batch: 1\n", r"did you mean 'parameters\.batch'"),
        ("parameters: {batch: many}\n", "expected a whole number"),
        ("extends: mnist-cn\n", "did you mean 'mnist-cnn'"),
        ("network: [\n", r"w\.yaml:2: malformed YAML"),
    ],
)
def test_a_wrong_workload_file_is_refused(tmp_path: Path, text: str, complaint: str) -> None:
    (tmp_path / "w.yaml").write_text(text)
    with pytest.raises(BadInput, match=complaint):
        load_workload(str(tmp_path / "w.yaml"))


def test_an_unknown_workload_suggests_the_nearest() -> None:
    with pytest.raises(BadInput, match="did you mean 'mnist-cnn'"):
        load_workload("mnist-cn")


# ---- the table of keys


def test_what_settles_a_capability_is_a_key_of_the_probe() -> None:
    known = {path.removesuffix("[]") for path in fact_keys("hardware").all_paths()}
    stated = set()
    for path in paths.shipped("facts").rglob("*.ttl"):
        for quad in ox.parse(path=str(path), format=ox.RdfFormat.TURTLE, base_iri=path.as_uri()):
            if quad.predicate.value == on("probedBy"):
                stated.add(quad.object.value)
    assert stated and stated <= known


def test_every_key_of_the_contract_is_there() -> None:
    known = set(fact_keys("hardware").all_paths())
    cpu = {
        f"cpu.{name}"
        for name in ("isa_level", "microarchitecture", "confidence", "cores", "usable_cores", "features[]")
    }
    gpus = {f"gpus[].{name}" for name in ("model", "arch", "memory_gib", "driver", "cuda_max")}
    assert cpu | gpus | {"memory_gib", "glibc", "runtimes[]", "scheduler", "exclusive"} <= known
