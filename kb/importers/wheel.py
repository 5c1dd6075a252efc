"""Wheel metadata -> Turtle: a release and a wheel option of the framework that is distributed under the
wheel's name.

Only the archive's own metadata is read; nothing is unpacked and nothing is run.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from email.message import Message
from email.parser import HeaderParser
from pathlib import Path

from kb.errors import BadInput
from kb.importers.report import ImportReport, document, iri_name, literal, statement
from kb.store import archives, user_files
from kb.store.normalise import normalised
from kb.store.sources import shipped_sources
from kb.store.store import KnowledgeStore
from kb.store.terms import local_name, on, version_key

_LARGEST_METADATA = 1_000_000
_FRAMEWORKS = """SELECT DISTINCT ?name ?framework ?label WHERE {
  ?wheel on:optionOf kb:wheel ; on:appliedBy [ a on:PythonPackage ; on:name ?name ] ; on:needs ?release .
  ?release on:releaseOf ?framework . ?framework rdfs:label ?label .
  FILTER(STRSTARTS(?wheelName, ?name)) ?wheel on:wheelName ?wheelName }"""


def import_wheel(path: Path) -> ImportReport:
    """The release and the wheel that a `.whl` file or a METADATA file describes.

    Raises:
        BadInput: the file is not a wheel or its metadata, or no framework is distributed under that name.
    """
    metadata, megabytes = _metadata(path)
    name, version = metadata.get("Name", ""), metadata.get("Version", "")
    if not re.fullmatch(r"[A-Za-z0-9._-]+", name) or not re.fullmatch(r"[A-Za-z0-9.+!_-]+", version):
        raise BadInput(str(path), "has no name or version", expected="a wheel, or the METADATA file of one")
    known = _knowledge()
    frameworks = {
        row["name"].lower().split("[")[0]: (local_name(row["framework"]), row["label"])
        for row in known.select(_FRAMEWORKS)
    }
    capabilities = [local_name(iri) for iri in known.instances(on("Capability"))]
    if name.lower() not in frameworks:
        raise BadInput(
            str(path),
            f"no framework is distributed as '{name}'",
            expected="a wheel of a framework",
            given=name,
            known=frameworks,
        )
    framework, label = frameworks[name.lower()]
    public, _, local = version.partition("+")
    findings: list[str] = []
    package = f"pkg:pypi/{name.lower()}@{public}"
    option = _Option(name.lower(), public, local, f"{label} {public}", package)
    needs = [f"kb:{framework}", *_python(metadata, capabilities, findings)]
    device, glibc = _device(path, local, findings), _glibc(path, capabilities, findings)
    statements = [
        option.release(framework, needs),
        option.wheel(path, device, megabytes, _required(metadata), glibc),
    ]
    return ImportReport(document(f"{label} {version}, from its wheel", [package], statements), findings)


@dataclass(frozen=True)
class _Option:
    """What release and wheel share: distribution, public and local version, label, package URL."""

    name: str
    public: str
    local: str
    label: str
    package: str

    def release(self, framework: str, needs: list[str]) -> str:
        facts = [
            *self._common("framework_release", f"{self.name}-{self.public}", self.label),
            f"on:releaseOf kb:{framework}",
        ]
        facts += [
            f"on:needs {' , '.join(needs)}",
            f"skos:definition {literal(f'{self.label}, as its metadata describes it.')}@en",
        ]
        return statement(f"kb:{iri_name(f'{self.name}-{self.public}')}", facts)

    def wheel(
        self, path: Path, device: str, megabytes: int | None, required: list[str], glibc: list[str]
    ) -> str:
        version = f"{self.public}+{self.local}" if self.local else self.public
        notation = f"{self.name}-{self.public}-{device or 'wheel'}"
        facts = [
            *self._common("wheel", notation, f"{self.label}, {device or 'unknown'} build"),
            f"on:wheelName {literal(f'{self.name}-{version}')}",
        ]
        if device:
            facts.append(f"on:device {literal(device)}")
        if digits := re.sub(r"^[a-z]+", "", self.local):
            toolkit = digits if "." in digits else f"{digits[:-1]}.{digits[-1]}"
            facts.append(f"on:toolkit {literal(toolkit)}")
        if megabytes is not None:
            facts.append(f"on:megabytes {megabytes}")
        if required:
            facts.append(f"on:requires {' , '.join(map(literal, required))}")
        needs = [f"kb:{iri_name(f'{self.name}-{self.public}')}", *glibc]
        facts.append(f"on:needs {' , '.join(needs)}")
        facts.append(
            f"on:appliedBy [ a on:PythonPackage ; on:name {literal(self.name)} ; "
            f"on:value {literal(version)} ]"
        )
        facts.append(f"skos:definition {literal(f'The wheel {path.name}.')}@en")
        return statement(f"kb:{iri_name(notation)}", facts)

    def _common(self, decision: str, notation: str, label: str) -> list[str]:
        own_name = f" ; skos:notation {literal(notation)}" if notation != iri_name(notation) else ""
        return [
            f"a on:Option ; on:optionOf kb:{decision}{own_name} ; rdfs:label {literal(label)}@en",
            f"on:version {literal(self.public)} ; dct:source <{self.package}>",
        ]


def _device(path: Path, local: str, findings: list[str]) -> str:
    rule = normalised("wheel_local_version", local) if local else None
    if rule is None:
        remedy = "write the Turtle with -o FILE, state on:device by hand, then add that"
        findings.append(
            f"{path.name}: the version does not say for which device the wheel is built: {remedy}"
        )
        return ""
    return rule.normal_form


def _required(metadata: Message) -> list[str]:
    """Requirements that hold without any extra."""
    return [
        " ".join(line.split()) for line in metadata.get_all("Requires-Dist", []) if "extra ==" not in line
    ]


def _metadata(path: Path) -> tuple[Message, int | None]:
    if path.suffix != ".whl":
        return HeaderParser().parsestr(user_files.read_text(path)), None
    expected = "a .whl file with its metadata"
    text, installed = archives.zip_member(path, r"[^/]+\.dist-info/METADATA", _LARGEST_METADATA, expected)
    return HeaderParser().parsestr(text), round(installed / 1e6)


def _glibc(path: Path, capabilities: list[str], findings: list[str]) -> list[str]:
    """The glibc that the platform tags of the file name ask for; several tags name alternatives, the oldest
    wins.
    """
    found = [f"{major}.{minor}" for major, minor in re.findall(r"manylinux_(\d+)_(\d+)_", path.name)]
    found += [
        rule.normal_form
        for tag in re.findall(r"manylinux(?:1|20\d\d)(?=_[a-z])", path.name)
        if (rule := normalised("wheel_policy", tag))
    ]
    if not found:
        return []
    least = min(found, key=version_key)
    enough = [
        name for name in capabilities if name.startswith("glibc-") and version_key(name) >= version_key(least)
    ]
    if not enough:
        findings.append(f"{path.name}: asks for glibc {least}, which no known capability covers")
        return []
    nearest = min(enough, key=version_key)
    if nearest != f"glibc-{least}":
        findings.append(f"{path.name}: asks for glibc {least}; {nearest} is the nearest that is known")
    return [f"cap:{nearest}"]


def _python(metadata: Message, capabilities: list[str], findings: list[str]) -> list[str]:
    stated = metadata.get("Requires-Python", "")
    least = re.search(r">=\s*(\d+\.\d+)", stated)
    classified: set[str] = set()
    for line in metadata.get_all("Classifier", []):
        classified.update(re.findall(r":: (3\.\d+)$", line))
    tagged = sorted(classified, key=version_key)
    wanted = [f"python-at-least-{least[1]}"] if least else []
    wanted += [f"python-at-most-{tagged[-1]}"] if tagged else []
    if not least:
        findings.append(f"Requires-Python is '{stated}': the least Python is unknown")
    findings += [
        f"no capability is known as {name}: the limit is left out"
        for name in wanted
        if name not in capabilities
    ]
    return [f"cap:{name}" for name in wanted if name in capabilities]


def _knowledge() -> KnowledgeStore:
    store = KnowledgeStore()
    store.load_sources(
        source for source in shipped_sources() if source.name.startswith(("ontology/", "kb/facts/"))
    )
    store.complete()
    return store
