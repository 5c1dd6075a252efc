"""The Plan: the chosen configuration with its reasons, its rejected options and its prediction.

`Plan.to_json` gives the object that `ontune plan --format json` prints and a bundle's `plan.json` holds;
`Plan.from_json` reads it back and refuses everything that is not exactly such an object.
"""

from __future__ import annotations

import itertools
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal, Self, TypeVar

import msgspec

from kb.errors import BadInput
from kb.records.fact_values import refuse_credentials
from kb.records.request import Request, plan_id
from kb.records.site import complete_site
from kb.records.target import read_target
from kb.records.workload import complete_workload
from kb.values import Value

JsonObject = Mapping[str, Any]
How = Literal["env", "flag", "package", "image", "module", "code", "launcher"]
Manager = Literal["", "apt", "pip", "source", "index"]
By = Literal["", "outside", "hook", "script", "image", "job", "user"]
ReasonKind = Literal["rule", "effect", "observation", "default", "request", "site", "fact"]

T = TypeVar("T")


class Later(Sequence[T]):
    """A sequence that is worked out when somebody looks into it: few who plan ask about every option that was
    not taken.

    Args:
        work_out: gives the elements; asked once at the most.
    """

    def __init__(self, work_out: Callable[[], Sequence[T]]) -> None:
        self._work_out: Callable[[], Sequence[T]] | None = work_out
        self._found: tuple[T, ...] = ()

    def __len__(self) -> int:
        return len(self._elements())

    @typing.overload
    def __getitem__(self, index: int) -> T: ...

    @typing.overload
    def __getitem__(self, index: slice) -> tuple[T, ...]: ...

    def __getitem__(self, index: int | slice) -> T | tuple[T, ...]:
        return self._elements()[index]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Later | tuple) and self._elements() == tuple(other)

    def __hash__(self) -> int:
        return hash(self._elements())

    def __repr__(self) -> str:
        return repr(self._elements())

    def __reduce__(self) -> tuple[type, tuple[tuple[T, ...]]]:
        return tuple, (self._elements(),)

    def _elements(self) -> tuple[T, ...]:
        work_out = self._work_out
        if work_out is not None:
            self._found = tuple(work_out())
            self._work_out = None
        return self._found


class Reason(Value, frozen=True):
    """Why something was concluded.

    Attributes:
        kind: what spoke: a rule, an effect, an observation, a decision's default, the request, the site or a
            fact.
        id: the identifier of what spoke.
        text: one sentence for the user.
        sources: where the knowledge comes from: addresses or package names.
    """

    kind: ReasonKind
    id: str
    text: str
    sources: tuple[str, ...] = ()


class Rejected(Value, frozen=True):
    """An option that was not taken, and why.

    Attributes:
        option: its name.
        reasons: what speaks against it.
        vs_best: `value`, what the best configuration with it reaches of the plan; empty where none is
            possible, or nothing known tells them apart.
    """

    option: str
    reasons: tuple[Reason, ...]
    vs_best: JsonObject = msgspec.field(default_factory=dict)


class Application(Value, frozen=True):
    """One change to a recipe, a script or the code that puts an option into effect.

    Attributes:
        how: the kind of change.
        name: variable, package, header key, setting, flag or launcher.
        value: its value; `{cores}` stands for the usable cores at run time.
        manager: for packages, who installs them; `source` is pip too, which compiles them against what is
            installed, and `index` names a further wheel index. Empty for everything else.
        by: who puts it into effect: `outside` of the program, the `image`, the `job`, the shipped `script`,
            the `hook` that a script of the user's own calls (`ontune_settings.apply`), or the `user` in that
            script. Empty in plans of older versions.
    """

    how: How
    name: str
    value: str = ""
    manager: Manager = ""
    by: By = ""


class DecisionTaken(Value, frozen=True):
    """A decision with the option taken; `how` is the main way in which it is applied, empty where nothing
    needs to be done.
    """

    decision: str
    option: str
    label: str
    how: How | Literal[""] = ""
    apply: tuple[Application, ...] = ()
    reasons: tuple[Reason, ...] = ()
    rejected: Sequence[Rejected] = ()


class Plan(Value, frozen=True):
    """A configuration that was chosen for a workload on a target.

    Attributes:
        plan_id: the hash of request and knowledge; `kb.records.request.plan_id` gives it again from these
            two.
        workload: the workload's description, as in a workload file.
        target: the target's facts, as `ontune probe` prints them.
        objective: what was maximised.
        numerics: the class of what the whole configuration may do to the numbers, defaults included: bitwise,
            exact, mixed or lossy.
        decisions: one for every decision, in a stable order.
        prediction: `throughput {value, unit, low, high}` and `vs_default {value, low, high}`, with the
            observations behind them; null is unknown. `vs_default` also has `parts` (what each option
            brings), `default` (what is compared with) and `reason` (why it is null).
        alternatives: the best plan for each other option: `{rank, options, vs_best}`.
        unknowns: facts that would change the plan: `{fact, would_change, probe}`.
        knowledge: `version` and `sha256` of the knowledge base.
        site: the place's conditions, as in a site file; empty where none was named.
        not_measured: options that measurements speak of with another framework only: `{decision, option,
            known_with}`.
        asked_numerics: the class that was asked for; empty where the evidence decided.
        numerics_note: what the class that was asked for does not promise; empty where there is nothing to
            say.
        idle: what of the target the plan leaves unused, a sentence each.
        on_request: what would gain more if the user accepted it (other numerics, unsupported hacks):
            `{decision, option, vs_best, accept}`.
        requirements: what became of each of the script's own requirements: `{asked, where, written, because,
            remark, compiled}`.
        request: the whole question that the plan answers (see `kb.records.request.Request.to_json`); empty
            where it was not kept: older versions kept none, and a plan for what MPI starts is asked for by
            a request to MODAK.
    """

    plan_id: str
    workload: JsonObject
    target: JsonObject
    objective: str
    numerics: str
    decisions: tuple[DecisionTaken, ...]
    prediction: JsonObject
    alternatives: tuple[JsonObject, ...]
    unknowns: tuple[JsonObject, ...]
    knowledge: JsonObject
    on_request: tuple[JsonObject, ...] = ()
    site: JsonObject = msgspec.field(default_factory=dict)
    requirements: tuple[JsonObject, ...] = ()
    not_measured: tuple[JsonObject, ...] = ()
    asked_numerics: str = ""
    numerics_note: str = ""
    idle: tuple[str, ...] = ()
    request: JsonObject = msgspec.field(default_factory=dict)

    @property
    def devices(self) -> int:
        """How many accelerators of a node the plan's program uses; 0 where it uses all that there are."""
        return max((int(flag.value) for flag in self.applied("flag") if flag.name == "devices"), default=0)

    def option(self, decision: str) -> str:
        """The option taken for `decision`; BadInput where the plan does not take that decision."""
        return self.decision(decision).option

    def decision(self, decision: str) -> DecisionTaken:
        """The decision of that name; BadInput, with the nearest, where the plan does not take it."""
        for taken in self.decisions:
            if taken.decision == decision:
                return taken
        raise BadInput(
            "plan",
            f"it takes no decision '{decision}'",
            given=decision,
            known=[taken.decision for taken in self.decisions],
        )

    def applied(self, how: How, manager: Manager | None = None) -> tuple[Application, ...]:
        """Every application of a kind (and of a package manager, if given), in the order of the decisions."""
        applications = itertools.chain.from_iterable(taken.apply for taken in self.decisions)
        return tuple(
            application
            for application in applications
            if application.how == how and manager in (None, application.manager)
        )

    def to_json(self) -> dict[str, Any]:
        """The plan as an object of dictionaries, lists, strings and numbers."""
        return typing.cast(dict[str, Any], as_json(self))

    @classmethod
    def from_json(cls, obj: object, where: str = "plan") -> Self:
        """Read a plan back.

        Args:
            obj: what `to_json` gave.
            where: the file, or another name for the place that `obj` comes from; it begins every message.

        Raises:
            BadInput: a key is missing or unknown, or a value is of the wrong kind (the message names the path
                to the key), or what is said of the question is no longer what the plan was made for.
        """
        from reasoner.answers.decoding import decoded  # who plans reads none

        plan = decoded(cls, obj, where)
        refuse_credentials(obj, where)
        if plan.request:
            _check_request(plan, where)
        return plan

    def asked(self, where: str = "plan") -> Request:
        """The question that the plan answers.

        Args:
            where: the file that the plan stands in, for errors.

        Raises:
            BadInput: the plan keeps none, so that what was wished for is not known.
        """
        if not self.request:
            problem = (
                "the plan does not keep what was asked for (an older version wrote it, or it is for MPI): "
                "its wishes are not known"
            )
            raise BadInput(
                f"{where}: request",
                problem,
                expected="a plan made anew by `ontune plan`, or -w, -t and the wishes in its place",
            )
        return Request.from_json(self.request, f"{where}: request")

    def situation(self, where: str = "plan") -> Request:
        """What every plan says of its question, whichever version wrote it: workload, target and site,
        without a wish.

        Raises:
            BadInput: one of them cannot be read.
        """
        target = dict(self.target)
        return Request(
            complete_workload("plan", self.workload, f"{where}: workload"),
            read_target(str(target.pop("name", "plan")), target, f"{where}: target"),
            complete_site(self.site, f"{where}: site") if self.site else None,
        )


def _check_request(plan: Plan, where: str) -> None:
    """Refuse a plan whose question was changed behind its back: its decisions answer another one."""
    asked = plan.request
    expected = (
        "the file as it was written; "
        "changes are asked for beside it: --plan FILE with --set, --pin, --forbid, ..."
    )
    Request.from_json(asked, f"{where}: request")
    said = {
        "workload": asked["workload"],
        "target": asked["target"],
        "site": asked["site"] or {},
        "objective": asked["objective"],
        "asked_numerics": asked["numerics"] or "",
    }
    for key, value in said.items():
        if getattr(plan, key) != value:
            raise BadInput(
                f"{where}: {key}",
                "is not what the plan's request says: the file was edited",
                expected=expected,
            )
    if not isinstance(plan.knowledge.get("sha256"), str):
        raise BadInput(
            f"{where}: knowledge: sha256", "missing or no text", expected="the hash of the knowledge base"
        )
    if (found := plan_id(asked, plan.knowledge)) != plan.plan_id:
        problem = f"is '{plan.plan_id:.40}', and that of its request is '{found}': the file was edited"
        raise BadInput(f"{where}: plan_id", problem, expected=expected)


def idle(plan: Plan) -> Iterator[str]:
    """What of a plan's target nothing uses, a sentence each."""
    there, used = len(plan.target.get("gpus") or ()), plan.devices
    if 0 < used < there:
        own = plan.workload.get("script") or plan.workload.get("command")
        why = (
            f"the plan takes {used} for your program (--ask gpus={there} asks for all)"
            if own
            else "nothing that this program does uses them"
        )
        yield f"{there - used} of {there} accelerators idle: {why}"


def as_json(value: Any) -> Any:
    """A plan, or a part of one, as dictionaries, lists, texts and numbers."""
    if value is None or isinstance(value, str | int | float):  # most of what there is
        return value
    if isinstance(value, Value):
        return {name: as_json(getattr(value, name)) for name in value.__struct_fields__}
    if isinstance(value, Mapping):
        return {key: as_json(item) for key, item in value.items()}
    if isinstance(value, tuple | list | Later):
        return [as_json(item) for item in value]
    return value
