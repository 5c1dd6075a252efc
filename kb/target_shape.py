"""The shape of targets (`rules/shapes/target-shapes.ttl`), applied to what a user gives."""

from __future__ import annotations

import re

from kb import paths
from kb.errors import BadInput
from kb.fact_keys import fact_keys
from kb.terms import FILE, on

_SHAPES = "shapes/target-shapes.ttl"


def check_target(turtle: str, where: str) -> None:
    """Check a description of a target.

    Args:
        turtle: the description.
        where: the file or option that it comes from, for the error.

    Raises:
        BadInput: the description breaks the shape; the message names `where`, the key and what was expected.
    """
    import shifty

    shapes = paths.shipped("rules") / _SHAPES
    result = shifty.validate_algebra(turtle.encode(), shapes, graph_mode="data", infer=False, base=f"{FILE}rules/{_SHAPES}")
    for violation in result.violations:
        for reason in violation.reasons:
            # Constraints between two properties name them only in their rendering.
            named = re.search(r"on:(\w+)", f"{reason.path or ''} {reason.constraint.render}")
            inside = re.search(r"/\w+/(\d+)>?$", str(violation.focus_node))
            key = fact_keys("hardware").key_of(on(named[1]), in_list=inside is not None) if named else ""
            if inside:
                key = key.replace("[]", f"[{inside[1]}]")
            value = f" has the value {reason.value.split('^^')[0]}" if reason.path else ""
            raise BadInput(where, f"key '{key}'{value}" if value else f"key '{key}' does not fit", expected=reason.author_message or reason.message)
