"""A plan for people: what was chosen and why, what it should bring, what comes next best, and what is not known."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ontune.cli.output import console, table

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

    from reasoner.plan import DecisionTaken, Plan, Reason

_MOST_TELLING = ("request", "effect", "rule", "observation", "site", "fact", "default")
_REASONS_SHOWN = 2
_REJECTED_SHOWN = 3


class _Footnotes:
    """Sources by number, in the order in which they are first named."""

    def __init__(self) -> None:
        self.numbers: dict[str, int] = {}

    def mark(self, reason: Reason) -> str:
        return "".join(f" [{self.numbers.setdefault(source, len(self.numbers) + 1)}]" for source in reason.sources)


def print_plan(plan: Plan, exact: Plan | None = None) -> None:
    """Print a plan on stdout.

    Args:
        plan: what was chosen.
        exact: the best plan that leaves the numbers alone, where the plan does not: its gain is told apart.
    """
    out, notes = console(), _Footnotes()
    out.print(_headline(plan), soft_wrap=True)
    left_alone = [taken for taken in plan.decisions if _left_alone(taken)]
    disputed = [taken for taken in left_alone if _measured_against(taken)]
    out.print(_decisions("chosen", [taken for taken in plan.decisions if taken not in left_alone], notes))
    out.print(_decisions("left at the default", disputed, notes))
    silent = (f"{taken.decision}={taken.option}" for taken in left_alone if taken not in disputed)
    out.print(f"left at the default, for nothing known is better here: {', '.join(silent)}", markup=False)
    for line in (*_by_whom(plan), *_prediction(plan, exact)):
        out.print(line, soft_wrap=True)
    if plan.on_request:
        offers = ((f"{offer['decision']}={offer['option']}", _ratio(offer["vs_best"]), offer["accept"]) for offer in plan.on_request)
        out.print(table(("only if you accept it", "compared with the plan", "accepted by"), offers))
    if plan.alternatives:
        ranked = ((_options(other["options"]), _ratio(other["vs_best"])) for other in plan.alternatives)
        out.print(table(("next best", "compared with the plan"), ranked))
    if plan.unknowns:
        rows = ((unknown["fact"], _changes(unknown["would_change"]), unknown["probe"]) for unknown in plan.unknowns)
        out.print(table(("not known", "would change", "settled by"), rows))
    for source, number in notes.numbers.items():
        out.print(f"[{number}] {source}", style="dim", markup=False, soft_wrap=True)


def _by_whom(plan: Plan) -> Iterator[str]:
    """For a user's own program: which options it has to call for, and which reach it from outside."""
    if not (plan.workload.get("script") or plan.workload.get("command")):
        return
    named = {f"{taken.decision}={taken.option}": taken for taken in plan.decisions if taken.decision != "framework"}
    inside = [name for name, taken in named.items() if any(one.how == "code" for one in taken.apply)]
    outside = [name for name, taken in named.items() if any(one.how != "code" for one in taken.apply)]
    if inside:
        yield f"your script applies these by one call of ontune_settings.apply: {', '.join(inside)}"
    yield f"applied from outside: {', '.join(outside)}"


def _headline(plan: Plan) -> Text:
    from rich.text import Text

    line = Text(f"plan {plan.plan_id}: {plan.workload.get('name', '')} on {plan.target.get('name', '')}", style="bold")
    version, sha256 = plan.knowledge["version"], plan.knowledge["sha256"]
    return line.append(f", objective {plan.objective}, numerics {plan.numerics}, knowledge {version} {sha256[:12]}", style="not bold")


def _left_alone(taken: DecisionTaken) -> bool:
    """Whether the decision stands at its default, with nothing but facts beside it."""
    kinds = {reason.kind for reason in taken.reasons}
    return "default" in kinds and not kinds & {"request", "effect", "rule"}


def _decisions(title: str, decisions: Sequence[DecisionTaken], notes: _Footnotes) -> Table:
    return table((title, "option", "why"), ((taken.decision, taken.option, _why(taken, notes)) for taken in decisions), strong=1)


def _why(taken: DecisionTaken, notes: _Footnotes) -> str:
    """The most telling reasons, then what was measured against the options that were not taken."""
    telling = sorted(taken.reasons, key=lambda reason: _MOST_TELLING.index(reason.kind))
    lines = [f"{reason.text}{notes.mark(reason)}" for reason in telling[:_REASONS_SHOWN]]
    unsaid = [(option, reasons) for option, reasons in _measured_against(taken) if reasons[-1].text not in {reason.text for reason in taken.reasons}]
    for option, reasons in unsaid[:_REJECTED_SHOWN]:
        # The first compares whole configurations, the last is the effect of the most special situation.
        said = dict.fromkeys((reasons[0], reasons[-1]))
        lines.append(f"not {option}: {'; '.join(f'{reason.text}{notes.mark(reason)}' for reason in said)}")
    return "\n".join(lines)


def _measured_against(taken: DecisionTaken) -> list[tuple[str, list[Reason]]]:
    """The options that measurements speak against, with what these say."""
    measured = ((gone.option, [reason for reason in gone.reasons if reason.kind == "effect"]) for gone in taken.rejected)
    return [(option, reasons) for option, reasons in measured if reasons]


def _prediction(plan: Plan, exact: Plan | None) -> Iterator[str]:
    throughput = plan.prediction["throughput"]
    if throughput["value"] is not None:
        yield f"predicted: {throughput['value']:.0f} {throughput['unit']} ({throughput['low']:.0f} to {throughput['high']:.0f})"
    yield f"predicted against the default: {_ratio(plan.prediction['vs_default'])}"
    if exact is not None:
        yield f"with the numbers left alone (--numerics exact): {_ratio(exact.prediction['vs_default'])}"


def _ratio(ratio: Mapping[str, Any]) -> str:
    return f"x {ratio['value']:.2f} ({ratio['low']:.2f} to {ratio['high']:.2f})"


def _options(options: Mapping[str, str]) -> str:
    return ", ".join(f"{decision}={option}" for decision, option in options.items())


def _changes(changes: Sequence[Mapping[str, str]]) -> str:
    return ", ".join(f"{change['decision']}: {change['from']} -> {change['to']}" for change in changes)
