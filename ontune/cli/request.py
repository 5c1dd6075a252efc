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


_FLAGS = {
    "site": "--site", "framework": "--framework", "pins": "--pin", "forbid": "--forbid", "objective": "--objective", "numerics": "--numerics",
    "allow": "--allow",
}  # fmt: skip
"""What each wish of a request is called where it is typed."""


@dataclass(frozen=True)
class RequestArguments:
    """A planning request as it is typed. The fields are the options of the command line, in their order."""

    workload: Annotated[
        str | None, typer.Option("--workload", "-w", autocompletion=_completed(_workloads), help="What is trained: a shipped name or a file.")
    ] = None
    target: Annotated[
        str, typer.Option("--target", "-t", autocompletion=_completed(_targets), help="Where: `local`, a shipped name or a file of `ontune probe`.")
    ] = "local"
    set_: Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Set a fact of the target by hand. May be repeated.")] = None
    site: Annotated[
        str | None, typer.Option(autocompletion=_completed(_sites), help="The site whose conditions hold: a shipped name or a file.")
    ] = None
    framework: Annotated[str | None, typer.Option(help="Take this framework; without it the planner chooses.")] = None
    pin: Annotated[list[str] | None, typer.Option(metavar="DECISION=OPTION", help="Take this option. May be repeated.")] = None
    forbid: Annotated[list[str] | None, typer.Option(metavar="OPTION", help="Never take this option. May be repeated.")] = None
    objective: Annotated[str, typer.Option(help="What is maximised.")] = "throughput"
    numerics: Annotated[
        str | None,
        typer.Option(metavar="CLASS", help="What may happen to the numbers: bitwise, exact, mixed or lossy; without it the evidence decides."),
    ] = None
    allow: Annotated[list[str] | None, typer.Option(metavar="OPTION", help="Accept this unsupported or lossy option. May be repeated.")] = None
    top: Annotated[int, typer.Option(min=0, help="How many alternatives to list.")] = 5
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
        if self.set_:
            target = target.with_overrides(pairs(self.set_, "--set", "KEY=VALUE")).checked("--set")
        return target.named(reasoner.store.names).with_products()

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
