"""What SPARQL allows and a rule may not hold, each by its name with what to write instead. Two reasons bar
things.

Engines give the focus node to a query in two ways: they replace `$this` everywhere, or they join its value.
Where the two differ (SHACL bars most of it, https://www.w3.org/TR/shacl/#pre-binding), a rule would conclude
other things here than there. And what a rule concludes must rest on what its patterns find, and on nothing
else: not on the hour, on chance, on how many there are, or on the order of rows.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence, Set
from typing import TYPE_CHECKING, Any

from rdflib.plugins.sparql.parserutils import CompValue
from rdflib.term import BNode, URIRef, Variable

from kb.store.sparql_text import tokens
from kb.store.terms import PREFIXES
from reasoner.knowledge.rule_reading import THIS, RuleReading, name_of

if TYPE_CHECKING:
    from reasoner.knowledge.rule_algebra import Parts

CONNECTIVES = ("ConditionalAndExpression", "ConditionalOrExpression", "UnaryNot")
"""Expressions of which it is known which way their parts count."""
EXISTS = ("Builtin_EXISTS", "Builtin_NOTEXISTS")
_FOCUS = name_of(THIS) or ""
_APART = "write what it finds as a derivation of its own, and ask for its conclusion"
_BARRED = {
    "Minus": "MINUS; write FILTER NOT EXISTS { ... }",
    "Graph": "GRAPH; a rule reads all of the knowledge, so write its pattern without GRAPH",
    "AggregateJoin": f"an aggregate or GROUP BY; {_APART}",
    "Project": f"a query within the query (SELECT); {_APART}",
    "OrderBy": "ORDER BY; conclusions have no order, so leave it out",
    "Slice": "LIMIT or OFFSET; which rows are taken is up to each engine, "
    "so say by a pattern which are meant",
    "Builtin_NOW": "NOW(); a rule concludes the same at any time, "
    "so ask for a date that the request or the knowledge states",
    "Builtin_RAND": "RAND(); a rule concludes the same whenever it is asked",
    "Builtin_UUID": "UUID(); a rule makes no new node",
    "Builtin_STRUUID": "STRUUID(); a rule concludes the same whenever it is asked",
    "Builtin_BNODE": "BNODE(); a rule makes no new node",
}


def refuse(algebra: CompValue, parts: Parts, reading: RuleReading) -> None:
    """See that a rule holds nothing that rules may not hold.

    Raises:
        ValueError: it does; says what, and what to write instead.
    """
    if problem := next(_problems(algebra, parts, reading), None):
        raise ValueError(problem)


def optional_variables(node: CompValue) -> frozenset[str]:
    """The variables that an OPTIONAL may bind or leave unbound."""
    return possible(node.p2) - bound(node.p1)


def doubted_variables(algebra: CompValue) -> frozenset[str]:
    """The variables of which a condition or an assignment asks whether they are unbound, so that a conclusion
    may rest on it.
    """
    found = set(_asked_whether_unbound(algebra))
    assigned = [(str(node.var), variables_in(node.expr)) for node in _every(algebra) if node.name == "Extend"]
    while further := _assigned_from(assigned, found) - found:
        found |= further
    return frozenset(found)


def _assigned_from(assigned: Sequence[tuple[str, frozenset[str]]], wanted: Set[str]) -> set[str]:
    """The variables in the expressions that are assigned to some variables."""
    found: set[str] = set()
    for variable, names in assigned:
        if variable in wanted:
            found |= names
    return found


def bound(node: Any) -> frozenset[str]:
    """The variables that every solution of a part of the algebra binds."""
    return _variables(node, every=True)


def possible(node: Any) -> frozenset[str]:
    """The variables that a solution of a part of the algebra may bind."""
    return _variables(node, every=False)


def variables_in(part: Any) -> frozenset[str]:
    """Every variable that is named in a part of the algebra."""
    if isinstance(part, Variable):
        return frozenset([str(part)])
    return frozenset().union(*map(variables_in, _parts_of(part)))


def _variables(node: Any, *, every: bool) -> frozenset[str]:
    name = getattr(node, "name", "")
    if name == "BGP":
        return frozenset(_variables_of_triples(node))
    if name == "values":
        return frozenset(one for one in _variables_of_rows(node) if not every or _is_in_every_row(node, one))
    below = (
        [_variables(node[key], every=every) for key in ("p", "p1", "p2") if key in node]
        if isinstance(node, CompValue)
        else []
    )
    if name == "Union" and every:
        return below[0] & below[1]
    if name in ("LeftJoin", "Minus") and every:
        return below[0]
    return frozenset().union(*below, [str(node.var)] if name == "Extend" else [])


def _variables_of_triples(node: CompValue) -> Iterator[str]:
    """The variables of a BGP's triples, as often as they stand there."""
    for triple in node.triples:
        yield from (str(term) for term in triple if isinstance(term, Variable))


def _variables_of_rows(node: CompValue) -> set[str]:
    """The variables to which a row of VALUES gives something."""
    return set(map(str, itertools.chain.from_iterable(node.res)))


def _is_in_every_row(node: CompValue, name: str) -> bool:
    """Whether every row of VALUES gives a variable something."""
    return all(row.get(Variable(name), "UNDEF") != "UNDEF" for row in node.res)


def _problems(algebra: CompValue, parts: Parts, reading: RuleReading) -> Iterator[str]:
    if parts.before:
        yield (
            "it declares prefixes or a base of its own; the prefixes are those of on:prefixes, "
            "and other names are written whole, as <IRI>"
        )
    if algebra.datasetClause:
        yield "it has FROM; a rule reads all of the knowledge, so leave it out"
    if parts.between.upper() not in ("", "WHERE"):
        yield "it has something between its head and WHERE; leave it out"
    for node in _every(algebra.p.p if algebra.p.name == "Project" else algebra.p):
        if said := _BARRED.get(node.name):
            yield f"it has {said}"
        if node.name == "ServiceGraphPattern":
            yield "it asks another service (SERVICE); a rule reads this knowledge base alone"
        if node.name == "Function" and not str(node.iri).startswith(PREFIXES["xsd"]):
            yield f"it calls <{node.iri}>, which is no function of the standard; other engines do not know it"
        if _gives_the_focus_node(node):
            yield (
                "it gives $this a value by VALUES or BIND; "
                "the focus node is given by the target of the rule's shape"
            )
    if parts.behind:
        yield (
            f"it has something behind its body ('{parts.behind[:20]}'); "
            "a rule ends with the brace of its body"
        )
    if _braced_twice(parts.where):
        yield "it has braces around braces; write one pair"
    yield from _of_head(algebra, reading)
    if _FOCUS not in _mentioned(algebra.p):
        yield "its body does not mention $this, so that it would conclude the same of everything"
    yield from _of_scopes(algebra.p.p, frozenset([_FOCUS]))
    yield from _of_optionals(algebra)


def _of_head(algebra: CompValue, reading: RuleReading) -> Iterator[str]:
    may_be_bound = possible(algebra.p) | {_FOCUS}
    for pattern in reading.head:
        if "_" in (pattern.subject[0], pattern.predicate[0], pattern.object[0]):
            yield "its head makes a blank node; a rule makes no new node, so name one"
        if pattern.subject != THIS:
            yield f"its head speaks of {pattern.subject}; a head's subject is $this"
        for term in (pattern.predicate, pattern.object):
            if (name := name_of(term)) and name not in may_be_bound:
                yield f"its head has {term}, which nothing in its body binds"


def _of_scopes(node: Any, around: frozenset[str] = frozenset()) -> Iterator[str]:
    """Conditions about what their braces do not bind: they would hold or not by how an engine gives the focus
    node, or never.

    Args:
        around: the variables that the condition of these braces, and no other, sees from around them.
    """
    name = getattr(node, "name", "")
    if name in ("Filter", "Extend"):
        yield from _of_condition(node.expr, possible(node.p) | (around if name == "Filter" else set()))
    elif name == "LeftJoin":
        yield from _of_condition(node.expr, possible(node.p1) | possible(node.p2))
    for key in ("p", "p1", "p2"):
        if isinstance(node, CompValue) and key in node:
            yield from _of_scopes(node[key])


def _of_condition(expression: Any, known: frozenset[str]) -> Iterator[str]:
    if isinstance(expression, Variable) and str(expression) not in known:
        name = "$this" if str(expression) == _FOCUS else f"?{expression}"
        yield (
            f"a condition asks about {name}, which nothing in the same braces binds; "
            "write the pattern that binds it into them"
        )
    elif getattr(expression, "name", "") in EXISTS:
        yield from _of_scopes(expression.graph, known)
    else:
        for part in _parts_of(expression):
            yield from _of_condition(part, known)


def _of_optionals(algebra: CompValue) -> Iterator[str]:
    """OPTIONALs that are not well-designed (Pérez, Arenas and Gutierrez, Semantics and complexity of SPARQL,
    2009): order would decide.
    """
    everywhere = _used_in_patterns(algebra)
    for node in (node for node in _every(algebra) if node.name == "LeftJoin"):
        if _FOCUS in variables_in(node.p2) | variables_in(node.expr) and _FOCUS not in bound(node.p1):
            yield (
                "an OPTIONAL speaks of $this, which no pattern before it in the same braces binds; "
                "write one before it, such as $this a on:Request"
            )
        within = _used_in_patterns(node)
        optional = set(optional_variables(node))
        for other in (other for other in _every(algebra) if other.name == "Extend"):
            if not optional.isdisjoint(variables_in(other.expr)):
                optional.add(str(other.var))
                within[str(other.var)] += 1
        for name in sorted(optional):
            if everywhere[name] > within[name]:
                yield (
                    f"?{name} comes from an OPTIONAL and stands in a pattern outside of it; "
                    "write that pattern into the OPTIONAL's braces"
                )


def _used_in_patterns(tree: Any) -> Counter[str]:
    """How often each variable stands in a pattern, in VALUES or as what BIND assigns."""
    used: Counter[str] = Counter()
    for node in _every(tree):
        if node.name == "BGP":
            used.update(_variables_of_triples(node))
        elif node.name == "values":
            used.update(_variables_of_rows(node))
        elif node.name == "Extend":
            used[str(node.var)] += 1
    return used


def _mentioned(tree: Any) -> frozenset[str]:
    """The variables of all patterns in a tree, those of EXISTS too."""
    return frozenset(_used_in_patterns(tree))


def _asked_whether_unbound(part: Any, plain: bool = True, turned: bool = False) -> Iterator[str]:
    """The variables of which BOUND, COALESCE or NOT EXISTS asks where an answer counts against a solution, or
    in no known way.

    Elsewhere an unbound variable makes a condition neither true nor false, and what then holds still holds
    once it is bound.
    """
    name = getattr(part, "name", "")
    if name == "Builtin_BOUND":
        if turned or not plain:
            yield str(part.arg)
        return
    absent = name in EXISTS and (turned != (name == "Builtin_NOTEXISTS") or not plain)
    if absent or name == "Builtin_COALESCE":
        yield from variables_in(part)
    if name == "Extend":
        yield from _asked_whether_unbound(part.expr, plain=False)
        yield from _asked_whether_unbound(part.p)
        return
    if name in EXISTS:
        plain, turned = plain and not absent, False
    elif "Expression" in name or name.startswith(("Builtin_", "Unary", "Function")):
        plain, turned = plain and name in CONNECTIVES, turned != (name == "UnaryNot")
    for further in _parts_of(part):
        yield from _asked_whether_unbound(further, plain, turned)


def _gives_the_focus_node(node: CompValue) -> bool:
    if node.name == "values":
        return any(Variable(_FOCUS) in row for row in node.res)
    return node.name == "Extend" and str(node.var) == _FOCUS


def _braced_twice(where: str) -> bool:
    """Whether braces hold nothing but braces: some readers of SPARQL drop a pair, and with it what can be
    seen within.
    """
    signs = [token.text for token in tokens("{" + where + "}") if token.kind not in ("comment", "space")]
    opened: list[int] = []
    closes: dict[int, int] = {}
    for index, sign in enumerate(signs):
        if sign == "{":
            opened.append(index)
        elif sign == "}" and opened:
            closes[opened.pop()] = index
    return any(closes.get(start + 1) == end - 1 for start, end in closes.items())


def _parts_of(part: Any) -> Iterator[Any]:
    """What a part of the algebra consists of.

    What EXISTS holds is read from its attribute: the entry is as the parser left it.
    """
    if isinstance(part, CompValue) and part.name in EXISTS:
        yield part.graph
    elif isinstance(part, Mapping):
        yield from (value for key, value in part.items() if key != "_vars")
    elif isinstance(part, list | tuple):
        yield from part


def _every(tree: Any) -> Iterator[CompValue]:
    """Every node of an algebra."""
    if isinstance(tree, CompValue):
        yield tree
    if not isinstance(tree, URIRef | BNode | Variable):
        for part in _parts_of(tree):
            yield from _every(part)
