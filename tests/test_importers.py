"""Importers: archspec, wheels, MLPerf, MODAK; what is dirty is normalised by a declared rule or reported, and
nothing is dropped in silence.
"""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pyoxigraph as ox
import pytest
from archspec.cpu import TARGETS

from kb.errors import BadInput
from kb.importers import IMPORTERS, import_source
from kb.importers.archspec import SHIPPED, import_archspec
from kb.probe.cpu import microarchitectures
from kb.records.resources import values_of
from kb.records.shapes import violations
from kb.store import paths
from kb.store.normalise import normalised
from kb.store.terms import PREFIXES, RDF_TYPE, local_name, on


def loaded(turtle: str) -> ox.Store:
    store = ox.Store()
    store.load(turtle, format=ox.RdfFormat.TURTLE, base_iri="file:///import.ttl")
    return store


def instances(store: ox.Store, term: str) -> list[ox.NamedNode]:
    found = [
        quad.subject
        for quad in store.quads_for_pattern(None, ox.NamedNode(RDF_TYPE), ox.NamedNode(on(term)), None)
    ]
    return [subject for subject in found if isinstance(subject, ox.NamedNode)]


def texts(store: ox.Store, node: ox.NamedNode, term: str) -> list[str]:
    return [value.value for value in values_of(store, node, on(term))]


# ---- archspec


def test_the_shipped_microarchitectures_are_those_of_the_installed_archspec() -> None:
    assert (paths.shipped("facts") / SHIPPED).read_text() == import_archspec().turtle
    assert import_archspec().findings == []


def test_a_part_number_that_archspec_does_not_know_is_none() -> None:
    store, part = loaded(import_archspec().turtle), "cpuPart"
    assert (
        texts(store, ox.NamedNode(PREFIXES["uarch"] + "m2"), part),
        texts(store, ox.NamedNode(PREFIXES["uarch"] + "m4"), part),
    ) == (["0x032"], [])
    assert (microarchitectures()["m2"].part, microarchitectures()["m4"].part) == ("0x032", "")


def test_the_partial_order_is_that_of_archspec() -> None:
    store = loaded(import_archspec().turtle)
    query = f"SELECT ?one ?other WHERE {{ ?one <{on('from')}>+ ?other }}"
    stated = {tuple(local_name(term.value) for term in row) for row in store.query(query)}  # type: ignore[union-attr]
    assert stated == {
        (name, ancestor.name) for name, target in TARGETS.items() for ancestor in target.ancestors
    }
    level = ox.NamedNode(PREFIXES["uarch"] + "zen5")
    assert set(texts(store, level, "hasFeature")) <= set(TARGETS["zen5"].features)


def test_a_missing_ancestor_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "m.json"
    path.write_text(
        json.dumps({"microarchitectures": {"new": {"from": ["gone"], "vendor": "Maker", "features": []}}})
    )
    assert import_source("archspec", path).findings == ["new: descends from gone, which is not described"]


# ---- wheels

METADATA = """Metadata-Version: 2.4
Name: torch
Version: {version}
Requires-Python: >=3.10
Classifier: Programming Language :: Python :: 3.13
Requires-Dist: sympy>=1.13.3
Requires-Dist: optree>=0.13.0; extra == "optree"
"""


def wheel(folder: Path, name: str, metadata: str) -> Path:
    path = folder / name
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{name.split('-', 1)[0]}-1.dist-info/METADATA", metadata)
        archive.writestr("torch/__init__.py", "x" * 3_000_000)
    return path


def test_a_wheel_becomes_a_release_and_a_wheel_option(tmp_path: Path) -> None:
    path = wheel(
        tmp_path,
        "torch-2.99.1+cu130-cp311-cp311-manylinux_2_28_x86_64.whl",
        METADATA.format(version="2.99.1+cu130"),
    )
    report = import_source("wheel", path)
    store = loaded(report.turtle)
    release, built = (ox.NamedNode(PREFIXES["kb"] + name) for name in ("torch-2.99.1", "torch-2.99.1-cuda"))
    assert texts(store, release, "releaseOf") == [PREFIXES["kb"] + "pytorch"]
    assert texts(store, release, "version") == ["2.99.1"]
    assert {local_name(need) for need in texts(store, release, "needs")} == {
        "pytorch",
        "python-at-least-3.10",
        "python-at-most-3.13",
    }
    assert {local_name(need) for need in texts(store, built, "needs")} == {"torch-2.99.1", "glibc-2.28"}
    assert (
        texts(store, built, "device"),
        texts(store, built, "toolkit"),
        texts(store, built, "megabytes"),
    ) == (["cuda"], ["13.0"], ["3"])
    assert texts(store, built, "requires") == ["sympy>=1.13.3"] and report.findings == []


def test_metadata_alone_says_less_and_the_report_says_so(tmp_path: Path) -> None:
    path = tmp_path / "METADATA"
    path.write_text(METADATA.format(version="2.99.1").replace("Requires-Python: >=3.10\n", ""))
    findings = import_source("wheel", path).findings
    assert any("with -o FILE, state on:device by hand, then add that" in finding for finding in findings)
    assert any("least Python is unknown" in finding for finding in findings)


@pytest.mark.parametrize(
    ("metadata", "complaint"),
    [
        (
            METADATA.format(version="1.0").replace("torch", "torhc"),
            "no framework is distributed as 'torhc'.*did you mean 'torch'",
        ),
        (METADATA.format(version='1.0" ; owl:sameAs <urn:x>'), "has no name or version"),
        ("", "has no name or version"),
    ],
)
def test_foreign_and_hostile_metadata_is_refused(tmp_path: Path, metadata: str, complaint: str) -> None:
    with pytest.raises(BadInput, match=complaint):
        import_source("wheel", wheel(tmp_path, "x-1-py3-none-any.whl", metadata))


def test_a_truncated_wheel_is_refused(tmp_path: Path) -> None:
    path = wheel(tmp_path, "torch-1-py3-none-any.whl", METADATA.format(version="1"))
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(BadInput, match=r"torch-1-py3-none-any\.whl: is damaged, truncated, or no archive"):
        import_source("wheel", path)


# ---- MLPerf

SYSTEM = {
    "submitter": "Somebody",
    "system_name": "box",
    "number_of_nodes": "1",
    "host_processors_per_node": "2",
    "host_processor_model_name": " Some  CPU",
    "host_processor_core_count": "56",
    "host_memory_capacity": "2.0 TB",
    "accelerators_per_node": "8",
    "accelerator_model_name": "NVIDIA H100-SXM5-80GB",
    "accelerator_memory_capacity": "80 GB",
    "framework": "PyTorch NVIDIA Release 24.09",
    "cooling": "air",
    "operating_system": "Ubuntu 22.04.4 LTS",
    "other_software_stack": {"nvidia_kernel_driver": "535.129 .03", "cuda_driver_version": "560.35.03"},
}
HEADER = "round,submitter,system,benchmark,runs,ok,minutes_olympic,minutes_min,minutes_max,global_batch_size,throughput_median,hyper,system_json"


def mlperf(folder: Path, systems: dict[str, dict[str, object]], rows: list[tuple[str, float, float]]) -> Path:
    """A folder with systems and rows of (system, minutes, throughput)."""
    for name, changes in systems.items():
        path = folder / f"systems/v4.1/Somebody/systems/{name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(SYSTEM | changes))
    written = []
    for name, minutes, throughput in rows:
        numbers = f'{minutes},{minutes - 1},{minutes + 1},256,{throughput},"{{""opt_name"": ""adam""}}"'
        written.append(
            f"v4.1,Somebody,{name},retinanet,5,5,{numbers},systems/v4.1/Somebody/systems/{name}.json"
        )
    (folder / "results.csv").write_text("\n".join([HEADER, *written]) + "\n")
    return folder


def test_spellings_units_and_numbers_as_text_are_normalised(tmp_path: Path) -> None:
    spellings: dict[str, dict[str, object]] = {
        "a": {},
        "b": {
            "accelerator_model_name": "NVIDIA H100 80GB HBM3",
            "accelerator_memory_capacity": "81559 MiB",
            "number_of_nodes": 2,
        },
    }
    report = import_source("mlperf", mlperf(tmp_path, spellings, [("a", 20, 100), ("b", 11, 200)]))
    store = loaded(report.turtle)
    one, two = (ox.NamedNode(PREFIXES["tgt"] + f"mlperf-v4.1-Somebody-{name}") for name in "ab")
    assert [texts(store, node, "nodes") for node in (one, two)] == [["1"], ["2"]]
    assert texts(store, one, "operatingSystem") == ["ubuntu 22.04"]
    drivers = {
        quad.object.value for quad in store.quads_for_pattern(None, ox.NamedNode(on("driver")), None, None)
    }  # type: ignore[union-attr]
    assert drivers == {"535.129.03"}
    assert texts(store, one, "physicalCores") == ["112"] and texts(store, one, "memoryGib") == ["1862.6"]
    models = {
        value.value
        for quad in store.quads_for_pattern(None, ox.NamedNode(on("model")), None, None)
        if isinstance(value := quad.object, ox.Literal)
    }
    assert models == {"NVIDIA H100 80GB HBM3"}
    assert any(
        "'NVIDIA H100-SXM5-80GB' is read as 'NVIDIA H100 80GB HBM3'" in finding for finding in report.findings
    )
    assert any("not imported: cooling" in finding for finding in report.findings)


@pytest.mark.parametrize(
    ("changes", "finding"),
    [
        ({"host_memory_capacity": "2T GB"}, "host_memory_capacity is '2T GB': left unknown"),
        (
            {"host_processor_core_count": "Node1: 128, Node2: 64"},
            "host_processor_core_count is 'Node1: 128, Node2: 64': left unknown",
        ),
        (
            {"accelerator_model_name": "Brand New 1"},
            "'Brand New 1' has no declared normal form: kept as it stands",
        ),
        ({"framework": "NVIDIA Release 23.09"}, "stale, kept as submitted"),
        ({"other_software_stack": [{"cuda_driver_version": "TBD"}]}, "the driver is 'TBD': left unknown"),
        (
            {"operating_system": "host: one, container: another"},
            "operating_system 'host: one, container: another' has no declared normal form",
        ),
    ],
)
def test_what_no_rule_covers_is_reported(tmp_path: Path, changes: dict[str, object], finding: str) -> None:
    report = import_source("mlperf", mlperf(tmp_path, {"a": changes}, [("a", 20, 100)]))
    assert any(finding in found for found in report.findings)
    assert len(instances(loaded(report.turtle), "PublishedResult")) == 1


def test_a_result_unlike_its_neighbours_is_doubted_and_kept(tmp_path: Path) -> None:
    rows = [
        ("a", 22.0, 3844.0),
        ("b", 22.5, 3800.0),
        ("c", 21.5, 3900.0),
        ("slow", 55.6, 3844.0),
        ("unit", 22.1, 38.0),
    ]
    report = import_source("mlperf", mlperf(tmp_path, {name: {} for name, _, _ in rows}, rows))
    store = loaded(report.turtle)
    doubts = {
        local_name(node.value): texts(store, node, "doubt") for node in instances(store, "PublishedResult")
    }
    doubted = {name.split("-")[3]: found[0] for name, found in doubts.items() if found}
    assert (
        set(doubted) == {"slow", "unit"}
        and "times as long" in doubted["slow"]
        and "another unit" in doubted["unit"]
    )


def test_one_measurement_published_twice_is_doubted(tmp_path: Path) -> None:
    report = import_source("mlperf", mlperf(tmp_path, {"a": {}, "b": {}}, [("a", 20, 100), ("b", 20, 100)]))
    assert any("published twice" in finding for finding in report.findings)


def test_a_broken_table_or_description_is_refused(tmp_path: Path) -> None:
    folder = mlperf(tmp_path, {"a": {}}, [("a", 20, 100)])
    (folder / "systems/v4.1/Somebody/systems/a.json").write_text('{\n"a": ')
    with pytest.raises(BadInput, match=r"a\.json:2: malformed JSON"):
        import_source("mlperf", folder)
    (folder / "results.csv").write_text("round,submitter\nv1,x\n")
    with pytest.raises(BadInput, match="lacks the columns system, benchmark"):
        import_source("mlperf", folder)


def test_the_shipped_results_keep_their_shapes() -> None:
    turtle = (paths.shipped("evidence") / "mlperf/training.ttl").read_text()
    store = loaded(turtle)
    results = instances(store, "PublishedResult")
    assert (len(results), len(instances(store, "Target"))) == (348, 180)
    systems = {node.value for node in instances(store, "Target")}
    assert all(set(texts(store, result, "measuredOn")) <= systems for result in results)
    assert violations(turtle, "target-shapes.ttl", "published-shapes.ttl") == []


# ---- MODAK


def image(container: str, version: str, accelerator: str, processor: str = "none") -> dict[str, object]:
    target = {"enable_opt_build": "true", "cpu_type": processor, "acc_type": accelerator}
    return {
        "id": container.split(":")[-1],
        "app": "tensorflow",
        "target": target,
        "features": {"version": version, "xla": "true"},
        "version": None,
        "container": container,
    }


def modak(folder: Path, images: list[dict[str, object]], requests: dict[str, str]) -> Path:
    (folder / "knowledge").mkdir()
    (folder / "requests").mkdir()
    (folder / "knowledge/containers_29.json").write_text(json.dumps(images))
    (folder / "knowledge/infrastructures_2020.csv").write_text(
        "name,num_nodes,desc,scheduler,mpi\negi,10,EGI,torque,openmpi\nodd,1,Odd,fairy,NULL\n"
    )
    for name, text in requests.items():
        (folder / "requests" / name).write_text(text)
    return folder


@pytest.mark.parametrize(
    ("claims", "lost", "doubt"),
    [
        (image("a/b:2.1.0-gpu-py3", "2.1", "none"), "claimsAccelerator", "built for one"),
        (image("a/b:tf-2.4-cpu-src", "latest", "none"), "claimsVersion", "the version that the tag names"),
        (image("a/b:tf-2.4-cpu-pip", "2.4", "nvidia"), "claimsAccelerator", "built for processors"),
        (image("a/b:tf-2.4", "2.4", "nvidia,amd"), "claimsAccelerator", "one name a value"),
        (image("A/no-tag", "2.4", "none"), "imageReference", "repository:tag"),
    ],
)
def test_label_errors_become_doubts_and_not_truth(
    tmp_path: Path, claims: dict[str, object], lost: str, doubt: str
) -> None:
    report = import_source("modak", modak(tmp_path, [claims], {}))
    store = loaded(report.turtle)
    (found,) = instances(store, "PublishedImage")
    assert texts(store, found, lost) == [] and any(doubt in text for text in texts(store, found, "doubt"))
    assert any(doubt in finding for finding in report.findings)


@pytest.mark.parametrize(
    ("claims", "doubt"),
    [
        (image("a/b:latest", "latest", "none"), "moves"),
        (image("a/b:tf-2.4-cpu-src", "2.4", "none", "x86"), "fail on others"),
    ],
)
def test_warnings_are_doubts_beside_the_claim(tmp_path: Path, claims: dict[str, object], doubt: str) -> None:
    store = loaded(import_source("modak", modak(tmp_path, [claims], {})).turtle)
    (found,) = instances(store, "PublishedImage")
    assert any(doubt in text for text in texts(store, found, "doubt")) and texts(
        store, found, "imageReference"
    )


def test_a_right_label_raises_no_doubt(tmp_path: Path) -> None:
    report = import_source("modak", modak(tmp_path, [image("a/b:tf-2.4-gpu-pip", "2.4", "nvidia")], {}))
    assert [finding for finding in report.findings if "tf-2.4" in finding] == []


def test_sites_and_requests(tmp_path: Path) -> None:
    config = {
        "config": {"ai_framework": "tensorflow"},
        "ai_framework-tensorflow": {"version": "2.1", "xla": True},
    }
    asked = {
        "job": {
            "target": {"name": "egi"},
            "optimisation": {"enable_opt_build": True, "app_type-ai_training": config},
        }
    }
    report = import_source(
        "modak",
        modak(tmp_path, [], {"good.json": json.dumps(asked), "torn.json": '{\n"job": {', "empty.json": "{}"}),
    )
    store = loaded(report.turtle)
    (request,) = instances(store, "JobRequest")
    assert (texts(store, request, "claimsApplication"), texts(store, request, "claimsVersion")) == (
        ["tensorflow"],
        ["2.1"],
    )
    assert texts(store, request, "claimsFeature") == ["xla=true"] and texts(store, request, "atSite") == [
        PREFIXES["site"] + "modak-egi"
    ]
    assert texts(store, ox.NamedNode(PREFIXES["site"] + "modak-egi"), "scheduler") == ["pbs"]
    assert any("scheduler 'fairy'" in finding for finding in report.findings)
    assert any(finding.startswith("requests/torn.json:2: not imported") for finding in report.findings)
    assert any(finding.startswith("requests/empty.json: not imported") for finding in report.findings)


def test_what_is_shipped_of_modak() -> None:
    store = loaded((paths.shipped("evidence") / "modak/knowledge.ttl").read_text())
    assert (len(instances(store, "PublishedImage")), len(instances(store, "Site"))) == (29, 7)
    wrong = ox.NamedNode(PREFIXES["kb"] + "modak-image-tensorflow-2.1.0-gpu-py3")
    assert texts(store, wrong, "claimsAccelerator") == [] and texts(store, wrong, "doubt") != []


# ---- all


def test_unknown_kinds_and_missing_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="did you mean 'wheel'"):
        import_source("weel", tmp_path)
    for name in IMPORTERS:
        with pytest.raises(BadInput, match="no such file or folder"):
            import_source(name, tmp_path / "missing")


def test_a_normalisation_matches_whole_values_only() -> None:
    rule = normalised("accelerator_model_name", "nvidia  h200-sxm5-141gb")
    assert rule is not None and rule.normal_form == "NVIDIA H200"
    assert normalised("accelerator_model_name", "something with NVIDIA H200 inside") is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("garbage", ":1: malformed JSON"),
        ("[]", "no microarchitectures"),
        ('{"microarchitectures": {"x": {}}}', "with features"),
    ],
)
def test_something_else_than_archspecs_file_is_refused(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "uarch.json").write_text(text)
    with pytest.raises(BadInput, match=said):
        import_source("archspec", tmp_path / "uarch.json")
