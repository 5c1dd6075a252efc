"""How a request to MODAK is read: its sections, and the words in them."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from kb.errors import BadInput
from kb.records.names import Vocabulary, folded
from kb.store import user_files
from kb.store.files import json_of, yaml_of

SECTIONS = ("job_options", "target", "application", "optimisation")


def sections_of(path: Path) -> dict[str, Any]:
    """The sections of a request, by the names of today. Raises BadInput where the file is none."""
    text = user_files.read_text(path)
    given = _indented(text, str(path)) if path.suffix == ".opt" else json_of(text, str(path))
    for wrapper in ("request", "job"):
        if isinstance(given, Mapping) and isinstance(given.get(wrapper), Mapping):
            given = given[wrapper]
    if not isinstance(given, Mapping) or not (set(given) & {*SECTIONS, "optimization"}):
        raise BadInput(str(path), "no MODAK request", expected=f"an object with {', '.join(SECTIONS)}")
    return {("optimisation" if key == "optimization" else key): item for key, item in given.items()}


def _indented(text: str, where: str) -> dict[str, Any]:
    """The optimisation language: YAML, but for its first line and its tabs."""
    body = re.sub(r"^\s*optimi[sz]ation\b[^:\n]*:\s*\n", "", text, count=1)
    if body == text:
        raise BadInput(f"{where}:1", "no optimisation description", expected="optimization NAME:")
    # The editor lets `key:"value"` pass.
    spaced = re.sub(r'^([ \t]*[\w-]+:)(?=")', r"\1 ", body.expandtabs(4), flags=re.MULTILINE)
    first_line = text[: len(text) - len(body)].count("\n")
    return {"optimisation": yaml_of("\n" * first_line + spaced, where)}


def object_in(holder: Mapping[str, Any], key: str, where: str) -> Mapping[str, Any]:
    """An object below a key; empty where nothing stands there. Raises BadInput where it is something else."""
    item = holder.get(key)
    if item in (None, ""):
        return {}
    if not isinstance(item, Mapping):
        raise BadInput(f"{where}: {key}", "not an object", expected="names with values")
    return item


def refuse_unknown(given: Mapping[str, Any], known: tuple[str, ...], where: str) -> None:
    """Raise BadInput for a key that MODAK never had."""
    for key in given:
        if key not in known:
            raise BadInput(f"{where}: {key}", "unknown key", given=key, known=known)


def word_in(
    holder: Mapping[str, Any], key: str, known: Collection[str], where: str, things: Vocabulary | None = None
) -> str:
    """A word of a list, as the list has it; empty where nothing is said. `things` are what else the words may
    be called by.
    """
    said = text_in(holder, key)
    if not said:
        return ""
    spelt = {folded(word): word for word in known}
    meant = [entry.name for entry in (things.meant(said) if things else ()) if entry.name in known]
    word = spelt.get(folded(said), meant[0] if len(meant) == 1 else None)
    if word is None:
        expected = ", ".join(name for name in known if name)
        raise BadInput(
            f"{where}: {key}", f"'{said:.60}' is not known", expected=expected, given=said, known=known
        )
    return word


def text_in(holder: Mapping[str, Any], key: str) -> str:
    """A text below a key, without blanks at its ends; empty where nothing stands there."""
    item = holder.get(key)
    return "" if item is None else str(item).strip()


def stripped(item: Any) -> Any:
    """A value, without blanks at its ends where it is a text."""
    return item.strip() if isinstance(item, str) else item
