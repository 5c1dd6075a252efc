"""What of a plan an output cannot apply: said in its file and when it is written, never dropped."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from generators.recipe.entries import Entry
from generators.recipe.recipe import RUNTIMES, Recipe

_JOBS_LAUNCH = ("srun", "mpirun")


def unapplied(recipe: Recipe, output: str) -> tuple[str, ...]:
    """One line for each entry of the recipe that an output leaves to somebody else: what it is, which options
    ask for it, and whose it is.

    Args:
        recipe: what the plan asks for.
        output: `apptainer`, `dockerfile` or `install`.
    """
    return tuple(f"{_shown(entry)} ({entry.because}): {why}" for entry, why in _OUTPUTS[output](recipe))


def _apptainer(recipe: Recipe) -> Iterator[tuple[Entry, str]]:
    why = {
        "base": "only whoever builds knows where it lies: --build-arg base=... names it",
        "mirror": (
            "the base is made from the packages of its release: --build-arg mirror=... names their archive"
        ),
    }
    yield from _release_of_an_image(recipe)
    for argument in recipe.build_arguments:
        told = ("From", "Suite") if argument == "base" else ("From",)
        yield from ((header, why[argument]) for header in recipe.headers if header.name in told)
    yield from (
        (flag, "the image cannot hold it; jobs give it when they run the image") for flag in recipe.flags
    )
    yield from _around_the_training(recipe)


def _dockerfile(recipe: Recipe) -> Iterator[tuple[Entry, str]]:
    for header in recipe.headers:
        if header.name == "Bootstrap" and header.value != "docker":
            yield header, "a Dockerfile begins from images of a registry alone"
        elif header.name == "From" and recipe.header("Bootstrap") != "docker" and not recipe.build_arguments:
            yield (
                header,
                "it is no image that a Dockerfile can begin from; name one with the same content in BASE",
            )
    yield from _release_of_an_image(recipe)
    yield from (
        (one, "run.sh sets it, for it depends on what a run finds")
        for one in recipe.environment
        if one.at_run_time
    )
    yield from (
        (package, "it stays in the image: this file has one stage") for package in recipe.build_packages
    )
    of_apptainer = "it is a flag of Apptainer; give the one of your runtime when you run the image"
    why = of_apptainer if recipe.runtime == RUNTIMES[0] else "jobs give it when they run the image"
    yield from ((flag, why) for flag in recipe.flags)
    yield from _around_the_training(recipe)


def _install(recipe: Recipe) -> Iterator[tuple[Entry, str]]:
    yield from ((header, "this machine's own system is used") for header in recipe.headers)
    yield from ((flag, "there is no container") for flag in recipe.flags)
    yield from _around_the_training(recipe)


def _release_of_an_image(recipe: Recipe) -> Iterator[tuple[Entry, str]]:
    if recipe.of_registry and not recipe.packages_to_add:
        yield from (
            (header, "the base is of it; a lock takes from its archive what is added")
            for header in recipe.headers
            if header.name == "Suite"
        )


def _around_the_training(recipe: Recipe) -> Iterator[tuple[Entry, str]]:
    yield from ((step, "job scripts do it, or say that they cannot") for step in recipe.steps)
    yield from (
        (launcher, "job scripts start it, outside of the container")
        for launcher in recipe.launchers
        if launcher.name in _JOBS_LAUNCH
    )


def _shown(entry: Entry) -> str:
    return f"{entry.name} {entry.value}".strip()


_OUTPUTS: Mapping[str, Callable[[Recipe], Iterator[tuple[Entry, str]]]] = {
    "apptainer": _apptainer,
    "dockerfile": _dockerfile,
    "install": _install,
}
