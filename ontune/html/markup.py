"""Terms, texts and queries as HTML.

Every text is escaped here or by the templates; an address becomes a link only where a browser can follow it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import pyoxigraph as ox
from markupsafe import Markup, escape

from kb.store.terms import FILE, PREFIXES, RDF_TYPE, prefixed
from ontune.html.facts import Node, Stated, Term

_RDF = PREFIXES["rdf"]
_TOKEN = re.compile(
    r"(?P<comment>\#[^\n]*)"
    r"|(?P<string>\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])*')"
    r"|(?P<iri><[^<>\s]*>)"
    r"|(?P<variable>[?$]\w+)"
    r"|(?P<name>(?<![\w:-])[a-z]+:[A-Za-z_](?:[\w.-]*[\w-])?)"
    r"|(?P<keyword>\b[A-Z]{2,}(?:_[A-Z]+)*\b)"
    r"|(?P<other>\s+|.)",
    re.DOTALL,
)
_OPEN, _CLOSE, _STOP = "{}."
_SLOT = re.compile(r"\{\?(\w+)\}")


class Writer:
    """Writes terms as links into the pages.

    Args:
        stated: what is described, and where.
    """

    def __init__(self, stated: Stated) -> None:
        self._stated = stated
        self._links: dict[tuple[str, str | None], Markup] = {}

    def anchor(self, iri: str) -> str:
        """The identifier of a resource on its page."""
        return re.sub(r"[^\w:.~-]", "-", prefixed(iri))

    def link(self, iri: str, text: str | None = None) -> Markup:
        """A resource: a link to its description, else to its address, else its name."""
        if (iri, text) not in self._links:
            self._links[iri, text] = self._link(iri, text)
        return self._links[iri, text]

    def _link(self, iri: str, text: str | None) -> Markup:
        shown = prefixed(iri) if text is None else text
        if page := self._stated.page_of(iri):
            return Markup('<a href="{}#{}">{}</a>').format(page, self.anchor(iri), shown)
        if page := self._stated.page_of_file(iri):
            return Markup('<a href="{}">{}</a>').format(page, shown.removeprefix(FILE))
        if iri.startswith(("http://", "https://")) and shown == iri:
            return Markup('<a class="away" href="{}">{}</a>').format(iri, iri)
        return Markup("<code>{}</code>").format(shown)

    def term(self, term: Term) -> Markup:
        """Any value: a link, a text, or a nested list where it has no name."""
        if isinstance(term, ox.NamedNode):
            return self.link(term.value)
        if isinstance(term, ox.BlankNode):
            return self._unnamed(term)
        if isinstance(term, ox.Literal):
            return escape(term.value)
        return escape(str(term))

    def message(self, text: str) -> Markup:
        """A rule's message, its slots set apart."""
        return Markup("").join(
            Markup("<var>{}</var>").format(part) if place % 2 else escape(part)
            for place, part in enumerate(_SLOT.split(text))
        )

    def sparql(self, text: str) -> Markup:
        """A query with its names as links."""
        return Markup("").join(self._tokens(text))

    def _tokens(self, text: str) -> Iterator[Markup]:
        for match in _TOKEN.finditer(text):
            kind, token = match.lastgroup, match[0]
            if kind == "name":
                prefix, _, name = token.partition(":")
                yield self.link(PREFIXES[prefix] + name, token) if prefix in PREFIXES else escape(token)
            elif kind == "other":
                yield escape(token)
            else:
                yield Markup('<span class="{}">{}</span>').format(kind, token)

    def _unnamed(self, node: Node) -> Markup:
        if members := list(self._list(node)):
            return Markup("( {} )").format(Markup(" ").join(members))
        parts = []
        for property_, value in self._stated.about.get(node, ()):
            name = (
                ""
                if property_ == RDF_TYPE
                else Markup("{} ").format(self.link(property_, self._stated.label(property_)))
            )
            parts.append(Markup("{}{}").format(name, self.term(value)))
        return Markup('<span class="part">{}</span>').format(Markup(" · ").join(parts))

    def _list(self, node: Node) -> Iterator[Markup]:
        while first := self._stated.values(node, _RDF + "first"):
            yield self.term(first[0])
            (rest,) = self._stated.values(node, _RDF + "rest")
            if not isinstance(rest, ox.BlankNode):
                return
            node = rest


def laid_out(construct: str) -> str:
    """A rule's text, which stands on one line in its file, on several lines."""
    lines, depth = [""], 0
    for match in _TOKEN.finditer(" ".join(construct.split())):
        part = match[0]
        if part == _CLOSE:
            depth = max(0, depth - 1)
            lines += ["  " * depth + part, "  " * depth]
        elif part == _OPEN or (part == _STOP and lines[-1].endswith(" ")):
            depth += part == _OPEN
            lines[-1] += part
            lines.append("  " * depth)
        elif lines[-1].strip() or part.strip():
            lines[-1] += part
    return "\n".join(line.rstrip() for line in lines if line.strip())
