"""Additions are compiled and tried by a process that can be killed: a rule of theirs may cost whatever its
author likes.

The process may spend some seconds of processor time on one rule for one request, and some minutes and GiB on
everything; whoever passes that is ended by the kernel, and what it was at is named. What was found sound is
compiled, and kept, so that nobody pays for it again; planning leaves no rule out.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kb.errors import OntuneError
from kb.store.sources import Source
from kb.store.store import KnowledgeStore
from kb.store.terms import local_name
from reasoner.knowledge.unsound import Unsound

SECONDS_FOR_A_RULE = 10
"""Of processor time; shipped rules take some hundredths."""
SECONDS = 900
"""Of processor time for everything."""
BYTES = 6 << 30
"""Of memory for everything."""
EVERYTHING = "everything"
"""What the process is at where it is at no rule."""


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
        root = str(Path(__file__).resolve().parents[2])
        ended = subprocess.run(
            [sys.executable, "-P", "-m", "reasoner.overlay.judging_process"],
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
        -signal.SIGXCPU: f"took more than {SECONDS} s",
    }
    why = spent.get(
        code, f"needed more than {BYTES >> 30} GiB of memory" if code < 0 or "MemoryError" in said else ""
    )
    if not why:
        return OntuneError(f"the knowledge base cannot be tried: {' '.join(said.split())[-500:]}")
    if rule in ("", EVERYTHING):
        return TooDear([(f"the knowledge base: compiling and trying it {why}", ())])
    place = f" on {request}" if request else " when the knowledge base was compiled"
    return TooDear(
        [
            (
                f"rule {local_name(rule)}: {why}{place}; "
                "ask for less at once: patterns that share no variable are all combined",
                (rule,),
            )
        ]
    )
