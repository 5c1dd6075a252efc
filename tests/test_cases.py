"""Every rule, conflict and effect on a case that it fires on and one that it does not: the table is
`kb/cases.yaml`.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pyoxigraph as ox
import pytest

from kb.cases import Case, CaseTable
from kb.errors import BadInput
from kb.store.terms import local_name, on, prefixed
from reasoner.check.scenarios import case_requests, derive_all
from reasoner.inference.derive import REQUEST, Deriver
from reasoner.model.numerics import Numerics
from reasoner.model.standing import resolve_beside_standing
from reasoner.model.wishes import make_request
from reasoner.reasoner import Reasoner


@cache
def reasoner() -> Reasoner:
    return Reasoner([])


@cache
def table() -> CaseTable:
    return CaseTable(reasoner().store)


@cache
def deriver() -> Deriver:
    return Deriver(reasoner().store, reasoner().rules)


@cache
def numerics() -> Numerics:
    return Numerics(reasoner().store, reasoner().catalogue)


CASES: dict[str, Case] = table().cases


@cache
def fired(line: str) -> tuple[frozenset[str], dict[str, tuple[str, ...]]]:
    """The names of the rules that fired and of the statements that apply; and the excluded options with the
    rules behind each.
    """
    case = table().request(line)
    request = make_request(case.workload, case.target, **case.wishes)
    with deriver().at(
        resolve_beside_standing(
            request, reasoner().catalogue, numerics(), reasoner().store, deriver().derive
        ).facts
    ) as derivation:
        derived = derivation.derived
        concluded = list(derivation.in_store().store.quads_for_pattern(REQUEST, None, None, None))
        by_rule = {quad.graph_name.value for quad in concluded if isinstance(quad.graph_name, ox.NamedNode)}
    names = {prefixed(iri) for iri in by_rule | derived.applies}
    return frozenset(names), {
        local_name(option): tuple(map(prefixed, rules)) for option, rules in derived.excludes.items()
    }


def shipped() -> set[str]:
    """The rules of requests, conflicts and effects of the knowledge base."""
    stated = {
        iri for kind in ("Conflict", "Effect", "Behaviour") for iri in reasoner().store.instances(on(kind))
    }
    return {prefixed(rule.iri) for rule in reasoner().rules if rule.per_request} | {
        prefixed(iri) for iri in stated
    }


def test_every_piece_of_knowledge_has_a_case() -> None:
    assert shipped() == CASES.keys()


def test_every_rule_is_carried_by_a_shape() -> None:
    stated = {iri for kind in ("Derivation", "ConflictRule") for iri in reasoner().store.instances(on(kind))}
    assert stated == {rule.iri for rule in reasoner().rules}


@pytest.mark.parametrize("name", CASES)
def test_case(name: str) -> None:
    case = CASES[name]
    fires, silent = fired(case.fires), fired(case.silent)
    assert name in fires[0]
    if case.excludes:
        assert name in fires[1][case.excludes]
        assert name not in silent[1].get(case.excludes, ())
    else:
        assert name not in silent[0]


def test_all_cases_at_once_conclude_what_each_concludes_alone() -> None:
    together = derive_all(
        Deriver(reasoner().store, reasoner().rules), reasoner().catalogue, case_requests(table())
    )
    assert len(together) > 40
    for line, scenario in together.items():
        names, excludes = fired(line)
        assert {prefixed(iri) for iri in scenario.said.keys() | scenario.derived.applies} == names - {
            prefixed("urn:ontune:request-graph")
        }, line
        assert {
            local_name(option): tuple(map(prefixed, rules))
            for option, rules in scenario.derived.excludes.items()
        } == excludes, line


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("case: {}", "did you mean 'cases'"),
        ("cases: {rule:x: {fires: zen5-virtual mnist-cnn}}", r"cases: rule:x.*expected fires, silent"),
        ("cases: [1]", "does not hold an object"),
        ("targets: {power: {from: zen5-virtual, set: {}}}", "the name is taken"),
    ],
)
def test_a_malformed_table_is_refused_with_its_file(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "cases.yaml").write_text(text)
    with pytest.raises(BadInput, match=message) as error:
        CaseTable(reasoner().store, [tmp_path])
    assert str(tmp_path) in str(error.value)


@pytest.mark.parametrize("line", ["zen5-virtual", "zen5-virtual mnist-cnn exact", "zen5-vitual mnist-cnn"])
def test_a_line_that_is_no_request_is_refused(line: str) -> None:
    with pytest.raises(BadInput):
        table().request(line)
