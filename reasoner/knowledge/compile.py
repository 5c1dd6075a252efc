"""Compile the knowledge base: sources -> closure -> rules -> shapes -> snapshot.

Shipped knowledge that breaks a shape is an error. A bad addition is refused with its reason, and the rest
stands: see `reasoner.overlay.admission`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pyoxigraph as ox

from kb import __version__
from kb.errors import BadInput
from kb.store import shards
from kb.store.snapshot import FULL, PLANNING, Parts, Snapshot, SnapshotInfo, obtain
from kb.store.sources import Source, added_sources, content_hash, shipped_sources
from kb.store.store import KnowledgeStore
from kb.store.terms import FILE, PREFIXES, expand, local_name, on, prefixed
from kb.values import replace
from reasoner.knowledge import overrides
from reasoner.knowledge.identity import identity_quads

if TYPE_CHECKING:
    from kb.records.shapes import Violation
    from reasoner.knowledge.closure import Inconsistency

CLOSURE_GRAPH = FILE + "closure"
_ONLY_FOR_READERS = {
    PREFIXES["skos"] + "definition",
    PREFIXES["rdfs"] + "comment",
    PREFIXES["dct"] + "description",
}
# Vocabularies of others decide nothing; what others have published decides through the effects that were
# learnt from it.
_ONLY_FOR_QUERIES = tuple(
    FILE + folder for folder in ("ontology/vocabularies/", "kb/evidence/mlperf/", "kb/evidence/modak/")
)


def compile_snapshot(additions: Sequence[Path] | None = None, needed: str = PLANNING) -> Snapshot:
    """The snapshot of the shipped knowledge and the additions, compiled at first use.

    Args:
        additions: folders of Turtle that overlay the shipped knowledge; None takes the user's own.
        needed: the part that must be whole, `PLANNING` or `FULL`.

    Raises:
        BadInput: shipped knowledge is broken.
    """
    return snapshot_of(shipped_sources(), added_sources(additions), needed)


def snapshot_of(shipped: Sequence[Source], added: Sequence[Source], needed: str = PLANNING) -> Snapshot:
    """As `compile_snapshot`, of these sources; what they are found to be is kept by their names and contents,
    wherever they lie.
    """
    sha256 = content_hash([*shipped, *added])
    key = hashlib.sha256(f"{sha256} {__version__} {_code_hash()}".encode()).hexdigest()

    def build() -> tuple[SnapshotInfo, Parts]:
        store, refused = compile_sources(shipped, added)
        from kb.version import version_in

        version = version_in(store.store)
        store.add(identity_quads(version, sha256))
        said = {source.name: text.removeprefix(str(source.path)) for source, text in refused.items()}
        return SnapshotInfo(version, sha256, said), {
            FULL: store.dump(),
            PLANNING: _planning_part(store),
        }

    return replace(obtain(key, build, needed), added=tuple(added))


def full_store(additions: Sequence[Path] | None = None) -> tuple[Snapshot, KnowledgeStore]:
    """The snapshot, and every triple of it. Raises as `compile_snapshot`."""
    snapshot, store = compile_snapshot(additions, FULL), KnowledgeStore()
    store.load_quads(snapshot.memory[FULL])
    return snapshot, store


def compile_sources(
    shipped: Sequence[Source], added: Sequence[Source] = ()
) -> tuple[KnowledgeStore, dict[Source, str]]:
    """Compile sources in memory; returns the store and the additions refused, each with its reason.

    Raises:
        BadInput: the shipped sources are broken.
    """
    from reasoner.overlay.admission import compile_with

    return compile_with(shipped, added, compile_all)


def compile_without(
    resources: Sequence[str], additions: Sequence[Path] | None = None, where: str = "without"
) -> KnowledgeStore:
    """The knowledge base as it would be without some resources (rules, options, effects, facts), compiled in
    memory.

    Args:
        resources: prefixed names or IRIs, such as `rule:ended`.
        additions: as in `compile_snapshot`.
        where: what the asker calls `resources`, for the error.

    Raises:
        BadInput: a name is unknown, or the rest is broken without it.
    """
    sources = [*shipped_sources(), *added_sources(additions)]
    store = _loaded(sources)
    for name in resources:
        subject = ox.NamedNode(expand(name)) if ":" in name else None
        gone = list(store.store.quads_for_pattern(subject, None, None, None)) if subject else []
        if not gone:
            short = {
                prefixed(quad.subject.value) for quad in store.store if isinstance(quad.subject, ox.NamedNode)
            }
            raise BadInput(
                where,
                f"unknown resource '{name}'",
                expected="a prefixed name, such as rule:NAME",
                given=name,
                known=short,
            )
        _go_with(store, ox.NamedNode(expand(name)), where)
        store.remove(gone)
    return _concluded(store)


def _go_with(store: KnowledgeStore, gone: ox.NamedNode, where: str) -> None:
    """Take out what makes no sense without a resource: that statements are about what stands beside it, and
    the statements themselves where they name no other option of its decision.

    Raises:
        BadInput: it is the default of a decision.
    """
    for row in store.select(f"SELECT ?decision WHERE {{ ?decision on:default {gone} }}"):
        raise BadInput(
            where,
            f"'{prefixed(gone.value)}' is what stands where nobody decides on {prefixed(row['decision'])}",
            expected="an option that is no default, or a rule, an effect or a fact",
        )
    for row in store.select(_BESIDE.replace("?gone", str(gone))):
        statement, given = ox.NamedNode(row["statement"]), ox.NamedNode(on("given"))
        quads = store.store.quads_for_pattern(statement, None, None, None)
        store.remove(
            [quad for quad in quads if "other" not in row or (quad.predicate, quad.object) == (given, gone)]
        )


_BESIDE = """SELECT ?statement (SAMPLE(?instead) AS ?other) WHERE { ?statement on:given ?gone
    OPTIONAL { ?gone on:optionOf ?decision . ?instead on:optionOf ?decision . ?statement on:given ?instead
        FILTER(?instead != ?gone) } } GROUP BY ?statement"""
"""What holds beside an option, with another option of its decision beside which it holds too."""


def compile_all(sources: Sequence[Source]) -> KnowledgeStore:
    """Compile sources, shipped and added, in this process.

    Raises:
        Unsound: the knowledge cannot be used; says why, and who is at fault.
        BadInput: a source cannot be read.
    """
    from reasoner.knowledge.shapes import validate_store
    from reasoner.knowledge.unsound import Unsound

    store = _loaded(sources)
    if any(source.added for source in sources):
        from reasoner.check.quality import refusing
        from reasoner.check.rule_lint import unbound_slots, unknown_terms
        from reasoner.knowledge.readings import unreadable_rules
        from reasoner.overlay.admission import dangling

        rules = (*unreadable_rules(store), *unknown_terms(store), *unbound_slots(store))
        wrong = [
            *dangling(store),
            *_of_rules(rules),
            *((text, (term,)) for term, text in refusing(store) if ":" in term),
        ]
        if wrong:
            raise Unsound(wrong)
    _concluded(store)
    if broken := [violation for violation in validate_store(store) if violation.severity == "Violation"]:
        raise Unsound([(_in_words(violation), (violation.focus,)) for violation in broken])
    return store


def run_whatever_runs(sources: Sequence[Source]) -> KnowledgeStore:
    """What follows from sources, sound or not, for those that can be read: to see what it costs. Raises
    BadInput where rules cannot be run.
    """
    from reasoner.knowledge.closure import close
    from reasoner.knowledge.readings import keep_readable
    from reasoner.knowledge.rule_running import run_rules
    from reasoner.knowledge.rules import load_rules

    store = _loaded(sources)
    close(store.store, ox.NamedNode(CLOSURE_GRAPH))
    keep_readable(store)
    run_rules(store, [rule for rule in load_rules(store) if not rule.per_request])
    return store


def _in_words(violation: Violation) -> str:
    found = (
        f" (found '{prefixed(violation.value)}')"
        if violation.value and violation.value != violation.focus
        else ""
    )
    path = f" ({prefixed(violation.path)})" if violation.path else ""
    return f"{prefixed(violation.focus)}: {violation.message}{found}{path}"


def _loaded(sources: Sequence[Source]) -> KnowledgeStore:
    store = KnowledgeStore()
    store.load_sources(source for source in sources if not source.added)
    store.complete()  # before additions, which may override what follows of what is shipped
    if added := [source for source in sources if source.added]:
        store.load_sources(added)
        from kb.deprecations import renew

        renew(store.store, overrides.ADDED)
        overrides.apply(store)
        store.complete()
    return store


def _concluded(store: KnowledgeStore) -> KnowledgeStore:
    """The store with what follows from it: the OWL closure, then the conclusions of its rules."""
    from reasoner.knowledge.closure import close
    from reasoner.knowledge.readings import keep_readings
    from reasoner.knowledge.rule_running import run_rules
    from reasoner.knowledge.rules import load_rules
    from reasoner.knowledge.unsound import Unsound

    report = close(store.store, ox.NamedNode(CLOSURE_GRAPH))
    if report.inconsistencies:
        raise Unsound(
            [
                (f"the knowledge base: it contradicts itself: {found.message}", _named_in(found))
                for found in report.inconsistencies
            ]
        )
    if wrong := _of_rules(keep_readings(store)):
        raise Unsound(wrong)
    try:
        rules = load_rules(store)
    except BadInput as error:  # a cycle goes through several rules
        raise Unsound([(str(error), list(store.instances(PREFIXES["sh"] + "SPARQLRule")))]) from error
    run_rules(store, [rule for rule in rules if not rule.per_request])
    return store


def _of_rules(problems: Iterable[tuple[str, str]]) -> list[tuple[str, Collection[str]]]:
    return [(f"rule {local_name(rule)}: {problem}", (rule,)) for rule, problem in problems]


def _named_in(inconsistency: Inconsistency) -> list[str]:
    named = []
    for premise in inconsistency.premises:
        ends = (premise.subject, premise.object)
        named += [node.value for node in ends if isinstance(node, ox.NamedNode)]
    return named


def _planning_part(store: KnowledgeStore) -> bytes:
    """Without definitions, vocabularies and publications of others: none of them decides anything by
    itself.
    """
    from reasoner.model.static_model import asked_of_store

    part = KnowledgeStore()
    part.add(
        quad
        for quad in store.store
        if quad.predicate.value not in _ONLY_FOR_READERS
        and not quad.graph_name.value.startswith(_ONLY_FOR_QUERIES)
    )
    rows, terms = asked_of_store(part)
    return part.compact([*rows, overrides.QUERY], terms)


def _code_hash() -> str:
    """Changes with the code that compiles, so that a checkout under work never reads a snapshot of older
    code.
    """
    digest = hashlib.sha256()
    room = Path(__file__).parent
    compiling = [
        *room.glob("*.py"),
        *room.parent.glob("overlay/*.py"),
        *room.parent.glob("model/*.py"),  # whose questions are answered when the knowledge is compiled
    ]
    for path in (*sorted(compiling), Path(shards.__file__)):
        digest.update(path.read_bytes())
    return digest.hexdigest()
