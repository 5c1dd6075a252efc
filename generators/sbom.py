"""The software bill of materials of a bundle, in SPDX 2.3."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from .lock import Locked
from .recipe import Recipe

if TYPE_CHECKING:
    from spdx_tools.spdx.model.document import Document
    from spdx_tools.spdx.model.file import File
    from spdx_tools.spdx.model.package import Package

_ROOT = "SPDXRef-Bundle"


def write(recipe: Recipe, files: Mapping[str, bytes], locked: Sequence[Locked] = ()) -> str:
    """The bill as JSON. The tests have it validated by the library that writes it, which takes longer than writing all else.

    Args:
        recipe: what is installed.
        files: contents of the bundle's files by their path.
        locked: all Python packages, where the bundle is locked; else those that the plan pins are listed.
    """
    from spdx_tools.spdx.writer.json.json_writer import write_document_to_stream

    stream = io.StringIO()
    write_document_to_stream(_document(recipe, files, locked), stream, validate=False)
    return stream.getvalue() + "\n"


def _document(recipe: Recipe, files: Mapping[str, bytes], locked: Sequence[Locked]) -> Document:
    from spdx_tools.spdx.model.actor import Actor, ActorType
    from spdx_tools.spdx.model.document import CreationInfo, Document
    from spdx_tools.spdx.model.relationship import Relationship, RelationshipType

    info = CreationInfo(
        spdx_version="SPDX-2.3",
        spdx_id="SPDXRef-DOCUMENT",
        name=f"plan {recipe.plan_id}",
        document_namespace=f"https://w3id.org/ontune/sbom/{recipe.plan_id}",
        creators=[Actor(ActorType.TOOL, "ontune")],
        created=_created(),
        document_comment=None if locked else "Python packages that the pinned ones require are named in the image: /opt/ontune/python-packages.txt",
    )
    root = _package(_ROOT, f"{recipe.program.title} ({recipe.program.framework})", recipe.plan_id, "")
    parts = list(_parts(recipe, locked))
    contents = [_file(number, path, content) for number, (path, content) in enumerate(sorted(files.items()))]
    relations = [Relationship("SPDXRef-DOCUMENT", RelationshipType.DESCRIBES, _ROOT)]
    relations += [Relationship(_ROOT, RelationshipType.DEPENDS_ON, part.spdx_id) for part in parts]
    relations += [Relationship("SPDXRef-DOCUMENT", RelationshipType.DESCRIBES, file.spdx_id) for file in contents]
    return Document(info, packages=[root, *parts], files=contents, relationships=relations)


def _parts(recipe: Recipe, locked: Sequence[Locked]) -> Iterator[Package]:
    if base := recipe.header("From"):
        yield _package("SPDXRef-Base", base, "", "")
    for number, entry in enumerate(recipe.system_packages):
        yield _package(f"SPDXRef-System-{number}", entry.name, entry.value, f"pkg:deb/{entry.name}")
    python = locked or [Locked(entry.name.partition("[")[0], entry.value, "") for entry in recipe.python_packages]
    for number, package in enumerate(python):
        yield _package(f"SPDXRef-Python-{number}", package.name, package.version, f"pkg:pypi/{package.name.lower()}", package.sha256)


def _package(spdx_id: str, name: str, version: str, locator: str, sha256: str = "") -> Package:
    from spdx_tools.spdx.model.checksum import Checksum, ChecksumAlgorithm
    from spdx_tools.spdx.model.package import ExternalPackageRef, ExternalPackageRefCategory, Package
    from spdx_tools.spdx.model.spdx_no_assertion import SpdxNoAssertion

    reference = f"{locator}@{version.replace('+', '%2B')}" if version else locator
    return Package(
        spdx_id,
        name,
        SpdxNoAssertion(),
        version=version or None,
        files_analyzed=False,
        checksums=[Checksum(ChecksumAlgorithm.SHA256, sha256)] if sha256 else [],
        external_references=[ExternalPackageRef(ExternalPackageRefCategory.PACKAGE_MANAGER, "purl", reference)] if locator else [],
    )


def _file(number: int, path: str, content: bytes) -> File:
    from spdx_tools.spdx.model.checksum import Checksum, ChecksumAlgorithm
    from spdx_tools.spdx.model.file import File

    # SPDX asks for SHA-1; the other one is for those who check.
    sums = [
        Checksum(ChecksumAlgorithm.SHA1, hashlib.sha1(content, usedforsecurity=False).hexdigest()),
        Checksum(ChecksumAlgorithm.SHA256, hashlib.sha256(content).hexdigest()),
    ]
    return File(f"./{path}", f"SPDXRef-File-{number}", sums)


def _created() -> datetime:
    """The time, or the one that the user wants every product to carry."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH", "")
    return datetime.fromtimestamp(int(epoch), UTC).replace(tzinfo=None) if epoch.isdigit() else datetime.now(UTC).replace(tzinfo=None, microsecond=0)
