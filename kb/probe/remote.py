"""A probe of another node through a command such as `srun -p gpu` or `ssh node`: one self-contained script on
standard input, nothing fetched.
"""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path
from typing import Any

from kb.errors import BadInput, RunFailed
from kb.store import files

_TIMEOUT = 600.0
_LEAST = {"environment", "cpuinfo", "machine", "programs"}  # by which an answer is known to be the probe's


def collect_via(via: str, programs: list[str]) -> dict[str, Any]:
    """The raw texts of the node that `via` reaches.

    Args:
        via: a command that runs the words behind it on the node and passes on standard input.
        programs: names of programs to look for there.

    Raises:
        BadInput: `via` is not a command line, or its program is missing here.
        RunFailed: the command fails, takes over ten minutes, or answers with something else.
    """
    try:
        words = shlex.split(via)
    except ValueError as error:
        raise BadInput(
            "--via", f"cannot read '{via}': {error}", expected="a command such as 'srun -p gpu'"
        ) from error
    if not words:
        raise BadInput("--via", "is empty", expected="a command such as 'srun -p gpu'")
    script = (Path(__file__).parent / "collect.py").read_text(encoding="utf-8")
    try:
        command = [*words, "python3", "-", *programs]
        done = subprocess.run(
            command,
            input=script,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_TIMEOUT,
            check=False,
        )
    except FileNotFoundError as error:
        raise BadInput(
            "--via", f"no program named '{words[0]}' here", expected="a command such as 'srun -p gpu'"
        ) from error
    except subprocess.TimeoutExpired as error:
        raise RunFailed(f"--via '{via}': no answer within {_TIMEOUT:.0f} s") from error
    if done.returncode:
        raise RunFailed(f"--via '{via}': exit status {done.returncode}: {_last_lines(done.stderr)}")
    try:
        answer = files.json_of(done.stdout[done.stdout.find("{") :], "the answer")
    except BadInput as error:
        raise RunFailed(
            f"--via '{via}': the answer is not that of the probe: {_last_lines(done.stdout)}"
        ) from error
    if not isinstance(answer, dict) or not answer.keys() >= _LEAST:
        raise RunFailed(f"--via '{via}': the answer is not that of the probe: {_last_lines(done.stdout)}")
    return answer


def _last_lines(text: str) -> str:
    return " / ".join(text.strip().splitlines()[-3:])
