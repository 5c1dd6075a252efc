"""Contradictory by scenario: a request on which two sides of the knowledge cannot both be followed.

Three things count. *Nothing is left*: what forbids options leaves no configuration at all. *Disjoint
situations*: rules put the request into two situations that the ontology calls disjoint. *Opposed effects*:
two statements about one option beside the same others apply at once, their intervals do not meet, and neither
is the more specific, so that nothing says which is to be believed. (`docs/explanation/checks.md`)
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from kb.store.terms import on, prefixed
from reasoner.check.evaluation import Evaluation
from reasoner.check.finding import Finding, KnowledgeUnderCheck, TableSize
from reasoner.model.catalogue import Effect
from reasoner.model.ground import Cause, Problem, exclusion_factors, hard_factors
from reasoner.solve import Factor, Solution, TooWide, minimal_conflict, solve
from reasoner.solve.search import Search

_SHOWN = 3  # options named of those that one rule forbids
_DISJOINT = """SELECT DISTINCT ?one ?other WHERE {
  { ?one owl:disjointWith ?other } UNION { ?other owl:disjointWith ?one }
  UNION { ?all a owl:AllDisjointClasses ; owl:members ?list . ?list rdf:rest*/rdf:first ?one , ?other }
  ?one a on:Situation . ?other a on:Situation . FILTER(STR(?one) < STR(?other)) }"""
_WIDER = (
    "SELECT ?narrow ?wide WHERE { ?narrow a on:Situation ; rdfs:subClassOf+ ?wide . ?wide a on:Situation }"
)


def nothing_left(knowledge: KnowledgeUnderCheck, evaluation: Evaluation) -> Iterator[Finding]:
    """Scenarios without a feasible configuration; beside that, how wide the decisions interact, and where
    that is too wide to be solved.
    """
    stuck: set[tuple[tuple[str, ...], ...]] = set()
    widest = [(names[0], _solved(problem)) for problem, names in _widest(evaluation.problems)]
    # A configuration that one problem has is mostly one of the next problem too, which proves it feasible.
    solutions = [found for _, found in widest if isinstance(found, Solution)]
    examples = [found.best() for found in solutions if found.feasible]
    for problem, names in evaluation.problems:
        if _is_feasible(problem, examples) or (core := _core(evaluation, problem)) is None:
            continue
        sides = tuple(sorted(ids for factor in core if (ids := _ids(factor))))
        if sides not in stuck:
            stuck.add(sides)
            yield _of_sides(knowledge, evaluation, core, names[0])
    yield from _too_wide(knowledge, evaluation, widest)


def _is_feasible(problem: Problem, examples: list[dict[str, str]]) -> bool:
    """Whether a configuration meets all that a problem forbids; the example that shows it is put first."""
    for i, example in enumerate(examples):
        if _meets(example, problem):
            examples.insert(0, examples.pop(i))
            return True
    return Search(problem.domains, problem.hard).feasible(problem.hard)


def _meets(configuration: Mapping[str, str], problem: Problem) -> bool:
    return all(configuration[decision] in options for decision, options in problem.domains.items()) and all(
        factor.weight(configuration) is not None for factor in problem.hard
    )


def _solved(problem: Problem) -> Solution | TooWide:
    try:
        return solve(problem.domains, [*problem.hard, *problem.soft])
    except TooWide as error:
        return error


def _too_wide(
    knowledge: KnowledgeUnderCheck, evaluation: Evaluation, solved: Sequence[tuple[str, Solution | TooWide]]
) -> Iterator[Finding]:
    width, rows = 0, 0
    widest: tuple[str, ...] = ()
    reported: set[tuple[str, ...]] = set()
    for scenario, found in solved:
        if isinstance(found, TooWide):
            decisions = tuple(evaluation.catalogue.name[decision] for decision in found.decisions)
            if decisions not in reported:
                reported.add(decisions)
                text = (
                    f"too wide: for {scenario} the decisions {', '.join(decisions)} "
                    f"interact in more than {found.max_rows} combinations"
                )
                yield Finding("error", "", "", text)
            continue
        width = max(width, found.width)
        if found.largest_table > rows:
            rows, widest = (
                found.largest_table,
                tuple(evaluation.catalogue.name[decision] for decision in found.widest),
            )
    knowledge.table = TableSize(len(evaluation.scenarios), width, rows, widest)


def _widest(problems: Sequence[tuple[Problem, list[str]]]) -> list[tuple[Problem, list[str]]]:
    """Of the problems in which the same decisions interact the one with the most options, with the names of
    the first: it stands for the others, whose tables have fewer combinations to hold.
    """
    alike: dict[frozenset[tuple[str, ...]], list[tuple[Problem, list[str]]]] = defaultdict(list)
    for problem, names in problems:
        alike[frozenset(factor.scope for factor in (*problem.hard, *problem.soft))].append((problem, names))
    found = []
    for group in alike.values():
        _, first_names = group[0]
        found.append((max((problem for problem, _ in group), key=_options), first_names))
    return found


def _options(problem: Problem) -> int:
    return sum(map(len, problem.domains.values()))


def disjoint_situations(knowledge: KnowledgeUnderCheck, evaluation: Evaluation) -> Iterator[Finding]:
    """Rules that put one request into two situations that are disjoint."""
    pairs = [(row["one"], row["other"]) for row in evaluation.store.select(_DISJOINT)]
    told: set[tuple[str, str]] = set()
    for scenario in evaluation.scenarios.values():
        for pair in pairs:
            if pair in told or not scenario.derived.situations.issuperset(pair):
                continue
            told.add(pair)
            by = {situation: next(scenario.behind(situation), situation) for situation in pair}
            said = " and ".join(
                f"{_with_file(knowledge, by[situation])} says {prefixed(situation)}" for situation in pair
            )
            yield _at_the_added(
                knowledge,
                list(by.values()),
                f"contradictory: for {scenario.name} {said}, and the two are disjoint",
            )


def opposed_effects(knowledge: KnowledgeUnderCheck, evaluation: Evaluation) -> Iterator[Finding]:
    """Two effects that say opposite things of one option beside the same others."""
    wider: dict[str, set[str]] = defaultdict(set)
    for row in evaluation.store.select(_WIDER):
        wider[row["narrow"]].add(row["wide"])

    def situations(effect: Effect) -> frozenset[str]:
        return effect.when.union(*(wider[situation] for situation in effect.when))

    def refines(narrow: Effect, wide: Effect) -> bool:
        if narrow.learnt != wide.learnt:  # what was learnt from rows takes the place of what was quoted
            return narrow.learnt
        return situations(narrow) > situations(wide) and len(narrow.when) > len(wide.when)

    alike: dict[tuple[object, ...], list[Effect]] = defaultdict(list)
    for effect in evaluation.catalogue.effects.values():
        alike[(effect.option, frozenset(effect.given), effect.criterion)].append(effect)
    for effects in alike.values():
        for one, other in itertools.combinations(sorted(effects, key=lambda effect: effect.iri), 2):
            if (
                not (one.high < other.low or other.high < one.low)
                or refines(one, other)
                or refines(other, one)
            ):
                continue
            scenario = next(
                (
                    name
                    for name, found in evaluation.scenarios.items()
                    if {one.iri, other.iri} <= found.derived.applies
                ),
                None,
            )
            if scenario:
                said = " and ".join(
                    f"{_with_file(knowledge, effect.iri)} says x{effect.low:g} to x{effect.high:g}"
                    for effect in (one, other)
                )
                text = (
                    f"contradictory: for {scenario} {said} of {evaluation.catalogue.name[one.option]}, "
                    "and neither is the more specific"
                )
                yield _at_the_added(knowledge, [one.iri, other.iri], text)


def _core(evaluation: Evaluation, problem: Problem) -> list[Factor] | None:
    """What clashes; None where only what the machine lacks stands in the way, which is no contradiction."""
    hard = [*hard_factors(problem, evaluation.catalogue.options), *exclusion_factors(problem)]
    clashing = [
        factor for factor in hard if not (isinstance(factor.reason, Cause) and factor.reason.kind == "needs")
    ]
    return minimal_conflict(evaluation.catalogue.options, clashing) or (
        None if all(evaluation.catalogue.options.values()) else []
    )


def _only_refused(knowledge: KnowledgeUnderCheck, core: list[Factor]) -> bool:
    """Whether an addition forbids what a shipped case asks for: that is what it is for, and says nothing
    against the rest.
    """
    causes = [factor.reason for factor in core if isinstance(factor.reason, Cause)]
    wished = [cause for cause in causes if cause.kind in ("pin", "forbid")]
    others = [cause for cause in causes if cause not in wished and cause.kind != "requirement"]
    return bool(wished and others) and all(any(map(knowledge.is_added, cause.ids)) for cause in others)


def _ids(factor: Factor) -> tuple[str, ...]:
    return (
        factor.reason.ids if isinstance(factor.reason, Cause) and factor.reason.kind != "requirement" else ()
    )


def _of_sides(
    knowledge: KnowledgeUnderCheck, evaluation: Evaluation, core: list[Factor], scenario: str
) -> Finding:
    sides = (_side_in_words(knowledge, evaluation, factor) for factor in core)
    said = dict.fromkeys(itertools.chain.from_iterable(sides))
    said |= dict.fromkeys(
        f"{evaluation.catalogue.name[decision]} has no option"
        for decision, options in evaluation.catalogue.options.items()
        if not options
    )
    ids = list(itertools.chain.from_iterable(map(_ids, core)))
    return _at_the_added(knowledge, ids, f"contradictory: for {scenario} nothing is left: {'; '.join(said)}")


def _side_in_words(knowledge: KnowledgeUnderCheck, evaluation: Evaluation, factor: Factor) -> Iterator[str]:
    """One side of a clash, in words, with its file."""
    cause, name = factor.reason, evaluation.catalogue.name
    if not isinstance(cause, Cause):
        return
    if cause.kind == "requirement":
        for need in cause.ids:
            needing = [
                option
                for option in evaluation.catalogue.options[factor.scope[0]]
                if need in evaluation.catalogue.needs.get(option, ())
            ]
            if needing:
                place = knowledge.place_of(needing[0], on("needs"), need)
                yield f"{_listed(evaluation, needing)} ({place}) needs {_with_file(knowledge, need)}"
        return
    options = _listed(evaluation, [option for option in (cause.option, *cause.others) if option])
    if cause.kind in ("pin", "forbid"):
        yield f"the request {'asks for' if cause.kind == 'pin' else 'rules out'} {options}"
        return
    for iri in cause.ids:
        beside = evaluation.catalogue.conflicts[iri].given if cause.kind == "conflict" else ()
        names: list[str] = []
        for _, group in beside:
            names += [name[option] for option in sorted(group)]
        given = f" with {', '.join(names)}" if beside else ""
        yield f"{_with_file(knowledge, iri)} forbids {options}{given}"


def _listed(evaluation: Evaluation, options: list[str]) -> str:
    shown = ", ".join(evaluation.catalogue.name[option] for option in options[:_SHOWN])
    return shown + (f" and {len(options) - _SHOWN} more" if len(options) > _SHOWN else "")


def _with_file(knowledge: KnowledgeUnderCheck, iri: str) -> str:
    place = knowledge.place_of(iri)
    return f"{prefixed(iri)} ({place})" if place else prefixed(iri)


def _at_the_added(knowledge: KnowledgeUnderCheck, sides: list[str], text: str) -> Finding:
    """A finding at the side that a user added, where there is one: what is shipped stood before."""
    added = [iri for iri in sides if knowledge.is_added(iri)]
    return knowledge.finding((added or sides or [""])[-1], text)
