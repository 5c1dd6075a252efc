"""The web application: routes, access, and what goes wrong as one JSON message."""

from __future__ import annotations

import contextlib
import json
import secrets
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.schemas import SchemaGenerator
from starlette.types import ASGIApp, Receive, Scope, Send

from kb import __version__
from kb.errors import BadInput, NoFeasiblePlan, OntuneError
from kb.files import json_of
from kb.query_library import named_query
from ontune.service.engine import Engine
from ontune.service.pool import Busy, TooSlow, WorkerDied
from ontune.service.protocol import ReadOnly, UnsupportedMediaType, asked
from ontune.service.results import NotAcceptable

LARGEST_BODY = 1_000_000


class TooLarge(BadInput):
    """A body is larger than a request needs to be."""


_STATUS: tuple[tuple[type[OntuneError], int], ...] = (
    (ReadOnly, 403),
    (NotAcceptable, 406),
    (TooLarge, 413),
    (UnsupportedMediaType, 415),
    (BadInput, 400),
    (NoFeasiblePlan, 409),
    (Busy, 503),
    (WorkerDied, 503),
    (TooSlow, 504),
)
_OPEN = ("/", "/api/openapi.json")
_SCHEMA = SchemaGenerator({"openapi": "3.1.0", "info": {"title": "Ontune", "version": __version__}})
_QUESTIONS = {
    "plan": ("The plan for a workload on a target (absent: the server's machine).", "workload"),
    "why-not": ("What speaks against an option.", "workload, option"),
    "explain": ("The proof of a decision or an option, down to facts and sources.", "workload, subject"),
    "what-if": ("The plan with some facts changed, as a difference.", "workload, changes"),
}


def application(engine: Engine, *, token: str | None = None, hosts: tuple[str, ...] = ()) -> Starlette:
    """The application.

    Args:
        engine: what answers.
        token: what `Authorization: Bearer` must carry; None asks for nothing.
        hosts: names by which the service may be called; others are refused, so that no foreign page can reach it by a name of its own.
    """

    def answering(question: str, summary: str, needs: str) -> Route:
        async def post(request: Request) -> Response:
            return Response(await engine.question(question, await _body(request)), media_type="application/json")

        post.__doc__ = f"summary: {summary!r}\n" + _POST.replace("NEEDS", needs)
        return Route(f"/api/{question}", post, methods=["POST"])

    async def names(request: Request) -> Response:
        """
        summary: Names of workloads and targets, and the named queries with their parameters.
        responses: {200: {description: three lists}}
        """
        return Response(await engine.question("names", {}), media_type="application/json")

    async def query(request: Request) -> Response:
        """
        summary: The result of a named query; its parameters are those of the address.
        parameters: [{name: name, in: path, required: true, schema: {type: string}}]
        responses: {200: {description: a list of rows}}
        """
        text = named_query(request.path_params["name"]).filled(dict(request.query_params))
        answer = await engine.query({"query": text, "accept": _TABLE, "base": None, "default_graphs": [], "named_graphs": []})
        found = json.loads(await answer.whole())
        return JSONResponse([{name: value["value"] for name, value in row.items()} for row in found["results"]["bindings"]])

    async def schema(request: Request) -> Response:
        return JSONResponse(_SCHEMA.get_schema(routes=request.app.routes))

    async def page(request: Request) -> Response:
        return FileResponse(Path(__file__).with_name("page.html"), media_type="text/html")

    async def protocol(request: Request) -> Response:
        headers, address = request.headers, request.url
        body = await _raw_body(request)
        base = str(address.replace(query="", fragment=""))
        question = asked(request.method, address.query, headers.get("content-type", ""), body, headers.get("accept", ""), base)
        answer = await engine.query(question)
        return StreamingResponse(answer.body, media_type=answer.head["media_type"])

    routes = [
        Route("/", page, include_in_schema=False),
        Route("/sparql", protocol, methods=["GET", "POST"], include_in_schema=False),
        Route("/api/openapi.json", schema, include_in_schema=False),
        Route("/api/names", names),
        Route("/api/queries/{name}", query),
        *(answering(question, *told) for question, told in _QUESTIONS.items()),
    ]
    guards = [Middleware(TrustedHostMiddleware, allowed_hosts=list(hosts))] if hosts else []
    if token is not None:
        guards.append(Middleware(_TokenGuard, token=token))

    @contextlib.asynccontextmanager
    async def running(_: Starlette) -> AsyncIterator[None]:
        await engine.start()
        try:
            yield
        finally:
            await engine.stop()

    handlers: dict[Any, Callable[[Request, Exception], Any]] = {OntuneError: _complain, Exception: _internal}
    return Starlette(routes=routes, middleware=guards, exception_handlers=handlers, lifespan=running)


_TABLE = "application/sparql-results+json"
_POST = """
requestBody: {required: true, content: {application/json: {schema: {type: object, required: [NEEDS]}}}}
responses: {200: {description: the answer, as the command line prints it}, 400: {description: bad input}, 409: {description: no feasible plan}}
"""


class _TokenGuard:
    """Lets only those in who carry the token."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app, self._expected = app, f"Bearer {token}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        given = dict(scope.get("headers", ())).get(b"authorization", b"")
        if scope["type"] != "http" or scope["path"] in _OPEN or secrets.compare_digest(given, self._expected):
            await self._app(scope, receive, send)
        else:
            await JSONResponse({"error": {"message": "the token is missing or wrong"}}, 401, {"WWW-Authenticate": "Bearer"})(scope, receive, send)


async def _raw_body(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST_BODY:
            raise TooLarge("body", "too large", expected=f"at most {LARGEST_BODY} bytes")
    return bytes(body)


async def _body(request: Request) -> Mapping[str, Any]:
    raw = await _raw_body(request)
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        raise BadInput("body", "is not encoded in UTF-8", expected="UTF-8") from error
    value = json_of(text, "body")
    if not isinstance(value, Mapping):
        raise BadInput("body", "is no object", expected="an object")
    return value


async def _complain(request: Request, error: Exception) -> Response:
    status = next((status for kind, status in _STATUS if isinstance(error, kind)), 500)
    headers = {"Retry-After": str(Busy.retry_after)} if status == 503 else None
    told = (error.told or error.to_json()) if isinstance(error, OntuneError) else {"message": str(error)}
    return JSONResponse({"error": dict(told)}, status, headers)


async def _internal(request: Request, error: Exception) -> Response:
    return JSONResponse({"error": {"message": "internal error: see the log of the service"}}, 500)
