"""Why an option was taken, and why every other one was not: reasons with their sources, for one solved
request.
"""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence, Set
from functools import cached_property

import pyoxigraph as ox

from kb.store.store import KnowledgeStore
from kb.store.store import Term as Node
from kb.store.terms import local_name, on
from reasoner.answers.plan import Reason, Rejected
from reasoner.inference.derive import Derivation
from reasoner.knowledge.rule_reading import iri_of, name_of
from reasoner.knowledge.rules import Rule, filled, message, slots
from reasoner.model.catalogue import SCALE, Effect
from reasoner.model.ground import Cause, Problem, Term
from reasoner.model.objective import Solved
from reasoner.model.requirements import Requirement

_NEARLY_EQUAL = 1e-4
_NAMED_WHOLE = 3
"""So many options are named one by one."""


class Reasons:
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
        self.store, self.derivation, self.problem, self.catalogue = (
            store,
            derivation,
            problem,
            problem.catalogue,
        )
        self.taken, self.best = taken, solution.value
        self._rules = {rule.iri: rule for rule in rules}
        self._solution, self._sources = solution, sources
        self._fired: dict[str, dict[str, Mapping[str, Node]]] = {}

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
            return self._blocked(option) or (
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

    def cause(self, cause: Cause) -> list[Reason]:
        """A hard factor's cause in words."""
        name = self.catalogue.name.get(cause.option, "")
        if cause.kind == "rule":
            more = f" (and {len(cause.others)} more)" if cause.others else ""
            return [
                Reason("rule", local_name(rule), self._said_by(rule, cause.option) + more, self.sources(rule))
                for rule in cause.ids
            ]
        if cause.kind == "needs":
            return [
                Reason(
                    "fact",
                    local_name(need),
                    f"{name} needs {self._named(need)}, which nothing here provides",
                    self.sources(need) or self.sources(cause.option),
                )
                for need in cause.ids
            ]
        if cause.kind == "conflict":
            return [
                Reason("rule", local_name(iri), self._conflict(iri), self.sources(iri)) for iri in cause.ids
            ]
        if cause.kind == "requirement":
            return [
                Reason(
                    "fact",
                    local_name(need),
                    f"{name} needs {self._named(need)}",
                    self.sources(need) or self.sources(cause.option),
                )
                for need in cause.ids
            ]
        return [Reason("request", name, f"you {'asked for' if cause.kind == 'pin' else 'ruled out'} {name}")]

    def settling(self, rule: str, option: str) -> str:
        """What a person does who wants to know what a doubt rule says is not known of an option."""
        how, bindings = (
            next(iter(self.store.objects(rule, on("settledBy"))), ""),
            self._fired_on(rule, option) or {},
        )
        return filled(how, {variable: self._by_name(term) for variable, term in bindings.items()})

    def sources(self, iri: str) -> tuple[str, ...]:
        """Where a resource is known from."""
        if iri not in self._sources:
            self._sources[iri] = self.store.sources_of(iri)
        return self._sources[iri]

    def effect_text(self, effect: Effect) -> str:
        """A statement of an effect in words, with its numbers."""
        beside = " and ".join(self._alternatives(options) for _, options in effect.given)
        interval = f" ({effect.low:g} to {effect.high:g})" if effect.low != effect.high else ""
        label = self.store.label(effect.iri)
        name = self.catalogue.name[effect.option] + (f" with {beside}" if beside else "")
        said = f"{name}: {local_name(effect.criterion)} x{effect.ratio:g}{interval}"
        counted = (
            " (its interval crosses 1, so it counts for nothing)"
            if not effect.weight and effect.low != effect.high
            else ""
        )
        return f"{said}{counted}; {label}" if label else f"{said}{counted}"

    def _alternatives(self, options: Iterable[str]) -> str:
        """The names of options of which any will do."""
        return "/".join(sorted(self.catalogue.name[option] for option in options))

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
                        f"{self.catalogue.name[other]} needs {self._named(need)}, "
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

    def _blocked(self, option: str) -> tuple[Reason, ...]:
        """For an option that no feasible configuration has: what must be supplied, of which every supplier is
        impossible, and why those are.
        """
        decision = self.catalogue.decision_of(option)
        pinned = self.problem.pins.get(decision, option)
        if pinned != option:
            return tuple(self.cause(Cause("pin", pinned)))
        if option in self.problem.forbid:
            return tuple(self.cause(Cause("forbid", option)))
        if alone := [
            iri for iri in self._conflicts_about.get(option, ()) if not self.catalogue.conflicts[iri].given
        ]:
            return tuple(self.cause(Cause("conflict", option, (alone[0],))))
        for requirement in self._supplies_about.get(decision, ()):
            if requirement.is_met(decision, option, self._possible):
                continue
            rows = requirement.rows_with(decision, option)
            against_peers = itertools.chain.from_iterable(map(self._first, self._culprits(option, rows)))
            found = list(itertools.islice(against_peers, 3))
            if found:
                return self._lacking(option) or self._no_partner(option, requirement), *found
        return ()

    def _no_partner(self, option: str, requirement: Requirement) -> Reason:
        others = [one for one in requirement.scope if one != self.catalogue.decision_of(option)]
        names = ", ".join(self.catalogue.name[one] for one in others)
        text = f"no option of {names} that goes with it is possible"
        return Reason("fact", self.catalogue.name[option], text, self.sources(option))

    def lacking(self, option: str) -> Cause | None:
        """The first capability that an option needs although no option can give it, with those that would;
        None where there is none.
        """
        for need in sorted(
            self.catalogue.needs.get(option, set())
            - self.problem.derived.provides
            - self.catalogue.name.keys()
        ):
            providers = sorted(other for other, given in self.catalogue.provides.items() if need in given)
            if not any(self.worth(other) is not None for other in providers):
                return Cause("needs", option, (need,), tuple(providers))
        return None

    def _lacking(self, option: str) -> Reason | None:
        if (cause := self.lacking(option)) is None:
            return None
        [need], names = cause.ids, [self.catalogue.name[other] for other in cause.others]
        named = f"which here only {' or '.join(names)} would provide"
        lacking = (
            named
            if len(names) <= _NAMED_WHOLE
            else f"and none of the {len(names)} options that provide it is possible here"
        )
        text = f"{self.catalogue.name[option]} needs {self._named(need)}, {lacking}"
        return Reason("fact", local_name(need), text, self.sources(need) or self.sources(option))

    def _culprits(self, option: str, rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
        """The impossible options that stand beside an option in some combinations, each once; as few as are
        asked for, of thousands.
        """
        seen = {option}
        for peer in itertools.chain.from_iterable(rows):
            if peer not in seen:
                seen.add(peer)
                if self._impossible(peer):
                    yield peer

    @cached_property
    def _possible(self) -> dict[str, Set[str]]:
        """The options that some feasible configuration has, by decision."""
        representative, marginals = self.problem.representative, self.marginals
        found: dict[str, Set[str]] = {}
        for decision, options in self.catalogue.options.items():
            found[decision] = frozenset(
                option for option in options if representative.get(option, option) in marginals[decision]
            )
        return found

    @cached_property
    def _conflicts_about(self) -> dict[str, list[str]]:
        """The conflicts that apply, by their option."""
        found: dict[str, list[str]] = defaultdict(list)
        for iri in sorted(self.problem.derived.applies & self.catalogue.conflicts.keys()):
            found[self.catalogue.conflicts[iri].option].append(iri)
        return found

    @cached_property
    def _supplies_about(self) -> dict[str, list[Requirement]]:
        """For each decision what options of it need, or can be needed for; over all options, so that nothing
        is left out in silence.
        """
        found: dict[str, list[Requirement]] = defaultdict(list)
        for requirement in self.catalogue.requirements.given(self.problem.derived.provides):
            for decision in requirement.scope:
                found[decision].append(requirement)
        return found

    def _impossible(self, option: str) -> bool:
        return self.worth(option) is None or bool(self.problem.causes(option))

    def _first(self, option: str) -> list[Reason]:
        causes = self.problem.causes(option)
        if causes:
            return self.cause(causes[0])[:1]
        pinned = self.problem.pins.get(self.catalogue.decision_of(option))
        return (
            [Reason("request", self.catalogue.name[option], f"you asked for {self.catalogue.name[pinned]}")]
            if pinned and pinned != option
            else []
        )

    def _said_by(self, rule: str, option: str) -> str:
        """The message of an exclusion rule for one option, with the bindings that it fired on."""
        bindings = self._fired_on(rule, option)
        if bindings is None:
            return self.store.label(rule)
        return message(
            self._rules[rule], {variable: self._by_name(term) for variable, term in bindings.items()}
        )

    def _by_name(self, term: Node) -> Node:
        """An option by what people call it; another term as it is."""
        return (
            ox.Literal(self.catalogue.name[term.value])
            if isinstance(term, ox.NamedNode) and term.value in self.catalogue.name
            else term
        )

    def _fired_on(self, iri: str, option: str) -> Mapping[str, Node] | None:
        """The values of a rule's variables, those of its message at least, with which it excludes an
        option.
        """
        rule = self._rules.get(iri)
        if rule is None:
            return None
        heads = [
            pattern.object for pattern in rule.reading.head if iri_of(pattern.predicate) == on("excludes")
        ]
        if heads and (only := name_of(heads[0])) and slots(rule) <= {only}:
            return {only: ox.NamedNode(option)}
        if iri not in self._fired:
            found = self._fired[iri] = {}
            for head in heads:
                variable, named = name_of(head) or "", iri_of(head)
                for bindings in self.derivation.matches(rule, sorted({variable, *slots(rule)} - {""})):
                    value = ox.NamedNode(named) if named else bindings.get(variable)
                    if isinstance(value, ox.NamedNode):
                        found.setdefault(value.value, bindings)
        return self._fired[iri].get(option)

    def _conflict(self, iri: str) -> str:
        conflict = self.catalogue.conflicts[iri]
        beside: list[str] = []
        for _, options in conflict.given:
            beside += [self.catalogue.name[option] for option in sorted(options)]
        clash = self.catalogue.name[conflict.option] + (f" with {', '.join(beside)}" if beside else "")
        return f"{clash}: {self.store.label(iri) or local_name(iri)}"

    def _named(self, resource: str) -> str:
        if resource in self.catalogue.name:
            return self.catalogue.name[resource]
        return self.store.label(resource) or local_name(resource)
