"""The checks of a knowledge base: profile, rules, shapes, quality queries, competency questions, scenarios
and, on request, OWL DL.

Contradictory, dead and uncovered are looked for on scenarios once everything else is sound; before that,
planning could not even be tried.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from kb.errors import OntuneError
from kb.records.shapes import Engine, refuse_unknown
from kb.store.paths import additions
from kb.store.sources import added_sources, shipped_sources
from reasoner.check import (
    cases,
    compiling,
    consistency,
    contradictions,
    coverage,
    kept_report,
    quality,
    questions,
    rule_lint,
    strata,
)
from reasoner.check.evaluation import Evaluation
from reasoner.check.finding import CheckReport, Finding, KnowledgeUnderCheck
from reasoner.overlay.admission import UNFORESEEN

__all__ = ["CheckReport", "Finding", "check"]


def check(
    folders: Sequence[Path] | None = None, dl: bool = False, engine: Engine = "shifty", use_kept: bool = False
) -> CheckReport:
    """Check the shipped knowledge with what overlays it.

    Args:
        folders: folders of additions; None takes the user's own.
        dl: also let HermiT look for inconsistency and unsatisfiable classes (needs Java; takes seconds).
        engine: the SHACL validator, `shifty` or `pyshacl`.
        use_kept: whether the report that was made of the same files before will do. It is never used where
            there are additions, or with `dl`.

    Raises:
        BadInput: the engine is unknown.
    """
    refuse_unknown(engine)
    start = time.perf_counter()
    chosen = additions() if folders is None else folders
    alone = not dl and not any(_files_in(chosen))
    key = kept_report.key_of(engine) if use_kept and alone else ""
    if key and (report := kept_report.read(key)):
        return replace(report, seconds=time.perf_counter() - start, kept=True)
    knowledge = KnowledgeUnderCheck([*shipped_sources(), *added_sources(chosen)], chosen)
    steps: list[Callable[[], Iterator[Finding]]] = [
        lambda: compiling.load(knowledge),
        lambda: rule_lint.findings(knowledge),
        lambda: quality.findings(knowledge),
        lambda: compiling.judged(knowledge),
        lambda: compiling.compile_(knowledge),
        lambda: strata.findings(knowledge),
        lambda: compiling.shapes(knowledge, engine),
        lambda: questions.findings(knowledge, folders),
    ]
    if dl:
        steps.append(lambda: consistency.findings(knowledge))
    found = _run(steps)
    if all(finding.severity != "error" for finding in found):
        try:
            found += _run([lambda: _tried(knowledge)])
        except UNFORESEEN as error:
            found.append(
                Finding(
                    "error", "", "", f"planning fails with this knowledge ({type(error).__name__}: {error})"
                )
            )
    distinct = dict.fromkeys(
        sorted(found, key=lambda finding: (finding.severity, finding.file, finding.term, finding.text))
    )
    report = CheckReport(tuple(distinct), time.perf_counter() - start, knowledge.table)
    if key:
        kept_report.keep(key, report)
    return report


def _files_in(folders: Sequence[Path]) -> Iterator[Path]:
    for folder in folders:
        yield from (path for path in folder.rglob("*") if path.is_file())


def _tried(knowledge: KnowledgeUnderCheck) -> Iterator[Finding]:
    """What the scenarios show."""
    evaluation = Evaluation(knowledge)
    for look in (
        contradictions.nothing_left,
        contradictions.disjoint_situations,
        contradictions.opposed_effects,
        coverage.dead,
        coverage.uncovered,
    ):
        yield from look(knowledge, evaluation)
    yield from cases.findings(knowledge, evaluation)


def _run(steps: Sequence[Callable[[], Iterator[Finding]]]) -> list[Finding]:
    found: list[Finding] = []
    for step in steps:
        try:
            found += step()
        except OntuneError as error:
            found.append(Finding("error", "", "", str(error)))
    return found
