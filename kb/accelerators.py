"""Accelerators as products (`kb/facts/accelerators/` and the user's additions): what a product's name tells that a driver does not say."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import pyoxigraph as ox

from kb.named import shipped_and_added, values_of
from kb.terms import PREFIXES, RDF_TYPE, on

_FOLDER = "accelerators"
_NAMES = (PREFIXES["rdfs"] + "label", PREFIXES["skos"] + "altLabel")


@dataclass(frozen=True)
class Product:
    """One product.

    Attributes:
        words: the words of its name, all of which a driver's name for it must have.
        facts: what follows for an accelerator of a target, by the keys of its JSON.
    """

    words: frozenset[str]
    facts: dict[str, Any]


def completed(gpus: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The accelerators of a target, with what their product names tell where it is unknown; names that are not known change nothing.

    Args:
        gpus: objects with the keys of `gpus[]`.
    """
    incomplete = any(gpu.get("model") and gpu.get("arch") is None for gpu in gpus)
    return [_completed(gpu, products()) for gpu in gpus] if incomplete else gpus


def _completed(gpu: dict[str, Any], known: Iterable[Product]) -> dict[str, Any]:
    name = words_of(gpu.get("model") or "")
    known = list(known)
    fitting = [product for product in known if product.words <= name]
    closest = max((len(product.words) for product in fitting), default=0)
    # A scheduler says less than a driver: its short name may be any of several products, of which only what they share is told.
    candidates = [
        product.facts for product in known if (product in fitting and len(product.words) == closest) or (not fitting and name <= product.words)
    ]
    if gpu.get("mig") not in (None, "none"):
        candidates = [facts | {"memory_gib": None} for facts in candidates]  # a slice has less than the product
    told = {key: candidates[0][key] for key in (candidates[0] if candidates else ()) if all(facts[key] == candidates[0][key] for facts in candidates)}
    return {key: told.get(key) if value is None else value for key, value in gpu.items()}


def words_of(name: str) -> frozenset[str]:
    """The words of a product's name: `NVIDIA A100-SXM4-80GB` has nvidia, a100, sxm4 and 80gb."""
    return frozenset(re.findall(r"[a-z0-9]+", name.lower()))


def products() -> list[Product]:
    """All products, shipped and added, once for each of their names."""
    store = shipped_and_added(_FOLDER)
    first = functools.partial(_first, store)
    found = []
    for typed in store.quads_for_pattern(None, ox.NamedNode(RDF_TYPE), ox.NamedNode(on("Accelerator")), None):
        architecture = first(typed.subject, on("architecture"))
        memory = first(typed.subject, on("memoryGib"))
        facts = {
            "vendor": _text(first(architecture, on("maker"))),
            "arch": _text(first(architecture, on("arch"))),
            "compute_capability": _text(first(architecture, on("computeCapability"))),
            "memory_gib": float(memory.value) if memory else None,
        }
        names = [name for term in _NAMES for name in values_of(store, typed.subject, term)] if isinstance(typed.subject, ox.NamedNode) else []
        found += [Product(words_of(name.value), facts) for name in names]
    return found


def _first(store: ox.Store, node: Any, property_iri: str) -> Any:
    return next(iter(values_of(store, node, property_iri)), None) if node is not None else None


def _text(term: Any) -> str | None:
    return None if term is None else str(term.value)
