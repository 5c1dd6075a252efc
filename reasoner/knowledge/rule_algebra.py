"""Reads the text of a rule by rdflib's SPARQL algebra: what it reads, what it negates, what it concludes.
Only compiling needs this.

The patterns of the algebra are those that the standard gives a text, so that blank nodes, lists, nested
groups and paths are what they are for every engine. What rules may not hold, though it is SPARQL, is refused
by name (`reasoner.knowledge.rule_limits`).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from hashlib import sha256
from typing import Any, NamedTuple

import pyoxigraph as ox
from rdflib.paths import AlternativePath, InvPath, MulPath, NegatedPath, Path, SequencePath
from rdflib.plugins.sparql.algebra import translateQuery
from rdflib.plugins.sparql.parser import parseQuery
from rdflib.plugins.sparql.parserutils import CompValue
from rdflib.term import BNode, Literal, Variable

from kb.store.sparql_text import declared_prefixes, depth, tokens, with_whole_names
from kb.store.terms import PREFIXES
from kb.values import replace
from reasoner.knowledge import rule_limits
from reasoner.knowledge.rule_reading import THIS, DividingForm, Pattern, RuleReading, iri_of, is_open, name_of

_DEEPEST = 16
"""Brackets within brackets: the parser of the algebra recurses, some twenty calls for each."""
_LONGEST = 20_000
_ROUNDS = 4
"""So far blank nodes are told apart by what stands around them."""
_NO_QUERY = "its text is no CONSTRUCT query: {}"
FORM = "a rule has the form CONSTRUCT { head } WHERE { body }"


class Parts(NamedTuple):
    """A CONSTRUCT query as text, without comments: what stands before, within the braces of its head,
    between, within those of its body, behind.
    """

    before: str
    template: str
    between: str
    where: str
    behind: str


@lru_cache(maxsize=4096)
def read_rule(text: str) -> RuleReading:
    """Read a rule of the form `CONSTRUCT { head } WHERE { body }`.

    Raises:
        ValueError: the text is not of that form, or holds what no rule may hold; says what is wrong, and what
            to write instead.
    """
    reading, algebra = _read(text)
    rule_limits.refuse(algebra, parts(text), reading)
    try:
        ox.Store().query(with_whole_names(text), prefixes=PREFIXES)
    except (SyntaxError, ValueError) as error:  # what one parser lets pass the other may not
        raise ValueError(_NO_QUERY.format(" ".join(str(error).split()))) from error
    return replace(reading, forall_rule=_division(algebra, parts(text), reading))


@lru_cache(maxsize=256)
def read_closure_rule(text: str) -> RuleReading:
    """Read a closure rule as a CONSTRUCT query: all of the standard is allowed in it.

    Raises:
        ValueError: the text is no such query.
    """
    return _read(text)[0]


def parts(text: str) -> Parts:
    """The parts of a CONSTRUCT query with both braces.

    Raises:
        ValueError: it has another form.
    """
    pieces = ["\n" if token.kind == "comment" else token.text for token in tokens(text)]
    words = [piece.upper() for piece in pieces]
    try:
        head = words.index("{", words.index("CONSTRUCT"))
        head_end = _closing(pieces, head)
        body = words.index("{", head_end)
        body_end = _closing(pieces, body)
    except ValueError:
        raise ValueError(FORM) from None
    start = words.index("CONSTRUCT")
    spans = (
        (0, start),
        (head + 1, head_end),
        (head_end + 1, body),
        (body + 1, body_end),
        (body_end + 1, len(pieces)),
    )
    if "".join(pieces[start + 1 : head]).strip():
        raise ValueError(FORM)
    return Parts(*("".join(pieces[first:last]).strip() for first, last in spans))


def _unreadable(text: str) -> Iterator[str]:
    """What keeps a text from being given to a parser."""
    if len(text) > _LONGEST:
        yield f"its text has {len(text)} characters; at most {_LONGEST} are read"
    if (found := depth(text)) > _DEEPEST:
        yield f"{found} brackets stand open at one place of its text; at most {_DEEPEST} may"
    declared = PREFIXES.keys() | declared_prefixes(text)
    unknown = {token.text.partition(":")[0] for token in tokens(text) if token.kind == "name"} - declared
    if unknown:
        names = ", ".join(f"{name}:" for name in sorted(unknown))
        yield f"unknown prefix {names}; on:prefixes declares {', '.join(sorted(PREFIXES))}"


def _closing(pieces: list[str], opening: int) -> int:
    """The index of the brace that closes the one at `opening`."""
    depth = 0
    for index in range(opening, len(pieces)):
        depth += (pieces[index] == "{") - (pieces[index] == "}")
        if depth == 0:
            return index
    raise ValueError(FORM)


def _read(text: str) -> tuple[RuleReading, CompValue]:
    if problem := next(_unreadable(text), ""):
        raise ValueError(problem)
    split = parts(text)
    try:
        algebra = translateQuery(parseQuery(text), initNs=dict(PREFIXES)).algebra
    except Exception as error:  # the parsers' own, of several kinds
        raise ValueError(_NO_QUERY.format(" ".join(str(error).split()))) from error
    if not algebra.template:
        raise ValueError(FORM)
    reader = _Reader(rule_limits.doubted_variables(algebra))
    reader.group(algebra.p)
    head = reader.patterns_of(algebra.template)
    certain, uncertain = reader.sorted_body()
    variables = rule_limits.possible(algebra.p)
    whole = split._replace(template=with_whole_names(split.template), where=with_whole_names(split.where))
    return RuleReading(
        tuple(head), (*certain, *uncertain), whole.template, whole.where, tuple(sorted(variables))
    ), algebra


class _Reader:
    """Collects the patterns of an algebra."""

    def __init__(self, doubted: frozenset[str]) -> None:
        self._doubted = doubted
        self.body: list[Pattern] = []
        self._blank: dict[str, str] = {}
        self._staying: set[str] = set()

    def group(self, node: Any, *, certain: bool = True, negated: bool = False) -> None:
        """Take in what a part of the algebra asks for."""
        name = getattr(node, "name", "")
        if name == "BGP":
            self.body += [
                replace(pattern, certain=certain, negated=negated)
                for pattern in self.patterns_of(node.triples)
            ]
            return
        if name in ("Union", "Minus", "LeftJoin"):
            doubted = name == "LeftJoin" and not rule_limits.optional_variables(node).isdisjoint(
                self._doubted
            )
            self.group(node.p1, certain=certain and name != "Union", negated=negated)
            self.group(node.p2, certain=False, negated=negated or name == "Minus" or doubted)
            self.condition(node.get("expr"), negated=negated)
            return
        for key, part in node.items() if isinstance(node, CompValue) else ():
            if key in ("p", "p1", "p2"):
                self.group(part, certain=certain, negated=negated)
            elif key == "expr":
                self.condition(part, negated=negated, plain=name != "Extend")

    def condition(self, expression: Any, *, negated: bool, turned: bool = False, plain: bool = True) -> None:
        """Take in what a condition asks for by EXISTS.

        Args:
            turned: whether it stands within an odd number of negations.
            plain: whether only AND, OR and NOT stand around it, so that it is known which way it counts.
        """
        if isinstance(expression, list | tuple):
            for part in expression:
                self.condition(part, negated=negated, turned=turned, plain=plain)
            return
        if not isinstance(expression, CompValue):
            return
        if expression.name in rule_limits.EXISTS:
            absent = (expression.name == "Builtin_NOTEXISTS") != turned or not plain
            self.group(expression.graph, certain=False, negated=negated or absent)
            return
        still_plain = plain and expression.name in rule_limits.CONNECTIVES
        for part in expression.values():
            self.condition(
                part, negated=negated, turned=turned != (expression.name == "UnaryNot"), plain=still_plain
            )

    def patterns_of(self, triples: Iterable[tuple[Any, Any, Any]]) -> list[Pattern]:
        """Triple patterns of the algebra; a path is taken apart as far as it is a plain sequence.

        A path that may stay where it is, and starts and ends nowhere in particular, finds every node of the
        knowledge: it reads everything.
        """
        found: list[Pattern] = []
        for triple in self._ordered(list(triples)):
            found += self._steps(*triple)
        loose = [
            one
            for one in found
            if one.predicate in self._staying and is_open(one.subject) and is_open(one.object)
        ]
        known = {THIS}.union(*((one.subject, one.object) for one in found if one not in loose))
        while held := [one for one in loose if not known.isdisjoint((one.subject, one.object))]:
            loose = [one for one in loose if one not in held]
            known.update(*((one.subject, one.object) for one in held))
        return [replace(one, predicates=None) if one in loose else one for one in found]

    def sorted_body(self) -> tuple[list[Pattern], list[Pattern]]:
        """The certain patterns, as one comes from one to the next from the focus node on, and the others."""
        left = sorted(
            (pattern for pattern in self.body if pattern.certain),
            key=lambda one: (one.is_path, one.predicate, one.object, one.subject),
        )
        reached, found = {THIS}, []
        while left:
            following = next((pattern for pattern in left if pattern.subject in reached), left[0])
            left.remove(following)
            found.append(following)
            reached |= {term for term in (following.subject, following.object) if is_open(term)}
        return found, [pattern for pattern in self.body if not pattern.certain]

    def _ordered(self, triples: Sequence[tuple[Any, Any, Any]]) -> list[tuple[Any, Any, Any]]:
        """Triples in the order of their texts, so that a text is read alike each time: the algebra orders by
        blank nodes, whose names are made up.
        """
        terms = itertools.chain.from_iterable(triples)
        told: dict[str, str] = {str(term): "" for term in terms if isinstance(term, BNode)}
        for _ in range(len(told) and _ROUNDS):
            about: dict[str, list[str]] = {node: [] for node in told}
            for triple in triples:
                texts = [told.get(str(term), "") if isinstance(term, BNode) else term.n3() for term in triple]
                for place, term in enumerate(triple):
                    if isinstance(term, BNode):
                        about[str(term)].append(f"{place} {' '.join(texts)}")
            told = {
                node: sha256("\n".join(sorted(lines)).encode()).hexdigest() for node, lines in about.items()
            }
        for node in sorted(told, key=told.__getitem__):
            self._term(BNode(node))
        return sorted(
            triples,
            key=lambda triple: [term.n3() if isinstance(term, Path) else self._term(term) for term in triple],
        )

    def _steps(self, subject: Any, predicate: Any, object_: Any) -> Iterator[Pattern]:
        if isinstance(predicate, InvPath):
            yield from self._steps(object_, predicate.arg, subject)
        elif isinstance(predicate, SequencePath):
            nodes = [subject, *(BNode() for _ in predicate.args[1:]), object_]
            for number, step in enumerate(predicate.args):
                yield from self._steps(nodes[number], step, nodes[number + 1])
        elif isinstance(predicate, Path):
            along = _predicates(predicate)
            if _may_stay(predicate):
                self._staying.add(predicate.n3())
            yield Pattern(
                self._term(subject),
                predicate.n3(),
                self._term(object_),
                None if along is None else tuple(sorted(along)),
            )
        else:
            yield Pattern(self._term(subject), self._term(predicate), self._term(object_))

    def _term(self, term: Any) -> str:
        if isinstance(term, BNode):
            return self._blank.setdefault(str(term), f"_:b{len(self._blank)}")
        if isinstance(term, Variable):
            return f"?{term}"
        if isinstance(term, Literal):
            typed = ox.NamedNode(str(term.datatype)) if term.datatype else None
            return str(
                ox.Literal(str(term), language=term.language, datatype=None if term.language else typed)
            )
        return f"<{term}>"


def _predicates(path: Any) -> set[str] | None:
    """The predicates that a path goes along; None where that may be any."""
    if isinstance(path, NegatedPath):
        return None
    if isinstance(path, AlternativePath | SequencePath):
        below = [_predicates(part) for part in path.args]
        return None if None in below else set().union(*(names for names in below if names))
    if isinstance(path, MulPath):
        return _predicates(path.path)
    return _predicates(path.arg) if isinstance(path, InvPath) else {str(path)}


def _may_stay(path: Any) -> bool:
    """Whether a path may lead from a node to itself without any triple."""
    if isinstance(path, AlternativePath):
        return any(map(_may_stay, path.args))
    if isinstance(path, SequencePath):
        return all(map(_may_stay, path.args))
    if isinstance(path, MulPath):
        return bool(path.zero) or _may_stay(path.path)
    return isinstance(path, InvPath) and _may_stay(path.arg)


def _division(algebra: CompValue, split: Parts, reading: RuleReading) -> DividingForm | None:
    """The parts of a rule that divides: its only condition is that nothing of what a thing asks for is
    missing.
    """
    things = algebra.p.p
    lacking = _absent(things)
    missing = _absent(lacking)
    if lacking is None or missing is None or len(reading.head) != 1:
        return None
    asks, holds, [head] = _only(lacking.p), _only(missing), reading.head
    if (
        asks is None
        or holds is None
        or None in (thing := name_of(asks.subject), asked := name_of(asks.object))
    ):
        return None
    names = rule_limits.variables_in(things.p)
    predicates = [iri_of(pattern.predicate) for pattern in (asks, holds, head)]
    told = (head.object, holds.subject, holds.object) == (asks.subject, THIS, asks.object)
    if None in predicates or not told or not thing or not asked or thing not in rule_limits.bound(things.p):
        return None
    if name_of(THIS) in names or asked in names or thing == asked:
        return None
    select = (
        f"SELECT ?{thing} ?{asked} WHERE {{ {_without_condition(split.where)} OPTIONAL {{ {asks.text} }} }}"
    )
    return DividingForm(with_whole_names(select), thing, asked, str(predicates[2]), str(predicates[1]))


def _absent(node: Any) -> Any:
    """What a part of the algebra asks to be absent, where that is its only condition; else None."""
    condition: Any = node.expr if getattr(node, "name", "") == "Filter" else None
    return condition.graph if getattr(condition, "name", "") == "Builtin_NOTEXISTS" else None


def _only(group: CompValue) -> Pattern | None:
    """The one triple pattern of a group, if it is that and no path."""
    while (
        group.name == "Join" and group.p1.name == "BGP" and not group.p1.triples
    ):  # the algebra within EXISTS is not simplified
        group = group.p2
    found = _Reader(frozenset()).patterns_of(group.triples) if group.name == "BGP" else []
    return found[0] if len(found) == 1 and not found[0].is_path else None


def _without_condition(where: str) -> str:
    """A body without its one FILTER NOT EXISTS."""
    pieces = [token.text for token in tokens(where)]
    depth = 0
    for index, piece in enumerate(pieces):
        depth += (piece == "{") - (piece == "}")
        if depth == 0 and piece.upper() == "FILTER":
            end = _closing(pieces, pieces.index("{", index))
            return "".join((*pieces[:index], *pieces[end + 1 :]))
    return where
