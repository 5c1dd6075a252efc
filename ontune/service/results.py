"""In which format an answer is given: what the client accepts, of what a kind of answer can be written in."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Any

import pyoxigraph as ox

from kb.clean import cell
from kb.errors import BadInput

Format = ox.QueryResultsFormat | ox.RdfFormat

TABLES: tuple[Format, ...] = (
    ox.QueryResultsFormat.JSON,
    ox.QueryResultsFormat.XML,
    ox.QueryResultsFormat.CSV,
    ox.QueryResultsFormat.TSV,
)
GRAPHS: tuple[Format, ...] = (
    ox.RdfFormat.TURTLE,
    ox.RdfFormat.N_TRIPLES,
    ox.RdfFormat.RDF_XML,
    ox.RdfFormat.JSON_LD,
)
_ALIASES = {
    "application/json": "application/sparql-results+json",
    "application/xml": "application/sparql-results+xml",
}
_GRAPH_ALIASES = {
    "application/json": "application/ld+json",
    "application/xml": "application/rdf+xml",
    "text/plain": "application/n-triples",
}


class NotAcceptable(BadInput):
    """None of the formats that the client accepts is one that the answer can be written in."""


def offered(answer: Any) -> Sequence[Format]:
    """The formats for what a query gave, the preferred one first."""
    if isinstance(answer, ox.QueryTriples):
        return GRAPHS
    return TABLES[:2] if isinstance(answer, ox.QueryBoolean) else TABLES


def write(answer: Any, out: io.RawIOBase, format: Format) -> None:
    """Write an answer; the cells of a table of comma-separated values so that no spreadsheet takes one for a
    formula.
    """
    if format != ox.QueryResultsFormat.CSV:
        answer.serialize(out, format=format)
        return
    text = io.TextIOWrapper(out, encoding="utf-8", newline="", write_through=True)  # type: ignore[type-var]
    table = csv.writer(text)
    table.writerow([cell(variable.value) for variable in answer.variables])
    for row in answer:
        table.writerow([cell(_plain_value(term)) for term in row])
    text.detach()


def _plain_value(term: Any) -> str:
    """A term as such a table has it: bare, as the standard says."""
    return "" if term is None else term.value if isinstance(term, ox.NamedNode | ox.Literal) else str(term)


def negotiated(accept: str, formats: Sequence[Format]) -> Format:
    """The format that an `Accept` header likes best (RFC 9110, section 12.5.1); the first one where it says
    nothing.

    Raises:
        NotAcceptable: it accepts none of them.
    """
    ranges = [_range(part) for part in accept.split(",") if part.strip()] or [("*/*", 1.0)]
    aliases = _GRAPH_ALIASES if isinstance(formats[0], ox.RdfFormat) else _ALIASES
    liked: dict[Format, tuple[int, float]] = {}
    for format in formats:
        liked[format] = max(_quality(format, media, quality, aliases) for media, quality in ranges)
    best = max(formats, key=lambda format: (liked[format][1], -formats.index(format)))
    if liked[best][1] <= 0:
        expected = ", ".join(plain(format) for format in formats)
        raise NotAcceptable("Accept", f"'{accept}' names no format of this answer", expected=expected)
    return best


def _range(part: str) -> tuple[str, float]:
    media, *parameters = (piece.strip() for piece in part.lower().split(";"))
    quality = next((text[2:] for text in parameters if text.startswith("q=")), "1")
    try:
        return media, float(quality)
    except ValueError:
        return media, 0.0


def _quality(format: Format, media: str, quality: float, aliases: dict[str, str]) -> tuple[int, float]:
    """How exactly a range names the format, and how much it is liked: exact names count before wildcards."""
    own = plain(format)
    if aliases.get(media, media) == own:
        return 2, quality
    kind, _, rest = media.partition("/")
    return (1, quality) if rest == "*" and kind in ("*", own.partition("/")[0]) else (0, 0.0)


def plain(format: Format) -> str:
    """The media type of a format, without parameters."""
    return format.media_type.partition(";")[0]
