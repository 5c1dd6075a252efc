"""`ontune query`: SPARQL over the knowledge base, here or behind an endpoint. It can only read."""

from __future__ import annotations

import csv
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kb.errors import BadInput
from kb.query_library import named_queries, named_query
from ontune.cli.output import choice, emit_json, emit_rows
from ontune.cli.request import pairs

if TYPE_CHECKING:
    from kb.store import KnowledgeStore

app = typer.Typer(rich_markup_mode=None, add_completion=False)

_NAME = re.compile(r"[A-Za-z0-9][\w.-]*")
_SYNTAX = re.compile(r"error at (\d+):(\d+): (.*)", re.DOTALL)


def _names() -> list[str]:
    return list(named_queries())


@app.command()
def query(
    text: Annotated[str | None, typer.Argument(metavar="[SPARQL|NAME]", autocompletion=_names, help="A query, or the name of one.")] = None,
    file: Annotated[Path | None, typer.Option("--file", "-f", help="Read the query from this file.")] = None,
    parameters: Annotated[list[str] | None, typer.Option("--param", metavar="NAME=VALUE", help="Fix a parameter of a named query.")] = None,
    list_: Annotated[bool, typer.Option("--list", help="List the named queries.")] = False,
    endpoint: Annotated[str | None, typer.Option(metavar="URL", help="Ask this SPARQL 1.1 endpoint instead.")] = None,
    format: Annotated[str, choice("--format", "table", "json", "csv", "turtle", help="How to print the result.")] = "table",
) -> None:
    """Ask the knowledge base: a SPARQL query, a named query, or a file."""
    if list_:
        _print_list(format)
        return
    if (text is None) == (file is None):
        raise BadInput("query", "which one?", expected="either SPARQL or a name, or -f FILE; `ontune query --list` lists the names")
    if file is not None:
        from kb.user_files import read_text

        asked, where = read_text(file), str(file)
    elif text is not None and _NAME.fullmatch(text):
        named = named_query(text)
        asked, where = named.filled(pairs(parameters or [], "--param", "NAME=VALUE")), f"query {text}"
    else:
        asked, where = str(text), "query"
    (_print_remote(endpoint, asked, format) if endpoint else _print_local(_full_store(), asked, where, format))


def _full_store() -> KnowledgeStore:
    from kb.store import KnowledgeStore
    from reasoner.compile import compile_snapshot

    store = KnowledgeStore()
    store.load_quads(compile_snapshot().full)
    return store


def _print_local(store: KnowledgeStore, text: str, where: str, format: str) -> None:
    import pyoxigraph as ox

    from kb.terms import PREFIXES

    try:
        result: Any = store.store.query(text, prefixes=PREFIXES, use_default_graph_as_union=True)
        if isinstance(result, ox.QueryTriples):
            kind = ox.RdfFormat.JSON_LD if format == "json" else ox.RdfFormat.TURTLE
            print((ox.serialize(result, format=kind, prefixes=PREFIXES) or b"").decode())
            return
        import json

        document = json.loads(result.serialize(format=ox.QueryResultsFormat.JSON))
    except SyntaxError as error:
        raise _syntax_error(where, error) from error
    _print_document(document, format)


def _syntax_error(where: str, error: SyntaxError) -> BadInput:
    if found := _SYNTAX.match(str(error)):
        line, column, problem = found.groups()
        return BadInput(f"{where}:{line}:{column}", " ".join(problem.split()), expected="a SPARQL query that only reads")
    return BadInput(where, str(error), expected="a SPARQL query that only reads")


def _print_remote(endpoint: str, text: str, format: str) -> None:
    from kb.remote import construct_remote, select_remote

    if re.search(r"^\s*(CONSTRUCT|DESCRIBE)\b", text, re.IGNORECASE | re.MULTILINE):
        print(construct_remote(endpoint, text))
    else:
        _print_document(select_remote(endpoint, text), format)


def _print_document(document: dict[str, Any], format: str) -> None:
    """A result in the standard's JSON form, as JSON, CSV or a table."""
    if format == "turtle":
        raise BadInput("--format", "a table of values is no Turtle", expected="table, json or csv; Turtle is for CONSTRUCT and DESCRIBE")
    if format == "json":
        emit_json(document)
        return
    if "boolean" in document:
        print("yes" if document["boolean"] else "no")
        return
    columns = document["head"]["vars"]
    rows = [[row.get(name) for name in columns] for row in document["results"]["bindings"]]
    if format == "csv":
        writer = csv.writer(sys.stdout)
        writer.writerow(columns)
        writer.writerows([value["value"] if value else "" for value in row] for row in rows)
    else:
        emit_rows([[_short(value) for value in row] for row in rows], columns)


def _short(value: dict[str, str] | None) -> str:
    """A term as people write it: IRIs with their prefix, literals as their text."""
    from kb.terms import PREFIXES

    if value is None:
        return ""
    if value["type"] == "uri":
        fitting = [(namespace, prefix) for prefix, namespace in PREFIXES.items() if value["value"].startswith(namespace)]
        if fitting:
            namespace, prefix = max(fitting)
            return f"{prefix}:{value['value'][len(namespace) :]}"
    return value["value"]


def _print_list(format: str) -> None:
    found: Sequence[Any] = [(query.name, query.title, ", ".join(query.parameters)) for query in named_queries().values()]
    if format == "json":
        emit_json([{"name": name, "title": title, "parameters": parameters.split(", ") if parameters else []} for name, title, parameters in found])
    else:
        emit_rows(found, ("name", "answers", "parameters"))
