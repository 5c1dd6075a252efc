"""The web application in this process: what its routes answer, without a server and without workers."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ontune.service.application import application
from ontune.service.questions import Questions
from reasoner.reasoner import Reasoner


@dataclass(frozen=True)
class Reply:
    """What a route answers.

    Attributes:
        status: the HTTP status.
        headers: by their names in small letters.
        content: the body as it came.
    """

    status: int
    headers: dict[str, str]
    content: bytes

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.content)


class InThisProcess:
    """The application over one reasoner.

    A fault is not answered but raised, so that a test sees where it is.
    """

    def __init__(self, token: str | None = None, hosts: tuple[str, ...] = ()) -> None:
        self._app = application(self, token=token, hosts=hosts)  # type: ignore[arg-type]  # it is asked as an engine is

    @cached_property
    def questions(self) -> Questions:
        """What answers the questions of `/api`."""
        return Questions(Reasoner([]))

    async def question(self, name: str, body: Any) -> bytes:
        """As `Engine.question`."""
        return json.dumps(self.questions.answer(name, body), ensure_ascii=False).encode()

    def send(self, method: str, path: str, body: Any = None, **headers: str) -> Reply:
        """One request; `body` is bytes, or a value that is sent as JSON."""
        content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        address, _, query = path.partition("?")
        sent = [
            (name.lower().replace("_", "-").encode(), value.encode())
            for name, value in ({"host": "localhost"} | headers).items()
        ]
        scope = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method, "scheme": "http", "path": address, "root_path": "",
            "raw_path": address.encode(), "query_string": query.encode(), "headers": sent, "client": ("127.0.0.1", 1), "server": ("localhost", 80),
        }  # fmt: skip
        said: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": content, "more_body": False}

        async def send(message: Any) -> None:
            said.append(message)

        asyncio.run(self._app(scope, receive, send))
        found = {name.decode(): value.decode() for name, value in said[0]["headers"]}
        return Reply(said[0]["status"], found, b"".join(part.get("body", b"") for part in said[1:]))
