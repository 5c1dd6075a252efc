"""How `ontune kb diff` shows differences: as an object, and as lines for people."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kb.difference import Change, Comparison, Difference

_SIGNS: Final = {"added": "+", "removed": "-", "changed": "~", "deprecated": "="}
_LONGEST: Final = 100  # signs of a value that a line shows


def document(comparison: Comparison) -> dict[str, Any]:
    """The whole comparison as one object."""
    sides = {"old": comparison.old, "new": comparison.new}
    return {
        **{key: {"name": side.name, "version": side.version} for key, side in sides.items()},
        "counts": comparison.counts(),
        "breaking": len(comparison.breaking),
        "announced": comparison.announced,
        "differences": [asdict(each) for each in comparison.differences],
    }


def lines(comparison: Comparison) -> Iterator[str]:
    """A line for each difference, with lines below it for what was changed and what breaks; then the sums."""
    for each in comparison.differences:
        yield from _of_one(each)
    for kind, numbers in comparison.counts().items():
        yield f"{kind}s: " + ", ".join(f"{number} {what}" for what, number in sorted(numbers.items()))
    old, new, breaking = comparison.old.version, comparison.new.version, len(comparison.breaking)
    if not comparison.differences:
        yield f"no differences (knowledge {old})"
    elif breaking and not comparison.announced:
        asked = (
            "a version of its own"
            if "unknown" in (old, new)
            else "a higher version (docs/explanation/versions.md)"
        )
        yield f"knowledge {old} -> {new}: {breaking} breaking, which ask for {asked}"
    else:
        yield f"knowledge {old} -> {new}: {breaking or 'nothing'} breaking"


def _of_one(each: Difference) -> Iterator[str]:
    label = f"  {each.label}" if each.label and each.label not in each.name else ""
    yield f"{_SIGNS[each.what]} {each.kind} {each.name}{label}"
    for change in each.changes:
        yield f"    {_of_change(change)}"
    for reason in each.breaking:
        yield f"    BREAKING: {reason}"


def _of_change(change: Change) -> str:
    before, after = (_short(", ".join(values)) for values in (change.before, change.after))
    if before and after:
        return f"{change.property}: {before} -> {after}"
    return f"{change.property}: {'+' if after else '-'} {after or before}"


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}..."
