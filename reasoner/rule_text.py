"""What a rule's SPARQL text says: the triple patterns of its head and of its body, and which of them are negated.

The store evaluates rules; this reader only finds what stratification, re-evaluation and explanation need to know. It understands the part of
SPARQL that rules use: groups, OPTIONAL, UNION, FILTER (NOT) EXISTS, MINUS, BIND, VALUES, property paths.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from kb.terms import PREFIXES, RDF_TYPE

_TOKEN = re.compile(
    r"""(?P<comment>\#[^\n]*) | (?P<iri><[^<>\s]*>) | (?P<string>"(?:[^"\\]|\\.)*"(?:@[\w-]+|\^\^\S+)?|'(?:[^'\\]|\\.)*')
      | (?P<variable>[?$]\w+) | (?P<name>(?:[A-Za-z_][\w-]*)?:[\w.-]*\w|[A-Za-z_][\w-]*:) | (?P<word>[A-Za-z_]\w*) | (?P<number>[+-]?\d[\d.]*)
      | (?P<mark>\^\^|\|\||&&|[!<>]=|[{}()\[\];.,/*+?^|!=<>-])""",
    re.VERBOSE,
)
_SKIPPED_CALLS = {"FILTER", "BIND", "VALUES", "HAVING"}


@dataclass(frozen=True)
class Pattern:
    """A triple pattern as text tokens.

    Attributes:
        path: the predicate, or the tokens of a property path.
        negated: whether it stands inside NOT EXISTS or MINUS.
        certain: whether every match of the rule matches it (not optional, not one side of a UNION).
    """

    subject: str
    path: tuple[str, ...]
    object: str
    negated: bool = False
    certain: bool = True

    @property
    def text(self) -> str:
        """The pattern as SPARQL."""
        return f"{self.subject} {' '.join(self.path)} {self.object} ."


@dataclass(frozen=True)
class RuleText:
    """The head and the body of a CONSTRUCT rule."""

    head: tuple[Pattern, ...]
    body: tuple[Pattern, ...]

    @property
    def where(self) -> tuple[Pattern, ...]:
        """The patterns that every match of the rule satisfies: its premises."""
        return tuple(pattern for pattern in self.body if pattern.certain and not pattern.negated and len(pattern.path) == 1)


@dataclass(frozen=True)
class Signature:
    """What a pattern can match: a predicate (None: any) and the IRI of an object (None: any, or a literal)."""

    predicate: str | None
    object: str | None

    def meets(self, other: Signature) -> bool:
        """Whether one triple could match both."""
        pairs = ((self.predicate, other.predicate), (self.object, other.object))
        return all(None in pair or pair[0] == pair[1] for pair in pairs)


@lru_cache(maxsize=4096)
def read_rule(construct: str) -> RuleText:
    """Read a rule of the form `CONSTRUCT { head } WHERE { body }`.

    Raises:
        ValueError: the text is not of that form.
    """
    tokens = [(str(match.lastgroup), match[0]) for match in _TOKEN.finditer(construct) if match.lastgroup != "comment"]
    words = [text.upper() for _, text in tokens]
    try:
        head_start = words.index("CONSTRUCT") + 1
        head_end = _closing(tokens, head_start)
        body_start = words.index("{", head_end)
    except ValueError:
        raise ValueError("a rule has the form CONSTRUCT { head } WHERE { body }") from None
    head = _patterns(tokens[head_start + 1 : head_end - 1], negated=False, certain=True)
    body = _patterns(tokens[body_start + 1 : _closing(tokens, body_start) - 1], negated=False, certain=True)
    return RuleText(tuple(head), tuple(body))


def read_pattern(text: str) -> Pattern | None:
    """Read a single triple pattern; None where the text is none (`VALUES`, say)."""
    tokens = [match[0] for match in _TOKEN.finditer(text)]
    return next(iter(_statement(tokens, negated=False, certain=True)), None) if tokens and tokens[0][0] in "?$" else None


def signatures(pattern: Pattern) -> list[Signature]:
    """What a pattern can match, with prefixes expanded: one signature for each predicate of its path."""
    if "!" in pattern.path:
        return [Signature(None, None)]
    target = None if expand(pattern.object) == pattern.object else expand(pattern.object)
    names = [token for token in pattern.path if token[0] not in "/|^*+?!()" or len(token) > 1]
    return [Signature(None if name[0] in "?$" else expand(name), target if len(pattern.path) == 1 else None) for name in names]


def expand(name: str) -> str:
    """The IRI behind `a`, `<iri>` or `prefix:name`; other tokens are returned as they are."""
    if name == "a":
        return RDF_TYPE
    if name.startswith("<"):
        return name[1:-1]
    prefix, colon, local = name.partition(":")
    return PREFIXES[prefix] + local if colon and prefix in PREFIXES else name


def _closing(tokens: list[tuple[str, str]], opening: int) -> int:
    """The index behind the bracket that closes the one at `opening`."""
    depth = 0
    for i in range(opening, len(tokens)):
        depth += {"{": 1, "(": 1, "[": 1, "}": -1, ")": -1, "]": -1}.get(tokens[i][1], 0)
        if depth == 0:
            return i + 1
    raise ValueError("a bracket is not closed")


def _patterns(tokens: list[tuple[str, str]], *, negated: bool, certain: bool) -> list[Pattern]:
    found: list[Pattern] = []
    statement: list[str] = []
    i = 0
    while i < len(tokens):
        kind, text = tokens[i]
        word = text.upper() if kind == "word" else text
        if word in _SKIPPED_CALLS or word == "NOT" or word in {"EXISTS", "MINUS", "OPTIONAL", "GRAPH"}:
            found += _statement(statement, negated, certain)
            statement = []
            i = _clause(tokens, i, word, found, negated=negated, certain=certain)
            continue
        if text == "{":
            end = _closing(tokens, i)
            found += _statement(statement, negated, certain)
            statement = []
            union = (end < len(tokens) and tokens[end][1].upper() == "UNION") or (i > 0 and tokens[i - 1][1].upper() == "UNION")
            found += _patterns(tokens[i + 1 : end - 1], negated=negated, certain=certain and not union)
            i = end
            continue
        if text == ".":
            found += _statement(statement, negated, certain)
            statement = []
        elif word != "UNION":
            statement.append(text)
        i += 1
    return found + _statement(statement, negated, certain)


def _clause(tokens: list[tuple[str, str]], i: int, word: str, found: list[Pattern], *, negated: bool, certain: bool) -> int:
    """Read a keyword's clause; returns the index behind it."""
    bracket = next(j for j in range(i, len(tokens)) if tokens[j][1] in ("{", "("))
    if word in {"FILTER", "BIND", "HAVING"} and tokens[bracket][1] == "(":
        end = _closing(tokens, bracket)
        inner = [text.upper() for _, text in tokens[i:end]]
        for j in range(i + 1, end):  # EXISTS may stand inside an expression
            if inner[j - i] == "EXISTS":
                block_end = _closing(tokens, j + 1)
                flipped = inner[j - i - 1] == "NOT"
                found += _patterns(tokens[j + 2 : block_end - 1], negated=negated or flipped, certain=False)
        return end
    if word == "VALUES":
        opening = next(j for j in range(i, len(tokens)) if tokens[j][1] == "{")
        return _closing(tokens, opening)
    opening = next(j for j in range(i, len(tokens)) if tokens[j][1] == "{")
    end = _closing(tokens, opening)
    before = {text.upper() for _, text in tokens[i:opening]}
    turns = bool(before & {"NOT", "MINUS"})
    found += _patterns(tokens[opening + 1 : end - 1], negated=negated or turns, certain=certain and word == "GRAPH")
    return end


def _statement(tokens: list[str], negated: bool, certain: bool) -> list[Pattern]:
    """The patterns of one `subject predicate object ; predicate object , object` statement."""
    if len(tokens) < 3:
        return []
    subject, found, i = tokens[0], [], 1
    if subject in "[(":
        return []
    while i < len(tokens):
        path, i = _until_object(tokens, i)
        while i < len(tokens):
            obj, i = (tokens[i], i + 1) if tokens[i] not in ("[", "(") else ("?_", _flat_closing(tokens, i))
            found.append(Pattern(subject, tuple(path), obj, negated, certain and obj != "?_"))
            separator = tokens[i] if i < len(tokens) else ""
            i += 1
            if separator != ",":
                break
        while i < len(tokens) and tokens[i] == ";":
            i += 1
    return found


def _until_object(tokens: list[str], i: int) -> tuple[list[str], int]:
    """A predicate or a property path, and the index of the object behind it."""
    path = [tokens[i]]
    if path[0] == "(":
        end = _flat_closing(tokens, i)
        path, i = tokens[i:end], end - 1
    i += 1
    while i < len(tokens) and (tokens[i] in ("/", "|", "^", "*", "+", "?") or path[-1] in ("/", "|", "^", "!")):
        path.append(tokens[i])
        i += 1
    return path, i


def _flat_closing(tokens: list[str], opening: int) -> int:
    return _closing([("mark", token) for token in tokens], opening)
