"""Which of a user's additions can stand: a bad one is refused with its reason, and the rest stands.

An addition is refused that cannot be read, that breaks a shape, whose rules cannot be run, that contradicts what is known, or with which planning no
longer works: on every shipped target with every shipped workload, the rules are run and the choice is made once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import pyoxigraph as ox

from kb.errors import BadInput, OntuneError
from kb.sources import Source
from kb.store import KnowledgeStore
from kb.terms import FILE, on

_SHIPPED = """SELECT DISTINCT ?name WHERE {
  GRAPH ?file { ?thing a ?kind ; skos:notation ?name } FILTER(!STRSTARTS(STR(?file), "%sadditions/")) } ORDER BY ?name"""
UNFORESEEN = (LookupError, ValueError, ArithmeticError, TypeError, SyntaxError)
"""What a store with meaningless facts may lead to; nothing of it may reach a plan."""

Compile = Callable[[Sequence[Source]], KnowledgeStore]


class Unsound(BadInput):
    """A knowledge base that cannot be used.

    Attributes:
        about: IRIs of the resources that are at fault, where that is known.
    """

    def __init__(self, where: str, problem: str, *, about: Iterable[str] = (), expected: str = "") -> None:
        super().__init__(where, problem, expected=expected)
        self.about = frozenset(about)


def compile_with(shipped: Sequence[Source], added: Sequence[Source], compile_: Compile) -> tuple[KnowledgeStore, list[str]]:
    """The shipped sources with as many additions as can stand beside them, and the additions refused, each with its reason.

    Args:
        compile_: compiles sources; raises Unsound, or another OntuneError.

    Raises:
        OntuneError: the shipped sources alone are broken.
    """
    refused: list[str] = []
    standing: list[Source] = []
    for source in added:
        try:
            KnowledgeStore().load_source(source)
            standing.append(source)
        except OntuneError as error:
            refused.append(str(error))
    doubtful: list[Source] = []
    store = None
    while store is None:
        try:
            store = _tried(compile_, shipped, standing)
        except OntuneError as error:
            if not standing:
                raise
            blamed = _blamed(error, standing) or standing
            doubtful += blamed
            standing = [source for source in standing if source not in blamed]
    for source in (source for source in added if source in doubtful):
        try:
            store = _tried(compile_, shipped, [*standing, source])
            standing.append(source)
        except OntuneError as error:
            refused.append(f"{source.path}: {error}")
    return store, refused


def _tried(compile_: Compile, shipped: Sequence[Source], added: Sequence[Source]) -> KnowledgeStore:
    if not added:
        return compile_(shipped)
    try:
        store = compile_([*shipped, *added])
        _plan_everywhere(store)
    except UNFORESEEN as error:
        raise Unsound("the knowledge base", f"planning fails with it ({type(error).__name__}: {error})") from error
    return store


def _plan_everywhere(store: KnowledgeStore) -> None:
    """Make the choice for every shipped target with every shipped workload.

    Raises:
        Unsound: for one of them nothing is left, or too many decisions interact.
    """
    from reasoner.menu import Menu
    from reasoner.reasoner import Reasoner
    from reasoner.rules import load_rules
    from reasoner.solve import TooWide, solve
    from reasoner.witnesses import derive_all, distinct_problems, grid

    shipped = {kind: frozenset(_shipped(store, kind)) for kind in ("Target", "Workload")}
    requests = grid(store, shipped["Target"], shipped["Workload"])
    menu = Menu(store)
    for problem, names in distinct_problems(menu, derive_all(store, load_rules(store), menu, requests)):
        try:
            feasible = solve(problem.domains, [*problem.hard, *problem.soft]).feasible
        except TooWide as error:
            decisions = ", ".join(menu.name[decision] for decision in error.decisions)
            raise Unsound("the knowledge base", f"the decisions {decisions} interact in more than {error.max_rows} combinations") from error
        if not feasible:
            try:
                Reasoner(store=store).plan_request(requests[names[0]])
            except OntuneError as error:
                raise Unsound("the knowledge base", f"for {names[0]} nothing is left to plan: {error}") from error


def _shipped(store: KnowledgeStore, kind: str) -> list[str]:
    return [row["name"] for row in store.select(_SHIPPED % FILE, {"kind": ox.NamedNode(on(kind))})]


def _blamed(error: OntuneError, standing: Sequence[Source]) -> list[Source]:
    """The additions that say something of the resources at fault."""
    about = error.about if isinstance(error, Unsound) else frozenset[str]()
    blamed = []
    for source in standing:
        own = KnowledgeStore()
        own.load_source(source)
        subjects = {quad.subject.value for quad in own.store if isinstance(quad.subject, ox.NamedNode)}
        if subjects & about:
            blamed.append(source)
    return blamed
