"""Sites: what a place imposes on jobs and builds, as JSON and as RDF.

Which property holds which key of the JSON is stated in `ontology/sites.ttl`.
"""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyoxigraph as ox

from kb.errors import BadInput
from kb.records.fact_keys import fact_keys, stated
from kb.records.fact_values import refuse_credentials
from kb.records.names import Names
from kb.records.resources import NamedResources, values_of
from kb.store import paths, user_files
from kb.store.terms import RDF_TYPE, on
from kb.values import Described, replace

if TYPE_CHECKING:
    from kb.store.store import KnowledgeStore

_MODULE = "sites"
_OF_A_FILE = "urn:ontune:site"


class Site(Described, frozen=True, eq=False):
    """A place.

    Attributes:
        name: the shipped name, the file's `name`, or the name of the file.
        iri: the resource that options say they are offered by.
        facts: the keys that `ontology/sites.ttl` declares; null is not stated.
        where: what describes it (a file, a flag), for errors.
    """

    name: str
    iri: str
    facts: dict[str, Any]
    where: str = "site"

    def quads(self, graph: ox.NamedNode, names: Names | None = None) -> list[ox.Quad]:
        """The facts as quads about the site; `names` is what names in them are looked up in."""
        node = ox.NamedNode(self.iri)
        found = [ox.Quad(node, ox.NamedNode(RDF_TYPE), ox.NamedNode(on("Site")), graph)]
        return found + fact_keys(_MODULE).quads(self.facts, node, graph, state_unknown=False, names=names)

    def named(self, names: Names) -> Site:
        """The site with each name in its facts as the knowledge base has it.

        Raises:
            BadInput: a name is unknown; the message names file and key.
        """
        return replace(self, facts=fact_keys(_MODULE).named(self.facts, names, self.where))

    def builder_variables(self) -> dict[str, str]:
        """The variables by which the programs that build an image are told of the site's proxies, indexes,
        certificates and folders.
        """
        found: dict[str, list[str]] = defaultdict(list)
        for quad in self.quads(ox.NamedNode(_OF_A_FILE)):
            for name in _builder_variables().get(quad.predicate.value, ()):
                found[name].append(str(getattr(quad.object, "value", quad.object)))
        return {name: " ".join(values) for name, values in found.items()}

    def to_json(self) -> dict[str, Any]:
        """Name, resource and stated facts, as a plan carries them."""
        return {"name": self.name, "iri": self.iri} | stated(self.facts)

    def to_turtle(self) -> str:
        """The facts as Turtle."""
        quads = self.quads(ox.NamedNode(_OF_A_FILE))
        return (ox.serialize([quad.triple for quad in quads], format=ox.RdfFormat.TURTLE) or b"").decode()


def complete_site(facts: Mapping[str, Any], where: str, name: str = "site") -> Site:
    """A site from facts that may be partial, such as those in a plan.

    Raises:
        BadInput: a key is unknown, or a value has the wrong type or breaks the shape of sites; the message
            names `where` and the key.
    """
    given = dict(facts)
    said, iri = given.pop("name", name), given.pop("iri", _OF_A_FILE)
    if not isinstance(said, str) or not said or not said.isprintable() or len(said) > 200:
        raise BadInput(where, "key 'name' is not usable", expected="a short text")
    if not isinstance(iri, str) or not _is_iri(iri):
        raise BadInput(where, "key 'iri' is not usable", expected="an IRI")
    site = Site(said, iri, fact_keys(_MODULE).completed(given, where), where)
    from kb.records.fact_shapes import check_site

    check_site(site.to_turtle(), where)
    return site


def load_site(text: str, store: KnowledgeStore | None = None, where: str = "site") -> Site:
    """The site that a user names.

    Args:
        text: a name, or a file (.json, .yaml, .ttl).
        store: an open knowledge base in which names are looked up first; with it, the names in a file are
            checked at once, else when it is planned.
        where: what names it, for the error.

    Raises:
        BadInput: the name is unknown, or the file is missing, malformed, or breaks the shape of sites.
    """
    if user_files.looks_like_file(text):
        found = _from_file(Path(text))
    else:
        known = NamedResources(on("Site"), "sites", store)
        entry = known.find(text, where)
        facts = fact_keys(_MODULE).read(ox.NamedNode(entry.iri), known.values)
        found = Site(entry.name, entry.iri, facts, f"site {entry.name}")
    return found.named(store.names) if store else found


def site_names(store: KnowledgeStore | None = None) -> list[str]:
    """The names of all shipped and added sites."""
    return NamedResources(on("Site"), "sites", store).names()


def _from_file(path: Path) -> Site:
    if path.suffix != ".ttl":
        return complete_site(user_files.read_object(path), str(path), user_files.name_of(path))
    from kb.records.fact_shapes import check_site

    content = user_files.read_turtle(path)
    check_site(user_files.read_text(path), str(path))
    node = user_files.only_instance(content, on("Site"), path)
    facts = fact_keys(_MODULE).read(node, lambda subject, iri: values_of(content, subject, iri))
    refuse_credentials(facts, str(path))
    return Site(user_files.name_of(path), node.value, facts, str(path))


def _is_iri(text: str) -> bool:
    try:
        ox.NamedNode(text)
    except ValueError:
        return False
    return True


@functools.cache
def _builder_variables() -> dict[str, tuple[str, ...]]:
    """Property -> variables, as the ontology states them."""
    found: dict[str, list[str]] = defaultdict(list)
    for quad in ox.parse(path=str(paths.shipped("ontology") / f"{_MODULE}.ttl"), format=ox.RdfFormat.TURTLE):
        if quad.predicate.value == on("builderVariable") and isinstance(quad.subject, ox.NamedNode):
            found[quad.subject.value].append(quad.object.value)
    return {subject: tuple(names) for subject, names in found.items()}
