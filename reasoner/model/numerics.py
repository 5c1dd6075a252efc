"""What configurations do to the numbers: the classes, their order, and the class of a whole configuration,
defaults included.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping

from kb.store.store import KnowledgeStore
from reasoner.inference.derive import Derived
from reasoner.model.catalogue import Catalogue

_CLASSES = "SELECT ?class ?name WHERE { ?class a on:Numerics ; skos:notation ?name }"
_ORDER = "SELECT ?more ?less WHERE { ?more on:exceeds ?less }"
_NOTES = "SELECT ?class ?note WHERE { ?class a on:Numerics ; skos:scopeNote ?note }"
_OPTIONS = "SELECT ?option ?class WHERE { ?option on:optionOf ?decision ; on:numerics ?class }"


class Numerics:
    """The numerics classes of a knowledge base and of its options.

    Attributes:
        names: the notations of the classes, the strictest first.
    """

    def __init__(self, store: KnowledgeStore, catalogue: Catalogue) -> None:
        exceeded: dict[str, set[str]] = {row["class"]: set() for row in store.select(_CLASSES)}
        self._name = {row["class"]: row["name"] for row in store.select(_CLASSES)}
        for row in store.select(_ORDER):
            exceeded[row["more"]].add(row["less"])
        self._rank = {iri: len(less) for iri, less in exceeded.items()}
        self._iri = {name: iri for iri, name in self._name.items()}
        self.names = tuple(self._name[iri] for iri in sorted(self._rank, key=self._rank.__getitem__))
        self._class_of = {row["option"]: row["class"] for row in store.select(_OPTIONS)}
        self._notes = {row["class"]: row["note"] for row in store.select(_NOTES)}
        self._catalogue = catalogue

    def keeps_bits(self, name: str | None) -> bool:
        """Whether a class, which nothing is stricter than, promises the bits of what stands, and nothing of
        its formats.
        """
        return name is not None and name == next(iter(self.names), None)

    def note(self, name: str | None) -> str:
        """What somebody who asks for a class should know; empty where there is nothing."""
        return self._notes.get(self._iri.get(name or "", ""), "")

    def exceeds(self, name: str, other: str) -> bool:
        """Whether a class allows more than another one."""
        return self._rank[self._iri[name]] > self._rank[self._iri[other]]

    def of(self, taken: Mapping[str, str], derived: Derived, standing: Container[str] = ()) -> str:
        """The class of a configuration: the loosest of its options, and of what they are on the machine at
        hand; empty where no class is known.

        Args:
            taken: decision to option.
            derived: what holds for the request.
            standing: options that are taken as they stand, where bits are compared with these.
        """
        loosest = max(self._classes(taken, derived, standing), key=self._rank.__getitem__, default=None)
        return self._name[loosest] if loosest else next(iter(self.names), "")

    def _classes(self, taken: Mapping[str, str], derived: Derived, standing: Container[str]) -> Iterator[str]:
        for decision, option in taken.items():
            left_alone = option in standing or option == self._catalogue.default_beside(decision, taken)
            if not left_alone and option in self._class_of:
                yield self._class_of[option]
        for iri in derived.applies & self._catalogue.behaviours.keys():
            behaviour = self._catalogue.behaviours[iri]
            if (
                behaviour.option in taken.values()
                and behaviour.option not in standing
                and behaviour.holds(taken)
            ):
                yield behaviour.becomes
