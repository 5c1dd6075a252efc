"""Rules that conclude everything of which all that it asks for holds: effects whose situations all hold, say.

SPARQL says "all" as "there is none that is missing", and a store answers that by going through everything
again for each request. What things ask for is fixed with the knowledge base, so it is looked up once: things
that ask for the same are kept together, and what holds for a request is compared with that. It is the
division of relational algebra (E. F. Codd, Relational completeness of data base sublanguages, 1972). The
rule's text remains its meaning: other engines run it as it stands, and so does this one wherever a request
says something itself of what is divided.
"""

from __future__ import annotations

from collections import defaultdict

import pyoxigraph as ox

from kb.store.shards import Read
from kb.store.store import KnowledgeStore, Term
from kb.values import Value
from reasoner.knowledge.rule_reading import signatures_of
from reasoner.knowledge.rules import Rule


class ForallRule(Value, frozen=True):
    """A rule of that form, with what its things ask for in one state of the knowledge base.

    Attributes:
        holds: the predicate of what holds for a request.
        fixed: what else the rule reads, as predicate and object; where a request says such a thing, the rule
            must be run as it stands.
        things: for each set of what is asked for, the conclusions about the things that ask for just that.
    """

    holds: ox.NamedNode
    fixed: frozenset[Read]
    things: dict[frozenset[Term], tuple[ox.Quad, ...]]

    def conclusions(self, store: KnowledgeStore, request: ox.NamedNode) -> list[ox.Quad]:
        """What the rule concludes for a request, of which the store says what holds."""
        held = {quad.object for quad in store.quads(request, self.holds, None)}
        found: list[ox.Quad] = []
        for asked, quads in self.things.items():
            if asked <= held:
                found += quads
        return found


def forall_rule_of(store: KnowledgeStore, rule: Rule, request: ox.NamedNode) -> ForallRule | None:
    """The division that a rule of the request is, over a knowledge base without a request; None where its
    text has another form.
    """
    form = rule.reading.forall_rule if rule.per_request else None
    if form is None:
        return None
    asked: dict[Term, set[Term]] = defaultdict(set)
    for row in store.terms(form.select):
        asked[row[form.thing]].update([row[form.asked]] if form.asked in row else ())
    things: dict[frozenset[Term], list[ox.Quad]] = defaultdict(list)
    for thing, all_asked in asked.items():
        things[frozenset(all_asked)].append(
            ox.Quad(request, ox.NamedNode(form.concludes), thing, ox.NamedNode(rule.iri))
        )
    fixed = {read.pair for read in signatures_of(rule.reading.body)} - {(form.holds, None)}
    return ForallRule(
        ox.NamedNode(form.holds), frozenset(fixed), {key: tuple(quads) for key, quads in things.items()}
    )
