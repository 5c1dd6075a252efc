"""`ontune kb`: what the knowledge base holds, and how it grows."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kb.errors import BadInput
from kb.scratch import scratch
from ontune.cli.output import choice, emit, emit_rows, say, say_state_of, write_whole

if TYPE_CHECKING:
    from kb.store import KnowledgeStore

app = typer.Typer(rich_markup_mode=None, add_completion=False, no_args_is_help=False)


@app.callback()
def kb() -> None:
    """Look into the knowledge base, compile it, add to it, export it."""


@app.command()
def stats(format: Annotated[str, choice("--format", "table", "json", help="How to print the counts.")] = "table") -> None:
    """Count what the knowledge base holds; each count is a named query."""
    from kb.query_library import counts

    document = counts(_store())
    emit(document, format, lambda: emit_rows(document.items(), ("what", "number")))


@app.command("compile")
def compile_(format: Annotated[str, choice("--format", "table", "json", help="How to print the result.")] = "table") -> None:
    """Compile ontology, facts, rules and additions into a snapshot in the cache; every command does so at first use."""
    from reasoner.compile import compile_snapshot

    snapshot = compile_snapshot()
    say_state_of(snapshot)
    document = {"version": snapshot.info.version, "sha256": snapshot.info.sha256, "folder": str(snapshot.folder or "")}
    emit(document | {"refused": list(snapshot.refused.values())}, format, lambda: emit_rows(document.items(), ("what", "value")))


@app.command()
def add(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Turtle with facts, effects, conflicts or rules; named queries (.rq).")],
    force: Annotated[bool, typer.Option("--force", help="Replace additions of the same name.")] = False,
) -> None:
    """Check Turtle files and named queries and add them to your own part of the knowledge base; shipped knowledge stays as it is."""
    from kb.query_library import check_query
    from kb.user_files import read_text

    for path in files:
        if path.suffix not in (".ttl", ".rq", ".tsv"):
            raise BadInput(str(path), "is neither Turtle nor a query", expected="a name that ends in .ttl, .rq or .tsv (a query's expected answer)")
        if path.suffix == ".rq":
            read_text(path)
            check_query(path)
    _add({path.name: read_text(path) for path in files}, force)


def _importers() -> list[str]:
    from kb.importers import IMPORTERS

    return list(IMPORTERS)


@app.command("import")
def import_(
    source: Annotated[str, typer.Argument(metavar="SOURCE", autocompletion=_importers, help="The kind of data, such as mlperf or wheel.")],
    path: Annotated[Path, typer.Argument(metavar="FILE", help="The file or folder.")],
    output: Annotated[Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write the Turtle here instead of adding it.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace what was imported under this name before.")] = False,
) -> None:
    """Turn what others have published into Turtle, tell what was doubtful, and add it."""
    from kb.importers import import_source

    report = import_source(source, path)
    for finding in report.findings:
        say(finding)
    if output is not None:
        write_whole(output, report.turtle)
        say(f"written: {output}")
    else:
        _add({f"{source}-{path.stem}.ttl": report.turtle}, force)


@app.command()
def export(
    output: Annotated[Path | None, typer.Option("--output", "-o", metavar="PATH", help="Write here, not to stdout; for html, a folder.")] = None,
    format: Annotated[str, choice("--format", "turtle", "trig", "nquads", "html", help="TriG and N-Quads keep the source files.")] = "turtle",
) -> None:
    """Write the compiled knowledge base as RDF, or what is stated as browsable HTML."""
    if format == "html":
        _export_html(output)
        return
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


def _export_html(folder: Path | None) -> None:
    from kb.query_library import named_queries
    from kb.sources import added_sources, shipped_sources
    from ontune.html import write_site
    from reasoner.compile import compile_snapshot

    if folder is None:
        raise BadInput("--output", "HTML is many files", expected="-o FOLDER")
    snapshot = compile_snapshot()  # names the knowledge, and refuses what is broken
    say_state_of(snapshot)
    sources = [source for source in (*shipped_sources(), *added_sources()) if source not in snapshot.refused]
    pages = write_site(folder, sources, named_queries(), {"version": snapshot.info.version, "sha256": snapshot.info.sha256})
    say(f"written: {pages} pages, {folder / 'index.html'}")


def _store() -> KnowledgeStore:
    from reasoner.compile import full_store

    snapshot, store = full_store()
    say_state_of(snapshot)
    return store


def _add(texts: Mapping[str, str], force: bool) -> None:
    """Add files to the user's part of the knowledge base, if they stand beside what is shipped and added already; else nothing is added.

    Raises:
        BadInput: a name is taken, or a file is no Turtle, breaks a shape or contradicts what is known.
    """
    from kb.paths import data_home
    from kb.sources import Source, added_sources, shipped_sources
    from reasoner.compile import compile_sources

    home = data_home() / "kb"
    for name in texts:
        if (home / name).exists() and not force:
            raise BadInput(name, "an addition of that name is there already", expected="another name, or --force")
    with scratch("add") as folder:
        sources = [source for source in added_sources() if source.path.parent != home or source.path.name not in texts]
        for name, text in texts.items():
            if not name.endswith(".ttl"):
                continue
            (folder / name).write_text(text, encoding="utf-8")
            sources.append(Source(folder / name, f"additions/new/{name}", added=True))
        _, refused = compile_sources(shipped_sources(), sources)
    if bad := [text.removeprefix(f"{folder}/") for source, text in refused.items() if source.path.is_relative_to(folder)]:
        raise BadInput("kb add", f"nothing was added: {'; '.join(bad)}")
    home.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        write_whole(home / name, text)
        say(f"added: {home / name}")
