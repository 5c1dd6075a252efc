"""Tables of rows on disk: `NAME.csv.gz` and, beside it, `NAME.csv-metadata.json`, which is CSV on the Web
metadata.

What is the same in every row stands once, as a virtual column of the metadata. Shipped tables lie in
`kb/evidence/tables/`, the user's own in `tables/` of the data folder.
"""

from __future__ import annotations

import csv
import functools
import gzip
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kb.errors import BadInput
from kb.store import archives, files, paths

Row = dict[str, str]
"""The values of one row by column; what is not known is not there."""

_METADATA = ".csv-metadata.json"
_CONTEXT = "http://www.w3.org/ns/csvw"
_LARGEST = 200 * 2**20


@dataclass(frozen=True)
class About:
    """What is said of a whole table.

    Attributes:
        title, licence, sources, checked: for people; licence and sources are IRIs, `checked` the day on which
        they were compared.
        counts: how many rows there are, and how many carry each mark.
        left_out: what of the source was not taken over, and why.
    """

    title: str
    licence: str
    sources: Sequence[str]
    checked: str
    counts: Mapping[str, int] = field(default_factory=dict)
    left_out: Sequence[str] = ()


@dataclass(frozen=True)
class Table:
    """One table: its name, its file, and its CSVW metadata."""

    name: str
    path: Path
    metadata: Mapping[str, Any]

    @property
    def columns(self) -> list[dict[str, Any]]:
        """The columns as the metadata declares them, virtual ones last."""
        return list(self.metadata["tableSchema"]["columns"])

    @property
    def counts(self) -> dict[str, int]:
        """How many rows there are, and how many carry each mark."""
        return dict(self.metadata.get("notes", {}).get("counts", {}))

    def rows(self) -> list[Row]:
        """Every row, with what is the same in all of them.

        Raises:
            BadInput: the file is damaged, or its head is not what the metadata declares.
        """
        constant = {
            column["name"]: str(column["default"]) for column in self.columns if column.get("virtual")
        }
        stored = [column["name"] for column in self.columns if not column.get("virtual")]
        heads, rows = files.csv_table(archives.gzip_text(self.path, _LARGEST), str(self.path))
        if heads != stored:
            raise BadInput(
                str(self.path), "has other columns than its metadata declares", expected=", ".join(stored)
            )
        found = []
        for row in rows:
            found.append(constant | {name: value for name, value in row.items() if value})
        return found


@functools.cache
def form() -> dict[str, dict[str, Any]]:
    """The one form of a row: every column by its name, as CSVW describes it, in the order of the tables."""
    declared = json.loads(Path(__file__).with_name("form.json").read_text(encoding="utf-8"))
    return {column["name"]: column for column in declared["columns"]}


def tables() -> dict[str, Table]:
    """The shipped tables and the user's own by their names; one of the user's takes the place of a shipped
    one.
    """
    found = {}
    for folder in (paths.shipped("evidence") / "tables", paths.data_home() / "tables"):
        for path in sorted(folder.glob(f"*{_METADATA}")):
            name = path.name.removesuffix(_METADATA)
            try:
                metadata = _declared(files.json_of(files.read_text(path), str(path)), path)
            except BadInput as error:
                files.set_aside(error)
            else:
                found[name] = Table(name, path.with_name(f"{name}.csv.gz"), metadata)
    return found


def _declared(metadata: Any, path: Path) -> Mapping[str, Any]:
    """Raises BadInput where a value is not metadata with columns that have names."""
    schema = metadata.get("tableSchema") if isinstance(metadata, dict) else None
    columns = schema.get("columns") if isinstance(schema, dict) else None
    if not isinstance(columns, list) or not all(
        isinstance(one, dict) and isinstance(one.get("name"), str) for one in columns
    ):
        raise BadInput(str(path), "declares no columns", expected="metadata of CSV on the Web")
    return dict(metadata)


def find(name: str, where: str = "SET") -> Table:
    """The table of a name. Raises BadInput where there is none."""
    known = tables()
    if name not in known:
        raise BadInput(
            where, f"no table of rows is named '{name}'", expected=", ".join(known), given=name, known=known
        )
    return known[name]


def metadata_of(name: str, about: About, columns: Sequence[Mapping[str, Any]]) -> str:
    """The CSVW metadata of a table."""
    document = {
        "@context": _CONTEXT,
        "url": f"{name}.csv.gz",
        "dc:title": about.title,
        "dc:license": {"@id": about.licence},
        "dc:source": [{"@id": source} for source in about.sources],
        "dc:modified": {"@value": about.checked, "@type": "xsd:date"},
        "notes": {"counts": dict(about.counts), "left_out": list(about.left_out)},
        "tableSchema": {"aboutUrl": f"urn:ontune:row:{name}:{{_row}}", "columns": list(columns)},
    }
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def packed(
    rows: Iterable[Row], declared: Mapping[str, Mapping[str, Any]]
) -> tuple[bytes, list[dict[str, Any]]]:
    """The compressed table, the same bytes for the same rows, and the columns that it has.

    Args:
        rows: what is to be kept.
        declared: the columns that rows may have, by name, in their order.
    """
    kept = list(rows)
    used, varying = [], []
    for name in declared:
        values = {row.get(name) for row in kept}
        if any(values):
            used.append(name)
            if len(values) > 1:
                varying.append(name)
    stored = varying or used
    constant = [name for name in used if name not in stored]
    text = io.StringIO()
    writer = csv.DictWriter(text, stored, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(kept)
    columns = [dict(declared[name]) for name in stored]
    columns += [dict(declared[name]) | {"virtual": True, "default": kept[0][name]} for name in constant]
    return gzip.compress(text.getvalue().encode(), 9, mtime=0), columns
