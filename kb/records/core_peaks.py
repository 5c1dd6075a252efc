"""What one core of a microarchitecture computes at most (`kb/facts/core_peaks/` and the user's additions)."""

from __future__ import annotations

import functools

import pyoxigraph as ox

from kb.records.resources import shipped_and_added, values_of
from kb.store import paths
from kb.store.terms import PREFIXES, on

_FOLDER = "core_peaks"


def core_peak(microarchitecture: str) -> float | None:
    """TFLOP/s in fp32; None where it is not known."""
    return _peaks(tuple(map(str, paths.additions()))).get(microarchitecture)


@functools.lru_cache(maxsize=2)
def _peaks(_additions: tuple[str, ...]) -> dict[str, float]:
    store, peak = shipped_and_added(_FOLDER), on("corePeak")
    found = {}
    for quad in store.quads_for_pattern(None, ox.NamedNode(peak), None, None):
        if isinstance(quad.subject, ox.NamedNode):
            (stated, *_) = values_of(store, quad.subject, peak)
            found[quad.subject.value.removeprefix(PREFIXES["uarch"])] = float(stated.value) / 1000
    return found
