"""Run a bundle in a virtual environment, on a machine without containers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench import process
from bench.build import Built, build_environment
from bench.runners import RunResult, measured_environment, read_result
from generators.bundle import Bundle


@dataclass(frozen=True, slots=True)
class NativeRunner:
    """Runs `run.sh` with the Python of an environment that `install.sh` has made.

    Attributes:
        limit_seconds: the time after which a run is ended.
    """

    limit_seconds: float = 300.0
    name: str = "native"
    _pythons: dict[Path, str] = field(default_factory=dict)

    def prepare(self, bundle: Bundle) -> Built:
        """Make the environment."""
        built = build_environment(bundle)
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
            finished = process.run(self.command(bundle, arguments, output, cores), self.limit_seconds, environment=variables)
        return read_result(finished, output)
