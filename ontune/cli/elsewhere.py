"""A plan from elsewhere names files of this machine: nothing of them is taken before this user agrees."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import typer

from kb.errors import BadInput
from kb.store.local_files import LocalFile, named_by, of, remember, unnamed
from ontune.cli.output import say

if TYPE_CHECKING:
    from generators.bundle import Bundle
    from reasoner.answers.plan import Plan

_FLAG = "--accept-files"


def accept_option() -> Any:
    """The Typer option by which a user agrees beforehand."""
    return typer.Option(_FLAG, help="Take the files of this machine that a plan from elsewhere names.")


def agree_to_bundle(plan: Plan, where: str, accepted: bool, typed: Iterable[LocalFile] = ()) -> None:
    """Have the user agree to all that a bundle of the plan takes from here.

    Args:
        plan, where: the plan, and the file that it came from.
        accepted: whether the user has agreed by the flag.
        typed: what the user has named by other arguments of the command.

    Raises:
        BadInput: the user does not agree, or cannot be asked.
    """
    named = {file.path for file in typed}
    _agree([file for file in of(plan.workload, plan.site) if file.path not in named], where, accepted)


def agree_to_build(bundle: Bundle, accepted: bool) -> None:
    """As `agree_to_bundle`, to build and run a bundle: what its workload names lies in it already."""
    _agree(named_by("site", bundle.plan.site), str(bundle.folder / "plan.json"), accepted)


def _agree(files: Iterable[LocalFile], where: str, accepted: bool) -> None:
    new = unnamed(files)
    if not new:
        return
    if not accepted:
        problem = f"the plan was not made here, and names files of this machine: {', '.join(map(str, new))}"
        if not (sys.stdin.isatty() and sys.stderr.isatty()):
            raise BadInput(where, problem, expected=f"{_FLAG}, which lets them be taken")
        say(f"{where}: {problem}")
        if not typer.confirm("Take them?", err=True):
            raise BadInput(where, "the files that it names are not taken", expected=f"your yes, or {_FLAG}")
    remember(new)
