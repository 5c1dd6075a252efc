"""Rows of measurements: one form, compressed, described by CSV on the Web; nothing of a source is dropped in
silence.
"""

from __future__ import annotations

import csv
import gzip
import json
from pathlib import Path

import pyoxigraph as ox
import pytest

from kb.errors import BadInput
from kb.importers.tables import import_rows, known_sets
from kb.observations.rows import Table, find, form, packed, tables, triples
from kb.store import paths
from kb.store.terms import PREFIXES
from ontune.cli import main

HEAD = "model,train_samples_per_sec,train_step_time,train_batch_size,train_img_size,param_count\n"
NAME = "benchmark-train-amp-{}-pt111-cu113-rtx3090.csv"


def source(folder: Path, layout: str, *lines: str) -> Path:
    path = folder / NAME.format(layout)
    path.write_text(HEAD + "".join(f"{line}\n" for line in lines))
    return path


def unpacked(table: bytes, metadata: str, folder: Path) -> Table:
    (folder / "t.csv.gz").write_bytes(table)
    return Table("t", folder / "t.csv.gz", json.loads(metadata))


def test_the_name_of_a_file_and_its_columns_become_options_versions_and_numbers(tmp_path: Path) -> None:
    report = import_rows("timm", [source(tmp_path, "nhwc", "net_a,100.5,5,256.0,224,25.6")])
    (row,) = unpacked(report.table, report.metadata, tmp_path).rows()
    expected = {
        "kind": "Training",
        "machine": "rtx-3090",
        "precision": "fp16",
        "memory_format": "channels_last",
        "compiler": "eager",
    }
    expected |= {
        "framework_version": "1.11",
        "toolkit": "cuda-11.3",
        "batch": "256",
        "image_size": "224",
        "value": "100.5",
    }
    expected |= {"published": "2022-04-01", "line": "2", "network": "net_a", "unit": "samples/s"}
    assert expected.items() <= row.items()
    assert any("train_step_time" in finding for finding in report.findings), "what is not taken over is said"


def test_rows_that_lack_something_or_stand_twice_are_kept_and_marked(tmp_path: Path) -> None:
    source(tmp_path, "nchw", "net_a,100.5,5,256,224,1", "net_b,90,5,,224,1", "net_c,,5,64,224,1")
    source(tmp_path, "nhwc", "net_a,100.5,5,256,224,1", "net_b,95,5,64,224,1")
    report = import_rows("timm", [tmp_path])
    rows = unpacked(report.table, report.metadata, tmp_path).rows()
    marks = {(row["network"], row["memory_format"]): row.get("marks", "") for row in rows}
    assert marks["net_a", "contiguous"] == marks["net_a", "channels_last"] == "repeat"
    assert (marks["net_b", "contiguous"], marks["net_c", "contiguous"], marks["net_b", "channels_last"]) == (
        "no-batch",
        "no-value",
        "",
    )
    assert json.loads(report.metadata)["notes"]["counts"] == {
        "rows": 5,
        "no-batch": 1,
        "no-value": 1,
        "repeat": 2,
    }


@pytest.mark.parametrize(
    ("name", "text", "complaint"),
    [
        ("benchmark-train-amp-nhwc-pt111-cu113-tpu9.csv", HEAD, "'tpu9'"),
        (NAME.format("nhwc"), HEAD.replace("param_count", "watts"), "'watts'"),
        (NAME.format("nhwc"), HEAD.replace("train_batch_size,", ""), "batch"),
    ],
)
def test_what_nothing_declares_is_refused_by_name(
    tmp_path: Path, name: str, text: str, complaint: str
) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(BadInput, match=complaint):
        import_rows("timm", [tmp_path / name])


PAGES = "readme,section,header,row\n"
RATES = "GPUs|Batch size / GPU{}|Throughput - FP32|Throughput - mixed precision|Throughput speedup (FP32 - mixed precision)"


def page(folder: Path, *lines: tuple[str, str, str, str]) -> list[dict[str, str]]:
    """The rows of lines of pages, each a page, a title, heads and cells."""
    path = folder / "tables.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([("readme", "section", "header", "row"), *lines])
    report = import_rows("nvidia-dle", [path])
    return unpacked(report.table, report.metadata, folder).rows()


def test_a_line_of_a_table_in_a_table_is_a_row_for_each_precision(tmp_path: Path) -> None:
    where = ("PyTorch/LanguageModeling/BERT/README.md", "Training > Pre-training NVIDIA DGX-1 (8x V100 32GB)")
    plain, mixed = page(tmp_path, (*where, RATES.format(""), "8|131,072|1 014|~2.5k img/s|2.5"))
    expected = {"machine": "v100-32gb", "framework": "pytorch", "network": "bert", "devices": "8"}
    assert expected.items() <= plain.items() and expected.items() <= mixed.items()
    assert (plain["precision"], plain["batch"], plain["value"]) == ("fp32", "131072", "1014")
    assert (mixed["precision"], mixed["batch"], mixed["value"]) == ("fp16", "131072", "2500")
    assert plain["line"] == mixed["line"] == "2"


@pytest.mark.parametrize(
    ("head", "cell", "expected"),
    [
        (" (FP32 and FP16)", "8 and 16", ("8", "16")),
        (": mixed precision, FP32", "64 , 32", ("32", "64")),
        ("", "128 (FP32) / 256 (AMP)", ("128", "256")),
        ("", "64", ("64", "64")),
        (": mixed precision, FP32", "64", (None, None)),
    ],
)
def test_batches_are_given_to_the_precisions_that_the_head_or_the_cell_names(
    tmp_path: Path, head: str, cell: str, expected: tuple[str | None, str | None]
) -> None:
    where = ("TensorFlow/LanguageModeling/BERT/README.md", "Training: NVIDIA DGX A100 (8x A100 80GB)")
    plain, mixed = page(tmp_path, (*where, RATES.format(head), f"1|{cell}|10|20|2"))
    assert (plain.get("batch"), mixed.get("batch")) == expected
    assert ("no-batch" in plain["marks"].split()) == (expected[0] is None)
    assert "maybe-tf32" in plain["marks"].split(), "FP32 on an A100 may be TF32"


def test_tables_without_rates_are_left_out_by_name_and_unknown_heads_are_refused(tmp_path: Path) -> None:
    where = ("MxNet/Classification/RN50v1.5/README.md", "Training: NVIDIA DGX-1 (8x V100 16GB)")
    path = tmp_path / "tables.csv"
    lines = [
        PAGES.strip().split(","),
        (*where, RATES.format(""), "1|8|10|20|2"),
        (*where, "GPUs|Loss", "1|0.5"),
    ]
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(lines)
    report = import_rows("nvidia-dle", [path])
    assert any("GPUs | Loss" in finding and "no rate" in finding for finding in report.findings)
    with path.open("a", newline="") as file:
        csv.writer(file).writerow((*where, RATES.format("") + "|Watts", "1|8|10|20|2|300"))
    with pytest.raises(BadInput, match=r"tables\.csv:4: column 'Watts'"):
        import_rows("nvidia-dle", [path])


def test_shipped_tables_are_what_their_metadata_says() -> None:
    shipped = [table for table in tables().values() if table.path.is_relative_to(paths.shipped("evidence"))]
    assert shipped
    assert sum(table.path.stat().st_size for table in shipped) < 6 * 2**20
    for table in shipped:
        rows = table.rows()
        assert len(rows) == table.counts["rows"]
        for mark in table.counts.keys() - {"rows"}:
            assert sum(mark in row.get("marks", "").split() for row in rows) == table.counts[mark]
        assert table.metadata["dc:license"]["@id"].startswith("https://spdx.org/licenses/")
        assert table.metadata["dc:source"]


def test_every_column_says_what_the_ontology_or_a_standard_declares() -> None:
    declared = ox.Store()
    for path in [*paths.shipped("ontology").glob("*.ttl"), paths.shipped("facts") / "decisions.ttl"]:
        declared.load(path=str(path), format=ox.RdfFormat.TURTLE, base_iri="file:")
    for column in form().values():
        said = ox.NamedNode(column["propertyUrl"])
        own = column["propertyUrl"].startswith("https://w3id.org/ontune")
        assert not own or next(declared.quads_for_pattern(said, None, None, None), None), column


def test_rows_as_rdf_follow_the_minimal_mode_of_the_standard(tmp_path: Path) -> None:
    rows = [{"precision": "fp16", "batch": "8", "marks": "repeat no-batch"}, {"precision": "bf16"}]
    table, columns = packed(rows, form())
    metadata = {"tableSchema": {"aboutUrl": "urn:row:{_row}", "columns": columns}}
    found = set(triples(unpacked(table, json.dumps(metadata), tmp_path)))
    expected = f"""@prefix on: <{PREFIXES["on"]}> . @prefix kb: <{PREFIXES["kb"]}> .
        <urn:row:1> kb:precision kb:fp16 ; on:batchSize 8 ; on:rowMark "repeat" , "no-batch" . <urn:row:2> kb:precision kb:bf16 ."""
    assert found == {quad.triple for quad in ox.parse(expected, format=ox.RdfFormat.TURTLE)}


def test_a_table_is_the_same_bytes_for_the_same_rows() -> None:
    rows = [{"network": "a", "value": "1"}, {"network": "b", "value": "1"}]
    assert packed(rows, form()) == packed(list(map(dict, rows)), form())


def test_a_damaged_table_is_named(tmp_path: Path) -> None:
    table, columns = packed([{"network": "a"}, {"network": "b"}], form())
    metadata = json.dumps({"tableSchema": {"columns": columns}})
    for broken in (table[:-9], b"network\n", gzip.compress(b"other\n1\n")):
        with pytest.raises(BadInput, match=r"t\.csv\.gz"):
            unpacked(broken, metadata, tmp_path).rows()


def test_an_imported_table_is_listed_and_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ONTUNE_DATA_HOME", str(tmp_path / "data"))
    file = source(tmp_path, "nhwc", "net_a,100.5,5,256,224,1", "net_b,95,5,64,224,1")
    assert run("kb", "import", "timm", str(file)) == 0
    assert find("timm").path.is_relative_to(tmp_path), "a user's table stands for the shipped one of its name"
    assert run("kb", "import", "timm", str(file)) == 2
    assert "--force" in capsys.readouterr().err
    assert run("kb", "rows", "timm", "--format", "csv") == 0
    assert capsys.readouterr().out.count("rtx-3090") == 2
    asked = "SELECT ?n { ?r on:network ?n ; on:batchSize 64 ; kb:memory_format kb:channels_last }"
    assert run("query", "--rows", "timm", "--format", "csv", asked) == 0
    assert capsys.readouterr().out.split() == ["n", "net_b"]


def test_an_unknown_table_is_refused_with_the_nearest_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("kb", "rows", "tim") == 2
    assert "timm" in capsys.readouterr().err
    assert known_sets() == sorted(known_sets())


def run(*words: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(list(words))
    return int(ended.value.code or 0)
