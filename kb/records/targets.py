"""The targets that people name: this machine, those that are shipped or added, and files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pyoxigraph as ox

from kb.records.fact_keys import fact_keys
from kb.records.fact_values import refuse_credentials
from kb.records.names import folded
from kb.records.resources import NamedResources, values_of
from kb.records.target import HARDWARE, LOCAL, Target, as_described, read_target
from kb.store import user_files
from kb.store.terms import on

if TYPE_CHECKING:
    from kb.store.store import KnowledgeStore


def load_target(text: str, store: KnowledgeStore | None = None, where: str = "target") -> Target:
    """The target that a user names.

    Args:
        text: `local` (this machine, probed now), a name, or a file (.json, .yaml, .ttl).
        store: an open knowledge base in which names are looked up first; with it, the names in a file are
            checked at once, else when it is planned.
        where: what names it, for the error.

    Raises:
        BadInput: the name is unknown, or the file is missing, malformed, or breaks the shape of targets.
    """
    if folded(text) == LOCAL:
        from kb.probe.machine import probe  # most targets are not this machine

        return probe()
    if user_files.looks_like_file(text):
        return as_described(_from_file(Path(text)), store)
    known = NamedResources(on("Target"), "targets", store)
    entry = known.find(text, where, (LOCAL,))
    facts = fact_keys(HARDWARE).read(ox.NamedNode(entry.iri), known.values)
    found = Target(entry.name, facts | {"overrides": {}}, f"target {entry.name}")
    return (found.named(store.names) if store else found).with_products()


def target_names(store: KnowledgeStore | None = None) -> list[str]:
    """The names of all shipped and added targets."""
    return NamedResources(on("Target"), "targets", store).names()


def _from_file(path: Path) -> Target:
    if path.suffix == ".ttl":
        from kb.records.fact_shapes import check_target

        content = user_files.read_turtle(path)
        check_target(user_files.read_text(path), str(path))
        node = user_files.only_instance(content, on("Target"), path)
        facts = fact_keys(HARDWARE).read(node, lambda subject, iri: values_of(content, subject, iri))
        refuse_credentials(facts, str(path))
        return Target(user_files.name_of(path), facts | {"overrides": {}}, str(path))
    return read_target(user_files.name_of(path), user_files.read_object(path), str(path))
