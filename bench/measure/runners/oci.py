"""Run a bundle inside its image by Docker or Podman, which take the same words."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench import process
from bench.images import inputs, site_settings
from bench.images.build import Built
from bench.images.build_log import build_log
from bench.measure.runners import RunResult, measured_environment, read_result
from bench.progress import doing
from generators.bundle import FORMATS, Bundle
from kb.errors import BadInput
from kb.store.files import json_of, read_bytes, read_text
from kb.store.paths import cache_home
from kb.store.scratch import scratch
from reasoner.answers.plan import Plan

# Exists in every image, and nothing of an image lies there.
_RESULTS = "/mnt"
_INSPECTED = '[{{ json .Size }}, {{ json (index .Config.Labels "ontune.recipe") }}]'


@dataclass(frozen=True, slots=True)
class OciRunner:
    """Runs `docker run` or `podman run`, apart from the host's variables and files.

    Attributes:
        name: the program, `docker` or `podman`.
        limit_seconds: the time after which a run is ended.
    """

    name: str
    limit_seconds: float = 300.0

    def lacks(self, plan: Plan) -> Mapping[str, str]:
        """As `Runner.lacks`: the image has everything."""
        return {}

    def lacking(self, bundle: Bundle) -> list[str]:
        """As `Runner.lacking`."""
        return [] if self._size(bundle) is not None else [image_name(bundle)]

    def prepare(self, bundle: Bundle) -> Built:
        """Build the image, unless this machine has it already; it keeps what it built of the same recipe
        before.

        Raises:
            BadInput: the bundle has no Dockerfile, or what was fetched for its build cannot be lent to it.
            RunFailed: the build failed; the message ends with its last lines.
        """
        image, digest = image_name(bundle), bundle.recipe_digest
        told = cache_home() / "images" / f"{digest}.{self.name}.json"
        log = told.with_suffix(".log")
        seconds = _seconds_of(told)
        if (size := self._size(bundle)) is None:
            if inputs.fetched(bundle):
                problem = f"what was fetched for it cannot be lent to a build of {self.name}"
                raise BadInput(
                    str(bundle.folder), problem, expected="--runner native, or a machine with Apptainer"
                )
            told.parent.mkdir(parents=True, exist_ok=True)
            begin = time.monotonic()
            with doing(f"building the image in {bundle.folder.name}"), inputs.as_the_site_wants(bundle):
                self._build(bundle, image, log)
            seconds, size = time.monotonic() - begin, self._size(bundle)
            told.write_text(json.dumps(seconds) + "\n", encoding="utf-8")
        return Built(image, digest, seconds, size or 0, str(log))

    def command(self, bundle: Bundle, arguments: Sequence[str], output: Path, cores: int | None) -> list[str]:
        """As `Runner.command`."""
        return self._command(bundle, arguments, output, ())

    def run(self, bundle: Bundle, arguments: Sequence[str], output: Path, cores: int | None) -> RunResult:
        """As `Runner.run`. The container is no child of this process: its cores are told to whoever starts
        it, and it is ended by its name.
        """
        name = f"ontune-{uuid.uuid4().hex[:12]}"
        with scratch("results") as results, process.on_cores(cores) as chosen:
            written = results / "result.json"
            told = [
                "--name",
                name,
                *(["--cpuset-cpus", ",".join(map(str, chosen))] if cores is not None else []),
            ]
            command = self._command(bundle, arguments, written, told)
            finished = process.run(command, self.limit_seconds, environment=_environment())
            if finished.timed_out:
                subprocess.run([self.name, "rm", "--force", name], capture_output=True, check=False)
            judged = read_result(finished, written)
            with contextlib.suppress(BadInput):  # there is none, which is judged already
                output.write_bytes(read_bytes(written))
            return judged

    def _command(
        self, bundle: Bundle, arguments: Sequence[str], output: Path, told: Sequence[str]
    ) -> list[str]:
        flags = [f"{flag.name}={flag.value}" if flag.value else flag.name for flag in bundle.recipe.flags]
        own = ["--user", f"{os.getuid()}:{os.getgid()}"] if self.name == "docker" else []
        command = [self.name, "run", "--rm", "--init", *flags, *told, *own, "--env", "HOME=/tmp"]
        command += ["--volume", f"{output.parent}:{_RESULTS}"]
        return [*command, image_name(bundle), *arguments, "--output", f"{_RESULTS}/{output.name}"]

    def _size(self, bundle: Bundle) -> int | None:
        """The bytes of the image that was built of the bundle's recipe; None where this machine has none."""
        command = [self.name, "image", "inspect", "--format", _INSPECTED, image_name(bundle)]
        try:
            told = subprocess.run(command, capture_output=True, text=True, check=False).stdout
            size, digest = json_of(told, self.name)
        except (FileNotFoundError, TypeError, ValueError, BadInput):
            return None
        return int(size) if digest == bundle.recipe_digest else None

    def _build(self, bundle: Bundle, image: str, log: Path) -> None:
        with scratch("site", log.parent) as folder:
            (folder / "environment.sh").write_text(site_settings.as_script(), encoding="utf-8")
            command = [
                self.name,
                "build",
                "--secret",
                f"id=environment,src={folder}/environment.sh",
                "-t",
                image,
                str(bundle.folder),
            ]
            with build_log(log) as said:
                if code := said.follow(command, _environment(os.environ)):
                    raise said.failed(f"building {image} failed (exit code {code}):")


def image_name(bundle: Bundle) -> str:
    """The name by which jobs find the image. Raises BadInput where the bundle has no Dockerfile."""
    if not bundle.recipe_digest:
        expected = "a bundle that has one (ontune recipe --to dockerfile)"
        raise BadInput(
            str(bundle.folder / FORMATS["dockerfile"]), "missing from the bundle", expected=expected
        )
    return f"ontune:{bundle.recipe_digest}"


def _environment(further: Mapping[str, str] | None = None) -> dict[str, str]:
    """The variables of the client: where its daemon is, and that builds may have secrets (older clients ask
    to be told).
    """
    where = {
        name: value
        for name, value in os.environ.items()
        if name.startswith(("DOCKER_", "CONTAINER_", "XDG_"))
    }
    return {"DOCKER_BUILDKIT": "1", **measured_environment(where), **(further or {})}


def _seconds_of(told: Path) -> float:
    """What the build took when it was made here; 0 where nobody noted it."""
    with contextlib.suppress(BadInput, ValueError):
        return float(read_text(told))
    return 0.0
