"""Draw facts of the knowledge base by a seed, for somebody to hold each against a source that they open.

    python -m benchmarks.audit_draw --seed 9 --facts 300 > docs/audits/DATE.tsv

Drawn are statements about the world: what a thing needs, brings, is built with, measures. What is only said
of the knowledge base itself (labels, notations, keys that follow from versions, its own measurements and
example machines) is not. One property alone fills at most a tenth of the draw.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Iterator
from pathlib import Path

import pyoxigraph as ox

from kb.store import paths
from kb.store.terms import local_name, on, prefixed

_NO_CLAIM = {
    "appliedBy", "checked", "cudaMajorKey", "default", "defaultWith", "field", "given", "minDriverKey", "network", "normalForm", "numerics",
    "ofField", "option", "optionOf", "criterion", "when", "ratio", "low", "high", "probedBy", "spelling", "support", "takes", "unchecked",
    "unverified", "meant", "name", "value", "batchSize", "classes", "parameterCount", "trait", "imageSize", "channels", "sequenceLength",
}  # fmt: skip
_OWN_FOLDERS = ("targets", "workloads", "effects")
_MOST_OF_ONE = 10


def claims() -> Iterator[tuple[str, str, str, str]]:
    """Every claim as file, subject, property and value, in a stable order."""
    root = paths.shipped("facts")
    for path in sorted(root.rglob("*.ttl")):
        name = path.relative_to(root)
        if name.parts[0] in _OWN_FOLDERS:
            continue
        found = ox.parse(path=str(path), format=ox.RdfFormat.TURTLE, base_iri=path.as_uri())
        yield from sorted((str(name), *claim) for quad in found if (claim := _claim(quad, path)))


def _claim(quad: ox.Quad, path: Path) -> tuple[str, str, str] | None:
    subject, about, value = quad.subject, quad.predicate.value, quad.object
    own = about.startswith(on("")) and local_name(about) not in _NO_CLAIM and not about.endswith("Key")
    if (
        not own
        or not isinstance(subject, ox.NamedNode)
        or subject.value == path.as_uri()
        or isinstance(value, ox.BlankNode | ox.Triple)
    ):
        return None
    return prefixed(subject.value), prefixed(about), prefixed(value.value)


def drawn(seed: int, count: int) -> list[tuple[str, str, str, str]]:
    """As many claims as wanted, drawn by the seed; no property has more than a tenth of them."""
    chance = random.Random(seed)
    found = list(claims())
    chance.shuffle(found)
    taken: dict[str, int] = {}
    kept = []
    for claim in found:
        taken[claim[2]] = taken.get(claim[2], 0) + 1
        if taken[claim[2]] <= count // _MOST_OF_ONE and len(kept) < count:
            kept.append(claim)
    return sorted(kept)


def main() -> None:
    """Print the draw as a table with empty columns for source and verdict."""
    parser = argparse.ArgumentParser(description="Draw facts to be audited.")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--facts", type=int, default=300)
    chosen = parser.parse_args()
    print(
        "file\tsubject\tproperty\tvalue\tsource\tverdict",
        *("\t".join((*claim, "", "")) for claim in drawn(chosen.seed, chosen.facts)),
        sep="\n",
    )
    print(f"{len(list(claims()))} claims in all", file=sys.stderr)


if __name__ == "__main__":
    main()
