"""What the libraries below a framework say of themselves: oneDNN of its kernels, the OpenMP runtime of its
settings.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator

# Both are read when the library is loaded or first used, so they have to be set before a framework is
# imported.
_ASKING = {"ONEDNN_VERBOSE": "1", "OMP_DISPLAY_ENV": "TRUE"}
_COMPUTING = ("convolution", "deconvolution", "matmul", "inner_product", "gemm_api", "rnn")
_FORMATS = {"f32": "fp32", "bf16": "bf16", "f16": "fp16"}
# Data type, flags, kind, layout.
_SOURCE = re.compile(r"\bsrc(?:_layer|_iter)?[:_](f32|bf16|f16):\w*:\w*:(\w*)")
_OURS = re.compile(
    r"^(onednn_verbose,|OPENMP DISPLAY ENVIRONMENT|\s*(\[host\] )?_?(OMP|GOMP|KMP|OPENMP)\w*\s*=)"
)


@contextlib.contextmanager
def speaking() -> Iterator[list[str]]:
    """Let the libraries speak.

    The list holds what they have written when the context ends; what anybody else wrote goes to stderr then.
    """
    os.environ.update(_ASKING)
    said: list[str] = []
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as held:
        sys.stdout.flush()
        sys.stderr.flush()
        kept = [os.dup(number) for number in (1, 2)]
        try:
            for number in (1, 2):
                os.dup2(held.fileno(), number)
            yield said
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            ctypes.CDLL(None).fflush(None)  # the libraries write by C's own buffers
            for number, copy in zip((1, 2), kept, strict=True):
                os.dup2(copy, number)
                os.close(copy)
            held.seek(0)
            for line in held:
                if _OURS.match(line):
                    said.append(line.rstrip("\n"))
                elif line.strip():
                    sys.stderr.write(line)


def report(said: list[str]) -> dict:
    """What was said, in short.

    Returns:
        `isa`: the instruction set that oneDNN uses, in its words. `kernels`: how often each kind of computing
        kernel ran in which format, such as `convolution bf16`. `implementations`: their names. `layouts`:
        memory layouts of the inputs of convolutions, in oneDNN's letters (`acdb` is channels last). `openmp`:
        the settings that the OpenMP runtime works with. A library that is not used says nothing.
    """
    found: dict = {
        "isa": "",
        "kernels": Counter(),
        "implementations": set(),
        "layouts": Counter(),
        "openmp": {},
    }
    for line in said:
        if match := re.search(r"\b((?:OMP|GOMP|KMP)_\w+)\s*=\s*'?([^']*)'?", line):
            found["openmp"].setdefault(match.group(1), match.group(2))
        elif match := re.match(r"onednn_verbose,.*\binfo,cpu,isa:(.*)", line):
            found["isa"] = match.group(1)
        elif match := re.match(r"onednn_verbose,.*\bexec,cpu[^,]*,(\w+),([^,]*),[^,]*,([^,]*)", line):
            kind, implementation, memory = match.groups()
            source = _SOURCE.search(memory)
            if kind in _COMPUTING and source:
                found["kernels"][f"{kind} {_FORMATS[source.group(1)]}"] += 1
                found["implementations"].add(implementation or "gemm")
                if kind == "convolution":
                    found["layouts"][source.group(2)] += 1
    return {
        **found,
        "kernels": dict(found["kernels"]),
        "implementations": sorted(found["implementations"]),
        "layouts": dict(found["layouts"]),
    }


def contradictions(reported: dict, settings: dict[str, str]) -> list[str]:
    """Where a report says something else than what was asked for, by a setting or by a variable of the
    environment.
    """
    found = []
    asked, kernels = settings.get("precision", "fp32"), reported["kernels"]
    if kernels and asked in ("bf16", "fp16") and not any(name.endswith(asked) for name in kernels):
        word = {"bf16": "bfloat16", "fp16": "float16"}[asked]
        if word in reported["isa"]:
            found.append(f"precision={asked}, and no kernel computed in it: {', '.join(kernels)}")
    for name in ("OMP_WAIT_POLICY", "OMP_NUM_THREADS"):
        wanted, works_with = os.environ.get(name), reported["openmp"].get(name)
        if wanted and works_with and wanted.lower() != works_with.lower():
            found.append(f"{name}={wanted}, and OpenMP works with {works_with}")
    return found
