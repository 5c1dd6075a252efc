"""What the checks share: the knowledge they look at, and the form of what they find."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pyoxigraph as ox

from kb.store.sources import Source
from kb.store.store import KnowledgeStore

Severity = Literal["error", "warning"]


@dataclass(frozen=True)
class Finding:
    """Something that is wrong with a knowledge base.

    Attributes:
        severity: `error` (must not ship) or `warning`.
        file: where it stands, with the line where that is known; empty where no single file is at fault.
        term: IRI of the resource at fault, or empty.
        text: what is wrong.
    """

    severity: Severity
    file: str
    term: str
    text: str

    def __str__(self) -> str:
        return ": ".join(part for part in (self.file, self.severity, self.text) if part)


@dataclass(frozen=True)
class TableSize:
    """How widely decisions interact: what the choice had to build for the scenarios.

    Attributes:
        scenarios: the number of requests tried.
        width: the greatest number of decisions that one decision had to be weighed against at once.
        rows: the number of rows of the largest table.
        decisions: the decisions of that table.
    """

    scenarios: int
    width: int
    rows: int
    decisions: tuple[str, ...]


@dataclass(frozen=True)
class CheckReport:
    """Everything found, errors first, and how long it took in seconds; `table` is None where an error kept
    the scenarios from being tried. `kept` says that it was found before, and that nothing has changed since.
    """

    findings: tuple[Finding, ...]
    seconds: float
    table: TableSize | None = None
    kept: bool = False

    @property
    def ok(self) -> bool:
        """Whether there is no error; warnings may be left."""
        return all(finding.severity != "error" for finding in self.findings)


class KnowledgeUnderCheck:
    """The sources as they are stated, and compiled as far as they can be.

    Attributes:
        sources: shipped and added files, in order.
        stated: their triples.
        compiled: with what follows by closure and rules; equal to `stated` until `compile` has run.
        folders: folders of additions.
        unsound: the additions that cannot be let in, or cost too much; nothing is made of them.
        table: how widely decisions interact, once the scenarios have been solved.
    """

    def __init__(self, sources: Sequence[Source], folders: Sequence[Path] = ()) -> None:
        self.sources = [source for source in sources if source.holds_triples]
        self.folders = folders
        self.unsound: list[Source] = []
        self.stated = KnowledgeStore()
        self.compiled = self.stated
        self.table: TableSize | None = None
        self._files = {source.graph: str(source.path) for source in self.sources}
        self._places = {
            str(source.path): str(source.path) if source.added else source.name for source in self.sources
        }
        self._added = {str(source.path) for source in self.sources if source.added}

    def file_of(self, term: str, predicate: str | None = None, value: str | None = None) -> str:
        """The file that describes a resource, or that states one thing of it; empty where none does."""
        if ":" not in term:
            return self._files.get(term, "")
        about = [ox.NamedNode(iri) if iri else None for iri in (predicate, value)]
        quads = self.stated.store.quads_for_pattern(ox.NamedNode(term), *about)
        return next(
            (self._files[q.graph_name.value] for q in quads if isinstance(q.graph_name, ox.NamedNode)),
            self._files.get(term, ""),
        )

    def place_of(self, term: str, predicate: str | None = None, value: str | None = None) -> str:
        """As `file_of`, by the file's stable name where it is shipped."""
        return self._places.get(self.file_of(term, predicate, value), "")

    def sound(self) -> Iterator[ox.Quad]:
        """What is stated by the other sources."""
        out = {ox.NamedNode(source.graph) for source in self.unsound}
        return (quad for quad in self.stated.store if quad.graph_name not in out)

    def describes(self, source: Source, term: str) -> bool:
        """Whether a source states something of a resource."""
        return any(
            self.stated.store.quads_for_pattern(ox.NamedNode(term), None, None, ox.NamedNode(source.graph))
        )

    def is_added(self, term: str) -> bool:
        """Whether a user's addition describes the resource."""
        return self.file_of(term) in self._added

    def finding(self, term: str, text: str, severity: Severity = "error") -> Finding:
        """A finding at the file that describes a resource."""
        return Finding(severity, self.file_of(term), term if ":" in term else "", text)
