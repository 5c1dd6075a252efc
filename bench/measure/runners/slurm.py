"""Run a bundle as a Slurm job."""

from __future__ import annotations

import os
import re
import subprocess
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.images.apptainer import Apptainer
from bench.images.build import Built, build_environment, build_image, place_environment
from bench.measure.runners import RunResult, measured_environment, read_result
from bench.process import TAIL_CHARACTERS, Finished
from generators.bundle import Bundle
from kb.store import files
from reasoner.answers.plan import Plan

_POLL_SECONDS = 0.5
_OVER = {
    "COMPLETED",
    "FAILED",
    "CANCELLED",
    "TIMEOUT",
    "NODE_FAIL",
    "OUT_OF_MEMORY",
    "BOOT_FAIL",
    "DEADLINE",
    "PREEMPTED",
}


@dataclass(frozen=True, slots=True)
class SlurmRunner:
    """Submits the bundle's `job.slurm`, waits for it and collects its result.

    The result's folder must be one that the nodes see too.

    Attributes:
        apptainer: the installation that the job uses.
        limit_seconds: the time after which a job is cancelled, waiting in the queue included.
    """

    apptainer: Apptainer
    limit_seconds: float = 600.0
    name: str = "slurm"

    def lacks(self, plan: Plan) -> Mapping[str, str]:
        """As `Runner.lacks`: the image has everything."""
        return {}

    def lacking(self, bundle: Bundle) -> list[str]:
        """As `Runner.lacking`."""
        return [] if bundle.image.is_file() or not bundle.recipe.in_container else [str(bundle.image)]

    def prepare(self, bundle: Bundle) -> Built:
        """Build the image, here; or the environment, where the plan has none."""
        if bundle.recipe.in_container:
            return build_image(bundle, self.apptainer)
        built = build_environment(bundle)
        place_environment(built, bundle)
        return built

    def command(self, bundle: Bundle, arguments: Sequence[str], output: Path, cores: int | None) -> list[str]:
        """As `Runner.command`."""
        folder = output.parent.resolve()
        log = folder / f"ontune-{uuid.uuid4().hex[:12]}.err"
        command = ["sbatch", "--parsable", f"--chdir={folder}", f"--output={log}", f"--error={log}"]
        command += [f"--cpus-per-task={cores}"] if cores is not None else []
        return [
            *command,
            str(bundle.folder.resolve() / "job.slurm"),
            *arguments,
            "--output",
            str(output.resolve()),
        ]

    def run(self, bundle: Bundle, arguments: Sequence[str], output: Path, cores: int | None) -> RunResult:
        """As `Runner.run`; None leaves the number of cores to the job script."""
        output.unlink(missing_ok=True)
        command = self.command(bundle, arguments, output, cores)
        log = Path(next(word for word in command if word.startswith("--error=")).partition("=")[2])
        begin = time.monotonic()
        submitted = subprocess.run(
            command, env=self._environment(bundle), capture_output=True, text=True, check=False
        )
        if submitted.returncode:
            return RunResult("failed", None, time.monotonic() - begin, submitted.stderr[-TAIL_CHARACTERS:])
        job = submitted.stdout.strip().split(";")[0]
        code = self._wait(job, begin + self.limit_seconds)
        seconds = time.monotonic() - begin
        return read_result(
            Finished(code or 0, "", files.tail_of(log, TAIL_CHARACTERS), seconds, timed_out=code is None),
            output,
        )

    def _environment(self, bundle: Bundle) -> dict[str, str]:
        return measured_environment(
            {
                "PATH": f"{self.apptainer.folder}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
                "ONTUNE_BUNDLE": str(bundle.folder.resolve()),
                "ONTUNE_CONTAINER_FLAGS": " ".join(self.apptainer.run_flags),
            }
        )

    def _wait(self, job: str, deadline: float) -> int | None:
        """The exit code of a job; None where it had to be cancelled."""
        while True:
            shown = subprocess.run(
                ["scontrol", "show", "job", "--oneliner", job], capture_output=True, text=True, check=False
            ).stdout
            state = re.search(r"JobState=(\w+)", shown)
            if state and state.group(1) in _OVER:
                code = re.search(r" ExitCode=(\d+):(\d+)", shown)
                failed = state.group(1) != "COMPLETED"
                return max(int(code.group(1)), int(code.group(2)), int(failed)) if code else int(failed)
            if time.monotonic() > deadline:
                subprocess.run(["scancel", job], capture_output=True, check=False)
                return None
            time.sleep(_POLL_SECONDS)
