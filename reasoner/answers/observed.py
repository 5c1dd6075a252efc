"""The measured run that a prediction starts from."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from kb.errors import BadInput
from kb.observations.recorded import Measured, OwnObservations
from kb.records.request import Request
from kb.records.workload import load_workload, workload_names
from kb.store.store import KnowledgeStore
from kb.values import Value
from reasoner.model.catalogue import Catalogue

_SHIPPED = """
SELECT ?obs ?workload ?throughput ?uarch ?cores ?decision ?option WHERE {
  ?obs a on:Observation ; on:ofWorkload ?workload ; on:observedThroughput ?throughput .
  ?obs on:onMicroarchitecture ?uarch ; on:onCores ?cores .
  ?obs on:took ?taken .
  ?taken on:decisionName ?decision ; on:optionName ?option }"""


class StartingRun(Value, frozen=True):
    """A measured configuration (decision to option, by IRI), its throughput in samples per second, and the
    observation.
    """

    id: str
    configuration: dict[str, str]
    throughput: float


class Observed:
    """The runs that predictions can start from: those of the knowledge base, and the user's own.

    Args:
        catalogue: the decisions and options that runs took, by their names.
    """

    def __init__(self, store: KnowledgeStore, catalogue: Catalogue) -> None:
        self._store = store
        self._catalogue = catalogue
        self._decisions = {catalogue.name[decision]: decision for decision in catalogue.options}
        self._options = {
            (catalogue.name[info.decision], info.name): info.iri for info in catalogue.info.values()
        }
        self._own = OwnObservations()
        self._named: dict[str, str] = {}
        self._shipped: dict[tuple[str, int], list[Measured]] = defaultdict(list)
        for measured in _shipped(store):
            self._shipped[measured.microarchitecture, measured.cores].append(measured)

    def nearest(self, request: Request, taken: Mapping[str, str]) -> StartingRun | None:
        """The run of the same job, on the same microarchitecture with as many cores, that differs in the
        fewest options from `taken`.

        A job is the same by what is stated of it. A run of which only the workload's name is told, such as a
        shipped one, was of what the knowledge base knows by that name: a job of that name with another batch
        is another one.
        """
        cpu = request.target.facts.get("cpu") or {}
        microarchitecture, cores = cpu.get("microarchitecture"), cpu.get("usable_cores")
        if microarchitecture is None or cores is None:
            return None
        job, what = request.workload, request.workload.what
        runs = [
            *self._own.at(job.name, what, microarchitecture, cores),
            *self._shipped.get((microarchitecture, cores), ()),
        ]
        near = [self._start(run) for run in runs if (run.what or self._known_as(run.workload)) == what]
        return min(
            near,
            key=lambda start: sum(
                option != taken[decision] for decision, option in start.configuration.items()
            ),
            default=None,
        )

    def _known_as(self, name: str) -> str:
        """What the knowledge base knows by a workload's name; empty where it knows none."""
        if name not in self._named:
            try:
                self._named[name] = (
                    load_workload(name, self._store).what if name in workload_names(self._store) else ""
                )
            except BadInput:  # an addition that is none
                self._named[name] = ""
        return self._named[name]

    def _start(self, measured: Measured) -> StartingRun:
        """With IRIs for names; what a run does not tell, or names that are known no longer, count as
        defaults.
        """
        took = {
            self._decisions[name]: self._options[name, option]
            for name, option in measured.options.items()
            if (name, option) in self._options
        }
        return StartingRun(measured.id, {**self._catalogue.default, **took}, measured.throughput)


def _shipped(store: KnowledgeStore) -> list[Measured]:
    options: dict[str, dict[str, str]] = defaultdict(dict)
    rows = {}
    for row in store.select(_SHIPPED):
        options[row["obs"]][row["decision"]] = row["option"]
        rows[row["obs"]] = row
    return [
        Measured(
            iri, row["workload"], "", row["uarch"], int(row["cores"]), options[iri], float(row["throughput"])
        )
        for iri, row in sorted(rows.items())
    ]
