"""One fact: the key that it has, and what a value for it may be.

`kb.records.fact_keys` makes the keys of a kind of facts.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator
from functools import cached_property
from typing import Any, Final

import msgspec
import pyoxigraph as ox

from kb.clean import held
from kb.counts import MOST_DEVICES
from kb.errors import BadInput
from kb.store.files import json_of, printable, yaml_of
from kb.values import replace

Facts = dict[str, Any]

LARGEST: Final = 10**18
"""Numbers of facts are smaller than that, whatever their sign."""

_COUNT = "count"
_NO_PROPERTY = ox.NamedNode("urn:ontune:no-property")
_NAME = re.compile(r"[^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*")
_EXPECTED = {
    "string": "a text",
    "integer": "a whole number",
    "decimal": "a number",
    "boolean": "true or false",
}


class Key(msgspec.Struct, dict=True):
    """One step of a path, with the members below it.

    Attributes:
        path: the whole path, such as `gpus[].driver`.
        many: whether the value is a list.
        property: the property that holds the value; a mere container has none.
        datatype: local name of the XSD datatype; empty where the value is a resource.
        namespace: what turns the value into the IRI of a resource, where no knowledge base is at hand to look
            it up in.
        names: the class whose names the values are; empty where they are none.
        spelling: the property whose known values a text is read as; empty where it is taken as it stands.
        sort_property: the property that holds a version's sort key.
        count_property: the property that holds the length of the list.
        local_file: whether the value is the path of a file of whoever states the fact.
        meaning: what the value says.
        members: the keys of an object, or of each object of a list, by name.
    """

    path: str
    many: bool = False
    property: ox.NamedNode = _NO_PROPERTY
    datatype: str = "string"
    namespace: str = ""
    names: str = ""
    spelling: str = ""
    sort_property: ox.NamedNode | None = None
    count_property: ox.NamedNode | None = None
    local_file: bool = False
    meaning: str = ""
    members: dict[str, Key] = msgspec.field(default_factory=dict)

    @cached_property
    def holds_names(self) -> bool:
        """Whether a value here, or below, is a name that a knowledge base may have otherwise."""
        return bool(self.names or self.spelling) or any(key.holds_names for key in self.members.values())

    @cached_property
    def of_one(self) -> Key:
        """The key of one element of a list."""
        return replace(self, many=False)


def refuse_credentials(value: Any, where: str) -> None:
    """See that facts hold no password, token or key: they end in plans, images and jobs, which are shown
    around.

    Args:
        value: facts, as JSON.
        where: the file or the option that they come from, for the error.

    Raises:
        BadInput: a text holds one; the message names the key, and not the text.
    """
    for path in held(value):
        expected = (
            "without user and password, or a variable such as $HF_TOKEN, which the job's own environment sets"
        )
        raise BadInput(where, f"key '{path}' holds what looks like a password or a token", expected=expected)


def walk(key: Key) -> Iterator[Key]:
    """Every key below a key, the outer ones first."""
    for member in key.members.values():
        yield member
        yield from walk(member)


def nothing(key: Key) -> Any:
    """The value of a key of which nothing is known."""
    return (
        {name: nothing(member) for name, member in key.members.items()}
        if key.members and not key.many
        else None
    )


def completed_value(key: Key, value: Any, where: str) -> Any:
    """A value for a key, checked, with null for every key below it that is absent.

    Args:
        where: the file or the option that the value comes from, for the error.

    Raises:
        BadInput: a key is unknown or a value has the wrong type; the message names `where` and the key.
    """
    if value is None:
        return nothing(key)
    if key.many:
        counted = key.count_property is not None and bool(key.members)
        if counted and isinstance(value, dict) and _COUNT in value:
            value = [value]
        if not isinstance(value, list):
            single = f"a list, such as [{value}]" if isinstance(value, str | int | float) else "a list"
            expected = (
                f"a list, such as [{{{next(iter(key.members))}: ..., {_COUNT}: 8}}]" if counted else single
            )
            raise BadInput(where, f"key '{key.path.removesuffix('[]')}' is not a list", expected=expected)
        elements = itertools.chain.from_iterable(
            _as_often(key, element, where) if counted else [element] for element in value
        )
        return [completed_element(key, element, where) for element in elements]
    if key.members:
        return _object(key, value, where)
    return _scalar(key, value, where)


def _as_often(key: Key, element: Any, where: str) -> list[Any]:
    """An object of a list whose length counts, as often as it says that it is there."""
    if not isinstance(element, dict) or _COUNT not in element:
        return [element]
    count = element[_COUNT]
    if isinstance(count, bool) or not isinstance(count, int) or not 0 < count <= MOST_DEVICES:
        raise BadInput(
            where,
            f"key '{key.path}.{_COUNT}' has the value {_shown(count)}",
            expected=f"a whole number from 1 to {MOST_DEVICES}",
        )
    return [{name: value for name, value in element.items() if name != _COUNT}] * count


def completed_element(key: Key, value: Any, where: str) -> Any:
    """As `completed_value`, for one element of a key that is a list."""
    return _object(key, value, where) if key.members else _scalar(key, value, where)


def _object(key: Key, value: Any, where: str) -> Facts:
    if not isinstance(value, dict):
        raise BadInput(
            where,
            f"key '{key.path}' is not an object" if key.path else "not an object",
            expected=f"the keys {', '.join(key.members)}",
        )
    for name in value:
        if name not in key.members:
            elsewhere = [below.path for below in walk(key) if below.path.endswith(f".{name}")]
            known = elsewhere or list(key.members)
            path = (f"{key.path}.{name}" if key.path else str(name))[:60]
            given = elsewhere[0] if elsewhere else str(name)
            raise BadInput(
                where,
                f"unknown key '{path}'",
                expected=f"one of {', '.join(key.members)}",
                given=given,
                known=known,
            )
    return {name: completed_value(member, value.get(name), where) for name, member in key.members.items()}


def _scalar(key: Key, value: Any, where: str) -> Any:
    kind = key.datatype or "string"
    fits = {
        "string": isinstance(value, str),
        "integer": isinstance(value, int) and _is_number(value),
        "decimal": _is_number(value),
        "boolean": isinstance(value, bool),
    }
    if kind == "string" and fits[kind] and not _is_text(value):
        raise BadInput(where, f"key '{key.path}' holds half a character", expected="Unicode text")
    if key.names and fits[kind] and not _NAME.fullmatch(value):
        raise BadInput(
            where, f"key '{key.path}' has the value {_shown(value)}", expected="a name in one line"
        )
    if not fits.get(kind, True):
        raise BadInput(where, f"key '{key.path}' has the value {_shown(value)}", expected=_EXPECTED[kind])
    return value


def _is_number(value: Any) -> bool:
    """Whether a value is a number that the store can compare with others."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < LARGEST


def _shown(value: Any) -> str:
    """A value as a message repeats it."""
    shown = json.dumps(value, default=str)
    return shown if len(shown) <= 60 else f"{shown[:57]}..."


def _is_text(value: str) -> bool:
    """Whether a string can be written at all: JSON may hold one half of a pair of surrogates."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def typed_value(key: Key, value: Any, path: str) -> Any:
    """A value for `key` from what stands behind `--set key=`: JSON or YAML, but never a version turned into a
    number.
    """
    if isinstance(value, str):
        plain_text = key.datatype == "string" and not key.many and not key.members
        if value in ("null", "~"):
            value = None
        elif not plain_text or value[:1] in ("'", '"'):
            value = _parsed(value, path)
    return completed_value(key, value, path)


def _parsed(text: str, where: str) -> Any:
    try:
        return json_of(text, where)
    except BadInput:
        pass
    try:
        return yaml_of(text, where)
    except BadInput as error:
        raise BadInput(
            where, f"cannot read '{printable(text):.200}'", expected="a JSON or YAML value"
        ) from error
