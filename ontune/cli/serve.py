"""`ontune serve`: the knowledge base over HTTP."""

from __future__ import annotations

import signal
import sys
from typing import Annotated

import typer

from kb.errors import BadInput
from ontune.cli.output import say

app = typer.Typer(rich_markup_mode=None, add_completion=False)

_LOOPBACK = ("127.0.0.1", "localhost", "::1")


@app.command()
def serve(
    port: Annotated[int, typer.Option(min=1, max=65535, help="The port to listen on.")] = 7878,
    host: Annotated[str, typer.Option(help="The address to listen on; any but this machine's own asks for a token.")] = "127.0.0.1",
    token: Annotated[str | None, typer.Option(envvar="ONTUNE_TOKEN", help="Let only those in who send `Authorization: Bearer TOKEN`.")] = None,
) -> None:
    """Serve the SPARQL 1.1 protocol at /sparql (read-only), REST at /api with OpenAPI, and a page at /."""
    if host not in _LOOPBACK and not token:
        raise BadInput("--host", f"'{host}' can be reached by others", expected="a --token, or an address of this machine alone")
    try:
        import uvicorn

        from ontune.service.application import application
    except ModuleNotFoundError as error:
        raise BadInput("ontune serve", f"the package '{error.name}' is missing", expected="the extra `serve`: pip install 'ontune[serve]'") from error
    from ontune.service.endpoint import sparql_endpoint
    from ontune.service.questions import Questions
    from reasoner.compile import compile_snapshot
    from reasoner.reasoner import Reasoner

    # uvicorn raises the signal that ended it once more: as an exception, so that the SPARQL server is ended too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    reasoner = Reasoner()
    with sparql_endpoint(compile_snapshot().full) as endpoint:
        hosts = _LOOPBACK if host in _LOOPBACK else ()
        service = application(Questions(reasoner), reasoner.full_store, endpoint, token=token, hosts=hosts)
        say(f"http://{host}:{port}/  (Ctrl-C ends it)")
        uvicorn.run(service, host=host, port=port, log_level="warning", server_header=False)
