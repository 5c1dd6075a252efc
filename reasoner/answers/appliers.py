"""Who puts an option into effect: the environment around the program, the image, the job, a program or module
of Ontune's own, or the user.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from kb.store.store import KnowledgeStore
from kb.store.terms import on

_WORDS = "SELECT ?how ?by WHERE { ?class on:how ?how ; on:by ?by }"
_OFFERS = """SELECT ?offers ?kind ?framework ?option WHERE {
  ?offers a ?kind ; on:writtenIn ?framework ; on:offersOption ?option }"""
_CODE = "code"


class Appliers:
    """What the knowledge base says of who applies which option."""

    def __init__(self, store: KnowledgeStore) -> None:
        self._words = {row["how"]: row["by"] for row in store.select(_WORDS)}
        self._hooked: dict[str, set[str]] = defaultdict(set)
        self.at_start: dict[str, set[str]] = defaultdict(set)
        """For each framework, the options that the start hook sets up in its programs."""
        for row in store.select(_OFFERS):
            if row["kind"] == on("SettingsModule"):
                self._hooked[row["option"]].add(row["framework"])
            elif row["kind"] == on("StartHook"):
                self.at_start[row["framework"]].add(row["option"])
        self._trained: set[str] = set()
        for program in store.instances(on("ShippedProgram")):
            self._trained.update(store.objects(program, on("trains")))

    def by(self, how: str, option: str, taken: Iterable[str], workload: Mapping[str, Any]) -> str:
        """The word for who applies an option; empty where nothing is known of that kind of application.

        Args:
            how: the kind of application.
            option: the option's IRI.
            taken: the IRIs of the options taken, the framework among them.
            workload: its facts; without a script or command of the user's own a shipped program trains it.
        """
        if how != _CODE:
            return self._words.get(how, "")
        own = bool(workload.get("script") or workload.get("command"))
        if not own and workload.get("network") in self._trained:
            return "script"
        return "user" if self._hooked[option].isdisjoint(taken) else "hook"
