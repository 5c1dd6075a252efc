"""The questions that the REST interface takes: JSON bodies, checked by the table of request fields. No body
can name a file of the server.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from generators.provenance.lines import explain
from kb.errors import BadInput
from kb.records.fact_keys import fact_keys
from kb.records.fact_values import walk
from kb.records.request import Request
from kb.records.request_fields import DROP, FIELDS, PLAN, QUESTIONS, REQUEST, TARGET, WISHES, WORKLOAD
from kb.records.site import Site, complete_site, load_site, site_names
from kb.records.target import Target, as_described, read_target
from kb.records.targets import load_target, target_names
from kb.records.workload import Workload, complete_workload, load_workload, workload_names
from kb.store import user_files
from kb.store.query_library import counts, named_queries
from reasoner.answers.plan import Plan
from reasoner.reasoner import Reasoner

_NAME_OF_DESCRIBED = "request"
_PLACES = {name: f"body: {name}" for name in FIELDS}


class Questions:
    """Answers questions over one knowledge base.

    Args:
        reasoner: what answers them.
    """

    def __init__(self, reasoner: Reasoner) -> None:
        self._reasoner = reasoner
        self._answers: dict[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
            "plan": self._plan,
            "why-not": self._why_not,
            "explain": self._explain,
            "what-if": self._what_if,
            "names": self._names,
            "stats": lambda _: counts(self._reasoner.full_store),
        }

    def answer(self, question: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """The answer to a question, as JSON.

        Args:
            question: one of `kb.records.request_fields.QUESTIONS`, or `names` or `stats`.
            body: the fields of a request, and those of the question; null is as good as absent.

        Raises:
            BadInput: a field is unknown, is missing, or holds something else than it takes.
            NoFeasiblePlan: no configuration meets the request.
        """
        own = {entry.flag: _PLACES[entry.name] for entry in QUESTIONS.get(question, ())}
        try:
            return self._answers[question]({key: value for key, value in body.items() if value is not None})
        except BadInput as error:
            if error.where in own:  # what has no flag is called by its word on the command line
                raise error.at_place(own[error.where]) from error
            raise

    def _plan(self, body: Mapping[str, Any]) -> dict[str, Any]:
        _, request = self._asked("plan", body)
        return self._reasoner.plan(request).to_json()

    def _why_not(self, body: Mapping[str, Any]) -> dict[str, Any]:
        own, request = self._asked("why-not", body)
        return self._reasoner.why_not(own["option"], request)

    def _explain(self, body: Mapping[str, Any]) -> dict[str, Any]:
        own, request = self._asked("explain", body)
        return explain(self._reasoner, own["subject"], request)

    def _what_if(self, body: Mapping[str, Any]) -> dict[str, Any]:
        own, request = self._asked("what-if", body)
        changes, without = own.get("changes", {}), own.get("without", ())
        if not changes and not without:
            raise BadInput("body", "nothing is changed", expected="`changes`, or `without`")
        return self._reasoner.what_if(changes, request, without=without)

    def _names(self, _: Mapping[str, Any]) -> dict[str, Any]:
        store = self._reasoner.store
        queries = [
            {"name": query.name, "title": query.title, "parameters": dict(query.parameters)}
            for query in named_queries().values()
        ]
        return {
            "workloads": workload_names(store),
            "targets": target_names(store),
            "sites": site_names(store),
            "queries": queries,
        }

    def _asked(self, question: str, body: Mapping[str, Any]) -> tuple[dict[str, Any], Request]:
        """The question's own fields, and the request."""
        fields = {entry.name: entry for entry in (*REQUEST, *QUESTIONS[question])}
        for key in body:
            if key not in fields:
                raise BadInput(
                    f"body: {key:.60}", "unknown key", expected=", ".join(fields), given=key, known=fields
                )
        given = {
            name: entry.checked(body[name], _PLACES[name]) for name, entry in fields.items() if name in body
        }
        for name, entry in fields.items():
            if entry.required and name not in given and entry.unless not in given:
                raise BadInput(
                    _PLACES[name], "is missing", expected=entry.meaning[0].lower() + entry.meaning[1:]
                )
        own = {entry.name: given[entry.name] for entry in QUESTIONS[question] if entry.name in given}
        return own, self._request(given)

    def _request(self, given: Mapping[str, Any]) -> Request:
        wishes = {entry.name: given[entry.name] for entry in (*WISHES, DROP) if entry.name in given}
        if "site" in given:
            wishes["site"] = self._site(given["site"])
        if PLAN.name not in given:
            if DROP.name in given:
                raise BadInput(
                    _PLACES[DROP.name], "there is no plan to leave it out of", expected="`plan` beside it"
                )
            machine = self._set_by_hand(self._target(given.get("target", TARGET.default)), given)
            return self._reasoner.request(
                self._workload(given["workload"]), machine, **wishes, places=_PLACES
            )
        plans = _planned(given[PLAN.name])
        workload = self._workload(given["workload"]) if "workload" in given else None
        target = self._target(given["target"]) if "target" in given else None
        if "set" in given:
            target = self._set_by_hand(target or plans.target, given)
        return self._reasoner.request(plans, target, workload=workload, **wishes, places=_PLACES)

    def _set_by_hand(self, target: Target, given: Mapping[str, Any]) -> Target:
        return target.set_by_hand(given.get("set", {}), self._reasoner.store.names, _PLACES["set"])

    def _workload(self, given: Any) -> Workload:
        where, store = f"body: {WORKLOAD.name}", self._reasoner.store
        if not isinstance(given, Mapping):
            return load_workload(_name(given, where), store, where)
        _refuse_files(given, where)
        name = _text(given.get("name", _NAME_OF_DESCRIBED), f"{where}: name")
        return complete_workload(name, _without_name(given), where).named(store.names)

    def _target(self, given: Any) -> Target:
        where, store = f"body: {TARGET.name}", self._reasoner.store
        if not isinstance(given, Mapping):
            return load_target(_name(given, where), store, where)
        name = _text(given.get("name", _NAME_OF_DESCRIBED), f"{where}: name")
        return as_described(read_target(name, _without_name(given), where), store)

    def _site(self, given: Any) -> Site:
        where, store = "body: site", self._reasoner.store
        return (
            complete_site(given, where)
            if isinstance(given, Mapping)
            else load_site(_name(given, where), store, where)
        )


def _planned(given: Mapping[str, Any]) -> Request:
    """The question of a plan, which may stand there whole or by its `request` alone."""
    where = _PLACES[PLAN.name]
    asked = (
        Plan.from_json(given, where).asked(where) if "plan_id" in given else Request.from_json(given, where)
    )
    _refuse_files(asked.workload.facts, asked.workload.where)
    return asked


def _refuse_files(workload: Mapping[str, Any], where: str) -> None:
    for key in walk(fact_keys("workloads").root):
        if key.local_file and workload.get(name := key.path.removesuffix("[]")) is not None:
            problem = f"key '{name}' names a file, which this machine does not have"
            raise BadInput(where, problem, expected="a job without files, or `ontune plan` where they are")


def _without_name(given: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in given.items() if key != "name"}


def _name(value: Any, where: str) -> str:
    if not isinstance(value, str) or user_files.looks_like_file(value):
        raise BadInput(
            where,
            "is neither a known name nor an object",
            expected="a name such as those of /api/names, or an object of facts",
        )
    return value


def _text(value: Any, where: str) -> str:
    if not isinstance(value, str) or not value:
        raise BadInput(where, "is no text", expected="a text")
    return value
