"""The store: one named graph for each source file and each rule, read as their union."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeGuard

import pyoxigraph as ox

from kb import files
from kb.clean import credentials
from kb.completion import complete
from kb.errors import BadInput
from kb.fact_tables import TABLE
from kb.names import Names
from kb.terms import PREFIXES, RDF_TYPE, on

if TYPE_CHECKING:
    import rdflib

    from kb.sources import Source

Term = ox.NamedNode | ox.BlankNode | ox.Literal
Row = dict[str, str]
_TYPE = ox.NamedNode(RDF_TYPE)
_SOURCE_FILE = ox.NamedNode(on("SourceFile"))
_MADE_FROM = ox.NamedNode(PREFIXES["prov"] + "wasDerivedFrom")


class KnowledgeStore:
    """Triples with the graph that each came from. Queries always read the union of all graphs.

    Attributes:
        store: the engine's store.
        lock: held by who adds something for a while and takes it away again.
    """

    def __init__(self) -> None:
        self.store = ox.Store()
        self.lock = threading.RLock()
        self._names: Names | None = None

    @property
    def names(self) -> Names:
        """What people call the resources that are known by now; made anew after more was loaded. What a
        request adds for a while has no names.
        """
        if self._names is None:
            self._names = Names(self.store)
        return self._names

    def load_source(self, source: Source) -> None:
        """Parse one Turtle file or table of facts into its own graph.

        Raises:
            BadInput: the file cannot be read, or is not Turtle; the message names the file and the line.
        """
        self._names = None
        content: dict[str, Any]
        if source.path.suffix == TABLE:
            content = {"input": source.turtle().encode()}
        elif source.added:
            content = {"input": _without_credentials(source.path)}
        else:  # what is shipped is read by the store, which is faster than through the door for what others wrote
            content = {"path": str(source.path)}
        try:
            self.store.bulk_load(
                **content,
                format=ox.RdfFormat.TURTLE,
                base_iri=source.graph,
                to_graph=ox.NamedNode(source.graph),
            )
        except SyntaxError as error:
            raise BadInput(
                f"{source.path}:{error.lineno or 1}", str(error.msg), expected="valid Turtle"
            ) from error
        except OSError as error:
            raise BadInput(str(source.path), str(error) or "cannot be read") from error

    def load_sources(self, sources: Iterable[Source]) -> None:
        """Parse all of some sources that holds triples. Raises as `load_source`."""
        for source in sources:
            if source.holds_triples:
                self.load_source(source)

    def complete(self) -> None:
        """Add what sources may leave out, once all are loaded, the ontology among them: see `kb.completion`."""
        complete(self.store)

    def load_quads(self, quads: bytes) -> None:
        """Read N-Quads that `dump` has given."""
        self._names = None
        self.store.bulk_load(quads, format=ox.RdfFormat.N_QUADS)

    def dump(self) -> bytes:
        """Every quad as N-Quads."""
        return self.store.dump(format=ox.RdfFormat.N_QUADS) or b""

    def content_hash(self) -> str:
        """SHA-256 over all quads, whatever their order: two equal hashes are the same knowledge (blank nodes
        count by their labels).
        """
        return hashlib.sha256("\n".join(sorted(map(str, self.store))).encode()).hexdigest()

    def select(self, text: str, bindings: Mapping[str, Term] | None = None) -> list[Row]:
        """Run a SELECT query; each row maps a bound variable to its value as text (IRIs and literals alike)."""
        solutions: Any = self._run(text, bindings)
        names = [variable.value for variable in solutions.variables]
        return [
            {name: value.value for name, value in zip(names, row, strict=True) if value is not None}
            for row in solutions
        ]

    def terms(self, text: str, bindings: Mapping[str, Term] | None = None) -> list[dict[str, Term]]:
        """Run a SELECT query; as `select`, but the values are RDF terms."""
        solutions: Any = self._run(text, bindings)
        names = [variable.value for variable in solutions.variables]
        return [
            {name: value for name, value in zip(names, row, strict=True) if value is not None}
            for row in solutions
        ]

    def construct(self, text: str, bindings: Mapping[str, Term] | None = None) -> list[ox.Triple]:
        """Run a CONSTRUCT query."""
        return list(self._run(text, bindings))

    def ask(self, text: str, bindings: Mapping[str, Term] | None = None) -> bool:
        """Run an ASK query."""
        return bool(self._run(text, bindings))

    def objects(self, subject: str, predicate: str) -> list[str]:
        """Values of a property, as text, in the order of their text."""
        quads = self.store.quads_for_pattern(ox.NamedNode(subject), ox.NamedNode(predicate), None, None)
        return sorted({quad.object.value for quad in quads if not isinstance(quad.object, ox.Triple)})

    def label(self, iri: str) -> str:
        """The `rdfs:label` of a resource, or the empty text."""
        return next(iter(self.objects(iri, PREFIXES["rdfs"] + "label")), "")

    def graphs_of(self, triple: ox.Triple) -> list[str]:
        """The graphs (source files and rules) that state a triple."""
        quads = self.store.quads_for_pattern(triple.subject, triple.predicate, triple.object, None)
        return sorted(quad.graph_name.value for quad in quads if isinstance(quad.graph_name, ox.NamedNode))

    def instances(self, class_iri: str) -> Iterator[str]:
        """The named instances of a class."""
        quads = self.store.quads_for_pattern(None, ox.NamedNode(RDF_TYPE), ox.NamedNode(class_iri), None)
        yield from sorted({quad.subject.value for quad in quads if isinstance(quad.subject, ox.NamedNode)})

    def sources_of(self, iri: str) -> tuple[str, ...]:
        """Where a resource is known from: its own sources, else those of the file that describes it."""
        own = self.objects(iri, PREFIXES["dct"] + "source") + self.objects(
            iri, PREFIXES["prov"] + "wasDerivedFrom"
        )
        if own:
            return tuple(dict.fromkeys(own))
        files = {
            quad.graph_name for quad in self.store.quads_for_pattern(ox.NamedNode(iri), None, None, None)
        }
        stated = (
            quad.object
            for file in files
            if self._is_source_file(file)
            for quad in self.store.quads_for_pattern(file, _MADE_FROM, None, None)
        )
        texts = {
            (isinstance(source, ox.Literal), source.value)
            for source in stated
            if not isinstance(source, ox.Triple)
        }
        return tuple(text for _, text in sorted(texts))

    def _is_source_file(
        self, graph: ox.NamedNode | ox.BlankNode | ox.DefaultGraph
    ) -> TypeGuard[ox.NamedNode]:
        return isinstance(graph, ox.NamedNode) and any(
            True for _ in self.store.quads_for_pattern(graph, _TYPE, _SOURCE_FILE, None)
        )

    def add(self, quads: Iterable[ox.Quad]) -> None:
        """Add quads."""
        self.store.extend(quads)

    def remove(self, quads: Iterable[ox.Quad]) -> None:
        """Remove quads."""
        for quad in quads:
            self.store.remove(quad)

    def to_rdflib(self) -> rdflib.Graph:
        """The union of all graphs as an rdflib graph, for tools that speak only rdflib."""
        import rdflib

        graph = rdflib.Graph()
        for prefix, namespace in PREFIXES.items():
            graph.bind(prefix, namespace)
        lines = {f"{quad.subject} {quad.predicate} {quad.object} ." for quad in self.store}
        graph.parse(data="\n".join(lines), format="nt")
        return graph

    def _run(self, text: str, bindings: Mapping[str, Term] | None) -> Any:
        substitutions: Any = {ox.Variable(name): value for name, value in (bindings or {}).items()}
        return self.store.query(
            text,
            prefixes=_prefixes_in(text),
            use_default_graph_as_union=True,
            substitutions=substitutions or None,
        )


@lru_cache(maxsize=4096)
def _prefixes_in(text: str) -> dict[str, str]:
    """Those of our prefixes that a query may use: declaring them all costs as much as a small query."""
    return {prefix: namespace for prefix, namespace in PREFIXES.items() if f"{prefix}:" in text}


def _without_credentials(path: Path) -> bytes:
    """The content of an addition.

    Raises BadInput where it holds a password or a token, which would end in images and answers.
    """
    text = files.read_text(path)
    for begin, _ in credentials(text):
        line = text.count("\n", 0, begin) + 1
        raise BadInput(
            f"{path}:{line}",
            "holds what looks like a password or a token",
            expected="knowledge that can be shown around",
        )
    return text.encode()
