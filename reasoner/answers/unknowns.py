"""Unknown facts that would change a plan: each is tried as it might turn out, and reported if the plan
differs.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from shlex import quote
from typing import Any

import pyoxigraph as ox

from kb.errors import BadInput
from kb.records.fact_keys import fact_keys
from kb.records.request import Request
from kb.records.target import Target
from kb.store.store import KnowledgeStore
from kb.store.terms import on, prefixed, version_key
from kb.values import Value, replace
from reasoner.answers.reasons import Reasons
from reasoner.inference.derive import REQUEST, REQUEST_GRAPH, Derivation, Derived
from reasoner.knowledge.rules import Rule
from reasoner.model.catalogue import Catalogue
from reasoner.model.ground import Cause
from reasoner.model.resolve import Resolved

_CAPABILITIES = (
    "SELECT DISTINCT ?key ?capability WHERE { ?capability on:probedBy ?key . ?option on:needs ?capability }"
)
_PROPERTIES = "SELECT ?key ?property WHERE { ?property on:factKey ?key }"
_VALUES = """SELECT DISTINCT ?key ?value ?maker WHERE {
  { ?property on:factKey ?key .
    { ?property rdfs:range xsd:boolean . VALUES ?value { 'true' 'false' } }
    UNION { ?property on:mayBe ?value } }
  UNION { ?known on:probedBy ?key ; on:probedAs ?value . OPTIONAL { ?known on:maker ?maker } }
  UNION { ?property on:factKey ?key ; on:valuesOf ?class .
    ?known a ?class ; ?property ?value . OPTIONAL { ?known on:maker ?maker } } }"""
_PRESENT = "present"
_PLACE = re.compile(r"\[(\d+)\]")


class Guess(Value, frozen=True):
    """How an unknown fact may turn out, where something hangs on it.

    Attributes:
        key: the fact.
        value: what it may be.
        derived: what would then hold for the request.
        admits: the options that it would make possible, where it would change nothing else and one decision
            alone; otherwise None.
        examples: where the value only stands for one that gives what is probed by it: values that somebody
            can type, with what would then hold.
    """

    key: str
    value: str
    derived: Derived
    admits: frozenset[str] | None
    examples: Callable[[], Iterator[tuple[str, Derived]]] | None = None


class Guesses:
    """What the unknown facts of targets may turn out to be.

    Args:
        store: the knowledge base, which says what is probed by which fact.
        rules: those of the knowledge base.
    """

    def __init__(self, store: KnowledgeStore, catalogue: Catalogue, rules: Sequence[Rule]) -> None:
        self._rules = sorted(rules, key=lambda rule: rule.iri)
        self._property = {row["key"]: row["property"] for row in store.select(_PROPERTIES)}
        self._catalogue = catalogue
        self._capabilities: dict[str, set[str]] = defaultdict(set)
        for row in store.select(_CAPABILITIES):
            # What is not known of a whole list is not known of its members.
            for key in {row["key"], row["key"].partition("[]")[0]}:
                self._capabilities[key].add(row["capability"])
        self._store = store
        self._values: dict[str, list[tuple[str, str]]] = defaultdict(list)
        for row in store.select(_VALUES):
            self._values[row["key"].removesuffix("[]")].append((row["value"], row.get("maker", "")))
        for values in self._values.values():
            values.sort(key=lambda value: version_key(value[0]) or value[0], reverse=True)

    def about(
        self, request: Request, resolved: Resolved, derivation: Derivation, store: KnowledgeStore
    ) -> Iterator[Guess]:
        """The guesses that would change what holds for a request, by the order of its unknown facts."""
        for key in self._asked(request.target):
            if values := self.values(key, request.target):
                alike: list[Derived] = []
                for value in values:
                    known = request.target.with_overrides({key: value})
                    for guess in self._guess(key, value, derivation, resolved.facts_on(known, store.names)):
                        if guess.derived not in alike:
                            alike.append(guess.derived)
                            yield guess
            elif key in self._capabilities:
                facts = self._with_everything(key, request, resolved, store)
                yield from self._guess(
                    key,
                    _PRESENT,
                    derivation,
                    facts,
                    self._examples(key, request, resolved, derivation, store),
                )

    def values(self, key: str, target: Target) -> list[str]:
        """What an unknown fact of a target may turn out to be, where that can be listed; what is a maker's,
        only of an accelerator known to be its.

        Args:
            key: with its place in a list, such as `gpus[0].driver`.
        """
        listed, place = _PLACE.sub("[]", key), _PLACE.search(key)
        if not (place and key.startswith("gpus")):
            return [value for value, of_maker in self._values.get(listed, ()) if not of_maker]
        from kb.records.recognition import ended_driver

        gpu, member = target.facts["gpus"][int(place[1])], key.rpartition(".")[2]
        listed_here = [
            value for value, of_maker in self._values.get(listed, ()) if of_maker in ("", gpu["vendor"])
        ]
        return (
            [value for value in listed_here if not ended_driver(gpu | {member: value})]
            if member == "driver"
            else listed_here
        )

    def settled(self, request: Request, feasible: Callable[[Request], bool]) -> Iterator[dict[str, str]]:
        """The fewest unknown facts that settle what options need, with what they may turn out to be, that
        make a request feasible which is not.

        Args:
            feasible: whether some configuration meets a request.
        """
        found: list[dict[str, str]] = []
        keys = [
            key
            for key in self._asked(request.target)
            if _PLACE.sub("[]", key) in self._capabilities and self.values(key, request.target)
        ]
        for together in (1, 2):
            for chosen in itertools.combinations(keys, together):
                for values in itertools.product(*(self.values(key, request.target) for key in chosen)):
                    facts = dict(zip(chosen, values, strict=True))
                    if any(_says_no_more(known, facts) for known in found):
                        continue
                    if feasible(replace(request, target=request.target.with_overrides(facts))):
                        found.append(facts)
                        yield facts

    def _asked(self, target: Target) -> list[str]:
        """The unknown facts of a target; of accelerators of which the same is unknown, that of the first."""
        first: dict[str, str] = {}
        for key in target.unknown():
            first.setdefault(_PLACE.sub("[]", key), key)
        return list(first.values())

    def _guess(
        self,
        key: str,
        value: str,
        derivation: Derivation,
        facts: list[ox.Quad],
        examples: Callable[[], Iterator[tuple[str, Derived]]] | None = None,
    ) -> Iterator[Guess]:
        guessed = derivation.vary(facts)
        if guessed != derivation.derived:
            yield Guess(key, value, guessed, self._admits(derivation.derived, guessed), examples)

    def _examples(
        self, key: str, request: Request, resolved: Resolved, derivation: Derivation, store: KnowledgeStore
    ) -> Callable[[], Iterator[tuple[str, Derived]]]:
        """Values of a fact that give something which is probed by it: words that rules compare it with, then
        what known machines have.
        """

        def found() -> Iterator[tuple[str, Derived]]:
            for value in self._known_values(key):
                try:
                    known = request.target.with_overrides({key: value}).with_products()
                except BadInput:
                    continue
                derived = derivation.vary(resolved.facts_on(known, store.names))
                if (derived.provides - derivation.derived.provides) & self._capabilities[key]:
                    yield value if isinstance(value, str) else json.dumps(value), derived

        return found

    def _with_everything(
        self, key: str, request: Request, resolved: Resolved, store: KnowledgeStore
    ) -> list[ox.Quad]:
        """The request's facts with all that is probed by an unknown fact; where that is a list, with all
        words in it that rules look for.
        """
        facts = resolved.facts
        if _path_of(key).endswith("[]") and (words := self._compared_words(key)):
            with contextlib.suppress(BadInput):  # what is described by an object has no words
                facts = resolved.facts_on(request.target.with_overrides({key: words}), store.names)
        provides = ox.NamedNode(on("provides"))
        return [
            *facts,
            *(
                ox.Quad(REQUEST, provides, ox.NamedNode(one), REQUEST_GRAPH)
                for one in sorted(self._capabilities[key])
            ),
        ]

    def _compared_words(self, key: str) -> list[str]:
        """The words that rules compare a fact with."""
        property_ = self._property.get(_path_of(key))
        if property_ is None:
            return []
        asks = re.compile(re.escape(prefixed(property_)) + "[ ;.,]")
        words: list[str] = []
        for rule in self._rules:
            if asks.search(rule.reading.where):
                words += re.findall(r"'([^'\s]+)'", rule.reading.where)
        return list(dict.fromkeys(words))

    def _known_values(self, key: str) -> Iterator[Any]:
        from kb.records.targets import load_target, target_names

        many = _path_of(key).endswith("[]")
        for word in self._compared_words(key):
            yield [word] if many else word
        for name in target_names(self._store):
            value: Any = load_target(name, self._store).facts
            for step in key.split("."):
                value = value[step] if value is not None else None
            if value is not None:
                yield value[:1] if many else value

    def _admits(self, derived: Derived, guessed: Derived) -> frozenset[str] | None:
        catalogue = self._catalogue
        given = guessed.provides - derived.provides
        same = (
            guessed.applies == derived.applies
            and guessed.excluded_by == derived.excluded_by
            and guessed.provides > derived.provides
        )
        if not same or any(catalogue.suppliers(capability) for capability in given):
            return None
        waiting: set[str] = set()
        for capability in given:
            waiting.update(catalogue.waiting_for.get(capability, ()))
        admitted = frozenset(
            option
            for option in waiting
            if not guessed.rules_against(option)
            and guessed.provides.issuperset(catalogue.needs_unsupplied[option])
        )
        return admitted if len({catalogue.decision_of(option) for option in admitted}) <= 1 else None


def doubts(reasons: Reasons) -> Iterator[dict[str, Any]]:
    """What is not known of options that were taken because no other would do, in the form of `changes`:
    nothing else would be taken.
    """
    said: set[str] = set()
    for option in reasons.taken.values():
        for rule in sorted(
            reasons.catalogue.doubt_rules.intersection(reasons.derivation.derived.rules_against(option))
        ):
            settled = reasons.settling(rule, option)
            for reason in reasons.cause(Cause("rule", option, (rule,))):
                if reason.text in said:
                    continue  # a graver doubt says the same
                said.add(reason.text)
                yield {"fact": reason.text, "would_change": [], "if": "", "probe": settled}


def _says_no_more(known: Mapping[str, str], facts: Mapping[str, str]) -> bool:
    """Whether facts say what is known to suffice and more, or the same of a version that is another one."""
    versions = {key for key in known if version_key(known[key])}
    return known.keys() <= facts.keys() and all(
        key in versions or facts[key] == value for key, value in known.items()
    )


def changes(
    reasons: Reasons, guesses: Sequence[Guess], solve_again: Callable[[Derived], dict[str, str]]
) -> Iterator[dict[str, Any]]:
    """For each unknown fact of the target that would change the plan: `{fact, would_change, if, probe}`.

    Of several ways in which a fact may turn out, it is the one that changes the earliest decision.

    Args:
        solve_again: the best configuration if a guess is right (empty where none is feasible then), where the
            solution at hand does not tell.
    """
    names, taken = reasons.catalogue.name, reasons.taken
    order = {decision: place for place, decision in enumerate(names)}

    def taken_if(guess: Guess) -> dict[str, str]:
        if guess.admits is not None and guess.admits <= reasons.problem.tentative:
            return reasons.better_with(guess.admits or ()) or taken
        return (
            taken
            if _only_excludes(guess.derived, reasons.problem.derived, taken.values())
            else solve_again(guess.derived)
        )

    def earliest(other: Mapping[str, str]) -> int:
        return min(
            (order[decision] for decision in other if other[decision] != taken[decision]), default=len(order)
        )

    for _, group in itertools.groupby(guesses, key=lambda guess: guess.key):
        tried = [(guess, taken_if(guess)) for guess in group]
        guess, other = min(tried, key=lambda each: earliest(each[1]))
        if earliest(other) < len(order):
            value: str | None = guess.value
            if guess.examples is not None:
                value, other = next(_changing(guess.examples(), taken, solve_again), (None, other))
            changed = [
                {"decision": names[d], "from": names[taken[d]], "to": names[other[d]]}
                for d in other
                if other[d] != taken[d]
            ]
            probe = (
                f"--set {quote(f'{guess.key}={value}')}"
                if value is not None
                else "what `ontune probe` says there"
            )
            yield {"fact": guess.key, "would_change": changed, "if": value or guess.value, "probe": probe}


def _only_excludes(guessed: Derived, derived: Derived, taken: Iterable[str]) -> bool:
    """Whether a guess does no more than exclude further options, none of which is taken: the best
    configuration stays the best.
    """
    same = (guessed.provides, guessed.applies) == (derived.provides, derived.applies)
    return same and derived.excluded <= guessed.excluded and guessed.excluded.isdisjoint(taken)


@cache
def _path_of(key: str) -> str:
    """A key of the probe with the mark of a list behind those that are one."""
    return next((path for path in fact_keys("hardware").all_paths() if path.removesuffix("[]") == key), key)


def _changing(
    examples: Iterator[tuple[str, Derived]],
    taken: Mapping[str, str],
    solve_again: Callable[[Derived], dict[str, str]],
) -> Iterator[tuple[str, dict[str, str]]]:
    """The examples that change the plan, with what is then taken."""
    for value, derived in examples:
        other = solve_again(derived)
        if other and other != taken:
            yield value, other
