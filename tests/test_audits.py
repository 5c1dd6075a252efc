"""What an audit found wrong and says is corrected stands in the knowledge base no more."""

import csv
from pathlib import Path

import pytest

from benchmarks.audit_draw import claims

AUDITS = sorted((Path(__file__).parents[1] / "docs" / "audits").glob("*.tsv"))


@pytest.mark.parametrize("path", AUDITS, ids=lambda path: path.stem)
def test_every_fact_has_a_source_and_a_verdict_and_no_corrected_one_still_stands(path: Path) -> None:
    rows = list(csv.DictReader(path.read_text().splitlines(), delimiter="\t", quoting=csv.QUOTE_NONE))
    told = [
        row for row in rows if row["source"] and row["verdict"].startswith(("right", "wrong", "unverifiable"))
    ]
    assert rows and told == rows
    wrong = {
        (row["file"], row["subject"], row["property"], row["value"])
        for row in rows
        if row["verdict"].startswith("wrong")
    }
    corrected = {
        key for key in wrong if any("corrected" in row["verdict"] for row in rows if row["subject"] == key[1])
    }
    assert corrected.isdisjoint(claims())
