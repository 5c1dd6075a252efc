"""Immutable values: compared by what they hold, made and copied fast.

A plan is made in a new process each time, and half a hundred classes are made before it begins: one of
msgspec costs a tenth of a dataclass.
"""

from __future__ import annotations

import dataclasses
from typing import Any, TypeVar

import msgspec

_Kind = TypeVar("_Kind")


class Value(msgspec.Struct, frozen=True, dict=True):
    """An immutable value with named members; what is worked out of them may be kept with it."""


def replace(value: _Kind, /, **changes: Any) -> _Kind:
    """A copy of a value or a dataclass with some members changed."""
    if isinstance(value, msgspec.Struct):
        return msgspec.structs.replace(value, **changes)
    return dataclasses.replace(value, **changes)  # type: ignore[type-var]
