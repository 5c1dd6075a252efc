"""What others have published, as samples that estimators learn from."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pyoxigraph as ox

from kb.observations.learning.additive import Declared, Sample
from kb.records.recognition import product_of
from kb.store import paths
from kb.store.terms import local_name

_QUERY = """
PREFIX on: <https://w3id.org/ontune#>
SELECT ?result ?benchmark ?round ?submitter ?minutes ?system ?nodes ?accelerators ?model ?memory ?doubt
WHERE {
  ?result a on:PublishedResult ; on:benchmark ?benchmark ; on:publishedIn ?round ; on:submitter ?submitter .
  ?result on:minutesToTarget ?minutes ; on:measuredOn ?system .
  ?system on:nodes ?nodes ; on:accelerators ?accelerators ; on:gpu ?gpu . ?gpu on:model ?model .
  OPTIONAL { ?gpu on:memoryGib ?memory } OPTIONAL { ?result on:doubt ?doubt } }"""


def published_results(asked: Declared, *, doubted: bool = False) -> tuple[list[Sample], list[str]]:
    """The published results as samples, and those that are left out, a sentence each.

    Args:
        asked: names the evidence (`source`), and what benchmarks of other rounds are called (`names`).
        doubted: also those that something speaks against.
    """
    store = ox.Store()
    for path in sorted((paths.shipped("evidence") / asked.declared["source"]).glob("*.ttl")):
        store.load(path=str(path), format=ox.RdfFormat.TURTLE, base_iri="file:")
    found: dict[str, Sample] = {}
    left_out: dict[str, str] = {}
    for row in _rows(store):
        name = local_name(row["result"])
        if row.get("doubt") and not doubted:
            left_out[name] = f"{name}: {row['doubt']}"
            continue
        gpu = {"model": row["model"], "memory_gib": float(row["memory"]) if row.get("memory") else None}
        product = product_of(gpu)
        if product is None or not product.half_peak or not product.bandwidth:
            left_out[name] = f"{name}: of {row['model']} no peak is known"
            continue
        devices = int(row["nodes"]) * int(row["accelerators"])
        benchmark = asked.declared["names"]["benchmark"].get(row["benchmark"], row["benchmark"])
        found[name] = Sample(
            math.log(float(row["minutes"])),
            {
                "benchmark": benchmark,
                "accelerator": product.name,
                "architecture": product.architecture.arch or "",
                "devices": str(devices),
            },
            product.numbers | {"devices": float(devices)},
            {
                "accelerator": product.name,
                "system": f"{row['submitter']} {row['system']}",
                "round": row["round"],
            },
            (name,),
        )
    return [found[name] for name in sorted(found)], [left_out[name] for name in sorted(left_out)]


def _rows(store: ox.Store) -> list[Mapping[str, str]]:
    solutions: Any = store.query(_QUERY)
    names = [variable.value for variable in solutions.variables]
    rows: list[Mapping[str, str]] = []
    for solution in solutions:
        columns = zip(names, solution, strict=True)
        rows.append({name: value.value for name, value in columns if value is not None})
    return rows
