"""Names that were given up: each still answers, by what took its place, and says so.

A deprecated name is a stub in the knowledge, for as long as its old readers are served:

    kb:old-name owl:deprecated true ; dct:isReplacedBy kb:new-name ;
        skos:notation "old-name" ; on:deprecatedIn "0.2.0" .

Files, flags and calls find the replacement by any name of the stub (`kb.records.names`); what additions state
about the stub's IRI is read as stated about the replacement's (`renew`). Whoever used the old name is told by
a warning, `DeprecatedName`.
"""

from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

import pyoxigraph as ox

from kb.errors import DeprecatedName
from kb.store.terms import PREFIXES, expand, local_name, on, prefixed
from kb.values import Value

if TYPE_CHECKING:
    from kb.store.sparql_text import Token

_REPLACED: Final = ox.NamedNode(PREFIXES["dct"] + "isReplacedBy")
_IN: Final = on("deprecatedIn")
_TEXTS: Final = tuple(ox.NamedNode(PREFIXES["sh"] + name) for name in ("construct", "select", "ask"))
"""Where the text of a rule or of a constraint stands."""
_NAMING: Final = tuple(map(expand, ("skos:notation", "rdfs:label", "skos:altLabel")))


class Former(Value, frozen=True):
    """What a thing was called before.

    Attributes:
        iri: the stub.
        names: all that found it.
        since: the version of the knowledge that gave it up; empty where that is not stated.
    """

    iri: str
    names: tuple[str, ...]
    since: str = ""

    def tell(self, used: str, current: str) -> None:
        """Warn that an old name was used; `current` is the name that took its place."""
        warnings.warn(self.said(used, current), DeprecatedName, stacklevel=2)

    def said(self, used: str, current: str) -> str:
        """What users of an old name are told."""
        since = f" since knowledge {self.since}" if self.since else ""
        return f"'{used}' is deprecated{since}: '{current}' takes its place, and is taken"


Quads = Callable[[ox.NamedNode | None, ox.NamedNode | None, ox.NamedNode | None], Iterable[ox.Quad]]
"""Gives the quads of a pattern of subject, predicate and object."""


Texts = Callable[[str, str], Iterable[str]]
"""Gives the values of a resource's property as texts."""


def former_names(quads: Quads, texts: Texts) -> dict[str, tuple[Former, ...]]:
    """Of each resource that took the place of others, what these were called.

    Where one replacement was replaced itself, the last of them answers for all.
    """
    replacements = _replacements(quads)
    found: dict[str, list[Former]] = defaultdict(list)
    for old in sorted(replacements):
        found[_last(old, replacements)].append(_former(texts, old))
    return {iri: tuple(formers) for iri, formers in found.items()}


def renew(store: ox.Store, added: str) -> list[tuple[Former, str]]:
    """Write the replacement's IRI in place of each deprecated one in the statements of additions.

    Gives what was replaced, by what.

    Args:
        store: shipped sources and additions, as loaded.
        added: how the graphs of additions begin.
    """
    quads = _quads_of(store)
    replacements = _replacements(quads)
    used: dict[str, str] = {}

    def current(iri: str) -> str:
        if iri in replacements:
            used[iri] = _last(iri, replacements)
        return used.get(iri, iri)

    def renewed(term: Any) -> Any:
        return ox.NamedNode(current(term.value)) if isinstance(term, ox.NamedNode) else term

    for quad in _using(store, replacements, added) if replacements else ():
        subject, predicate, value = map(renewed, quad.triple)
        if quad.predicate in _TEXTS and isinstance(value, ox.Literal):
            value = ox.Literal(_renewed_text(value.value, current))
        store.remove(quad)
        store.add(ox.Quad(subject, predicate, value, quad.graph_name))
    return [(_former(_texts_of(quads), old), new) for old, new in sorted(used.items())]


def _renewed_text(text: str, current: Callable[[str], str]) -> str:
    """A rule's SPARQL with each deprecated name written as what took its place."""
    from kb.store.sparql_text import tokens

    def renewed(token: Token) -> str:
        iri = {"name": expand(token.text), "iri": token.text[1:-1]}.get(token.kind, "")
        return token.text if current(iri) == iri else f"<{current(iri)}>"

    return "".join(map(renewed, tokens(text)))


def _using(store: ox.Store, replacements: Mapping[str, str], added: str) -> list[ox.Quad]:
    """The quads of additions that hold a deprecated IRI, and the texts of their rules.

    What states that something is deprecated does not use it.
    """
    found: dict[ox.Quad, None] = {}
    for old in map(ox.NamedNode, replacements):
        found |= dict.fromkeys(store.quads_for_pattern(old, None, None, None))
        found |= dict.fromkeys(store.quads_for_pattern(None, old, None, None))
        found |= dict.fromkeys(store.quads_for_pattern(None, None, old, None))
    for predicate in _TEXTS:
        found |= dict.fromkeys(store.quads_for_pattern(None, predicate, None, None))
    stubs = {(quad.subject, quad.graph_name) for quad in store.quads_for_pattern(None, _REPLACED, None, None)}
    used = (quad for quad in found if (quad.subject, quad.graph_name) not in stubs)
    return [quad for quad in used if str(quad.graph_name).startswith(f"<{added}")]


def _quads_of(store: ox.Store) -> Quads:
    return lambda subject, predicate, value: store.quads_for_pattern(subject, predicate, value, None)


def _replacements(quads: Quads) -> dict[str, str]:
    found = {}
    for quad in quads(None, _REPLACED, None):
        if isinstance(quad.subject, ox.NamedNode) and isinstance(quad.object, ox.NamedNode):
            found[quad.subject.value] = quad.object.value
    return found


def _last(iri: str, replacements: Mapping[str, str]) -> str:
    """The end of a row of replacements; one that goes in a circle ends where it would come back."""
    passed = {iri}
    while (following := replacements.get(iri)) is not None and following not in passed:
        iri = following
        passed.add(iri)
    return iri


def _former(texts: Texts, old: str) -> Former:
    spoken: list[str] = []
    for predicate in _NAMING:
        spoken += texts(old, predicate)
    names = dict.fromkeys((*spoken, local_name(old), old, prefixed(old)))
    return Former(old, tuple(names), max(texts(old, _IN), default=""))


def _texts_of(quads: Quads) -> Texts:
    """The texts among the values that quads state."""

    def texts(iri: str, predicate: str) -> list[str]:
        found = quads(ox.NamedNode(iri), ox.NamedNode(predicate), None)
        return sorted(quad.object.value for quad in found if isinstance(quad.object, ox.Literal))

    return texts
