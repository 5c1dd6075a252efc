"""A plan on one screen: what was chosen with one reason and its part of the gain, what it is compared with,
what comes next, what is not known.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

from ontune.cli.output import console
from ontune.cli.plan_words import (
    by_whom,
    changes,
    compared_with,
    departs,
    foremost_reason,
    gain_of,
    measured_rivals,
    options_text,
    package_remarks,
    parts_text,
    prediction_lines,
    ratio_text,
)

if TYPE_CHECKING:
    from reasoner.answers.plan import DecisionTaken, Plan

LINES = 40
_BESIDE = 50  # columns that a reason must have to stand beside its option, and not below it
_INDENT = "    "


@dataclass(frozen=True)
class _Room:
    """How much is shown of each part; what is cut says so.

    Attributes:
        reason: lines of a reason.
        names: lines of a list of names.
        rows: rows of what comes next, what is offered and what is not known.
    """

    reason: int
    names: int
    rows: int


_ROOMS = (
    _Room(4, 9, 4),
    _Room(3, 5, 3),
    _Room(3, 3, 2),
    _Room(3, 2, 1),
    _Room(2, 2, 1),
    _Room(2, 1, 1),
    _Room(1, 1, 1),
)


def print_screen(plan: Plan, exact: Plan | None = None) -> None:
    """Print what matters of a plan, on a screen of 40 lines where that can be.

    Args:
        plan: what was chosen.
        exact: the best plan that leaves the numbers alone, where the plan does not: its gain is told apart.
    """
    out = console()
    page: list[str] = []
    for room in _ROOMS:
        page = list(_page(plan, exact, out.width, room))
        if len(page) <= LINES:
            break
    for line in page:
        out.print(line, markup=False, soft_wrap=True)


def _page(plan: Plan, exact: Plan | None, width: int, room: _Room) -> Iterator[str]:
    yield f"plan {plan.plan_id}: {plan.workload.get('name', '')} on {plan.target.get('name', '')}"
    version, sha256 = plan.knowledge["version"], plan.knowledge["sha256"]
    asked = f"objective {plan.objective}, numerics {plan.numerics}, knowledge {version} {sha256[:12]}"
    yield from _wrapped(asked, width)
    for change in plan.knowledge.get("overrides", ()):
        yield from _wrapped(
            f"changed by your additions: {change['property']} of {change['resource']} ({change['why']})",
            width,
        )
    lines = [*prediction_lines(plan, exact)]
    for line in lines[:-1] if exact is not None else lines:
        yield from _wrapped(line, width)
    if parts := parts_text(plan):
        yield from _wrapped(f"  = {parts}", width)
    yield from _wrapped(compared_with(plan), width)
    yield from _wrapped(lines[-1], width) if exact is not None else ()
    yield ""
    yield from _chosen([taken for taken in plan.decisions if departs(taken)], plan, width, room)
    yield ""
    left = [taken for taken in plan.decisions if not departs(taken)]
    rivals = {taken.decision: measured_rivals(taken) for taken in left}
    if kept := [
        f"{taken.decision}={taken.option} ({', '.join(rivals[taken.decision])})"
        for taken in left
        if rivals[taken.decision]
    ]:
        yield from _listed("kept against what was measured", kept, width, room.names)
    silent = [f"{taken.decision}={taken.option}" for taken in left if not rivals[taken.decision]]
    yield from _listed("left at the default, nothing known is better", silent, width, room.names)
    if unmeasured := [f"{one['decision']}={one['option']}" for one in plan.not_measured]:
        others = set(chain.from_iterable(one["known_with"] for one in plan.not_measured))
        yield from _listed(
            f"nothing known with {plan.option('framework')}, only with {'/'.join(sorted(others))}",
            unmeasured,
            width,
            room.names,
        )
    for line in (*by_whom(plan), *plan.idle, *package_remarks(plan), *filter(None, [plan.numerics_note])):
        yield from _wrapped(line, width)
    yield from _rows("only if you accept it", _offers(plan), width, room.rows)
    yield from _rows("next best", _next_best(plan), width, room.rows)
    yield from _rows("not known, and what would change the plan", _not_known(plan), width, room.rows)
    yield "--all gives every reason, what was not taken, and the sources in full"


def _chosen(decisions: Sequence[DecisionTaken], plan: Plan, width: int, room: _Room) -> Iterator[str]:
    """A decision a line: option, part of the gain, reason; where the screen is narrow the reason goes on
    below the decision.
    """
    named = max((len(taken.decision) for taken in decisions), default=0)
    option = max((len(taken.option) for taken in decisions), default=0)
    for taken in decisions:
        head = f"{taken.decision:{named}}  {taken.option:{option}}  {gain_of(plan, taken):>6}  "
        beside = width - len(head) >= _BESIDE
        yield from _cut(
            foremost_reason(taken), width, room.reason, head, " " * len(head) if beside else _INDENT
        )


def _offers(plan: Plan) -> Iterator[str]:
    for offer in plan.on_request:
        yield f"{offer['accept']}: {ratio_text(offer['vs_best'])}"


def _next_best(plan: Plan) -> Iterator[str]:
    for other in plan.alternatives:
        yield f"{ratio_text(other['vs_best'])}: {options_text(other['options'])}"


def _not_known(plan: Plan) -> Iterator[str]:
    for unknown in plan.unknowns:
        changed = changes(unknown["would_change"])
        yield f"{unknown['probe']}: {changed}" if changed else f"{unknown['fact']}; {unknown['probe']}"


def _rows(title: str, rows: Iterable[str], width: int, most: int) -> Iterator[str]:
    found = list(rows)
    if found:
        more = len(found) - most
        yield title + (f" ({more} more with --all)" if more > 0 else "") + ":"
        for row in found[:most]:
            yield from ("  " + line for line in _cut(row, width - 2, 2))


def _listed(title: str, names: Sequence[str], width: int, lines: int) -> Iterator[str]:
    """Names in as many lines as there is room for; how many more there are."""
    for shown in range(len(names), 0, -1):
        more = f", and {len(names) - shown} more" if shown < len(names) else ""
        found = textwrap.wrap(
            f"{title}: {', '.join(names[:shown])}{more}",
            width,
            subsequent_indent="  ",
            break_on_hyphens=False,
        )
        if len(found) <= lines or shown == 1:
            yield from found
            return


def _wrapped(text: str, width: int) -> list[str]:
    return _cut(text, width, 4, "", _INDENT)


def _cut(text: str, width: int, lines: int, first: str = "", others: str = "") -> list[str]:
    found = textwrap.wrap(
        text,
        width,
        initial_indent=first,
        subsequent_indent=others,
        max_lines=lines,
        placeholder=" ...",
        break_on_hyphens=False,
    )
    return [line.rstrip() for line in found] or [first.rstrip()]
