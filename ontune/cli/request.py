"""The arguments shared by `plan`, `explain`, `why-not`, `what-if` and `recipe`, and the request they make."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer

from kb.errors import BadInput
from kb.records.request_fields import FIELDS, MOST
from kb.values import Value
from ontune.cli.output import say, say_state_of

if TYPE_CHECKING:
    from kb.records.request import Request
    from kb.records.target import Target
    from kb.store.local_files import LocalFile
    from reasoner.answers.plan import Plan
    from reasoner.reasoner import Reasoner


def _workloads() -> Iterator[str]:
    from kb.records.workload import workload_names

    yield from workload_names()


def _targets() -> Iterator[str]:
    from kb.records.target import LOCAL
    from kb.records.targets import target_names

    yield from (LOCAL, *target_names())


def _sites() -> Iterator[str]:
    from kb.records.site import site_names

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
        return typer.Argument(
            metavar=f"{entry.flag}..." if entry.repeated else entry.flag, help=entry.help, **more
        )
    if entry.default is not None:  # it holds where there is no plan that says otherwise
        more["show_default"] = str(entry.default)
    return typer.Option(entry.flag, *letters, metavar=entry.metavar or None, help=entry.help, **more)


class RequestArguments(Value, frozen=True):
    """A planning request as it is typed. The fields are the options of the command line, in their order."""

    workload: Annotated[str | None, typed_field("workload", "-w", autocompletion=_completed(_workloads))] = (
        None
    )
    target: Annotated[str | None, typed_field("target", "-t", autocompletion=_completed(_targets))] = None
    set_: Annotated[list[str] | None, typed_field("set")] = None
    site: Annotated[str | None, typed_field("site", autocompletion=_completed(_sites))] = None
    framework: Annotated[str | None, typed_field("framework")] = None
    pin: Annotated[list[str] | None, typed_field("pins")] = None
    forbid: Annotated[list[str] | None, typed_field("forbid")] = None
    objective: Annotated[str | None, typed_field("objective")] = None
    numerics: Annotated[str | None, typed_field("numerics")] = None
    allow: Annotated[list[str] | None, typed_field("allow")] = None
    top: Annotated[int | None, typed_field("top", min=0, max=MOST)] = None
    endpoint: Annotated[
        str | None, typer.Option(metavar="URL", help="Read the knowledge base from a SPARQL 1.1 endpoint.")
    ] = None
    plan: Annotated[Path | None, typed_field("plan")] = None
    drop: Annotated[list[str] | None, typed_field("drop")] = None

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
        from kb.store.remote import read_remote

        return Reasoner(store=read_remote(self.endpoint))

    def question(self, reasoner: Reasoner) -> Request:
        """What is asked, as the methods of a reasoner take it.

        Raises:
            BadInput: a file or a name is unknown or malformed.
        """
        from kb.records.workload import load_workload

        workload = (
            load_workload(self.workload, reasoner.store, "--workload") if self.workload is not None else None
        )
        plan = self.given_plan()
        if plan is None:
            if workload is None:
                raise BadInput(
                    "--workload",
                    "nothing is said of what is trained",
                    expected="-w NAME or FILE; `ontune query workloads` lists names",
                )
            return reasoner.request(workload, self.asked_target(reasoner), **self.wishes(reasoner))
        asked = plan.asked(str(self.plan))
        if plan.knowledge.get("sha256") != reasoner.knowledge["sha256"]:
            say(
                f"note: {self.plan} was made with other knowledge than what answers here;"
                " its request is answered anew"
            )
        if not self.adds_to_plan:
            return asked
        target = self.asked_target(reasoner, asked.target) if self.target is not None or self.set_ else None
        return reasoner.request(asked, target, workload=workload, **self.wishes(reasoner))

    @property
    def typed(self) -> list[str]:
        """The flags of what is asked beside the plan of `--plan`."""
        given = (name for name in self.__struct_fields__ if getattr(self, name) is not None)
        return [f"--{name.rstrip('_')}" for name in given if name != "plan"]

    @property
    def adds_to_plan(self) -> bool:
        """Whether anything is asked beside the plan of `--plan`, so that it is to be made anew."""
        return bool(self.typed)

    def given_plan(self) -> Plan | None:
        """The plan of `--plan`, if one is named. Raises BadInput where it cannot be read."""
        return read_plan(self.plan) if self.plan is not None else None

    def named_files(self, plan: Plan) -> list[LocalFile]:
        """The files of this machine that the plan takes because of what is typed: all, but for what the plan
        of `--plan` names.
        """
        from kb.store.local_files import named_by, of

        if self.plan is None:
            return of(plan.workload, plan.site)
        typed = {"workload": self.workload and plan.workload, "site": self.site and plan.site}
        found: list[LocalFile] = []
        for what, facts in typed.items():
            found += named_by(what, facts or {})
        return found

    def wishes(self, reasoner: Reasoner) -> dict[str, Any]:
        """What is asked of the plan beside workload and target, as `Reasoner.plan` takes it; what is not
        typed is not there.

        Raises:
            BadInput: the site is unknown or malformed, or there is no plan to leave something out of.
        """
        from kb.records.site import load_site

        if self.drop and self.plan is None:
            raise BadInput("--drop", "there is no plan to leave it out of", expected="--plan FILE beside it")
        typed = {
            "site": load_site(self.site, reasoner.store, "--site") if self.site is not None else None,
            "framework": self.framework,
            "pins": pairs(self.pin, "--pin", "DECISION=OPTION") if self.pin else None,
            "forbid": tuple(self.forbid) if self.forbid else None,
            "objective": self.objective,
            "numerics": self.numerics,
            "allow": tuple(self.allow) if self.allow else None,
            "top": self.top,
            "drop": tuple(self.drop) if self.drop else None,
        }
        return {key: value for key, value in typed.items() if value is not None} | {"places": _FLAGS}

    def asked_target(self, reasoner: Reasoner, planned: Target | None = None) -> Target:
        """The target with the facts that `--set` replaces.

        Args:
            planned: the target of a plan, which counts where none is typed.

        Raises:
            BadInput: it is unknown or malformed.
        """
        from kb.records.target import LOCAL
        from kb.records.targets import load_target

        target = (
            load_target(self.target or LOCAL, reasoner.store, "--target")
            if self.target is not None or planned is None
            else planned
        )
        return target.set_by_hand(pairs(self.set_ or (), "--set", "KEY=VALUE"), reasoner.store.names, "--set")


def _with_site(site: str) -> Reasoner:
    """The reasoner over the knowledge base and what a site's file in Turtle adds: images, modules, rules."""
    from kb.store import paths, user_files
    from reasoner.reasoner import Reasoner

    if not (user_files.looks_like_file(site) and site.endswith(".ttl")):
        return Reasoner()
    from kb.records.site import load_site

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
    from kb.store.user_files import read_object
    from reasoner.answers.plan import Plan

    return Plan.from_json(read_object(path), str(path))


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
            raise BadInput(
                where, f"'{key}' is given more than once", expected=f"{key}={found[key]} or {text}"
            )
    return found


def takes_request(command: Callable[..., None]) -> Callable[..., None]:
    """Let a command take `RequestArguments` as its first parameter: Typer then sees each field as an option
    of its own.
    """
    own = inspect.signature(command, eval_str=True).parameters
    hints = get_type_hints(RequestArguments, include_extras=True)
    shared = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=hints[name])
        for name in RequestArguments.__struct_fields__
    ]
    rest = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in list(own.values())[1:]]

    @functools.wraps(command)
    def with_options(**given: Any) -> None:
        arguments = RequestArguments(**{name: given.pop(name) for name in RequestArguments.__struct_fields__})
        command(arguments, **given)

    with_options.__signature__ = inspect.Signature([*rest, *shared])  # type: ignore[attr-defined]
    with_options.__annotations__ = {parameter.name: parameter.annotation for parameter in (*rest, *shared)}
    del with_options.__wrapped__
    return with_options
