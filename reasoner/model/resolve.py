"""A request: the question that a plan answers, checked against the names that the knowledge base knows, and
as facts for the rules.
"""

from __future__ import annotations

import pyoxigraph as ox

from kb.errors import BadInput
from kb.records.names import Entry, Names, listed
from kb.records.request import FRAMEWORK, Request
from kb.records.target import Target
from kb.records.workload import Workload
from kb.store.store import KnowledgeStore
from kb.store.terms import RDF_TYPE, on
from kb.values import Value, replace
from reasoner.inference.derive import REQUEST, REQUEST_GRAPH, TARGET, WORKLOAD
from reasoner.model.catalogue import Catalogue
from reasoner.model.numbers import facts as number_facts
from reasoner.model.numbers import name_of, numbered, options_of
from reasoner.model.packages import requirement_facts


class Resolved(Value, frozen=True):
    """A request in the terms of the knowledge base.

    Attributes:
        request: it, with every name as the knowledge base has it.
        pins, forbid: decisions and options as IRIs.
        criteria: what is maximised, the most important first.
        apart: the facts for the rules, but for those of the target.
        of_target: those of the target.
        standing: the options that stand where the user decides nothing, if bits are compared with theirs.
        setup: where the objective is a time, the seconds of set-up of each option; the first criterion is
            then the rate.
    """

    request: Request
    pins: dict[str, str]
    forbid: frozenset[str]
    criteria: tuple[str, ...]
    apart: list[ox.Quad]
    of_target: list[ox.Quad]
    setup: dict[str, float] | None = None
    standing: frozenset[str] = frozenset()

    @property
    def facts(self) -> list[ox.Quad]:
        """All facts for the rules."""
        return [*self.of_target, *self.apart]

    def facts_on(self, target: Target, names: Names) -> list[ox.Quad]:
        """The facts, were another target asked for; `names` is what names in its facts are looked up in."""
        return [*target.quads(TARGET, REQUEST_GRAPH, names), *self.apart]


def resolve(
    request: Request, catalogue: Catalogue, store: KnowledgeStore, standing: frozenset[str] = frozenset()
) -> Resolved:
    """Check every name of a request and give its facts, what stands without it among them.

    Raises:
        BadInput: a name is unknown, whether of a wish or in the facts of workload, target or site.
    """
    request = request if request.understood else _understood(request, catalogue, store.names)
    pins = {}
    for decision, option in request.pins.items():
        taken, *_ = _pinned(catalogue, decision, option, request.place("pins"))
        pins[catalogue.decision_of(taken)] = taken
    forbid = frozenset(find_option(catalogue, text, request.place("forbid")) for text in request.forbid)
    objective = _criterion(request.objective, store.names, request.place("objective")).iri
    rate = catalogue.rate_of.get(objective)
    ranked = tuple(dict.fromkeys((rate or objective, on("throughput"))))
    facts = [
        *_asked(request.workload, store.names),
        *number_facts(options_of(catalogue, request.numbers), REQUEST, REQUEST_GRAPH),
    ]
    framework = next(
        (taken for taken in pins.values() if catalogue.name[catalogue.decision_of(taken)] == FRAMEWORK), ""
    )
    facts += requirement_facts(request.workload.facts.get("requires") or (), store, framework)
    facts += [
        _fact(REQUEST, on("allows"), ox.NamedNode(find_option(catalogue, text, request.place("allow"))))
        for text in request.allow
    ]
    if request.numerics is not None:
        asked = store.names.find(on("Numerics"), request.numerics, request.place("numerics"))
        facts.append(_fact(REQUEST, on("requestedNumerics"), ox.NamedNode(asked.iri)))
    facts += [_fact(REQUEST, on("standing"), ox.NamedNode(option)) for option in sorted(standing)]
    if request.site is not None:
        facts.append(_fact(REQUEST, on("site"), ox.NamedNode(request.site.iri)))
        facts += request.site.quads(REQUEST_GRAPH, store.names)
    of_target = request.target.quads(TARGET, REQUEST_GRAPH, store.names)
    setup = catalogue.costs.get(objective, {}) if rate else None
    return Resolved(request, pins, forbid, ranked, facts, of_target, setup, standing)


def _understood(request: Request, catalogue: Catalogue, names: Names) -> Request:
    """The request with every name as the knowledge base has it, so that all spellings of a question are one
    question.
    """
    target = request.target.named(names)
    request = replace(
        with_names(request, catalogue, names),
        workload=request.workload.named(names),
        target=target
        if target == request.target
        else target.with_products(),  # a name that is understood now tells more
        site=request.site.named(names) if request.site else None,
        understood=True,
    )
    framework, typed = request.framework, dict(request.typed)
    if framework is None and (wanted := request.workload.facts.get("framework")):
        framework = catalogue.name[
            find_option(catalogue, f"{FRAMEWORK}={wanted}", f"{request.workload.where}: key 'framework'")
        ]
        typed[f"{FRAMEWORK}={framework}"] = ("--framework", wanted)
    return (
        replace(request, pins={FRAMEWORK: framework, **request.pins}, typed=typed) if framework else request
    )


def with_names(request: Request, catalogue: Catalogue, names: Names) -> Request:
    """The request with every name in its wishes as the knowledge base has it, and a pinned framework as the
    wish that it is.

    Raises:
        BadInput: a name is unknown, or one decision is asked to be two things.
    """
    pins, numbers, typed = _pins(request, catalogue)
    framework = pins.pop(FRAMEWORK, None)
    if request.framework is not None:
        place = request.place("framework")
        wanted = catalogue.name[find_option(catalogue, f"{FRAMEWORK}={request.framework}", place)]
        typed[f"{FRAMEWORK}={wanted}"] = ("--framework", request.framework)
        if framework not in (None, wanted):
            problem = f"'{request.framework}' is asked for, and {request.place('pins')} asks for {framework}"
            raise BadInput(place, problem, expected="one of them")
        framework = wanted
    for text in request.forbid:
        typed[f"forbid={option_name(catalogue, find_option(catalogue, text, request.place('forbid')))}"] = (
            "--forbid",
            text,
        )
    numerics = request.numerics
    if numerics is not None:
        numerics = names.find(on("Numerics"), numerics, request.place("numerics")).name
    return replace(
        request,
        framework=framework,
        pins=pins,
        numbers=numbers,
        forbid=_options(catalogue, request.forbid, request.place("forbid")),
        objective=_criterion(request.objective, names, request.place("objective")).name,
        numerics=numerics,
        allow=_options(catalogue, request.allow, request.place("allow")),
        typed={name: words for name, words in typed.items() if name not in request.of_plan}
        | dict(request.typed),
    )


def _pins(
    request: Request, catalogue: Catalogue
) -> tuple[dict[str, str], dict[str, int], dict[str, tuple[str, str]]]:
    """The pins and their numbers by the names of the knowledge base, and how each was typed."""
    pins: dict[str, str] = {}
    numbers = dict(request.numbers)
    typed: dict[str, tuple[str, str]] = {}
    for decision, text in request.pins.items():
        taken, *number = _pinned(catalogue, decision, text, request.place("pins"))
        place, option = catalogue.name[catalogue.decision_of(taken)], catalogue.name[taken]
        if number:
            option, numbers[place] = f"{place}-{number[0]}", number[0]
        typed[f"{place}={option}"] = ("--pin", f"{decision}={text}")
        if (other := pins.setdefault(place, option)) != option:
            raise BadInput(
                request.place("pins"),
                f"{decision} is asked to be {other} and {option}",
                expected="one of them",
            )
    return pins, numbers, typed


def _pinned(catalogue: Catalogue, decision: str, text: str, where: str) -> tuple[str] | tuple[str, int]:
    """The option that is asked for of a decision, with its number where it stands for all numbers."""
    if (found := find_decision(catalogue, decision)) and found in {
        catalogue.decision_of(option) for option in catalogue.ranges
    }:
        name = catalogue.name[found]
        return numbered(catalogue, name, text, where) or (
            find_option(catalogue, f"{name}={name_of(name, text)}", where),
        )
    return (find_option(catalogue, f"{decision}={text}", where),)


def _options(catalogue: Catalogue, texts: tuple[str, ...], where: str) -> tuple[str, ...]:
    """Options as `decision=option`, each once and in order."""
    return tuple(sorted({option_name(catalogue, find_option(catalogue, text, where)) for text in texts}))


def option_name(catalogue: Catalogue, option: str) -> str:
    """An option as `decision=option`, which is always unique."""
    return f"{catalogue.name[catalogue.decision_of(option)]}={catalogue.name[option]}"


def _criterion(text: str, names: Names, where: str) -> Entry:
    return names.find(on("Criterion"), text, where, what="objective")


def make_facts(workload: Workload, target: Target, names: Names | None = None) -> list[ox.Quad]:
    """What the rules read of a request: itself, its target and its workload; `names` is what names in their
    facts are looked up in.
    """
    return [*target.quads(TARGET, REQUEST_GRAPH, names), *_asked(workload, names)]


def _asked(workload: Workload, names: Names | None) -> list[ox.Quad]:
    return [
        _fact(REQUEST, RDF_TYPE, ox.NamedNode(on("Request"))),
        _fact(REQUEST, on("target"), TARGET),
        _fact(REQUEST, on("workload"), WORKLOAD),
        *workload.quads(WORKLOAD, REQUEST_GRAPH, names),
    ]


def find_decision(catalogue: Catalogue, text: str) -> str | None:
    """The decision that a text names, or None."""
    found = catalogue.decision_names.meant(text)
    return found[0].iri if len(found) == 1 else None


def find_option(catalogue: Catalogue, text: str, where: str) -> str:
    """The option that a text names: `decision=option`, or the bare option where that is unique.

    Raises:
        BadInput: nothing, or more than one option, has that name.
    """
    decision_name, equals, option_name = text.partition("=")
    if not equals:
        return _bare_option(catalogue, text, where)
    decision = catalogue.decision_names.find(decision_name, where, "decision").iri
    exact = [
        option
        for option in catalogue.by_name.get(option_name, ())
        if catalogue.decision_of(option) == decision
    ]
    what = "framework" if catalogue.name[decision] == FRAMEWORK else f"option of {catalogue.name[decision]}"
    return (
        exact[0] if len(exact) == 1 else catalogue.option_names(decision).find(option_name, where, what).iri
    )


def _bare_option(catalogue: Catalogue, text: str, where: str) -> str:
    found = catalogue.by_name.get(text) or [entry.iri for entry in catalogue.all_option_names.meant(text)]
    if len(found) > 1:
        ways = [
            f"{catalogue.name[catalogue.decision_of(option)]}={catalogue.name[option]}" for option in found
        ]
        raise BadInput(
            where, f"'{text}' is an option of several decisions", expected=" or ".join(sorted(ways))
        )
    if found:
        return found[0]
    if decision := find_decision(catalogue, text):
        options = listed(catalogue.name[option] for option in catalogue.options[decision])
        raise BadInput(
            where,
            f"'{text}' is a decision, and no option of it is named",
            expected=f"{catalogue.name[decision]}= and one of {options}",
        )
    return catalogue.all_option_names.find(
        text, where, "option", expected="decision=option, or an option"
    ).iri


def _fact(subject: ox.NamedNode, predicate: str, value: ox.NamedNode) -> ox.Quad:
    return ox.Quad(subject, ox.NamedNode(predicate), value, REQUEST_GRAPH)
