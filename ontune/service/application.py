"""The web application: routes, access, and what goes wrong as one JSON message."""

from __future__ import annotations

import http.client
import json
import re
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote_plus, urlsplit

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route
from starlette.schemas import SchemaGenerator
from starlette.types import ASGIApp, Receive, Scope, Send

from kb import __version__
from kb.errors import BadInput, NoFeasiblePlan, OntuneError
from kb.query_library import named_queries, named_query
from kb.store import KnowledgeStore
from kb.target import target_names
from kb.workload import workload_names
from ontune.service.questions import Questions

LARGEST_BODY = 1_000_000
_STATUS = {BadInput: 400, NoFeasiblePlan: 409}
_HANDED_ON = ("accept", "content-type")
_SERVICE = re.compile(r"(?<![\w?$:])SERVICE(?![\w:])\s*(?:SILENT\b|[<?$#]|[\w.-]*:)", re.IGNORECASE)
_ESCAPED = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8}))")
_OPEN = ("/", "/api/openapi.json")
_SCHEMA = SchemaGenerator({"openapi": "3.1.0", "info": {"title": "Ontune", "version": __version__}})


def application(questions: Questions, store: KnowledgeStore, sparql: str, *, token: str | None = None, hosts: tuple[str, ...] = ()) -> Starlette:
    """The application.

    Args:
        questions: what answers /api.
        store: the whole knowledge base, for named queries and counts.
        sparql: the address of the SPARQL endpoint behind /sparql.
        token: what `Authorization: Bearer` must carry; None asks for nothing.
        hosts: names by which the service may be called; others are refused, so that no foreign page can reach it by a name of its own.
    """

    def answering(answer: Callable[[Mapping[str, Any]], dict[str, Any]], path: str, needs: str) -> Route:
        async def post(request: Request) -> Response:
            return JSONResponse(await run_in_threadpool(answer, await _body(request)))

        post.__doc__ = f"summary: {(answer.__doc__ or '').strip().splitlines()[0]!r}\n" + _POST.replace("NEEDS", needs)
        return Route(path, post, methods=["POST"])

    async def names(request: Request) -> Response:
        """
        summary: Names of workloads and targets, and the named queries with their parameters.
        responses: {200: {description: three lists}}
        """
        queries = [{"name": query.name, "title": query.title, "parameters": dict(query.parameters)} for query in named_queries().values()]
        return JSONResponse({"workloads": workload_names(store), "targets": target_names(store), "queries": queries})

    async def query(request: Request) -> Response:
        """
        summary: The result of a named query; its parameters are those of the address.
        parameters: [{name: name, in: path, required: true, schema: {type: string}}]
        responses: {200: {description: a list of rows}}
        """
        text = named_query(request.path_params["name"]).filled(dict(request.query_params))
        return JSONResponse(await run_in_threadpool(store.select, text))

    async def schema(request: Request) -> Response:
        return JSONResponse(_SCHEMA.get_schema(routes=request.app.routes))

    async def page(request: Request) -> Response:
        return FileResponse(Path(__file__).with_name("page.html"), media_type="text/html")

    async def protocol(request: Request) -> Response:
        body = await _raw_body(request)
        _refuse_federation(request.url.query, body.decode(errors="replace"))
        return await run_in_threadpool(_hand_on, sparql, request.method, request.url.query, dict(request.headers), body)

    routes = [
        Route("/", page, include_in_schema=False),
        Route("/sparql", protocol, methods=["GET", "POST"], include_in_schema=False),
        Route("/api/openapi.json", schema, include_in_schema=False),
        Route("/api/names", names),
        Route("/api/queries/{name}", query),
        answering(questions.plan, "/api/plan", "workload"),
        answering(questions.why_not, "/api/why-not", "workload, option"),
        answering(questions.explain, "/api/explain", "workload, subject"),
        answering(questions.what_if, "/api/what-if", "workload, changes"),
    ]
    guards = [Middleware(TrustedHostMiddleware, allowed_hosts=list(hosts))] if hosts else []
    if token is not None:
        guards.append(Middleware(_TokenGuard, token=token))
    return Starlette(routes=routes, middleware=guards, exception_handlers={OntuneError: _complain, Exception: _internal})


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
            await JSONResponse({"error": "the token is missing or wrong"}, 401, {"WWW-Authenticate": "Bearer"})(scope, receive, send)


async def _raw_body(request: Request) -> bytes:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST_BODY:
            raise BadInput("body", "too large", expected=f"at most {LARGEST_BODY} bytes")
    return body


async def _body(request: Request) -> Mapping[str, Any]:
    try:
        value = json.loads(await _raw_body(request))
    except ValueError as error:
        raise BadInput("body", f"malformed JSON: {error}") from error
    if not isinstance(value, Mapping):
        raise BadInput("body", "is no object", expected="an object")
    return value


def _refuse_federation(*parts: str) -> None:
    """Refuse a query with SERVICE: the server would fetch any address for whoever asks, from inside the network that it stands in.

    Raises:
        BadInput: one of the parts of a request, as it is or decoded, asks another service.
    """
    for part in parts:
        for text in (part, unquote_plus(part)):
            if _SERVICE.search(_ESCAPED.sub(lambda found: chr(min(int(found[1] or found[2], 16), 0x10FFFF)), text)):
                raise BadInput("query", "SERVICE asks another service", expected="a query over this knowledge base alone")


def _hand_on(endpoint: str, method: str, query: str, headers: Mapping[str, str], body: bytes) -> Response:
    """Ask the SPARQL server in the client's words, and give its answer as it is."""
    place = urlsplit(endpoint)
    connection = http.client.HTTPConnection(str(place.hostname), place.port, timeout=60)
    try:
        kept = {name: value for name, value in headers.items() if name in _HANDED_ON}
        connection.request(method, f"{place.path}?{query}" if query else place.path, body or None, kept)
        answer = connection.getresponse()
        return Response(answer.read(), answer.status, media_type=answer.headers.get("content-type"))
    finally:
        connection.close()


async def _complain(request: Request, error: Exception) -> Response:
    return JSONResponse({"error": str(error)}, next((status for kind, status in _STATUS.items() if isinstance(error, kind)), 500))


async def _internal(request: Request, error: Exception) -> Response:
    return JSONResponse({"error": "internal error: see the log of the service"}, 500)
