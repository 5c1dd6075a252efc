"""The choice by answer-set programming: the same problem, told to clingo."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

import clingo

from reasoner.solve import Factor
from tests.oracles.made_up_knowledge import Meaning, Statement


def program(domains: Mapping[str, Sequence[str]], factors: Sequence[Factor]) -> str:
    """The problem as text: exactly one option for each decision, an integrity constraint for each
    prohibition, a weak constraint for each weight.
    """
    atom = {
        (decision, option): f"take({i},{j})"
        for i, (decision, options) in enumerate(domains.items())
        for j, option in enumerate(options)
    }
    lines = [
        f"1 {{ {'; '.join(atom[decision, option] for option in options)} }} 1." if options else ":- ."
        for decision, options in domains.items()
    ]
    for number, factor in enumerate(factors):
        for key in itertools.product(*(domains[decision] for decision in factor.scope)):
            weight = factor.table.get(key, factor.otherwise)
            body = ", ".join(atom[pair] for pair in zip(factor.scope, key, strict=True))
            if weight is None:
                lines.append(f":- {body}.")
            elif weight:
                lines.append(f":~ {body}. [{-weight},{number}]")
    return "\n".join(lines)


def best_value(
    domains: Mapping[str, Sequence[str]], factors: Sequence[Factor], time_limit: float | None = None
) -> int | None:
    """The greatest sum of weights, None where nothing is feasible. Weights must fit 32 bits, which is what
    clingo counts with.

    Raises:
        TimeoutError: clingo did not finish within `time_limit` seconds.
    """
    cost = _solve(program(domains, factors), time_limit)
    return None if cost is None else -sum(cost.values())


def best_of(meaning: Meaning) -> tuple[int, int] | None:
    """The best plan of a made-up knowledge base: what it is worth, and minus its departures from defaults;
    None where nothing is feasible.
    """
    knowledge = meaning.knowledge
    lines = [
        f'gives("{option.name}","{one}").'
        for option in knowledge.options
        for one in (option.name, *sorted(option.provides))
    ]
    lines += [f'implies("{newer}","{older}").' for newer, older in sorted(knowledge.implies)]
    lines += [f'there("{one}").' for one in sorted(meaning.given)]
    lines += ["there(C) :- take(O), gives(O,C).", "there(B) :- there(A), implies(A,B)."]
    for decision in knowledge.defaults:
        offered = [option for option in knowledge.options if option.decision == decision]
        lines.append(f"1 {{ {'; '.join(_take(option.name) for option in offered)} }} 1.")
    for option in knowledge.options:
        lines += [f':- {_take(option.name)}, not there("{need}").' for need in sorted(option.needs)]
        if (
            meaning.refused(option)
            or option.name in knowledge.forbid
            or knowledge.pins.get(option.decision, option.name) != option.name
        ):
            lines.append(f":- {_take(option.name)}.")
        if knowledge.defaults[option.decision] != option.name:
            lines.append(f":~ {_take(option.name)}. [1@1,{option.name}]")
    for conflict in knowledge.conflicts:
        if not conflict.unverified and conflict.when <= meaning.situations:
            lines += [f":- {body}." for body in _companies(meaning, conflict)]
    for effect, weight in meaning.shares.items():
        lines += [f":~ {body}. [{-weight}@2,{effect.name}]" for body in _companies(meaning, effect)]
    cost = _solve("\n".join(lines), None)
    return None if cost is None else (-cost.get(2, 0), -cost.get(1, 0))


def _companies(meaning: Meaning, statement: Statement) -> list[str]:
    """The option of a statement with each company that it is about."""
    context = meaning.context(statement).values()
    return [
        ", ".join(map(_take, (statement.option, *company)))
        for company in itertools.product(*(sorted(options) for options in context))
    ]


def _take(option: str) -> str:
    return f'take("{option}")'


def _solve(text: str, time_limit: float | None) -> dict[int, int] | None:
    """The cost of an optimal model for each priority at which something is weighed; None where there is no
    model.
    """
    control = clingo.Control(["--opt-mode=opt", "--warn=no-atom-undefined"])
    control.add("base", [], text)
    control.ground([("base", [])])
    cost: dict[int, int] = {}

    def remember(model: clingo.Model) -> None:
        cost.clear()
        cost.update(zip(model.priority, model.cost, strict=True))

    with control.solve(on_model=remember, async_=True) as handle:
        if not handle.wait(time_limit):
            handle.cancel()
            raise TimeoutError("clingo did not finish")
        return cost if handle.get().satisfiable else None
