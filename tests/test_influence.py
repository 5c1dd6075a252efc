"""No near copies: without any one rule, conflict or effect, a plan is another, or what a plan says against an
option.

Each is taken out of the compiled knowledge in turn, and the request that its case names as firing is planned
again; without a rule that asks no request, the knowledge is compiled again. A plan lists every option of
every decision with what speaks against it, so that it holds the why-nots of all options. That the case itself
changes, `test_cases` shows.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import pyoxigraph as ox
import pytest

from kb.cases import CaseTable
from kb.errors import BadInput, OntuneError
from kb.store.store import KnowledgeStore
from kb.store.terms import expand, prefixed
from reasoner.knowledge.compile import compile_without
from reasoner.model.wishes import make_request
from reasoner.reasoner import Reasoner

ANYWHERE = "eos-h100 mnist-cnn"
ELSEWHERE = {
    "rule:feature-of-level": "zen5-level-only mnist-cnn framework=tensorflow",
    "kb:tensorflow-2.16-libraries": "eos-h100 mnist-cnn framework=tensorflow framework_release=tensorflow-2.16.2",
}
"""Requests on which what weighs nothing on its case weighs: for rules that ask no request; and for what
speaks to nobody but who asks for it.
"""


@cache
def whole() -> Reasoner:
    return Reasoner([])


@cache
def table() -> CaseTable:
    return CaseTable(whole().store)


@contextmanager
def without(store: KnowledgeStore, iri: str) -> Iterator[Reasoner]:
    """A reasoner over the compiled knowledge while a resource, what refers to it, and what it has concluded
    are taken out.
    """
    node = ox.NamedNode(iri)
    gone = set(store.store.quads_for_pattern(node, None, None, None)) | set(
        store.store.quads_for_pattern(None, None, node, None)
    )
    gone |= set(store.store.quads_for_pattern(None, None, None, node))
    assert gone
    store.remove(gone)
    try:
        yield Reasoner(store=store)
    finally:
        store.add(gone)


def told(reasoner: Reasoner, line: str) -> str:
    """All that a plan says, without the names of its state."""
    case = table().request(line)
    try:
        plan = reasoner.plan_request(make_request(case.workload, case.target, **case.wishes)).to_json()
    except OntuneError as error:
        return str(error)
    return json.dumps(
        {key: value for key, value in plan.items() if key not in ("plan_id", "knowledge")}, sort_keys=True
    )


@cache
def told_by_all(line: str) -> str:
    return told(whole(), line)


REMEDY = "merge it, scope it better, let its case name a request on which it weighs, or drop it"


@pytest.mark.parametrize("name", table().cases)
def test_without_it_a_plan_or_a_why_not_is_another(name: str) -> None:
    line = ELSEWHERE.get(name, table().cases[name].fires)
    before = told_by_all(line)
    with without(whole().store, expand(name)) as reasoner:
        assert told(reasoner, line) != before, f"{name} weighs nothing on {line}: {REMEDY}"


@pytest.mark.parametrize("name", [prefixed(rule.iri) for rule in whole().rules if not rule.per_request])
def test_compiled_without_a_rule_that_asks_no_request_a_plan_is_another(name: str) -> None:
    # What other rules have concluded from its conclusions is gone as well.
    reasoner = Reasoner(store=compile_without([name], []))
    line = ELSEWHERE.get(name, ANYWHERE)
    assert told(reasoner, line) != told_by_all(line), f"{name} weighs nothing on {line}: {REMEDY}"


def test_without_an_option_nothing_is_said_of_what_stands_beside_it() -> None:
    """Effects beside a release or a precision that is gone apply to nothing, and are no error."""
    store = compile_without(["kb:bf16"], [])
    effects = Reasoner(store=store).catalogue.effects.values()
    assert effects and not any("bf16" in str(effect.given) for effect in effects)


def test_without_the_default_of_a_decision_nothing_is_left_alone() -> None:
    with pytest.raises(BadInput, match="'kb:fp32' is what stands where nobody decides on kb:precision"):
        compile_without(["kb:fp32"], [])
