"""What is asked of one state of the knowledge base: plans, why and why not."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal, NamedTuple, Unpack

from kb.errors import BadInput, NoFeasiblePlan
from kb.records.request import FRAMEWORK, Request
from kb.records.request_fields import DROP, Wishes
from kb.records.target import Target
from kb.records.workload import Workload
from kb.store.store import KnowledgeStore
from kb.store.terms import on
from kb.values import replace
from reasoner.answers.boundary import beyond
from reasoner.answers.explain import explain
from reasoner.answers.further import on_top
from reasoner.answers.opt_in import awaiting_opt_in, on_request, ways_out_of_doubt
from reasoner.answers.plan import Application, DecisionTaken, How, Later, Plan, Rejected, idle
from reasoner.answers.prediction import alternatives, default_configuration, prediction
from reasoner.answers.reasons import Reasons
from reasoner.answers.repairs import Outcome, Trials
from reasoner.answers.unknowns import Guess, changes, doubts
from reasoner.answers.unmeasured import not_measured
from reasoner.answers.why_not import refusal, why_not
from reasoner.inference.derive import Derivation, Derived
from reasoner.knowledge.identity import identity_of
from reasoner.knowledge.rules import Rule
from reasoner.model.catalogue import Catalogue
from reasoner.model.ground import Problem, ground
from reasoner.model.numbers import numbered, with_numbers
from reasoner.model.objective import SampleGoal, ShortestTime, Solved
from reasoner.model.packages import settled
from reasoner.model.resolve import Resolved, find_decision, find_option, option_name, resolve, with_names
from reasoner.model.standing import Derive, resolve_beside_standing
from reasoner.model.static_model import StaticModel
from reasoner.model.wishes import checked_wishes, make_request
from reasoner.solve import TooWide, solve

Asked = Workload | Plan | Request
"""What a question starts from: a workload, for which a target must be named, or what was asked before."""

_MAIN_WAY: tuple[How, ...] = ("code", "launcher", "env", "flag", "image", "module", "package")


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


class Planner:
    """Plans for workloads on targets, from the knowledge in one store. May be used from several threads;
    prints nothing.

    Args:
        store: a compiled knowledge base.
        compiled: whether its rules are known to be sound; else that is looked at first.
    """

    def __init__(self, store: KnowledgeStore, *, compiled: bool) -> None:
        self.knowledge = identity_of(store)
        self.store = store
        self._model = StaticModel(store, compiled=compiled)
        self._sources: dict[str, tuple[str, ...]] = {}

    @property
    def rules(self) -> list[Rule]:
        """Every rule of the knowledge base."""
        return self._model.rules

    @property
    def catalogue(self) -> Catalogue:
        """Decisions, options, effects and conflicts."""
        return self._model.catalogue

    def frameworks_meant(self, package: str) -> list[str]:
        """The names of the frameworks that the name of a package means, such as `torch`."""
        decision = find_decision(self.catalogue, FRAMEWORK)
        entries = self.catalogue.option_names(decision).meant(package) if decision else ()
        return [entry.name for entry in entries]

    @property
    def numerics(self) -> tuple[str, ...]:
        """The numerics classes, the strictest first."""
        return self._model.numerics.names

    def exceeds(self, numerics: str, other: str) -> bool:
        """Whether one numerics class allows more than another."""
        return self._model.numerics.exceeds(numerics, other)

    def request(
        self,
        asked: Asked,
        target: Target | None = None,
        *,
        workload: Workload | None = None,
        **choices: Unpack[Wishes],
    ) -> Request:
        """The question that the other methods are asked with the same arguments.

        Args:
            asked: what is trained; or a plan, or the request of one, whose question is taken up.
            target: where; with a plan, in the place of its target.
            workload: with a plan, what is trained in the place of its workload.
            choices: what else is asked for, as the table `kb.records.request_fields.WISHES` says: `site`,
                `framework`, `pins`, `forbid`, `objective`, `numerics`, `allow`, `top`; with a plan they go on
                top of its own (`reasoner.answers.further`), of which `drop` leaves some out.

        Raises:
            BadInput: an argument is unknown or of the wrong kind, a plan keeps no request, or a name on top
                of it is unknown.
        """
        if isinstance(asked, Workload):
            if target is None or workload is not None:
                raise BadInput(
                    "target",
                    "nothing is said of where it is trained",
                    expected="a workload and a target, or a plan",
                )
            if not isinstance(target, Target):
                raise BadInput(
                    "target", f"{target!r:.60} is none", expected="a target, as load_target gives it"
                )
            return make_request(asked, target, **choices)
        if not isinstance(asked, Plan | Request):
            raise BadInput(
                "workload",
                f"{asked!r:.60} is none",
                expected="a workload, as load_workload gives it, or a plan",
            )
        plans = asked.asked() if isinstance(asked, Plan) else asked
        if not choices and target is None and workload is None:
            return plans
        return on_top(
            plans,
            self.catalogue,
            self.store.names,
            checked_wishes(choices, DROP.name),
            workload=workload,
            target=target,
        )

    def plan(self, asked: Asked, target: Target | None = None, **choices: Unpack[Wishes]) -> Plan:
        """The best configuration for a workload on a target, with its reasons.

        Args:
            asked, target, choices: the question, as `request` takes it.

        Raises:
            BadInput: a name is unknown.
            NoFeasiblePlan: no configuration meets the request; the message gives the smallest relaxations.
        """
        return self.plan_request(self.request(asked, target, **choices))

    def plan_request(self, request: Request) -> Plan:
        """As `plan`, for a request object."""
        with self._reasoned(request) as (reasons, resolved, guesses):

            def solve_again(derived: Derived) -> dict[str, str]:
                solution = self._solve(resolved, self._ground(resolved, derived))
                return solution.best() if solution.feasible else {}

            request = resolved.request
            decisions = tuple(
                self._decision(decision, reasons, request.workload.facts)
                for decision in self.catalogue.options
            )
            requires = request.workload.facts.get("requires") or ()
            beside = settled(
                requires,
                decisions,
                reasons.taken,
                self.store,
                str(request.target.facts["cpu"].get("isa_level") or ""),
            )
            plan = Plan(
                plan_id=request.identity(self.knowledge["sha256"]),
                workload=request.workload.to_json(),
                target=request.target.named_facts(),
                objective=request.objective,
                numerics=self._model.numerics.of(reasons.taken, reasons.problem.derived, resolved.standing),
                decisions=beside.decisions,
                prediction=prediction(
                    self._model.observed,
                    self._model.expected,
                    reasons.problem,
                    reasons.taken,
                    resolved,
                    request,
                ),
                alternatives=tuple(alternatives(reasons, request.top)),
                unknowns=(*doubts(reasons), *changes(reasons, guesses, solve_again)),
                knowledge=self.knowledge,
                on_request=(
                    *on_request(
                        reasons,
                        awaiting_opt_in(self.catalogue, reasons.problem.derived, self._model.opt_in_rules),
                        solve_again,
                    ),
                    *ways_out_of_doubt(reasons, resolved.facts, self._model.opt_in_rules, solve_again),
                ),
                site=request.site.to_json() if request.site else {},
                not_measured=tuple(not_measured(reasons, self._model.machine_situations)),
                requirements=beside.requirements,
                asked_numerics=request.numerics or "",
                numerics_note=self._model.numerics.note(request.numerics),
                request=request.to_json(),
            )
        return replace(plan, idle=tuple(idle(plan)))

    def why_not(
        self, option: str, asked: Asked, target: Target | None = None, **choices: Unpack[Wishes]
    ) -> dict[str, Any]:
        """Why a plan does not take an option: `decision`, `option`, `status` (chosen, conflict or beaten),
        `reasons`, `repair [{change, then}]`.

        Args:
            option: `decision=option`, or the bare option where that is unique.
            asked, target, choices: the question, as `request` takes it.

        Raises:
            BadInput: a name is unknown.
            NoFeasiblePlan: no configuration meets the request.
        """
        request = self.request(asked, target, **choices)
        decision, _, text = option.rpartition("=")
        if number := numbered(self.catalogue, decision or option.rpartition("-")[0], text, "OPTION"):
            wanted = number[0]
            request = replace(
                request, numbers={self.catalogue.name[self.catalogue.decision_of(wanted)]: number[1]}
            )
        else:
            wanted = find_option(self.catalogue, option, "OPTION")
        with self._reasoned(request) as (reasons, resolved, _):
            return why_not(reasons, wanted, resolved.request, self._trials(reasons.derivation))

    def explain(
        self, subject: str, asked: Asked, target: Target | None = None, **choices: Unpack[Wishes]
    ) -> dict[str, Any]:
        """A proof tree for a decision or an option of the plan: `conclusion`, `by`, `premises [...]`, down to
        facts and their sources.

        Args:
            subject: a decision, `decision=option`, or an option.
            asked, target, choices: the question, as `request` takes it.

        Raises:
            BadInput: a name is unknown.
            NoFeasiblePlan: no configuration meets the request.
        """
        with self._reasoned(self.request(asked, target, **choices)) as (reasons, *_):
            return explain(reasons, self.rules, subject)

    def baseline(
        self, name: str, asked: Asked, target: Target | None = None, **choices: Unpack[Wishes]
    ) -> Plan:
        """The plan of a named baseline (a user without advice, a tuning guide followed ...): its options
        taken, everything else left alone.

        Args:
            asked, target, choices: the question, as `request` takes it. Of its wishes the site counts, what
                is never to be taken, and what is accepted.

        Raises:
            BadInput: no baseline has that name.
        """
        named = self.store.names.find(on("Baseline"), name, "baseline")
        options = {
            self.catalogue.decision_of(option): option
            for option in self.store.objects(named.iri, on("takes"))
        }
        if isinstance(asked, Plan) and not asked.request:
            asked = asked.situation()
        given = with_names(self.request(asked, target, **choices), self.catalogue, self.store.names)
        request = Request(
            given.workload,
            given.target,
            given.site,
            forbid=given.forbid,
            numerics=self.numerics[-1],
            allow=given.allow,
        )
        takes = self._possible(options, {}, request)
        pins = self._possible(self.catalogue.default, takes, request) | takes
        wanted = {
            self.catalogue.name[decision]: self.catalogue.name[option] for decision, option in pins.items()
        }
        taken = {option_name(self.catalogue, option) for option in pins.values()}
        return self.plan_request(
            replace(
                request, pins=wanted, forbid=tuple(option for option in request.forbid if option not in taken)
            )
        )

    def _possible(
        self, wished: Mapping[str, str], given: Mapping[str, str], request: Request
    ) -> dict[str, str]:
        """Those of the wished options that can be taken together with the given ones; a baseline leaves the
        others to the planner.

        A wheel that cannot be installed here is none of them, nor is the default release of another framework
        than the one given.
        """
        resolved = resolve(request, self.catalogue, self.store)
        problem = ground(
            self.catalogue,
            self._model.deriver.derive(resolved.facts),
            resolved.criteria,
            given,
            every_option=True,
        )
        marginals = solve(problem.domains, problem.hard).marginals()
        return {
            decision: option for decision, option in wished.items() if option in marginals.get(decision, {})
        }

    @contextmanager
    def _reasoned(self, request: Request) -> Iterator[tuple[Reasons, Resolved, list[Guess]]]:
        """The solved request; other requests wait for as long as the block runs."""
        resolved = self._resolved(request, self._model.deriver.derive)
        with self._model.deriver.at(resolved.facts) as derivation:
            if said := beyond(derivation, self.rules):
                raise NoFeasiblePlan(said)
            guesses = list(self._model.guesses.about(resolved.request, resolved, derivation, self.store))
            tentative = set(awaiting_opt_in(self.catalogue, derivation.derived, self._model.opt_in_rules))
            for guess in guesses:
                tentative.update(guess.admits or ())
            answered = self._least_in_doubt(resolved, derivation.derived, tentative, lambda one: one.stands)
            problem, solution = answered.problem, answered.solution
            taken = solution.best() if answered.stands else {}
            reasons = Reasons(self.store, self.rules, derivation, problem, solution, taken, self._sources)
            if not answered.stands:
                trials, refused = self._trials(derivation), resolved.request
                raise refusal(
                    reasons,
                    refused,
                    trials,
                    self._model.guesses.settled(refused, lambda other: trials.plan(other) is not None),
                )
            yield reasons, resolved, guesses

    def _resolved(self, request: Request, derive: Derive) -> Resolved:
        return resolve_beside_standing(request, self.catalogue, self._model.numerics, self.store, derive)

    def _trials(self, derivation: Derivation) -> Trials:
        """How further requests about the same workload are tried while a derivation is open."""

        derived: dict[tuple[Any, ...], Derived] = {}

        def resolved_of(request: Request) -> Resolved:
            return self._resolved(request, derivation.vary)

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
            return self._ground(resolved_of(request), derived)

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
        doubts = sorted(rule for rule in derived.excluded_by if rule in self.catalogue.doubt_rules)
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
        problem = self._ground(resolved, derived, tentative if resolved.setup is None else ())
        return _Answered(problem, self._solve(resolved, problem))

    def _ground(self, resolved: Resolved, derived: Derived, tentative: Iterable[str] = ()) -> Problem:
        return ground(
            with_numbers(self.catalogue, resolved.request.numbers),
            derived,
            resolved.criteria,
            resolved.pins,
            resolved.forbid,
            tentative,
        )

    def _solve(self, resolved: Resolved, problem: Problem) -> Solved:
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

    def _decision(self, decision: str, reasons: Reasons, workload: Mapping[str, Any]) -> DecisionTaken:
        info = reasons.catalogue.info[reasons.taken[decision]]
        taken = {*reasons.taken.values()}
        apply: list[Application] = []
        for how, manager, name, value in info.applied(taken):
            by = self._model.appliers.by(how, info.iri, taken, workload)
            apply.append(Application(how, name, value, manager, by))  # type: ignore[arg-type]
        ways = {application.how for application in apply}
        main: How | Literal[""] = next((way for way in _MAIN_WAY if way in ways), "")
        rejected = self._rejected(decision, reasons)
        return DecisionTaken(
            self.catalogue.name[decision],
            info.name,
            info.label,
            main,
            tuple(apply),
            reasons.chosen(decision),
            rejected,
        )

    def _rejected(self, decision: str, reasons: Reasons) -> Later[Rejected]:
        def work_out() -> tuple[Rejected, ...]:
            with self._model.deriver.reopened():
                return reasons.rejected(decision)

        return Later(work_out)
