"""Values read back from JSON, by the types of their members: nothing is accepted that is not exactly one."""

from __future__ import annotations

import functools
import itertools
import types
import typing
from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeVar

from kb.errors import BadInput
from kb.values import Value

_Kind = TypeVar("_Kind", bound=Value)


@functools.cache
def _fields(kind: type[Value]) -> dict[str, tuple[Any, bool]]:
    """For every member of a value, its type and whether it must be given."""
    hints = typing.get_type_hints(kind)
    required = len(kind.__struct_fields__) - len(kind.__struct_defaults__)
    return {name: (hints[name], n < required) for n, name in enumerate(kind.__struct_fields__)}


def decoded(kind: type[_Kind], obj: object, where: str) -> _Kind:
    """The value of a kind that an object of JSON is.

    Raises:
        BadInput: a key is missing or unknown, or a value is of the wrong kind; the message begins with
            `where`, and names the path to the key.
    """
    if not isinstance(obj, Mapping):
        raise BadInput(where, f"found {_described(obj)}", expected="an object")
    fields = _fields(kind)
    for key in obj:
        if key not in fields:
            raise BadInput(f"{where}: {key}", "unknown key", given=str(key), known=fields)
    for name, (_, required) in fields.items():
        if required and name not in obj:
            raise BadInput(f"{where}: {name}", "missing key")
    return kind(**{name: _value(fields[name][0], item, f"{where}: {name}") for name, item in obj.items()})


def _value(hint: Any, item: object, where: str) -> Any:
    """Check one value against a field's type hint, and build what it describes."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if isinstance(hint, type) and issubclass(hint, Value):
        return decoded(hint, item, where)
    if origin in (tuple, Sequence):
        if not isinstance(item, list | tuple):
            raise BadInput(where, f"found {_described(item)}", expected="a list")
        return tuple(_value(arguments[0], element, f"{where}[{index}]") for index, element in enumerate(item))
    if origin in (typing.Union, types.UnionType, Literal):
        words = words_of(hint)
        if item not in words:
            choice = "one of " + ", ".join(repr(word) for word in words)
            raise BadInput(where, f"found {_described(item)}", expected=choice, given=str(item), known=words)
        return item
    wanted, name = (str, "text") if hint is str else (Mapping, "an object")
    if not isinstance(item, wanted):
        raise BadInput(where, f"found {_described(item)}", expected=name)
    return item


def words_of(hint: Any) -> list[str]:
    """The texts that a union of literals allows."""
    arguments = typing.get_args(hint)
    if typing.get_origin(hint) is Literal:
        return list(arguments)
    return list(itertools.chain.from_iterable(map(words_of, arguments)))


def _described(item: object) -> str:
    names = {
        str: "text",
        bool: "a truth value",
        int: "a number",
        float: "a number",
        list: "a list",
        dict: "an object",
        type(None): "nothing",
    }
    described = names.get(type(item), type(item).__name__)
    return f"{described} {item!r:.40}" if isinstance(item, str | int | float) else described
