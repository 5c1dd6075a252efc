"""`ontune kb`: what the knowledge base holds, and how it grows."""

from __future__ import annotations

import csv
import math
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kb import __version__
from kb.errors import BadInput
from kb.store.scratch import scratch
from ontune.cli.output import FINDINGS, choice, emit, emit_json, emit_rows, say, say_state_of, write_whole

if TYPE_CHECKING:
    from kb.observations.learning import Case, Question
    from kb.observations.rows import Table
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
    _add({path.name: read_text(path) for path in files}, force)


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


def _importers() -> list[str]:
    from kb.importers import IMPORTERS
    from kb.importers.tables import known_sets

    return [*IMPORTERS, *known_sets()]


@app.command("import")
def import_(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE", autocompletion=_importers, help="The kind of data, such as mlperf or wheel."
        ),
    ],
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILE...", help="The file or folder; of measurements, one or several."),
    ],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="PATH", help="Write the Turtle, or the folder of rows, here."),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Replace what was imported under this name before.")
    ] = False,
) -> None:
    """Turn what others have published into Turtle, or their measurements into rows, tell what was doubtful,
    and add it.
    """
    from kb.importers import import_source
    from kb.importers.report import iri_name
    from kb.importers.tables import known_sets

    if source in known_sets():
        _import_rows(source, files, output, force)
        return
    path, *more = files
    if more:
        raise BadInput("import", f"{source} is imported from one file or folder", given=str(more[0]))
    report = import_source(source, path)
    for finding in report.findings:
        say(finding)
    if output is not None:
        write_whole(output, report.turtle)
        say(f"written: {output}")
    else:
        _add({f"{source}-{iri_name(path.stem)}.ttl": report.turtle}, force)


def _import_rows(source: str, files: list[Path], output: Path | None, force: bool) -> None:
    from kb.importers.tables import import_rows
    from kb.store.paths import data_home

    report = import_rows(source, files)
    for finding in report.findings:
        say(finding)
    folder = output or data_home() / "tables"
    table, metadata = folder / f"{report.name}.csv.gz", folder / f"{report.name}.csv-metadata.json"
    if table.exists() and not force:
        raise BadInput(
            str(table), "a table of that name is there already", expected="another folder, or --force"
        )
    folder.mkdir(parents=True, exist_ok=True)
    for path, content in ((table, report.table), (metadata, report.metadata.encode())):
        write_whole(path, content)
        say(f"written: {path}")


def _questions() -> list[str]:
    from kb.observations.learning import declared_estimators, questions

    return [*questions(), *declared_estimators()]


@app.command()
def learn(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="[QUESTION...]", autocompletion=_questions, help="What to learn; else all."),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FOLDER", help="Write the Turtle here instead of adding it."),
    ] = None,
    networks: Annotated[
        list[str] | None,
        typer.Option(
            "--network",
            metavar="NAME",
            help="Learn of this network alone, from what another machine measured of it; repeatable.",
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace what was learnt before.")] = False,
) -> None:
    """Learn effects from rows of measurements: situations and ratios as Turtle that you can read, correct and
    overrule.
    """
    from kb.observations import learning

    texts = {}
    for name in names or _questions():
        if name in learning.declared_estimators():
            texts[f"estimate_{name}.ttl"] = _estimator(name)
            continue
        asked = learning.question(name)
        known = learning.cases(asked)
        if networks:
            texts[f"learnt_{name}_networks.ttl"] = _of_networks(asked, known, networks)
            continue
        regions = learning.learn(asked, known)
        bare = sum(not case.numbers for case in known)
        say(
            f"{name}: {len(regions)} regions from {len(known) - bare} networks;"
            f" of {bare} more the numbers are not known"
        )
        texts[f"learnt_{name}.ttl"] = learning.turtle(asked, regions)
    if output is None:
        _add(texts, force)
        return
    for name, text in texts.items():
        write_whole(output / name, text)
        say(f"written: {output / name}")


def _estimator(name: str) -> str:
    """The Turtle of an estimator; what is left out of the rows is told."""
    from kb.observations import learning

    asked = learning.declared_estimator(name)
    samples, left_out = learning.samples(asked)
    for sentence in left_out:
        say(f"left out: {sentence}")
    estimator = learning.learn_estimator(asked, samples)
    say(f"{name}: {len(estimator.terms)} terms from {len(samples)} rows")
    return learning.turtle_of_estimator(asked, estimator, len(samples))


def _of_networks(asked: Question, known: list[Case], networks: list[str]) -> str:
    """What networks do, carried over from where they were measured."""
    from kb.observations import learning

    there = learning.cases(learning.question_elsewhere(asked))
    names = {case.network for case in there}
    for network in networks:
        if network not in names:
            raise BadInput(
                "--network",
                f"no rows of '{network}' on the other machine",
                expected=f"a network of `ontune kb rows {asked.declared['table']}`",
                given=network,
                known=sorted(names),
            )
    found = learning.carried(asked, known, there, [case for case in there if case.network in networks])
    if not found:
        raise BadInput(
            "--network", "nothing is known of its layers", expected="a network of `ontune kb rows networks`"
        )
    for one in found:
        say(f"{asked.name}: {one.case.network} at {one.case.image_size}: {math.exp(one.region.ratio):.2f}")
    return learning.turtle_of_networks(asked, found)


def _tables() -> list[str]:
    from kb.observations.rows import tables

    return list(tables())


@app.command()
def rows(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="[SET]", autocompletion=_tables, help="A table; without it, what tables there are."
        ),
    ] = None,
    format: Annotated[
        str, choice("--format", "table", "json", "csv", "turtle", help="How to print the rows.")
    ] = "table",
) -> None:
    """List the tables of measurements, or print the rows of one: as they are kept, or as RDF by the rules of
    CSV on the Web.
    """
    from kb.observations.rows import find, tables

    if name is None:
        _print_tables(list(tables().values()), format)
        return
    found = find(name)
    heads = [column["name"] for column in found.columns]
    if format == "turtle":
        _print_turtle(found)
    elif format == "json":
        emit_json(found.rows())
    elif format == "csv":
        writer = csv.DictWriter(sys.stdout, heads)
        writer.writeheader()
        writer.writerows(found.rows())
    else:
        cells: list[list[object]] = []
        for row in found.rows():
            cells.append([row.get(head, "") for head in heads])
        emit_rows(cells, heads)


def _print_tables(found: list[Table], format: str) -> None:
    if format == "json":
        emit_json([{"name": table.name, **table.metadata} for table in found])
    elif format == "table":
        said = (
            (
                table.name,
                table.counts.get("rows", ""),
                table.metadata["dc:title"],
                table.metadata["dc:license"]["@id"],
            )
            for table in found
        )
        emit_rows(said, ("name", "rows", "what", "licence"))
    else:
        raise BadInput(
            "--format",
            "a list of tables is no table of rows",
            expected="table or json, or the name of a table",
        )


def _print_turtle(found: Table) -> None:
    import pyoxigraph as ox

    from kb.observations.rows import triples
    from kb.store.terms import PREFIXES

    print(
        (ox.serialize(triples(found), format=ox.RdfFormat.TURTLE, prefixes=PREFIXES) or b"").decode(), end=""
    )


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


def _add(texts: Mapping[str, str], force: bool) -> None:
    """Add files to the user's part of the knowledge base, if they stand beside what is shipped and added
    already; else nothing is added.

    Raises:
        BadInput: a name is taken, or a file is no Turtle, breaks a shape or contradicts what is known.
    """
    from kb.store.paths import data_home
    from kb.store.sources import shipped_sources, sources_once_added
    from reasoner.knowledge.compile import snapshot_of

    home = data_home() / "kb"
    for name in texts:
        if (home / name).exists() and not force:
            raise BadInput(
                name, "an addition of that name is there already", expected="another name, or --force"
            )
    with scratch("add") as folder:
        files = {name: folder / name for name in texts if name.endswith(".ttl")}
        for name, file in files.items():
            file.write_text(texts[name], encoding="utf-8")
        # It is kept by the names that the files will have: the next plan finds it judged and compiled.
        refused = snapshot_of(shipped_sources(), sources_once_added(files)).refused
    if bad := [
        text.removeprefix(f"{folder}/")
        for source, text in refused.items()
        if source.path.is_relative_to(folder)
    ]:
        raise BadInput("kb add", f"nothing was added: {'; '.join(bad)}")
    home.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        write_whole(home / name, text)
        say(f"added: {home / name}")
