"""The shape of targets, applied to what a user gives."""

from __future__ import annotations

import json
import re

from kb.errors import BadInput
from kb.fact_keys import fact_keys
from kb.shapes import violations
from kb.terms import on


def check_target(turtle: str, where: str) -> None:
    """Check a description of a target.

    Args:
        turtle: the description.
        where: the file or option that it comes from, for the error.

    Raises:
        BadInput: the description breaks the shape; the message names `where`, the key and what was expected.
    """
    for found in violations(turtle, "target-shapes.ttl"):
        inside = re.search(r"/\w+/(\d+)$", found.focus)
        key = fact_keys("hardware").key_of(on(found.property), in_list=inside is not None)
        if inside:
            key = key.replace("[]", f"[{inside[1]}]")
        problem = f"has the value {json.dumps(found.value)}" if found.value else "does not fit"
        raise BadInput(where, f"key '{key}' {problem}", expected=found.expected)
