"""What options would gain that are only taken when the user accepts them: other numerics, unsupported hacks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from reasoner.ground import ground
from reasoner.predict import compare
from reasoner.reasons import Reasons
from reasoner.solve import solve


def on_request(reasons: Reasons, consent_rules: frozenset[str]) -> Iterator[dict[str, Any]]:
    """For each option that nothing but a missing consent excludes and that would make the plan better: `{decision, option, vs_best, accept}`.

    Args:
        consent_rules: IRIs of the conflict rules that a user's word lifts.
    """
    problem, menu = reasons.problem, reasons.menu
    criterion = next(iter(problem.terms))
    spoken_of = {menu.effects[iri].option for iri in problem.derived.applies & menu.effects.keys()}
    for option, rules in problem.derived.excludes.items():
        if not set(rules) <= consent_rules or option not in spoken_of:
            continue
        accepted = {other: by for other, by in problem.derived.excludes.items() if other != option}
        freer = ground(menu, replace(problem.derived, excludes=accepted), tuple(problem.terms), problem.pins, problem.forbid)
        solution = solve(freer.domains, [*freer.hard, *freer.soft])
        best = solution.best() if solution.feasible else {}
        decision = menu.decision_of(option)
        if best.get(decision) == option:
            ratio = compare(freer, criterion, best, reasons.taken)
            yield {
                "decision": menu.name[decision],
                "option": menu.name[option],
                "vs_best": {key: round(value, 3) for key, value in ratio.items()},
                "accept": f"--allow {menu.name[decision]}={menu.name[option]}",
            }
