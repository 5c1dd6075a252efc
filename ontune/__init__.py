"""Ontune as a library: what `from ontune import ...` gives. Importing the package costs nothing; a name is
loaded when it is first used.

    from ontune import Reasoner, load_target, load_workload

    reasoner = Reasoner()
    plan = reasoner.plan(load_workload("mnist-cnn"), load_target("zen5-virtual"), framework="pytorch")
    plan.option("precision")

Everything here is typed, prints nothing, and may be used from several threads. `docs/reference/python.md`
describes it.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from generators.bundle import Bundle, write_bundle
    from generators.provenance.lines import explain
    from kb.errors import BadInput, NoFeasiblePlan, OntuneError, RunFailed
    from kb.records.request import Request, plan_id
    from kb.records.site import Site, complete_site, load_site, site_names
    from kb.records.target import Target, complete_target
    from kb.records.targets import load_target, target_names
    from kb.records.workload import Workload, complete_workload, load_workload, workload_names
    from kb.store.remote import read_remote
    from reasoner.answers.plan import Application, DecisionTaken, Plan, Reason, Rejected
    from reasoner.reasoner import Reasoner

_MODULES = {
    "generators.bundle": ("Bundle", "write_bundle"),
    "generators.provenance.lines": ("explain",),
    "kb.errors": ("BadInput", "NoFeasiblePlan", "OntuneError", "RunFailed"),
    "kb.store.remote": ("read_remote",),
    "kb.records.request": ("Request", "plan_id"),
    "kb.records.site": ("Site", "complete_site", "load_site", "site_names"),
    "kb.records.target": ("Target", "complete_target"),
    "kb.records.targets": ("load_target", "target_names"),
    "kb.records.workload": ("Workload", "complete_workload", "load_workload", "workload_names"),
    "reasoner.answers.plan": ("Application", "DecisionTaken", "Plan", "Reason", "Rejected"),
    "reasoner.reasoner": ("Reasoner",),
}
_HOME: dict[str, str] = {}
for _module, _names in _MODULES.items():
    _HOME |= dict.fromkeys(_names, _module)

__all__ = [
    "Application", "BadInput", "Bundle", "DecisionTaken", "NoFeasiblePlan", "OntuneError", "Plan", "Reason",
    "Reasoner", "Rejected", "Request", "RunFailed", "Site", "Target", "Workload", "complete_site",
    "complete_target", "complete_workload", "explain", "load_site", "load_target", "load_workload", "plan_id",
    "read_remote", "site_names", "target_names", "workload_names", "write_bundle",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'ontune' has no attribute '{name}'")
    value = globals()[name] = getattr(importlib.import_module(_HOME[name]), name)
    return value


def __dir__() -> list[str]:
    return __all__
