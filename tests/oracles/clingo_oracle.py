"""The choice by answer-set programming: the same problem, told to clingo."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

import clingo

from reasoner.solve import Factor


def program(domains: Mapping[str, Sequence[str]], factors: Sequence[Factor]) -> str:
    """The problem as text: exactly one option for each decision, an integrity constraint for each prohibition, a weak constraint for each weight."""
    atom = {(decision, option): f"take({i},{j})" for i, (decision, options) in enumerate(domains.items()) for j, option in enumerate(options)}
    lines = [f"1 {{ {'; '.join(atom[decision, option] for option in options)} }} 1." if options else ":- ." for decision, options in domains.items()]
    for number, factor in enumerate(factors):
        for key in itertools.product(*(domains[decision] for decision in factor.scope)):
            weight = factor.table.get(key, factor.otherwise)
            body = ", ".join(atom[pair] for pair in zip(factor.scope, key, strict=True))
            if weight is None:
                lines.append(f":- {body}.")
            elif weight:
                lines.append(f":~ {body}. [{-weight},{number}]")
    return "\n".join(lines)


def best_value(domains: Mapping[str, Sequence[str]], factors: Sequence[Factor], time_limit: float | None = None) -> int | None:
    """The greatest sum of weights, None where nothing is feasible. Weights must fit 32 bits, which is what clingo counts with.

    Raises:
        TimeoutError: clingo did not finish within `time_limit` seconds.
    """
    control = clingo.Control(["--opt-mode=opt"])
    control.add("base", [], program(domains, factors))
    control.ground([("base", [])])
    costs: list[int] = []

    def remember(model: clingo.Model) -> None:
        costs[:] = [sum(model.cost)]

    with control.solve(on_model=remember, async_=True) as handle:
        if not handle.wait(time_limit):
            handle.cancel()
            raise TimeoutError("clingo did not finish")
        return -costs[0] if handle.get().satisfiable else None
