"""Results of paired training runs -> Turtle: convergence evidence for a precision, by framework and kind of
network.

The results are the JSON files that the workload programs write (`generators/payload/convergence.py`). Only
those that hold, with enough pairs, become evidence; every other one is a finding.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kb.errors import BadInput
from kb.importers.report import ImportReport, document, iri_name, literal, statement
from kb.records.workload import load_workload
from kb.store import files

LEAST_PAIRS = 5


def import_convergence(path: Path) -> ImportReport:
    """The evidence in a folder of results, or in one.

    Raises:
        BadInput: a file is not such a result, or its network is no workload that is known.
    """
    statements, findings, days, versions = [], [], set[str](), set[str]()
    for file in sorted(path.glob("*.json")) if path.is_dir() else [path]:
        result = _read(file)
        try:
            pairs = len(result["pairs"])
            if why := _doubt(result, pairs):
                findings.append(
                    f"{file.name}: no evidence for {result['precision']} in {result['network']} "
                    f"with {result['framework']}: {why}"
                )
                continue
            statements.append(_evidence(result, load_workload(result["network"]).to_json()["traits"]))
            days.add(result["date"])
            versions |= {
                f"pkg:pypi/{name}@{version.partition('+')[0]}"
                for name, version in result["versions"].items()
                if name != "python"
            }
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise BadInput(
                str(file),
                "is not a result of paired runs",
                expected="what convergence.py writes",
                given=repr(error),
            ) from error
    if not statements:
        return ImportReport("", [*findings, f"{path}: nothing that holds"])
    return ImportReport(
        document("paired training runs on the digits", sorted(versions), statements, max(days)), findings
    )


def _read(file: Path) -> Mapping[str, Any]:
    result = files.json_of(files.read_text(file), str(file), "what convergence.py writes")
    if not isinstance(result, dict):
        raise BadInput(str(file), "is not a result of paired runs", expected="an object")
    return result


def _doubt(result: Mapping[str, Any], pairs: int) -> str:
    """Why a result is no evidence; empty where it is."""
    if pairs < LEAST_PAIRS:
        return f"{pairs} pairs, of {LEAST_PAIRS} that are needed"
    return "" if result["holds"] else "the quality was not reached within the margin"


def _evidence(result: Mapping[str, Any], traits: list[str]) -> str:
    precision, framework, network = (
        iri_name(str(result[key])) for key in ("precision", "framework", "network")
    )
    versions = ", ".join(f"{name} {version}" for name, version in result["versions"].items())
    story = (
        f"{result['validation_samples']} samples held out; {versions}; {result['cpu']}. "
        f"Repeat it by: {_command(result)}"
    )
    label = f"{precision} reaches the quality of fp32: {network}, {framework}"
    facts = [
        f"a on:ConvergenceEvidence ; rdfs:label {literal(label)}@en",
        f"on:option kb:{precision} ; on:given kb:{framework}",
        f"on:when {' , '.join(f'sit:{iri_name(trait)}' for trait in sorted(traits))}",
        f"on:dataSet {literal(result['data'])} ; on:metric {literal(result['metric'])} ; "
        f"on:seeds {len(result['pairs'])}",
        f"on:leastQuality {_decimal(result['quality'])} ; on:margin {_decimal(result['margin'])}",
        f"on:meanDifference {_decimal(result['mean_difference'])}",
        *(
            f"on:pair [ a on:SeedPair ; on:seed {int(pair['seed'])} ; "
            f"on:exactQuality {_decimal(pair['fp32'])} ; "
            f"on:optionQuality {_decimal(pair[result['precision']])} ]"
            for pair in result["pairs"]
        ),
        f"skos:definition {literal(story)}@en",
    ]
    return statement(f"obs:convergence-{precision}-{framework}-{network}", facts)


def _command(result: Mapping[str, Any]) -> str:
    """What runs the same pairs again, beside the workload programs."""
    asked = {key: result[key] for key in ("framework", "network", "precision", "epochs")} | {
        "seeds": len(result["pairs"])
    }
    words = [f"--{key} {value}" for key, value in asked.items()]
    words += [f"--parameter {name}={value:g}" for name, value in result["parameters"].items()]
    words += [f"--setting {name}={value}" for name, value in result["settings"].items()]
    return " ".join(["python convergence.py", *words])


def _decimal(number: float) -> str:
    """Turtle's decimal: without an exponent, with a point."""
    return f"{float(number):.4f}"
