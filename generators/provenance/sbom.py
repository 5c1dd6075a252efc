"""The software bill of materials of a bundle, in SPDX 2.3."""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import quote

from generators.provenance.lock import PythonPackage, SystemPackage
from generators.recipe.recipe import PREFIX, Recipe
from kb.clean import cleaned
from kb.counts import whole
from kb.errors import BadInput

if TYPE_CHECKING:
    from spdx_tools.spdx.model.document import Document
    from spdx_tools.spdx.model.file import File
    from spdx_tools.spdx.model.package import Package

_ROOT = "SPDXRef-Bundle"
_NAMED = f"{PREFIX}/system-packages.txt and {PREFIX}/python-packages.txt"


def write(recipe: Recipe, files: Mapping[str, bytes]) -> str:
    """The bill as JSON. The tests have it validated by the library that writes it, which takes longer than
    writing all else.

    Args:
        recipe: what is installed: all packages with their hashes where it is locked, else those that the plan
            names.
        files: contents of the bundle's files by their path.
    """
    from spdx_tools.spdx.writer.json.json_writer import write_document_to_stream

    stream = io.StringIO()
    write_document_to_stream(_document(recipe, files), stream, validate=False)
    # The name of a base may be an address, and a bill is handed around.
    return json.dumps(cleaned(json.loads(stream.getvalue())), indent=4) + "\n"


def _document(recipe: Recipe, files: Mapping[str, bytes]) -> Document:
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
        document_comment=None
        if recipe.lock and not recipe.of_registry
        else f"All packages of the image are named in it: {_NAMED}",
    )
    root = _package(_ROOT, f"{recipe.program.title} ({recipe.program.framework})", recipe.plan_id)
    parts = list(_parts(recipe))
    contents = [_file(number, path, content) for number, (path, content) in enumerate(sorted(files.items()))]
    relations = [Relationship("SPDXRef-DOCUMENT", RelationshipType.DESCRIBES, _ROOT)]
    relations += [Relationship(_ROOT, RelationshipType.DEPENDS_ON, part.spdx_id) for part in parts]
    relations += [
        Relationship("SPDXRef-DOCUMENT", RelationshipType.DESCRIBES, file.spdx_id) for file in contents
    ]
    return Document(info, packages=[root, *parts], files=contents, relationships=relations)


def _parts(recipe: Recipe) -> Iterator[Package]:
    lock = recipe.lock
    if recipe.base and not (lock and lock.system):
        name, _, digest = recipe.base.partition("@sha256:")
        yield _package("SPDXRef-Base", name, sha256=digest)
    system = ((*lock.system, *lock.added) if lock else ()) or [
        SystemPackage(entry.name, entry.value, "", "") for entry in recipe.system_packages
    ]
    for number, one in enumerate(system):
        more = f"?arch={one.architecture}" + (f"&distro={lock.suite}" if lock.suite else "") if lock else ""
        # Package URLs of the type `deb` must name a vendor, and only a lock knows it.
        locator = f"deb/{lock.vendor}" if lock and lock.vendor else ""
        yield _package(f"SPDXRef-System-{number}", one.name, one.version, locator, more, one.sha256)
    python = (
        lock.python
        if lock
        else [
            PythonPackage(entry.name.partition("[")[0], entry.value, "") for entry in recipe.python_packages
        ]
    )
    python = [
        *python,
        *(PythonPackage(entry.name, entry.value, "") for entry in recipe.compiled_packages),
    ]
    for number, package in enumerate(python):
        yield _package(
            f"SPDXRef-Python-{number}", package.name, package.version, "pypi", sha256=package.sha256
        )


def _package(
    spdx_id: str, name: str, version: str = "", locator: str = "", more: str = "", sha256: str = ""
) -> Package:
    """A package, with the package URL `pkg:LOCATOR/NAME@VERSIONMORE` where there is a locator."""
    from spdx_tools.spdx.model.checksum import Checksum, ChecksumAlgorithm
    from spdx_tools.spdx.model.package import ExternalPackageRef, ExternalPackageRefCategory, Package
    from spdx_tools.spdx.model.spdx_no_assertion import SpdxNoAssertion

    called = name.lower().replace("_", "-") if locator == "pypi" else name
    url = (
        f"pkg:{locator}/{quote(called, safe='')}" + (f"@{quote(version, safe=':')}" if version else "") + more
    )
    return Package(
        spdx_id,
        name,
        SpdxNoAssertion(),
        version=version or None,
        files_analyzed=False,
        checksums=[Checksum(ChecksumAlgorithm.SHA256, sha256)] if sha256 else [],
        external_references=[ExternalPackageRef(ExternalPackageRefCategory.PACKAGE_MANAGER, "purl", url)]
        if locator
        else [],
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
    given = os.environ.get("SOURCE_DATE_EPOCH", "")
    if (epoch := whole(given)) is None:
        return datetime.now(UTC).replace(tzinfo=None, microsecond=0)
    try:
        return datetime.fromtimestamp(epoch, UTC).replace(tzinfo=None)
    except (ValueError, OverflowError, OSError) as error:
        raise BadInput("SOURCE_DATE_EPOCH", f"'{given}' is no time", expected="seconds since 1970") from error
