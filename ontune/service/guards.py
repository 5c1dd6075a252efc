"""Who is let in: those who call the service by its own names, and carry the token where one is asked for."""

from __future__ import annotations

import secrets
from collections.abc import Collection

from starlette.types import ASGIApp, Receive, Scope, Send

from ontune.service.failures import Misdirected, Unauthorised, failure


class HostGuard:
    """Lets only those in who call the service by one of its names, so that no foreign page can reach it by a
    name of its own.
    """

    def __init__(self, app: ASGIApp, hosts: Collection[str]) -> None:
        self._app, self._hosts = app, hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or hand on."""
        host = _header(scope, b"host").decode("latin-1")
        if scope["type"] != "http" or _without_port(host) in self._hosts:
            await self._app(scope, receive, send)
        else:
            await failure(
                Misdirected("Host", f"'{host:.100}' is not this service", expected=" or ".join(self._hosts))
            )(scope, receive, send)


class TokenGuard:
    """Lets only those in who carry the token, and everybody to what is open."""

    def __init__(self, app: ASGIApp, token: str, public: Collection[str]) -> None:
        self._app, self._expected, self._public = app, f"Bearer {token}".encode(), public

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or hand on."""
        given = _header(scope, b"authorization")
        if (
            scope["type"] != "http"
            or scope["path"] in self._public
            or secrets.compare_digest(given, self._expected)
        ):
            await self._app(scope, receive, send)
        else:
            await failure(Unauthorised("the token is missing or wrong"), {"WWW-Authenticate": "Bearer"})(
                scope, receive, send
            )


def _header(scope: Scope, name: bytes) -> bytes:
    headers: dict[bytes, bytes] = dict(scope.get("headers", ()))
    return headers.get(name, b"")


def _without_port(host: str) -> str:
    """`[::1]:7878` is `::1`, and `localhost:7878` is `localhost`."""
    return host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]
