"""Targets: a machine or a node class, as the JSON of `ontune probe` and as RDF.

Which property holds which key of the JSON is stated in `ontology/hardware.ttl`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pyoxigraph as ox

from kb.errors import BadInput
from kb.records.fact_keys import fact_keys
from kb.records.names import Names
from kb.store.terms import PREFIXES, RDF_TYPE, on
from kb.values import Described, replace

if TYPE_CHECKING:
    from kb.store.store import KnowledgeStore

LOCAL = "local"
_OF_PROCESSORS, _TELLING = ("isa_level", "vendor", "features"), ("microarchitecture", "features", "model")
"""What follows of a processor, and from what."""
HARDWARE = "hardware"
"""The module of the ontology that says what is known of machines."""
_ACCELERATOR = re.compile(r"gpus\[(?P<place>\d+)\](?:\.(?P<key>\w+))?")


class Target(Described, frozen=True, eq=False):
    """What is known of a machine.

    Attributes:
        name: `local`, the shipped name, or the name of the file.
        facts: the JSON of `ontune probe`; null is unknown, and `overrides` maps the keys that a user has set
            to their values.
        where: what describes it (a file, a flag), for errors.
    """

    name: str
    facts: dict[str, Any]
    where: str = "target"

    def quads(self, node: ox.NamedNode, graph: ox.NamedNode, names: Names | None = None) -> list[ox.Quad]:
        """The facts as quads about `node`; what is unknown is stated as `on:unknownFact`; `names` is what
        names in them are looked up in.
        """
        found = [ox.Quad(node, ox.NamedNode(RDF_TYPE), ox.NamedNode(on("Target")), graph)]
        found += fact_keys(HARDWARE).quads(self.facts, node, graph, names=names)
        for key, value in self.facts["overrides"].items():
            found.append(
                ox.Quad(node, ox.NamedNode(on("override")), ox.Literal(f"{key}={json.dumps(value)}"), graph)
            )
        return found

    def unknown(self) -> list[str]:
        """The keys of all facts that are unknown, such as `glibc` and `gpus[0].driver`."""
        return fact_keys(HARDWARE).unknown(self.facts)

    def with_overrides(self, overrides: Mapping[str, Any]) -> Target:
        """The target with some facts set by hand; each is recorded in `overrides`.

        Args:
            overrides: JSON paths (`cpu.usable_cores`, `gpus[0].driver`, `gpus`) with values, or texts that
                are read as JSON or YAML.

        Raises:
            BadInput: a key is unknown, or a value has the wrong type.
        """
        facts, keys = self.facts, fact_keys(HARDWARE)
        recorded = dict(facts["overrides"])
        for path, value in overrides.items():
            facts = keys.assign(facts, path, value)
            recorded[path] = _at(facts, path)
            if path == "gpus":
                facts = replace(self, facts=facts).with_devices().facts
            elif accelerator := _ACCELERATOR.fullmatch(path):
                facts = _followed(facts, int(accelerator["place"]), accelerator["key"] or "", recorded)
        return replace(self, facts=facts | {"overrides": recorded})

    def set_by_hand(self, overrides: Mapping[str, Any], names: Names, where: str) -> Target:
        """As `with_overrides`, checked, with names as the knowledge base has them, and with what follows from
        the facts.

        Args:
            where: what the asker calls the overrides, for errors.
        """
        target = self.with_overrides(overrides).checked(where) if overrides else self
        target = target.named(names).with_products()
        for n, gpu in enumerate(target.facts["gpus"] or ()) if overrides else ():
            from kb.records.recognition import ended_driver

            if said := ended_driver(gpu):
                raise BadInput(where, f"gpus[{n}]: {said}", expected="facts of one accelerator")
        return target

    def checked(self, where: str) -> Target:
        """The target itself, if it has the shape of targets.

        Raises:
            BadInput: it has not; the message names `where` and the key.
        """
        from kb.records.fact_shapes import check_target  # what is shipped or probed was checked before

        check_target(self.to_turtle(), where)
        return self

    def named(self, names: Names) -> Target:
        """The target with each name in its facts as the knowledge base has it.

        Raises:
            BadInput: a name is unknown; the message names file and key, or the key that was set.
        """
        keys = fact_keys(HARDWARE)
        overrides = {
            path: keys.named_at(path, value, names) for path, value in self.facts["overrides"].items()
        }
        return replace(self, facts=keys.named(self.facts, names, self.where) | {"overrides": overrides})

    def with_products(self) -> Target:
        """The target with what follows from the facts of its processor and of its accelerators, such as from
        their names, where it was unknown.
        """
        facts = self.facts
        if any(facts["cpu"][key] is None for key in _OF_PROCESSORS) and any(
            facts["cpu"][key] is not None for key in _TELLING
        ):
            from kb.records import processors

            facts = facts | {"cpu": processors.completed(facts["cpu"])}
        if facts["gpus"]:
            from kb.records import recognition

            facts = facts | {"gpus": recognition.completed(facts["gpus"])}
        return replace(self, facts=facts)

    def with_devices(self) -> Target:
        """As `with_products`, where the accelerators are stated as products: one that is several devices
        counts as these.
        """
        if not self.facts["gpus"]:
            return self.with_products()
        from kb.records.recognition import as_devices

        return replace(self, facts=self.facts | {"gpus": as_devices(self.facts["gpus"])}).with_products()

    def to_json(self) -> dict[str, Any]:
        """The object that `ontune probe --format json` prints."""
        return self.facts

    def named_facts(self) -> dict[str, Any]:
        """Name and facts, as a plan carries them."""
        return {"name": self.name, **self.facts}

    def to_yaml(self) -> str:
        """The facts as YAML, readable by `load_target`."""
        import yaml

        return yaml.safe_dump(self.facts, sort_keys=False, allow_unicode=True, width=140)

    def to_turtle(self) -> str:
        """The facts as Turtle, readable by `load_target` and as a shipped target."""
        node = ox.NamedNode(PREFIXES["tgt"] + "".join(sign if sign.isalnum() else "-" for sign in self.name))
        triples = [ox.Triple(quad.subject, quad.predicate, quad.object) for quad in self.quads(node, node)]
        triples.append(ox.Triple(node, ox.NamedNode(PREFIXES["skos"] + "notation"), ox.Literal(self.name)))
        triples.append(
            ox.Triple(node, ox.NamedNode(PREFIXES["rdfs"] + "label"), ox.Literal(self.name, language="en"))
        )
        used = {prefix: PREFIXES[prefix] for prefix in ("on", "tgt", "uarch", "skos", "rdfs", "xsd")}
        return (ox.serialize(triples, format=ox.RdfFormat.TURTLE, prefixes=used) or b"").decode()


def complete_target(name: str, facts: Mapping[str, Any], where: str) -> Target:
    """A target from what somebody describes, which may be partial: with what follows from it, and null for
    what is not known.

    Raises:
        BadInput: a key is unknown, a value has the wrong type or breaks the shape of targets, or facts
            contradict each other; the message names `where` and the key.
    """
    return as_described(read_target(name, facts, where))


def read_target(name: str, facts: Mapping[str, Any], where: str) -> Target:
    """A target as it was written, such as in a plan: nothing is concluded from its facts; absent keys become
    null.

    Raises:
        BadInput: a key is unknown, or a value has the wrong type or breaks the shape of targets; the message
            names `where` and the key.
    """
    given = dict(facts)
    overrides = given.pop("overrides", None)
    overrides = {} if overrides is None else overrides
    if not isinstance(overrides, dict):
        raise BadInput(
            where, "key 'overrides' is not an object", expected="keys with the values that were set"
        )
    return Target(
        name, fact_keys(HARDWARE).completed(given, where) | {"overrides": overrides}, where
    ).checked(where)


def as_described(found: Target, store: KnowledgeStore | None = None) -> Target:
    """A target that somebody describes: its names as a knowledge base has them, its accelerators as devices,
    with what follows from them.

    Raises:
        BadInput: a name is unknown, or facts of an accelerator contradict each other.
    """
    described = found.named(store.names) if store else found
    _refuse_contradictions(described)
    return described.with_devices()


def _refuse_contradictions(target: Target) -> None:
    """Refuse facts that cannot be true together, such as a maker of an accelerator and another one's
    architecture.
    """
    if any(target.facts["cpu"][key] is not None for key in ("isa_level", *_TELLING)):
        from kb.records import processors

        if said := processors.contradiction(target.facts["cpu"]):
            raise BadInput(
                target.where,
                f"the facts of cpu contradict each other: {said}",
                expected="facts of one processor",
            )
    for n, gpu in enumerate(target.facts["gpus"] or ()):
        from kb.records.recognition import contradiction

        if said := contradiction(gpu):
            raise BadInput(
                target.where,
                f"the facts of gpus[{n}] contradict each other: {said}",
                expected="facts of one accelerator",
            )


def _followed(facts: dict[str, Any], place: int, key: str, recorded: Mapping[str, Any]) -> dict[str, Any]:
    """The facts with what follows from one fact of an accelerator that was set by hand."""
    from kb.records.recognition import changed

    by_hand = {
        match["key"]
        for path in recorded
        if (match := _ACCELERATOR.fullmatch(path)) and int(match["place"]) == place and match["key"]
    }
    gpus = list(facts["gpus"])
    gpus[place] = changed(gpus[place], key, by_hand)
    return facts | {"gpus": gpus}


def _at(facts: Mapping[str, Any], path: str) -> Any:
    value: Any = facts
    for step in path.replace("[", ".").replace("]", "").split("."):
        value = value[int(step)] if isinstance(value, list) else value[step]
    return value
