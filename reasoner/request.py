"""A request: the question that a plan answers, checked against the names that the knowledge base knows, and as facts for the rules."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import pyoxigraph as ox

from kb.errors import BadInput
from kb.site import Site
from kb.store import KnowledgeStore
from kb.target import Target
from kb.terms import PREFIXES, RDF_TYPE, local_name, on
from kb.workload import Workload
from reasoner.derive import REQUEST, REQUEST_GRAPH, TARGET, WORKLOAD
from reasoner.menu import Menu
from reasoner.requirements import requirement_facts

_FRAMEWORK = PREFIXES["kb"] + "framework"


@dataclass(frozen=True)
class Request:
    """One question.

    Attributes:
        workload, target: what is trained, and where.
        site: the place whose conditions hold, or None.
        pins: decision to option, both as people type them.
        forbid: options that must not be taken.
        objective: the notation of a criterion.
        numerics: `exact`, `mixed` or `lossy`; None lets the evidence decide.
        allow: unsupported or lossy options that are accepted.
        top: how many alternatives the plan lists.
    """

    workload: Workload
    target: Target
    site: Site | None = None
    pins: Mapping[str, str] = field(default_factory=dict)
    forbid: tuple[str, ...] = ()
    objective: str = "throughput"
    numerics: str | None = None
    allow: tuple[str, ...] = ()
    top: int = 5

    def identity(self, knowledge: str) -> str:
        """The hash of request, target facts and knowledge: the plan's id."""
        content = {
            "workload": self.workload.facts, "target": self.target.lasting(), "site": self.site and self.site.to_json(),
            "pins": dict(self.pins), "forbid": self.forbid,
            "objective": self.objective, "numerics": self.numerics, "allow": self.allow, "knowledge": knowledge,
        }  # fmt: skip
        return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Resolved:
    """A request in the terms of the knowledge base.

    Attributes:
        pins, forbid: decisions and options as IRIs.
        criteria: what is maximised, the most important first.
        facts: for the rules.
        setup: where the objective is a time, the seconds of set-up of each option; the first criterion is then the rate.
    """

    pins: dict[str, str]
    forbid: frozenset[str]
    criteria: tuple[str, ...]
    facts: list[ox.Quad]
    setup: dict[str, float] | None = None


def resolve(request: Request, menu: Menu, store: KnowledgeStore) -> Resolved:
    """Check every name of a request and give its facts.

    Raises:
        BadInput: a decision, an option, an objective or a numerics class is unknown.
    """
    pins = {}
    for decision, option in request.pins.items():
        taken = find_option(menu, f"{decision}={option}", "--pin")
        pins[menu.decision_of(taken)] = taken
    forbid = frozenset(find_option(menu, text, "--forbid") for text in request.forbid)
    criteria = {_notation(store, iri): iri for iri in store.instances(on("Criterion"))}
    if request.objective not in criteria:
        raise BadInput("--objective", f"unknown objective '{request.objective}'", expected=_listed(criteria), given=request.objective, known=criteria)
    objective = criteria[request.objective]
    rate = menu.rate_of.get(objective)
    ranked = tuple(dict.fromkeys((rate or objective, on("throughput"))))
    facts = make_facts(request.workload, request.target)
    framework = next((taken for taken in pins.values() if menu.decision_of(taken) == _FRAMEWORK), "")
    facts += requirement_facts(request.workload.facts.get("requires") or (), store, framework)
    facts += [_fact(REQUEST, on("allows"), ox.NamedNode(find_option(menu, text, "--allow"))) for text in request.allow]
    if request.numerics is not None:
        facts.append(_fact(REQUEST, on("requestedNumerics"), ox.NamedNode(_named_instance(store, on("Numerics"), request.numerics, "--numerics"))))
    if request.site is not None:
        facts.append(_fact(REQUEST, on("site"), ox.NamedNode(request.site.iri)))
        facts += request.site.quads(REQUEST_GRAPH)
    return Resolved(pins, forbid, ranked, facts, menu.costs.get(objective, {}) if rate else None)


def make_facts(workload: Workload, target: Target) -> list[ox.Quad]:
    """What the rules read of a request: itself, its target and its workload."""
    return [
        _fact(REQUEST, RDF_TYPE, ox.NamedNode(on("Request"))),
        _fact(REQUEST, on("target"), TARGET),
        _fact(REQUEST, on("workload"), WORKLOAD),
        *target.quads(TARGET, REQUEST_GRAPH),
        *workload.quads(WORKLOAD, REQUEST_GRAPH),
    ]


def find_option(menu: Menu, text: str, where: str) -> str:
    """The option that a text names: `decision=option`, or the bare option where that is unique.

    Raises:
        BadInput: nothing, or more than one option, has that name.
    """
    decision_name, equals, option_name = text.partition("=")
    decisions = {menu.name[decision]: decision for decision in menu.options}
    if not equals:
        found = menu.by_name.get(text, [])
        if len(found) > 1:
            ways = [f"{menu.name[menu.decision_of(option)]}={text}" for option in found]
            raise BadInput(where, f"'{text}' is an option of several decisions", expected=" or ".join(sorted(ways)))
        if not found:
            raise BadInput(where, f"unknown option '{text}'", expected="decision=option, or an option", given=text, known=menu.by_name)
        return found[0]
    if decision_name not in decisions:
        raise BadInput(where, f"unknown decision '{decision_name}'", expected=_listed(decisions), given=decision_name, known=decisions)
    options = {menu.name[option]: option for option in menu.options[decisions[decision_name]]}
    if option_name not in options:
        raise BadInput(where, f"unknown option '{option_name}' of {decision_name}", expected=_listed(options), given=option_name, known=options)
    return options[option_name]


def _fact(subject: ox.NamedNode, predicate: str, value: ox.NamedNode) -> ox.Quad:
    return ox.Quad(subject, ox.NamedNode(predicate), value, REQUEST_GRAPH)


def _named_instance(store: KnowledgeStore, class_iri: str, name: str, where: str) -> str:
    known = {_notation(store, iri): iri for iri in store.instances(class_iri)}
    if name not in known:
        raise BadInput(where, f"unknown name '{name}'", expected=_listed(known) or "a name of the knowledge base", given=name, known=known)
    return known[name]


def _notation(store: KnowledgeStore, iri: str) -> str:
    return next(iter(store.objects(iri, PREFIXES["skos"] + "notation")), local_name(iri))


def _listed(names: Iterable[str], limit: int = 12) -> str:
    ordered = sorted(names)
    return ", ".join(ordered[:limit]) + (f" ... ({len(ordered)} in all)" if len(ordered) > limit else "")
