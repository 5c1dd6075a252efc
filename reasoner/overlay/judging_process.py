"""The process that compiles and tries additions, and is ended where they cost too much: see
`reasoner.overlay.judging`.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
import sys
from pathlib import Path
from typing import Any

from kb.errors import OntuneError
from kb.store.sources import Source
from reasoner.knowledge import rule_running
from reasoner.knowledge.compile import compile_all, run_whatever_runs
from reasoner.knowledge.unsound import Unsound
from reasoner.overlay import admission
from reasoner.overlay.judging import BYTES, EVERYTHING, SECONDS


def _serve() -> None:
    """The process: compiles and tries the sources that its standard input names, and writes what it is at,
    then its verdict.
    """
    task = json.loads(sys.stdin.buffer.read())
    resource.setrlimit(resource.RLIMIT_AS, (BYTES, BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    print(json.dumps(_verdict(task)), flush=True)


def _verdict(task: dict[str, Any]) -> dict[str, Any]:
    request = ""

    def begun(name: str) -> None:
        nonlocal request
        request = name

    def at(rule: str) -> None:
        os.write(sys.stdout.fileno(), f"{rule or EVERYTHING}\t{request}\n".encode())
        signal.setitimer(signal.ITIMER_PROF, task["seconds"] if rule else 0)

    rule_running.watch(at)
    sources = [Source(Path(path), name, added) for path, name, added in task["sources"]]
    if task["only_cost"]:
        with contextlib.suppress(OntuneError, *admission.UNFORESEEN):
            admission.ask_everywhere(run_whatever_runs(sources), begun)
        return {}
    try:
        store = compile_all(sources)
        admission.plan_everywhere(store, begun)
    except Unsound as error:
        return {"problems": [[text, sorted(about)] for text, about in error.problems]}
    except OntuneError as error:
        return {"error": str(error)}
    except MemoryError:
        raise
    except admission.UNFORESEEN as error:
        return {
            "problems": [
                [f"the knowledge base: planning fails with it ({type(error).__name__}: {error})", []]
            ]
        }
    Path(task["result"]).write_bytes(store.dump())
    return {}


if __name__ == "__main__":
    _serve()
