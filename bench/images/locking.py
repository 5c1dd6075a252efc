"""The lock for a plan: which packages its image would get now, as the user's archives and indexes say."""

from __future__ import annotations

import platform
import re
from collections.abc import Iterable

from bench.images import debian, registry
from bench.images.wheels import Interpreter, resolve
from bench.progress import Tell
from generators.bundle import requirements_of
from generators.provenance.lock import Lock, request_of
from generators.recipe.entries import Entry
from generators.recipe.recipe import Recipe
from kb.errors import BadInput, RunFailed
from kb.values import replace
from reasoner.answers.plan import Plan


def lock_for(plan: Plan, kept: Lock | None, tell: Tell) -> Lock:
    """Exact versions and hashes of what a plan's image gets. Nothing is installed; wheels may be downloaded
    to be hashed.

    Args:
        plan: what is asked for.
        kept: a lock that stays as it is while the plan asks for the same as when it was made.
        tell: gets what cannot be locked, and why.

    Raises:
        BadInput: the plan holds a text that no bundle can carry, or packages are added to an image whose
            release nothing tells.
        RunFailed: apt or pip does not find something, or no archive that apt reaches has the release of the
            base.
    """
    recipe = Recipe.from_plan(plan)
    requirements = requirements_of(recipe)
    request = request_of(recipe, requirements)
    # A lock of before may lack what is added to an image.
    whole = kept and (kept.system or kept.added or not (recipe.of_registry and recipe.packages_to_install))
    if kept and whole and kept.request == request:
        return kept
    lock = replace(
        _system(recipe), request=request, image="" if recipe.build_arguments else _image(recipe, tell)
    )
    if recipe.compiles:
        names = [entry.pinned for entry in recipe.compiled_packages]
        names += [written for written, _ in recipe.program.compiled]
        tell(f"not locked: what is compiled in the image ({', '.join(names)}) and what that requires")
    interpreter = interpreter_of(lock, recipe.python)
    return replace(lock, python=resolve(requirements, interpreter, [index.value for index in recipe.indexes]))


def interpreter_of(lock: Lock, python: str) -> Interpreter:
    """The Python of a base, by the packages of a lock; `python` is its version where the base is an image."""
    versions = {one.name: re.sub(r"^\d+:|[^\d.].*$", "", one.version) for one in (*lock.system, *lock.added)}
    if lock.system:
        python = _minor(versions["python3"])
    # An image of a release has its C library, whatever has been updated in it.
    return Interpreter(python, _minor(versions.get("libc6", "")), platform.machine())


def _system(recipe: Recipe) -> Lock:
    """The Debian packages of a base that is made here, or those that are added to an image of a registry."""
    made, suite = bool(recipe.build_arguments), recipe.header("Suite")
    names, more = _words_for_apt(recipe.system_packages), _words_for_apt(recipe.build_packages)
    if not made and not (recipe.of_registry and recipe.packages_to_install):
        return Lock(())
    if not suite:
        added = ", ".join(one.name for one in recipe.packages_to_install)
        problem = (
            f"nothing tells of which release {recipe.base} is,"
            f" so what is added to it ({added}) cannot be locked"
        )
        raise BadInput(
            "plan: base_image: Suite",
            problem,
            expected="a base whose release the knowledge base has, or a plan without --locked",
        )
    return debian.resolve(suite, names, more, made=made)


def _words_for_apt(packages: Iterable[Entry]) -> list[str]:
    """The packages as apt takes them: by name, with a version where one is wanted."""
    return [f"{one.name}={one.value}" if one.value else one.name for one in packages]


def _image(recipe: Recipe, tell: Tell) -> str:
    """The base of a registry by its digest; empty where that cannot be told."""
    if not recipe.of_registry and recipe.system_packages:
        names = ", ".join(entry.name for entry in recipe.system_packages)
        tell(f"not locked: the versions of what is added to an image ({names})")
    if not recipe.base or recipe.base.startswith("/"):
        tell(
            f"not locked: the site's own image {recipe.base}"
            if recipe.base
            else "not locked: the site's own modules"
        )
        return ""
    try:
        return registry.pinned(recipe.base)
    except RunFailed as error:
        tell(f"not locked: the base. {error}")
        return ""


def _minor(version: str) -> str:
    return ".".join(version.split(".")[:2])
