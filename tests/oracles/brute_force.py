"""The choice by trying everything: the definition itself, as short as it can be written."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence

from reasoner.solve import Factor

Domains = Mapping[str, Sequence[str]]


def configurations(domains: Domains) -> Iterator[dict[str, str]]:
    """Every configuration, allowed or not."""
    for options in itertools.product(*domains.values()):
        yield dict(zip(domains, options, strict=True))


def value(factors: Sequence[Factor], configuration: Mapping[str, str]) -> int | None:
    """The sum of all weights; None where one of them forbids the configuration."""
    weights = [
        factor.table.get(tuple(configuration[decision] for decision in factor.scope), factor.otherwise)
        for factor in factors
    ]
    return None if None in weights else sum(weight for weight in weights if weight is not None)


def ranked(domains: Domains, factors: Sequence[Factor]) -> list[tuple[int, dict[str, str]]]:
    """All feasible configurations with their values, best first."""
    valued = [(value(factors, configuration), configuration) for configuration in configurations(domains)]
    return sorted(
        ((worth, configuration) for worth, configuration in valued if worth is not None),
        key=lambda pair: -pair[0],
    )


def feasible(domains: Domains, factors: Sequence[Factor]) -> bool:
    """Whether any configuration is allowed."""
    return any(value(factors, configuration) is not None for configuration in configurations(domains))


def smallest_relaxations(
    domains: Domains, factors: Sequence[Factor], may_change: Callable[[Factor], bool]
) -> list[set[int]]:
    """All smallest sets of changeable factors, as positions in `factors`, without which the rest is feasible."""
    changeable = [i for i, factor in enumerate(factors) if may_change(factor)]
    for size in range(len(changeable) + 1):
        sets = [set(chosen) for chosen in itertools.combinations(changeable, size)]
        if found := [
            chosen
            for chosen in sets
            if feasible(domains, [factor for i, factor in enumerate(factors) if i not in chosen])
        ]:
            return found
    return []
