"""A request answered: what follows from it, its choice problem, the solution, and what stands behind that."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from kb.errors import BadInput, NoFeasiblePlan
from kb.records.request import Request
from kb.store.store import KnowledgeStore
from reasoner.answers.boundary import beyond
from reasoner.answers.opt_in import awaiting_opt_in
from reasoner.answers.prediction import default_configuration
from reasoner.answers.reasons import Reasons
from reasoner.answers.unknowns import Guess
from reasoner.inference.derive import Derivation, Derived
from reasoner.model.ground import Problem, ground
from reasoner.model.numbers import with_numbers
from reasoner.model.objective import SampleGoal, ShortestTime, Solved
from reasoner.model.resolve import Resolved
from reasoner.model.standing import Derive, resolve_beside_standing
from reasoner.model.static_model import StaticModel
from reasoner.solve import TooWide, solve

if TYPE_CHECKING:
    from reasoner.answers.repairs import Outcome, Trials


class _Answered(NamedTuple):
    """A choice problem and its solution."""

    problem: Problem
    solution: Solved

    @property
    def feasible(self) -> bool:
        """Whether there is a configuration, be it with options that are only tried."""
        return self.solution.feasible

    @property
    def stands(self) -> bool:
        """Whether there is a configuration without options that are only tried for what they would bring."""
        # A time is no sum, so it cannot be told apart from a penalty.
        return self.solution.feasible and self.solution.value > -self.problem.penalty // 2


class RequestSolver:
    """Answers one request after the other over one state of the knowledge base.

    Args:
        store: a compiled knowledge base.
        model: what is known whatever the request.
    """

    def __init__(self, store: KnowledgeStore, model: StaticModel) -> None:
        self._store = store
        self._model = model
        self._sources: dict[str, tuple[str, ...]] = {}

    @contextmanager
    def reasoned(self, request: Request) -> Iterator[tuple[Reasons, Resolved, list[Guess]]]:
        """The solved request; other requests wait for as long as the block runs."""
        resolved = self.resolved(request, self._model.deriver.derive)
        with self._model.deriver.at(resolved.facts) as derivation:
            if said := beyond(derivation, self._model.rules):
                raise NoFeasiblePlan(said)
            guesses = list(self._model.guesses.about(resolved.request, resolved, derivation, self._store))
            tentative = set(
                awaiting_opt_in(self._model.catalogue, derivation.derived, self._model.opt_in_rules)
            )
            for guess in guesses:
                tentative.update(guess.admits or ())
            answered = self._least_in_doubt(resolved, derivation.derived, tentative, lambda one: one.stands)
            problem, solution = answered.problem, answered.solution
            taken = solution.best() if answered.stands else {}
            reasons = Reasons(
                self._store, self._model.rules, derivation, problem, solution, taken, self._sources
            )
            if not answered.stands:
                from reasoner.answers.why_not import refusal  # most requests are answered by a plan

                trials, refused = self.trials(derivation), resolved.request
                raise refusal(
                    reasons,
                    refused,
                    trials,
                    self._model.guesses.settled(refused, lambda other: trials.plan(other) is not None),
                )
            yield reasons, resolved, guesses

    def resolved(self, request: Request, derive: Derive) -> Resolved:
        """A request by the names of the knowledge base, with what stands where it asks for the same bits."""
        return resolve_beside_standing(
            request, self._model.catalogue, self._model.numerics, self._store, derive
        )

    def trials(self, derivation: Derivation) -> Trials:
        """How further requests about the same workload are tried while a derivation is open."""
        from reasoner.answers.repairs import Outcome, Trials  # most who plan ask for no way out

        derived: dict[tuple[Any, ...], Derived] = {}

        def resolved_of(request: Request) -> Resolved:
            return self.resolved(request, derivation.vary)

        def derive(request: Request) -> Derived:
            resolved = resolved_of(request)
            wishes = (
                request.allow,
                request.numerics,
                resolved.standing,
                str(request.target.facts),
                *sorted(resolved.request.numbers.items()),
            )
            if wishes not in derived:
                derived[wishes] = derivation.vary(resolved.facts)
            return derived[wishes]

        def pose(request: Request, derived: Derived) -> Problem:
            return self.ground(resolved_of(request), derived)

        def answer(request: Request, derived: Derived, tentative: Collection[str]) -> Outcome | None:
            try:
                answered = self._least_in_doubt(
                    resolved_of(request), derived, tentative, lambda one: one.feasible
                )
            except TooWide:  # too much is supposed at once to be tried; what was not tried is not promised
                return None
            problem, solution = answered
            return (
                Outcome(solution.best(), round(solution.value / problem.unit)) if solution.feasible else None
            )

        return Trials(derive, pose, answer)

    def _least_in_doubt(
        self,
        resolved: Resolved,
        derived: Derived,
        tentative: Collection[str],
        will_do: Callable[[_Answered], bool],
    ) -> _Answered:
        """The best configuration of which all is known; where none will do, that with the fewest rules'
        doubts about its options.
        """
        doubts = sorted(rule for rule in derived.excluded_by if rule in self._model.catalogue.doubt_rules)
        certain = self._answered(resolved, derived, tentative)
        if will_do(certain) or not doubts:
            return certain
        daring = self._answered(resolved, derived.without(doubts), tentative)
        if will_do(daring):
            fewer = itertools.chain.from_iterable(
                itertools.combinations(doubts, count) for count in range(1, len(doubts))
            )
            tried = (self._answered(resolved, derived.without(lifted), tentative) for lifted in fewer)
            return next(filter(will_do, tried), daring)
        return daring

    def _answered(self, resolved: Resolved, derived: Derived, tentative: Collection[str]) -> _Answered:
        problem = self.ground(resolved, derived, tentative if resolved.setup is None else ())
        return _Answered(problem, self.solve(resolved, problem))

    def ground(self, resolved: Resolved, derived: Derived, tentative: Iterable[str] = ()) -> Problem:
        """The choice problem of a request of which something was derived."""
        return ground(
            with_numbers(self._model.catalogue, resolved.request.numbers),
            derived,
            resolved.criteria,
            resolved.pins,
            resolved.forbid,
            tentative,
        )

    def solve(self, resolved: Resolved, problem: Problem) -> Solved:
        """The solution of a problem, by what its request wants most.

        Raises:
            BadInput: that cannot be reckoned, for something is not known.
        """
        request = resolved.request
        if resolved.setup is None:
            return solve(problem.domains, [*problem.hard, *problem.soft])
        start = self._model.observed.nearest(request, default_configuration(problem, resolved.pins))
        samples = request.workload.facts.get("samples")
        if start is None or not samples:
            missing = (
                "a measured throughput of this workload on this machine: run `ontune bench` first"
                if samples
                else "`samples` in the workload"
            )
            raise BadInput(
                request.place("objective"), f"'{request.objective}' cannot be reckoned here", expected=missing
            )
        job = SampleGoal(
            samples * (request.workload.facts.get("epochs") or 1), start.configuration, start.throughput
        )
        return ShortestTime(problem, resolved.setup, job)
