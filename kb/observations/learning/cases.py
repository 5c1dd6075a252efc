"""What can be learnt from: pairs of rows that differ in one option, with the numbers of what was trained. The
questions are data (`questions/`).
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from kb.errors import BadInput
from kb.observations.rows import Row, find
from kb.store import user_files

_VERSION = ("framework_version",)
"""What tells several ratios of one network apart, where a question does not say it."""
_QUESTIONS = Path(__file__).with_name("questions")


@dataclass(frozen=True)
class Question:
    """What an option does, asked of a table.

    Attributes:
        name: the file's, without its suffix.
        declared: what the file says; its keys are explained in `docs/reference/rows.md`.
    """

    name: str
    declared: Mapping[str, Any]

    @property
    def features(self) -> tuple[str, ...]:
        """The numbers of a workload that regions may be cut by, as the keys of a workload have them."""
        return tuple(self.declared.get("features", ()))


@dataclass(frozen=True)
class Case:
    """What the option did for one network.

    Attributes:
        network, image_size: which one.
        family: networks that fail together.
        twin: the first network of the table with equal numbers, which may be itself.
        numbers: the features; empty where they are not known.
        ratios: for each version of the framework, or what else a question names, the logarithm of the ratio.
    """

    network: str
    image_size: str
    family: str
    twin: str
    numbers: Mapping[str, float]
    ratios: Mapping[str, float]

    @property
    def ratio(self) -> float:
        """The logarithm of the ratio, the mean over the versions."""
        return fmean(self.ratios.values())


def questions() -> list[str]:
    """The questions that are declared."""
    return sorted(path.stem for path in _QUESTIONS.glob("*.yaml"))


def question(name: str) -> Question:
    """A declared question. Raises BadInput where there is none of that name."""
    if name not in questions():
        raise BadInput(
            "QUESTION",
            f"no question is named '{name}'",
            expected=", ".join(questions()),
            given=name,
            known=questions(),
        )
    return Question(name, user_files.read_object(_QUESTIONS / f"{name}.yaml"))


def cases(asked: Question) -> list[Case]:
    """Every case of a question: rows on both sides, equal but for the option. Where the numbers of a network
    are not known, they are empty.
    """
    declared = asked.declared
    known: dict[tuple[str, str], Row] = {}
    if "numbers" in declared:
        known = {(row["network"], row["image_size"]): row for row in find(declared["numbers"]).rows()}
    sides: dict[str, dict[tuple[str, ...], Row]] = {declared["option"]: {}, declared["default"]: {}}
    for row in find(declared["table"]).rows():
        if (
            all(_is(row.get(column), value) for column, value in declared["only"].items())
            and row.get("value")
            and row.get("batch")
        ):
            side = sides.get(row[declared["decision"]])
            if side is not None:
                side[tuple(row.get(column, "") for column in declared["same"])] = row
    found: dict[tuple[str, str], dict[str, float]] = defaultdict(dict)
    with_it, without = sides[declared["option"]], sides[declared["default"]]
    for key in sorted(with_it.keys() & without.keys()):
        row = with_it[key]
        ratio = math.log(float(row["value"]) / float(without[key]["value"]))
        version = " ".join(row.get(column, "") for column in declared.get("version", _VERSION))
        found[row["network"], row.get("image_size", "")][version] = ratio
    return [_case(asked, place, known.get(place, {}), ratios) for place, ratios in found.items()]


def _is(value: str | None, wanted: str | Sequence[str]) -> bool:
    """Whether a value is the wanted one, or one of several."""
    return value == wanted if isinstance(wanted, str) else value in wanted


def _case(asked: Question, place: tuple[str, str], row: Row, ratios: Mapping[str, float]) -> Case:
    numbers = {feature: float(row[feature]) for feature in asked.features if feature in row}
    match = re.fullmatch(asked.declared["family"], place[0])
    return Case(*place, match[1] if match else place[0], row.get("twin") or place[0], numbers, dict(ratios))


def without(known: Sequence[Case], left_out: Sequence[Case]) -> list[Case]:
    """Cases that say nothing of those left out: neither of their families, nor twins, nor the same network
    under another name.
    """
    families, twins = {case.family for case in left_out}, {case.twin for case in left_out}
    return [case for case in known if case.family not in families and case.twin not in twins]


def left_out(known: Sequence[Case], folds: int) -> list[list[Case]]:
    """The cases in folds of whole families."""
    families = sorted({case.family for case in known})
    fold = {family: number % folds for number, family in enumerate(families)}
    found = []
    for number in range(folds):
        found.append([case for case in known if fold[case.family] == number])
    return found
