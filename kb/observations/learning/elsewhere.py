"""What a network did on one machine, carried over to another: the gain that was measured there, times what
the gains of other networks, which both machines have run, differ by.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kb.errors import BadInput
from kb.observations.learning.cases import Case, Question
from kb.observations.learning.regions import Region, holding, learn
from kb.values import replace


@dataclass(frozen=True)
class Carried:
    """What one network is expected to do where it was not measured.

    Attributes:
        case: what it did elsewhere.
        region: the expected ratio with its intervals; counted are those that tell the difference.
    """

    case: Case
    region: Region


def question_elsewhere(asked: Question) -> Question:
    """The same question, asked of the other machine. Raises BadInput where it names none."""
    declared = asked.declared
    if "elsewhere" not in declared:
        raise BadInput(asked.name, "names no other machine", expected="a question with `elsewhere`")
    return Question(asked.name, {**declared, "only": {**declared["only"], **declared["elsewhere"]["only"]}})


def carried(
    asked: Question, here: Sequence[Case], there: Sequence[Case], wanted: Sequence[Case]
) -> list[Carried]:
    """What networks that were measured elsewhere do here.

    Args:
        here, there: what networks did on the machine of the question, and on the other one.
        wanted: networks as they were measured on the other one. Of those whose numbers are not known, or lie
            in no region, nothing is said.
    """
    elsewhere = asked.declared["elsewhere"]
    sizes = {"regions": elsewhere["regions"], "least": elsewhere["least"]}
    regions = learn(Question(asked.name, {**asked.declared, **sizes}), quotients(here, there))
    found = []
    for case in wanted:
        region = holding(regions, case) if case.numbers else None
        if region is not None:
            found.append(Carried(case, _times(region, case.ratio)))
    return found


def quotients(here: Sequence[Case], there: Sequence[Case]) -> list[Case]:
    """For networks that both machines have run, the ratio here divided by the one there."""
    known = {(case.network, case.image_size): case.ratio for case in there}
    return [
        replace(case, ratios={"": case.ratio - known[case.network, case.image_size]})
        for case in here
        if (case.network, case.image_size) in known
    ]


def _times(region: Region, ratio: float) -> Region:
    """The region with every ratio multiplied; ratios are logarithms."""
    return replace(
        region,
        ratio=region.ratio + ratio,
        mean=(region.mean[0] + ratio, region.mean[1] + ratio),
        interval=(region.interval[0] + ratio, region.interval[1] + ratio),
    )
