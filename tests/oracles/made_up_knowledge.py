"""Made-up knowledge bases: what they say, as Turtle for the planner, and what they mean, evaluated
configuration by configuration.

`meaning_of` is written from the definitions in `ontology/core.ttl` and shares nothing with the planner: it
knows no factors, tables or terms, only whether a complete configuration is legal and what it is worth.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from tests.turtle import PREFIX_LINES

Configuration = dict[str, str]
SCALE = 10_000


@dataclass(frozen=True)
class Option:
    """An option; `flaw` is one of the reasons for which a request does not get it."""

    name: str
    decision: str
    needs: frozenset[str] = frozenset()
    provides: frozenset[str] = frozenset()
    version_key: str = ""
    flaw: str = ""


@dataclass(frozen=True)
class Statement:
    """An effect, or a conflict where it has no ratio."""

    name: str
    option: str
    given: frozenset[str]
    when: frozenset[str]
    interval: tuple[float, float, float] | None = None
    unverified: bool = False

    @property
    def weight(self) -> int:
        """The logarithm of the ratio; nothing where the interval crosses 1."""
        assert self.interval is not None
        ratio, low, high = self.interval
        return 0 if low <= 1 <= high else round(SCALE * math.log(ratio))

    @property
    def width(self) -> float:
        assert self.interval is not None
        return math.log(self.interval[2] / self.interval[1])


@dataclass(frozen=True)
class Knowledge:
    """Everything that a made-up knowledge base says, and the request put to it.

    Attributes:
        defaults: the default option of each decision, in the order of the decisions.
        implies: pairs of capabilities, the newer first.
        kinds_of: pairs of situations, the narrower first.
        gifts: pairs of a situation and the capability that a request in it gives.
        traits: the situations stated of the request's workload.
        allowed: options with a flaw that the user accepts.
    """

    defaults: Mapping[str, str]
    options: tuple[Option, ...]
    implies: frozenset[tuple[str, str]]
    kinds_of: frozenset[tuple[str, str]]
    gifts: frozenset[tuple[str, str]]
    conflicts: tuple[Statement, ...]
    effects: tuple[Statement, ...]
    traits: frozenset[str]
    pins: Mapping[str, str] = field(default_factory=dict)
    forbid: frozenset[str] = frozenset()
    allowed: frozenset[str] = frozenset()

    @cached_property
    def by_name(self) -> dict[str, Option]:
        return {option.name: option for option in self.options}

    def turtle(self) -> str:
        """The knowledge base as an expert would write it."""
        lines = [PREFIX_LINES, "<> a on:SourceFile ; prov:wasDerivedFrom <https://example.org/made-up> ."]
        lines.append('on:throughput a on:Criterion ; skos:notation "throughput" .')
        for place, (decision, default) in enumerate(self.defaults.items()):
            lines.append(
                f'kb:{decision} a on:Decision ; skos:notation "{decision}" ; sh:order {place + 1} ; on:default kb:{default} .'
            )
        for option in self.options:
            lines.append(f"kb:{option.name} a on:Option ; on:optionOf kb:{option.decision} .")
            lines += [f"kb:{option.name} on:needs {_name(need)} ." for need in sorted(option.needs)]
            lines += [f"kb:{option.name} on:provides {_name(one)} ." for one in sorted(option.provides)]
            lines += (
                [f'kb:{option.name} on:versionKey "{option.version_key}" .'] if option.version_key else []
            )
            lines += [f"kb:{option.name} {_FLAWS[option.flaw]} ."] if option.flaw else []
        lines += [f"{_name(newer)} on:implies {_name(older)} ." for newer, older in sorted(self.implies)]
        lines += [
            f"sit:{narrower} rdfs:subClassOf sit:{wider} . sit:{wider} a on:Situation ."
            for narrower, wider in sorted(self.kinds_of)
        ]
        for i, (situation, capability) in enumerate(sorted(self.gifts)):
            lines.append(
                f'on:RequestShape sh:rule rule:gift{i} . rule:gift{i} a sh:SPARQLRule , on:Derivation ; sh:order 2 ; rdfs:label "gift" ;'
            )
            lines.append(
                f'  sh:construct "CONSTRUCT {{ $this on:provides {_name(capability)} }} WHERE {{ $this a sit:{situation} }}" .'
            )
        for statement in (*self.conflicts, *self.effects):
            kind = "Effect" if statement.interval else "Conflict"
            lines.append(f"eff:{statement.name} a on:{kind} ; on:option kb:{statement.option} .")
            lines += [f"eff:{statement.name} on:given kb:{one} ." for one in sorted(statement.given)]
            lines += [f"eff:{statement.name} on:when sit:{one} ." for one in sorted(statement.when)]
            lines += [f"eff:{statement.name} on:unverified true ."] if statement.unverified else []
            if statement.interval:
                lines.append(
                    "eff:{} on:ratio {} ; on:low {} ; on:high {} .".format(
                        statement.name, *statement.interval
                    )
                )
        return "\n".join(lines)


_FLAWS = {
    "ended": 'on:ended "2020"',
    "lossy": "on:numerics on:Lossy",
    "hack": "on:support on:Unsupported",
    "for inference": "on:inferenceOnly true",
}


@dataclass(frozen=True)
class Meaning:
    """What a knowledge base means for its request."""

    knowledge: Knowledge

    @cached_property
    def situations(self) -> frozenset[str]:
        """Whoever is in a situation is in those that it is a kind of."""
        return _closed(self.knowledge.traits, self.knowledge.kinds_of)

    @cached_property
    def given(self) -> frozenset[str]:
        """What the request gives by itself, and what that implies."""
        direct = {
            capability for situation, capability in self.knowledge.gifts if situation in self.situations
        }
        return _closed(direct, self.knowledge.implies)

    def refused(self, option: Option) -> bool:
        """Whether a request cannot have an option, whatever stands beside it."""
        accepted = option.name in self.knowledge.allowed
        return {
            "": False,
            "ended": not accepted,
            "for inference": "Training" in self.situations,
            "lossy": not accepted,
            "hack": not accepted,
        }[option.flaw]

    def configurations(self) -> Iterator[Configuration]:
        """Every configuration, legal or not."""
        offered = [
            [option.name for option in self.knowledge.options if option.decision == decision]
            for decision in self.knowledge.defaults
        ]
        for taken in itertools.product(*offered):
            yield dict(zip(self.knowledge.defaults, taken, strict=True))

    def legal(self, configuration: Configuration) -> bool:
        """Whether nothing speaks against a configuration: pins, refusals, needs, conflicts."""
        chosen = [self.knowledge.by_name[name] for name in configuration.values()]
        names = set(configuration.values())
        if any(self.refused(option) or option.name in self.knowledge.forbid for option in chosen):
            return False
        if any(configuration[decision] != option for decision, option in self.knowledge.pins.items()):
            return False
        there = (
            self.given
            | names
            | _closed({one for option in chosen for one in option.provides}, self.knowledge.implies)
        )
        if any(not option.needs <= there for option in chosen):
            return False
        return not any(
            not conflict.unverified
            and conflict.when <= self.situations
            and conflict.option in names
            and self._beside(conflict, names)
            for conflict in self.knowledge.conflicts
        )

    def worth(self, configuration: Configuration) -> int:
        """The sum of what every chosen option is said to do in the company of the others."""
        names = set(configuration.values())
        return sum(
            share
            for effect, share in self.shares.items()
            if effect.option in names and self._beside(effect, names)
        )

    def preference(self, configuration: Configuration) -> tuple[int, ...]:
        """Worth, then fewest departures from defaults, then for each decision the default, the newest
        version, the least name.
        """
        departures = sum(
            configuration[decision] != default for decision, default in self.knowledge.defaults.items()
        )
        places = [-self._order(decision).index(option) for decision, option in configuration.items()]
        return (self.worth(configuration), -departures, *places)

    @cached_property
    def ranked(self) -> list[Configuration]:
        """All legal configurations, best first."""
        return sorted(filter(self.legal, self.configurations()), key=self.preference, reverse=True)

    @cached_property
    def shares(self) -> dict[Statement, int]:
        """What each statement in force says beyond those that it narrows down."""
        return {effect: self._share(effect) for effect in self._in_force}

    def context(self, statement: Statement) -> dict[str, frozenset[str]]:
        """What must stand beside a statement's option: several given options of one decision mean any of
        them.
        """
        decisions = {self.knowledge.by_name[name].decision for name in statement.given}
        return {
            decision: frozenset(
                name for name in statement.given if self.knowledge.by_name[name].decision == decision
            )
            for decision in decisions
        }

    def _order(self, decision: str) -> list[str]:
        mine = sorted(
            (option for option in self.knowledge.options if option.decision == decision),
            key=lambda option: option.name,
        )
        mine.sort(key=lambda option: option.version_key, reverse=True)
        return sorted(
            (option.name for option in mine), key=lambda name: name != self.knowledge.defaults[decision]
        )

    def _beside(self, statement: Statement, names: set[str]) -> bool:
        return all(options & names for options in self.context(statement).values())

    @cached_property
    def _in_force(self) -> list[Statement]:
        """Of the statements with the same option and given that hold here: that of the most specific
        situation, then the most certain.
        """
        holding = [effect for effect in self.knowledge.effects if effect.when <= self.situations]
        chosen = {}
        for effect in sorted(holding, key=lambda effect: (-len(effect.when), effect.width, effect.name)):
            chosen.setdefault((effect.option, effect.given), effect)
        return list(chosen.values())

    def _share(self, effect: Statement) -> int:
        context = self.context(effect)
        wider = [
            other
            for other in self._in_force
            if other.option == effect.option
            and other is not effect
            and all(
                decision in context and context[decision] <= options
                for decision, options in self.context(other).items()
            )
        ]
        return effect.weight - sum(self._share(other) for other in wider)


def _closed(names: frozenset[str] | set[str], leads_to: frozenset[tuple[str, str]]) -> frozenset[str]:
    found = set(names)
    while more := {target for source, target in leads_to if source in found} - found:
        found |= more
    return frozenset(found)


def _name(name: str) -> str:
    """A capability, or an option where an option is needed."""
    return f"cap:{name}" if name.startswith("c") else f"kb:{name}"
