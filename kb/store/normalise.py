"""Declared normalisations (`kb/facts/normalisations.ttl`): differing spellings of one value, from a probe or
an import, brought to one form.
"""

from __future__ import annotations

import functools
import re

import pyoxigraph as ox

from kb.records.resources import values_of
from kb.store import paths
from kb.store.terms import RDF_TYPE, on
from kb.values import Value, replace


class Normalisation(Value, frozen=True):
    """One normalisation.

    Attributes:
        spelling: what the whole value must match.
        normal_form: what is written instead.
        vendor: the maker of the accelerator that is meant, or the empty text.
    """

    spelling: re.Pattern[str]
    normal_form: str
    vendor: str


@functools.cache
def rules(field: str) -> tuple[Normalisation, ...]:
    """The rules of a field, in a stable order."""
    store = ox.Store()
    store.load(
        path=str(paths.shipped("facts") / "normalisations.ttl"), format=ox.RdfFormat.TURTLE, base_iri="file:"
    )
    found = []
    for typed in store.quads_for_pattern(
        None, ox.NamedNode(RDF_TYPE), ox.NamedNode(on("Normalisation")), None
    ):
        if not isinstance(typed.subject, ox.NamedNode):
            continue
        stated = {}
        for name in ("ofField", "spelling", "normalForm", "gpuVendor"):
            stated[name] = [term.value for term in values_of(store, typed.subject, on(name))]
        if stated["ofField"] == [field]:
            vendor = (stated["gpuVendor"] or [""])[0]
            found += [
                Normalisation(re.compile(spelling, re.IGNORECASE), stated["normalForm"][0], vendor)
                for spelling in stated["spelling"]
            ]
    return tuple(sorted(found, key=lambda rule: rule.spelling.pattern))


def normalised(field: str, value: str) -> Normalisation | None:
    """The rule that matches a value, its normal form filled with the groups of the spelling; or None: then
    the value must be reported.
    """
    plain = " ".join(value.split())
    for rule in rules(field):
        if match := rule.spelling.fullmatch(plain):
            return replace(rule, normal_form=match.expand(rule.normal_form))
    return None
