"""The knowledge base tried on its scenarios (see `reasoner.check.scenarios`): what the checks of
contradiction and coverage look at.
"""

from __future__ import annotations

from functools import cached_property

from kb.cases import CaseTable
from kb.records.request import Request
from kb.records.target import complete_target
from kb.records.targets import load_target, target_names
from kb.records.workload import complete_workload, load_workload, workload_names
from kb.store.store import KnowledgeStore
from reasoner.check.finding import KnowledgeUnderCheck
from reasoner.check.scenarios import Scenario, case_requests, derive_all, distinct_problems, grid
from reasoner.inference.derive import Deriver
from reasoner.knowledge.rules import Rule, load_rules
from reasoner.model.catalogue import Catalogue, Statement
from reasoner.model.ground import Problem


class Evaluation:
    """The compiled knowledge with its rules, its catalogue, and what is concluded of every scenario.

    Raises:
        BadInput: a rule cannot be run, or a case is malformed.
    """

    def __init__(self, knowledge: KnowledgeUnderCheck) -> None:
        self.store: KnowledgeStore = knowledge.compiled
        self.rules: list[Rule] = load_rules(self.store)
        self.deriver = Deriver(self.store, self.rules)
        self.catalogue = Catalogue(self.store)
        self.table = CaseTable(self.store, knowledge.folders)

    @cached_property
    def scenarios(self) -> dict[str, Scenario]:
        """Every target with every workload, then every rule case, by name."""
        return derive_all(self.deriver, self.catalogue, grid(self.store) | case_requests(self.table))

    @cached_property
    def problems(self) -> list[tuple[Problem, list[str]]]:
        """Every distinct choice problem, with the names of the scenarios that pose it."""
        return list(distinct_problems(self.catalogue, self.scenarios))

    @cached_property
    def alone(self) -> dict[tuple[str, str], Scenario]:
        """Every target with a workload of which nothing is stated, and every workload on a target of which
        nothing is known, by (kind, name).
        """
        nowhere, nothing = complete_target("nowhere", {}, "check"), complete_workload("nothing", {}, "check")
        requests = {
            ("target", name): Request(nothing, load_target(name, self.store))
            for name in target_names(self.store)
        }
        requests |= {
            ("workload", name): Request(load_workload(name, self.store), nowhere)
            for name in workload_names(self.store)
        }
        derived = derive_all(
            self.deriver, self.catalogue, {" ".join(key): request for key, request in requests.items()}
        )
        return {key: derived[" ".join(key)] for key in requests}

    def possible(self, problem: Problem, statement: Statement) -> bool:
        """Whether what an effect or a conflict is about can be taken, as far as single options tell: its
        option, and one of each decision given.
        """
        barred = {
            conflict.option
            for iri in problem.derived.applies & self.catalogue.conflicts.keys()
            if not (conflict := self.catalogue.conflicts[iri]).given and iri != statement.iri
        }
        live = {decision: set(options) - barred for decision, options in problem.domains.items()}
        for decision, option in problem.pins.items():
            live[decision] &= {option}
        taken = statement.option in live[self.catalogue.decision_of(statement.option)]
        return taken and all(live[decision] & options for decision, options in statement.given)
