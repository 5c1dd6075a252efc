"""What the checks share: the knowledge they look at, and the form of what they find."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import pyoxigraph as ox

from kb.sources import Source
from kb.store import KnowledgeStore

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
class CheckReport:
    """Everything found, errors first, and how long it took in seconds."""

    findings: tuple[Finding, ...]
    seconds: float

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
    """

    def __init__(self, sources: Sequence[Source]) -> None:
        self.sources = [source for source in sources if source.path.suffix == ".ttl"]
        self.stated = KnowledgeStore()
        self.compiled = self.stated
        self._files = {source.graph: str(source.path) for source in self.sources}

    def file_of(self, term: str) -> str:
        """The file that describes a resource; empty where none does."""
        quads = self.stated.store.quads_for_pattern(ox.NamedNode(term), None, None) if ":" in term else iter(())
        return next((self._files[q.graph_name.value] for q in quads if isinstance(q.graph_name, ox.NamedNode)), self._files.get(term, ""))

    def finding(self, term: str, text: str, severity: Severity = "error") -> Finding:
        """A finding at the file that describes a resource."""
        return Finding(severity, self.file_of(term), term if ":" in term else "", text)
