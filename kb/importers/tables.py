"""Tables of measurements -> rows. How a source's files are read is declared in `sets/NAME.yaml`, and no word
of a source stands here.

Nothing is dropped in silence: a row that lacks something is kept and marked, columns that are not taken over
are named with the reason, and whatever no declaration matches is a finding.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kb.errors import BadInput
from kb.importers import nested
from kb.importers.declared import column_or_left_out, columns_of, columns_of_all, rule_for
from kb.importers.derived import with_cells, with_rates
from kb.observations.rows import About, Row, form, metadata_of, packed
from kb.store import files, user_files

_SETS = Path(__file__).with_name("sets")
_NUMBERS = ("image_size", "batch", "sequence", "devices")


@dataclass(frozen=True)
class TableReport:
    """The outcome of an import of rows.

    Attributes:
        name: the table's.
        table, metadata: the bytes of `NAME.csv.gz` and the text of `NAME.csv-metadata.json`.
        findings: what was marked or left out, one sentence each.
    """

    name: str
    table: bytes
    metadata: str
    findings: list[str] = field(default_factory=list)


def known_sets() -> list[str]:
    """The sources whose files are declared."""
    return sorted(path.stem for path in _SETS.glob("*.yaml"))


def import_rows(name: str, paths: Sequence[Path]) -> TableReport:
    """The rows of a source's files.

    Args:
        name: the source, one of `known_sets()`.
        paths: its files, or folders that hold them.

    Raises:
        BadInput: a file is missing, is no table, or has a name or columns that nothing declares.
    """
    declared = user_files.read_object(_SETS / f"{name}.yaml")
    rows: list[Row] = []
    findings: list[str] = []
    left_out: dict[str, str] = {}
    for path in _files(paths):
        rows += (nested.rows_of if "nested" in declared else _rows_of)(path, declared, left_out)
    if not rows:
        raise BadInput(name, "no rows", expected="files of this source, or a folder that holds them")
    columns_known = declared.get("form") or form()
    if by := declared.get("twins"):
        _name_twins(rows, by)
    else:
        _mark(rows)
    counts: Counter[str] = Counter()
    for row in rows:
        counts.update(row.get("marks", "").split())
    findings += [f"{count} rows are marked {mark}" for mark, count in sorted(counts.items())]
    said = [f"{what}: {because}" for what, because in sorted(left_out.items())]
    about = About(
        declared["title"],
        declared["licence"],
        declared["sources"],
        declared["checked"],
        {"rows": len(rows), **dict(sorted(counts.items()))},
        said,
    )
    table, columns = packed(rows, _named(columns_known))
    return TableReport(
        name, table, metadata_of(name, about, columns), [f"{len(rows)} rows", *findings, *said]
    )


def _files(paths: Sequence[Path]) -> Iterable[Path]:
    for path in paths:
        yield from sorted(path.glob("*.csv")) if path.is_dir() else (path,)


def _named(columns: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    return {name: {"name": name, **column} for name, column in columns.items()}


def _rows_of(path: Path, declared: Mapping[str, Any], left_out: dict[str, str]) -> list[Row]:
    of_file = _columns_by_name(path, declared)
    heads, lines = files.csv_table(user_files.read_text(path), str(path))
    taken: dict[str, str] = {}
    for head in heads:
        if rule := column_or_left_out(declared, head, str(path), left_out):
            taken[head] = rule["column"]
    if missing := [rule["column"] for rule in declared["columns"] if rule["column"] not in taken.values()]:
        raise BadInput(str(path), f"has no column for {', '.join(missing)}")
    found = []
    for line, source in enumerate(lines, 2):
        row = (
            of_file
            | {taken[head]: (source.get(head) or "").strip() for head in taken}
            | {"file": path.name, "line": str(line)}
        )
        row = with_rates(with_cells(row, declared, f"{path}:{line}"), declared)
        found.append({name: _plain(name, value) for name, value in row.items() if value})
    return found


def _columns_by_name(path: Path, declared: Mapping[str, Any]) -> Row:
    """What the name of a file says of all its rows."""
    found = columns_of_all(declared)
    for word in path.stem.split(declared["separator"]) if "words" in declared else ():
        rule = rule_for(declared["words"], word)
        if rule is None:
            raise BadInput(
                str(path),
                f"nothing declares what '{word}' in its name means",
                expected="a file of this source under its own name",
            )
        found |= columns_of(rule, word)
    if day := rule_for(declared.get("published", ()), path.stem):
        found["published"] = day["day"]
    return found


def _plain(name: str, value: str) -> str:
    """Whole numbers without a fraction: some tables write a batch as 256.0."""
    return value.removesuffix(".0") if name in _NUMBERS else value


def _name_twins(rows: Sequence[Row], by: Sequence[str]) -> None:
    """Of things with equal numbers, name the first: they are one under other names, or cannot be told
    apart.
    """
    first: dict[tuple[str, ...], str] = {}
    for row in rows:
        row["twin"] = first.setdefault(tuple(row[column] for column in by), row["network"])


def _mark(rows: Sequence[Row]) -> None:
    """Say of each row what to mind: it has no batch or no value, or the same numbers stand elsewhere as
    another measurement.
    """
    seen: Counter[tuple[str | None, ...]] = Counter()
    for row in rows:
        seen[_numbers_of(row)] += 1
    for row in rows:
        marks = (
            row.get("marks", "").split()
            + ["no-batch"] * (not row.get("batch"))
            + ["no-value"] * (not row.get("value"))
        )
        marks += ["repeat"] * bool(row.get("value") and seen[_numbers_of(row)] > 1)
        row["marks"] = " ".join(marks)


def _numbers_of(row: Row) -> tuple[str | None, ...]:
    told_apart = ("kind", "machine", "devices", "network", "image_size", "sequence", "batch", "value")
    return tuple(row.get(name) for name in told_apart)
