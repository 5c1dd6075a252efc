"""SHACL shapes applied to a piece of Turtle that somebody gives, before it is believed."""

from __future__ import annotations

import re

from kb.store import paths
from kb.store.terms import FILE, local_name
from kb.values import Value


class Violation(Value, frozen=True):
    """One value that breaks a shape.

    Attributes:
        focus: the IRI of the resource, or the label of a blank node.
        property: the local name of the property, or the empty text.
        value: the offending value as text; empty where a constraint compares two properties or misses a
            value.
        expected: what the shape says was expected.
        severity: `Violation`, `Warning` or `Info`.
    """

    focus: str
    property: str
    value: str
    expected: str
    severity: str


def violations(turtle: str, *names: str) -> list[Violation]:
    """All violations of shipped shapes, in a stable order.

    Args:
        turtle: the data.
        names: files of `rules/shapes/`, such as `target-shapes.ttl`.
    """
    import shifty

    found = []
    for name in names:
        shapes = paths.shipped("rules") / "shapes" / name
        result = shifty.validate_algebra(
            turtle.encode(), shapes, graph_mode="data", infer=False, base=f"{FILE}rules/shapes/{name}"
        )
        for violation in result.violations:
            for reason in violation.reasons:
                # Constraints between two properties name them only in their rendering.
                named = re.search(r"https?://[^>\s]+|\bon:\w+", reason.path or reason.constraint.render)
                value = str(reason.value).split("^^")[0].strip('"') if reason.path and reason.value else ""
                name_of = local_name(named[0].replace(":", "/")) if named else ""
                expected = reason.author_message or reason.message
                found.append(
                    Violation(
                        str(violation.focus_node).strip("<>"), name_of, value, expected, str(reason.severity)
                    )
                )
    return sorted(
        set(found),
        key=lambda violation: (violation.focus, violation.property, violation.value, violation.expected),
    )
