"""What the knowledge base says of a request on a machine, this one included: tests ask it, and never suppose
a processor's features.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from kb.records.target import Target
from kb.records.targets import load_target
from kb.records.workload import load_workload
from kb.store.terms import prefixed
from reasoner.inference.derive import Deriver
from reasoner.model.resolve import resolve
from reasoner.model.wishes import make_request
from reasoner.reasoner import Reasoner


@cache
def _shipped() -> tuple[Reasoner, Deriver]:
    reasoner = Reasoner([])
    return reasoner, Deriver(reasoner.store, reasoner.rules)


@cache
def here() -> Target:
    """The machine that runs the tests."""
    return load_target("local", _shipped()[0].store)


def holding(workload: str, target: Target | None = None, **wishes: Any) -> frozenset[str]:
    """The situations that a request is in, and the effects and conflicts that apply to it, by their short
    names.

    Args:
        workload: the name of a shipped workload.
        target: where it runs; default: here.
        wishes: further fields of `reasoner.model.resolve.Request`.
    """
    reasoner, deriver = _shipped()
    request = make_request(load_workload(workload, reasoner.store), target or here(), **wishes)
    derived = deriver.derive(resolve(request, reasoner.catalogue, reasoner.store).facts)
    return frozenset(map(prefixed, derived.situations | derived.applies))


def message(statement: str) -> str:
    """What a conflict says."""
    found = _shipped()[0].store.select(f"SELECT ?message WHERE {{ {statement} on:message ?message }}")
    return str(found[0]["message"])
