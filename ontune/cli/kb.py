"""`ontune kb`: what the knowledge base holds, and how it grows."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kb.errors import BadInput
from ontune.cli.output import choice, emit, emit_rows, say, write_whole

if TYPE_CHECKING:
    from kb.store import KnowledgeStore

app = typer.Typer(rich_markup_mode=None, add_completion=False, no_args_is_help=False)

_COUNTS = "count-"


@app.callback()
def kb() -> None:
    """Look into the knowledge base, compile it, add to it, export it."""


@app.command()
def stats(format: Annotated[str, choice("--format", "table", "json", help="How to print the counts.")] = "table") -> None:
    """Count what the knowledge base holds; each count is a named query."""
    from kb.query_library import named_queries

    store, queries = _store(), named_queries()
    counts = {name.removeprefix(_COUNTS): int(store.select(query.text)[0]["count"]) for name, query in queries.items() if name.startswith(_COUNTS)}
    counts["queries"] = len(queries)
    document = dict(sorted(counts.items()))
    emit(document, format, lambda: emit_rows(document.items(), ("what", "number")))


@app.command("compile")
def compile_(format: Annotated[str, choice("--format", "table", "json", help="How to print the result.")] = "table") -> None:
    """Compile ontology, facts, rules and additions into a snapshot in the cache; every command does so at first use."""
    from reasoner.compile import compile_snapshot

    snapshot = compile_snapshot()
    for refused in snapshot.info.refused:
        say(f"refused: {refused}")
    document = {"version": snapshot.info.version, "sha256": snapshot.info.sha256, "folder": str(snapshot.folder)}
    emit(document | {"refused": list(snapshot.info.refused)}, format, lambda: emit_rows(document.items(), ("what", "value")))


@app.command()
def add(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Turtle files with facts, effects, conflicts or rules.")],
    force: Annotated[bool, typer.Option("--force", help="Replace additions of the same name.")] = False,
) -> None:
    """Check Turtle files and add them to your own part of the knowledge base; shipped knowledge stays as it is."""
    from kb.paths import data_home
    from kb.user_files import read_text

    home = data_home() / "kb"
    for path in files:
        if path.suffix != ".ttl":
            raise BadInput(str(path), "is no Turtle file", expected="a name that ends in .ttl")
        if (home / path.name).exists() and not force:
            raise BadInput(str(path), f"you have added a file named {path.name} already", expected="another name, or --force")
    texts = {path: read_text(path) for path in files}
    _check(files)
    home.mkdir(parents=True, exist_ok=True)
    for path, text in texts.items():
        write_whole(home / path.name, text)
        say(f"added: {home / path.name}")


@app.command("import")
def import_(
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="What kind of data it is.")],
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where it lies.")],
    output: Annotated[Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write the Turtle here instead of adding it.")] = None,
) -> None:
    """Turn other people's data into Turtle, and add it."""
    known = sorted(_importers())
    if source not in known:
        raise BadInput("SOURCE", f"'{source}' cannot be imported", expected=", ".join(known) or "no importer is installed", given=source, known=known)
    text: str = importlib.import_module(f"kb.importers.{source}").to_turtle(file)
    if output is None:
        from kb.paths import data_home

        output = data_home() / "kb" / f"{source}-{file.stem}.ttl"
        output.parent.mkdir(parents=True, exist_ok=True)
    write_whole(output, text)
    say(f"written: {output}")


@app.command()
def export(
    output: Annotated[Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write here instead of to stdout.")] = None,
    format: Annotated[str, choice("--format", "turtle", "trig", "nquads", help="TriG and N-Quads keep each triple's source file.")] = "turtle",
) -> None:
    """Write the compiled knowledge base as RDF."""
    import pyoxigraph as ox

    from kb.terms import PREFIXES

    store = _store().store
    if format == "turtle":
        triples = dict.fromkeys(quad.triple for quad in store)
        data = ox.serialize(triples, format=ox.RdfFormat.TURTLE, prefixes=PREFIXES) or b""
    else:
        kind = ox.RdfFormat.TRIG if format == "trig" else ox.RdfFormat.N_QUADS
        data = ox.serialize(store, format=kind, prefixes=PREFIXES) or b""
    if output is None:
        print(data.decode(), end="")
    else:
        write_whole(output, data.decode())
        say(f"written: {output}")


def _store() -> KnowledgeStore:
    from kb.store import KnowledgeStore
    from reasoner.compile import compile_snapshot

    store = KnowledgeStore()
    store.load_quads(compile_snapshot().full)
    return store


def _check(files: list[Path]) -> None:
    """Compile the shipped knowledge with the new files in memory: what is refused is not added.

    Raises:
        BadInput: a file is no Turtle, breaks a shape or contradicts what is known.
    """
    from kb.sources import Source, shipped_sources
    from reasoner.compile import compile_sources

    _, refused = compile_sources(shipped_sources(), [Source(path, f"additions/new/{path.name}", added=True) for path in files])
    if refused:
        raise BadInput("kb add", f"nothing was added: {'; '.join(refused)}")


def _importers() -> Iterator[str]:
    import kb.importers

    for module in pkgutil.iter_modules(kb.importers.__path__):
        if hasattr(importlib.import_module(f"kb.importers.{module.name}"), "to_turtle"):
            yield module.name
