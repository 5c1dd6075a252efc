"""The static part of every choice: decisions, options, needs, effects, conflicts, behaviours and criteria,
read once from a snapshot.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Set
from functools import cached_property

from kb.records.names import Vocabulary
from kb.store.store import KnowledgeStore
from kb.store.terms import local_name, on
from kb.values import Value
from reasoner.model.equivalence import Equivalence
from reasoner.model.requirements import Requirements

SCALE = 10_000
"""Weights are integers: the logarithm of a ratio in units of 1/10,000, so that sums are exact and every
engine agrees.
"""

_DECISIONS = """SELECT ?d ?name ?default ?cost WHERE {
  ?d a on:Decision ; on:default ?default ; sh:order ?order .
  OPTIONAL { ?d skos:notation ?name } OPTIONAL { ?d on:departureCost ?cost } }
  ORDER BY ?order ?d"""
_OPTIONS = """SELECT ?o ?d ?name ?label ?key ?rank WHERE { ?o on:optionOf ?d .
  OPTIONAL { ?o skos:notation ?name } OPTIONAL { ?o rdfs:label ?label }
  OPTIONAL { ?o on:versionKey ?key } OPTIONAL { ?o sh:order ?rank } }"""
_APPLICATIONS = """SELECT ?o ?how ?manager ?name ?value ?given WHERE {
  ?o on:optionOf ?d ; on:appliedBy ?a . ?a a ?class ; on:name ?name . ?class on:how ?how .
  OPTIONAL { ?a on:value ?value } OPTIONAL { ?class on:manager ?manager } OPTIONAL { ?a on:given ?given } }
  ORDER BY ?o ?how ?manager ?name ?value ?given"""
_RANGES = """SELECT ?o ?least ?most WHERE {
  ?o a on:NumberedOption ; on:optionOf ?d ; on:leastNumber ?least ; on:mostNumber ?most }"""
_EFFECTS = """SELECT ?e ?o ?ratio ?low ?high ?criterion ?meanLow ?meanHigh WHERE {
  ?e a on:Effect ; on:option ?o ; on:ratio ?ratio .
  OPTIONAL { ?e on:low ?low } OPTIONAL { ?e on:high ?high } OPTIONAL { ?e on:criterion ?criterion }
  OPTIONAL { ?e on:meanLow ?meanLow ; on:meanHigh ?meanHigh } }"""


class Statement(Value, frozen=True):
    """An option, the options that must stand beside it, and the situations in which this is said: what
    effects, conflicts and behaviours share.

    Attributes:
        given: for each other decision named, the options any of which will do.
        when: the situations, all of which must hold.
    """

    iri: str
    option: str
    given: tuple[tuple[str, frozenset[str]], ...]
    when: frozenset[str]

    @property
    def context(self) -> dict[str, frozenset[str]]:
        """`given` as a dictionary."""
        return dict(self.given)

    def holds(self, configuration: Mapping[str, str]) -> bool:
        """Whether the options that must stand beside it are taken."""
        return all(configuration.get(decision) in options for decision, options in self.given)


class Effect(Statement, frozen=True):
    """What an option does to a criterion: a ratio with its interval, and the weight with which it counts.

    Attributes:
        low, high: where one case lies, which is what is promised.
        mean: of what was learnt, where the mean over the cases lies; None where that is not known.
    """

    criterion: str
    ratio: float
    low: float
    high: float
    mean: tuple[float, float] | None = None

    @property
    def learnt(self) -> bool:
        """Whether it was learnt from rows."""
        return self.mean is not None

    @property
    def weight(self) -> int:
        """The logarithm of the ratio, scaled; zero when the interval of the mean, or where that is not known
        the interval, crosses 1.
        """
        low, high = self.mean or (self.low, self.high)
        return 0 if low <= 1 <= high and low != high else round(SCALE * math.log(self.ratio))

    @property
    def width(self) -> float:
        """How uncertain the ratio is, as the logarithm of high over low."""
        return math.log(self.high / self.low)


class Conflict(Statement, frozen=True):
    """Options that cannot stand together."""


class Behaviour(Statement, frozen=True):
    """What an option does to the numbers there: the IRI of the numerics class that it becomes."""

    becomes: str


class OptionInfo(Value, frozen=True):
    """What the plan says of an option.

    Attributes:
        applications: how it is put into effect: how, manager, name, value.
        beside: for each application that holds beside some other options alone, these.
    """

    iri: str
    decision: str
    name: str
    label: str
    applications: tuple[tuple[str, str, str, str], ...]
    beside: Mapping[tuple[str, str, str, str], frozenset[str]]

    def applied(self, taken: Set[str]) -> Iterator[tuple[str, str, str, str]]:
        """The applications that hold beside the options that are taken."""
        return (
            one
            for one in self.applications
            if one not in self.beside or not self.beside[one].isdisjoint(taken)
        )


class Catalogue:
    """Everything about decisions that does not depend on the request.

    Decisions and options are IRIs; `name` gives what people type.
    """

    def __init__(self, store: KnowledgeStore) -> None:
        self._names = store.names
        self._options_by_decision: dict[str, Vocabulary] = {}
        self.default: dict[str, str] = {}
        self.departure_cost: dict[str, int] = {}
        self.name: dict[str, str] = {}
        for row in store.select(_DECISIONS):
            self.default[row["d"]] = row["default"]
            self.departure_cost[row["d"]] = int(row.get("cost", 1))
            self.name[row["d"]] = row.get("name", local_name(row["d"]))
        self.options: dict[str, list[str]] = {decision: [] for decision in self.default}
        self.info: dict[str, OptionInfo] = {}
        self._read_options(store)
        self.needs = _sets(store, "SELECT ?k ?v WHERE { ?k on:optionOf ?d ; on:needs ?v }")
        self.needs_in_order = {option: tuple(sorted(needs)) for option, needs in self.needs.items()}
        self.provides = _sets(store, "SELECT ?k ?v WHERE { ?k on:optionOf ?d ; on:provides ?v }")
        self.default_with = _sets(store, "SELECT ?k ?v WHERE { ?v on:defaultWith ?k }")
        self.providers: dict[str, set[str]] = defaultdict(set)
        self._suppliers: dict[str, dict[str, frozenset[str]]] = {}
        for option in self.info:
            for capability in (option, *self.provides.get(option, ())):
                self.providers[capability].add(option)
        self.needs_unsupplied: dict[str, tuple[str, ...]] = {}
        for option, wanted in self.needs_in_order.items():
            unsupplied = tuple(need for need in wanted if not self.providers.get(need))
            if unsupplied:
                self.needs_unsupplied[option] = unsupplied
        self.unsupplied: dict[tuple[str, ...], frozenset[str]] = _grouped(self.needs_unsupplied)
        self.waiting_for: dict[str, list[str]] = defaultdict(list)
        for option, needs in self.needs_unsupplied.items():
            for need in needs:
                self.waiting_for[need].append(option)
        self._read_statements(store)
        self.costs = self._read_costs(store)
        self.ranges = {row["o"]: (int(row["least"]), int(row["most"])) for row in store.select(_RANGES)}
        self.doubt_rules = frozenset(store.instances(on("DoubtRule")))
        self.rate_of = {
            row["c"]: row["rate"]
            for row in store.select("SELECT ?c ?rate WHERE { ?c a on:Criterion ; on:over ?rate }")
        }

    def decision_of(self, option: str) -> str:
        """The decision that an option takes."""
        return self.info[option].decision

    def default_beside(self, decision: str, taken: Mapping[str, str]) -> str:
        """The default of a decision beside other options taken: a framework may document another one than
        what holds without it.
        """
        default, documented = self.default[decision], self.documented_defaults.get(decision)
        if not documented:
            return default
        return next((documented[other] for other in taken.values() if other in documented), default)

    def without(self, excluded: Set[str]) -> dict[str, list[str]]:
        """For each decision the options that are left without some."""
        left = {}
        for decision, options in self.options.items():
            left[decision] = [option for option in options if option not in excluded]
        return left

    def suppliers(self, need: str) -> dict[str, frozenset[str]]:
        """The options that provide something, by the decisions that they take, in the order of the decisions'
        IRIs.
        """
        if need not in self._suppliers:
            found: dict[str, set[str]] = defaultdict(set)
            for option in self.providers.get(need, ()):
                found[self.decision_of(option)].add(option)
            self._suppliers[need] = {decision: frozenset(found[decision]) for decision in sorted(found)}
        return self._suppliers[need]

    @cached_property
    def criteria(self) -> tuple[str, ...]:
        """Every criterion that effects speak of, throughput first."""
        return tuple(
            dict.fromkeys((on("throughput"), *sorted({effect.criterion for effect in self.effects.values()})))
        )

    @cached_property
    def documented_defaults(self) -> dict[str, dict[str, str]]:
        """For each decision of which another option than the default is documented as default beside some
        options: by those, that option.
        """
        found: dict[str, dict[str, str]] = defaultdict(dict)
        for taken, defaults in self.default_with.items():
            for option in defaults:
                found[self.decision_of(option)][taken] = option
        return dict(found)

    @cached_property
    def needing(self) -> dict[str, list[str]]:
        """The options that need something, by what they need."""
        found: dict[str, list[str]] = defaultdict(list)
        for option, needs in self.needs.items():
            for need in needs:
                found[need].append(option)
        return dict(found)

    @cached_property
    def alike(self) -> Equivalence:
        """Options that nothing but their order tells apart."""
        return Equivalence(self)

    @cached_property
    def requirements(self) -> Requirements:
        """What options need of the options of other decisions."""
        return Requirements(self)

    @cached_property
    def decision_names(self) -> Vocabulary:
        """Every decision by its names."""
        return Vocabulary(self._names.entry(decision) for decision in self.options)

    @cached_property
    def all_option_names(self) -> Vocabulary:
        """Every option by its names."""
        return Vocabulary(self._names.entry(option) for option in self.info)

    def option_names(self, decision: str) -> Vocabulary:
        """The options of a decision by their names."""
        if decision not in self._options_by_decision:
            self._options_by_decision[decision] = Vocabulary(
                self._names.entry(option) for option in self.options[decision]
            )
        return self._options_by_decision[decision]

    @cached_property
    def by_name(self) -> dict[str, list[str]]:
        """The options of each name: a name may occur in several decisions."""
        found: dict[str, list[str]] = defaultdict(list)
        for option in self.info.values():
            found[option.name].append(option.iri)
        return dict(found)

    def _read_options(self, store: KnowledgeStore) -> None:
        applications: dict[str, list[tuple[str, str, str, str]]] = defaultdict(list)
        beside: dict[str, dict[tuple[str, str, str, str], frozenset[str]]] = defaultdict(dict)
        for row in store.select(_APPLICATIONS):
            found = (row["how"], row.get("manager", ""), row["name"], row.get("value", ""))
            if found not in applications[row["o"]]:
                applications[row["o"]].append(found)
            if "given" in row:
                beside[row["o"]][found] = beside[row["o"]].get(found, frozenset()) | {row["given"]}
        keys: dict[str, str] = {}
        ranks: dict[str, float] = {}
        for row in store.select(_OPTIONS):
            option, decision = row["o"], row["d"]
            if option in self.info or decision not in self.options:
                continue
            name = row.get("name", local_name(option))
            self.info[option] = OptionInfo(
                option, decision, name, row.get("label", name), tuple(applications[option]), beside[option]
            )
            self.name[option] = name
            self.options[decision].append(option)
            keys[option] = row.get("key", "")
            ranks[option] = float(row.get("rank", "inf"))
        for decision, options in self.options.items():
            options.sort()
            options.sort(key=lambda option: keys[option], reverse=True)
            options.sort(key=lambda option: ranks[option])
            options.sort(key=lambda option: option != self.default[decision])

    def _read_statements(self, store: KnowledgeStore) -> None:
        given = _sets(store, "SELECT ?k ?v WHERE { ?k on:given ?v }")
        when = _sets(store, "SELECT ?k ?v WHERE { ?k on:when ?v }")

        def context(iri: str) -> tuple[tuple[str, frozenset[str]], ...]:
            grouped: dict[str, set[str]] = defaultdict(set)
            for option in given.get(iri, ()):
                grouped[self.decision_of(option)].add(option)
            return tuple(sorted((decision, frozenset(options)) for decision, options in grouped.items()))

        self.effects: dict[str, Effect] = {}
        for row in store.select(_EFFECTS):
            if row["o"] in self.info:
                ratio = float(row["ratio"])
                bounds = float(row.get("low", ratio)), float(row.get("high", ratio))
                criterion = row.get("criterion", on("throughput"))
                mean = (float(row["meanLow"]), float(row["meanHigh"])) if "meanLow" in row else None
                situations = frozenset(when.get(row["e"], ()))
                self.effects[row["e"]] = Effect(
                    row["e"], row["o"], context(row["e"]), situations, criterion, ratio, *bounds, mean
                )
        self.conflicts: dict[str, Conflict] = {}
        for row in store.select(
            "SELECT ?e ?o WHERE { ?e a on:Conflict ; on:option ?o "
            "FILTER NOT EXISTS { ?e on:unverified true } }"
        ):
            if row["o"] in self.info:
                self.conflicts[row["e"]] = Conflict(
                    row["e"], row["o"], context(row["e"]), frozenset(when.get(row["e"], ()))
                )
        self.behaviours: dict[str, Behaviour] = {}
        for row in store.select(
            "SELECT ?e ?o ?becomes WHERE { ?e a on:Behaviour ; on:option ?o ; on:becomes ?becomes }"
        ):
            if row["o"] in self.info:
                self.behaviours[row["e"]] = Behaviour(
                    row["e"], row["o"], context(row["e"]), frozenset(when.get(row["e"], ())), row["becomes"]
                )

    def _read_costs(self, store: KnowledgeStore) -> dict[str, dict[str, float]]:
        """For each criterion that sums a property of the chosen options (less is better), the amounts."""
        costs: dict[str, dict[str, float]] = defaultdict(dict)
        for row in store.select(
            "SELECT ?c ?o ?amount WHERE { ?c a on:Criterion ; on:sums ?p . ?o on:optionOf ?d ; ?p ?amount }"
        ):
            costs[row["c"]][row["o"]] = float(row["amount"])
        return dict(costs)


def _grouped(needs: Mapping[str, tuple[str, ...]]) -> dict[tuple[str, ...], frozenset[str]]:
    """The options that have the same needs."""
    found: dict[tuple[str, ...], set[str]] = defaultdict(set)
    for option, wanted in needs.items():
        found[wanted].add(option)
    return {wanted: frozenset(options) for wanted, options in found.items()}


def _sets(store: KnowledgeStore, query: str) -> dict[str, set[str]]:
    found: dict[str, set[str]] = defaultdict(set)
    for row in store.select(query):
        found[row["k"]].add(row["v"])
    return dict(found)
