"""SPARQL as text, by its lexical grammar: what a query may hold before it reaches the engine, and our
prefixes written out.

The grammar is that of SPARQL 1.1, section 19.8 (https://www.w3.org/TR/sparql11-query/#sparqlGrammar). Only
tokens are told apart here: what a query means is the engine's and, where a query might ask another service,
rdflib's algebra.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from kb.errors import BadInput

DEEPEST = 32
"""Brackets within brackets: the engine's parser recurses, and tries calls of several arguments within one
another twice at each level: 32 cost it 0.2 seconds, 100 would never end. The deepest shipped query has 5."""

MOST_PARTS = 150
"""Patterns, alternatives, filters, operators that are joined: the engine recurses over them, and orders what
it joins in cubic time.
"""

_JOINING_WORDS = frozenset(("UNION", "OPTIONAL", "MINUS", "FILTER", "BIND", "GRAPH", "EXISTS"))
_JOINING_SIGNS = frozenset("!|&+-/.;^*")
_ESCAPED = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8}))")
_NAME_START = r"[^\W\d]"
_CODED = r"%[0-9A-Fa-f]{2}|\\[_~.\-!$&'()*+,;=/?#@%]"
_LOCAL = rf"(?:[\w:]|{_CODED})(?:(?:[\w.:-]|{_CODED})*(?:[\w:-]|{_CODED}))?"
_TOKEN = re.compile(
    r"""(?P<comment>\#[^\n\r]*)
    | (?P<text>\"{3}(?:\"{0,2}(?:[^\"\\]|\\.))*\"{3} | '{3}(?:'{0,2}(?:[^'\\]|\\.))*'{3}
        | "(?:[^"\\\n\r]|\\.)*" | '(?:[^'\\\n\r]|\\.)*')
    | (?P<iri><[^<>"{}|^`\\\x00-\x20]*>)
    | (?P<variable>[?$]\w+)
    | (?P<blank>_:\w[\w.-]*)
    | (?P<name>(?:NAME_START(?:[\w.-]*[\w-])?)?:(?:LOCAL)?)
    | (?P<tag>@[A-Za-z]+(?:-[A-Za-z0-9]+)*)
    | (?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)
    | (?P<word>NAME_START\w*)
    | (?P<space>\s+)
    | (?P<sign>.)""".replace("NAME_START", _NAME_START).replace("LOCAL", _LOCAL),
    re.VERBOSE | re.DOTALL,
)  # fmt: skip
_MEANT_BY_LOCAL = re.compile(r"\\(.)")
_TOO_MANY_DOTS = 2


class Token(NamedTuple):
    """A piece of a query.

    Attributes:
        kind: comment, text, iri, variable, blank, name (with a prefix), tag, number, word, space or sign.
        text: as it stands there.
    """

    kind: str
    text: str


def tokens(query: str) -> Iterator[Token]:
    """The pieces of a query, in order; together they are the query, its code point escapes resolved (which
    the grammar does before all else).
    """
    for match in _TOKEN.finditer(unescaped(query)):
        yield Token(str(match.lastgroup), match[0])


def unescaped(query: str) -> str:
    r"""The query with `\uXXXX` and `\UXXXXXXXX` replaced by what they stand for."""
    return _ESCAPED.sub(_sign, query)


def _sign(escape: re.Match[str]) -> str:
    """What an escape stands for; half of a pair of surrogates is no character, and is left to the engine to
    refuse.
    """
    sign = chr(min(int(escape[1] or escape[2], 16), 0x10FFFF))
    return escape[0] if "\ud800" <= sign <= "\udfff" else sign


def bare(query: str) -> str:
    """The query without its comments, texts and addresses, in which anything may look like a name or a
    keyword.
    """
    return "".join(" " if token.kind in ("comment", "text", "iri") else token.text for token in tokens(query))


def depth(query: str) -> int:
    """How many brackets stand open at the most nested place of a query."""
    open_now = deepest = 0
    for token in tokens(query):
        if token.kind == "sign":
            open_now += (token.text in "{([") - (token.text in "})]")
            deepest = max(deepest, open_now)
    return deepest


def parts(query: str) -> int:
    """How many patterns, alternatives, filters and operators a query joins at most."""
    return sum(
        token.text.upper() in _JOINING_WORDS
        if token.kind == "word"
        else token.kind == "sign" and token.text in _JOINING_SIGNS
        for token in tokens(query)
    )


def refuse_nesting(query: str, where: str, deepest: int = DEEPEST) -> None:
    """See that a query is neither nested more deeply nor made of more parts than an engine bears, which may
    recurse over both.

    Raises:
        BadInput: it is.
    """
    if (found := depth(query)) > deepest:
        raise BadInput(where, f"{found} brackets stand open at one place", expected=f"at most {deepest}")
    if (found := parts(query)) > MOST_PARTS:
        raise BadInput(where, f"{found} patterns and operators are joined", expected=f"at most {MOST_PARTS}")


def refuse_federation(query: str, where: str) -> None:
    """See that a query asks no other service: who answers it would fetch any address, from inside the network
    that it stands in.

    A query that does not hold the word at all, however it is written, asks none. Of any other the algebra
    decides; where there is none, nobody can tell, and the query is refused.

    Raises:
        BadInput: it asks another service, or that cannot be told.
    """
    if "service" not in unescaped(query).casefold():
        return
    from rdflib.plugins.sparql.algebra import translateQuery, traverse
    from rdflib.plugins.sparql.parser import parseQuery

    from kb.store.terms import PREFIXES

    asked = []

    def note(part: object) -> None:
        if getattr(part, "name", "") == "ServiceGraphPattern":
            asked.append(part)

    try:
        algebra = translateQuery(parseQuery(query), initNs=dict(PREFIXES)).algebra
        traverse(algebra, visitPost=note)
    except Exception as error:  # whatever it stumbles over, it cannot tell
        problem = (
            "it has the word SERVICE, and cannot be read well enough to say that it asks no other service"
        )
        raise BadInput(
            where, problem, expected="standard SPARQL 1.1 over this knowledge base alone"
        ) from error
    if asked:
        raise BadInput(
            where, "SERVICE asks another service", expected="a query over this knowledge base alone"
        )


def declared_prefixes(query: str) -> set[str]:
    """The prefixes that a query declares itself."""
    pieces = [token for token in tokens(query) if token.kind not in ("space", "comment")]
    return {
        name.text[:-1]
        for word, name in itertools.pairwise(pieces)
        if word.kind == "word" and word.text.upper() == "PREFIX"
    }


def with_whole_names(query: str) -> str:
    """The query with those names written out that the grammar allows and the engine refuses, such as
    `kb:torch-2.13.0`, which has two dots.

    Only names with a prefix of the knowledge base that the query does not declare itself; the others stay as
    they are, so that what the engine complains of stands where it stood.
    """
    from kb.store.terms import PREFIXES

    known = {prefix: PREFIXES[prefix] for prefix in PREFIXES.keys() - declared_prefixes(query)}
    return "".join(_whole(token, known) for token in tokens(query))


def _whole(token: Token, namespaces: Mapping[str, str]) -> str:
    prefix, _, local = token.text.partition(":")
    if token.kind != "name" or prefix not in namespaces or local.count(".") < _TOO_MANY_DOTS:
        return token.text
    return f"<{namespaces[prefix]}{_MEANT_BY_LOCAL.sub(lambda escaped: escaped[1], local)}>"
