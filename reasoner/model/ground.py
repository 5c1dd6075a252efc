"""From what is known of a request to a choice problem: domains and factors.

Two things come out of the rules: *conflicts*, which are hard factors with the cause that they carry, and
*effects*, which are soft factors. The reading of effects is log-linear. Statements about one option with the
same `given` are one statement: that of the most specific situation, then the one with the narrowest interval.
A statement whose `given` lies within another's replaces it: its term is their quotient. Statements whose
`given` merely overlap multiply.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property

import msgspec

from kb.values import Value
from reasoner.inference.derive import Derived
from reasoner.model.catalogue import SCALE, Catalogue, Effect
from reasoner.solve import Factor


class Cause(Value, frozen=True):
    """Why a hard factor is there.

    Attributes:
        kind: `rule` (rules exclude the option), `needs` (nothing provides the capability), `conflict`,
            `requirement` (what an option needs of another decision), `pin` or `forbid`.
        option: the option concerned; empty where a whole decision is.
        ids: rules, conflicts or capabilities.
        others: further options of the decision that the same thing excludes.
    """

    kind: str
    option: str
    ids: tuple[str, ...] = ()
    others: tuple[str, ...] = ()


class Term(Value, frozen=True):
    """The share of one effect in the sum, after wider statements of the same option are taken off."""

    effect: Effect
    weight: int


class Problem(msgspec.Struct, dict=True, eq=False):
    """The choice problem of one request.

    Attributes:
        domains: for each decision the options that nothing excludes alone, without those that another one
            stands for.
        hard: factors that forbid combinations, each with its `Cause`.
        soft: what is maximised, with the tie-breaks packed below it.
        terms: the effects that count, by criterion.
        unit: one unit of weight of the first criterion in the packed sum.
        tentative: excluded options that are in the domains all the same, so that one solution tells what they
            would be worth.
        penalty: what each of them costs, which is more than everything else can differ.
        stands_for: for each option that was left out because nothing but its order tells it from another one,
            that one.
    """

    catalogue: Catalogue
    derived: Derived
    domains: dict[str, list[str]]
    hard: list[Factor]
    soft: list[Factor]
    terms: dict[str, list[Term]]
    unit: int
    pins: Mapping[str, str] = {}
    forbid: frozenset[str] = frozenset()
    tentative: frozenset[str] = frozenset()
    penalty: int = 0
    representative: Mapping[str, str] = {}

    def causes(self, option: str) -> list[Cause]:
        """What excludes an option alone: rules, and needs that nothing here meets."""
        rules = self.derived.rules_against(option)
        missing = tuple(
            need
            for need in self.catalogue.needs_unsupplied.get(option, ())
            if need not in self.derived.provides
        )
        return [Cause("rule", option, rules)] * bool(rules) + [Cause("needs", option, missing)] * bool(
            missing
        )

    @cached_property
    def excluded(self) -> dict[str, list[Cause]]:
        """For each excluded option, why."""
        return {
            option: self.causes(option)
            for option in sorted(_excluded(self.catalogue, self.derived))
            if option in self.catalogue.info
        }

    def weight(self, configuration: dict[str, str], criterion: str) -> int:
        """The sum of the terms of a criterion for a configuration (decision to option)."""
        return sum(term.weight for term in self.counted(configuration, criterion))

    def counted(self, configuration: dict[str, str], criterion: str) -> list[Term]:
        """The terms that count for a configuration."""
        found: list[Term] = []
        for option in configuration.values():
            found += self.counted_of(option, configuration, criterion)
        return found

    def counted_of(self, option: str, configuration: Mapping[str, str], criterion: str) -> list[Term]:
        """The terms of an option that count for it beside the other options of a configuration."""
        return [
            term for term in self._terms_of[criterion].get(option, ()) if term.effect.holds(configuration)
        ]

    @cached_property
    def _terms_of(self) -> dict[str, dict[str, list[Term]]]:
        """The terms by criterion and option."""
        found: dict[str, dict[str, list[Term]]] = defaultdict(lambda: defaultdict(list))
        for criterion, terms in self.terms.items():
            for term in terms:
                found[criterion][term.effect.option].append(term)
        return found


def ground(
    catalogue: Catalogue,
    derived: Derived,
    criteria: tuple[str, ...],
    pins: Mapping[str, str],
    forbid: Iterable[str] = (),
    tentative: Iterable[str] = (),
    every_option: bool = False,
) -> Problem:
    """The choice problem of a request.

    Args:
        catalogue: the static part.
        derived: what holds for the request.
        criteria: IRIs of the criteria, the most important first.
        pins: decision to option, as asked by the user.
        forbid: options that the user does not want.
        tentative: excluded options of which one solution shall tell, too, what they would be worth.
        every_option: whether options stay that nothing but their order tells from others, so that all
            configurations can be ranked.
    """
    weighed, forbidden = frozenset(tentative), frozenset(forbid)
    excluded = frozenset(_excluded(catalogue, derived) - weighed)
    representative: dict[str, str] = {}
    if every_option:
        domains = catalogue.without(excluded)
    else:
        domains, representative = catalogue.alike.merged(excluded, weighed.union(forbidden, pins.values()))
    terms = {criterion: list(_terms(catalogue, derived, criterion)) for criterion in criteria}
    problem = Problem(
        catalogue,
        derived,
        domains,
        [],
        [],
        terms,
        1,
        dict(pins),
        forbidden,
        weighed,
        representative=representative,
    )
    problem.hard = list(hard_factors(problem, domains))
    _add_soft_factors(problem, criteria)
    return problem


def _excluded(catalogue: Catalogue, derived: Derived) -> set[str]:
    """The options that something excludes alone."""
    excluded = set(derived.excluded)
    for needs, options in catalogue.unsupplied.items():
        if not derived.provides.issuperset(needs):
            excluded |= options
    return excluded


def hard_factors(problem: Problem, domains: Mapping[str, list[str]]) -> Iterator[Factor]:
    """Everything that forbids a combination of options of `domains`."""
    catalogue, derived = problem.catalogue, problem.derived
    for decision, option in problem.pins.items():
        yield Factor((decision,), {(option,): 0}, None, Cause("pin", option))
    for option in sorted(problem.forbid):
        yield Factor((catalogue.decision_of(option),), {(option,): None}, 0, Cause("forbid", option))
    yield from _requirement_factors(problem, domains)
    for iri in sorted(derived.applies & catalogue.conflicts.keys()):
        conflict = catalogue.conflicts[iri]
        others = [decision for decision, _ in conflict.given]
        combinations = itertools.product(*(sorted(options) for _, options in conflict.given))
        table: dict[tuple[str, ...], int | None] = {
            (conflict.option, *combination): None for combination in combinations
        }
        yield Factor(
            (catalogue.decision_of(conflict.option), *others),
            table,
            0,
            Cause("conflict", conflict.option, (iri,)),
        )


def exclusion_factors(problem: Problem) -> Iterator[Factor]:
    """The exclusions of single options as factors, for explanations over the full domains: one for what a
    rule or a need excludes of a decision.
    """
    options: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    for option, causes in problem.excluded.items():
        for cause in causes:
            for iri in cause.ids:
                options[(problem.catalogue.decision_of(option), cause.kind, iri)].append(option)
    asked = set(problem.pins.values())
    for (decision, kind, iri), excluded in options.items():
        # The message is about what the user asked for, else about what least else speaks against.
        first, *others = sorted(
            excluded,
            key=lambda option: (
                option not in asked,
                sum(len(cause.ids) for cause in problem.excluded[option]),
                option,
            ),
        )
        table: dict[tuple[str, ...], int | None] = {(option,): None for option in excluded}
        yield Factor((decision,), table, 0, Cause(kind, first, (iri,), tuple(others)))


def _requirement_factors(problem: Problem, domains: Mapping[str, Sequence[str]]) -> Iterator[Factor]:
    """What the options of a decision need of the options of others."""
    left = {decision: tuple(options) for decision, options in domains.items()}
    for requirement in problem.catalogue.requirements.given(problem.derived.provides):
        if table := requirement.table(*(left[decision] for decision in requirement.scope)):
            yield Factor(requirement.scope, *table, Cause("requirement", "", requirement.needs))


def _terms(catalogue: Catalogue, derived: Derived, criterion: str) -> Iterator[Term]:
    stated: dict[str, dict[frozenset[tuple[str, frozenset[str]]], Effect]] = defaultdict(dict)
    applying = [
        catalogue.effects[iri]
        for iri in derived.applies & catalogue.effects.keys()
        if catalogue.effects[iri].criterion == criterion
    ]
    for effect in sorted(applying, key=_foremost_first):
        stated[effect.option].setdefault(frozenset(effect.given), effect)
    for effects in stated.values():
        settled: list[Term] = []
        for effect in sorted(effects.values(), key=_widest_first):
            wider = sum(term.weight for term in settled if within(effect, term.effect))
            settled.append(Term(effect, effect.weight - wider))
        yield from settled


def _foremost_first(effect: Effect) -> tuple[bool, int, float, str]:
    """Of statements about the same options, first what was learnt from rows, then what is said of the
    narrowest situation.
    """
    return not effect.learnt, -len(effect.when), effect.width, effect.iri


def _widest_first(effect: Effect) -> tuple[int, int, str]:
    """An order in which no statement comes before one whose `given` it lies within."""
    return len(effect.given), -sum(len(options) for _, options in effect.given), effect.iri


def within(narrow: Effect, wide: Effect) -> bool:
    """Whether every configuration that the narrow statement is about is one that the wide statement is
    about.
    """
    context = narrow.context
    return all(decision in context and context[decision] <= options for decision, options in wide.given)


class _Weights:
    """Weights of options alone and of combinations, added up: one factor for each set of decisions in the
    end.
    """

    def __init__(self, problem: Problem) -> None:
        self._problem = problem
        self._position = {decision: i for i, decision in enumerate(problem.domains)}
        self._tables: dict[tuple[str, ...], dict[tuple[str, ...], int]] = {
            (decision,): {} for decision in problem.domains
        }

    def add(self, scope: tuple[str, ...], rows: Iterable[tuple[tuple[str, ...], int]], unit: int) -> None:
        """Add weights, in a unit; combinations with options outside the domains may be among them."""
        order = sorted(range(len(scope)), key=lambda i: self._position[scope[i]])
        ordered = tuple(scope[i] for i in order)
        table = self._tables.setdefault(ordered, {})
        in_place = ordered == scope
        for key, weight in rows:
            key = key if in_place else tuple(key[i] for i in order)
            table[key] = table.get(key, 0) + weight * unit

    def factors(self) -> list[Factor]:
        """One factor for each set of decisions."""
        return [Factor(scope, table) for scope, table in self._tables.items() if table]


def _add_soft_factors(problem: Problem, criteria: tuple[str, ...]) -> None:
    """The criteria, the most important first, then the fewest departures from defaults, then the order of the
    options, packed into one sum.
    """
    total = _Weights(problem)
    units = _tie_break_units(problem)
    for (decision, options), step in zip(problem.domains.items(), units[1:], strict=True):
        total.add((decision,), (((option,), -i) for i, option in enumerate(options)), step)
    for scope, rows in _departures(problem):
        total.add(scope, rows, units[0])
    unit = units[0] * (sum(problem.catalogue.departure_cost.values()) + 1)
    for criterion in reversed(criteria):
        problem.unit = unit
        most = 0
        for scope, table in _criterion_tables(problem, criterion):
            total.add(scope, table.items(), problem.unit)
            most += max(map(abs, table.values()), default=0)
        unit *= 1 + 2 * most
    problem.penalty = 4 * unit
    for option in problem.tentative:
        total.add((problem.catalogue.decision_of(option),), [((option,), -1)], problem.penalty)
    problem.soft = total.factors()


def _departures(problem: Problem) -> Iterator[tuple[tuple[str, ...], Iterable[tuple[tuple[str, ...], int]]]]:
    """What departing from its default costs each decision; which option that is may depend on the framework
    taken.
    """
    catalogue = problem.catalogue
    for decision, options in problem.domains.items():
        default, cost = catalogue.default[decision], catalogue.departure_cost[decision]
        documented = catalogue.documented_defaults.get(decision)
        if not documented:
            yield (decision,), [((option,), -cost) for option in options if option != default]
            continue
        other = catalogue.decision_of(next(iter(documented)))
        pairs = itertools.product(options, problem.domains[other])
        yield (
            (decision, other),
            [((option, taken), -cost) for option, taken in pairs if option != documented.get(taken, default)],
        )


def _tie_break_units(problem: Problem) -> list[int]:
    """For the number of departures, then for each decision, the weight of one step, so that no sum of later
    steps reaches an earlier one.
    """
    sizes = [len(options) + 1 for options in problem.domains.values()]
    return list(itertools.accumulate(reversed(sizes), lambda product, size: product * size, initial=1))[::-1]


def _criterion_tables(
    problem: Problem, criterion: str
) -> Iterator[tuple[tuple[str, ...], dict[tuple[str, ...], int]]]:
    """What a criterion makes of options and combinations."""
    catalogue = problem.catalogue
    for term in problem.terms[criterion]:
        effect = term.effect
        combinations = itertools.product(*(sorted(options) for _, options in effect.given))
        scope = (catalogue.decision_of(effect.option), *(decision for decision, _ in effect.given))
        yield scope, {(effect.option, *combination): term.weight for combination in combinations}
    amounts = catalogue.costs.get(criterion, {})
    for decision, options in problem.domains.items() if amounts else ():
        table: dict[tuple[str, ...], int] = {
            (option,): -round(SCALE * amounts[option]) for option in options if option in amounts
        }
        if table:
            yield (decision,), table
