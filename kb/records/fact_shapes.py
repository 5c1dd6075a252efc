"""The shapes of targets and sites, applied to what a user gives."""

from __future__ import annotations

import json
import re

from kb.errors import BadInput
from kb.records.fact_keys import fact_keys
from kb.records.shapes import violations


def check_target(turtle: str, where: str) -> None:
    """Check a description of a target.

    Args:
        turtle: the description.
        where: the file or option that it comes from, for the error.

    Raises:
        BadInput: the description breaks the shape; the message names `where`, the key and what was expected.
    """
    _check(turtle, where, "hardware", "target-shapes.ttl")


def check_site(turtle: str, where: str) -> None:
    """As `check_target`, for a description of a site."""
    _check(turtle, where, "sites", "site-shapes.ttl")


def _check(turtle: str, where: str, module: str, shapes: str) -> None:
    for found in violations(turtle, shapes):
        inside = re.search(r"/\w+/(\d+)$", found.focus)
        keys = fact_keys(module)
        key = keys.key_of(found.path, in_list=inside is not None) or keys.key_of(found.path, in_list=True)
        if inside:
            key = key.replace("[]", f"[{inside[1]}]")
        # What is missing is blamed on the resource.
        given = "" if found.value.strip("<>") == found.focus else found.value
        problem = f"has the value {_shown(given)}" if given else "does not fit"
        raise BadInput(where, f"key '{key}' {problem}", expected=found.message)


def _shown(text: str) -> str:
    return json.dumps(text if len(text) <= 60 else f"{text[:57]}...")
