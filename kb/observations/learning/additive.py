"""Estimators from rows: a linear mixed model of the logarithm. The spread of each term's coefficients is
learnt from the rows (maximum likelihood with a weak prior), and coefficients are drawn towards their mean as
far as that spread and the number of rows say.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from kb.errors import BadInput
from kb.observations.estimates import Estimate, Estimator, Term
from kb.store import user_files
from kb.values import replace

Numbers = npt.NDArray[np.float64]
_FOLDER = Path(__file__).with_name("estimators")
_HELD = 0.9
_START, _BOUNDS = -4.0, (-12.0, 2.0)
# The weak prior of the logarithms of variances: coefficients of 0.08, by a factor of e^1.5 either way.
_PRIOR_MEAN, _PRIOR_SPREAD = -5.0, 3.0


@dataclass(frozen=True)
class Sample:
    """One row as estimators learn from it.

    Attributes:
        value: the logarithm of what was measured.
        factors, numbers: what it was measured of.
        groups: what it may be left out by: by kind of group its name.
        rows: the identifiers of the rows behind it.
    """

    value: float
    factors: Mapping[str, str]
    numbers: Mapping[str, float]
    groups: Mapping[str, str] = field(default_factory=dict)
    rows: tuple[str, ...] = ()


@dataclass(frozen=True)
class Declared:
    """What a file of `estimators/` says; its keys are explained in `docs/reference/rows.md`."""

    name: str
    declared: Mapping[str, Any]

    @property
    def terms(self) -> tuple[Term, ...]:
        """The terms without their coefficients."""
        found = []
        for term in self.declared["terms"]:
            found.append(
                Term(
                    term["name"],
                    tuple(term.get("by", ())),
                    term.get("number", ""),
                    float(term.get("per", 1)),
                    int(term.get("power", 1)),
                    float(term.get("spread", 0)),
                )
            )
        return tuple(found)

    @property
    def means(self) -> tuple[float, ...]:
        """What the coefficients of each term are drawn towards."""
        return tuple(float(term.get("mean", 0)) for term in self.declared["terms"])


def declared_estimators() -> list[str]:
    """The estimators that are declared."""
    return sorted(path.stem for path in _FOLDER.glob("*.yaml"))


def declared_estimator(name: str) -> Declared:
    """The declaration of an estimator. Raises BadInput where there is none of that name."""
    known = declared_estimators()
    if name not in known:
        raise BadInput(
            "QUESTION",
            f"no estimator is named '{name}'",
            expected=", ".join(known),
            given=name,
            known=known,
        )
    return Declared(name, user_files.read_object(_FOLDER / f"{name}.yaml"))


@dataclass(frozen=True)
class _Column:
    """One coefficient: its term, by number, and its level."""

    term: int
    level: str


def learn_estimator(
    asked: Declared, samples: Sequence[Sample], known: Sequence[float] | None = None
) -> Estimator:
    """The estimator of samples, with intervals that hold for left-out groups of them.

    Args:
        known: the spreads of the terms, and the noise, where they were learnt before.

    Raises:
        BadInput: there are too few samples.
    """
    spreads = _spreads(asked, samples) if known is None else known
    found = _solved(asked, samples, spreads)
    widened = 1.0
    for kind in asked.declared["left_out"]:
        misses = []
        for estimate, sample in left_out_estimates(asked, samples, kind, spreads):
            if estimate is not None:
                reach = math.log(estimate.high / estimate.value)
                misses.append(abs(sample.value - math.log(estimate.value)) / reach)
        if misses:
            widened = max(widened, float(np.quantile(misses, _HELD)))
    return replace(found, widened=widened)


def left_out_estimates(
    asked: Declared, samples: Sequence[Sample], kind: str, spreads: Sequence[float] | None = None
) -> list[tuple[Estimate | None, Sample]]:
    """For each sample what is said of it by the others, those of its own group left out.

    Args:
        kind: the kind of group.
        spreads: those of the terms, and the noise; without them they are learnt from the rest each time.
    """
    groups: dict[str, list[Sample]] = defaultdict(list)
    for sample in samples:
        groups[sample.groups[kind]].append(sample)
    found = []
    for group, left_out in sorted(groups.items()):
        rest = [sample for sample in samples if sample.groups[kind] != group]
        if not rest:
            continue
        learnt = _solved(asked, rest, _spreads(asked, rest) if spreads is None else spreads)
        found += [(learnt.said(sample.factors, sample.numbers), sample) for sample in left_out]
    return found


def _columns(terms: Sequence[Term], samples: Sequence[Sample]) -> tuple[list[_Column], Numbers]:
    """The coefficients and, for each sample, what they are multiplied by."""
    columns: dict[_Column, int] = {}
    entries = []
    for row, sample in enumerate(samples):
        for number, term in enumerate(terms):
            column = _Column(number, term.level(sample.factors))
            place = columns.setdefault(column, len(columns))
            entries.append((row, place, term.multiplier(sample.numbers)))
    design = np.zeros((len(samples), len(columns)))
    for row, place, value in entries:
        design[row, place] = value
    return list(columns), design


def _centred(asked: Declared, columns: Sequence[_Column], design: Numbers, values: Numbers) -> Numbers:
    """What is left of the values when every coefficient is its mean."""
    said: Numbers = design @ np.array([asked.means[column.term] for column in columns])
    return values - said


def spreads_of(estimator: Estimator) -> list[float]:
    """The spread of each term's coefficients, and the noise, as they were learnt."""
    return [*(term.spread for term in estimator.terms), estimator.noise]


def _spreads(asked: Declared, samples: Sequence[Sample]) -> list[float]:
    """The spread of each term's coefficients, and the noise."""
    from scipy.optimize import minimize

    terms = asked.terms
    if len(samples) < 2 * len(terms):
        raise BadInput(asked.name, f"{len(samples)} rows are too few", expected=f"at least {2 * len(terms)}")
    columns, design = _columns(terms, samples)
    free = [number for number, term in enumerate(terms) if not term.spread]
    rest = _centred(asked, columns, design, np.array([sample.value for sample in samples]))
    products, crossed, square = design.T @ design, design.T @ rest, float(rest @ rest)
    fixed = np.array([terms[column.term].spread ** 2 for column in columns])
    terms_of = np.array([column.term for column in columns])
    members = [terms_of == number for number in free]

    def badness(logarithms: Numbers) -> tuple[float, Numbers]:
        """The negative logarithm of the posterior, and how it changes: with V the variance of the values, it
        is half of y'V^-1 y plus half of log |V|, and V^-1 follows from a matrix of the coefficients.
        """
        variances, noise = fixed.copy(), math.exp(logarithms[-1])
        for number, member in enumerate(members):
            variances[member] = math.exp(logarithms[number])
        scaled = np.sqrt(variances)
        inner = np.eye(len(columns)) + scaled[:, None] * products * scaled[None, :] / noise
        middle = scaled[:, None] * np.linalg.inv(inner) * scaled[None, :]
        moved = middle @ crossed / noise
        crossing = products @ middle
        fit = (square - float(crossed @ moved)) / noise
        determinant = float(np.linalg.slogdet(inner)[1]) + len(samples) * math.log(noise)
        away = (logarithms - _PRIOR_MEAN) / _PRIOR_SPREAD
        explained = (crossed - products @ moved) / noise
        traces = np.diag(products) / noise - (crossing * products).sum(axis=1) / noise**2
        slopes = away / _PRIOR_SPREAD
        for number, member in enumerate(members):
            slopes[number] += variances[member] @ (traces[member] - explained[member] ** 2) / 2
        left = (square - 2 * float(crossed @ moved) + float(moved @ products @ moved)) / noise**2
        slopes[-1] += noise * (len(samples) / noise - float(np.trace(crossing)) / noise**2 - left) / 2
        return (fit + determinant + float(away @ away)) / 2, slopes

    start = np.full(len(free) + 1, _START)
    best: Any = minimize(badness, start, jac=True, method="L-BFGS-B", bounds=[_BOUNDS] * len(start))
    learnt = [math.exp(value / 2) for value in best.x]
    spreads = [term.spread for term in terms]
    for number, value in zip(free, learnt, strict=False):
        spreads[number] = value
    return [*spreads, learnt[-1]]


def _solved(asked: Declared, samples: Sequence[Sample], spreads: Sequence[float]) -> Estimator:
    """The coefficients, where the spreads and the noise are known."""
    columns, design = _columns(asked.terms, samples)
    rest = _centred(asked, columns, design, np.array([sample.value for sample in samples]))
    variances = np.array([spreads[column.term] ** 2 for column in columns])
    inner = design.T @ design + spreads[-1] ** 2 * np.diag(1 / variances)
    moved = np.linalg.solve(inner, design.T @ rest)
    values: list[dict[str, float]] = [{} for _ in asked.terms]
    for column, value in zip(columns, moved, strict=True):
        values[column.term][column.level] = float(value) + asked.means[column.term]
    last = len(asked.terms) - 1
    terms = []
    for number, term in enumerate(asked.terms):
        rows = _rows_of(term, samples) if number == last else {}
        terms.append(
            replace(term, spread=spreads[number], values=dict(sorted(values[number].items())), rows=rows)
        )
    declared = asked.declared
    peaks = {name: (rule["peak"], float(rule["times"])) for name, rule in declared.get("peaks", {}).items()}
    return Estimator(
        asked.name.replace("_", "-"),
        declared["quantity"],
        declared["title"],
        spreads[-1],
        1.0,
        tuple(terms),
        len(samples),
        peaks,
        _ranges(asked.terms, samples),
    )


def _ranges(terms: Sequence[Term], samples: Sequence[Sample]) -> dict[str, tuple[float, float]]:
    """The least and the greatest of each number that terms ask for."""
    found = {}
    for number in dict.fromkeys(term.number for term in terms if term.number):
        values = [sample.numbers[number] for sample in samples]
        found[number] = (min(values), max(values))
    return found


def _rows_of(term: Term, samples: Sequence[Sample]) -> dict[str, tuple[str, ...]]:
    found: dict[str, list[str]] = defaultdict(list)
    for sample in samples:
        found[term.level(sample.factors)] += sample.rows
    # What has no case of its own would name most rows.
    return {level: tuple(rows) for level, rows in sorted(found.items()) if rows and level}
