"""Immutable values: compared by what they hold, made and copied fast.

A plan is made in a new process each time, and half a hundred classes are made before it begins: one of
msgspec costs a tenth of a dataclass.
"""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar, TypeVar

import msgspec

_Kind = TypeVar("_Kind")


class Value(msgspec.Struct, frozen=True, dict=True):
    """An immutable value with named members; what is worked out of them may be kept with it."""


class Described(Value, frozen=True, eq=False):
    """A value that somebody describes: it equals another one that says the same, whoever says it and where.

    Attributes:
        beside: the members that tell who says it, and where.
    """

    beside: ClassVar[tuple[str, ...]] = ("where",)

    def __eq__(self, other: object) -> bool:
        if type(self) is not type(other):
            return NotImplemented
        told = (name for name in self.__struct_fields__ if name not in self.beside)
        return all(getattr(self, name) == getattr(other, name) for name in told)

    def __hash__(self) -> int:
        return hash(type(self))


def defaults_of(kind: type[msgspec.Struct]) -> dict[str, Any]:
    """What the members of a kind of values are where nobody says it, as far as they need not be given."""
    names, defaults = kind.__struct_fields__, kind.__struct_defaults__
    return dict(zip(names[len(names) - len(defaults) :], defaults, strict=True))


def replace(value: _Kind, /, **changes: Any) -> _Kind:
    """A copy of a value or a dataclass with some members changed."""
    if isinstance(value, msgspec.Struct):
        return msgspec.structs.replace(value, **changes)
    return dataclasses.replace(value, **changes)  # type: ignore[type-var]
