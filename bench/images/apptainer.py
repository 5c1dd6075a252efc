"""Apptainer through spython: build, execute, inspect.

spython calls a program named `singularity`; upstream's package of Apptainer links that name, others do not,
so it is linked in the cache where it is missing.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.images.build_log import build_log
from bench.progress import Tell
from kb.errors import BadInput, RunFailed
from kb.store.paths import cache_home, tools_home

HOW_TO_GET = "ontune install apptainer"
# Level 3 of zstd squeezed a PyTorch image in 10 s to 324 MB on two cores; the default (gzip 9) takes minutes,
# gzip 1 took 18 s for 358 MB.
SQUEEZE = "-comp zstd -Xcompression-level 3"


@dataclass(frozen=True, slots=True)
class Apptainer:
    """An installed Apptainer (or Singularity).

    Attributes:
        folder: where the program `singularity` lies.
    """

    folder: Path

    @property
    def program(self) -> str:
        """The path of the program."""
        return str(self.folder / "singularity")

    @property
    def run_flags(self) -> list[str]:
        """What `exec` needs here: root in a container cannot mount without a user namespace, others are
        served by the installation's own way.
        """
        return ["--userns"] if os.geteuid() == 0 else []

    def version(self) -> str:
        """The version that the program names."""
        done = subprocess.run([self.program, "--version"], capture_output=True, text=True, check=True)
        return done.stdout.strip().rsplit(" ", 1)[-1]

    def build(
        self,
        definition: Path | str,
        image: Path,
        log: Path,
        *,
        arguments: Mapping[str, str] | None = None,
        binds: Sequence[str] = (),
        tell: Tell = lambda news: None,
    ) -> None:
        """Build an image from a definition, as an ordinary user could.

        Args:
            definition: the definition file, whose relative paths hold from its own folder; or a base, as a
                folder or an image, or as an address of a registry such as `docker://NAME`.
            image: the SIF file to be written.
            log: the file for everything that the build says.
            arguments: values for the definition's `{{ ... }}`.
            binds: `HOST:CONTAINER` for `%post`.
            tell: gets each line of the build.

        Raises:
            RunFailed: the build failed; the message ends with its last lines and the log's path.
        """
        from spython.utils import stream_command

        command = ["singularity", "build", "--fakeroot", "--force", "--mksquashfs-args", SQUEEZE]
        for name, value in (arguments or {}).items():
            command += ["--build-arg", f"{name}={value}"]
        for bind in binds:
            command += ["--bind", bind]
        source, folder = (
            (definition, image.parent)
            if isinstance(definition, str)
            else (str(definition.resolve()), definition.parent)
        )
        command += [str(image.resolve()), source]  # before the folder changes
        with build_log(log) as said, self._reachable(folder):
            try:
                for line in stream_command(command, output_type="both"):
                    tell(said.write(line))
            except subprocess.CalledProcessError as error:
                raise said.failed(f"building {image.name} failed (exit code {error.returncode}):") from None

    def execute(self, image: Path, command: Sequence[str], *, binds: Sequence[str] = ()) -> str:
        """What a short command in an image prints, apart from the host's variables and files.

        Raises RunFailed where it fails.
        """
        from spython.main import Client

        Client.quiet = True  # else Apptainer's own news stand among what the command prints
        options = [*self.run_flags, "--containall"]
        with self._reachable(Path.cwd()):
            done = Client.execute(
                str(image), list(command), bind=list(binds), options=options, return_result=True, quiet=True
            )
        message = done["message"] if isinstance(done["message"], str) else "".join(done["message"])
        if done["return_code"]:
            raise RunFailed(
                f"{' '.join(command)} in {image}: exit code {done['return_code']}\n{message[-2000:]}"
            )
        return message

    def inspect(self, image: Path) -> dict[str, object]:
        """The labels, definition and scripts of an image, as Apptainer reports them.

        Raises RunFailed for what is not an image.
        """
        from spython.main import Client

        with self._reachable(Path.cwd()):
            found = Client.inspect(str(image), quiet=True)
        if "attributes" not in found:
            raise RunFailed(f"{image} is not an image: {found.get('message', '')}")
        return dict(found["attributes"])

    @contextmanager
    def _reachable(self, folder: Path) -> Iterator[None]:
        """spython takes the program and the folder from this process."""
        here, path = Path.cwd(), os.environ.get("PATH", os.defpath)
        os.environ["PATH"] = f"{self.folder}{os.pathsep}{path}"
        os.chdir(folder)
        try:
            yield
        finally:
            os.chdir(here)
            os.environ["PATH"] = path


NOWHERE = Apptainer(Path())
"""Stands for an installation where a command is only to be shown."""


def find() -> Apptainer | None:
    """The Apptainer on the PATH, else the one that the project's installer has put into its tools folder,
    else None.
    """
    path = os.pathsep.join(
        [os.environ.get("PATH", os.defpath), str(tools_home() / "apptainer" / "usr" / "bin")]
    )
    if found := shutil.which("singularity", path=path):
        return Apptainer(Path(found).parent)
    if found := shutil.which("apptainer", path=path):
        return Apptainer(_linked(Path(found)))
    return None


def required() -> Apptainer:
    """As `find`. Raises BadInput where there is none."""
    if found := find():
        return found
    raise BadInput(
        "apptainer",
        "not found on the PATH",
        expected=f"Apptainer installed by your distribution or by {HOW_TO_GET}",
    )


def _linked(program: Path) -> Path:
    folder = cache_home() / "bin"
    folder.mkdir(parents=True, exist_ok=True)
    link = folder / "singularity"
    if not link.is_symlink() or link.readlink() != program:
        fresh = folder / f".singularity-{os.getpid()}"
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(program)
        fresh.rename(link)  # at once: another process may do the same
    return folder
