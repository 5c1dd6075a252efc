"""Namespaces and IRIs. Terms of the ontology are spelt here once; no term of the field (a flag, a GPU, a
release) ever is.
"""

from __future__ import annotations

import re
from typing import Final

ON: Final = "https://w3id.org/ontune#"
KB: Final = "https://w3id.org/ontune/kb/"
FILE: Final = "https://w3id.org/ontune/file/"
KNOWLEDGE: Final = "https://w3id.org/ontune/knowledge"

PREFIXES: Final[dict[str, str]] = {
    "on": ON,
    "kb": KB,
    "cap": "https://w3id.org/ontune/capability/",
    "sit": "https://w3id.org/ontune/situation/",
    "eff": "https://w3id.org/ontune/effect/",
    "est": "https://w3id.org/ontune/estimator/",
    "rule": "https://w3id.org/ontune/rule/",
    "shape": "https://w3id.org/ontune/shape/",
    "tgt": "https://w3id.org/ontune/target/",
    "wl": "https://w3id.org/ontune/workload/",
    "site": "https://w3id.org/ontune/site/",
    "obs": "https://w3id.org/ontune/observation/",
    "uarch": "https://w3id.org/ontune/microarchitecture/",
    "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
    "rdfs": "http://www.w3.org/2000/01/rdf-schema#",
    "owl": "http://www.w3.org/2002/07/owl#",
    "xsd": "http://www.w3.org/2001/XMLSchema#",
    "sh": "http://www.w3.org/ns/shacl#",
    "skos": "http://www.w3.org/2004/02/skos/core#",
    "dct": "http://purl.org/dc/terms/",
    "prov": "http://www.w3.org/ns/prov#",
    "sosa": "http://www.w3.org/ns/sosa/",
    "qudt": "http://qudt.org/schema/qudt/",
    "unit": "http://qudt.org/vocab/unit/",
    "schema": "https://schema.org/",
    "spdx": "https://spdx.org/rdf/3.0.1/terms/",
    "mls": "http://www.w3.org/ns/mls#",
}

RDF_TYPE: Final = PREFIXES["rdf"] + "type"


def on(name: str) -> str:
    """The IRI of an Ontune term."""
    return ON + name


def local_name(iri: str) -> str:
    """The part of an IRI behind its last `/` or `#`: the short name that people type."""
    return iri.replace("#", "/").rsplit("/", 1)[-1]


def version_key(version: str) -> str:
    """A version with each number padded to four digits, so that the order of text is the order of versions:
    `2.13.0` is `0002.0013.0000`.

    A local part behind `+` does not count.
    """
    return ".".join(part.zfill(4) for part in re.findall(r"\d+", version.split("+")[0]))


def prefixed(iri: str) -> str:
    """An IRI with its prefix, such as `rule:ended`; the IRI itself where no prefix fits, or the rest is none
    that could be typed.
    """
    fitting = [
        (len(namespace), prefix) for prefix, namespace in PREFIXES.items() if iri.startswith(namespace)
    ]
    if not fitting or "/" in iri[max(fitting)[0] :]:
        return iri
    length, prefix = max(fitting)
    return f"{prefix}:{iri[length:]}"


def expand(name: str) -> str:
    """The IRI behind `prefix:name`; a name with another prefix, or with none, is returned as it is."""
    prefix, colon, local = name.partition(":")
    return PREFIXES[prefix] + local if colon and prefix in PREFIXES else name
