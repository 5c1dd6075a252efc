"""The questions that the REST interface takes: JSON bodies, checked key by key. No body can name a file of the server."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from generators.lines import explain
from kb import user_files
from kb.errors import BadInput
from kb.site import complete_site, load_site
from kb.target import Target, complete_target, load_target
from kb.workload import Workload, complete_workload, load_workload
from reasoner.reasoner import Reasoner

_WISHES = ("site", "framework", "pins", "forbid", "objective", "numerics", "allow", "top")
_REQUEST = ("workload", "target", "set", *_WISHES)


class Questions:
    """Answers questions over one knowledge base.

    Args:
        reasoner: what answers them.
    """

    def __init__(self, reasoner: Reasoner) -> None:
        self._reasoner = reasoner

    def plan(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """The plan for a body with `workload`, `target` (absent: the server's machine), `set` and the wishes of `ontune plan`."""
        workload, target, wishes = self._question(body, ())
        return self._reasoner.plan(workload, target, **wishes).to_json()

    def why_not(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """As `plan`, with `option`."""
        workload, target, wishes = self._question(body, ("option",))
        return self._reasoner.why_not(_text(body, "option"), workload, target, **wishes)

    def explain(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """As `plan`, with `subject`."""
        workload, target, wishes = self._question(body, ("subject",))
        return explain(self._reasoner, _text(body, "subject"), workload, target, **wishes)

    def what_if(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """As `plan`, with `changes`, an object of fact keys with their new values."""
        workload, target, wishes = self._question(body, ("changes",))
        return self._reasoner.what_if(_object(body, "changes"), workload, target, **wishes)

    def _question(self, body: Mapping[str, Any], further: tuple[str, ...]) -> tuple[Workload, Target, dict[str, Any]]:
        known = (*_REQUEST, *further)
        for key in body:
            if key not in known:
                raise BadInput(f"body: {key}", "unknown key", expected=", ".join(known), given=key, known=known)
        store, workload, target = self._reasoner.store, body.get("workload"), body.get("target", "local")
        if isinstance(workload, Mapping):
            asked = complete_workload("request", workload, "body: workload")
        else:
            asked = load_workload(_name(workload, "body: workload"), store, "body: workload")
        if isinstance(target, Mapping):
            machine = complete_target("request", target, "body: target")
        else:
            machine = load_target(_name(target, "body: target"), store, "body: target")
        wishes = {key: body[key] for key in _WISHES if key in body} | {"places": {key: f"body: {key}" for key in _WISHES}}
        if (site := body.get("site")) is not None:
            described = isinstance(site, Mapping)
            wishes["site"] = complete_site(site, "body: site") if described else load_site(_name(site, "body: site"), store, "body: site")
        overrides = _object(body, "set")
        return asked, machine.with_overrides(overrides).checked("body: set") if overrides else machine, wishes


def _name(value: object, where: str) -> str:
    if not isinstance(value, str) or user_files.looks_like_file(value):
        raise BadInput(where, "is neither a known name nor an object", expected="a name such as those of /api/workloads, or an object of facts")
    return value


def _text(body: Mapping[str, Any], key: str) -> str:
    value = body.get(key)
    if not isinstance(value, str):
        raise BadInput(f"body: {key}", "is missing or no text", expected="a text")
    return value


def _object(body: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = body.get(key, {})
    if not isinstance(value, Mapping):
        raise BadInput(f"body: {key}", "is no object", expected="fact keys with their values")
    return value
