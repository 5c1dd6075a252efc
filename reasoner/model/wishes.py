"""The wishes of a request, checked by the table of its fields."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Unpack

from kb.errors import BadInput
from kb.records.request import Request
from kb.records.request_fields import FIELDS, WISHES, Wishes
from kb.records.site import Site
from kb.records.target import Target
from kb.records.workload import Workload


def make_request(workload: Workload, target: Target, **choices: Unpack[Wishes]) -> Request:
    """A request from loose arguments.

    Raises:
        BadInput: an argument is unknown, or is not what the table of `kb.records.request_fields` says that it
            takes.
    """
    return Request(workload, target, **checked_wishes(choices))


def checked_wishes(choices: Wishes, *further: str) -> dict[str, Any]:
    """Those of the wishes that are given (are not None), each in the form that a request has it in, with what
    the asker calls them.

    Args:
        further: what else of the table may be given.

    Raises:
        BadInput: an argument is unknown, or is not what the table says that it takes.
    """
    given = dict(choices)
    places: Mapping[str, str] = choices.get("places") or {}
    known = {wish.name: wish for wish in WISHES} | {name: FIELDS[name] for name in further}
    for key in given.keys() - known.keys() - {"places"}:
        raise BadInput(
            places.get(key, key),
            "unknown argument of a request",
            expected=", ".join(sorted(known)),
            given=key,
            known=known,
        )
    if not isinstance(choices.get("site"), Site | None):
        raise BadInput(
            places.get("site", "site"), "is no site", expected="what `load_site` or `complete_site` gives"
        )
    checked = {
        name: wish.checked(given[name], places.get(name, name))
        for name, wish in known.items()
        if given.get(name) is not None
    }
    return checked | {"places": places}
