"""Every rule, conflict and effect on a case that it fires on and one that it does not: the table is `cases.yaml`.

A case is one line: target, workload, and then what the request asks for (`numerics=exact`, `allow=OPTION`, `site=NAME`).
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import pyoxigraph as ox
import pytest
import yaml

from kb.site import Site, complete_site, load_site, site_names
from kb.target import Target, load_target
from kb.terms import PREFIXES, local_name, on
from kb.workload import Workload, load_workload
from reasoner.derive import REQUEST, Deriver
from reasoner.reasoner import Reasoner
from reasoner.request import Request, resolve

TABLE: dict[str, Any] = yaml.safe_load((Path(__file__).parent / "cases.yaml").read_text(encoding="utf-8"))
CASES: dict[str, dict[str, str]] = TABLE["cases"]


@cache
def reasoner() -> Reasoner:
    return Reasoner([])


@cache
def deriver() -> Deriver:
    return Deriver(reasoner().store, reasoner().rules)


def target(name: str) -> Target:
    if name in TABLE["targets"]:
        described = TABLE["targets"][name]
        return target(described["from"]).with_overrides(described["set"])
    return load_target(name, reasoner().store)


def workload(name: str) -> Workload:
    if name in TABLE["workloads"]:
        described = TABLE["workloads"][name]
        return Workload(name, workload(described["from"]).facts | described["set"])
    return load_workload(name, reasoner().store)


@cache
def fired(case: str) -> tuple[frozenset[str], dict[str, tuple[str, ...]]]:
    """The names of the rules that fired and of the statements that apply; and the excluded options with the rules behind each."""
    target_name, workload_name, *asked = case.split()
    wishes = dict(wish.split("=", 1) for wish in asked)
    allowed = (wishes["allow"],) if "allow" in wishes else ()
    store = reasoner().store
    site = load_site(wishes["site"], store) if wishes.get("site") in site_names(store) else described_site(wishes.get("site"))
    request = Request(workload(workload_name), target(target_name), site, numerics=wishes.get("numerics"), allow=allowed)
    with deriver().at(resolve(request, reasoner().menu, store).facts) as derivation:
        derived = derivation.derived
        concluded = list(derivation.in_store().store.quads_for_pattern(REQUEST, None, None, None))
        by_rule = {quad.graph_name.value for quad in concluded if isinstance(quad.graph_name, ox.NamedNode)}
    names = {short(iri) for iri in by_rule | derived.applies}
    return frozenset(names), {local_name(option): tuple(map(short, rules)) for option, rules in derived.excludes.items()}


def described_site(name: str | None) -> Site | None:
    """A site of the table, or none."""
    return complete_site(TABLE["sites"][name], "cases.yaml", name) if name else None


def short(iri: str) -> str:
    """`rule:ended` for the IRI of a rule, and so for conflicts and effects."""
    for prefix in ("rule", "eff", "kb"):
        if iri.startswith(PREFIXES[prefix]):
            return f"{prefix}:{iri.removeprefix(PREFIXES[prefix])}"
    return iri


def shipped() -> set[str]:
    """The rules of requests, conflicts and effects of the knowledge base."""
    stated = {iri for kind in ("Conflict", "Effect") for iri in reasoner().store.instances(on(kind))}
    return {short(rule.iri) for rule in reasoner().rules if rule.per_request} | {short(iri) for iri in stated}


def test_every_piece_of_knowledge_has_a_case() -> None:
    assert shipped() == CASES.keys()


def test_every_rule_is_carried_by_a_shape() -> None:
    stated = {iri for kind in ("Derivation", "ConflictRule") for iri in reasoner().store.instances(on(kind))}
    assert stated == {rule.iri for rule in reasoner().rules}


@pytest.mark.parametrize("name", CASES)
def test_case(name: str) -> None:
    case = CASES[name]
    fires, silent = fired(case["fires"]), fired(case["silent"])
    assert name in fires[0]
    if option := case.get("excludes"):
        assert name in fires[1][option]
        assert name not in silent[1].get(option, ())
    else:
        assert name not in silent[0]
