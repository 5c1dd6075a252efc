"""Rules executed: to a fixpoint, one alone, and what one of them fired on."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence

import pyoxigraph as ox

from kb.store.shards import of_a_request
from kb.store.store import KnowledgeStore, Term
from reasoner.knowledge.rule_reading import THIS, name_of
from reasoner.knowledge.rules import Rule, Step, signatures_of_quads

_FOCUS = name_of(THIS) or ""


def run_rules(
    store: KnowledgeStore, rules: Sequence[Rule], request: ox.NamedNode | None = None
) -> list[ox.Quad]:
    """Run rules to a fixpoint, stratum by stratum, and add what they conclude to the store.

    Args:
        store: read as the union of its graphs.
        rules: sorted by stratum; without a request only those that need none.
        request: the focus node of the request's rules.

    Returns:
        the quads added, each in the graph of its rule.
    """
    added: list[ox.Quad] = []
    for _, group in itertools.groupby(rules, key=lambda rule: rule.order):
        stratum = list(group)
        waiting = stratum
        while waiting:
            fresh: list[ox.Quad] = []
            for rule in waiting:
                fresh += [quad for quad in conclusions(store, rule, request) if quad not in store.store]
            store.add(fresh)
            added += fresh
            new = signatures_of_quads(fresh)
            waiting = [rule for rule in stratum if rule.reads_any(new)]
    return added


def _focus_values(nodes: Iterable[ox.NamedNode]) -> str:
    """SPARQL that lets `$this` be one of some nodes."""
    return f"VALUES $this {{ {' '.join(map(str, dict.fromkeys(nodes)))} }}"


def conclusions(
    store: KnowledgeStore, rule: Rule, request: ox.NamedNode | None, focus: Sequence[ox.NamedNode] = ()
) -> list[ox.Quad]:
    """What one rule concludes now, each quad once, in the graph of the rule.

    Args:
        request: the focus node of the request's rules; without it only rules that need none may be asked.
        focus: the nodes that the other rules have to look at; without them, all.
    """
    _watched(rule.iri)
    found = list(_concluded(store, rule, request, focus))
    _watched("")
    return found


def watch(told: Callable[[str], None]) -> None:
    """Let a function know of each rule that is about to run, and, by an empty text, that it has: in a process
    that is there to judge rules.
    """
    global _watched
    _watched = told


def _unwatched(_: str) -> None:
    """What is told where nobody watches."""


_watched: Callable[[str], None] = _unwatched


def _concluded(
    store: KnowledgeStore, rule: Rule, request: ox.NamedNode | None, focus: Sequence[ox.NamedNode]
) -> set[ox.Quad]:
    graph = ox.NamedNode(rule.iri)
    triples: Iterable[ox.Triple]
    if request is not None and rule.per_request:
        if not _can_match(store, rule, request):
            return set()
        triples = store.construct(rule.construct, {_FOCUS: request}, rule.asks_of_others)
    else:
        values = _focus_values(focus) if focus else ""
        reads = rule.asks_of_others if focus and all(map(of_a_request, focus)) else rule.asks
        triples = itertools.chain.from_iterable(
            store.construct(rule.construct_for(f"{values} {one.pattern}"), reads=reads) for one in rule.focus
        )
    return {ox.Quad(triple.subject, triple.predicate, triple.object, graph) for triple in triples}


def matches(
    store: KnowledgeStore,
    rule: Rule,
    this: Term,
    bindings: Mapping[str, Term] | None = None,
    variables: Iterable[str] = (),
) -> list[dict[str, Term]]:
    """The bindings of a rule's body for one focus node: what it fired on.

    Args:
        bindings: values that some variables must have.
        variables: those that are asked for; without any, all.
    """
    given = {
        name: term
        for name, term in {_FOCUS: this, **(bindings or {})}.items()
        if isinstance(term, ox.NamedNode | ox.Literal)
    }
    names, terms = " ".join(f"?{name}" for name in given), " ".join(map(str, given.values()))
    values = f"VALUES ({names}) {{ ({terms}) }}"
    asked = " ".join(f"?{name}" for name in variables)
    return store.terms(
        f"SELECT {f'DISTINCT {asked}' if asked else '*'} WHERE {{ {values} {rule.reading.where}\n}}",
        reads=rule.asks_of_others if of_a_request(this) else rule.asks,
    )


def _can_match(store: KnowledgeStore, rule: Rule, this: ox.NamedNode) -> bool:
    """Whether the steps of a rule that lead away from its focus node are there: most rules that do not fire
    are known by that, without a query.
    """
    leaves = {step.object for step in rule.steps} - {step.subject for step in rule.steps}
    reached: dict[str, list[ox.NamedNode | ox.BlankNode]] = {THIS: [this]}
    for step in rule.steps:
        if step.subject not in reached:
            continue
        if step.object in leaves and _known_from_texts(store, step, reached[step.subject]):
            if not any(store.objects(node.value, step.predicate.value) for node in reached[step.subject]):
                return False
            continue
        quads: list[ox.Quad] = []
        for node in reached[step.subject]:
            quads += store.quads(node, step.predicate, step.value)
        if not quads:
            return False
        if step.object not in reached:
            reached[step.object] = [
                quad.object for quad in quads if isinstance(quad.object, ox.NamedNode | ox.BlankNode)
            ]
    return True


def _known_from_texts(
    store: KnowledgeStore, step: Step, nodes: Iterable[ox.NamedNode | ox.BlankNode]
) -> bool:
    """Whether the texts that the store keeps tell if a step is there, whatever its object."""
    return (
        step.value is None
        and store.keeps_texts_of(step.predicate.value)
        and all(isinstance(node, ox.NamedNode) for node in nodes)
    )
