"""What rules, conflicts, effects and needs say of one request, in words for people, with their sources."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import pyoxigraph as ox

from kb.store.store import KnowledgeStore
from kb.store.store import Term as Node
from kb.store.terms import local_name, on
from reasoner.answers.plan import Reason
from reasoner.inference.derive import Derivation
from reasoner.knowledge.rule_reading import iri_of, name_of
from reasoner.knowledge.rules import Rule, filled, message, slots
from reasoner.model.catalogue import Catalogue, Effect
from reasoner.model.ground import Cause


class Wording:
    """Puts into words what was concluded of one request.

    Args:
        derivation: what follows from the request; it must still be open (see
            `reasoner.inference.derive.Deriver.at`).
        sources: a cache of sources by resource, shared between requests.
    """

    def __init__(
        self,
        store: KnowledgeStore,
        rules: Sequence[Rule],
        derivation: Derivation,
        catalogue: Catalogue,
        sources: dict[str, tuple[str, ...]],
    ) -> None:
        self.store, self.derivation, self.catalogue = store, derivation, catalogue
        self._rules = {rule.iri: rule for rule in rules}
        self._sources = sources
        self._fired: dict[str, dict[str, Mapping[str, Node]]] = {}

    def cause(self, cause: Cause) -> list[Reason]:
        """A hard factor's cause in words."""
        name = self.catalogue.name.get(cause.option, "")
        if cause.kind == "rule":
            more = f" (and {len(cause.others)} more)" if cause.others else ""
            return [
                Reason("rule", local_name(rule), self._said_by(rule, cause.option) + more, self.sources(rule))
                for rule in cause.ids
            ]
        if cause.kind == "needs":
            return [
                Reason(
                    "fact",
                    local_name(need),
                    f"{name} needs {self.named(need)}, which nothing here provides",
                    self.sources(need) or self.sources(cause.option),
                )
                for need in cause.ids
            ]
        if cause.kind == "conflict":
            return [
                Reason("rule", local_name(iri), self._conflict(iri), self.sources(iri)) for iri in cause.ids
            ]
        if cause.kind == "requirement":
            return [
                Reason(
                    "fact",
                    local_name(need),
                    f"{name} needs {self.named(need)}",
                    self.sources(need) or self.sources(cause.option),
                )
                for need in cause.ids
            ]
        return [Reason("request", name, f"you {'asked for' if cause.kind == 'pin' else 'ruled out'} {name}")]

    def settling(self, rule: str, option: str) -> str:
        """What a person does who wants to know what a doubt rule says is not known of an option."""
        how, bindings = (
            next(iter(self.store.objects(rule, on("settledBy"))), ""),
            self._fired_on(rule, option) or {},
        )
        return filled(how, {variable: self._by_name(term) for variable, term in bindings.items()})

    def effect_text(self, effect: Effect) -> str:
        """A statement of an effect in words, with its numbers."""
        beside = " and ".join(self._alternatives(options) for _, options in effect.given)
        interval = f" ({effect.low:g} to {effect.high:g})" if effect.low != effect.high else ""
        label = self.store.label(effect.iri)
        name = self.catalogue.name[effect.option] + (f" with {beside}" if beside else "")
        said = f"{name}: {local_name(effect.criterion)} x{effect.ratio:g}{interval}"
        counted = (
            " (its interval crosses 1, so it counts for nothing)"
            if not effect.weight and effect.low != effect.high
            else ""
        )
        return f"{said}{counted}; {label}" if label else f"{said}{counted}"

    def sources(self, iri: str) -> tuple[str, ...]:
        """Where a resource is known from."""
        if iri not in self._sources:
            self._sources[iri] = self.store.sources_of(iri)
        return self._sources[iri]

    def _alternatives(self, options: Iterable[str]) -> str:
        """The names of options of which any will do."""
        return "/".join(sorted(self.catalogue.name[option] for option in options))

    def _conflict(self, iri: str) -> str:
        conflict = self.catalogue.conflicts[iri]
        beside: list[str] = []
        for _, options in conflict.given:
            beside += [self.catalogue.name[option] for option in sorted(options)]
        clash = self.catalogue.name[conflict.option] + (f" with {', '.join(beside)}" if beside else "")
        return f"{clash}: {self.store.label(iri) or local_name(iri)}"

    def named(self, resource: str) -> str:
        """What people call a resource."""
        if resource in self.catalogue.name:
            return self.catalogue.name[resource]
        return self.store.label(resource) or local_name(resource)

    def _said_by(self, rule: str, option: str) -> str:
        """The message of an exclusion rule for one option, with the bindings that it fired on."""
        bindings = self._fired_on(rule, option)
        if bindings is None:
            return self.store.label(rule)
        return message(
            self._rules[rule], {variable: self._by_name(term) for variable, term in bindings.items()}
        )

    def _by_name(self, term: Node) -> Node:
        """An option by what people call it; another term as it is."""
        return (
            ox.Literal(self.catalogue.name[term.value])
            if isinstance(term, ox.NamedNode) and term.value in self.catalogue.name
            else term
        )

    def _fired_on(self, iri: str, option: str) -> Mapping[str, Node] | None:
        """The values of a rule's variables, those of its message at least, with which it excludes an
        option.
        """
        rule = self._rules.get(iri)
        if rule is None:
            return None
        heads = [
            pattern.object for pattern in rule.reading.head if iri_of(pattern.predicate) == on("excludes")
        ]
        if heads and (only := name_of(heads[0])) and slots(rule) <= {only}:
            return {only: ox.NamedNode(option)}
        if iri not in self._fired:
            found = self._fired[iri] = {}
            for head in heads:
                variable, named = name_of(head) or "", iri_of(head)
                for bindings in self.derivation.matches(rule, sorted({variable, *slots(rule)} - {""})):
                    value = ox.NamedNode(named) if named else bindings.get(variable)
                    if isinstance(value, ox.NamedNode):
                        found.setdefault(value.value, bindings)
        return self._fired[iri].get(option)
