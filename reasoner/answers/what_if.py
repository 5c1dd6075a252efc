"""The difference between two plans, with the reasons of the second."""

from __future__ import annotations

from typing import Any

from msgspec.structs import asdict

from reasoner.answers.plan import DecisionTaken, Plan


def difference(before: Plan, after: Plan) -> dict[str, Any]:
    """The answer of `ontune what-if`: `before`, `after`, `changes [{decision, from, to, reasons}]`."""
    changes = [
        _change(old, new)
        for old, new in zip(before.decisions, after.decisions, strict=True)
        if old.option != new.option
    ]
    return {"before": _summary(before), "after": _summary(after), "changes": changes}


def _change(old: DecisionTaken, new: DecisionTaken) -> dict[str, Any]:
    """What changes of a decision, with what speaks for the new option and against the old one."""
    reasons = list(new.reasons)
    for gone in new.rejected:
        if gone.option == old.option:
            reasons += gone.reasons
    return {
        "decision": new.decision,
        "from": old.option,
        "to": new.option,
        "reasons": [asdict(reason) for reason in reasons],
    }


def _summary(plan: Plan) -> dict[str, Any]:
    return {
        "plan_id": plan.plan_id,
        "options": {taken.decision: taken.option for taken in plan.decisions},
        "prediction": plan.prediction,
    }
