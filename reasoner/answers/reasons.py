"""Why an option was taken, and why every other one was not: reasons with their sources, for one solved
request.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Iterator, Sequence
from functools import cached_property

from kb.store.store import KnowledgeStore
from kb.store.terms import local_name, on
from reasoner.answers.obstacles import Obstacles
from reasoner.answers.plan import Reason, Rejected
from reasoner.answers.wording import Wording
from reasoner.inference.derive import Derivation
from reasoner.knowledge.rules import Rule
from reasoner.model.catalogue import SCALE
from reasoner.model.ground import Cause, Problem, Term
from reasoner.model.objective import Solved

_NEARLY_EQUAL = 1e-4


class Reasons(Wording):
    """Reasons for one solved request.

    Args:
        derivation: what follows from the request; it must still be open (see
            `reasoner.inference.derive.Deriver.at`).
        taken: the chosen configuration, decision to option.
        sources: a cache of sources by resource, shared between requests.
    """

    def __init__(
        self,
        store: KnowledgeStore,
        rules: Sequence[Rule],
        derivation: Derivation,
        problem: Problem,
        solution: Solved,
        taken: dict[str, str],
        sources: dict[str, tuple[str, ...]],
    ) -> None:
        super().__init__(store, rules, derivation, problem.catalogue, sources)
        self.problem = problem
        self.taken, self.best = taken, solution.value
        self._solution = solution

    @cached_property
    def marginals(self) -> dict[str, dict[str, int]]:
        """For every option of the problem that some feasible configuration has, the value of the best one;
        none of them holds a tentative option.
        """
        bound = -self.problem.penalty // 2
        found = {}
        for decision, values in self._every_marginal.items():
            found[decision] = {option: value for option, value in values.items() if value > bound}
        return found

    def worth(self, option: str) -> int | None:
        """The value of the best feasible configuration with an option; that of the option that stands for it,
        where one does.
        """
        return self.marginals[self.catalogue.decision_of(option)].get(
            self.problem.representative.get(option, option)
        )

    @cached_property
    def _opt_in_rules(self) -> frozenset[str]:
        """The names of the rules that a user's word lifts."""
        return frozenset(map(local_name, self.store.instances(on("OptInRule"))))

    @cached_property
    def _every_marginal(self) -> dict[str, dict[str, int]]:
        return self._solution.marginals()

    @cached_property
    def obstacles(self) -> Obstacles:
        """What keeps options from being possible at all."""
        return Obstacles(self)

    def chosen(self, decision: str) -> tuple[Reason, ...]:
        """Why the chosen option of a decision was taken."""
        option = self.taken[decision]
        terms = self._terms_of(option)
        if decision in self.problem.pins:
            wish = Reason("request", self.catalogue.name[decision], "you asked for it", self.sources(option))
            known = [self._effect(term) for term in terms]
            unknown = Reason(
                "fact",
                self.catalogue.name[option],
                "nothing known tells what it brings or costs here",
                self.sources(option),
            )
            return wish, *(known or [unknown]), *self._behaviours(option)
        reasons = [self._effect(term) for term in terms if term.weight]
        if not any(term.weight > 0 for term in terms):
            reasons += self._dependants(option) + self._default(decision, option)
        return (*reasons, *self._behaviours(option))

    def rejected(self, decision: str) -> tuple[Rejected, ...]:
        """Every other option of a decision, with what speaks against it."""
        others = [option for option in self.catalogue.options[decision] if option != self.taken[decision]]
        return tuple(
            Rejected(self.catalogue.name[option], self.against(option), self._reach(option))
            for option in others
        )

    def _reach(self, option: str) -> dict[str, float]:
        """What the best configuration with an option reaches of the chosen one, where that is told apart."""
        ratio = None if option in self.problem.excluded else self.ratio(option)
        return {} if ratio is None or ratio >= 1 - _NEARLY_EQUAL else {"value": round(ratio, 3)}

    def against(self, option: str) -> tuple[Reason, ...]:
        """Why an option was not taken; empty for one that was."""
        decision = self.catalogue.decision_of(option)
        if self.taken.get(decision) == option:
            return ()
        if causes := self.problem.causes(option):
            # What no word of the user lifts is the stronger reason, and comes first.
            said: list[Reason] = []
            for cause in causes:
                said += self.cause(cause)
            return tuple(
                sorted(said, key=lambda reason: reason.kind == "rule" and reason.id in self._opt_in_rules)
            )
        if self.worth(option) is None:
            return self.obstacles.against(option) or (
                Reason(
                    "fact",
                    self.catalogue.name[option],
                    "no feasible configuration has it",
                    self.sources(option),
                ),
            )
        return self._beaten(option)

    def ratio(self, option: str) -> float | None:
        """The best configuration with an option, as a ratio of the first criterion to the chosen one; None
        where none is feasible.
        """
        value = self.worth(option)
        return None if value is None else math.exp(round((value - self.best) / self.problem.unit) / SCALE)

    @property
    def log_worth(self) -> int:
        """What was taken by the first criterion, as a logarithm in the catalogue's scale."""
        return round(self.best / self.problem.unit)

    def best_with(self, option: str) -> dict[str, str]:
        """The best configuration with an option that some feasible configuration has."""
        return self._solution.best_with(self.catalogue.decision_of(option), option)

    def better_with(self, tentative: Collection[str]) -> dict[str, str] | None:
        """The best configuration with one of some tentative options, all of one decision, where it is better
        than what was taken.
        """
        decision = next((self.catalogue.decision_of(option) for option in tentative), "")
        worth = self._every_marginal.get(decision, {})
        value, option = max(
            ((worth[option] + self.problem.penalty, option) for option in tentative if option in worth),
            default=(self.best, ""),
        )
        return self._solution.best_with(decision, option) if value > self.best else None

    def _effect(self, term: Term) -> Reason:
        return Reason(
            "effect",
            local_name(term.effect.iri),
            self.effect_text(term.effect),
            self.sources(term.effect.iri),
        )

    def _terms_of(self, option: str) -> list[Term]:
        """The terms that count for an option beside the other options taken, those of the first criterion
        first.
        """
        found: list[Term] = []
        for criterion in self.problem.terms:
            found += self.problem.counted_of(option, self.taken, criterion)
        return found

    def _behaviours(self, option: str) -> Iterator[Reason]:
        """What a chosen option does to the numbers on the machine at hand, beside the other options taken."""
        for iri in sorted(self.problem.derived.applies & self.catalogue.behaviours.keys()):
            behaviour = self.catalogue.behaviours[iri]
            if behaviour.option == option and behaviour.holds(self.taken):
                text = f"{self.store.label(iri)}: {local_name(behaviour.becomes).lower()} on this machine"
                yield Reason("fact", local_name(iri), text, self.sources(iri))

    def _dependants(self, option: str) -> list[Reason]:
        """The chosen options that need what only this one provides."""
        given = self._needed.intersection((*self.catalogue.provides.get(option, ()), option))
        found = []
        for other in self.taken.values() if given else ():
            for need in sorted(self.catalogue.needs.get(other, set()) & given):
                if self.catalogue.providers[need].intersection(self.taken.values()) == {option}:
                    text = (
                        f"{self.catalogue.name[other]} needs {self.named(need)}, "
                        f"which {self.catalogue.name[option]} provides"
                    )
                    found.append(Reason("fact", local_name(need), text, self.sources(other)))
        return found[:3]

    @cached_property
    def _needed(self) -> frozenset[str]:
        """What the chosen options need of one another."""
        return (
            frozenset().union(*(self.catalogue.needs.get(option, ()) for option in self.taken.values()))
            - self.problem.derived.provides
        )

    def _default(self, decision: str, option: str) -> list[Reason]:
        default = self.catalogue.default_beside(decision, self.taken)
        if option == default:
            return [
                Reason(
                    "default",
                    self.catalogue.name[decision],
                    "the default: nothing known is better here",
                    self.sources(option),
                )
            ]
        ratio = self.ratio(default)
        if ratio is None:
            first = next(iter(self.against(default)), None)
            text = f"the default {self.catalogue.name[default]} is not possible" + (
                f": {first.text}" if first else ""
            )
            return [
                Reason(
                    first.kind if first else "fact",
                    first.id if first else self.catalogue.name[default],
                    text,
                    first.sources if first else self.sources(option),
                )
            ]
        if ratio < 1 - _NEARLY_EQUAL:
            against = [self._effect(term) for term in self._terms_of(default) if term.weight]
            origin: list[str] = []
            for reason in against:
                origin += reason.sources
            for term in self._speaking_for_taken():
                origin += self.sources(term.effect.iri)
            text = (
                f"the best configuration with the default {self.catalogue.name[default]} "
                f"reaches {ratio:.2f} of this one"
            )
            return [
                Reason(
                    "effect",
                    self.catalogue.name[option],
                    text,
                    tuple(dict.fromkeys(origin)) or self.sources(option),
                ),
                *against,
            ]
        return [
            Reason(
                "fact",
                self.catalogue.name[option],
                "equal in every criterion, and newer",
                self.sources(option),
            )
        ]

    def _speaking_for_taken(self) -> Iterator[Term]:
        """The terms that count in favour of the chosen configuration."""
        for criterion in self.problem.terms:
            for term in self.problem.counted(self.taken, criterion):
                if term.weight > 0:
                    yield term

    def _beaten(self, option: str) -> tuple[Reason, ...]:
        ratio = self.ratio(option) or 0.0
        speaking = [
            self._effect(term)
            for term in self._terms_of(option)
            if term.effect.weight or term.effect.low != term.effect.high
        ]
        if ratio < 1 - _NEARLY_EQUAL:
            text = (
                f"the best configuration with {self.catalogue.name[option]} "
                f"reaches {ratio:.2f} of the chosen one"
            )
        else:
            winner = self.taken[self.catalogue.decision_of(option)]
            preferred = (
                "the default"
                if winner in self.catalogue.default.values()
                else "closer to the defaults, or newer"
            )
            known = "no more than chance" if speaking else "nothing known"
            text = f"{known} tells it from {self.catalogue.name[winner]}, which is {preferred}"
        sources = itertools.chain.from_iterable(reason.sources for reason in speaking)
        origin = tuple(dict.fromkeys(sources)) or self.sources(option)
        clashes = tuple(self._clashes(option))
        said = Reason("effect" if speaking else "default", self.catalogue.name[option], text, origin)
        return (*clashes, said, *speaking)

    def _clashes(self, option: str) -> Iterator[Reason]:
        """The conflicts that keep an option from standing beside the others taken: why the best configuration
        with it is another one.
        """
        beside = {**self.taken, self.catalogue.decision_of(option): option}
        for iri in sorted(self.problem.derived.applies & self.catalogue.conflicts.keys()):
            conflict = self.catalogue.conflicts[iri]
            if beside[self.catalogue.decision_of(conflict.option)] == conflict.option and conflict.holds(
                beside
            ):
                yield from self.cause(Cause("conflict", option, (iri,)))
