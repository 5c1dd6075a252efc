"""Run a bundle inside its image."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench import process
from bench.images.apptainer import Apptainer
from bench.images.build import Built, build_image
from bench.measure.runners import RunResult, measured_environment, read_result
from generators.bundle import Bundle
from kb.errors import BadInput
from kb.store.files import read_bytes
from kb.store.scratch import scratch
from reasoner.answers.plan import Plan

# Exists in every image, and nothing of an image lies there.
_RESULTS = "/mnt"


@dataclass(frozen=True, slots=True)
class ApptainerRunner:
    """Runs `apptainer run`, apart from the host's variables, home and temporary files.

    Attributes:
        apptainer: the installation.
        limit_seconds: the time after which a run is ended.
    """

    apptainer: Apptainer
    limit_seconds: float = 300.0
    name: str = "apptainer"

    def lacks(self, plan: Plan) -> Mapping[str, str]:
        """As `Runner.lacks`: the image has everything."""
        return {}

    def lacking(self, bundle: Bundle) -> list[str]:
        """As `Runner.lacking`."""
        return [] if bundle.image.is_file() else [str(bundle.image)]

    def prepare(self, bundle: Bundle) -> Built:
        """Build the image."""
        return build_image(bundle, self.apptainer)

    def command(self, bundle: Bundle, arguments: Sequence[str], output: Path, cores: int | None) -> list[str]:
        """As `Runner.command`."""
        flags: list[str] = []
        for flag in bundle.recipe.flags:
            flags += [word for word in (flag.name, flag.value) if word]
        command = [
            self.apptainer.program,
            "--quiet",
            "run",
            *self.apptainer.run_flags,
            "--containall",
            *flags,
        ]
        return [
            *command,
            "--bind",
            f"{output.parent}:{_RESULTS}",
            str(bundle.image),
            *arguments,
            "--output",
            f"{_RESULTS}/{output.name}",
        ]

    def run(self, bundle: Bundle, arguments: Sequence[str], output: Path, cores: int | None) -> RunResult:
        """As `Runner.run`."""
        with scratch("results") as results:
            written = results / "result.json"
            command = self.command(bundle, arguments, written, cores)
            with process.on_cores(cores):
                finished = process.run(command, self.limit_seconds, environment=measured_environment())
            judged = read_result(finished, written)
            with contextlib.suppress(BadInput):  # there is none, which is judged already
                output.write_bytes(read_bytes(written))
            return judged
