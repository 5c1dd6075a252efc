"""The web application: its routes, and how each request is read."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from kb.errors import BadInput
from kb.records.request_fields import QUESTIONS
from kb.store.files import json_of
from kb.store.query_library import NamedQuery, named_query
from ontune.service import openapi
from ontune.service.engine import Engine
from ontune.service.failures import NotFound, TooLarge, handlers
from ontune.service.guards import HostGuard, TokenGuard
from ontune.service.protocol import UnsupportedMediaType, asked

LARGEST_BODY = 1_000_000
_DRAINED = 16 * LARGEST_BODY
"""Bytes of a body that is too large which are still read, so that its sender gets to the answer."""

_OPEN = ("/", "/api/openapi.json")
_JSON = "application/json"
_TABLE = "application/sparql-results+json"


def application(engine: Engine, *, token: str | None = None, hosts: tuple[str, ...] = ()) -> Starlette:
    """The application.

    Args:
        engine: what answers.
        token: what `Authorization: Bearer` must carry; None asks for nothing.
        hosts: names by which the service may be called; others are refused. None: every name.
    """

    def answering(question: str) -> Route:
        async def post(request: Request) -> Response:
            return Response(await engine.question(question, await _object(request)), media_type=_JSON)

        return Route(f"/api/{question}", post, methods=["POST"])

    def telling(question: str) -> Route:
        async def get(_: Request) -> Response:
            return Response(await engine.question(question, {}), media_type=_JSON)

        return Route(f"/api/{question}", get)

    async def rows(request: Request) -> Response:
        text = _named(request.path_params["name"]).filled(_parameters(request))
        answer = await engine.query(
            {"query": text, "accept": _TABLE, "base": None, "default_graphs": [], "named_graphs": []}
        )
        found = json.loads(await answer.whole())
        if "boolean" in found:
            return JSONResponse([{"boolean": json.dumps(found["boolean"])}])
        texts: list[dict[str, str]] = []
        for row in found["results"]["bindings"]:
            texts.append({name: value["value"] for name, value in row.items()})
        return JSONResponse(texts)

    async def description(_: Request) -> Response:
        return JSONResponse(openapi.document(token is not None))

    async def page(_: Request) -> Response:
        return FileResponse(Path(__file__).with_name("page.html"), media_type="text/html")

    async def sparql(request: Request) -> Response:
        headers, address = request.headers, request.url
        body = await _body(request)
        base = str(address.replace(query="", fragment=""))
        question = asked(
            request.method,
            address.query,
            headers.get("content-type", ""),
            body,
            headers.get("accept", ""),
            base,
        )
        answer = await engine.query(question)
        return StreamingResponse(answer.body, media_type=answer.head["media_type"])

    routes = [
        Route("/", page),
        Route("/sparql", sparql, methods=["GET", "POST"]),
        Route("/api/openapi.json", description),
        telling("names"),
        telling("stats"),
        Route("/api/queries/{name}", rows),
        *map(answering, QUESTIONS),
    ]
    guards = [Middleware(HostGuard, hosts=hosts)] if hosts else []
    if token is not None:
        guards.append(Middleware(TokenGuard, token=token, public=_OPEN))

    @contextlib.asynccontextmanager
    async def running(_: Starlette) -> AsyncIterator[None]:
        await engine.start()
        try:
            yield
        finally:
            await engine.stop()

    made = Starlette(routes=routes, middleware=guards, exception_handlers=handlers(), lifespan=running)
    made.router.redirect_slashes = False  # what is not there is said to be not there
    return made


def _named(name: str) -> NamedQuery:
    try:
        return named_query(name)
    except BadInput as error:
        raise NotFound(
            error.where, error.problem, expected="a name of /api/names", meant=error.nearest
        ) from error


def _parameters(request: Request) -> dict[str, str]:
    """The parameters of the address, each once."""
    found: dict[str, str] = {}
    for name, value in request.query_params.multi_items():
        if found.setdefault(name, value) != value:
            raise BadInput(f"parameter {name:.60}", "is given more than once", expected="one value")
    return found


async def _body(request: Request) -> bytes:
    """The body as it came, if it is neither too large nor coded."""
    if (coding := request.headers.get("content-encoding", "identity")) != "identity":
        raise UnsupportedMediaType(
            "Content-Encoding", f"'{coding:.60}' is not understood", expected="a body as it is"
        )
    body, size = bytearray(), 0
    async for chunk in request.stream():
        size += len(chunk)
        if size <= LARGEST_BODY:
            body += chunk
        elif size > _DRAINED:
            break
    if size > LARGEST_BODY:
        raise TooLarge("body", "too large", expected=f"at most {LARGEST_BODY} bytes")
    return bytes(body)


async def _object(request: Request) -> Mapping[str, Any]:
    """The body as an object of JSON; without a media type it is taken for one."""
    media = request.headers.get("content-type", _JSON).partition(";")[0].strip().lower()
    if media != _JSON and not media.endswith("+json"):
        raise UnsupportedMediaType(
            "Content-Type", f"'{media:.60}' is no JSON", expected=f"{_JSON} (curl --json)"
        )
    raw = await _body(request)
    try:
        value = json_of(raw.decode(), "body")
        json.dumps(
            value, ensure_ascii=False
        ).encode()  # JSON may hold one half of a pair of surrogates, which can be written nowhere
    except UnicodeDecodeError as error:
        raise BadInput("body", "is not encoded in UTF-8", expected="UTF-8") from error
    except UnicodeEncodeError as error:
        raise BadInput("body", "holds half a character", expected="Unicode text") from error
    if not isinstance(value, Mapping):
        raise BadInput("body", "is no object", expected="an object")
    return value
