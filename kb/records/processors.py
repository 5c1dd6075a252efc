"""What follows of a processor that somebody describes: its safe instruction set level and its maker, from
whatever of it is stated.

What is stated is kept. A microarchitecture has the levels from which it descends; a feature has those that
every processor with it has; a product's name tells the microarchitecture in it, or the least of its series.
Where features are listed whole they count before the microarchitecture, because a virtual machine hides some.
"""

from __future__ import annotations

import functools
import re
from collections import Counter
from collections.abc import Collection, Iterator
from typing import Any

from kb.probe import recognised
from kb.probe.cpu import Microarchitecture, has_all, microarchitectures, plain_name

Cpu = dict[str, Any]


def completed(cpu: Cpu) -> Cpu:
    """The facts of a processor with what follows from them where they were unknown.

    Args:
        cpu: with the keys of `cpu`.
    """
    follows: Cpu = {"isa_level": _level(cpu), "vendor": _maker(cpu)}
    if (told := microarchitectures().get(cpu.get("microarchitecture") or "")) and (
        cpu.get("isa_level") or follows["isa_level"]
    ) == _own_level(told):
        follows["features"] = sorted(told.features) or None  # none is hidden where its whole level is there
    return cpu | {key: value for key, value in follows.items() if value is not None and cpu.get(key) is None}


def contradiction(cpu: Cpu) -> str | None:
    """What cannot be true together of a processor's facts, in words; None where nothing contradicts."""
    known = microarchitectures()
    level, likely = known.get(cpu.get("isa_level") or ""), known.get(cpu.get("microarchitecture") or "")
    if level is None:
        level = likely
    elif likely and likely.vendor != "generic" and level.name not in _line(likely):
        return f"no {likely.name} processor has isa_level '{level.name}'"
    if (
        level
        and (sure := _best(_levels_of(cpu)))
        and sure.name not in _line(level)
        and level.name not in _line(sure)
    ):
        return f"its features are those of {sure.name} processors, and {level.name} is none of these"
    return None


def _level(cpu: Cpu) -> str | None:
    """The highest level that is sure to run."""
    features = frozenset(cpu.get("features") or ())
    levels = _levels_of(cpu)
    if any(
        each.features and has_all(features, each, _family(each))
        for each in microarchitectures().values()
        if each.vendor != "generic"
    ):
        return _named(_best([level for level in levels if has_all(features, level, _family(level))]))
    told = microarchitectures().get(cpu.get("microarchitecture") or "") or _in_name(cpu.get("model") or "")
    sure = _best([*levels, *(_generic(_line(told)) if told else ())])
    return _named(sure) or next((family["levelOfFamily"] for family in _families(cpu)), None)


def _maker(cpu: Cpu) -> str | None:
    told = microarchitectures().get(cpu.get("microarchitecture") or "") or _in_name(cpu.get("model") or "")
    if told and (maker := recognised.processor_maker(told.vendor)):
        return maker
    return next((family["vendor"] for family in _families(cpu) if "vendor" in family), None)


def _families(cpu: Cpu) -> Iterator[dict[str, str]]:
    plain = " ".join(re.findall(r"[a-z0-9]+", re.sub(r"\((?:r|tm)\)", " ", (cpu.get("model") or "").lower())))
    return (family for family in recognised.processor_families() if re.search(family["namePattern"], plain))


def _in_name(model: str) -> Microarchitecture | None:
    """The microarchitecture that a product's name has among its words, such as Neoverse-N1."""
    words = {plain_name(word) for word in re.split(r"[\s,]", model)} - {""}
    return next(
        (
            each
            for each in microarchitectures().values()
            if each.vendor != "generic" and plain_name(each.name) in words
        ),
        None,
    )


def _levels_of(cpu: Cpu) -> list[Microarchitecture]:
    """The levels that a processor's features tell.

    Families share names of features, and not all are listed for each: the most features decide.
    """
    levels: list[Microarchitecture] = []
    for feature in cpu.get("features") or ():
        levels += _levels_with(feature)
    votes = Counter(_family(level) for level in levels if not level.ancestors).most_common(2)
    if not votes or (len(votes) > 1 and votes[0][1] == votes[1][1]):
        return []
    return [level for level in levels if _family(level) == votes[0][0]]


@functools.cache
def _levels_with(feature: str) -> tuple[Microarchitecture, ...]:
    """The levels that every known processor with a feature has."""
    lines = [_line(each) for each in microarchitectures().values() if feature in each.features]
    return tuple(_generic(frozenset.intersection(*lines))) if lines else ()


def _line(each: Microarchitecture) -> frozenset[str]:
    return each.ancestors | {each.name}


def _generic(names: Collection[str]) -> Iterator[Microarchitecture]:
    return (known for name in names if (known := microarchitectures()[name]).vendor == "generic")


def _family(each: Microarchitecture) -> str:
    """The level from which all others of it descend."""
    return min(_generic(_line(each)), key=lambda level: level.rank).name


def _best(levels: Collection[Microarchitecture]) -> Microarchitecture | None:
    return max(levels, key=lambda level: (*level.rank, level.name), default=None)


def _own_level(each: Microarchitecture) -> str | None:
    return _named(_best([*_generic(_line(each))]))


def _named(level: Microarchitecture | None) -> str | None:
    return level.name if level else None
