"""Estimators: formulas for what is reached, learnt from rows. The logarithm of the quantity is a sum of
terms, each a coefficient for the levels of some factors, times a power of the logarithm of a number.

A level that no row had counts nothing, and the interval says by how much levels differ.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from kb.store.store import KnowledgeStore
from kb.store.terms import local_name
from kb.values import Value

NORMAL_90 = 1.645
"""So many standard deviations from the mean lie nine of ten values of a normal distribution at most."""

SHORT = "short_step_seconds"
"""The number whose range is how long steps took that were too short to be learnt from."""

_NEAR = 4.0
"""By this factor a number may lie outside of what rows had."""

QUERY = """
SELECT ?estimator ?quantity ?label ?noise ?widened ?counted ?peaks ?seen
  ?term ?by ?number ?per ?power ?spread ?coefficients ?rows WHERE {
  ?estimator a on:Estimator ; on:quantity ?quantity ; rdfs:label ?label .
  ?estimator on:noiseSpread ?noise ; on:widened ?widened ; on:rowsCounted ?counted .
  OPTIONAL { ?estimator on:peaksOfPrecisions ?peaks } OPTIONAL { ?estimator on:numbersSeen ?seen }
  ?term on:termOf ?estimator ; on:levelSpread ?spread ; on:coefficients ?coefficients .
  OPTIONAL { ?term on:byFactors ?by }
  OPTIONAL { ?term on:timesNumber ?number ; on:perNumber ?per ; on:toPower ?power }
  OPTIONAL { ?term on:restsOn ?rows } }"""


class Term(Value, frozen=True):
    """A summand of an estimator.

    Attributes:
        name: what it is called among the terms of its estimator.
        by: the factors whose levels together have a coefficient each; none: one coefficient for all.
        number, per, power: the logarithm of number / per, to this power, multiplies the coefficient; 1 where
            no number is named.
        spread: standard deviation of the coefficients.
        values: the coefficients by level; the levels of several factors are joined by /.
        rows: for some levels, the rows behind them.
    """

    name: str
    by: tuple[str, ...] = ()
    number: str = ""
    per: float = 1.0
    power: int = 1
    spread: float = 0.0
    values: Mapping[str, float] = {}
    rows: Mapping[str, tuple[str, ...]] = {}

    @property
    def needs(self) -> set[str]:
        """The factors and numbers that it asks for."""
        return {*self.by, self.number} - {""}

    def level(self, factors: Mapping[str, str]) -> str:
        """The level of what is asked about."""
        return "/".join(factors[name] for name in self.by)

    def multiplier(self, numbers: Mapping[str, float]) -> float:
        """What the coefficient is multiplied by."""
        return float(math.log(numbers[self.number] / self.per) ** self.power) if self.number else 1.0


class Estimate(Value, frozen=True):
    """What an estimator says.

    Attributes:
        value, low, high: the quantity, and the interval in which nine of ten lie.
        unseen: the terms of whose level no row tells.
        rows: those behind the most special level that was seen.
    """

    value: float
    low: float
    high: float
    unseen: tuple[str, ...] = ()
    rows: tuple[str, ...] = ()


class Estimator(Value, frozen=True):
    """A formula with its terms, the most special last.

    Attributes:
        name, quantity, label: how it is found and what it is of.
        noise: standard deviation of the logarithm where every level was seen.
        widened: by how much intervals are wider than the model says.
        counted: how many rows it was learnt from.
        peaks: for each precision the number that is its peak, and what that is multiplied by.
        seen: the least and the greatest of each number among the rows.
    """

    name: str
    quantity: str
    label: str
    noise: float
    widened: float
    terms: tuple[Term, ...]
    counted: int = 0
    peaks: Mapping[str, tuple[str, float]] = {}
    seen: Mapping[str, tuple[float, float]] = {}

    @property
    def needs(self) -> set[str]:
        """The factors and numbers that it asks for."""
        return set().union(*(term.needs for term in self.terms))

    def said(self, factors: Mapping[str, str], numbers: Mapping[str, float]) -> Estimate | None:
        """What it says; None where a factor or a number that it asks for is not told."""
        if self.needs - factors.keys() - numbers.keys():
            return None
        total, variance = 0.0, self.noise**2
        unseen: list[str] = []
        rows: tuple[str, ...] = ()
        for term in self.terms:
            level, times = term.level(factors), term.multiplier(numbers)
            if level in term.values:
                total += term.values[level] * times
                rows = term.rows.get(level, rows)
            else:
                variance += (term.spread * times) ** 2
                unseen.append(term.name)
        reach = self.widened * NORMAL_90 * math.sqrt(variance)
        return Estimate(
            math.exp(total), math.exp(total - reach), math.exp(total + reach), tuple(unseen), rows
        )

    def peak(self, precision: str, numbers: Mapping[str, float]) -> float | None:
        """TFLOP/s at most in a precision; None where it is not known."""
        name, times = self.peaks.get(precision, ("", 1.0))
        return numbers[name] * times if name in numbers else None

    def beyond(self, numbers: Mapping[str, float]) -> str:
        """The first number that lies far beyond what the rows had, if any."""
        for number, (_, high) in self.seen.items():
            if numbers.get(number, 0) > high * _NEAR:
                return number
        return ""

    def knows(self, factor: str, level: str) -> bool:
        """Whether any row was of a level of a factor."""
        return any(term.by == (factor,) and level in term.values for term in self.terms)


def estimators(store: KnowledgeStore) -> dict[str, Estimator]:
    """The estimators that a knowledge base has, by what they are of."""
    return estimators_in(store.select(QUERY))


def estimators_in(answer: Iterable[Mapping[str, str]]) -> dict[str, Estimator]:
    """The estimators that the answer to `QUERY` holds, by what they are of."""
    rows_of: dict[str, list[Mapping[str, str]]] = {}
    for row in answer:
        rows_of.setdefault(row["estimator"], []).append(row)
    found = {}
    for iri, rows in sorted(rows_of.items()):
        name, first = local_name(iri), rows[0]
        terms = [_term(name, row) for row in sorted(rows, key=lambda row: row["term"])]
        found[first["quantity"]] = Estimator(
            name,
            first["quantity"],
            first["label"],
            float(first["noise"]),
            float(first["widened"]),
            tuple(terms),
            int(first["counted"]),
            {level: (name, float(times)) for level, (name, times) in _pairs(first.get("peaks", ""))},
            {level: (float(low), float(high)) for level, (low, high) in _pairs(first.get("seen", ""))},
        )
    return found


def _term(estimator: str, row: Mapping[str, str]) -> Term:
    rests_on = {level: tuple(rows.split()) for level, rows in _lines(row.get("rows", ""))}
    return Term(
        local_name(row["term"]).removeprefix(f"{estimator}-").lstrip("0123456789-"),
        tuple(row.get("by", "").split()),
        row.get("number", ""),
        float(row.get("per", 1)),
        int(row.get("power", 1)),
        float(row["spread"]),
        {level: float(value) for level, value in _lines(row["coefficients"])},
        rests_on,
    )


def _pairs(text: str) -> list[tuple[str, tuple[str, str]]]:
    """For each line the level, and the two words behind it."""
    found = []
    for level, rest in _lines(text):
        first, _, second = rest.partition(" ")
        found.append((level, (first, second)))
    return found


def _lines(text: str) -> list[tuple[str, str]]:
    """For each line the level, which may be empty, and what stands behind its blank."""
    parts = [line.partition(" ") for line in text.splitlines() if line]
    return [(level, rest) for level, _, rest in parts]
