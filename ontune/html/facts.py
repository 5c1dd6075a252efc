"""What is stated, by subject, in the order of the files: what the pages show."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import chain

import pyoxigraph as ox

from kb.store.sources import Source
from kb.store.terms import PREFIXES, RDF_TYPE, prefixed

Node = ox.NamedNode | ox.BlankNode
Term = ox.NamedNode | ox.BlankNode | ox.Literal | ox.Triple

_LABEL, _CONSTRUCT, _SHAPE = (
    PREFIXES["rdfs"] + "label",
    PREFIXES["sh"] + "construct",
    PREFIXES["sh"] + "NodeShape",
)
_TITLE = PREFIXES["dct"] + "title"
_OPENING_COMMENT = re.compile(r"\A(?:\s*|@prefix[^\n]*\n)*((?:#[^\n]*\n)+)")


@dataclass
class Chapter:
    """A source file: its stable name, what its first comment says, its sources, and the named things that it
    describes, in its order.
    """

    name: str
    about: str
    file: ox.NamedNode
    subjects: list[str] = field(default_factory=list)

    @property
    def page(self) -> str:
        """The page that shows it."""
        return re.sub(r"[^\w.-]", "-", self.name.removesuffix(".ttl").removesuffix(".csv")) + ".html"


class Stated:
    """The triples of the source files, without what follows from them.

    Attributes:
        chapters: the files, in order.
        about: the properties of a subject with their values.
        mentions: the subjects of which a resource is a value, with the property.
        rules_that_name: the rules whose SPARQL text names a resource.
    """

    def __init__(self, sources: Sequence[Source]) -> None:
        self.chapters: list[Chapter] = []
        self.about: dict[Node, list[tuple[str, Term]]] = defaultdict(list)
        self.mentions: dict[str, list[tuple[Node, str]]] = defaultdict(list)
        self.rules_that_name: dict[str, list[str]] = defaultdict(list)
        self._chapter_of: dict[str, Chapter] = {}
        self._file_pages: dict[str, str] = {}
        self._owner: dict[ox.BlankNode, Node] = {}
        for source in sources:
            if source.holds_triples:
                self._read(source)
        shapes = set(self.of_class(_SHAPE))
        for chapter in self.chapters:  # what only says which rules there are comes last
            chapter.subjects.sort(key=shapes.__contains__)
        self._name_rules()

    def _read(self, source: Source) -> None:
        turtle = source.turtle()
        chapter = Chapter(source.name, _opening_comment(turtle), ox.NamedNode(source.graph))
        self.chapters.append(chapter)
        self._file_pages[source.graph] = chapter.page
        for quad in ox.parse(
            turtle, format=ox.RdfFormat.TURTLE, base_iri=source.graph, rename_blank_nodes=True
        ):
            subject, property_, value = quad.subject, quad.predicate.value, quad.object
            if isinstance(subject, ox.Triple):
                continue
            self.about[subject].append((property_, value))
            if isinstance(value, ox.NamedNode):
                self.mentions[value.value].append((subject, property_))
            elif isinstance(value, ox.BlankNode):
                self._owner[value] = subject
            if (
                isinstance(subject, ox.NamedNode)
                and property_ == RDF_TYPE
                and subject != chapter.file
                and subject.value not in self._chapter_of
            ):
                self._chapter_of[subject.value] = chapter
                chapter.subjects.append(subject.value)

    def _name_rules(self) -> None:
        for subject, facts in self.about.items():
            for property_, value in facts:
                if (
                    property_ == _CONSTRUCT
                    and isinstance(subject, ox.NamedNode)
                    and isinstance(value, ox.Literal)
                ):
                    for iri in dict.fromkeys(names_in(value.value)):
                        self.rules_that_name[iri].append(subject.value)

    def page_of(self, iri: str) -> str | None:
        """The page on which a resource is described, or None."""
        chapter = self._chapter_of.get(iri)
        return chapter.page if chapter else None

    def page_of_file(self, iri: str) -> str | None:
        """The page of a source file, by the file's own name in RDF, or None."""
        return self._file_pages.get(iri)

    def about_chapter(self, chapter: Chapter) -> str:
        """What a file is about: its first comment, else the title of its ontology or its own label."""
        titled = (self.text(iri, _TITLE) for iri in chapter.subjects)
        return chapter.about or self.text(chapter.file.value, _LABEL) or next(filter(None, titled), "")

    def values(self, subject: Node, property_: str) -> list[Term]:
        """The values of one property, in the order of the files, each once."""
        return list(dict.fromkeys(value for name, value in self.about.get(subject, ()) if name == property_))

    def text(self, iri: str, property_: str) -> str:
        """The first value of a property as text, or the empty text."""
        return next(
            (
                value.value
                for value in self.values(ox.NamedNode(iri), property_)
                if not isinstance(value, ox.Triple)
            ),
            "",
        )

    def label(self, iri: str) -> str:
        """What a resource is called; its short name where it has no label."""
        return self.text(iri, _LABEL) or self.text(iri, _TITLE) or prefixed(iri)

    def of_class(self, *classes: str) -> list[str]:
        """The named members of classes, as stated, in the order of the files."""
        wanted = {str(ox.NamedNode(name)) for name in classes}
        members: list[str] = []
        for iri in chain.from_iterable(chapter.subjects for chapter in self.chapters):
            types = {str(value) for value in self.values(ox.NamedNode(iri), RDF_TYPE)}
            if types & wanted:
                members.append(iri)
        return members

    def named_owner(self, node: Node) -> str | None:
        """The named resource that a blank node is a part of."""
        while isinstance(node, ox.BlankNode) and node in self._owner:
            node = self._owner[node]
        return node.value if isinstance(node, ox.NamedNode) else None


def names_in(sparql: str) -> Iterable[str]:
    """The IRIs that a query names by a known prefix."""
    for prefix, name in re.findall(
        r"(?<![\w?$:<-])([a-z]+):([A-Za-z_](?:[\w.-]*[\w-])?)",
        re.sub(r"'[^']*'|\"[^\"]*\"|<[^<>\s]*>", " ", sparql),
    ):
        if prefix in PREFIXES:
            yield PREFIXES[prefix] + name


def _opening_comment(turtle: str) -> str:
    found = _OPENING_COMMENT.match(turtle)
    return " ".join(line.lstrip("# ").rstrip() for line in found[1].splitlines()) if found else ""
