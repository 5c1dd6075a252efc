"""The checks of a knowledge base: profile, rules, shapes, quality queries, competency questions and, on request, OWL DL."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from kb.errors import BadInput, OntuneError
from kb.sources import added_sources, shipped_sources
from reasoner.check import compiling, consistency, quality, questions, rule_lint
from reasoner.check.finding import CheckReport, Finding, KnowledgeUnderCheck
from reasoner.shapes import ENGINES, Engine

__all__ = ["CheckReport", "Finding", "check"]


def check(folders: Sequence[Path] | None = None, dl: bool = False, engine: Engine = "shifty") -> CheckReport:
    """Check the shipped knowledge with what overlays it.

    Args:
        folders: folders of additions; None takes the user's own.
        dl: also let HermiT look for inconsistency and unsatisfiable classes (needs Java; takes seconds).
        engine: the SHACL validator, `shifty` or `pyshacl`.

    Raises:
        BadInput: the engine is unknown.
    """
    if engine not in ENGINES:
        raise BadInput("engine", f"unknown SHACL engine '{engine}'", expected=" or ".join(ENGINES), given=engine, known=ENGINES)
    start = time.perf_counter()
    knowledge = KnowledgeUnderCheck([*shipped_sources(), *added_sources(folders)])
    steps: list[Callable[[], Iterator[Finding]]] = [
        lambda: compiling.load(knowledge),
        lambda: rule_lint.findings(knowledge),
        lambda: quality.findings(knowledge),
        lambda: compiling.compile_(knowledge),
        lambda: compiling.shapes(knowledge, engine),
        lambda: questions.findings(knowledge, folders),
    ]
    if dl:
        steps.append(lambda: consistency.findings(knowledge))
    found: list[Finding] = []
    for step in steps:
        try:
            found += step()
        except OntuneError as error:
            found.append(Finding("error", "", "", str(error)))
    distinct = dict.fromkeys(sorted(found, key=lambda finding: (finding.severity, finding.file, finding.term, finding.text)))
    return CheckReport(tuple(distinct), time.perf_counter() - start)
