"""Requests: the question that a plan answers, as people ask it and as a plan carries it.

`reasoner.model.resolve` checks the names in one and makes facts of it for the rules.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Self

from kb.errors import BadInput
from kb.records.fact_keys import stated
from kb.records.request_fields import WISHES, RequestField
from kb.records.site import Site, complete_site
from kb.records.target import Target, read_target
from kb.records.workload import Workload, complete_workload
from kb.values import Described, replace

FRAMEWORK = "framework"
"""The decision that has a wish of its own, and that a workload, too, may have a wish for."""

_DESCRIBED = ("workload", "target", "site")


class Request(Described, frozen=True, eq=False):
    """One question.

    Attributes:
        workload, target: what is trained, and where.
        site: the place whose conditions hold, or None.
        framework: the option of the decision `framework` that is wished for; None takes that of the workload,
            if it has one.
        pins: decision to option, both as people type them; once understood, the framework that is taken is
            one of them.
        forbid: options that must not be taken.
        objective: a criterion.
        numerics: a numerics class; None lets the evidence decide.
        allow: unsupported or lossy options that are accepted.
        numbers: what is asked for, or considered, as a number, by decision; pins bring theirs along.
        top: how many alternatives the plan lists.
        places: what the asker calls a wish, for errors, such as `--pin` for `pins`; a wish that is not there
            is called by its own name.
        understood: whether every name is already as the knowledge base has it.
        typed: the flag and the text by which a wish was typed, by the wish as the knowledge base names it
            (`forbid=xla`, `precision=bf16`).
        of_plan: which wishes stand in a plan that the question starts from, by the same names.
    """

    workload: Workload
    target: Target
    site: Site | None = None
    framework: str | None = None
    pins: Mapping[str, str] = {}
    forbid: tuple[str, ...] = ()
    objective: str = "throughput"
    numerics: str | None = None
    allow: tuple[str, ...] = ()
    numbers: Mapping[str, int] = {}
    top: int = 5
    places: Mapping[str, str] = {}
    understood: bool = False
    typed: Mapping[str, tuple[str, str]] = {}
    of_plan: frozenset[str] = frozenset()

    beside: ClassVar[tuple[str, ...]] = ("places", "understood", "typed", "of_plan")

    def place(self, wish: str) -> str:
        """What the asker calls a wish."""
        return self.places.get(wish, wish)

    def wishes(self) -> frozenset[str]:
        """What is wished for, as the answers name it: `precision=bf16`, `framework=pytorch`,
        `forbid=compiler=xla`, `numerics=exact`.
        """
        pins = {**self.pins, **({FRAMEWORK: self.framework} if self.framework else {})}
        numerics = [f"numerics={self.numerics}"] if self.numerics else []
        forbidden = (f"forbid={option}" for option in self.forbid)
        return frozenset(
            [*(f"{decision}={option}" for decision, option in pins.items()), *forbidden, *numerics]
        )

    def identity(self, knowledge: str) -> str:
        """The identifier of the plan that answers the question from the knowledge base with this hash."""
        return plan_id(self.to_json(), {"sha256": knowledge})

    def to_json(self) -> dict[str, Any]:
        """The whole question, as a plan carries it; `from_json` reads it back.

        The framework that the workload asks for stands there alone, and one that is pinned under `framework`,
        however it was typed.
        """
        return {
            "workload": self.workload.to_json(),
            "target": self.target.named_facts(),
            "site": self.site.to_json() if self.site else None,
            FRAMEWORK: self.framework,
            "pins": {
                decision: option
                for decision, option in self.pins.items()
                if not (self.understood and decision == FRAMEWORK)
            },
            "forbid": [*self.forbid],
            "objective": self.objective,
            "numerics": self.numerics,
            "allow": [*self.allow],
            "numbers": dict(self.numbers),
            "top": self.top,
        }

    @classmethod
    def from_json(cls, obj: object, where: str = "request") -> Self:
        """Read a question back. Names in it are looked up when it is asked.

        Args:
            obj: what `to_json` gave.
            where: the file and the key that it comes from, which begin every message.

        Raises:
            BadInput: a key is missing or unknown, or a value is of the wrong kind; the message names the path
                to the key.
        """
        given = _object(obj, where)
        known = [*_DESCRIBED, *_WISHES]
        for key in given:
            if key not in known:
                raise BadInput(f"{where}: {key}", "unknown key", given=str(key), known=known)
        for key in known:
            if key not in given:
                raise BadInput(f"{where}: {key}", "missing key")
        workload, target = (_named(given[key], f"{where}: {key}") for key in ("workload", "target"))
        site = given["site"]
        made = cls(
            complete_workload(*workload, f"{where}: workload"),
            read_target(*target, f"{where}: target"),
            complete_site(_object(site, f"{where}: site"), f"{where}: site") if site is not None else None,
            **{key: check(given[key], f"{where}: {key}") for key, check in _WISHES.items()},
            places={key: f"{where}: {key}" for key in _WISHES},
        )
        return replace(made, of_plan=made.wishes())


def plan_id(request: Mapping[str, Any], knowledge: Mapping[str, Any]) -> str:
    """The identifier of a plan, from `plan.request` and `plan.knowledge` alone: the hash of what is asked and
    of what is known.

    The names of workload and target do not count, nor how many alternatives are listed: another value of
    these asks the same question.

    Args:
        request: as `Request.to_json` gives it; numbers may have been rewritten by other programs (`16` for
            `16.0`).
        knowledge: its `sha256` counts.
    """
    asked = {key: value for key, value in request.items() if key != "top"}
    asked["workload"] = _unnamed(request["workload"])
    machine = _unnamed(request["target"])
    asked["target"] = stated(machine) | {"overrides": machine.get("overrides", {})}
    content = _canonical(asked | {"knowledge": knowledge["sha256"]})
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def _numbers(value: Any, where: str) -> dict[str, int]:
    if not (
        isinstance(value, Mapping)
        and all(isinstance(name, str) and type(number) is int for name, number in value.items())
    ):
        raise BadInput(
            where, "is no object of whole numbers", expected="decisions with the numbers that are asked for"
        )
    return dict(value)


def _checked(wish: RequestField, value: Any, where: str) -> Any:
    return (
        None if value is None and wish.kind == "text" and wish.default is None else wish.checked(value, where)
    )


_WISHES: dict[str, Callable[[Any, str], Any]] = {
    wish.name: functools.partial(_checked, wish) for wish in WISHES if wish.name not in _DESCRIBED
} | {"numbers": _numbers}
"""How each wish is checked."""


def _object(value: object, where: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise BadInput(where, "is no object", expected="an object")
    return value


def _named(value: object, where: str) -> tuple[str, dict[str, Any]]:
    """The name in a description, and its facts."""
    described = _object(value, where)
    name = described.get("name")
    if not isinstance(name, str) or not name:
        raise BadInput(f"{where}: name", "missing or no text", expected="a text")
    return name, _unnamed(described)


def _unnamed(facts: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in facts.items() if key != "name"}


def _canonical(value: Any) -> Any:
    """A value with whole numbers written as such, for programs that rewrite JSON know no other."""
    if isinstance(value, Mapping):
        return {key: _canonical(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_canonical(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
