"""What one state of the knowledge says that another does not.

Terms, facts, rules, effects and questions are added, removed, changed or deprecated. **Breaking** is what
takes a name away that somebody could say, gives it another meaning, or may refuse what was accepted: then
files, flags, additions or queries of others stop working. Other plans from better knowledge break nothing.
Where a statement stands, and when a file was checked, is no difference.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

import pyoxigraph as ox

from kb.edition import Edition
from kb.errors import BadInput
from kb.store.terms import FILE, ON, PREFIXES, RDF_TYPE, expand, local_name, on, prefixed

KINDS: Final = ("term", "fact", "rule", "effect", "question")
Node = ox.NamedNode | ox.BlankNode | ox.Literal
Statements = Mapping[str, frozenset[str]]

_EFFECTS: Final = {on(name) for name in ("Effect", "LearntEffect", "Behaviour", "Baseline")}
_RULES: Final = {
    on("Conflict"),
    *(PREFIXES["sh"] + name for name in ("SPARQLRule", "NodeShape", "PropertyShape")),
}
_SHAPES: Final = {PREFIXES["sh"] + "NodeShape", PREFIXES["sh"] + "PropertyShape"}
_OF_OWL: Final = PREFIXES["owl"]
_NAMES: Final = tuple(expand(name) for name in ("skos:notation", "skos:altLabel", "rdfs:label"))
_LABEL: Final = expand("rdfs:label")
_REPLACED: Final = PREFIXES["dct"] + "isReplacedBy"
_NO_DIFFERENCE: Final = {PREFIXES["sh"] + "rule", on("reading")}
"""Each rule is listed itself, and what compiling has read in its text follows from it."""
_MEANING: Final = {
    expand("rdfs:domain"): "what it may be said of is another",
    expand("rdfs:range"): "what it may be is another",
    on("factKey"): "its key in files is another",
    on("optionOf"): "it is an option of another decision: DECISION=OPTION names it no more",
}
"""What means something else when a value of it goes or comes beside others."""
_WORDS_ONLY: Final = {
    expand(name)
    for name in (
        "rdfs:label",
        "skos:definition",
        "rdfs:comment",
        "sh:message",
        "dct:source",
        "skos:scopeNote",
    )
}
_DEEPEST: Final = 20


@dataclass(frozen=True)
class Change:
    """What two states say of one property: the values that only one of them has."""

    property: str
    before: tuple[str, ...]
    after: tuple[str, ...]


@dataclass(frozen=True)
class Difference:
    """One resource of which two states say something else.

    Attributes:
        kind: one of `KINDS`.
        name: its name with prefix; of a question or a closure rule its file.
        what: `added`, `removed`, `changed` or `deprecated`.
        label: what people call it.
        changes: of what was changed, the properties.
        breaking: why others may stop working; empty where nothing does.
    """

    kind: str
    name: str
    what: str
    label: str = ""
    changes: tuple[Change, ...] = ()
    breaking: tuple[str, ...] = ()


@dataclass(frozen=True)
class Comparison:
    """All differences of two states, in the order of kinds and names."""

    old: Edition
    new: Edition
    differences: tuple[Difference, ...]

    @cached_property
    def breaking(self) -> tuple[Difference, ...]:
        """Those that break something."""
        return tuple(each for each in self.differences if each.breaking)

    @property
    def announced(self) -> bool:
        """Whether the version of the new state says that something breaks.

        That is where its first part is higher, or its second while the first is 0.
        """
        old, new = _numbers(self.old.version), _numbers(self.new.version)
        if old is None or new is None:
            return False
        return new[0] > old[0] or (new[0] == old[0] == 0 and new[1] > old[1])

    def counts(self) -> dict[str, dict[str, int]]:
        """How many of each kind were added, removed, changed, deprecated."""
        found: dict[str, dict[str, int]] = {kind: {} for kind in KINDS}
        for each in self.differences:
            found[each.kind][each.what] = found[each.kind].get(each.what, 0) + 1
        return {kind: number for kind, number in found.items() if number}


def compare(old: Edition, new: Edition) -> Comparison:
    """The differences of two states of the knowledge.

    Raises:
        BadInput: one is a whole knowledge base, and the other is not.
    """
    if old.whole != new.whole:
        whole, part = (old, new) if old.whole else (new, old)
        problem = f"is no whole knowledge base, and {whole.name} is one"
        raise BadInput(part.name, problem, expected="two whole states, or two of somebody's additions")
    before, after = _Described(old.store), _Described(new.store)
    found = [
        difference
        for iri in before.resources.keys() | after.resources.keys()
        if (difference := _of_resource(iri, before, after)) is not None
    ]
    found += [] if old.texts is None or new.texts is None else _of_texts(old.texts, new.texts)
    return Comparison(old, new, tuple(sorted(found, key=lambda each: (KINDS.index(each.kind), each.name))))


@dataclass
class _Described:
    """What one state says of each named resource, its blank nodes written out."""

    store: ox.Store
    resources: dict[str, Statements] = field(init=False)

    def __post_init__(self) -> None:
        found: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
        for quad in self.store:
            if isinstance(quad.subject, ox.NamedNode) and quad.predicate.value not in _NO_DIFFERENCE:
                found[quad.subject.value][quad.predicate.value].add(self.said(quad.object))
        for axiom in self._general_axioms():
            found[axiom][RDF_TYPE].add("owl:Axiom")
        known = {iri: stated for iri, stated in found.items() if _is_knowledge(iri, stated)}
        self.resources = {iri: _fixed(stated) for iri, stated in known.items()}

    def said(self, node: Any, depth: int = 0) -> str:
        """A value as people write it."""
        if isinstance(node, ox.NamedNode):
            return prefixed(node.value)
        if isinstance(node, ox.BlankNode):
            if depth > _DEEPEST:
                return "[...]"
            quads = {quad.triple for quad in self.store.quads_for_pattern(node, None, None, None)}
            pairs = sorted(
                f"{prefixed(each.predicate.value)} {self.said(each.object, depth + 1)}" for each in quads
            )
            return f"[ {' ; '.join(pairs)} ]"
        return str(node.value) if isinstance(node, ox.Literal) else str(node)

    def _general_axioms(self) -> Iterator[str]:
        """Statements about what has no name, by their text: `[ owl:oneOf ( ... ) ] rdfs:subClassOf
        on:Numerics`.
        """
        subjects = {quad.subject for quad in self.store if isinstance(quad.subject, ox.BlankNode)}
        used = {quad.object for quad in self.store if isinstance(quad.object, ox.BlankNode)}
        yield from (f"{ON}{self.said(node)}" for node in subjects - used)

    @cached_property
    def names(self) -> frozenset[str]:
        """Every name that something answers to."""
        found: set[str] = set()
        for stated in self.resources.values():
            found.update(*(stated.get(key, ()) for key in _NAMES))
        return frozenset(found)


def _fixed(stated: Mapping[str, set[str]]) -> Statements:
    return {key: frozenset(values) for key, values in stated.items()}


def _is_knowledge(iri: str, stated: Mapping[str, Any]) -> bool:
    """Whether a resource is what others speak of, and no header of a file."""
    return not iri.startswith(FILE) and "owl:Ontology" not in stated.get(RDF_TYPE, ())


def _of_resource(iri: str, before: _Described, after: _Described) -> Difference | None:
    old, new = before.resources.get(iri, {}), after.resources.get(iri, {})
    if old == new:
        return None
    kind, name = _kind(iri, old or new), prefixed(iri)
    label = min(new.get(_LABEL) or old.get(_LABEL) or {""})
    if not old:
        return Difference(kind, name, "added", label, breaking=tuple(_refused_by(new, new.keys())))
    lost = tuple(_names_lost(old, new, after))
    if not new:
        return Difference(kind, name, "removed", label, breaking=(*lost, *_gone(iri, kind)))
    changes = tuple(_changes(old, new))
    if _REPLACED in new and _REPLACED not in old:
        return Difference(kind, name, "deprecated", label, changes, lost)
    refused = _refused_by(new, {expand(change.property) for change in changes})
    return Difference(
        kind, name, "changed", label, changes, (*lost, *_other_meaning(kind, changes), *refused)
    )


def _changes(old: Statements, new: Statements) -> Iterator[Change]:
    nothing: frozenset[str] = frozenset()
    for key in sorted(old.keys() | new.keys()):
        before, after = old.get(key, nothing), new.get(key, nothing)
        if before != after:
            yield Change(prefixed(key), tuple(sorted(before - after)), tuple(sorted(after - before)))


def _kind(iri: str, stated: Statements) -> str:
    types = {expand(name) for name in stated.get(RDF_TYPE, ())}
    if types & _RULES:
        return "rule"
    if types & _EFFECTS:
        return "effect"
    declared = any(each.startswith(_OF_OWL) for each in types - {_OF_OWL + "NamedIndividual"})
    return "term" if declared or iri.startswith(ON) else "fact"


def _names_lost(old: Statements, new: Statements, after: _Described) -> Iterator[str]:
    """The names that nothing answers to any more, of something that people call by name.

    A label alone is none.
    """
    if _NAMES[0] not in old:
        return
    for key in _NAMES:
        lost = old.get(key, frozenset()) - new.get(key, frozenset()) - after.names
        yield from (f"nothing answers to '{name}' any more" for name in sorted(lost))


def _gone(iri: str, kind: str) -> Iterator[str]:
    """Rules, effects and observations are spoken of by nobody else; terms and other facts are."""
    if kind in ("term", "fact") and not iri.startswith(PREFIXES["obs"]):
        yield "what names it is refused, or finds nothing"


def _other_meaning(kind: str, changes: tuple[Change, ...]) -> Iterator[str]:
    for change in changes:
        iri = expand(change.property)
        if iri in _MEANING and (change.before or kind == "term"):
            yield _MEANING[iri]
        if iri == RDF_TYPE and change.before:
            yield f"it is no {' or '.join(map(local_name, map(expand, change.before)))} any more"


def _refused_by(new: Statements, changed: Any) -> Iterator[str]:
    """A shape that asks for something else may refuse what was accepted."""
    if {expand(name) for name in new.get(RDF_TYPE, ())} & _SHAPES and set(changed) - _WORDS_ONLY:
        yield "files that were accepted may be refused"


def _of_texts(old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[Difference]:
    for name in old.keys() | new.keys():
        if old.get(name) == new.get(name):
            continue
        kind = "question" if name.startswith("queries/") else "rule"
        what = "added" if name not in old else "removed" if name not in new else "changed"
        asked = name.rsplit("/", 1)[-1].removesuffix(".rq")
        breaks = kind == "question" and what == "removed"
        yield Difference(
            kind, name, what, breaking=(f"`ontune query {asked}` finds nothing",) if breaks else ()
        )


def _numbers(version: str) -> tuple[int, int, int] | None:
    parts = version.split(".")
    if len(parts) != 3 or not all(part.isdecimal() for part in parts):
        return None
    return int(parts[0]), int(parts[1]), int(parts[2])
