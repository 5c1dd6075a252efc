"""`ontune kb`: what the knowledge base holds, and how it grows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kb import __version__
from kb.errors import BadInput
from ontune.cli import kb_measurements as measurements
from ontune.cli.kb_added import add_texts
from ontune.cli.output import FINDINGS, choice, emit, emit_rows, say, say_state_of, write_whole

if TYPE_CHECKING:
    from kb.store.store import KnowledgeStore

app = typer.Typer(rich_markup_mode=None, add_completion=False, no_args_is_help=False)


@app.callback()
def kb() -> None:
    """Look into the knowledge base, compile it, add to it, export it."""


@app.command()
def stats(
    format: Annotated[str, choice("--format", "table", "json", help="How to print the counts.")] = "table",
) -> None:
    """Count what the knowledge base holds; each count is a named query."""
    from kb.store.query_library import counts

    document = counts(_store())
    emit(document, format, lambda: emit_rows(document.items(), ("what", "number")))


@app.command("compile")
def compile_(
    format: Annotated[str, choice("--format", "table", "json", help="How to print the result.")] = "table",
) -> None:
    """Compile ontology, facts, rules and additions into a snapshot in the cache; every command does so at
    first use.
    """
    from reasoner.knowledge.compile import compile_snapshot

    snapshot = compile_snapshot()
    say_state_of(snapshot)
    versions = {"version": snapshot.info.version, "program": __version__}
    document = versions | {"sha256": snapshot.info.sha256, "folder": str(snapshot.folder or "")}
    emit(
        document | {"refused": list(snapshot.refused.values())},
        format,
        lambda: emit_rows(document.items(), ("what", "value")),
    )


@app.command()
def add(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE...", help="Turtle with facts, effects, conflicts or rules; named queries (.rq)."
        ),
    ],
    force: Annotated[bool, typer.Option("--force", help="Replace additions of the same name.")] = False,
) -> None:
    """Check Turtle files and named queries and add them to your own part of the knowledge base; shipped
    knowledge stays as it is.
    """
    from kb.store.query_library import check_query
    from kb.store.user_files import read_text

    for path in files:
        if path.suffix not in (".ttl", ".rq", ".tsv"):
            raise BadInput(
                str(path),
                "is neither Turtle nor a query",
                expected="a name that ends in .ttl, .rq or .tsv (a query's expected answer)",
            )
        if path.suffix == ".rq":
            read_text(path)
            check_query(path)
    add_texts({path.name: read_text(path) for path in files}, force)


@app.command("list")
def list_(
    format: Annotated[
        str, choice("--format", "table", "json", help="How to print what was added.")
    ] = "table",
) -> None:
    """List what you have added, with whether it is in force, and where it lies."""
    from kb.store.own_additions import own_additions
    from reasoner.knowledge.compile import compile_snapshot

    refused = {source.path: text for source, text in compile_snapshot().refused.items()}
    document = [
        {
            "name": one.name,
            "kind": one.kind,
            "state": refused.get(one.files[0], "in force"),
            "file": str(one.files[0]),
        }
        for one in own_additions()
    ]
    rows = ((one["name"] or "(ONTUNE_KB_PATH)", one["kind"], one["state"], one["file"]) for one in document)
    emit(document, format, lambda: emit_rows(rows, ("name", "kind", "state", "file")))


def _own_names() -> list[str]:
    from kb.store.own_additions import own_additions

    return [one.name for one in own_additions() if one.name]


@app.command()
def remove(
    names: Annotated[
        list[str],
        typer.Argument(metavar="NAME...", autocompletion=_own_names, help="As `ontune kb list` names it."),
    ],
) -> None:
    """Remove additions of yours; what is shipped is as it was before them."""
    from kb.store.own_additions import removed
    from reasoner.knowledge.compile import compile_snapshot

    for file in removed(names):
        say(f"removed: {file}")
    say_state_of(compile_snapshot())  # what rested on it


app.command("import")(measurements.import_)
app.command()(measurements.learn)
app.command()(measurements.rows)


@app.command()
def export(
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="PATH", help="Write here, not to stdout; for html, a folder."),
    ] = None,
    format: Annotated[
        str,
        choice(
            "--format", "turtle", "trig", "nquads", "html", help="TriG and N-Quads keep the source files."
        ),
    ] = "turtle",
) -> None:
    """Write the compiled knowledge base as RDF, or what is stated as browsable HTML."""
    if format == "html":
        _export_html(output)
        return
    import pyoxigraph as ox

    from kb.store.terms import PREFIXES

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
    from kb.store.query_library import named_queries
    from kb.store.sources import added_sources, shipped_sources
    from ontune.html import write_site
    from reasoner.knowledge.compile import compile_snapshot

    if folder is None:
        raise BadInput("--output", "HTML is many files", expected="-o FOLDER")
    snapshot = compile_snapshot()  # names the knowledge, and refuses what is broken
    say_state_of(snapshot)
    sources = [source for source in (*shipped_sources(), *added_sources()) if source not in snapshot.refused]
    pages = write_site(
        folder, sources, named_queries(), {"version": snapshot.info.version, "sha256": snapshot.info.sha256}
    )
    say(f"written: {pages} pages, {folder / 'index.html'}")


@app.command()
def diff(
    old: Annotated[
        Path,
        typer.Argument(
            metavar="OLD",
            help="A state of the knowledge: a checkout, a wheel, an export (.trig, .nq), or additions.",
        ),
    ],
    new: Annotated[Path, typer.Argument(metavar="NEW", help="Another one.")],
    format: Annotated[
        str, choice("--format", "table", "json", help="How to print the differences.")
    ] = "table",
) -> None:
    """Say what one state of the knowledge says that another does not. Exit code 5 where something breaks that
    no version announces.
    """
    from kb.difference import compare
    from kb.edition import read_edition
    from ontune.cli.kb_diff import document, lines

    comparison = compare(read_edition(old), read_edition(new))
    emit(document(comparison), format, lambda: print("\n".join(lines(comparison))))
    if comparison.breaking and not comparison.announced:
        raise typer.Exit(FINDINGS)


def _store() -> KnowledgeStore:
    from reasoner.knowledge.compile import full_store

    snapshot, store = full_store()
    say_state_of(snapshot)
    return store
