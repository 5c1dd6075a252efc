"""Facts as JSON Schema (2020-12), by the same table that reads them: what a client may send, and what an
answer holds.
"""

from __future__ import annotations

from typing import Any

from kb.records.fact_keys import FactKeys
from kb.records.fact_values import Key

_TYPES = {"integer": "integer", "decimal": "number", "boolean": "boolean"}


def schema_of(keys: FactKeys, *, local_files: bool = True) -> dict[str, Any]:
    """The schema of an object of facts; what is null or absent is unknown.

    Args:
        keys: of the facts.
        local_files: whether it has the facts that are paths of files of whoever states them.
    """
    return _object(keys.root, local_files)


def _object(key: Key, local_files: bool) -> dict[str, Any]:
    members = {
        name: _nullable(member, local_files)
        for name, member in key.members.items()
        if local_files or not member.local_file
    }
    return {"type": "object", "additionalProperties": False, "properties": members}


def _nullable(key: Key, local_files: bool) -> dict[str, Any]:
    schema = {"type": "array", "items": _one(key, local_files)} if key.many else _one(key, local_files)
    said = {"description": key.meaning} if key.meaning else {}
    return {**schema, "type": [schema["type"], "null"], **said}


def _one(key: Key, local_files: bool) -> dict[str, Any]:
    return _object(key, local_files) if key.members else {"type": _TYPES.get(key.datatype, "string")}
