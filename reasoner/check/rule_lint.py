"""What a rule's text must keep to, so that every engine runs it alike, and nothing is fetched (see
`reasoner.knowledge.rule_limits`), and what it may name.
"""

from __future__ import annotations

from collections.abc import Iterator

import pyoxigraph as ox

from kb.errors import nearest
from kb.store.sparql_text import tokens
from kb.store.store import KnowledgeStore
from kb.store.terms import PREFIXES, expand, local_name, prefixed
from reasoner.check.finding import Finding, KnowledgeUnderCheck
from reasoner.knowledge.readings import readings, rule_texts, unreadable_rules
from reasoner.knowledge.rule_reading import RuleReading
from reasoner.knowledge.rules import slots_in

_DECLARED = """SELECT ?prefix ?namespace WHERE {
  on:prefixes sh:declare [ sh:prefix ?prefix ; sh:namespace ?namespace ] }"""
_MESSAGES = (
    "SELECT ?rule ?message WHERE { ?rule a sh:SPARQLRule ; on:message ?message } ORDER BY ?rule ?message"
)
_OURS = "https://w3id.org/ontune"


def findings(knowledge: KnowledgeUnderCheck) -> Iterator[Finding]:
    """Lint the text of every rule in the knowledge base."""
    declared = {row["prefix"]: row["namespace"] for row in knowledge.stated.select(_DECLARED)}
    for name, namespace in PREFIXES.items():
        if declared.get(name) != namespace:
            yield knowledge.finding(
                PREFIXES["on"] + "prefixes",
                f"the prefix {name}: is not declared as <{namespace}>, so other engines cannot read rules",
            )
    for rule, problem in (
        *unreadable_rules(knowledge.stated),
        *unbound_slots(knowledge.stated),
        *unknown_terms(knowledge.stated),
    ):
        yield knowledge.finding(rule, f"rule {local_name(rule)}: {problem}")


def unbound_slots(store: KnowledgeStore) -> Iterator[tuple[str, str]]:
    """Rules whose message has a slot that no match of the rule fills: IRI and problem."""
    texts = dict(rule_texts(store))
    found = readings(set(texts.values()))
    for row in store.select(_MESSAGES):
        reading = found.get(texts.get(row["rule"], ""))
        if isinstance(reading, RuleReading):
            for slot in sorted(slots_in(row["message"]) - {*reading.variables, "this"}):
                yield (
                    row["rule"],
                    f"its message has the slot {{?{slot}}}, and nothing in its body binds ?{slot}",
                )


def unknown_terms(store: KnowledgeStore) -> Iterator[tuple[str, str]]:
    """Rules that name a term of the ontology, or a resource of the knowledge base, of which nothing is known:
    IRI and problem.
    """
    described = {quad.subject.value for quad in store.store if isinstance(quad.subject, ox.NamedNode)}
    for rule, text in rule_texts(store):
        named = {
            expand(token.text) if token.kind == "name" else token.text[1:-1]
            for token in tokens(text)
            if token.kind in ("name", "iri")
        }
        for iri in sorted(named - described):
            if iri.startswith(_OURS):
                near = nearest(prefixed(iri), map(prefixed, described))
                yield (
                    rule,
                    f"nothing is known of {prefixed(iri)}" + (f"; did you mean '{near}'?" if near else ""),
                )
