"""How YAML of others is bounded before it is read: the size with its aliases written out, the depth, and what
its loader takes.
"""

from __future__ import annotations

import functools
from typing import Any

import yaml

from kb.errors import BadInput

_MOST_NODES = 200_000
_DATE = "tag:yaml.org,2002:timestamp"


def bound(events: Any, where: str, deepest: int) -> None:
    """See that a YAML text is neither too deep nor, with its aliases written out, too large.

    Events need no stack.
    """
    depth = 0
    sizes: dict[str, int] = {}
    open_ones: list[tuple[str | None, int]] = [(None, 0)]
    for event in events:
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            open_ones.append((event.anchor, 1))
            if depth > deepest:
                raise BadInput(
                    where,
                    "objects or lists lie too deep within one another",
                    expected=f"at most {deepest} levels",
                )
            continue
        if isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
            anchor, size = open_ones.pop()
        elif isinstance(event, yaml.ScalarEvent):
            anchor, size = event.anchor, 1
        elif isinstance(event, yaml.AliasEvent):
            line = event.start_mark.line + 1 if event.start_mark else 1
            if event.anchor not in sizes:  # not closed yet, or not there
                problem = f"the alias *{event.anchor:.40} stands inside what it means, or means nothing"
                raise BadInput(f"{where}:{line}", problem, expected="no such alias")
            anchor, size = None, sizes[event.anchor]
        else:
            continue
        if anchor:
            sizes[anchor] = size
        outer, held = open_ones[-1]
        open_ones[-1] = (outer, held + size)
        if held + size > _MOST_NODES:
            raise BadInput(
                where, "holds too many values, its aliases written out", expected=f"at most {_MOST_NODES}"
            )


@functools.cache
def strict_loader() -> Any:
    """The safe loader of YAML, which refuses a key that is given twice and leaves dates as they are
    written.
    """

    class Strict(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
        def construct_mapping(self, node: Any, deep: bool = False) -> Any:
            seen = set()
            for key, _ in node.value:
                if key.value in seen and isinstance(key.value, str):
                    raise yaml.constructor.ConstructorError(
                        None, None, f"key '{key.value:.60}' is given more than once", key.start_mark
                    )
                seen.add(key.value if isinstance(key.value, str) else id(key))
            return super().construct_mapping(node, deep)

    resolvers = {}
    for first, rules in yaml.SafeLoader.yaml_implicit_resolvers.items():
        resolvers[first] = [rule for rule in rules if rule[0] != _DATE]
    Strict.yaml_implicit_resolvers = resolvers
    return Strict
