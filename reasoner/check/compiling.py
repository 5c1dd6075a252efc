"""Whether the sources can be read, do not contradict themselves, and hold what the shapes ask for."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator

import pyoxigraph as ox

from kb.deprecations import renew
from kb.errors import OntuneError
from kb.records.shapes import Engine
from kb.store.sources import Source
from kb.store.store import KnowledgeStore
from kb.store.terms import FILE, PREFIXES, local_name
from reasoner.check.finding import Finding, KnowledgeUnderCheck
from reasoner.knowledge import overrides
from reasoner.knowledge.closure import close
from reasoner.knowledge.readings import keep_readable
from reasoner.knowledge.rule_running import run_rules
from reasoner.knowledge.rules import load_rules
from reasoner.knowledge.shapes import unknown_shacl_terms, validate_store
from reasoner.overlay.gate import Gate
from reasoner.overlay.judging import TooDear, judge

_OF_AXIOMS = (PREFIXES["owl"], PREFIXES["rdfs"])


def load(knowledge: KnowledgeUnderCheck) -> Iterator[Finding]:
    """Read every source; what is no Turtle is reported and left out, and so are unknown terms of SHACL."""
    shipped = [source for source in knowledge.sources if not source.added]
    added = [source for source in knowledge.sources if source.added]
    for source in shipped:
        yield from _load(knowledge, source)
    knowledge.stated.complete()  # before additions, which may override what follows of what is shipped
    gate, let_in = Gate(knowledge.stated), []
    for source in added:  # each is judged beside what is shipped, and none beside another one
        barred = list(_barred(gate, source))
        yield from barred
        if barred:
            knowledge.unsound.append(source)
        else:
            let_in.append(source)
    for source in let_in:
        yield from _load(knowledge, source)
    overrides.apply(knowledge.stated)
    knowledge.stated.complete()


def _barred(gate: Gate, source: Source) -> Iterator[Finding]:
    """Why an addition may not be let in, whatever it says."""
    try:
        for problem in gate.problems(source):
            yield Finding("error", str(source.path), "", problem)
    except OntuneError as error:
        yield Finding("error", str(source.path), "", str(error))


def _load(knowledge: KnowledgeUnderCheck, source: Source) -> Iterator[Finding]:
    try:
        knowledge.stated.load_source(source)
        unknown = unknown_shacl_terms([source.path]) if source.path.suffix == ".ttl" else []
    except OntuneError as error:
        knowledge.unsound.append(source)
        yield Finding("error", str(source.path), "", str(error))
        return
    for file, line, term in unknown:
        yield Finding(
            "error",
            f"{file}:{line}",
            "",
            f"SHACL 1.0 has no term {term}; an engine would ignore it in silence",
        )


def judged(knowledge: KnowledgeUnderCheck) -> Iterator[Finding]:
    """Additions whose rules cost too much to be tried; nothing is made of them."""
    shipped = [source for source in knowledge.sources if not source.added]
    while standing := [
        source for source in knowledge.sources if source.added and source not in knowledge.unsound
    ]:
        try:
            judge(shipped, standing, only_cost=True)
        except TooDear as error:
            accused = list(itertools.chain.from_iterable(about for _, about in error.problems))
            blamed = [source for source in standing if _describes_any(knowledge, source, accused)]
            for source in blamed or standing:
                knowledge.unsound.append(source)
                yield Finding("error", str(source.path), "", str(error))
            continue
        return


def _describes_any(knowledge: KnowledgeUnderCheck, source: Source, terms: Iterable[str]) -> bool:
    return any(knowledge.describes(source, term) for term in terms)


def compile_(knowledge: KnowledgeUnderCheck) -> Iterator[Finding]:
    """Close and apply the rules; contradictions and rules that cannot be run are reported."""
    knowledge.compiled = KnowledgeStore()
    knowledge.compiled.add(knowledge.sound())
    renew(knowledge.compiled.store, overrides.ADDED)
    report = close(knowledge.compiled.store, ox.NamedNode(FILE + "closure"))
    for found in report.inconsistencies:
        facts_first = sorted(
            found.premises, key=lambda premise: premise.predicate.value.startswith(_OF_AXIOMS)
        )
        subject = next(
            (premise.subject.value for premise in facts_first if isinstance(premise.subject, ox.NamedNode)),
            "",
        )
        yield knowledge.finding(subject, f"contradiction ({found.rule}): {found.message}")
    keep_readable(knowledge.compiled)
    run_rules(knowledge.compiled, [rule for rule in load_rules(knowledge.compiled) if not rule.per_request])


def shapes(knowledge: KnowledgeUnderCheck, engine: Engine) -> Iterator[Finding]:
    """What breaks a shape."""
    for violation in validate_store(knowledge.compiled, engine):
        where = " ".join(local_name(part) for part in (violation.focus, violation.path) if part)
        value = (
            f" (found '{violation.value}')" if violation.value and violation.value != violation.focus else ""
        )
        yield knowledge.finding(
            violation.focus,
            f"{where}: {violation.message}{value}",
            "error" if violation.severity == "Violation" else "warning",
        )
