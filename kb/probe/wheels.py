"""Wheels that the user's own sources offer: the file names in pip's find-links folders."""

from __future__ import annotations

import re
from collections.abc import Iterable

_WHEEL = re.compile(r"[^-\s]+-[^-\s]+(-\d[^-\s]*)?-[^-\s]+-[^-\s]+-[^-\s]+\.whl")


def offered(names: Iterable[str] | None) -> list[str] | None:
    """The names that follow the wheel convention, sorted; None where a folder could not be read.

    Args:
        names: file names as collected.
    """
    return (
        None
        if names is None
        else sorted({name for name in names if name.isprintable() and _WHEEL.fullmatch(name)})
    )
