"""Ways out of a refusal: what a user could ask for instead. Each is planned before it is said, so that it
does what it promises.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from shlex import join
from typing import Any

from kb.records.request import FRAMEWORK, Request
from kb.store.terms import PREFIXES, on
from kb.values import Value, replace
from reasoner.answers.reasons import Reasons
from reasoner.inference.derive import Derived
from reasoner.model.catalogue import SCALE
from reasoner.model.ground import Cause, Problem, exclusion_factors, hard_factors
from reasoner.solve import Factor, smallest_relaxations

_NEARLY_EQUAL = 0.005
_WAYS = 3


class Outcome(Value, frozen=True):
    """What a request comes to: the best configuration, and the scaled logarithm of what it is worth."""

    taken: Mapping[str, str]
    worth: int


class Trials(Value, frozen=True):
    """How other requests about the same workload and target are tried.

    Attributes:
        derive: what follows from a request.
        ground: the choice problem of a request, given what follows.
        solve: its best configuration, with as few of some excluded options as can be; None where nothing is
            feasible.
    """

    derive: Callable[[Request], Derived]
    ground: Callable[[Request, Derived], Problem]
    solve: Callable[[Request, Derived, Collection[str]], Outcome | None]

    def plan(self, request: Request) -> Outcome | None:
        """What planning gives for a request."""
        return self.solve(request, self.derive(request), ())


class Way(Value, frozen=True):
    """A request in the place of another, and what it comes to."""

    request: Request
    outcome: Outcome

    def added(self, before: Request) -> list[str]:
        """What to type behind the command.

        Wishes of a plan are left out by a word of their own, where no other takes their place.
        """
        words: list[str] = []
        for decision, option in self.request.pins.items():
            words += ["--pin", f"{decision}={option}"] if before.pins.get(decision) != option else []
        for option in self.request.allow[len(before.allow) :]:
            words += ["--allow", option]
        if self.request.numerics != before.numerics:
            words += ["--numerics", str(self.request.numerics)]
        for decision, option in self._pins_gone(before):
            if f"{decision}={option}" in before.of_plan and decision not in self.request.pins:
                words += ["--drop", decision if decision == FRAMEWORK else f"pin={decision}"]
        pinned = {f"{decision}={option}" for decision, option in self.request.pins.items()}
        for option in self._forbids_gone(before):
            words += (
                ["--drop", f"forbid={option}"]
                if f"forbid={option}" in before.of_plan and option not in pinned
                else []
            )
        return words

    def dropped(self, before: Request) -> list[str]:
        """What to leave out of the command; a framework that the workload's file names is overruled by the
        pin and stays.
        """
        words: list[str] = []
        for decision, option in self._pins_gone(before):
            if decision != FRAMEWORK or not before.workload.facts.get("framework"):
                words += _typed(before, f"{decision}={option}", "--pin", f"{decision}={option}")
        for option in self._forbids_gone(before):
            words += _typed(before, f"forbid={option}", "--forbid", option)
        if before.numerics is not None and self.request.numerics != before.numerics:
            words += _typed(before, f"numerics={before.numerics}", "--numerics", before.numerics)
        return words

    def _pins_gone(self, before: Request) -> list[tuple[str, str]]:
        return [
            (decision, option)
            for decision, option in before.pins.items()
            if self.request.pins.get(decision) != option
        ]

    def _forbids_gone(self, before: Request) -> list[str]:
        return [option for option in before.forbid if option not in self.request.forbid]

    def said(self, before: Request) -> str:
        """The change in words."""
        added, dropped = " ".join(self.added(before)), " ".join(self.dropped(before))
        return " ".join(filter(None, (added, dropped and ("in place of" if added else "without"), dropped)))


def repair(before: Request, way: Way, then: str) -> dict[str, Any]:
    """A way as the answers hold it: `change` and `then` in words; `add` and `drop` as arguments of the
    command.
    """
    return {"change": way.said(before), "then": then, "add": way.added(before), "drop": way.dropped(before)}


def known(facts: Mapping[str, str]) -> dict[str, Any]:
    """Facts of the machine that nobody has stated, as an answer that would admit a plan."""
    words = list(itertools.chain.from_iterable(("--set", f"{key}={value}") for key, value in facts.items()))
    said = f"{join(words)} ({'these are' if len(facts) > 1 else 'this is'} not known here)"
    return {"change": said, "then": "a plan is possible", "add": words, "drop": []}


def stated(change: str, then: str) -> dict[str, Any]:
    """What would have to be otherwise, where no wish brings it about."""
    return {"change": change, "then": then, "add": None, "drop": None}


def taken_at(reasons: Reasons, option: str, way: Way) -> str:
    """What a request that asks for an option comes to, beside the plan."""
    name = reasons.catalogue.name[option]
    ratio = math.exp((way.outcome.worth - reasons.log_worth) / SCALE)
    if abs(ratio - 1) < _NEARLY_EQUAL:
        return f"{name} is taken; nothing that is known tells the two plans apart in speed"
    return f"{name} is taken, at {ratio:.2f} of the chosen plan"


class WaysOut:
    """Finds the requests nearest to one that is refused, or that refuses an option.

    Args:
        reasons: the refused request, grounded.
        request: the same as it was asked.
        trials: how others are tried.
    """

    def __init__(self, reasons: Reasons, request: Request, trials: Trials) -> None:
        self._reasons, self._catalogue, self._request, self._trials = (
            reasons,
            reasons.catalogue,
            request,
            trials,
        )

    def to(self, option: str) -> Iterator[Way]:
        """Requests that take an option: the fewest opt-ins beside the pin, else without the fewest of the
        user's other wishes as well.
        """
        asked = self._pinned(self._request, option)
        if (found := self._admitted(asked)) is not None:
            yield found
            return
        yield from self._without_wishes(asked, self._catalogue.decision_of(option))

    def feasible(self) -> Iterator[Way]:
        """Requests that some configuration meets: with the fewest opt-ins, and without the fewest wishes."""
        if (found := self._admitted(self._request)) is not None:
            yield found
        yield from self._without_wishes(self._request, "")

    def opt_in_for(self, option: str) -> Way | None:
        """The request with what lifts the exclusion of an option, whether or not a configuration has it
        then.
        """
        for request, excluded, free in self._rungs(self._request):
            if option in excluded and option in free:
                return Way(self._consented(request, (option,)), Outcome({}, 0))
        return None

    def _pinned(self, request: Request, option: str) -> Request:
        """The request that asks for an option, and no longer that it be never taken."""
        decision = self._catalogue.name[self._catalogue.decision_of(option)]
        allowed = tuple(text for text in request.forbid if self._named(text) != option)
        return replace(request, pins={**request.pins, decision: self._catalogue.name[option]}, forbid=allowed)

    def _admitted(self, request: Request) -> Way | None:
        """The request with the fewest opt-ins that make it feasible; as it is, where none is needed."""
        if outcome := self._trials.plan(request):
            return Way(request, outcome)
        for rung, excluded, free in self._rungs(request):
            found = self._trials.solve(rung, self._trials.derive(rung), free)
            if found is None:
                continue
            asked = self._consented(rung, [option for option in found.taken.values() if option in excluded])
            if outcome := self._trials.plan(asked):
                return Way(asked, outcome)
        return None

    def _rungs(self, request: Request) -> Iterator[tuple[Request, frozenset[str], frozenset[str]]]:
        """The request as it is, then with each other numerics class, the strictest first; what is excluded,
        and which of that an opt-in admits.
        """
        yield self._rung(request)
        store = self._reasons.store
        classes: list[str] = []
        for iri in store.instances(on("Numerics")):
            classes += store.objects(iri, PREFIXES["skos"] + "notation")
        rungs = [self._rung(replace(request, numerics=name)) for name in classes if name != request.numerics]
        yield from sorted(rungs, key=lambda rung: (-len(rung[1]), str(rung[0].numerics)))

    def _rung(self, request: Request) -> tuple[Request, frozenset[str], frozenset[str]]:
        excluded = self._trials.derive(request).excluded
        return (
            request,
            excluded,
            excluded - self._trials.derive(self._consented(request, sorted(excluded))).excluded,
        )

    def _consented(self, request: Request, options: Sequence[str]) -> Request:
        names = [
            f"{self._catalogue.name[self._catalogue.decision_of(option)]}={self._catalogue.name[option]}"
            for option in options
            if option in self._catalogue.info
        ]
        return replace(request, allow=(*request.allow, *dict.fromkeys(names)))

    def _without_wishes(self, request: Request, kept: str) -> Iterator[Way]:
        """The request without the fewest pins and forbids, but that of a decision; with opt-ins where they
        are needed then.
        """
        if not request.forbid and not any(
            decision != self._catalogue.name.get(kept) for decision in request.pins
        ):
            return
        rung, _, free = max(
            self._rungs(request), key=lambda rung: (len(rung[2]) - len(rung[1]), len(rung[2]))
        )
        problem = self._trials.ground(rung, self._trials.derive(self._consented(rung, sorted(free))))
        hard = [*hard_factors(problem, self._catalogue.options), *exclusion_factors(problem)]
        sets = smallest_relaxations(
            self._catalogue.options, hard, lambda factor: self._may_go(factor) and factor.scope != (kept,)
        )
        for lifted in sets[:_WAYS]:
            if lifted and (found := self._admitted(self._unwished(request, lifted))) is not None:
                yield self._as_typed(found)

    def _may_go(self, factor: Factor) -> bool:
        return _is_wish(factor) and not self.is_written_in(factor)

    def is_written_in(self, factor: Factor) -> bool:
        """Whether a factor is the wish for the framework that a user's own program is written in, as its file
        says: that one cannot be left out.
        """
        facts = self._request.workload.facts
        written = bool(facts.get("framework")) and bool(facts.get("script") or facts.get("command"))
        return (
            written
            and [self._catalogue.name.get(decision) for decision in factor.scope] == [FRAMEWORK]
            and _is_wish(factor)
        )

    def _unwished(self, request: Request, lifted: Sequence[Factor]) -> Request:
        causes = [factor.reason for factor in lifted if isinstance(factor.reason, Cause)]
        decisions = {
            self._catalogue.name[self._catalogue.decision_of(cause.option)]
            for cause in causes
            if cause.kind == "pin"
        }
        gone = {cause.option for cause in causes if cause.kind == "forbid"}
        kept = tuple(text for text in request.forbid if self._named(text) not in gone)
        return replace(
            request,
            pins={name: option for name, option in request.pins.items() if name not in decisions},
            forbid=kept,
        )

    def _as_typed(self, way: Way) -> Way:
        """A framework that the workload's own file asks for can only be overruled by another one."""
        request = way.request
        if FRAMEWORK in request.pins or not request.workload.facts.get("framework"):
            return way
        names = {self._catalogue.name[decision]: option for decision, option in way.outcome.taken.items()}
        return Way(self._pinned(request, names[FRAMEWORK]), way.outcome)

    def _named(self, text: str) -> str:
        from reasoner.model.resolve import find_option

        return find_option(self._catalogue, text, "--forbid")


def _typed(request: Request, wish: str, *words: str) -> Sequence[str]:
    """How a wish was typed; not at all where it stands in a plan alone."""
    return request.typed.get(wish, () if wish in request.of_plan else words)


def _is_wish(factor: Factor) -> bool:
    return isinstance(factor.reason, Cause) and factor.reason.kind in {"pin", "forbid"}
