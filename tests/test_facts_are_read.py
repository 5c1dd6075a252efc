"""Every fact that is probed is read: by a rule, a named query or a generator."""

from __future__ import annotations

import re
from pathlib import Path

from kb.records.fact_keys import fact_keys
from kb.records.fact_values import Key
from kb.store.terms import local_name

ROOT = Path(__file__).resolve().parent.parent


def leaves(key: Key) -> list[Key]:
    return [
        found
        for member in key.members.values()
        for found in ([member] if not member.members or member.many else []) + leaves(member)
    ]


def test_every_fact_is_read_by_something() -> None:
    files = [
        path
        for folder in ("rules", "kb/queries")
        for path in (ROOT / folder).rglob("*")
        if path.suffix in (".ttl", ".rq")
    ]
    texts = "\n".join(path.read_text(encoding="utf-8") for path in files if "shapes" not in path.parts)
    generators = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "generators").rglob("*.py"))
    unread = set()
    for key in leaves(fact_keys("hardware").root):
        properties = [
            one.value for one in (key.property, key.sort_property, key.count_property) if one is not None
        ]
        by_rule = any(re.search(rf"\bon:{local_name(iri)}\b", texts) for iri in properties)
        by_generator = f'"{key.path.removesuffix("[]").split(".")[-1]}"' in generators
        if not by_rule and not by_generator:
            unread.add(key.path.removesuffix("[]"))
    assert not unread
