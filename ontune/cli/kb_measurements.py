"""`ontune kb import`, `learn` and `rows`: what others published, and rows of measurements."""

from __future__ import annotations

import csv
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kb.errors import BadInput
from ontune.cli.kb_added import add_texts
from ontune.cli.output import choice, emit_json, emit_rows, say, write_whole

if TYPE_CHECKING:
    from kb.observations.learning import Case, Question
    from kb.observations.rows import Table


def _importers() -> list[str]:
    from kb.importers import IMPORTERS
    from kb.importers.tables import known_sets

    return [*IMPORTERS, *known_sets()]


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
        add_texts({f"{source}-{iri_name(path.stem)}.ttl": report.turtle}, force)


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
        bare = sum(not case.numbers for case in known) if asked.features else 0
        say(
            f"{name}: {len(regions)} regions from {len(known) - bare} networks;"
            f" of {bare} more the numbers are not known"
        )
        texts[f"learnt_{name}.ttl"] = learning.turtle(asked, regions)
    if output is None:
        add_texts(texts, force)
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
    estimator = learning.with_short_steps(asked, learning.learn_estimator(asked, samples))
    say(f"{name}: {len(estimator.terms)} terms from {len(samples)} rows")
    return learning.turtle_of_estimator(asked, estimator)


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
