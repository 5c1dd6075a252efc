"""Run a bundle in a virtual environment, on a machine without containers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench import process
from bench.images.build import Built, build_environment, place_environment
from bench.measure.runners import RunResult, measured_environment, read_result
from generators.bundle import Bundle
from kb.errors import RunFailed
from reasoner.answers.plan import DecisionTaken, Plan


@dataclass(frozen=True, slots=True)
class NativeRunner:
    """Runs `run.sh` with the Python of an environment that `install.sh` has made.

    Attributes:
        limit_seconds: the time after which a run is ended.
    """

    limit_seconds: float = 300.0
    name: str = "native"
    _pythons: dict[Path, str] = field(default_factory=dict)

    def lacks(self, plan: Plan) -> Mapping[str, str]:
        """As `Runner.lacks`: an image brings its own system packages, this machine has those that it has."""
        found: dict[str, str] = {}
        for taken in plan.decisions:
            for library in _preloaded(taken):
                if not process.preloads(library):
                    found[f"{taken.decision}={taken.option}"] = library
        return found

    def lacking(self, bundle: Bundle) -> list[str]:
        """As `Runner.lacking`."""
        return []

    def prepare(self, bundle: Bundle) -> Built:
        """Make the environment.

        Raises:
            RunFailed: the installation failed, or an option of the plan preloads a library that is missing
                here.
        """
        for option, library in self.lacks(bundle.plan).items():
            packages = [
                entry.name
                for entry in bundle.recipe.system_packages
                if option.partition("=")[2] in entry.because.split()
            ]
            where = f" (Debian: {' '.join(packages)})" if packages else ""
            raise RunFailed(
                f"{bundle.folder}: {option} preloads {library}, which is missing here:"
                f" install it{where}, or plan with --forbid {option}"
            )
        built = build_environment(bundle)
        if not bundle.recipe.in_container:
            place_environment(built, bundle)
        self._pythons[bundle.folder] = f"{built.path}/venv/bin/python"
        return built

    def command(self, bundle: Bundle, arguments: Sequence[str], output: Path, cores: int | None) -> list[str]:
        """As `Runner.command`."""
        return [str(bundle.run_script), *arguments, "--output", str(output)]

    def run(self, bundle: Bundle, arguments: Sequence[str], output: Path, cores: int | None) -> RunResult:
        """As `Runner.run`."""
        variables = measured_environment({"ONTUNE_PYTHON": self._pythons[bundle.folder]})
        output.unlink(missing_ok=True)
        with process.on_cores(cores):
            finished = process.run(
                self.command(bundle, arguments, output, cores), self.limit_seconds, environment=variables
            )
        return read_result(finished, output)


def _preloaded(taken: DecisionTaken) -> Iterator[str]:
    """The libraries that an option preloads."""
    for applied in taken.apply:
        if (applied.how, applied.name) == ("env", "LD_PRELOAD"):
            yield from applied.value.split()
