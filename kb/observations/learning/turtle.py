"""What was learnt, as Turtle: for each region a situation, the rule that puts requests into it, and the
effect there.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from kb.importers.report import literal, statement
from kb.observations.learning.cases import Question
from kb.observations.learning.elsewhere import Carried
from kb.observations.learning.regions import Region
from kb.observations.rows import find
from kb.store.terms import PREFIXES

_USED = ("on", "kb", "sit", "eff", "rule", "rdfs", "owl", "xsd", "sh", "skos", "dct", "prov")


def turtle(asked: Question, regions: Sequence[Region], score: str = "") -> str:
    """The Turtle file of a question's answer.

    Args:
        score: how well left-out rows were predicted, in words.
    """
    name = asked.name.replace("_", "-")
    parts = [
        (f"{name}-{number}", _of_layers(asked, region), region) for number, region in enumerate(regions, 1)
    ]
    return _document(asked, parts, score)


def turtle_of_networks(asked: Question, found: Sequence[Carried], score: str = "") -> str:
    """The Turtle file of what single networks did elsewhere, carried over."""
    parts = [
        (
            f"{asked.name}-{one.case.network}-{one.case.image_size}".replace("_", "-").replace(".", "-"),
            _of_network(asked, one),
            one.region,
        )
        for one in found
    ]
    return _document(asked, parts, score)


def _document(asked: Question, parts: Sequence[tuple[str, _Scope, Region]], score: str) -> str:
    declared, table = asked.declared, find(asked.declared["table"])
    sources = " , ".join(f"<{source['@id']}>" for source in table.metadata["dc:source"])
    rules = " , ".join(f"rule:{name}" for name, scope, _ in parts if scope.pattern)
    lines = [
        "".join(f"@prefix {prefix}: <{PREFIXES[prefix]}> .\n" for prefix in _USED),
        f"# Learnt by `ontune kb learn {asked.name}` from the table {table.name}: "
        "correct it here, or overrule it by an addition.",
        f"<> a on:SourceFile ; rdfs:label {literal('learnt: ' + declared['title'])}@en ; "
        f"prov:wasDerivedFrom {sources} ;",
        f'    on:checked "{table.metadata["dc:modified"]["@value"]}"^^xsd:date ; on:status on:Current .',
    ]
    if rules:
        lines += ["", f"on:RequestShape a sh:NodeShape ; sh:targetClass on:Request ; sh:rule {rules} ."]
    for name, scope, region in parts:
        lines += ["", *_statements(asked, name, scope, region, score, sources)]
    return "\n".join(lines) + "\n"


@dataclass(frozen=True)
class _Scope:
    """What an effect holds for.

    Attributes:
        said: in a few words.
        definition: in a sentence.
        pattern: in SPARQL, of `?workload`; empty where it holds for all.
        message: with what was seen.
        when: situations beside those of the question.
    """

    said: str
    definition: str
    pattern: str
    message: str
    when: tuple[str, ...] = ()


def _of_layers(asked: Question, region: Region) -> _Scope:
    if not region.bounds:
        return _Scope("", "", "", "")
    said = " and ".join(_words(feature, bound) for feature, bound in region.bounds.items())
    variables = {feature: f"?{feature}" for feature in region.bounds}
    patterns = " ; ".join(
        f"on:{asked.declared['features'][feature]} {variable}" for feature, variable in variables.items()
    )
    tests: list[str] = []
    for feature, bound in region.bounds.items():
        tests += _tests(variables[feature], bound)
    shown = ", ".join(f"{feature} {{{variable}}}" for feature, variable in variables.items())
    return _Scope(
        said,
        f"The layers have {said}.",
        f"?workload {patterns} . FILTER({' && '.join(tests)})",
        f"the layers have {shown}",
    )


def _of_network(asked: Question, one: Carried) -> _Scope:
    """One network at one image size. That it is more special than any region of layers is said by a situation
    more: the maker's.
    """
    network, size = one.case.network, one.case.image_size
    where = asked.declared["elsewhere"]["only"]["machine"]
    return _Scope(
        f"{network} at {size}, carried over from {where}",
        f"The network is {network}, with images of {size} x {size}.",
        "?workload on:network ?network ; on:imageSize ?image_size . "
        f"FILTER(?network = {literal(network)} && ?image_size = {size})",
        "the network is {?network} at {?image_size}",
        tuple(asked.declared["elsewhere"]["when"]),
    )


def _statements(
    asked: Question, name: str, scope: _Scope, region: Region, score: str, sources: str
) -> Iterator[str]:
    declared = asked.declared
    label = f"{declared['title']}: {scope.said}" if scope.pattern else str(declared["title"])
    if scope.pattern:
        yield from _situation(name, label, scope, sources)
    own = (_class(name),) if scope.pattern else ()
    when = " , ".join(f"sit:{situation}" for situation in (*scope.when, *declared["when"], *own))
    counted = f"{region.networks} networks of {region.families} families"
    yield statement(
        f"eff:{name}",
        [
            "a on:Effect , on:LearntEffect",
            f"on:option kb:{declared['option']}",
            f"on:given {' , '.join(f'kb:{option}' for option in declared['given'])}",
            f"on:when {when}",
            "on:criterion on:throughput",
            f"on:ratio {_ratio(region.ratio)} ; "
            f"on:low {_ratio(region.interval[0])} ; on:high {_ratio(region.interval[1])}",
            f"on:meanLow {_ratio(region.mean[0])} ; on:meanHigh {_ratio(region.mean[1])}",
            f"on:networksCounted {region.networks} ; on:familiesCounted {region.families} ; "
            "on:sourcesCounted 1",
            f"on:learntFrom {literal(declared['table'])} ; on:learntBy {literal(asked.name)}",
            f"prov:wasDerivedFrom {sources}",
            f"rdfs:label {literal('; '.join(filter(None, (label, counted, declared['note'], score))))}@en",
        ],
    )


def _situation(name: str, label: str, scope: _Scope, sources: str) -> Iterator[str]:
    """The situation of a scope, and the rule that puts requests into it."""
    yield statement(
        f"sit:{_class(name)}",
        [
            "a owl:Class , on:WorkloadTrait",
            "rdfs:subClassOf on:Request",
            f"skos:notation {literal(name)}",
            f"rdfs:label {literal(label)}@en",
            f"skos:definition {literal(scope.definition)}@en",
        ],
    )
    where = f"$this on:workload ?workload . {scope.pattern}"
    text = f"CONSTRUCT {{ $this a sit:{_class(name)} }} WHERE {{ {where} }}"
    yield statement(
        f"rule:{name}",
        [
            "a sh:SPARQLRule , on:Derivation",
            "sh:order 1",
            "sh:prefixes on:prefixes",
            f"rdfs:label {literal(label)}@en",
            f"on:message {literal(scope.message)}",
            f"prov:wasDerivedFrom {sources}",
            f"sh:construct {literal(text)}",
        ],
    )


def _class(name: str) -> str:
    """The name of a situation, as classes are named."""
    return "".join(part.capitalize() for part in name.split("-"))


def _tests(variable: str, bound: tuple[float, float]) -> Iterator[str]:
    low, high = bound
    if math.isfinite(low):
        yield f"{variable} > {low:g}"
    if math.isfinite(high):
        yield f"{variable} <= {high:g}"


def _words(feature: str, bound: tuple[float, float]) -> str:
    return " and ".join(test.replace(feature, feature.replace("_", " ")) for test in _tests(feature, bound))


def _ratio(logarithm: float) -> str:
    return f"{math.exp(logarithm):.3f}"
