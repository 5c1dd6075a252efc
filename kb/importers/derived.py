"""What follows from the cells of a row by what `sets/NAME.yaml` declares: texts that say several things at
once, rates in other units, and the operations of a sample.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kb.errors import BadInput
from kb.importers.declared import columns_of, rules_for
from kb.observations.rows import Row

_BACKWARD = 3  # a training step computes a forward pass and, twice as much, a backward pass


def with_cells(row: Row, declared: Mapping[str, Any], where: str) -> Row:
    """A row with what the texts of its cells say.

    Raises:
        BadInput: nothing declares what a text means; the message names `where`, the file and line.
    """
    found = dict(row)
    for column, rules in declared.get("cells", {}).items():
        matching = list(rules_for(rules, row.get(column, "")))
        if not matching:
            raise BadInput(f"{where}: column '{column}'", f"nothing declares '{row.get(column)}'")
        for rule in matching:
            found |= columns_of(rule, row[column])
    return found


def with_rates(row: Row, declared: Mapping[str, Any]) -> Row:
    """A row with its rate in samples/s and its operations, as far as they follow."""
    found = dict(row)
    if (column := declared.get("milliseconds_a_step")) and row.get("batch"):
        found["value"] = f"{int(row['batch']) * 1000 / float(row[column]):.6g}"
    if column := declared.get("tokens_a_second"):
        found["value"] = f"{float(row[column]) / int(row['sequence']):.6g}"
    if (operations := _operations(row, declared)) is not None:
        found["gflop"] = f"{operations / 1e9:.6g}"
    return found


def _operations(row: Row, declared: Mapping[str, Any]) -> float | None:
    """Of one sample: of transformers by their layers, or two for each parameter and token."""
    passes = _BACKWARD if row.get("kind") == "Training" else 1
    if layers := declared.get("layers", {}).get(row.get("network")):
        tokens, width = int(row["sequence"]), layers["width"]
        products = 12 * width * width * layers["layers"] + width * layers["vocabulary"]
        attention = 2 * width * tokens * layers["layers"]
        return float(2 * tokens * (products + attention) * passes)
    if column := declared.get("parameters"):
        return 2.0 * float(row[column]) * int(row["sequence"]) * passes
    return None
