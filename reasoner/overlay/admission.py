"""Which of a user's additions can stand: a bad one is refused with its reason, and the rest stands.

An addition is refused that cannot be read, that breaks a shape, whose rules cannot be run, that contradicts
what is known, or with which planning no longer works: on every shipped target with every shipped workload,
the rules are run and the choice is made once.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pyoxigraph as ox

from kb.errors import NoFeasiblePlan, OntuneError, nearest
from kb.store.sources import Source
from kb.store.store import KnowledgeStore
from kb.store.terms import FILE, PREFIXES, on, prefixed
from reasoner.knowledge import overrides
from reasoner.knowledge.unsound import Unsound
from reasoner.overlay.gate import Gate

if TYPE_CHECKING:
    from kb.records.request import Request
    from reasoner.model.catalogue import Catalogue
    from reasoner.model.ground import Problem

_SHIPPED = """SELECT DISTINCT ?name ?kind WHERE {
  GRAPH ?file { ?thing a ?kind ; skos:notation ?name }
  FILTER(!STRSTARTS(STR(?file), "%sadditions/")) } ORDER BY ?name"""
_OURS = "https://w3id.org/ontune"
_REFER_ELSEWHERE = frozenset(
    {PREFIXES["owl"] + "imports", PREFIXES["dct"] + "source", PREFIXES["prov"] + "wasDerivedFrom"}
)
UNFORESEEN = (LookupError, ValueError, ArithmeticError, TypeError, SyntaxError, RuntimeError)
"""What a store with meaningless facts may lead to; nothing of it may reach a plan."""

Compile = Callable[[Sequence[Source]], KnowledgeStore]


def compile_with(
    shipped: Sequence[Source], added: Sequence[Source], compile_: Compile
) -> tuple[KnowledgeStore, dict[Source, str]]:
    """The shipped sources with as many additions as can stand beside them, and the additions refused, each
    with its reason behind its path.

    Args:
        compile_: compiles sources; raises Unsound, or another OntuneError.

    Raises:
        OntuneError: the shipped sources alone are broken.
    """
    reasons: dict[Source, str] = {}
    standing: list[Source] = []
    if not added:
        return compile_(shipped), {}
    gate = Gate.beside(shipped)
    for source in added:
        try:
            gate.refuse(source)
            standing.append(source)
        except OntuneError as error:
            reasons[source] = str(error)
    doubtful: list[Source] = []
    store = None
    while store is None:
        try:
            store = _tried(compile_, shipped, standing)
        except OntuneError as error:
            if not standing:
                raise
            at_fault, in_doubt = _blamed(error, standing)
            reasons |= at_fault
            doubtful += in_doubt
            standing = [source for source in standing if source not in at_fault and source not in in_doubt]
    waiting = [source for source in added if source in doubtful]
    while waiting:  # one may rest on another that comes later
        accepted = []
        for source in waiting:
            try:
                store = _tried(compile_, shipped, [*standing, source])
                standing.append(source)
                accepted.append(source)
            except OntuneError as error:
                reasons[source] = f"{source.path}: {error}"
        waiting = [source for source in waiting if source not in accepted] if accepted else []
    return store, {
        source: reasons[source] for source in added if source in reasons and source not in standing
    }


def _tried(compile_: Compile, shipped: Sequence[Source], added: Sequence[Source]) -> KnowledgeStore:
    from reasoner.overlay.judging import judge

    return judge(shipped, added) if added else compile_(shipped)


def plan_everywhere(store: KnowledgeStore, begun: Callable[[str], None]) -> None:
    """Make the choice for every shipped target with every shipped workload.

    Args:
        begun: told of each request by its name.

    Raises:
        Unsound: for one of them nothing is left, or too many decisions interact.
    """
    from reasoner.check.scenarios import grid
    from reasoner.model.catalogue import Catalogue
    from reasoner.model.ground import Cause, exclusion_factors, hard_factors
    from reasoner.planner import Planner
    from reasoner.solve import TooWide, minimal_conflict, solve

    requests = grid(store, _shipped(store, "Target"), _shipped(store, "Workload"))
    catalogue = Catalogue(store)
    for problem, name in _distinct_problems(store, catalogue, requests, begun):
        try:
            feasible = solve(problem.domains, [*problem.hard, *problem.soft]).feasible
        except TooWide as error:
            decisions = ", ".join(catalogue.name[decision] for decision in error.decisions)
            about = list(error.decisions)
            for decision in error.decisions:
                about += catalogue.options[decision]
            about += [effect.iri for effect in catalogue.effects.values() if effect.option in about]
            said = (
                f"the knowledge base: the decisions {decisions} "
                f"interact in more than {error.max_rows} combinations"
            )
            raise Unsound([(said, about)]) from error
        if not feasible:
            clash = minimal_conflict(
                catalogue.options, [*hard_factors(problem, catalogue.options), *exclusion_factors(problem)]
            )
            causes = [factor.reason for factor in clash if isinstance(factor.reason, Cause)]
            about = []
            for cause in causes:
                about += [*cause.ids, cause.option, *cause.others]
            about += [decision for decision, options in catalogue.options.items() if not options]
            try:
                Planner(store, compiled=False).plan_request(requests[name])
            except NoFeasiblePlan as error:
                raise Unsound([(f"the knowledge base: for {name} {error}", about)]) from error


def ask_everywhere(store: KnowledgeStore, begun: Callable[[str], None]) -> None:
    """Run the rules for every shipped target with every shipped workload; `begun` is told of each."""
    from reasoner.check.scenarios import grid
    from reasoner.model.catalogue import Catalogue

    for _ in _distinct_problems(
        store, Catalogue(store), grid(store, _shipped(store, "Target"), _shipped(store, "Workload")), begun
    ):
        pass


def _distinct_problems(
    store: KnowledgeStore, catalogue: Catalogue, requests: Mapping[str, Request], begun: Callable[[str], None]
) -> Iterator[tuple[Problem, str]]:
    """Every choice problem that requests pose, once, with the name of the first; one at a time and as for a
    plan, for each may be large.
    """
    from reasoner.inference.derive import Deriver
    from reasoner.knowledge.rules import read_rules
    from reasoner.model.ground import ground
    from reasoner.model.resolve import resolve

    deriver = Deriver(store, read_rules(store))
    posed = set()
    for name, request in requests.items():
        begun(name)
        resolved = resolve(request, catalogue, store)
        derived = deriver.derive(resolved.facts).without(catalogue.doubt_rules)
        excluded = frozenset().union(*derived.excluded_by.values())
        problem = derived.provides, derived.applies, excluded, tuple(resolved.pins.items())
        if problem not in posed:
            posed.add(problem)
            yield ground(catalogue, derived, catalogue.criteria, resolved.pins, resolved.forbid), name


def _shipped(store: KnowledgeStore, kind: str) -> list[str]:
    return [row["name"] for row in store.select(_SHIPPED % FILE, {"kind": ox.NamedNode(on(kind))})]


def _blamed(error: OntuneError, standing: Sequence[Source]) -> tuple[dict[Source, str], list[Source]]:
    """The additions at fault with their reasons, and those of which it must be found out: several may speak
    of what is at fault, or none may.
    """
    subjects = {source: _named(source, "subject") for source in standing}
    objects = {source: _named(source, "object") for source in standing}
    at_fault: dict[Source, str] = {}
    in_doubt: list[Source] = []
    unspoken = False
    for problem, about in error.problems if isinstance(error, Unsound) else ():
        speaking = [source for source in standing if not subjects[source].isdisjoint(about)]
        speaking = speaking or [source for source in standing if not objects[source].isdisjoint(about)]
        unspoken |= not speaking
        if len(speaking) == 1:
            at_fault.setdefault(speaking[0], f"{speaking[0].path}: {problem}")
        else:
            in_doubt += speaking
    if unspoken:  # whoever is behind that may be behind the rest
        in_doubt, at_fault = [*in_doubt, *at_fault], {}
    if not at_fault and not in_doubt:
        return {}, list(standing)
    return at_fault, [source for source in dict.fromkeys(in_doubt) if source not in at_fault]


def _named(source: Source, place: str) -> frozenset[str]:
    own = KnowledgeStore()
    own.load_source(source)
    terms = (getattr(quad, place) for quad in own.store)
    return frozenset(term.value for term in terms if isinstance(term, ox.NamedNode))


def dangling(store: KnowledgeStore) -> Iterator[tuple[str, Collection[str]]]:
    """What additions name in the knowledge base's own namespaces although nothing is known of it: the
    problem, and what names it.
    """
    named = (quad for quad in store.store if str(quad.graph_name).startswith(f"<{overrides.ADDED}"))
    missing: set[tuple[str, str, str]] = set()
    for quad in named:
        if quad.predicate.value not in _REFER_ELSEWHERE:
            missing |= {
                (_owner(store, quad.subject), quad.predicate.value, term.value)
                for term in (quad.predicate, quad.object)
                if isinstance(term, ox.NamedNode) and _is_unknown(store, term)
            }
    for owner, property_, iri in sorted(missing):
        name, by = prefixed(iri), "" if property_ == iri else f" ({prefixed(property_)})"
        near = nearest(
            name,
            (prefixed(quad.subject.value) for quad in store.store if isinstance(quad.subject, ox.NamedNode)),
        )
        yield (
            f"{prefixed(owner)}: nothing is known of {name}{by}"
            + (f"; did you mean '{near}'?" if near else ""),
            (owner,),
        )


def _is_unknown(store: KnowledgeStore, term: ox.NamedNode) -> bool:
    ours = term.value.startswith(_OURS) and not term.value.startswith(FILE)
    return ours and not any(store.store.quads_for_pattern(term, None, None, None))


def _owner(store: KnowledgeStore, node: Any) -> str:
    """The named resource that a node stands at: itself, or who refers to it."""
    seen = set()
    while not isinstance(node, ox.NamedNode) and node not in seen:
        seen.add(node)
        node = next((quad.subject for quad in store.store.quads_for_pattern(None, None, node, None)), node)
    return node.value if isinstance(node, ox.NamedNode) else ""
