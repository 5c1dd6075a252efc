"""The lock for a plan: which packages its image would get now, asked of the user's own archives and indexes."""

from __future__ import annotations

import platform
import re
from dataclasses import replace

from generators.bundle import requirements_of
from generators.lock import Lock, request_of
from generators.recipe import Recipe
from kb.errors import RunFailed
from reasoner.plan import Plan

from . import debian, registry
from .progress import Tell
from .wheels import Interpreter, resolve


def lock_for(plan: Plan, kept: Lock | None, tell: Tell) -> Lock:
    """Exact versions and hashes of what a plan's image gets. Nothing is installed; wheels may be downloaded to be hashed.

    Args:
        plan: what is asked for.
        kept: a lock that stays as it is while the plan asks for the same as when it was made.
        tell: gets what cannot be locked, and why.

    Raises:
        BadInput: the plan holds a text that no bundle can carry.
        RunFailed: apt or pip does not find something.
    """
    recipe = Recipe.from_plan(plan)
    requirements = requirements_of(recipe)
    lock = Lock((), request=request_of(recipe, requirements))
    if kept and kept.request == lock.request:
        return kept
    if recipe.build_arguments:  # the base is made here
        suite = recipe.header("Suite")
        vendor, system = debian.resolve(suite, [f"{entry.name}={entry.value}" if entry.value else entry.name for entry in recipe.packages_to_install])
        lock = replace(lock, system=system, vendor=vendor, suite=suite)
        interpreter = _interpreter(lock)
    else:
        lock = replace(lock, image=_image(recipe, tell))
        interpreter = Interpreter(recipe.python, "", platform.machine())
    return replace(lock, python=resolve(requirements, interpreter, [index.value for index in recipe.indexes]))


def _image(recipe: Recipe, tell: Tell) -> str:
    """The base of a registry by its digest; empty where that cannot be told."""
    if recipe.system_packages:
        names = ", ".join(entry.name for entry in recipe.system_packages)
        tell(f"not locked: the versions of what is added to an image ({names})")
    if not recipe.base or recipe.base.startswith("/"):
        tell(f"not locked: the site's own image {recipe.base}" if recipe.base else "not locked: the site's own modules")
        return ""
    try:
        return registry.pinned(recipe.base)
    except RunFailed as error:
        tell(f"not locked: the base. {error}")
        return ""


def _interpreter(lock: Lock) -> Interpreter:
    """The Python of a base that is made of a lock's packages."""
    versions = {one.name: re.sub(r"^\d+:|[^\d.].*$", "", one.version) for one in lock.system}
    python, glibc = (".".join(versions[name].split(".")[:2]) for name in ("python3", "libc6"))
    return Interpreter(python, glibc, platform.machine())
