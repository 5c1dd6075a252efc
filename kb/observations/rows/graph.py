"""Rows as RDF, as the W3C's "Generating RDF from Tabular Data on the Web" says in its minimal mode."""

from __future__ import annotations

from collections.abc import Iterator

import pyoxigraph as ox

from kb.observations.rows.table import Table
from kb.store.terms import PREFIXES


def triples(table: Table) -> Iterator[ox.Triple]:
    """The triples of a table: a subject for each row, a property for each column."""
    about = table.metadata["tableSchema"]["aboutUrl"]
    columns = {column["name"]: column for column in table.columns}
    predicates = {
        name: ox.NamedNode(column.get("propertyUrl", f"urn:ontune:rows:{table.name}#{name}"))
        for name, column in columns.items()
    }
    types = {
        name: ox.NamedNode(PREFIXES["xsd"] + column.get("datatype", "string"))
        for name, column in columns.items()
    }
    for number, row in enumerate(table.rows(), 1):
        subject = ox.NamedNode(about.replace("{_row}", str(number)))
        for name, value in row.items():
            column = columns[name]
            for part in value.split(column["separator"]) if "separator" in column else (value,):
                if "valueUrl" in column:
                    yield ox.Triple(
                        subject,
                        predicates[name],
                        ox.NamedNode(column["valueUrl"].replace(f"{{{name}}}", part)),
                    )
                else:
                    yield ox.Triple(subject, predicates[name], ox.Literal(part, datatype=types[name]))
