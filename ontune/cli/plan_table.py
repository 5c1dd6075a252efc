"""The whole of a plan for people: decisions with their reasons, what was not taken and why, what is next
best, what is not known, sources.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ontune.cli.output import console, table
from ontune.cli.plan_words import (
    MOST_TELLING,
    by_whom,
    changes,
    compared_with,
    departs,
    measured_against,
    options_text,
    package_remarks,
    parts_text,
    prediction_lines,
    ratio_text,
)
from ontune.cli.source_names import short_name

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

    from reasoner.answers.plan import DecisionTaken, Plan, Reason

_REASONS_SHOWN = 2
_REJECTED_SHOWN = 3


class _Footnotes:
    """Sources by number, in the order in which they are first named."""

    def __init__(self) -> None:
        self.numbers: dict[str, int] = {}

    def mark(self, reason: Reason) -> str:
        return "".join(
            f" [{self.numbers.setdefault(source, len(self.numbers) + 1)}]" for source in reason.sources
        )


def print_plan(plan: Plan, exact: Plan | None = None) -> None:
    """Print a plan on stdout.

    Args:
        plan: what was chosen.
        exact: the best plan that leaves the numbers alone, where the plan does not: its gain is told apart.
    """
    out, notes = console(), _Footnotes()
    out.print(_headline(plan), soft_wrap=True)
    left_alone = [taken for taken in plan.decisions if not departs(taken)]
    disputed = [taken for taken in left_alone if measured_against(taken)]
    out.print(_decisions("chosen", [taken for taken in plan.decisions if taken not in left_alone], notes))
    out.print(_decisions("left at the default", disputed, notes))
    silent = (f"{taken.decision}={taken.option}" for taken in left_alone if taken not in disputed)
    out.print(f"left at the default, for nothing known is better here: {', '.join(silent)}", markup=False)
    for one in plan.not_measured:
        option, others = f"{one['decision']}={one['option']}", ", ".join(one["known_with"])
        text = f"nothing known of {option} with {plan.option('framework')}, only with {others}"
        out.print(text, markup=False, soft_wrap=True)
    parts = [f"  = {parts}" for parts in (parts_text(plan),) if parts]
    said = (*plan.idle, *package_remarks(plan), *filter(None, [plan.numerics_note]))
    for line in (*by_whom(plan), *prediction_lines(plan, exact), *parts, compared_with(plan), *said):
        out.print(line, markup=False, soft_wrap=True)
    if plan.on_request:
        offers = (
            (f"{offer['decision']}={offer['option']}", ratio_text(offer["vs_best"]), offer["accept"])
            for offer in plan.on_request
        )
        out.print(table(("only if you accept it", "compared with the plan", "accepted by"), offers))
    if plan.alternatives:
        ranked = (
            (options_text(other["options"]), ratio_text(other["vs_best"])) for other in plan.alternatives
        )
        out.print(table(("next best", "compared with the plan"), ranked))
    if plan.unknowns:
        rows = (
            (unknown["fact"], changes(unknown["would_change"]), unknown["probe"]) for unknown in plan.unknowns
        )
        out.print(table(("not known", "would change", "settled by"), rows))
    for source, number in notes.numbers.items():
        out.print(f"[{number}] {short_name(source)}: {source}", style="dim", markup=False, soft_wrap=True)


def _headline(plan: Plan) -> Text:
    from rich.text import Text

    line = Text(
        f"plan {plan.plan_id}: {plan.workload.get('name', '')} on {plan.target.get('name', '')}", style="bold"
    )
    version, sha256 = plan.knowledge["version"], plan.knowledge["sha256"]
    return line.append(
        f", objective {plan.objective}, numerics {plan.numerics}, knowledge {version} {sha256[:12]}",
        style="not bold",
    )


def _decisions(title: str, decisions: Sequence[DecisionTaken], notes: _Footnotes) -> Table:
    return table(
        (title, "option", "why"),
        ((taken.decision, taken.option, _why(taken, notes)) for taken in decisions),
        strong=1,
    )


def _why(taken: DecisionTaken, notes: _Footnotes) -> str:
    """The most telling reasons, then what was measured against the options that were not taken."""
    telling = sorted(taken.reasons, key=lambda reason: MOST_TELLING.index(reason.kind))
    lines = [f"{reason.text}{notes.mark(reason)}" for reason in telling[:_REASONS_SHOWN]]
    texts = {reason.text for reason in taken.reasons}
    unsaid = [
        (option, reasons) for option, reasons in measured_against(taken) if reasons[-1].text not in texts
    ]
    for option, reasons in unsaid[:_REJECTED_SHOWN]:
        # The first compares whole configurations, the last is the effect of the most special situation.
        said = dict.fromkeys((reasons[0], reasons[-1]))
        lines.append(f"not {option}: {'; '.join(f'{reason.text}{notes.mark(reason)}' for reason in said)}")
    return "\n".join(lines)
