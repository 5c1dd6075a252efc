"""Tables inside a table -> rows: each line of the source carries the heads and cells of a line of some page's
own table. What heads, titles and pages mean is declared in `sets/NAME.yaml`.

A line with several rates, one for each precision, becomes several rows.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kb.errors import BadInput
from kb.importers.declared import column_or_left_out, columns_of, columns_of_all, rule_for, rules_for
from kb.observations.rows import Row
from kb.store import files, user_files

_NUMBER = re.compile(r"~?(\d[\d, ]*(?:\.\d+)?)\s*([kKM]?)(?:\s*[a-z]+/s)?")
_FACTORS = {"": 1.0, "k": 1e3, "K": 1e3, "M": 1e6}
_BETWEEN = re.compile(r"\s*(?:,|:|/|\band\b)\s*")


def rows_of(path: Path, declared: Mapping[str, Any], left_out: dict[str, str]) -> list[Row]:
    """The rows of a file; tables that hold no rates are left out by name.

    Raises:
        BadInput: a line lacks a column, or a head has a meaning that nothing declares.
    """
    nested = declared["nested"]
    heads, lines = files.csv_table(user_files.read_text(path), str(path))
    if missing := [
        name for name in (*nested["told_by"], nested["heads"], nested["cells"]) if name not in heads
    ]:
        raise BadInput(str(path), f"has no column {', '.join(missing)}")
    found: list[Row] = []
    for number, line in enumerate(lines, 2):
        own = [head.strip() for head in line[nested["heads"]].split(nested["separator"])]
        cells = [cell.strip() for cell in line[nested["cells"]].split(nested["separator"])]
        rates = {head: columns_of(rule, head) for head in own if (rule := rule_for(nested["rates"], head))}
        if not rates:
            left_out[f"tables with the heads {' | '.join(own)}"] = nested["no_rates"]
            continue
        of_line = columns_of_all(declared)
        for column in nested["told_by"]:
            for rule in rules_for(nested["meanings"], line[column]):
                of_line |= columns_of(rule, line[column])
        of_line |= {"file": line[nested["file"]], "line": str(number)}
        found += _sides(
            dict(zip(own, cells, strict=False)), rates, of_line, declared, left_out, f"{path}:{number}"
        )
    return found


def _sides(
    line: Mapping[str, str],
    rates: Mapping[str, Row],
    of_line: Row,
    declared: Mapping[str, Any],
    left_out: dict[str, str],
    where: str,
) -> list[Row]:
    nested, batch = declared["nested"], ("", "")
    for head, cell in line.items():
        if head in rates:
            continue
        rule = column_or_left_out(declared, head, where, left_out)
        if rule is None:
            continue
        if rule["column"] == "batch":
            batch = head, cell
        else:
            of_line[rule["column"]] = str(rule.get("values", {}).get(cell, cell))
    rows = []
    for head, side in rates.items():
        row = of_line | side | {"value": _number(line.get(head, ""))}
        row["batch"] = row.get("batch") or _batch(*batch, side, nested["precisions"])
        rows.append(row | _doubts(row, declared))
    return rows


def _doubts(row: Row, declared: Mapping[str, Any]) -> Row:
    """Marks for what the source may mean otherwise than it says."""
    marks = [doubt["mark"] for doubt in declared.get("doubts", ()) if _is_spelt(row, doubt["where"])]
    return {"marks": " ".join(marks)} if marks else {}


def _is_spelt(row: Row, spellings: Mapping[str, str]) -> bool:
    """Whether each of some columns has its spelling in a row."""
    return all(re.fullmatch(spelling, row.get(name, "")) for name, spelling in spellings.items())


def _batch(head: str, cell: str, side: Row, precisions: Mapping[str, str]) -> str:
    """The batch of one precision: the cell or the head names precisions in the order of their numbers, or
    there is one number for all.
    """
    for words in (cell, head):
        order = [precisions[word] for word in re.findall("|".join(precisions), words)]
        if len(order) > 1:
            parts = _BETWEEN.split(re.sub(r"\([^)]*\)", "", cell).strip())
            given = dict(zip(order, parts, strict=False)) if len(parts) == len(order) else {}
            return _number(given.get(side["precision"], ""))
    return _number(cell)


def _number(text: str) -> str:
    """A number as plain digits; empty where the text is none."""
    match = _NUMBER.fullmatch(text.strip())
    if match is None:
        return ""
    return f"{float(re.sub('[, ]', '', match[1])) * _FACTORS[match[2]]:.10g}"
