"""Run a bundle as a Slurm job."""

from __future__ import annotations

import os
import subprocess
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bench import process
from bench.apptainer import Apptainer
from bench.build import Built, build_image
from bench.runners import RunResult, measured_environment, read_result
from generators.bundle import Bundle

_WAITING_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class SlurmRunner:
    """Submits the bundle's `job.slurm`, waits for it and collects its result.

    The result's folder must be one that the nodes see too.

    Attributes:
        apptainer: the installation that the job uses.
        limit_seconds: the time after which a running job is ended; it may wait in the queue a minute longer.
    """

    apptainer: Apptainer
    limit_seconds: float = 300.0
    name: str = "slurm"

    def prepare(self, bundle: Bundle) -> Built:
        """Build the image, here."""
        return build_image(bundle, self.apptainer)

    def run(self, bundle: Bundle, arguments: Sequence[str], output: Path, cores: int | None) -> RunResult:
        """As `Runner.run`; None leaves the number of cores to the job script."""
        job = f"ontune-{uuid.uuid4().hex[:12]}"
        folder = output.parent.resolve()
        log = folder / f"{job}.err"
        output.unlink(missing_ok=True)
        command = ["sbatch", "--wait", "--parsable", f"--job-name={job}", f"--chdir={folder}", f"--output={folder / job}.out", f"--error={log}"]
        if cores is not None:
            command.append(f"--cpus-per-task={cores}")
        variables = measured_environment(
            {
                "PATH": f"{self.apptainer.folder}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
                "ONTUNE_BUNDLE": str(bundle.folder.resolve()),
                "ONTUNE_CONTAINER_FLAGS": " ".join([*self.apptainer.run_flags, "--cleanenv"]),
            }
        )
        command += [str(bundle.folder.resolve() / "job.slurm"), *arguments, "--output", str(output.resolve())]
        finished = process.run(command, self.limit_seconds + _WAITING_SECONDS, environment=variables)
        if finished.timed_out:
            subprocess.run(["scancel", f"--name={job}"], check=False, capture_output=True)
        if log.is_file():
            said = finished.error_tail + log.read_text(encoding="utf-8", errors="replace")
            finished = replace(finished, error_tail=said[-process.TAIL_CHARACTERS :])
        return read_result(finished, output)
