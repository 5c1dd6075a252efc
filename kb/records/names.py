"""Names: what people call a thing by, and which resource of the knowledge base they mean.

One resolver for every file, flag and call. A thing is found by its `skos:notation`, the last part of its IRI,
its IRI (whole or with a prefix), its `rdfs:label` or a `skos:altLabel`, whatever the case and whether its
words are divided by `-`, `_` or a blank. A `skos:hiddenLabel` is no name of the thing, but what those write
who mean it: it leads to a suggestion.
"""

from __future__ import annotations

import difflib
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import TYPE_CHECKING

import pyoxigraph as ox

from kb.errors import BadInput
from kb.store.terms import ON, PREFIXES, RDF_TYPE, local_name, prefixed
from kb.values import Value

if TYPE_CHECKING:
    from kb.deprecations import Former
    from kb.store.store import KnowledgeStore

_NOTATION = ox.NamedNode(PREFIXES["skos"] + "notation")
_LABEL = ox.NamedNode(PREFIXES["rdfs"] + "label")
_ALT = ox.NamedNode(PREFIXES["skos"] + "altLabel")
_HIDDEN = ox.NamedNode(PREFIXES["skos"] + "hiddenLabel")
_REPLACED = ox.NamedNode(PREFIXES["dct"] + "isReplacedBy")
_SCOPE = ox.NamedNode(PREFIXES["skos"] + "scopeNote")
_BROADER_CLASS = ox.NamedNode(PREFIXES["rdfs"] + "subClassOf")
_TYPE = ox.NamedNode(RDF_TYPE)
_SHOWN = 16  # names that a message lists
_SUGGESTED = 4  # things that a message suggests
_ALIKE = 0.65  # how much of two spellings must agree, from 0 to 1


def folded(text: str) -> str:
    """A name without what its spellings differ in: case, `-`, `_`, blanks, the brackets around an IRI."""
    return re.sub(r"[-_\s<>]+", "", text.casefold())


def one_of(text: str, known: Iterable[str], where: str, what: str) -> str:
    """The known word that a text spells.

    Raises:
        BadInput: there is none; the message names `where`, lists the words, and suggests the nearest.
    """
    entries = [Entry(word, word) for word in known]
    return Vocabulary(entries).find(text, where, what).name


class Entry(Value, frozen=True):
    """A thing with its names.

    Attributes:
        iri: the resource.
        name: the one name that files, plans and rules have for it.
        labels, alternatives: further names; a label counts before an alternative.
        hidden: what people write who mean the thing.
        former: what was called otherwise before, and still answers; who says such a name is warned.
    """

    iri: str
    name: str
    labels: tuple[str, ...] = ()
    alternatives: tuple[str, ...] = ()
    hidden: tuple[str, ...] = ()
    former: tuple[Former, ...] = ()

    @property
    def spellings(self) -> tuple[tuple[str, ...], ...]:
        """What finds the thing, the strongest first."""
        return (self.name, local_name(self.iri), self.iri, prefixed(self.iri)), self.labels, self.alternatives


class Vocabulary:
    """The things that a name may mean in one place.

    Args:
        entries: the things.
    """

    def __init__(self, entries: Iterable[Entry]) -> None:
        self.entries = sorted(entries, key=lambda entry: entry.name)

    @cached_property
    def _by_spelling(self) -> list[dict[str, list[Entry]]]:
        ranks: list[dict[str, list[Entry]]] = [defaultdict(list) for _ in range(3)]
        for entry in self.entries:
            for rank, spellings in zip(ranks, entry.spellings, strict=True):
                for spelling in {folded(spelling) for spelling in spellings}:
                    rank[spelling].append(entry)
        return ranks

    def meant(self, text: str) -> list[Entry]:
        """The things that a text may name; several where it is ambiguous, none where it is unknown. Current
        names go before deprecated ones.
        """
        exact = [entry for entry in self.entries if text in (entry.name, entry.iri)]
        return (
            exact
            or next((rank[folded(text)] for rank in self._by_spelling if folded(text) in rank), [])
            or self._once_named(text)
        )

    def _once_named(self, text: str) -> list[Entry]:
        """The things that had a name before; who says it is warned."""
        wanted, found = folded(text), []
        for entry in self.entries:
            for former in entry.former:
                if wanted in map(folded, former.names):
                    former.tell(text, entry.name)
                    found.append(entry)
                    break
        return found

    def find(
        self,
        text: str,
        where: str,
        what: str,
        *,
        expected: str = "",
        hints: Iterable[str] = (),
        also: str = "",
    ) -> Entry:
        """The thing that a text names.

        Args:
            text: the name.
            where: file and key, or the flag, for the error.
            what: what is named there, such as `framework`.
            expected: what would be accepted; without it the names are listed.
            hints: names that what is known of the text leads to.
            also: what is known of the text, for the error.

        Raises:
            BadInput: nothing, or more than one thing, has the name.
        """
        found = self.meant(text)
        if len(found) == 1:
            return found[0]
        if found:
            raise BadInput(
                where,
                f"'{text}' may mean several things",
                expected=" or ".join(entry.name for entry in found),
                given=text,
            )
        likely = list(dict.fromkeys(self._led_to(text) or [*hints] or self.suggestions(text)))[:_SUGGESTED]
        problem = f"unknown {what} '{text}'" + (f" ({also})" if also else "")
        raise BadInput(
            where,
            problem,
            expected=expected or listed(entry.name for entry in self.entries),
            given=text,
            meant=likely,
        )

    def _led_to(self, text: str) -> list[str]:
        """The names of the things that those mean who write the text."""
        wanted = folded(text)
        return [entry.name for entry in self.entries if wanted in map(folded, entry.hidden)]

    def suggestions(self, text: str) -> list[str]:
        """The names that are likely meant: those that have the words of the text, else the one spelt most
        like it.
        """
        wanted, words = folded(text), _words(text)
        by_words = [entry.name for entry in self.entries if words and _has_words(entry, words)]
        if by_words:
            return by_words
        spellings: dict[str, str] = {}
        for entry in self.entries:
            for spelling in (entry.name, *entry.labels, *entry.alternatives):
                spellings.setdefault(folded(spelling), entry.name)
        return [spellings[near] for near in difflib.get_close_matches(wanted, spellings, n=1, cutoff=_ALIKE)]


class Names:
    """The names of a knowledge base's resources, by their class.

    Args:
        store: the knowledge base; its names must not change while this is used.
    """

    def __init__(self, store: KnowledgeStore) -> None:
        self._store = store
        self._vocabularies: dict[str, Vocabulary] = {}
        self._literals: dict[str, dict[str, str]] = {}
        self._found: dict[tuple[str, str], Entry] = {}
        self._former: dict[str, tuple[Former, ...]] | None = None

    def vocabulary(self, class_iri: str) -> Vocabulary:
        """The resources of a class that have a notation; where none has, the last part of its IRI is the name
        of each.
        """
        if class_iri not in self._vocabularies:
            instances = self._instances(class_iri)
            noted = {iri for iri in instances if self._texts(iri, _NOTATION)}
            self._vocabularies[class_iri] = Vocabulary([self.entry(iri) for iri in noted or instances])
        return self._vocabularies[class_iri]

    def knows(self, class_iri: str) -> bool:
        """Whether anything of a class is known: a knowledge base that has nothing of it cannot tell right
        from wrong.
        """
        return any(True for _ in self._store.quads(None, _TYPE, ox.NamedNode(class_iri)))

    def entry(self, iri: str) -> Entry:
        """A resource with its names."""
        name = next(iter(self._texts(iri, _NOTATION)), local_name(iri))
        if self._former is None:
            self._former = self._former_names()
        labels, others, hidden = (self._texts(iri, predicate) for predicate in (_LABEL, _ALT, _HIDDEN))
        return Entry(iri, name, labels, others, hidden, self._former.get(iri, ()))

    def _former_names(self) -> dict[str, tuple[Former, ...]]:
        if not any(True for _ in self._store.quads(None, _REPLACED, None)):
            return {}
        from kb.deprecations import former_names

        return former_names(self._store.quads, self._store.objects)

    def find(
        self,
        class_iri: str,
        text: str,
        where: str,
        *,
        what: str = "",
        expected: str = "",
        others: Iterable[str] = (),
    ) -> Entry:
        """The resource of a class that a text names.

        Args:
            class_iri: such as `on:Target`.
            text: a name.
            where: file and key, or the flag, for the error.
            what: what is named there, for the error; without it the label of the class.
            expected: what would be accepted there; without it the names are listed.
            others: further words that would be accepted there, to be suggested.

        Raises:
            BadInput: nothing, or more than one resource, has the name; the message says what else the text
                names, and suggests what is meant.
        """
        if (class_iri, text) not in self._found:
            self._found[class_iri, text] = self._exact(class_iri, text) or self._searched(
                class_iri, text, where, what, expected, others
            )
        return self._found[class_iri, text]

    def spelt(self, property_iri: str, text: str) -> str:
        """A text as the knowledge base spells it, where it is a value of a property; else the text as it
        is.
        """
        if property_iri not in self._literals:
            rows = self._store.select(f"SELECT DISTINCT ?value WHERE {{ ?any <{property_iri}> ?value }}")
            values = sorted((row["value"] for row in rows), reverse=True)
            self._literals[property_iri] = {folded(value): value for value in values}
        return self._literals[property_iri].get(folded(text), text)

    def _exact(self, class_iri: str, text: str) -> Entry | None:
        """The one resource whose notation is exactly that text: found without reading the class."""
        of_class = ox.NamedNode(class_iri)
        fitting = []
        for subject in self._store.subjects(_NOTATION.value, text):
            typings = self._store.quads(ox.NamedNode(subject), _TYPE, of_class)
            if next(typings, None) is not None:
                fitting.append(subject)
        return Entry(fitting[0], text) if len(fitting) == 1 else None

    def _searched(
        self, class_iri: str, text: str, where: str, what: str, expected: str, further: Iterable[str]
    ) -> Entry:
        vocabulary = self.vocabulary(class_iri)
        what = what or next(iter(self._texts(class_iri, _LABEL)), local_name(class_iri).lower())
        if vocabulary.meant(text):
            return vocabulary.find(text, where, what)
        others = list(self._elsewhere(text)) or list(self._hidden_elsewhere(text))
        hints: list[str] = []
        for other in others:
            hints += self._linked(other, vocabulary)
        hints = hints or Vocabulary(Entry(word, word) for word in further).suggestions(text)
        return vocabulary.find(
            text, where, what, expected=expected, hints=hints, also=self._place_hint(others)
        )

    def _elsewhere(self, text: str) -> Iterator[str]:
        """Resources of whatever class that a text names."""
        prefix, _, name = text.strip("<>").partition(":")
        iri = PREFIXES[prefix] + name if prefix in PREFIXES else text.strip("<>")
        if re.fullmatch(r"[a-z]+:[^\s<>\"{}|^`\\]+", iri) and any(
            self._store.quads(ox.NamedNode(iri), None, None)
        ):
            yield iri
        wanted, found = folded(text), set()
        for predicate in (_NOTATION, _LABEL, _ALT):
            for quad in self._store.quads(None, predicate, None):
                named = isinstance(quad.object, ox.Literal) and folded(quad.object.value) == wanted
                if named and isinstance(quad.subject, ox.NamedNode) and quad.subject.value not in found:
                    found.add(quad.subject.value)
                    yield quad.subject.value

    def _hidden_elsewhere(self, text: str) -> Iterator[str]:
        """Resources of the classes that say how they are named (skos:scopeNote) of which the text is what
        people write who mean them, or all of whose words they have: `H100` of an H100 PCIe."""
        classes = {
            quad.subject.value
            for quad in self._store.quads(None, _SCOPE, None)
            if isinstance(quad.subject, ox.NamedNode)
        }
        words = _words(text)
        for class_iri in sorted(classes):
            for entry in self.vocabulary(class_iri).entries:
                if folded(text) in map(folded, entry.hidden) or (
                    words and words <= _words(" ".join(entry.labels))
                ):
                    yield entry.iri

    def _linked(self, iri: str, vocabulary: Vocabulary) -> list[str]:
        """The things of a vocabulary that a resource is stated to have to do with, by their IRI or by their
        name.
        """
        quads = list(self._store.quads(ox.NamedNode(iri), None, None))
        stated = {
            quad.object.value
            for quad in quads
            if quad.predicate not in (_NOTATION, _LABEL, _ALT) and not isinstance(quad.object, ox.Triple)
        }
        return [entry.name for entry in vocabulary.entries if entry.iri in stated or entry.name in stated]

    def _place_hint(self, others: Iterable[str]) -> str:
        """What a text names that stands in the wrong place, with what its class says of how it is said."""
        for iri in others:
            for of_class in self._classes(iri):
                kind = next(iter(self._texts(of_class, _LABEL)), "")
                advice = next(iter(self._texts(of_class, _SCOPE)), "")
                if kind and advice:
                    return f"that is {'an' if kind[0] in 'aeiou' else 'a'} {kind}: {advice}"
        return ""

    def _classes(self, iri: str) -> list[str]:
        """The classes of a resource among Ontune's own, the narrowest first."""
        types = self._store.quads(ox.NamedNode(iri), _TYPE, None)
        own = {
            quad.object.value
            for quad in types
            if isinstance(quad.object, ox.NamedNode) and quad.object.value.startswith(ON)
        }
        broader = {each: self._broader(each) & own for each in own}
        return sorted(own, key=lambda each: (-len(broader[each]), each))

    def _broader(self, class_iri: str) -> set[str]:
        quads = self._store.quads(ox.NamedNode(class_iri), _BROADER_CLASS, None)
        return {
            quad.object.value
            for quad in quads
            if isinstance(quad.object, ox.NamedNode) and quad.object.value != class_iri
        }

    def _instances(self, class_iri: str) -> set[str]:
        quads = self._store.quads(None, _TYPE, ox.NamedNode(class_iri))
        return {quad.subject.value for quad in quads if isinstance(quad.subject, ox.NamedNode)}

    def _texts(self, iri: str, predicate: ox.NamedNode) -> tuple[str, ...]:
        return tuple(self._store.objects(iri, predicate.value))


def listed(names: Iterable[str]) -> str:
    """Names in a row, and how many more there are."""
    ordered = sorted(names)
    return ", ".join(ordered[:_SHOWN]) + (f" ... ({len(ordered)} in all)" if len(ordered) > _SHOWN else "")


def _words(text: str) -> set[str]:
    return {word for word in re.findall(r"[a-z0-9.]+", text.casefold()) if len(word) > 1}


def _has_words(entry: Entry, wanted: set[str]) -> bool:
    """Whether each word begins one of the entry's; a word that is a number must be there as it is."""
    there = _words(" ".join((entry.name, *entry.labels, *entry.alternatives)))
    return all(word in there or (len(word) > 2 and _begins_one_of(word, there)) for word in wanted)


def _begins_one_of(word: str, others: Iterable[str]) -> bool:
    return any(other.startswith(word) for other in others)
