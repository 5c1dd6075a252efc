"""The arguments that `plan`, `explain`, `why-not`, `what-if` and `recipe` share, and the request that they make."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer

from kb.errors import BadInput
from kb.request_fields import FIELDS, MOST
from ontune.cli.output import say_state_of

if TYPE_CHECKING:
    from kb.site import Site
    from kb.target import Target
    from kb.workload import Workload
    from reasoner.plan import Plan
    from reasoner.reasoner import Reasoner


def _workloads() -> Iterator[str]:
    from kb.workload import workload_names

    yield from workload_names()


def _targets() -> Iterator[str]:
    from kb.target import LOCAL, target_names

    yield from (LOCAL, *target_names())


def _sites() -> Iterator[str]:
    from kb.site import site_names

    yield from site_names()


def _completed(names: Callable[[], Iterator[str]]) -> Callable[[str], list[str]]:
    """Shell completion by the names that the knowledge base knows; it is silent where that cannot be read."""

    def complete(incomplete: str) -> list[str]:
        return [name for name in names() if name.startswith(incomplete)]

    return complete


_FLAGS = {entry.name: entry.flag for entry in FIELDS.values()}
"""What each field of a request is called where it is typed."""


def typed_field(name: str, *letters: str, **more: Any) -> Any:
    """A field of the table of requests as an option of Typer, or as an argument where it has no flag."""
    entry = FIELDS[name]
    if not entry.flag.startswith("-"):
        return typer.Argument(metavar=f"{entry.flag}..." if entry.repeated else entry.flag, help=entry.help, **more)
    return typer.Option(entry.flag, *letters, metavar=entry.metavar or None, help=entry.help, **more)


@dataclass(frozen=True)
class RequestArguments:
    """A planning request as it is typed. The fields are the options of the command line, in their order."""

    workload: Annotated[str | None, typed_field("workload", "-w", autocompletion=_completed(_workloads))] = None
    target: Annotated[str, typed_field("target", "-t", autocompletion=_completed(_targets))] = "local"
    set_: Annotated[list[str] | None, typed_field("set")] = None
    site: Annotated[str | None, typed_field("site", autocompletion=_completed(_sites))] = None
    framework: Annotated[str | None, typed_field("framework")] = None
    pin: Annotated[list[str] | None, typed_field("pins")] = None
    forbid: Annotated[list[str] | None, typed_field("forbid")] = None
    objective: Annotated[str, typed_field("objective")] = "throughput"
    numerics: Annotated[str | None, typed_field("numerics")] = None
    allow: Annotated[list[str] | None, typed_field("allow")] = None
    top: Annotated[int, typed_field("top", min=0, max=MOST)] = 5
    endpoint: Annotated[str | None, typer.Option(metavar="URL", help="Read the knowledge base from a SPARQL 1.1 endpoint.")] = None
    plan_file: Annotated[
        Path | None,
        typer.Option("--plan", metavar="FILE", help="Take workload, target, wishes from a plan.json; --site FILE.ttl brings its site's own options."),
    ] = None

    def reasoner(self) -> Reasoner:
        """The reasoner over the knowledge base that is asked for.

        Raises:
            BadInput: the endpoint does not answer, or the knowledge base is broken.
        """
        from reasoner.reasoner import Reasoner

        if self.endpoint is None:
            reasoner = Reasoner() if self.site is None else _with_site(self.site)
            if reasoner.snapshot is not None:
                say_state_of(reasoner.snapshot)
            return reasoner
        from kb.remote import read_remote

        return Reasoner(store=read_remote(self.endpoint))

    def question(self, reasoner: Reasoner) -> tuple[Workload, Target, dict[str, Any]]:
        """Workload, target and further wishes, as `Reasoner.plan` takes them.

        Raises:
            BadInput: a file or a name is unknown or malformed.
        """
        if self.plan_file is not None:
            workload, target, wishes = question_of(self._given_plan(self.plan_file), str(self.plan_file))
            self._check_site_of_plan(wishes.get("site"), reasoner)
            return workload, target, wishes
        if self.workload is None:
            raise BadInput("--workload", "nothing is said of what is trained", expected="-w NAME or FILE; `ontune query workloads` lists names")
        from kb.workload import load_workload

        return load_workload(self.workload, reasoner.store, "--workload"), self.asked_target(reasoner), self.wishes(reasoner)

    def wishes(self, reasoner: Reasoner) -> dict[str, Any]:
        """What is asked of the plan beside workload and target, as `Reasoner.plan` takes it.

        Raises:
            BadInput: the site is unknown or malformed.
        """
        from kb.site import load_site

        return {
            "site": load_site(self.site, reasoner.store, "--site") if self.site is not None else None,
            "framework": self.framework,
            "pins": pairs(self.pin or (), "--pin", "DECISION=OPTION"),
            "forbid": tuple(self.forbid or ()),
            "objective": self.objective,
            "numerics": self.numerics,
            "allow": tuple(self.allow or ()),
            "top": self.top,
            "places": _FLAGS,
        }

    def asked_target(self, reasoner: Reasoner) -> Target:
        """The target with the facts that `--set` replaces. Raises BadInput where it is unknown or malformed."""
        from kb.target import load_target

        target = load_target(self.target, reasoner.store, "--target")
        return target.set_by_hand(pairs(self.set_ or (), "--set", "KEY=VALUE"), reasoner.store.names, "--set")

    def _given_plan(self, path: Path) -> Plan:
        given = [entry.name.rstrip("_") for entry in fields(self) if getattr(self, entry.name) != entry.default]
        if others := [name for name in given if name not in ("plan_file", "endpoint", "site")]:
            raise BadInput("--plan", f"cannot be combined with --{others[0]}", expected="either a plan file, or the arguments of `ontune plan`")
        return read_plan(path)

    def _check_site_of_plan(self, planned: Site | None, reasoner: Reasoner) -> None:
        """Beside a plan, the site only brings the knowledge that the plan was made with."""
        from kb.site import load_site

        if self.site is not None and (planned is None or load_site(self.site, reasoner.store, "--site").name != planned.name):
            made_for = f"for the site {planned.name}" if planned else "without a site"
            raise BadInput("--site", f"the plan was made {made_for}", expected="the site of the plan, or none")


def _with_site(site: str) -> Reasoner:
    """The reasoner over the knowledge base and what else a site's file in Turtle brings: its images, modules, rules."""
    from kb import paths, user_files
    from reasoner.reasoner import Reasoner

    if not (user_files.looks_like_file(site) and site.endswith(".ttl")):
        return Reasoner()
    from kb.site import load_site

    load_site(site)  # says what is wrong with it, before anything is compiled
    reasoner = Reasoner([*paths.additions(), Path(site)])
    for said in reasoner.refused:
        file, _, problem = said.partition(": ")
        if file == str(Path(site)):
            raise BadInput(site, problem)
    return reasoner


def read_plan(path: Path) -> Plan:
    """The plan that a `plan.json` holds.

    Raises:
        BadInput: the file is missing, malformed or no plan.
    """
    from kb.user_files import read_object
    from reasoner.plan import Plan

    return Plan.from_json(read_object(path), str(path))


def question_of(plan: Plan, where: str = "plan") -> tuple[Workload, Target, dict[str, Any]]:
    """The question that a plan answers: what was wished for stands in the reasons of its decisions.

    Args:
        plan: the plan.
        where: the file that it stands in, for errors.
    """
    from kb.target import complete_target
    from kb.workload import complete_workload

    wished = {taken.decision: taken.option for taken in plan.decisions if any(reason.kind == "request" for reason in taken.reasons)}
    places = {"pins": f"{where}: decisions", "objective": f"{where}: objective", "numerics": f"{where}: asked_numerics"}
    wishes: dict[str, Any] = {"pins": wished, "objective": plan.objective, "numerics": plan.asked_numerics or None, "places": places}
    if plan.site:
        from kb.site import complete_site

        wishes["site"] = complete_site(plan.site, f"{where}: site")
    facts = dict(plan.target)
    target = complete_target(str(facts.pop("name", "plan")), facts, f"{where}: target")
    return complete_workload("plan", plan.workload, f"{where}: workload"), target, wishes


def pairs(texts: tuple[str, ...] | list[str], where: str, form: str) -> dict[str, str]:
    """`key=value` texts as a dictionary.

    Raises:
        BadInput: one of them has no key or no value, or two of them say different things of one key.
    """
    found: dict[str, str] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not (key and equals and value):
            raise BadInput(where, f"'{text}' is no pair", expected=form)
        if found.setdefault(key, value) != value:
            raise BadInput(where, f"'{key}' is given more than once", expected=f"{key}={found[key]} or {text}")
    return found


def takes_request(command: Callable[..., None]) -> Callable[..., None]:
    """Let a command take `RequestArguments` as its first parameter: Typer then sees each field as an option of its own."""
    own = inspect.signature(command, eval_str=True).parameters
    hints = get_type_hints(RequestArguments, include_extras=True)
    shared = [
        inspect.Parameter(entry.name, inspect.Parameter.KEYWORD_ONLY, default=entry.default, annotation=hints[entry.name])
        for entry in fields(RequestArguments)
    ]
    rest = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in list(own.values())[1:]]

    @functools.wraps(command)
    def with_options(**given: Any) -> None:
        arguments = RequestArguments(**{entry.name: given.pop(entry.name) for entry in fields(RequestArguments)})
        command(arguments, **given)

    with_options.__signature__ = inspect.Signature([*rest, *shared])  # type: ignore[attr-defined]
    with_options.__annotations__ = {parameter.name: parameter.annotation for parameter in (*rest, *shared)}
    del with_options.__wrapped__
    return with_options
