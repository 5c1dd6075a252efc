"""What was learnt, as Turtle: for each region a situation, the rule that puts requests into it, and the
effect there.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from kb.importers.report import literal, statement
from kb.learning.cases import Question
from kb.learning.regions import Region
from kb.rows import find
from kb.terms import PREFIXES

_USED = ("on", "kb", "sit", "eff", "rule", "rdfs", "owl", "xsd", "sh", "skos", "dct", "prov")


def turtle(asked: Question, regions: Sequence[Region], score: str = "") -> str:
    """The Turtle file of a question's answer.

    Args:
        score: how well left-out rows were predicted, in words.
    """
    declared, name = asked.declared, asked.name.replace("_", "-")
    table = find(declared["table"])
    head = "".join(f"@prefix {prefix}: <{PREFIXES[prefix]}> .\n" for prefix in _USED)
    sources = " , ".join(f"<{source['@id']}>" for source in table.metadata["dc:source"])
    lines = [
        head,
        f"# Learnt by `ontune kb learn {asked.name}` from the table {table.name}: correct it here, or overrule it by an addition.",
        f"<> a on:SourceFile ; rdfs:label {literal('learnt: ' + declared['title'])}@en ; prov:wasDerivedFrom {sources} ;",
        f'    on:checked "{table.metadata["dc:modified"]["@value"]}"^^xsd:date ; on:status on:Current .',
        "",
    ]
    lines.append(
        f"on:RequestShape a sh:NodeShape ; sh:targetClass on:Request ; sh:rule {' , '.join(f'rule:{name}-{n}' for n in _numbers(regions))} ."
    )
    for number, region in zip(_numbers(regions), regions, strict=True):
        lines += ["", *_of_region(asked, f"{name}-{number}", region, score, sources)]
    return "\n".join(lines) + "\n"


def _numbers(regions: Sequence[Region]) -> range:
    return range(1, len(regions) + 1)


def _of_region(asked: Question, name: str, region: Region, score: str, sources: str) -> Iterator[str]:
    declared = asked.declared
    said = " and ".join(_words(feature, bound) for feature, bound in region.bounds.items())
    label = f"{declared['title']}: {said}"
    yield statement(
        f"sit:{_class(name)}",
        [
            "a owl:Class , on:WorkloadTrait",
            "rdfs:subClassOf on:Request",
            f"skos:notation {literal(name)}",
            f"rdfs:label {literal(label)}@en",
            f"skos:definition {literal(f'The layers have {said}.')}@en",
        ],
    )
    variables = {feature: f"?{feature}" for feature in region.bounds}
    patterns = " ; ".join(
        f"on:{declared['features'][feature]} {variable}" for feature, variable in variables.items()
    )
    tests = " && ".join(
        test for feature, bound in region.bounds.items() for test in _tests(variables[feature], bound)
    )
    text = f"CONSTRUCT {{ $this a sit:{_class(name)} }} WHERE {{ $this on:workload ?workload . ?workload {patterns} . FILTER({tests}) }}"
    shown = ", ".join(f"{feature} {{{variable}}}" for feature, variable in variables.items())
    yield statement(
        f"rule:{name}",
        [
            "a sh:SPARQLRule , on:Derivation",
            "sh:order 1",
            "sh:prefixes on:prefixes",
            f"rdfs:label {literal(label)}@en",
            f"on:message {literal(f'the layers have {shown}')}",
            f"prov:wasDerivedFrom {sources}",
            f"sh:construct {literal(text)}",
        ],
    )
    when = " , ".join(f"sit:{situation}" for situation in (*declared["when"], _class(name)))
    counted = f"{region.networks} networks of {region.families} families"
    yield statement(
        f"eff:{name}",
        [
            "a on:Effect , on:LearntEffect",
            f"on:option kb:{declared['option']}",
            f"on:given {' , '.join(f'kb:{option}' for option in declared['given'])}",
            f"on:when {when}",
            "on:criterion on:throughput",
            f"on:ratio {_ratio(region.ratio)} ; on:low {_ratio(region.interval[0])} ; on:high {_ratio(region.interval[1])}",
            f"on:meanLow {_ratio(region.mean[0])} ; on:meanHigh {_ratio(region.mean[1])}",
            f"on:networksCounted {region.networks} ; on:familiesCounted {region.families} ; on:sourcesCounted 1",
            f"on:learntFrom {literal(declared['table'])} ; on:learntBy {literal(asked.name)}",
            f"prov:wasDerivedFrom {sources}",
            f"rdfs:label {literal('; '.join(filter(None, (label, counted, declared['note'], score))))}@en",
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
