"""The store: one named graph for each source file and each rule, read as their union.

What was compiled for planning is loaded in parts (`kb.store.shards`): those that a pattern or a rule can
match are loaded before it is asked, and everything before anything that does not say what it reads.
"""

from __future__ import annotations

import hashlib
import threading
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeGuard

import pyoxigraph as ox

from kb.clean import credentials
from kb.errors import BadInput
from kb.records.names import Names
from kb.store import files
from kb.store.fact_tables import TABLE
from kb.store.shards import (
    OF_REQUESTS,
    Compact,
    Kept,
    Read,
    Row,
    Shards,
    of_a_request,
    shards_of,
    shown_texts,
    term_of,
)
from kb.store.terms import PREFIXES, RDF_TYPE, on

if TYPE_CHECKING:
    import rdflib

    from kb.store.sources import Source

Term = ox.NamedNode | ox.BlankNode | ox.Literal
_ANYTHING: tuple[Read, ...] = ((None, None),)
_TYPE = ox.NamedNode(RDF_TYPE)
_SOURCE_FILE = ox.NamedNode(on("SourceFile"))
_MADE_FROM = ox.NamedNode(PREFIXES["prov"] + "wasDerivedFrom")


class KnowledgeStore:
    """Triples with the graph that each came from. Queries always read the union of all graphs.

    Args:
        engine: a store of the engine that holds them already.

    Attributes:
        lock: held by who adds something for a while and takes it away again.
    """

    def __init__(self, engine: ox.Store | None = None) -> None:
        self.lock = threading.RLock()
        self._engine = ox.Store() if engine is None else engine
        self._names: Names | None = None
        self._waiting = Shards()
        self._whole = True
        self._loading = threading.Lock()
        self._kept = Kept()
        self._subjects: dict[str, dict[str, list[str]]] = {}

    @property
    def store(self) -> ox.Store:
        """The engine's store, with everything in it."""
        self.need(_ANYTHING)
        return self._engine

    @property
    def whole(self) -> bool:
        """Whether everything is loaded."""
        return self._whole

    @property
    def names(self) -> Names:
        """What people call the resources that are known by now; made anew after more was loaded. What a
        request adds for a while has no names.
        """
        if self._names is None:
            self._names = Names(self)
        return self._names

    def load_compact(self, content: bytes) -> None:
        """Take up what `compact` has given, of which nothing is read before it is asked for.

        Raises:
            msgspec.DecodeError: it is something else.
        """
        self._names = None
        compact = Compact.decode(content)
        self._waiting, self._kept, self._whole = compact.shards, compact.kept, False

    def need(self, reads: Iterable[Read]) -> None:
        """Load what patterns can match."""
        if self._whole:
            return
        with self._loading:
            if found := self._waiting.take(reads):
                self._engine.load(found, format=ox.RdfFormat.N_QUADS)
            self._whole = self._waiting.taken

    def quads(
        self,
        subject: ox.NamedNode | ox.BlankNode | ox.Triple | None,
        predicate: ox.NamedNode | None,
        value: Term | ox.Triple | None,
        graph: ox.NamedNode | None = None,
    ) -> Iterator[ox.Quad]:
        """The quads of a pattern, in which None stands for any term."""
        if not of_a_request(subject):
            named = value.value if isinstance(value, ox.NamedNode) else None
            self.need([(predicate.value if predicate else None, named)])
        return self._engine.quads_for_pattern(subject, predicate, value, graph)

    def holds(self, quad: ox.Quad) -> bool:
        """Whether a quad is there."""
        if not of_a_request(quad.subject):
            value = quad.object
            self.need([(quad.predicate.value, value.value if isinstance(value, ox.NamedNode) else None)])
        return quad in self._engine

    def load_source(self, source: Source) -> None:
        """Parse one Turtle file or table of facts into its own graph.

        Raises:
            BadInput: the file cannot be read, or is not Turtle; the message names the file and the line.
        """
        self._forget()
        content: dict[str, Any]
        if source.path.suffix == TABLE:
            content = {"input": source.turtle().encode()}
        elif source.added:
            content = {"input": _without_credentials(source.path)}
        else:
            # The store reads what is shipped faster than it comes through the door for what others wrote.
            content = {"path": str(source.path)}
        try:
            self._engine.bulk_load(
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
        """Add what sources may leave out, once all are loaded, the ontology among them: see
        `kb.store.completion`.
        """
        from kb.store.completion import complete  # what was compiled is complete

        complete(self.store)

    def load_quads(self, quads: bytes) -> None:
        """Read N-Quads that `dump` has given."""
        self._forget()
        self._engine.bulk_load(quads, format=ox.RdfFormat.N_QUADS)

    def dump(self) -> bytes:
        """Every quad as N-Quads."""
        return self.store.dump(format=ox.RdfFormat.N_QUADS) or b""

    def content_hash(self) -> str:
        """SHA-256 over all quads, whatever their order: two equal hashes are the same knowledge (blank nodes
        count by their labels).
        """
        return hashlib.sha256("\n".join(sorted(map(str, self.store))).encode()).hexdigest()

    def compact(self, asked: Iterable[str] = (), asked_for_terms: Iterable[str] = ()) -> bytes:
        """Everything in the form that `load_compact` takes up in parts.

        Args:
            asked, asked_for_terms: the queries that `select` and `terms` will be asked whatever the request.
        """
        subjects = sorted(
            {quad.subject.value for quad in self.store if isinstance(quad.subject, ox.NamedNode)}
        )
        known = {subject: places for subject in subjects if (places := self.sources_of(subject))}
        numbers = {one: number for number, one in enumerate(dict.fromkeys(known.values()))}
        terms: dict[str, list[Row]] = {}
        for text in asked_for_terms:
            terms[text] = [_written(row) for row in self.terms(text)]
        kept = Kept(
            {text: self.select(text) for text in asked},
            terms,
            shown_texts(self.store),
            tuple(numbers),
            {subject: numbers[one] for subject, one in known.items()},
        )
        return Compact(shards_of(self.store), kept).encode()

    def select(self, text: str, bindings: Mapping[str, Term] | None = None) -> list[Row]:
        """Run a SELECT query; each row maps a bound variable to its value as text (IRIs and literals
        alike).
        """
        if not bindings and (rows := self._kept.rows.get(text)) is not None:
            return rows
        solutions: Any = self._run(text, bindings)
        names = [variable.value for variable in solutions.variables]
        found = []
        for row in solutions:
            columns = zip(names, row, strict=True)
            found.append({name: value.value for name, value in columns if value is not None})
        return found

    def terms(
        self, text: str, bindings: Mapping[str, Term] | None = None, reads: Iterable[Read] = _ANYTHING
    ) -> list[dict[str, Term]]:
        """Run a SELECT query; as `select`, but the values are RDF terms.

        Args:
            reads: what the query can match of what is known.
        """
        found: list[dict[str, Term]] = []
        if not bindings and (rows := self._kept.terms.get(text)) is not None:
            for kept in rows:
                found.append({name: term_of(value) for name, value in kept.items()})
            return found
        solutions: Any = self._run(text, bindings, reads)
        names = [variable.value for variable in solutions.variables]
        for row in solutions:
            columns = zip(names, row, strict=True)
            found.append({name: value for name, value in columns if value is not None})
        return found

    def construct(
        self, text: str, bindings: Mapping[str, Term] | None = None, reads: Iterable[Read] = _ANYTHING
    ) -> list[ox.Triple]:
        """Run a CONSTRUCT query; `reads` as in `terms`."""
        return list(self._run(text, bindings, reads))

    def ask(self, text: str, bindings: Mapping[str, Term] | None = None) -> bool:
        """Run an ASK query."""
        return bool(self._run(text, bindings))

    def objects(self, subject: str, predicate: str) -> list[str]:
        """Values of a property, as text, in the order of their text."""
        if predicate in self._kept.texts and not subject.startswith(OF_REQUESTS):
            return list(self._kept.texts[predicate].get(subject, ()))
        quads = self.quads(ox.NamedNode(subject), ox.NamedNode(predicate), None)
        return sorted({quad.object.value for quad in quads if not isinstance(quad.object, ox.Triple)})

    def keeps_texts_of(self, predicate: str) -> bool:
        """Whether the values of a property are known without loading it."""
        return predicate in self._kept.texts

    def subjects(self, predicate: str, text: str) -> list[str]:
        """The named resources that have a plain text as a value of a property, in the order of their IRIs."""
        if predicate not in self._kept.texts:
            quads = self.quads(None, ox.NamedNode(predicate), ox.Literal(text))
            return sorted({quad.subject.value for quad in quads if isinstance(quad.subject, ox.NamedNode)})
        if predicate not in self._subjects:
            found: dict[str, list[str]] = defaultdict(list)
            for subject, texts in self._kept.texts[predicate].items():
                for one in texts:
                    found[one].append(subject)
            self._subjects[predicate] = found
        return self._subjects[predicate].get(text, [])

    def label(self, iri: str) -> str:
        """The `rdfs:label` of a resource, or the empty text."""
        return next(iter(self.objects(iri, PREFIXES["rdfs"] + "label")), "")

    def graphs_of(self, triple: ox.Triple) -> list[str]:
        """The graphs (source files and rules) that state a triple."""
        quads = self.quads(triple.subject, triple.predicate, triple.object)
        return sorted(quad.graph_name.value for quad in quads if isinstance(quad.graph_name, ox.NamedNode))

    def instances(self, class_iri: str) -> Iterator[str]:
        """The named instances of a class."""
        quads = self.quads(None, _TYPE, ox.NamedNode(class_iri))
        yield from sorted({quad.subject.value for quad in quads if isinstance(quad.subject, ox.NamedNode)})

    def sources_of(self, iri: str) -> tuple[str, ...]:
        """Where a resource is known from: its own sources, else those of the file that describes it."""
        if self._kept.places and not iri.startswith(OF_REQUESTS):
            number = self._kept.known_from.get(iri)
            return () if number is None else self._kept.places[number]
        own = self.objects(iri, PREFIXES["dct"] + "source") + self.objects(
            iri, PREFIXES["prov"] + "wasDerivedFrom"
        )
        if own:
            return tuple(dict.fromkeys(own))
        files = {quad.graph_name for quad in self.quads(ox.NamedNode(iri), None, None)}
        texts: set[tuple[bool, str]] = set()
        for file in files:
            if self._is_source_file(file):
                stated = (quad.object for quad in self.quads(file, _MADE_FROM, None))
                texts |= {
                    (isinstance(source, ox.Literal), source.value)
                    for source in stated
                    if not isinstance(source, ox.Triple)
                }
        return tuple(text for _, text in sorted(texts))

    def _is_source_file(
        self, graph: ox.NamedNode | ox.BlankNode | ox.DefaultGraph
    ) -> TypeGuard[ox.NamedNode]:
        return isinstance(graph, ox.NamedNode) and any(True for _ in self.quads(graph, _TYPE, _SOURCE_FILE))

    def add(self, quads: Iterable[ox.Quad]) -> None:
        """Add quads."""
        self._forget()
        self._engine.extend(quads)

    def remove(self, quads: Iterable[ox.Quad]) -> None:
        """Remove quads that are there."""
        self._forget()
        for quad in quads:
            self._engine.remove(quad)

    def add_for_a_while(self, quads: Iterable[ox.Quad]) -> None:
        """Add quads for a while: what is known without them stays known."""
        added = list(quads)
        if any(quad.predicate.value in self._kept.texts and not of_a_request(quad.subject) for quad in added):
            self._forget()
        self._engine.extend(added)

    def take_back(self, quads: Iterable[ox.Quad]) -> None:
        """Remove what was added."""
        for quad in quads:
            self._engine.remove(quad)

    def to_rdflib(self) -> rdflib.Graph:
        """The union of all graphs as an rdflib graph, for tools that speak only rdflib."""
        import rdflib

        graph = rdflib.Graph()
        for prefix, namespace in PREFIXES.items():
            graph.bind(prefix, namespace)
        lines = {f"{quad.subject} {quad.predicate} {quad.object} ." for quad in self.store}
        graph.parse(data="\n".join(lines), format="nt")
        return graph

    def _forget(self) -> None:
        """Drop what was worked out of what was there: something else is there now."""
        self.need(_ANYTHING)
        self._names, self._kept, self._subjects = None, Kept(), {}

    def _run(self, text: str, bindings: Mapping[str, Term] | None, reads: Iterable[Read] = _ANYTHING) -> Any:
        self.need(reads)
        substitutions: Any = {ox.Variable(name): value for name, value in (bindings or {}).items()}
        return self._engine.query(
            text,
            prefixes=_prefixes_in(text),
            use_default_graph_as_union=True,
            substitutions=substitutions or None,
        )


def _written(row: Mapping[str, Term]) -> Row:
    return {name: str(term) for name, term in row.items()}


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
