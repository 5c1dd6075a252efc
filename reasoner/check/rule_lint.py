"""What a rule's text must keep to, so that every engine runs it alike, and nothing is fetched: it parses, its head speaks of `$this`, and it makes no
new node."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pyoxigraph as ox

from kb.errors import nearest
from kb.store import KnowledgeStore
from kb.terms import PREFIXES, local_name, prefixed
from reasoner.check.finding import Finding, KnowledgeUnderCheck
from reasoner.rule_text import expand, read_rule

_RULES = "SELECT ?rule ?text WHERE { ?rule sh:construct ?text } ORDER BY ?rule"
_DECLARED = "SELECT ?prefix ?namespace WHERE { on:prefixes sh:declare [ sh:prefix ?prefix ; sh:namespace ?namespace ] }"
_LITERAL_OR_IRI = re.compile(r'"(?:[^"\\]|\\.)*"|\'(?:[^\'\\]|\\.)*\'|<[^<>\s]*>')
_NAME = re.compile(r"(?<![\w?$:])[A-Za-z_][\w-]*:\w[\w.-]*\w|(?<![\w?$:])[A-Za-z_][\w-]*:\w")
_OURS = "https://w3id.org/ontune"
_PREFIX = re.compile(r"(?<![\w?$:])([A-Za-z_][\w-]*):(?=[\w])")


def findings(knowledge: KnowledgeUnderCheck) -> Iterator[Finding]:
    """Lint the text of every rule in the knowledge base."""
    declared = {row["prefix"]: row["namespace"] for row in knowledge.stated.select(_DECLARED)}
    for name, namespace in PREFIXES.items():
        if declared.get(name) != namespace:
            yield knowledge.finding(
                PREFIXES["on"] + "prefixes", f"the prefix {name}: is not declared as <{namespace}>, so other engines cannot read rules"
            )
    for rule, problem in (*unsound_rules(knowledge.stated), *unknown_terms(knowledge.stated)):
        yield knowledge.finding(rule, f"rule {local_name(rule)}: {problem}")


def unsound_rules(store: KnowledgeStore) -> Iterator[tuple[str, str]]:
    """Rules that not every engine could run, or that would speak of others than their focus: IRI and problem."""
    declared = {row["prefix"]: row["namespace"] for row in store.select(_DECLARED)} or PREFIXES
    for row in store.select(_RULES):
        for problem in _problems(row["text"], declared):
            yield row["rule"], problem


def unknown_terms(store: KnowledgeStore) -> Iterator[tuple[str, str]]:
    """Rules that name a term of the ontology, or a resource of the knowledge base, of which nothing is known: IRI and problem."""
    described = {quad.subject.value for quad in store.store if isinstance(quad.subject, ox.NamedNode)}
    for row in store.select(_RULES):
        bare = _LITERAL_OR_IRI.sub(" ", row["text"])
        for name in sorted({match[0] for match in _NAME.finditer(bare)}):
            iri = expand(name)
            if iri.startswith(_OURS) and iri not in described:
                near = nearest(name, map(prefixed, described))
                yield row["rule"], f"nothing is known of {name}" + (f"; did you mean '{near}'?" if near else "")


def _problems(text: str, declared: dict[str, str]) -> Iterator[str]:
    bare = _LITERAL_OR_IRI.sub(" ", text)
    if re.search(r"\bSERVICE\b", bare, re.IGNORECASE):
        yield "it asks another service (SERVICE); a rule reads this knowledge base alone"
        return
    unknown = sorted({match[1] for match in _PREFIX.finditer(bare)} - declared.keys() - {"_"})
    if unknown:
        yield f"unknown prefix {', '.join(f'{name}:' for name in unknown)}; on:prefixes declares {', '.join(sorted(declared))}"
        return
    try:
        ox.Store().query(text, prefixes=declared)
        rule = read_rule(text)
    except (SyntaxError, ValueError) as error:
        yield f"its text is no CONSTRUCT query: {' '.join(str(error).split())}"
        return
    for pattern in rule.head:
        if pattern.subject not in ("$this", "?this"):
            yield f"its head speaks of {pattern.subject}; a head's subject is $this"
    if re.search(r"\[|_:", bare.partition("WHERE")[0]):
        yield "its head makes a blank node; a rule makes no new node"
    if "$this" not in bare.partition("WHERE")[2]:
        yield "its body does not mention $this, so that it would conclude the same of everything"
