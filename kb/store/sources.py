"""The source files of the knowledge base, shipped and added, and the hash that names their snapshot."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from urllib.parse import quote

from kb.errors import BadInput
from kb.store import files, paths
from kb.store.fact_tables import TABLE, TEMPLATE, turtle_of_table
from kb.store.terms import FILE
from kb.values import Value

SUFFIXES = (".ttl", TABLE, PurePosixPath(TEMPLATE).suffix, ".ru")
"""Of shipped sources: Turtle, tables of facts with their templates, closure rules."""
_SHIPPED_FOLDERS = ("ontology", "rules", "facts", "evidence")


class Source(Value, frozen=True):
    """One file of the knowledge base.

    Attributes:
        path: where it lies.
        name: its stable name, such as `kb/facts/compilers.ttl`; additions are named `additions/<n>/...`.
        added: whether a user added it.
    """

    path: Path
    name: str
    added: bool = False

    @property
    def holds_triples(self) -> bool:
        """Whether it is Turtle or a table of facts; else it is a closure rule or a template."""
        return self.path.suffix in (".ttl", TABLE)

    def turtle(self) -> str:
        """The Turtle that the file is, or stands for. Raises BadInput where it cannot be read."""
        return turtle_of_table(self.path) if self.path.suffix == TABLE else files.read_text(self.path)

    @property
    def graph(self) -> str:
        """The IRI of the named graph that holds the file's triples."""
        return FILE + quote(self.name, errors="surrogateescape")


def shipped_sources() -> list[Source]:
    """Every shipped Turtle file, table of facts with its template, and closure rule, in a stable order."""
    found = []
    for folder in _SHIPPED_FOLDERS:
        prefix = folder if folder in ("ontology", "rules") else f"kb/{folder}"
        found += _files(paths.shipped(folder), prefix, added=False)
    return found


def added_sources(folders: Sequence[Path] | None = None) -> list[Source]:
    """Turtle files that overlay the shipped knowledge: those of `folders` (or files), or the user's own (see
    `kb.store.paths.additions`).
    """
    chosen = paths.additions() if folders is None else folders
    found: list[Source] = []
    for n, folder in enumerate(chosen):
        found += _files(folder, f"additions/{n}", added=True)
    return found


def sources_once_added(files: Mapping[str, Path]) -> list[Source]:
    """What `added_sources` will give once some files are among the user's own additions, with their contents
    where they lie now.

    Args:
        files: by the names that they will have, in the place of what has these names now.
    """
    home, *others = paths.additions_with_own()
    now = [
        source
        for source in _files(home, "additions/0", added=True)
        if source.path.relative_to(home).as_posix() not in files
    ]
    found = {source.path: source for source in now} | {
        home / name: Source(path, f"additions/0/{name}", True) for name, path in files.items()
    }
    every = [found[path] for path in sorted(found)]
    for n, folder in enumerate(others, 1):
        every += _files(folder, f"additions/{n}", added=True)
    return every


def content_hash(sources: Iterable[Source]) -> str:
    """SHA-256 over the names and bytes of all sources: two equal hashes are the same knowledge."""
    digest = hashlib.sha256()
    for source in sources:
        try:
            content = files.read_bytes(source.path) if source.added else source.path.read_bytes()
        except (BadInput, OSError) as error:  # who compiles it says so
            content = str(error).encode("utf-8", "replace")
        digest.update(f"{source.name}\0{len(content)}\0".encode("utf-8", "surrogateescape"))
        digest.update(content)
    return digest.hexdigest()


def _files(folder: Path, prefix: str, *, added: bool) -> list[Source]:
    kinds = (".ttl",) if added else SUFFIXES
    if folder.is_file():
        return [Source(folder, f"{prefix}/{folder.name}", added)]
    files = sorted(path for path in folder.rglob("*") if path.suffix in kinds and path.is_file())
    return [Source(path, f"{prefix}/{path.relative_to(folder).as_posix()}", added) for path in files]
