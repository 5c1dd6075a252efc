"""Unknown facts that would change a plan: each is tried as it might turn out, and reported if the plan differs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pyoxigraph as ox

from kb.store import KnowledgeStore
from kb.terms import on
from reasoner.derive import REQUEST, REQUEST_GRAPH, Derivation, Derived
from reasoner.ground import Cause
from reasoner.menu import Menu
from reasoner.reasons import Reasons
from reasoner.request import Request, Resolved, resolve

_CAPABILITIES = "SELECT ?key ?capability WHERE { ?capability on:probedBy ?key . ?option on:needs ?capability }"
_TRUTH_VALUES = "SELECT DISTINCT ?key WHERE { ?property on:factKey ?key ; rdfs:range xsd:boolean }"


@dataclass(frozen=True)
class Guess:
    """How an unknown fact may turn out, where something hangs on it.

    Attributes:
        key: the fact.
        value: what it may be.
        derived: what would then hold for the request.
        admits: the options that it would make possible, where it would change nothing else and one decision alone; otherwise None.
    """

    key: str
    value: str
    derived: Derived
    admits: frozenset[str] | None


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
        self._truth_values = {row["key"] for row in store.select(_TRUTH_VALUES)}

    def about(self, request: Request, resolved: Resolved, derivation: Derivation, store: KnowledgeStore) -> Iterator[Guess]:
        """The guesses that would change what holds for a request, by the order of its unknown facts."""
        for key in request.target.unknown():
            if key in self._truth_values:
                for value in (True, False):
                    known = replace(request, target=request.target.with_overrides({key: value}))
                    yield from self._guess(key, str(value).lower(), derivation, resolve(known, self._menu, store).facts)
            elif key in self._capabilities:
                given = [
                    ox.Quad(REQUEST, ox.NamedNode(on("provides")), ox.NamedNode(capability), REQUEST_GRAPH)
                    for capability in sorted(self._capabilities[key])
                ]
                yield from self._guess(key, "present", derivation, [*resolved.facts, *given])

    def _guess(self, key: str, value: str, derivation: Derivation, facts: list[ox.Quad]) -> Iterator[Guess]:
        guessed = derivation.vary(facts)
        if guessed != derivation.derived:
            yield Guess(key, value, guessed, self._admits(derivation.derived, guessed))

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
            changed = [{"decision": names[decision], "from": names[taken[decision]], "to": names[other[decision]]} for decision in differing]
            yield {"fact": guess.key, "would_change": changed, "if": guess.value, "probe": f"ontune plan ... --set {guess.key}={guess.value}"}
