"""A learnt estimator as Turtle that an expert can read, correct and overrule: a coefficient a line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from kb.importers.report import literal, statement
from kb.observations.estimates import Estimator, Term
from kb.observations.learning.additive import Declared
from kb.store.terms import PREFIXES

_USED = ("on", "est", "rdfs", "xsd", "prov")


def turtle_of_estimator(asked: Declared, estimator: Estimator) -> str:
    """The Turtle file of an estimator."""
    derived = " , ".join(f"<{source}>" for source in asked.declared["sources"])
    lines = [
        "".join(f"@prefix {prefix}: <{PREFIXES[prefix]}> .\n" for prefix in _USED),
        f"# Learnt by `ontune kb learn {asked.name}`: correct it here, or overrule it by an addition.",
        f"<> a on:SourceFile ; rdfs:label {literal('learnt: ' + estimator.label)}@en ; "
        f"prov:wasDerivedFrom {derived} ;",
        f'    on:checked "{asked.declared["checked"]}"^^xsd:date ; on:status on:Current .',
        "",
        statement(
            f"est:{estimator.name}",
            [
                "a on:Estimator",
                f"rdfs:label {literal(estimator.label)}@en",
                f"on:quantity {literal(estimator.quantity)}",
                f"on:noiseSpread {estimator.noise:.4f} ; on:widened {estimator.widened:.3f}",
                f"on:rowsCounted {estimator.counted}",
                *_about(estimator),
                f"prov:wasDerivedFrom {derived}",
            ],
        ),
    ]
    for number, term in enumerate(estimator.terms, 1):
        lines.append(statement(f"est:{estimator.name}-{number:02}-{term.name}", _facts(estimator, term)))
    return "\n".join(lines) + "\n"


def _about(estimator: Estimator) -> Iterator[str]:
    """Which peak belongs to which precision, and between which numbers the rows lay."""
    if estimator.peaks:
        peaks = {name: (peak, f"{times:g}") for name, (peak, times) in estimator.peaks.items()}
        yield f"on:peaksOfPrecisions {_long(peaks)}"
    seen = {name: (f"{low:.4g}", f"{high:.4g}") for name, (low, high) in estimator.seen.items()}
    yield f"on:numbersSeen {_long(seen)}"


def _facts(estimator: Estimator, term: Term) -> Iterator[str]:
    yield f"a on:EstimatorTerm ; on:termOf est:{estimator.name}"
    yield f"rdfs:label {literal(_label(term))}@en"
    if term.by:
        yield f"on:byFactors {literal(' '.join(term.by))}"
    if term.number:
        yield f"on:timesNumber {literal(term.number)} ; on:perNumber {float(term.per)}"
        yield f"on:toPower {term.power}"
    yield f"on:levelSpread {term.spread:.4f}"
    coefficients = {level: (f"{value:.4f}",) for level, value in term.values.items()}
    yield f"on:coefficients {_long(coefficients)}"
    if term.rows:
        yield f"on:restsOn {_long(term.rows)}"


def _label(term: Term) -> str:
    """What the term says, in words."""
    by = f"for each {', '.join(term.by)}" if term.by else "for all"
    if not term.number:
        return by
    power = "" if term.power == 1 else f", to the power {term.power}"
    return f"{by}, times the logarithm of {term.number.replace('_', ' ')} / {term.per:g}{power}"


def _long(lines: Mapping[str, Sequence[str]]) -> str:
    """A long literal, a line for each level; what levels are called cannot leave its quotes."""
    said = "\n".join(f"{level} {' '.join(values)}" for level, values in lines.items())
    escaped = said.replace("\\", "\\\\").replace('"', '\\"')
    return f'"""{escaped}"""'
