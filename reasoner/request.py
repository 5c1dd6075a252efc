"""A request: the question that a plan answers, checked against the names that the knowledge base knows, and as facts for the rules."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import pyoxigraph as ox

from kb.errors import BadInput
from kb.names import Entry, Names, listed
from kb.site import Site
from kb.store import KnowledgeStore
from kb.target import Target
from kb.terms import RDF_TYPE, on
from kb.workload import Workload
from reasoner.derive import REQUEST, REQUEST_GRAPH, TARGET, WORKLOAD
from reasoner.menu import Menu
from reasoner.numbers import Numbers, name_of, numbered
from reasoner.numbers import facts as number_facts
from reasoner.requirements import requirement_facts

_FRAMEWORK = "framework"
"""The decision that a workload, too, may have a wish for."""


@dataclass(frozen=True)
class Request:
    """One question.

    Attributes:
        workload, target: what is trained, and where.
        site: the place whose conditions hold, or None.
        framework: the option of the decision `framework` that is wished for; None takes that of the workload, if it has one.
        pins: decision to option, both as people type them.
        forbid: options that must not be taken.
        objective: a criterion.
        numerics: a numerics class; None lets the evidence decide.
        allow: unsupported or lossy options that are accepted.
        top: how many alternatives the plan lists.
        numbers: what is asked for, or considered, as a number.
        places: what the asker calls a wish, for errors, such as `--pin` for `pins`; a wish that is not there is called by its own name.
        understood: whether every name is already as the knowledge base has it.
        typed: the flag and the text by which a wish was typed, by the wish as the knowledge base names it (`forbid=xla`, `precision=bf16`).
    """

    workload: Workload
    target: Target
    site: Site | None = None
    framework: str | None = None
    pins: Mapping[str, str] = field(default_factory=dict)
    forbid: tuple[str, ...] = ()
    objective: str = "throughput"
    numerics: str | None = None
    allow: tuple[str, ...] = ()
    top: int = 5
    numbers: Numbers = field(default_factory=dict)
    places: Mapping[str, str] = field(default_factory=dict, compare=False)
    understood: bool = field(default=False, compare=False)
    typed: Mapping[str, tuple[str, str]] = field(default_factory=dict, compare=False)

    def place(self, wish: str) -> str:
        """What the asker calls a wish."""
        return self.places.get(wish, wish)

    def identity(self, knowledge: str) -> str:
        """The hash of request, target facts and knowledge: the plan's id."""
        content = {
            "workload": self.workload.facts, "target": self.target.lasting(), "site": self.site and self.site.to_json(),
            "pins": dict(self.pins), "forbid": self.forbid,
            "numbers": dict(self.numbers), "objective": self.objective, "numerics": self.numerics, "allow": self.allow, "knowledge": knowledge,
        }  # fmt: skip
        return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Resolved:
    """A request in the terms of the knowledge base.

    Attributes:
        request: it, with every name as the knowledge base has it.
        pins, forbid: decisions and options as IRIs.
        criteria: what is maximised, the most important first.
        facts: for the rules.
        standing: the options that stand where the user decides nothing, if bits are compared with theirs.
        setup: where the objective is a time, the seconds of set-up of each option; the first criterion is then the rate.
    """

    request: Request
    pins: dict[str, str]
    forbid: frozenset[str]
    criteria: tuple[str, ...]
    facts: list[ox.Quad]
    setup: dict[str, float] | None = None
    standing: frozenset[str] = frozenset()


def resolve(request: Request, menu: Menu, store: KnowledgeStore, standing: frozenset[str] = frozenset()) -> Resolved:
    """Check every name of a request and give its facts, what stands without it among them.

    Raises:
        BadInput: a name is unknown, whether of a wish or in the facts of workload, target or site.
    """
    request = request if request.understood else _understood(request, menu, store.names)
    pins = {}
    for decision, option in request.pins.items():
        taken, *_ = _pinned(menu, decision, option, request.place("pins"))
        pins[menu.decision_of(taken)] = taken
    forbid = frozenset(find_option(menu, text, request.place("forbid")) for text in request.forbid)
    objective = _criterion(request.objective, store.names, request.place("objective")).iri
    rate = menu.rate_of.get(objective)
    ranked = tuple(dict.fromkeys((rate or objective, on("throughput"))))
    facts = [*make_facts(request.workload, request.target, store.names), *number_facts(request.numbers, REQUEST, REQUEST_GRAPH)]
    framework = next((taken for taken in pins.values() if menu.name[menu.decision_of(taken)] == _FRAMEWORK), "")
    facts += requirement_facts(request.workload.facts.get("requires") or (), store, framework)
    facts += [_fact(REQUEST, on("allows"), ox.NamedNode(find_option(menu, text, request.place("allow")))) for text in request.allow]
    if request.numerics is not None:
        asked = store.names.find(on("Numerics"), request.numerics, request.place("numerics"))
        facts.append(_fact(REQUEST, on("requestedNumerics"), ox.NamedNode(asked.iri)))
    facts += [_fact(REQUEST, on("standing"), ox.NamedNode(option)) for option in sorted(standing)]
    if request.site is not None:
        facts.append(_fact(REQUEST, on("site"), ox.NamedNode(request.site.iri)))
        facts += request.site.quads(REQUEST_GRAPH, store.names)
    return Resolved(request, pins, forbid, ranked, facts, menu.costs.get(objective, {}) if rate else None, standing)


def _understood(request: Request, menu: Menu, names: Names) -> Request:
    """The request with every name as the knowledge base has it, so that all spellings of a question are one question."""
    workload = request.workload.named(names)
    pins: dict[str, str] = {}
    typed: dict[str, tuple[str, str]] = {}
    numbers = dict(request.numbers)
    for decision, option in request.pins.items():
        taken, *number = _pinned(menu, decision, option, request.place("pins"))
        numbers.update((taken, one) for one in number)
        typed[option_name(menu, taken)] = ("--pin", f"{decision}={option}")
        other = pins.setdefault(menu.name[menu.decision_of(taken)], menu.name[taken])
        if other != menu.name[taken]:
            raise BadInput(request.place("pins"), f"{decision} is asked to be {other} and {menu.name[taken]}", expected="one of them")
    place = request.place("framework") if request.framework else f"{workload.where}: key 'framework'"
    if wanted := request.framework or (workload.facts.get("framework") if _FRAMEWORK not in pins else None):
        framework = menu.name[find_option(menu, f"{_FRAMEWORK}={wanted}", place)]
        typed[f"{_FRAMEWORK}={framework}"] = ("--framework", wanted)
        if pins.setdefault(_FRAMEWORK, framework) != framework:
            raise BadInput(place, f"'{wanted}' is asked for, and {request.place('pins')} asks for {pins[_FRAMEWORK]}", expected="one of them")
    for text in request.forbid:
        typed[f"forbid={option_name(menu, find_option(menu, text, request.place('forbid')))}"] = ("--forbid", text)
    return replace(
        request,
        workload=workload,
        target=request.target.named(names),
        site=request.site.named(names) if request.site else None,
        framework=None,
        pins=pins,
        numbers=numbers,
        forbid=_options(menu, request.forbid, request.place("forbid")),
        objective=_criterion(request.objective, names, request.place("objective")).name,
        numerics=request.numerics and names.find(on("Numerics"), request.numerics, request.place("numerics")).name,
        allow=_options(menu, request.allow, request.place("allow")),
        understood=True,
        typed=typed,
    )


def _pinned(menu: Menu, decision: str, text: str, where: str) -> tuple[str] | tuple[str, int]:
    """The option that is asked for of a decision, with its number where it stands for all numbers."""
    if (found := find_decision(menu, decision)) and found in {menu.decision_of(option) for option in menu.ranges}:
        name = menu.name[found]
        return numbered(menu, name, text, where) or (find_option(menu, f"{name}={name_of(name, text)}", where),)
    return (find_option(menu, f"{decision}={text}", where),)


def _options(menu: Menu, texts: tuple[str, ...], where: str) -> tuple[str, ...]:
    """Options as `decision=option`, each once and in order."""
    return tuple(sorted({option_name(menu, find_option(menu, text, where)) for text in texts}))


def option_name(menu: Menu, option: str) -> str:
    """An option as `decision=option`, which is always unique."""
    return f"{menu.name[menu.decision_of(option)]}={menu.name[option]}"


def _criterion(text: str, names: Names, where: str) -> Entry:
    return names.find(on("Criterion"), text, where, what="objective")


def make_facts(workload: Workload, target: Target, names: Names | None = None) -> list[ox.Quad]:
    """What the rules read of a request: itself, its target and its workload; `names` is what names in their facts are looked up in."""
    return [
        _fact(REQUEST, RDF_TYPE, ox.NamedNode(on("Request"))),
        _fact(REQUEST, on("target"), TARGET),
        _fact(REQUEST, on("workload"), WORKLOAD),
        *target.quads(TARGET, REQUEST_GRAPH, names),
        *workload.quads(WORKLOAD, REQUEST_GRAPH, names),
    ]


def find_decision(menu: Menu, text: str) -> str | None:
    """The decision that a text names, or None."""
    found = menu.decision_names.meant(text)
    return found[0].iri if len(found) == 1 else None


def find_option(menu: Menu, text: str, where: str) -> str:
    """The option that a text names: `decision=option`, or the bare option where that is unique.

    Raises:
        BadInput: nothing, or more than one option, has that name.
    """
    decision_name, equals, option_name = text.partition("=")
    if not equals:
        return _bare_option(menu, text, where)
    decision = menu.decision_names.find(decision_name, where, "decision").iri
    exact = [option for option in menu.by_name.get(option_name, ()) if menu.decision_of(option) == decision]
    what = "framework" if menu.name[decision] == _FRAMEWORK else f"option of {menu.name[decision]}"
    return exact[0] if len(exact) == 1 else menu.option_names(decision).find(option_name, where, what).iri


def _bare_option(menu: Menu, text: str, where: str) -> str:
    found = menu.by_name.get(text) or [entry.iri for entry in menu.all_option_names.meant(text)]
    if len(found) > 1:
        ways = [f"{menu.name[menu.decision_of(option)]}={menu.name[option]}" for option in found]
        raise BadInput(where, f"'{text}' is an option of several decisions", expected=" or ".join(sorted(ways)))
    if found:
        return found[0]
    if decision := find_decision(menu, text):
        options = listed(menu.name[option] for option in menu.options[decision])
        raise BadInput(where, f"'{text}' is a decision, and no option of it is named", expected=f"{menu.name[decision]}= and one of {options}")
    return menu.all_option_names.find(text, where, "option", expected="decision=option, or an option").iri


def _fact(subject: ox.NamedNode, predicate: str, value: ox.NamedNode) -> ox.Quad:
    return ox.Quad(subject, ox.NamedNode(predicate), value, REQUEST_GRAPH)
