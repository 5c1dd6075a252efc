"""Additions are compiled and tried by a process that can be killed: a rule of theirs may cost whatever its
author likes.

The process may spend some seconds of processor time on one rule for one request, and some minutes and GiB on
everything; whoever passes that is ended by the kernel, and what it was at is named. What was found sound is
compiled, and kept, so that nobody pays for it again; planning leaves no rule out.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kb.errors import OntuneError
from kb.sources import Source
from kb.store import KnowledgeStore
from kb.terms import local_name
from reasoner.unsound import Unsound

SECONDS_FOR_A_RULE = 10
"""Of processor time; shipped rules take some hundredths."""
_SECONDS = 900
_BYTES = 6 << 30
_EVERYTHING = "everything"


class TooDear(Unsound):
    """A knowledge base that costs too much to compile, or to plan with."""


def judge(shipped: Sequence[Source], added: Sequence[Source], *, only_cost: bool = False) -> KnowledgeStore:
    """The knowledge compiled from all of these sources, with which planning works.

    Args:
        only_cost: run the rules, whatever else is wrong; nothing is compiled then, and nothing but `TooDear`
            is raised.

    Raises:
        TooDear: a rule, or everything, costs too much.
        Unsound: it cannot be used; says why.
        OntuneError: a source cannot be read.
    """
    with tempfile.TemporaryDirectory(prefix="ontune-judge-") as folder:
        sources = [[str(source.path), source.name, source.added] for source in (*shipped, *added)]
        result = Path(folder, "compiled.nq")
        task = {
            "sources": sources,
            "seconds": SECONDS_FOR_A_RULE,
            "result": str(result),
            "only_cost": only_cost,
        }
        root = str(Path(__file__).resolve().parent.parent)
        ended = subprocess.run(
            [sys.executable, "-P", "-m", "reasoner.judging"],
            input=json.dumps(task).encode(),
            capture_output=True,
            check=False,
            env={
                **os.environ,
                "PYTHONPATH": os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH")))),
            },
        )
        last = ended.stdout.splitlines()[-1] if ended.stdout else b""
        if ended.returncode != 0:
            raise _killed(ended.returncode, last.decode(), ended.stderr.decode(errors="replace"))
        verdict: dict[str, Any] = json.loads(last)
        if "problems" in verdict:
            raise Unsound([(text, tuple(about)) for text, about in verdict["problems"]])
        if "error" in verdict:
            raise OntuneError(verdict["error"])
        store = KnowledgeStore()
        if only_cost:
            return store
        store.load_quads(result.read_bytes())
        return store


def _killed(code: int, step: str, said: str) -> OntuneError:
    """What is said of a process that did not come to its end, by the step that it was at."""
    rule, _, request = step.partition("\t")
    spent = {
        -signal.SIGPROF: f"took more than {SECONDS_FOR_A_RULE} s",
        -signal.SIGXCPU: f"took more than {_SECONDS} s",
    }
    why = spent.get(
        code, f"needed more than {_BYTES >> 30} GiB of memory" if code < 0 or "MemoryError" in said else ""
    )
    if not why:
        return OntuneError(f"the knowledge base cannot be tried: {' '.join(said.split())[-500:]}")
    if rule in ("", _EVERYTHING):
        return TooDear([(f"the knowledge base: compiling and trying it {why}", ())])
    place = f" on {request}" if request else " when the knowledge base was compiled"
    return TooDear(
        [
            (
                f"rule {local_name(rule)}: {why}{place}; ask for less at once: patterns that share no variable are all combined",
                (rule,),
            )
        ]
    )


def _serve() -> None:
    """The process: compiles and tries the sources that its standard input names, and writes what it is at,
    then its verdict.
    """
    task = json.loads(sys.stdin.buffer.read())
    resource.setrlimit(resource.RLIMIT_AS, (_BYTES, _BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (_SECONDS, _SECONDS))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    print(json.dumps(_verdict(task)), flush=True)


def _verdict(task: dict[str, Any]) -> dict[str, Any]:
    from reasoner import additions, rules
    from reasoner.compile import compile_all, run_whatever_runs

    request = ""

    def begun(name: str) -> None:
        nonlocal request
        request = name

    def at(rule: str) -> None:
        os.write(sys.stdout.fileno(), f"{rule or _EVERYTHING}\t{request}\n".encode())
        signal.setitimer(signal.ITIMER_PROF, task["seconds"] if rule else 0)

    rules.watch(at)
    sources = [Source(Path(path), name, added) for path, name, added in task["sources"]]
    if task["only_cost"]:
        with contextlib.suppress(OntuneError, *additions.UNFORESEEN):
            additions.ask_everywhere(run_whatever_runs(sources), begun)
        return {}
    try:
        store = compile_all(sources)
        additions.plan_everywhere(store, begun)
    except Unsound as error:
        return {"problems": [[text, sorted(about)] for text, about in error.problems]}
    except OntuneError as error:
        return {"error": str(error)}
    except MemoryError:
        raise
    except additions.UNFORESEEN as error:
        return {
            "problems": [
                [f"the knowledge base: planning fails with it ({type(error).__name__}: {error})", []]
            ]
        }
    Path(task["result"]).write_bytes(store.dump())
    return {}


if __name__ == "__main__":
    _serve()
