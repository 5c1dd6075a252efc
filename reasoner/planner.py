"""What is asked of one state of the knowledge base: plans, why and why not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Unpack

from kb.errors import BadInput
from kb.records.request import FRAMEWORK, Request
from kb.records.request_fields import DROP, Wishes
from kb.records.target import Target
from kb.records.workload import Workload
from kb.store.store import KnowledgeStore
from kb.store.terms import on
from kb.values import replace
from reasoner.answers.opt_in import awaiting_opt_in, on_request, ways_out_of_doubt
from reasoner.answers.plan import Application, DecisionTaken, How, Later, Plan, Rejected, idle
from reasoner.answers.prediction import alternatives, prediction
from reasoner.answers.reasons import Reasons
from reasoner.answers.unknowns import changes, doubts
from reasoner.answers.unmeasured import not_measured
from reasoner.inference.derive import Derived
from reasoner.knowledge.identity import identity_of
from reasoner.knowledge.rules import Rule
from reasoner.model.catalogue import Catalogue
from reasoner.model.ground import ground
from reasoner.model.numbers import numbered
from reasoner.model.packages import settled
from reasoner.model.resolve import find_decision, find_option, option_name, resolve, with_names
from reasoner.model.static_model import StaticModel
from reasoner.model.wishes import checked_wishes, make_request
from reasoner.request_solver import RequestSolver
from reasoner.solve import solve

Asked = Workload | Plan | Request
"""What a question starts from: a workload, for which a target must be named, or what was asked before."""

_MAIN_WAY: tuple[How, ...] = ("code", "launcher", "env", "flag", "image", "module", "package")


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
        self._requests = RequestSolver(store, self._model)

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

    def applied_at_start(self, framework: str) -> frozenset[str]:
        """The options (`decision=option`) that the hook of `ontune run -- COMMAND` sets up in programs of a
        framework.
        """
        names, info = self.catalogue.name, self.catalogue.info
        found: set[str] = set()
        for written_in, options in self._model.appliers.at_start.items():
            if info[written_in].name == framework:
                found |= {f"{names[info[option].decision]}={info[option].name}" for option in options}
        return frozenset(found)

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
        from reasoner.answers.further import on_top

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
        with self._requests.reasoned(request) as (reasons, resolved, guesses):

            def solve_again(derived: Derived) -> dict[str, str]:
                solution = self._requests.solve(resolved, self._requests.ground(resolved, derived))
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
        with self._requests.reasoned(request) as (reasons, resolved, _):
            from reasoner.answers.why_not import why_not

            return why_not(reasons, wanted, resolved.request, self._requests.trials(reasons.derivation))

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
        with self._requests.reasoned(self.request(asked, target, **choices)) as (reasons, *_):
            from reasoner.answers.explain import explain

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
