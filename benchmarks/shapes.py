"""How fast shapes are validated by pyshifty against pySHACL, with the same report; prints a table, and JSON
with `--json FILE`.

Data: hosts with six property shapes and one SPARQL constraint, one in twenty of them at fault. Processor
    time, both engines in this process.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import pyoxigraph as ox

from kb.records.shapes import Engine, Violation, validate

SHAPES = """
@prefix sh: <http://www.w3.org/ns/shacl#> . @prefix : <http://example.org/> . @prefix xsd: <http://www.w3.org/2001/XMLSchema#> .
:prefixes sh:declare [ sh:prefix "ex" ; sh:namespace "http://example.org/"^^xsd:anyURI ] .
:HostShape a sh:NodeShape ; sh:targetClass :Host ;
    sh:property [ sh:path :name ; sh:minCount 1 ; sh:datatype xsd:string ] , [ sh:path :cores ; sh:minCount 1 ; sh:maxCount 1 ; sh:minInclusive 1 ] ,
        [ sh:path :memory ; sh:minCount 1 ; sh:datatype xsd:integer ] , [ sh:path :level ; sh:in ( "v1" "v2" "v3" "v4" ) ] ,
        [ sh:path :site ; sh:class :Site ] , [ sh:path :glibc ; sh:pattern "^[0-9]+[.][0-9]+$" ] ;
    sh:sparql [ sh:prefixes :prefixes ; sh:message "more usable cores than cores" ;
        sh:select "SELECT $this ?value WHERE { $this ex:usable ?value ; ex:cores ?cores . FILTER(?value > ?cores) }" ] .
"""


@dataclass(frozen=True)
class Result:
    """One size: focus nodes, results found, processor time in seconds, and whether both reports are equal."""

    nodes: int
    results: int
    shifty_s: float
    pyshacl_s: float
    ratio: float
    equal: bool


def hosts(count: int, seed: int = 1) -> ox.Store:
    """Hosts, one in twenty with a fault."""
    chance = random.Random(seed)
    lines = ["@prefix : <http://example.org/> . :here a :Site ."]
    for number in range(count):
        cores = chance.choice([8, 32, 64, 128])
        fault = chance.choice(["name", "usable", "level", "glibc"]) if number % 20 == 0 else ""
        name = "" if fault == "name" else f':name "h{number}" ;'
        usable = cores + 1 if fault == "usable" else cores
        level = "v9" if fault == "level" else chance.choice(["v2", "v3", "v4"])
        glibc = "new" if fault == "glibc" else "2.36"
        lines.append(
            f':h{number} a :Host ; {name} :cores {cores} ; :usable {usable} ; :memory 64 ; :level "{level}" ; :site :here ; :glibc "{glibc}" .'
        )
    store = ox.Store()
    store.load("\n".join(lines), format=ox.RdfFormat.TURTLE)
    return store


def measure(nodes: int, repeat: int) -> Result:
    """One row of the table: the best of several validations by pyshifty against one by pySHACL."""
    shapes = ox.Store()
    shapes.load(SHAPES, format=ox.RdfFormat.TURTLE)
    data = hosts(nodes)

    def timed(engine: Engine) -> tuple[float, list[Violation]]:
        start = time.process_time()
        found = validate(data, shapes, engine)
        return time.process_time() - start, found

    fast = [timed("shifty") for _ in range(repeat)]
    slow_s, slow = timed("pyshacl")
    fast_s = min(seconds for seconds, _ in fast)

    def told(found: list[Violation]) -> list[tuple[str, ...]]:
        return [(one.focus, one.path, one.severity, one.value, one.component) for one in found]

    return Result(nodes, len(slow), fast_s, slow_s, slow_s / fast_s, told(fast[0][1]) == told(slow))


def main() -> None:
    """Measure two sizes, print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--json", type=Path, metavar="FILE")
    arguments = parser.parse_args()
    measure(10, 1)  # what both engines import is not measured
    print(f"{'nodes':>7}{'results':>9}{'shifty s':>10}{'pyshacl s':>11}{'ratio':>8}{'equal':>7}")
    results = []
    for nodes in (100, 1_000):
        row = measure(nodes, arguments.repeat)
        results.append(asdict(row))
        print(
            f"{row.nodes:>7}{row.results:>9}{row.shifty_s:>10.3f}{row.pyshacl_s:>11.2f}{row.ratio:>7.0f}x{'yes' if row.equal else 'NO':>7}",
            flush=True,
        )
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
