"""Unknown facts that would change a plan: each is tried as it might turn out, and reported if the plan differs."""

from __future__ import annotations

import contextlib
import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from shlex import quote
from typing import Any

import pyoxigraph as ox

from kb.errors import BadInput
from kb.fact_keys import fact_keys
from kb.store import KnowledgeStore
from kb.terms import on
from reasoner.derive import REQUEST, REQUEST_GRAPH, Derivation, Derived
from reasoner.ground import Cause
from reasoner.menu import Menu
from reasoner.reasons import Reasons
from reasoner.request import Request, Resolved, resolve

_CAPABILITIES = "SELECT ?key ?capability WHERE { ?capability on:probedBy ?key . ?option on:needs ?capability }"
_COMPARED = """SELECT ?text WHERE { ?property on:factKey "KEY" . ?rule sh:construct ?text
  FILTER(REGEX(?text, CONCAT("on:", REPLACE(STR(?property), "^.*#", ""), "[ ;.,]"))) } ORDER BY ?rule"""
_PRESENT = "present"
_VALUES = """SELECT DISTINCT ?key ?value WHERE { ?property on:factKey ?key .
  { ?property rdfs:range xsd:boolean . VALUES ?value { 'true' 'false' } } UNION { ?property on:mayBe ?value } }"""


@dataclass(frozen=True)
class Guess:
    """How an unknown fact may turn out, where something hangs on it.

    Attributes:
        key: the fact.
        value: what it may be.
        derived: what would then hold for the request.
        admits: the options that it would make possible, where it would change nothing else and one decision alone; otherwise None.
        examples: where the value only stands for one that gives what is probed by it: values that somebody can type, with what would then hold.
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
    """

    def __init__(self, store: KnowledgeStore, menu: Menu) -> None:
        self._menu = menu
        self._capabilities: dict[str, set[str]] = defaultdict(set)
        for row in store.select(_CAPABILITIES):
            self._capabilities[row["key"]].add(row["capability"])
        self._store = store
        self._values: dict[str, set[str]] = defaultdict(set)
        for row in store.select(_VALUES):
            self._values[row["key"].removesuffix("[]")].add(row["value"])

    def about(self, request: Request, resolved: Resolved, derivation: Derivation, store: KnowledgeStore) -> Iterator[Guess]:
        """The guesses that would change what holds for a request, by the order of its unknown facts."""
        for key in request.target.unknown():
            if key in self._values:
                for value in sorted(self._values[key], reverse=True):
                    known = replace(request, target=request.target.with_overrides({key: value}))
                    yield from self._guess(key, value, derivation, resolve(known, self._menu, store, resolved.standing).facts)
            elif key in self._capabilities:
                facts = self._with_everything(key, request, resolved, store)
                yield from self._guess(key, _PRESENT, derivation, facts, self._examples(key, request, resolved, derivation, store))

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
        """Values of a fact that give something which is probed by it: words that rules compare it with, then what known machines have."""

        def found() -> Iterator[tuple[str, Derived]]:
            for value in self._known_values(key):
                try:
                    known = replace(request, target=request.target.with_overrides({key: value}).with_products())
                except BadInput:
                    continue
                derived = derivation.vary(resolve(known, self._menu, store, resolved.standing).facts)
                if (derived.provides - derivation.derived.provides) & self._capabilities[key]:
                    yield value if isinstance(value, str) else json.dumps(value), derived

        return found

    def _with_everything(self, key: str, request: Request, resolved: Resolved, store: KnowledgeStore) -> list[ox.Quad]:
        """The request's facts with all that is probed by an unknown fact; where that is a list, with all words in it that rules look for."""
        facts = resolved.facts
        if _path_of(key).endswith("[]") and (words := self._compared_words(key)):
            with contextlib.suppress(BadInput):  # what is described by an object has no words
                known = replace(request, target=request.target.with_overrides({key: words}))
                facts = resolve(known, self._menu, store, resolved.standing).facts
        provides = ox.NamedNode(on("provides"))
        return [*facts, *(ox.Quad(REQUEST, provides, ox.NamedNode(one), REQUEST_GRAPH) for one in sorted(self._capabilities[key]))]

    def _compared_words(self, key: str) -> list[str]:
        """The words that rules compare a fact with."""
        texts = [row["text"] for row in self._store.select(_COMPARED.replace("KEY", _path_of(key)))]
        return list(dict.fromkeys(word for text in texts for word in re.findall(r"'([^'\\s]+)'", text)))

    def _known_values(self, key: str) -> Iterator[Any]:
        from kb.target import load_target, target_names

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
        menu = self._menu
        given = guessed.provides - derived.provides
        same = guessed.applies == derived.applies and guessed.excluded_by == derived.excluded_by and guessed.provides > derived.provides
        if not same or any(menu.suppliers(capability) for capability in given):
            return None
        waiting = {option for capability in given for option in menu.waiting_for.get(capability, ()) if not guessed.rules_against(option)}
        admitted = frozenset(option for option in waiting if guessed.provides.issuperset(menu.needs_unsupplied[option]))
        return admitted if len({menu.decision_of(option) for option in admitted}) <= 1 else None


def doubts(reasons: Reasons) -> Iterator[dict[str, Any]]:
    """What is not known of options that were taken because no other would do, in the form of `changes`: nothing else would be taken."""
    for option in reasons.taken.values():
        for rule in sorted(reasons.menu.doubt_rules.intersection(reasons.derivation.derived.rules_against(option))):
            settled = next(iter(reasons.store.objects(rule, on("settledBy"))), "")
            for reason in reasons.cause(Cause("rule", option, (rule,))):
                yield {"fact": reason.text, "would_change": [], "if": "", "probe": settled}


def changes(reasons: Reasons, guesses: Sequence[Guess], solve_again: Callable[[Derived], dict[str, str]]) -> Iterator[dict[str, Any]]:
    """For each unknown fact of the target that would change the plan: `{fact, would_change, if, probe}`.

    Args:
        solve_again: the best configuration if a guess is right (empty where none is feasible then), where the solution at hand does not tell.
    """
    names, taken = reasons.menu.name, reasons.taken
    reported: set[str] = set()
    for guess in guesses:
        if guess.key in reported:
            continue
        told = guess.admits is not None and guess.admits <= reasons.problem.tentative
        other = (reasons.better_with(guess.admits or ()) or taken) if told else solve_again(guess.derived)
        differing = [decision for decision in other if other[decision] != taken[decision]]
        if differing:
            reported.add(guess.key)
            value: str | None = guess.value
            if guess.examples is not None:
                value, other = next(_telling(guess.examples(), taken, solve_again), (None, other))
            changed = [{"decision": names[d], "from": names[taken[d]], "to": names[other[d]]} for d in other if other[d] != taken[d]]
            probe = f"--set {quote(f'{guess.key}={value}')}" if value is not None else "what `ontune probe` says there"
            yield {"fact": guess.key, "would_change": changed, "if": value or guess.value, "probe": probe}


def _path_of(key: str) -> str:
    """A key of the probe with the mark of a list behind those that are one."""
    return next((path for path in fact_keys("hardware").all_paths() if path.removesuffix("[]") == key), key)


def _telling(
    examples: Iterator[tuple[str, Derived]], taken: Mapping[str, str], solve_again: Callable[[Derived], dict[str, str]]
) -> Iterator[tuple[str, dict[str, str]]]:
    """The examples that change the plan, with what is then taken."""
    for value, derived in examples:
        other = solve_again(derived)
        if other and other != taken:
            yield value, other
