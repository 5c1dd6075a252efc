"""What `sets/NAME.yaml` declares of a source: rules that say by a spelling what a text of the source
means.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from kb.errors import BadInput
from kb.observations.rows import Row

Rule = Mapping[str, Any]


def rules_for(rules: Sequence[Rule], text: str) -> Iterator[Rule]:
    """The rules whose spelling a text has, in their order."""
    return (rule for rule in rules if re.fullmatch(rule["spelling"], text))


def rule_for(rules: Sequence[Rule], text: str) -> Rule | None:
    """The first of them."""
    return next(rules_for(rules, text), None)


def columns_of(rule: Rule, text: str) -> Row:
    """What a rule says of a text that has its spelling."""
    match = re.fullmatch(rule["spelling"], text)
    return {column: match.expand(value) if match else value for column, value in rule.get("sets", {}).items()}


def columns_of_all(declared: Mapping[str, Any]) -> Row:
    """What is said of every row of a source."""
    return dict(declared.get("always", {})) | {"who": declared["who"], "unit": declared["unit"]}


def column_or_left_out(
    declared: Mapping[str, Any], head: str, where: str, left_out: dict[str, str]
) -> Rule | None:
    """The rule of a column that is taken over; of one that is not, the reason goes into `left_out`.

    Raises:
        BadInput: nothing declares the column; the message names `where`, the file.
    """
    if rule := rule_for(declared["columns"], head):
        return rule
    if rule := rule_for(declared["ignored"], head):
        left_out[f"column {head}"] = rule["because"]
        return None
    expected = ", ".join(rule["spelling"] for rule in declared["columns"])
    raise BadInput(f"{where}: column '{head}'", "nothing declares it", expected=expected)
