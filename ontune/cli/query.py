"""`ontune query`: SPARQL over the knowledge base, here or behind an endpoint. It can only read."""

from __future__ import annotations

import csv
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kb.clean import cell
from kb.errors import BadInput, nearest
from kb.store.query_library import named_queries, named_query, read_query, syntax_error
from kb.store.sparql_text import bare, refuse_nesting
from ontune.cli.output import choice, emit_json, emit_rows, say
from ontune.cli.request import pairs

if TYPE_CHECKING:
    from kb.store.query_library import NamedQuery
    from kb.store.store import KnowledgeStore

app = typer.Typer(rich_markup_mode=None, add_completion=False)

_NAME = re.compile(r"[A-Za-z0-9][\w.-]*")
_FORM = re.compile(r"\b(?:SELECT|ASK|CONSTRUCT|DESCRIBE)\b", re.IGNORECASE)
_PREFIXED = re.compile(r"(?<![\w?$:-])([a-z]+):([A-Za-z_](?:[\w.-]*[\w-])?)")


def _names() -> list[str]:
    return list(named_queries())


@app.command()
def query(
    text: Annotated[
        str | None,
        typer.Argument(metavar="[SPARQL|NAME]", autocompletion=_names, help="A query, or the name of one."),
    ] = None,
    file: Annotated[Path | None, typer.Option("--file", "-f", help="Read the query from this file.")] = None,
    parameters: Annotated[
        list[str] | None,
        typer.Option("--param", metavar="NAME=VALUE", help="Fix a parameter of a named query."),
    ] = None,
    list_: Annotated[bool, typer.Option("--list", help="List the named queries.")] = False,
    rows: Annotated[
        list[str] | None,
        typer.Option("--rows", metavar="SET", help="Ask this table of `ontune kb rows`, too."),
    ] = None,
    endpoint: Annotated[
        str | None, typer.Option(metavar="URL", help="Ask this SPARQL 1.1 endpoint instead.")
    ] = None,
    format: Annotated[
        str, choice("--format", "table", "json", "csv", "turtle", help="How to print the result.")
    ] = "table",
) -> None:
    """Ask the knowledge base: a SPARQL query, a named query, or a file."""
    if list_:
        _print_list(format)
        return
    if (text is None) == (file is None):
        raise BadInput(
            "query",
            "which one?",
            expected="either SPARQL or a name, or -f FILE; `ontune query --list` lists the names",
        )
    values = pairs(parameters or [], "--param", "NAME=VALUE")
    if file is not None:
        asked, where = read_query(file).filled(values), str(file)
    elif text is not None and _NAME.fullmatch(text):
        asked, where = named_query(text).filled(values), f"query {text}"
    elif values:
        raise BadInput(
            "--param",
            "a query that is typed has no parameters",
            expected="a named query or -f FILE; their headers name parameters",
        )
    else:
        asked, where = str(text), "query"
    if endpoint and rows:
        raise BadInput(
            "--rows",
            "tables are read here, and the query goes to an endpoint",
            expected="--rows or --endpoint",
        )
    (
        _print_remote(endpoint, asked, format)
        if endpoint
        else _print_local(_full_store(rows or ()), asked, where, format)
    )


def _full_store(tables: Iterable[str] = ()) -> KnowledgeStore:
    """Everything that is known, and the rows of some tables beside it."""
    import pyoxigraph as ox

    from reasoner.knowledge.compile import full_store

    store = full_store()[1]
    for name in tables:
        from kb.observations.rows import find, triples

        graph = ox.NamedNode(f"urn:ontune:rows:{name}")
        store.add(
            ox.Quad(row.subject, row.predicate, row.object, graph) for row in triples(find(name, "--rows"))
        )
    return store


def _print_local(store: KnowledgeStore, text: str, where: str, format: str) -> None:
    import pyoxigraph as ox

    from kb.store.sparql_text import with_whole_names
    from kb.store.terms import PREFIXES

    refuse_nesting(text, where)
    _say_what_is_unknown(store, text)
    try:
        result: Any = store.store.query(
            with_whole_names(text), prefixes=PREFIXES, use_default_graph_as_union=True
        )
        if isinstance(result, ox.QueryTriples):
            _print_triples(result, format)
            return
        import json

        document = json.loads(result.serialize(format=ox.QueryResultsFormat.JSON))
    except SyntaxError as error:
        raise syntax_error(where, text, error) from error
    except OSError as error:
        raise BadInput(
            where,
            f"a SERVICE in it does not answer: {error}",
            expected="addresses of endpoints that are reached",
        ) from error
    _print_document(document, format)


def _print_remote(endpoint: str, text: str, format: str) -> None:
    from kb.store.files import turtle_of
    from kb.store.remote import construct_remote, select_remote

    form = _FORM.search(bare(text))
    if form is not None and form[0].upper() in ("CONSTRUCT", "DESCRIBE"):
        turtle = construct_remote(endpoint, text)
        _print_triples((quad.triple for quad in turtle_of(turtle, endpoint, "urn:ontune:answer:")), format)
    else:
        _print_document(select_remote(endpoint, text), format)


def _say_what_is_unknown(store: KnowledgeStore, text: str) -> None:
    """A note on stderr for every name of Ontune's vocabularies that no triple has: a misspelt one gives an
    empty answer and no error.
    """
    import pyoxigraph as ox

    from kb.store.terms import ON, PREFIXES, prefixed

    own = {
        prefix: namespace
        for prefix, namespace in PREFIXES.items()
        if namespace.startswith(ON.removesuffix("#"))
    }
    for prefix, name in dict.fromkeys(_PREFIXED.findall(bare(text))):
        if prefix not in own:
            continue
        node = ox.NamedNode(own[prefix] + name)
        patterns = ((node, None, None), (None, node, None), (None, None, node))
        if any(next(iter(store.store.quads_for_pattern(*pattern)), None) for pattern in patterns):
            continue
        known = {
            quad.subject.value
            for quad in store.store
            if isinstance(quad.subject, ox.NamedNode) and quad.subject.value.startswith(own[prefix])
        }
        near = nearest(node.value, known)
        say(
            f"note: nothing is known of {prefix}:{name}"
            + (f"; did you mean {prefixed(near)}?" if near else "")
        )


def _print_triples(triples: Iterable[Any], format: str) -> None:
    """What CONSTRUCT and DESCRIBE give: Turtle with the prefixes that it uses, or JSON-LD."""
    import pyoxigraph as ox

    from kb.store.terms import PREFIXES

    if format == "csv":
        raise BadInput(
            "--format", "a graph is no table", expected="turtle or json for CONSTRUCT and DESCRIBE"
        )
    kept = list(triples)
    if format == "json":
        print((ox.serialize(kept, format=ox.RdfFormat.JSON_LD) or b"").decode())
        return
    text = "\n".join(map(str, kept))
    used = {prefix: namespace for prefix, namespace in PREFIXES.items() if namespace in text}
    print((ox.serialize(kept, format=ox.RdfFormat.TURTLE, prefixes=used) or b"").decode(), end="")


def _print_document(document: dict[str, Any], format: str) -> None:
    """A result in the standard's JSON form, as JSON, CSV or a table."""
    if format == "turtle":
        raise BadInput(
            "--format",
            "a table of values is no Turtle",
            expected="table, json or csv; Turtle is for CONSTRUCT and DESCRIBE",
        )
    if format == "json":
        emit_json(document)
        return
    if "boolean" in document:
        print("yes" if document["boolean"] else "no")
        return
    columns = document["head"]["vars"]
    shown = _plain if format == "csv" else _short
    rows: list[list[str]] = []
    for bound in document["results"]["bindings"]:
        rows.append([shown(bound.get(name)) for name in columns])
    if format == "csv":
        writer = csv.writer(sys.stdout)
        writer.writerow(map(cell, columns))
        writer.writerows(rows)
    else:
        emit_rows(rows, columns)


def _plain(value: dict[str, str] | None) -> str:
    """A term as a cell of CSV: its bare text."""
    return cell(value["value"]) if value else ""


def _short(value: dict[str, str] | None) -> str:
    """A term as people write it: IRIs with their prefix, literals as their text."""
    from kb.store.terms import PREFIXES

    if value is None:
        return ""
    if value["type"] == "uri":
        fitting = [
            (namespace, prefix)
            for prefix, namespace in PREFIXES.items()
            if value["value"].startswith(namespace)
        ]
        if fitting:
            namespace, prefix = max(fitting)
            return f"{prefix}:{value['value'][len(namespace) :]}"
    return value["value"]


def _print_list(format: str) -> None:
    queries = sorted(named_queries().values(), key=lambda query: query.path.parent.name == "counts")
    if format == "json":
        emit_json(
            [
                {
                    "name": query.name,
                    "title": query.title,
                    "parameters": list(query.parameters),
                    "fixed": query.fixed,
                }
                for query in queries
            ]
        )
    else:
        emit_rows(
            ((query.name, query.title, ", ".join(_parameters(query))) for query in queries),
            ("name", "answers", "parameters"),
        )


def _parameters(query: NamedQuery) -> Iterator[str]:
    """Each parameter, with the value that it has where nothing is said."""
    for name in query.parameters:
        yield f"{name}={query.fixed[name]}" if name in query.fixed else name
