"""How fast the OWL 2 RL closure is against owlrl, with nothing missing; prints a table, and JSON with `--json
FILE`.

Both run in this process, one after the other, and are measured in processor time, so that what else the
machine does weighs on neither.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import pyoxigraph as ox

from benchmarks.university import university
from reasoner.knowledge.closure import close
from tests.oracles import owlrl_oracle


@dataclass(frozen=True)
class Result:
    """One data set: sizes in triples, processor time in seconds, and the statements that only one of the two
    derives (tautologies aside).
    """

    data: str
    stated: int
    inferred: int
    closure_s: float
    owlrl_s: float
    ratio: float
    missing: int
    further: int


def brick(version: str) -> str:
    """A release of the Brick ontology, as the package brickschema ships it."""
    package = importlib.util.find_spec("brickschema")
    if package is None or package.origin is None:
        raise SystemExit("this benchmark needs the package brickschema: pip install 'ontune[check]'")
    return (Path(package.origin).parent / "ontologies" / version / "Brick.ttl").read_text(encoding="utf-8")


def measure(name: str, turtle: str, repeat: int) -> Result:
    """One row of the table: the best of several closures against one run of owlrl."""
    taken = []
    for _ in range(repeat):
        store = ox.Store()
        store.bulk_load(turtle.encode(), format=ox.RdfFormat.TURTLE)
        stated = len(store)
        start = time.process_time()
        report = close(store, ox.NamedNode("http://example.org/inferred"))
        taken.append(time.process_time() - start)
    graph = owlrl_oracle.parse(turtle)
    start = time.process_time()
    owlrl_oracle.expand(graph)
    owlrl_s = time.process_time() - start
    theirs, ours = owlrl_oracle.statements(graph), owlrl_oracle.statements_of_store(store)
    return Result(
        name,
        stated,
        report.added,
        min(taken),
        owlrl_s,
        owlrl_s / min(taken),
        len(theirs - ours),
        len(ours - theirs),
    )


def main() -> None:
    """Measure every data set, print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--json", type=Path, metavar="FILE")
    arguments = parser.parse_args()
    data = {
        "university 10k": university(10_000),
        "Brick 1.3": brick("1.3"),
        "university 100k": university(100_000),
    }
    print(
        f"{'data':<18}{'stated':>9}{'inferred':>10}{'closure s':>11}{'owlrl s':>10}{'ratio':>8}{'missing':>9}{'further':>9}"
    )
    results = []
    for name, turtle in data.items():
        row = measure(name, turtle, arguments.repeat)
        results.append(asdict(row))
        times = f"{row.closure_s:>11.3f}{row.owlrl_s:>10.1f}{row.ratio:>7.0f}x"
        print(
            f"{row.data:<18}{row.stated:>9}{row.inferred:>10}{times}{row.missing:>9}{row.further:>9}",
            flush=True,
        )
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
