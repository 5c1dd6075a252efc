"""The difference between two plans, with the reasons of the second."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from reasoner.answers.plan import Plan


def difference(before: Plan, after: Plan) -> dict[str, Any]:
    """The answer of `ontune what-if`: `before`, `after`, `changes [{decision, from, to, reasons}]`."""
    changes = [
        {
            "decision": new.decision,
            "from": old.option,
            "to": new.option,
            "reasons": [asdict(reason) for reason in new.reasons]
            + [
                asdict(reason)
                for gone in new.rejected
                if gone.option == old.option
                for reason in gone.reasons
            ],
        }
        for old, new in zip(before.decisions, after.decisions, strict=True)
        if old.option != new.option
    ]
    return {"before": _summary(before), "after": _summary(after), "changes": changes}


def _summary(plan: Plan) -> dict[str, Any]:
    return {
        "plan_id": plan.plan_id,
        "options": {taken.decision: taken.option for taken in plan.decisions},
        "prediction": plan.prediction,
    }
