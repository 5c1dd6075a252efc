"""What a rule's text says, as data: what it reads, what it negates, what it concludes, and its text in the
parts that queries are made of.

A rule is read once, when the knowledge is compiled (`reasoner.knowledge.rule_algebra`). The snapshot holds
what was read, so that planning reads no text.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any

import msgspec

from kb.store.shards import Read
from kb.store.terms import FILE
from kb.values import Value

READINGS = FILE + "readings"
"""The graph of a compiled knowledge base that holds what its rules say."""
THIS = "?this"
"""The focus node of a rule, as it stands in patterns."""


class Signature(Value, frozen=True):
    """What a pattern can match: a predicate (None: any) and the IRI of an object (None: any, or a
    literal).
    """

    predicate: str | None
    object: str | None

    @property
    def pair(self) -> Read:
        """The same as the store takes it."""
        return self.predicate, self.object

    def meets(self, other: Signature) -> bool:
        """Whether one triple could match both."""
        pairs = ((self.predicate, other.predicate), (self.object, other.object))
        return all(None in pair or pair[0] == pair[1] for pair in pairs)


class Pattern(Value, frozen=True):
    """A triple pattern. Its terms are texts: `?name`, `_:name` (a blank node, which is a variable without a
    name), `<iri>`, or a literal.

    Attributes:
        predicate: a term, or a property path as SPARQL.
        predicates: of a path, the IRIs of the predicates that it goes along, or None where that may be any;
            of a term, nothing.
        certain: whether every match of the rule matches it: it is neither optional, nor one side of a UNION,
            nor asked by EXISTS.
        negated: whether a conclusion may fall away once it matches: it stands within NOT EXISTS, or in an
            OPTIONAL that a condition asks about.
    """

    subject: str
    predicate: str
    object: str
    predicates: tuple[str, ...] | None = ()
    certain: bool = True
    negated: bool = False

    @property
    def text(self) -> str:
        """The pattern as SPARQL."""
        return f"{self.subject} {self.predicate} {self.object} ."

    @property
    def is_path(self) -> bool:
        """Whether its predicate is a path."""
        return self.predicates != ()

    @property
    def signatures(self) -> tuple[Signature, ...]:
        """What it can match."""
        if self.predicates is None:
            return (Signature(None, None),)
        if self.predicates:
            return tuple(Signature(predicate, None) for predicate in self.predicates)
        return (Signature(iri_of(self.predicate), iri_of(self.object)),)


class DividingForm(Value, frozen=True):
    """The parts of a rule that concludes everything of which all that it asks for holds (see
    `reasoner.inference.forall_rules`).

    Attributes:
        select: the query for the things and for what each of them asks for.
        thing, asked: the names of its two variables.
        concludes, holds: the predicates, as IRIs, of what is concluded of the focus node, and of what must
        hold of it.
    """

    select: str
    thing: str
    asked: str
    concludes: str
    holds: str


class RuleReading(Value, frozen=True):
    """The head and the body of a rule `CONSTRUCT { head } WHERE { body }`.

    Attributes:
        head, body: their patterns; the certain ones of the body stand as one comes from one to the next, from
        the focus node on.
        template, where: what stands between their braces, as SPARQL without comments.
        variables: the names of the variables that a match of the body may bind.
        division: its parts, where it divides.
    """

    head: tuple[Pattern, ...]
    body: tuple[Pattern, ...]
    template: str
    where: str
    variables: tuple[str, ...] = ()
    forall_rule: DividingForm | None = None

    @cached_property
    def premises(self) -> tuple[Pattern, ...]:
        """The triples that every match of the rule finds."""
        return tuple(pattern for pattern in self.body if pattern.certain and not pattern.is_path)

    def to_json(self) -> str:
        """The reading as one line of text."""
        document = {
            "head": [_listed(pattern) for pattern in self.head],
            "body": [_listed(pattern) for pattern in self.body],
            "template": self.template,
            "where": self.where,
            "variables": self.variables,
        }
        return json.dumps(
            document | ({"division": msgspec.structs.asdict(self.forall_rule)} if self.forall_rule else {}),
            separators=(",", ":"),
        )

    @classmethod
    def from_json(cls, text: str) -> RuleReading:
        """What `to_json` has given."""
        document = json.loads(text)
        forall_rule = document.get("division")
        return cls(
            _patterns(document["head"]),
            _patterns(document["body"]),
            document["template"],
            document["where"],
            tuple(document["variables"]),
            DividingForm(**forall_rule) if forall_rule else None,
        )


def iri_of(term: str) -> str | None:
    """The IRI that a term of a pattern is, if it is one."""
    return term[1:-1] if term[0] == "<" else None


def name_of(term: str) -> str | None:
    """The name of the variable that a term of a pattern is, if it is one that has a name."""
    return term[1:] if term[0] == "?" else None


def is_open(term: str) -> bool:
    """Whether a term of a pattern stands for any node."""
    return term[0] in "?_"


def signatures_of(patterns: Iterable[Pattern]) -> tuple[Signature, ...]:
    """What patterns can match, each once."""
    found = itertools.chain.from_iterable(pattern.signatures for pattern in patterns)
    return tuple(dict.fromkeys(found))


def _listed(pattern: Pattern) -> list[Any]:
    flags = int(pattern.certain) + 2 * int(pattern.negated)
    return [
        pattern.subject,
        pattern.predicate,
        pattern.object,
        flags,
        *([pattern.predicates] if pattern.is_path else []),
    ]


def _patterns(listed: Sequence[Sequence[Any]]) -> tuple[Pattern, ...]:
    found = []
    for subject, predicate, object_, flags, *path in listed:
        predicates: Any = (tuple(path[0]) if path[0] is not None else None) if path else ()
        found.append(Pattern(subject, predicate, object_, predicates, bool(flags & 1), bool(flags & 2)))
    return tuple(found)
