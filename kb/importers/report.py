"""What an importer gives back, and the few pieces of Turtle that all importers write."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date

from kb.store.terms import PREFIXES


@dataclass(frozen=True)
class ImportReport:
    """The outcome of an import.

    Attributes:
        turtle: the facts, as a whole Turtle file.
        findings: what was normalised, doubted or left out, one sentence each, with the place in the source.
            Nothing is dropped in silence.
    """

    turtle: str
    findings: list[str] = field(default_factory=list)


def document(
    label: str, sources: Iterable[str], statements: Iterable[str], checked: str | None = None
) -> str:
    """A whole Turtle file of facts.

    Args:
        label: what the file holds.
        sources: IRIs of what the facts come from.
        statements: Turtle statements that use the prefixes of the house.
        checked: the day (ISO 8601) on which the facts were compared with their source; without it, today.
    """
    derived = " , ".join(f"<{source}>" for source in sources)
    day = checked or date.today().isoformat()
    about = f"<> a on:SourceFile ; rdfs:label {literal(label)}@en ; prov:wasDerivedFrom {derived} ;\n"
    about += f'    on:checked "{day}"^^xsd:date ; on:status on:Current .'
    body = "\n".join(["", about, "", *statements, ""])
    used = set(re.findall(r"(?:^|[\s(\[^])([a-z]+):(?=[^/\s])", body))
    return (
        "".join(f"@prefix {prefix}: <{PREFIXES[prefix]}> .\n" for prefix in PREFIXES if prefix in used) + body
    )


def statement(subject: str, facts: Iterable[str]) -> str:
    """One Turtle statement: a subject with its facts, each a predicate with its objects."""
    return f"{subject} " + " ;\n    ".join(facts) + " ."


def literal(text: str) -> str:
    """A Turtle string; whatever stands in the source cannot leave its quotes."""
    return json.dumps(text, ensure_ascii=False)


def iri_name(text: str) -> str:
    """A text as the last part of an IRI: letters, digits, dot and hyphen stay, everything else becomes a
    hyphen.
    """
    kept = "".join(sign if sign.isascii() and (sign.isalnum() or sign in ".-") else "-" for sign in text)
    return "-".join(part for part in kept.split("-") if part).strip(".")
