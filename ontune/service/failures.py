"""What goes wrong, as a status and one JSON object: every answer that is no success has this form."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from kb.errors import BadInput, NoFeasiblePlan, OntuneError, RunFailed
from ontune.service.frames import INTERNAL
from ontune.service.pool import Busy, TooSlow, WorkerDied
from ontune.service.protocol import ReadOnly, UnsupportedMediaType
from ontune.service.results import NotAcceptable


class Unauthorised(OntuneError):
    """The token is missing or wrong."""

    exit_code = 2


class NotFound(BadInput):
    """Nothing is there."""


class WrongMethod(BadInput):
    """What is there takes other methods."""


class TooLarge(BadInput):
    """A body is larger than a request needs to be."""


class Misdirected(BadInput):
    """The request names a host that this service is not."""


_STATUS: Final[tuple[tuple[type[OntuneError], int], ...]] = (
    (Unauthorised, 401),
    (ReadOnly, 403),
    (NotFound, 404),
    (WrongMethod, 405),
    (NotAcceptable, 406),
    (NoFeasiblePlan, 409),
    (TooLarge, 413),
    (UnsupportedMediaType, 415),
    (Misdirected, 421),
    (BadInput, 400),
    (Busy, 503),
    (WorkerDied, 503),
    (RunFailed, 503),
    (TooSlow, 504),
)

MEANING: Final[Mapping[int, str]] = {
    400: "the request is malformed, or names what is not known",
    401: "the token is missing or wrong",
    403: "an update: the service only reads",
    404: "there is nothing of that name",
    405: "another method is needed",
    406: "the answer has none of the forms that the client accepts",
    409: "no feasible plan; the smallest ways out are told",
    413: "the body is too large",
    415: "the body has another media type or coding than is understood",
    421: "the request is for another host",
    500: "a fault of the service, which its log tells of",
    503: "too many ask for too much now, or the request asks for more memory than there is",
    504: "the answer takes too long",
}
"""What each status means here."""


def status_of(error: OntuneError) -> int:
    """The status of an error."""
    return next((status for kind, status in _STATUS if isinstance(error, kind)), 500)


def failure(error: OntuneError, headers: Mapping[str, str] | None = None) -> Response:
    """The answer that an error is."""
    status = status_of(error)
    again = {"Retry-After": str(Busy.retry_after)} if status == 503 else {}
    return JSONResponse({"error": dict(error.told or error.to_json())}, status, {**again, **(headers or {})})


def handlers() -> dict[Any, Callable[[Request, Any], Any]]:
    """What answers each kind of exception."""
    return {OntuneError: _expected, HTTPException: _unroutable, ClientDisconnect: _gone, Exception: _internal}


async def _expected(_: Request, error: OntuneError) -> Response:
    return failure(error)


async def _unroutable(request: Request, error: HTTPException) -> Response:
    """Nothing is at the path, or it takes another method."""
    path, headers = request.url.path, error.headers
    if error.status_code == 405:
        allowed = ", ".join(sorted((headers or {}).get("Allow", "").split(", ")))
        return failure(
            WrongMethod("method", f"{path} does not take {request.method:.20}", expected=allowed),
            {"Allow": allowed},
        )
    app: Starlette = request.app
    known = [route.path for route in app.routes if isinstance(route, Route)]
    return failure(
        NotFound("path", f"nothing is at {path:.200}", expected=", ".join(known), given=path, known=known)
    )


async def _gone(_: Request, __: Exception) -> Response:
    """The client has left: nobody reads this."""
    return Response(status_code=400)


async def _internal(_: Request, __: Exception) -> Response:
    return failure(OntuneError(INTERNAL))
