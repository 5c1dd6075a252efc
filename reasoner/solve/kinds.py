"""Options that a table cannot tell apart are one kind to it.

A decision of many options rarely matters to another by all of them: what counts is whether a release knows a
precision, or how old a library an image brings. Each table is therefore put on *kinds*: a further decision,
wholly determined by the one that it stands for, with one option for each group of options that the table
treats alike. A decision then costs as many rows as it has options, and what it hands on is as small as the
kinds that matter.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from reasoner.solve.tables import Key, Options, Table

_MANY = 8
"""Options from which on a decision is worth a second one."""

_MARK = " by its kinds, "


def with_kinds(live: Mapping[str, Options], tables: list[Table]) -> tuple[dict[str, Options], list[Table]]:
    """The same problem with decisions of many options replaced in tables by their kinds; solutions are the
    same once the kinds are left out.

    Returns:
        the live options, those of the kinds after the others, and the tables.
    """
    options = dict(live)
    kinds: dict[tuple[str, Key], str] = {}
    links: list[Table] = []
    replaced = []
    for table in tables:
        scope, weights = table.scope, table.weights
        for i, decision in enumerate(table.scope):
            if len(live[decision]) < _MANY:
                continue
            like = _likes(live[decision], weights, i)
            if 2 * len(set(like)) > len(like):
                continue
            kind = kinds.setdefault((decision, like), f"{decision}{_MARK}{len(kinds) + 1}")
            if kind not in options:
                options[kind] = dict.fromkeys(like, 0)
                pairs: dict[Key, int | None] = dict.fromkeys(zip(live[decision], like, strict=True), 0)
                links.append(Table((decision, kind), pairs, True, len(like) * len(options[kind])))
            scope = (*scope[:i], kind, *scope[i + 1 :])
            weights = {key: weight for key, weight in weights.items() if key[i] in options[kind]}
        replaced.append(
            table
            if scope == table.scope
            else Table(scope, weights, table.closed, math.prod(len(options[one]) for one in scope))
        )
    return options, [*replaced, *links]


def without_kinds(decisions: Iterable[str]) -> Key:
    """The decisions themselves, each once, for those and their kinds."""
    return tuple(dict.fromkeys(decision.partition(_MARK)[0] for decision in decisions))


def _likes(options: Options, weights: Mapping[Key, int | None], i: int) -> Key:
    """For each option of the decision at position `i` the first option that the table treats like it."""
    rows: dict[str, list[tuple[Key, int | None]]] = {option: [] for option in options}
    for key, weight in weights.items():
        rows[key[i]].append((key[:i] + key[i + 1 :], weight))
    first: dict[frozenset[tuple[Key, int | None]], str] = {}
    return tuple(first.setdefault(frozenset(told), option) for option, told in rows.items())
