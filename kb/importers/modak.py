"""MODAK -> Turtle: its images with their labels, its sites, and the job requests that were put to it.

Labels are claims. A claim that breaks a shape is not imported: it becomes a doubt about the image, and a
finding.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

from kb.counts import positive
from kb.errors import BadInput
from kb.importers.report import ImportReport, document, iri_name, literal, statement
from kb.records.shapes import Violation, violations
from kb.store import files, user_files
from kb.store.normalise import normalised
from kb.store.terms import PREFIXES, local_name

_SOURCE = "https://github.com/SODALITE-EU/application-optimisation"
_IMAGES, _SITES = "knowledge/containers_29.json", "knowledge/infrastructures_2020.csv"


def import_modak(folder: Path) -> ImportReport:
    """Images, sites and requests of a folder with MODAK's knowledge.

    Raises:
        BadInput: the images or the sites are missing or malformed.
    """
    findings: list[str] = []
    images = _images(folder / _IMAGES)
    broken: dict[str, list[Violation]] = defaultdict(list)
    for found in violations(
        _document([statement(f"kb:{name}", _facts(claims)) for name, claims in images.items()]),
        "published-shapes.ttl",
    ):
        broken[found.focus.removeprefix(PREFIXES["kb"])].append(found)
    statements = [_image(name, claims, broken[name], findings) for name, claims in images.items()]
    statements += [
        _site(row, findings)
        for row in files.csv_of(user_files.read_text(folder / _SITES), str(folder / _SITES))
    ]
    for file in sorted([*folder.glob("requests/*.json"), *folder.glob("rejected/*.json")]):
        statements += _request(file, file.relative_to(folder).as_posix(), findings)
    return ImportReport(_document(statements), findings)


def _document(statements: list[str]) -> str:
    return document("MODAK: images, sites and requests", [_SOURCE], statements)


def _images(path: Path) -> dict[str, dict[str, list[str]]]:
    """Name of an image -> its claims, by property."""
    rows = files.json_of(user_files.read_text(path), str(path))
    found = {}
    try:
        for row in rows:
            target = row["target"]
            claims = {
                "imageReference": [row["container"]],
                "claimsApplication": [row["app"]],
                "claimsVersion": [row["features"].get("version") or row["version"] or ""],
                "claimsProcessor": [target.get("cpu_type", "")],
                "claimsAccelerator": [target.get("acc_type", "")],
                "claimsOptimisedBuild": [target.get("enable_opt_build", "")],
                "claimsFeature": sorted(
                    f"{key}={value}" for key, value in row["features"].items() if key != "version"
                ),
            }
            found[f"modak-image-{iri_name(row['id'].removeprefix('modak-'))}"] = {
                key: list(filter(None, values)) for key, values in claims.items()
            }
    except (KeyError, TypeError, AttributeError) as error:
        raise BadInput(
            str(path), f"an image lacks {error}", expected="the container rows of MODAK"
        ) from error
    return found


def _facts(claims: dict[str, list[str]]) -> list[str]:
    label = (claims.get("imageReference") or ["image"])[0]
    facts = [f"a on:PublishedImage ; rdfs:label {literal(label)}@en"]
    for term, values in claims.items():
        if values:
            written = [
                value if term == "claimsOptimisedBuild" and value in ("true", "false") else literal(value)
                for value in values
            ]
            facts.append(f"on:{term} {' , '.join(written)}")
    return facts


def _image(name: str, claims: dict[str, list[str]], broken: list[Violation], findings: list[str]) -> str:
    believed = dict(claims)
    doubts = []
    for found in broken:
        claim = local_name(found.path)
        doubts.append(f"{claim} is '{found.value}'; expected {found.message}")
        if found.severity == "Violation" and claim in believed:
            believed[claim] = [value for value in believed[claim] if value != found.value]
    findings += [f"{name}: {doubt}" for doubt in doubts]
    facts = _facts(believed)
    facts += [f"on:doubt {' , '.join(literal(doubt) for doubt in doubts)}"] if doubts else []
    return statement(f"kb:{name}", facts)


def _site(row: dict[str, str], findings: list[str]) -> str:
    name = row["name"]
    facts = [f"a on:Site ; rdfs:label {literal(row['desc'] or name)}@en"]
    if rule := normalised("scheduler", row["scheduler"]):
        facts.append(f"on:scheduler {literal(rule.normal_form)}")
    else:
        findings.append(
            f"site {name}: scheduler '{row['scheduler']}' has no declared normal form: left unknown"
        )
    if nodes := positive(row["num_nodes"]):
        facts.append(f"on:siteNodes {nodes}")
    facts += [f"on:siteMpi {literal(row['mpi'])}"] if row["mpi"] not in ("", "NULL") else []
    return statement(f"site:modak-{iri_name(name)}", facts)


def _request(file: Path, where: str, findings: list[str]) -> list[str]:
    try:
        content = files.json_of(user_files.read_text(file), where)
    except BadInput as error:
        findings.append(f"{error.where}: not imported: {error.problem}")
        return []
    content = content.get("request", content) if isinstance(content, dict) else {}
    job = content.get("job", content) if isinstance(content, dict) else {}
    optimisation = _member(job, "optimisation")
    if not optimisation and not _member(job, "application"):
        findings.append(f"{where}: not imported: neither an application nor an optimisation is asked for")
        return []
    label = (
        _member(job, "job_options").get("job_name")
        or _member(job, "application").get("app_tag")
        or user_files.name_of(file)
    )
    facts = [f"a on:JobRequest ; rdfs:label {literal(str(label))}@en"]
    name, version, features = _wish(optimisation)
    if name:
        facts.append(f"on:claimsApplication {literal(name)}")
    else:
        findings.append(f"{where}: names neither a framework nor an MPI library")
    facts += [f"on:claimsVersion {literal(version)}"] if version else []
    facts += [f"on:claimsFeature {' , '.join(literal(feature) for feature in features)}"] if features else []
    wanted = _member(optimisation, "opt_build")
    facts += [f"on:claimsProcessor {literal(str(wanted['cpu_type']))}"] if wanted.get("cpu_type") else []
    facts += [f"on:claimsAccelerator {literal(str(wanted['acc_type']))}"] if wanted.get("acc_type") else []
    if isinstance(optimisation.get("enable_opt_build"), bool):
        facts.append(f"on:claimsOptimisedBuild {str(optimisation['enable_opt_build']).lower()}")
    if site := _member(job, "target").get("name"):
        facts.append(f"on:atSite site:modak-{iri_name(str(site).replace('-', '_'))}")
    return [statement(f"kb:modak-request-{iri_name(where.removesuffix('.json').replace('/', '-'))}", facts)]


def _wish(optimisation: dict[str, Any]) -> tuple[str, str, list[str]]:
    """Framework or MPI library, its version, and its further switches, wherever the request keeps them."""
    for kind, choice in (("app_type-ai_training", "ai_framework"), ("app_type-hpc", "parallelisation")):
        section = _member(optimisation, kind)
        name = str(_member(section, "config").get(choice) or "")
        details = _member(section, f"{choice}-{name}")
        if name:
            switches = sorted(
                f"{key}={str(value).lower()}" for key, value in details.items() if isinstance(value, bool)
            )
            return str(details.get("library") or name), str(details.get("version") or ""), switches
    return "", "", []


def _member(value: Any, name: str) -> dict[str, Any]:
    member = value.get(name) if isinstance(value, dict) else None
    return member if isinstance(member, dict) else {}
