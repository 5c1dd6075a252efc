"""What is known of all choices, whatever the request: read once from a state of the knowledge base.

Compiling works it out as well, to keep the answers to what it asks the store (`asked_of_store`).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

import pyoxigraph as ox

from kb.store.shards import Row
from kb.store.store import KnowledgeStore, Term
from kb.store.terms import on
from reasoner.answers.appliers import Appliers
from reasoner.answers.expected import Expected
from reasoner.answers.observed import Observed
from reasoner.answers.unknowns import Guesses
from reasoner.answers.unmeasured import machine_situations
from reasoner.inference.derive import Deriver
from reasoner.knowledge.rules import Rule, load_rules, read_rules
from reasoner.model.catalogue import Catalogue
from reasoner.model.numerics import Numerics

_SPELT = "SELECT DISTINCT ?property WHERE { ?key on:spelledAs ?property }"


class StaticModel:
    """Rules, decisions and options, and what answers are made from.

    Args:
        store: the knowledge base.
        compiled: whether its rules are known to be sound.
    """

    def __init__(self, store: KnowledgeStore, *, compiled: bool) -> None:
        self.store = store
        self._compiled = compiled

    @cached_property
    def rules(self) -> list[Rule]:
        """Every rule. Raises BadInput where they are not sound."""
        return read_rules(self.store) if self._compiled else load_rules(self.store)

    @cached_property
    def catalogue(self) -> Catalogue:
        """Decisions, options, effects and conflicts."""
        return Catalogue(self.store)

    @cached_property
    def numerics(self) -> Numerics:
        """The numerics classes."""
        return Numerics(self.store, self.catalogue)

    @cached_property
    def opt_in_rules(self) -> frozenset[str]:
        """The conflict rules that a user's word lifts."""
        return frozenset(self.store.instances(on("OptInRule")))

    @cached_property
    def deriver(self) -> Deriver:
        """What follows for a request."""
        return Deriver(self.store, self.rules)

    @cached_property
    def appliers(self) -> Appliers:
        """Who applies which option."""
        return Appliers(self.store)

    @cached_property
    def observed(self) -> Observed:
        """The measured runs."""
        return Observed(self.store, self.catalogue)

    @cached_property
    def expected(self) -> Expected:
        """What estimators expect; their texts are asked of the store at once, and so kept."""
        return Expected(self.store)

    @cached_property
    def machine_situations(self) -> frozenset[str]:
        """The situations that facts of the machine bring about."""
        return machine_situations(self.rules)

    @cached_property
    def guesses(self) -> Guesses:
        """What unknown facts may turn out to be."""
        return Guesses(self.store, self.catalogue, self.rules)


def asked_of_store(store: KnowledgeStore) -> tuple[list[str], list[str]]:
    """The queries that the static model asks of a store: those for rows, and those for RDF terms."""
    listening = _Listening(store.store)
    model = StaticModel(listening, compiled=True)
    for name, member in vars(StaticModel).items():
        if isinstance(member, cached_property):
            getattr(model, name)
    for row in store.select(_SPELT):
        listening.names.spelt(row["property"], "")
    return listening.asked_for_rows, listening.asked_for_terms


class _Listening(KnowledgeStore):
    """A store that notes the queries it is asked."""

    def __init__(self, engine: ox.Store) -> None:
        super().__init__(engine)
        self.asked_for_rows: list[str] = []
        self.asked_for_terms: list[str] = []

    def select(self, text: str, bindings: Mapping[str, Term] | None = None) -> list[Row]:
        self.asked_for_rows.append(text)
        return super().select(text, bindings)

    def terms(self, text: str, *args: object, **kwargs: object) -> list[dict[str, Term]]:
        self.asked_for_terms.append(text)
        return super().terms(text, *args, **kwargs)  # type: ignore[arg-type]
