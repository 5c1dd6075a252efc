"""`ontune serve`: the knowledge base over HTTP."""

from __future__ import annotations

import errno
import os
import signal
import socket
import sys
from pathlib import Path
from typing import Annotated

import typer

from kb.errors import BadInput
from ontune.cli.output import say

app = typer.Typer(rich_markup_mode=None, add_completion=False)

_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_WHOSE_FAULT = {
    errno.EADDRINUSE: ("--port", "a free port"),
    errno.EACCES: ("--port", "a port that you may listen at, such as one above 1023"),
}
"""The option that is to blame for an error of the system, with what it expects; else it is the host."""

_TOKEN = "ONTUNE_TOKEN"  # noqa: S105 - the name of a variable


@app.command()
def serve(
    port: Annotated[int, typer.Option(min=1, max=65535, help="The port to listen on.")] = 7878,
    host: Annotated[
        str, typer.Option(help="The address to listen on; any but this machine's own asks for a token.")
    ] = "127.0.0.1",
    token: Annotated[
        str | None,
        typer.Option(
            help="Let only those in who send `Authorization: Bearer TOKEN`;"
            f" better said in the variable {_TOKEN}."
        ),
    ] = None,
    token_file: Annotated[Path | None, typer.Option(help="A file that holds the token.")] = None,
) -> None:
    """Serve the SPARQL 1.1 protocol at /sparql (read-only), REST at /api with OpenAPI, and a page at /."""
    if token is not None:
        _hide(token)
    known = _read_token(token_file) if token_file else os.environ.get(_TOKEN) or None
    if host not in _LOOPBACK and not known:
        expected = f"a token (--token-file, or {_TOKEN}), or an address of this machine alone"
        raise BadInput("--host", f"'{host}' can be reached by others", expected=expected)
    try:
        import uvicorn

        from ontune.service.application import application
    except ModuleNotFoundError as error:
        raise BadInput(
            "ontune serve",
            f"the package '{error.name}' is missing",
            expected="the extra `serve`: pip install 'ontune[serve]'",
        ) from error
    from ontune.service.engine import Engine

    # uvicorn raises the signal that ended it once more, after the workers are gone: being asked to end is no
    # failure.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with _listening(host, port) as listener:
        service = application(Engine(), token=known, hosts=_LOOPBACK if host in _LOOPBACK else ())
        say(f"http://{f'[{host}]' if ':' in host else host}:{port}/  (Ctrl-C ends it)")
        uvicorn.Server(uvicorn.Config(service, log_level="warning", server_header=False)).run(
            sockets=[listener]
        )


def _hide(token: str) -> None:
    """Start again with the token in the environment: the process list shows all arguments to everybody."""
    if not token or "\0" in token:
        raise BadInput("--token", "is empty", expected="a text that nobody guesses")
    arguments = iter(sys.argv[1:])
    kept = []
    for word in arguments:
        if word == "--token":
            next(arguments, None)
        elif not word.startswith("--token="):
            kept.append(word)
    environment = {**os.environ, _TOKEN: token}
    os.execve(sys.executable, [sys.executable, "-m", "ontune", *kept], environment)  # noqa: S606


def _read_token(file: Path) -> str:
    from kb.store.user_files import read_text

    token = read_text(file).strip()
    if not token:
        raise BadInput(str(file), "is empty", expected="a token")
    return token


def _listening(host: str, port: int) -> socket.socket:
    """A socket that listens there.

    Raises:
        BadInput: the address is unknown, or something else listens at the port.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=512)
    except (OSError, UnicodeError) as error:
        said = getattr(error, "strerror", None) or "is no name of a machine"
        flag, expected = _WHOSE_FAULT.get(
            getattr(error, "errno", None) or 0, ("--host", "an address of this machine")
        )
        raise BadInput(flag, f"cannot listen at {host}:{port}: {said}", expected=expected) from error
