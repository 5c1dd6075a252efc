"""Plans for MODAK's requests that train nothing: a program for MPI or OpenMP, in the image that its MPI
library asks for.

Nothing is chosen here that the request leaves open: MODAK mapped library and version to one of its images,
and so does this, with what the knowledge base doubts about that image. A request that no image answers is
refused; MODAK ran such programs on the host without a word.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kb.errors import BadInput
from kb.records.workload import Workload
from reasoner.answers.plan import Application, DecisionTaken, Plan, Reason

if TYPE_CHECKING:
    from kb.store.store import KnowledgeStore

SOURCE = "https://github.com/SODALITE-EU/application-optimisation"

_IMAGES = """SELECT ?reference ?version (GROUP_CONCAT(?doubt; SEPARATOR="; ") AS ?doubts) WHERE {
  ?image a on:PublishedImage ; on:imageReference ?reference ;
    on:claimsApplication ?library ; on:claimsVersion ?version .
  OPTIONAL { ?image on:doubt ?doubt } FILTER(?library = "%s")
} GROUP BY ?reference ?version ORDER BY ?version"""
_APPLICATIONS = """SELECT ?reference ?application WHERE {
  ?image a on:PublishedImage ; on:imageReference ?reference ; on:claimsApplication ?application }"""
_SITE = 'SELECT ?site WHERE { ?site a on:Site . FILTER(REGEX(STR(?site), "/(modak-)?%s$")) } LIMIT 1'
_MODULES = """SELECT ?module WHERE { ?site a on:Site ; on:module ?module .
  FILTER(REGEX(STR(?site), "[/-]%s$")) } ORDER BY ?module"""
_LAUNCHER = "SELECT ?value WHERE { kb:modak-%s on:value ?value }"


@dataclass(frozen=True)
class PublishedImage:
    """An image that MODAK knew.

    Attributes:
        reference: its name in a registry.
        version: the version of what it is for, as its label claims.
        doubts: what is known against its labels.
    """

    reference: str
    version: str
    doubts: str


@dataclass(frozen=True)
class ParallelProgram:
    """What a request says of a program that is not trained.

    Attributes:
        library: the MPI library, or empty.
        version: its version, or empty for any.
        image: the image that the request itself names, or empty.
        ranks: processes in all.
        threads: threads of each process.
        accelerated: whether an accelerator was asked for, and by which flag the container gets it.
    """

    library: str
    version: str
    image: str
    ranks: int
    threads: int
    flag: str


def published_images(store: KnowledgeStore, application: str) -> list[PublishedImage]:
    """The images that MODAK knew for a library or a framework, by version."""
    if not re.fullmatch(r"[a-z0-9-]+", application):
        return []
    return [
        PublishedImage(row["reference"], row["version"], row.get("doubts") or "")
        for row in store.select(_IMAGES % application)
    ]


def framework_of_image(store: KnowledgeStore, image: str, frameworks: Collection[str]) -> str:
    """The framework that an image is for: by the images that MODAK knew, else by the one name of a framework
    in its own; empty where none is.
    """
    reference = image.partition("://")[2] or image
    known = {row["application"] for row in store.select(_APPLICATIONS) if row["reference"] == reference} & {
        *frameworks
    }
    named = known or {name for name in frameworks if name in re.split(r"[^a-z0-9]+", reference.lower())}
    return named.pop() if len(named) == 1 else ""


def is_site(store: KnowledgeStore, name: str) -> bool:
    """Whether a site of that name is known, MODAK's own among them."""
    return bool(re.fullmatch(r"[A-Za-z0-9-]+", name)) and any(store.select(_SITE % name))


def site_modules(store: KnowledgeStore, site: str) -> list[str]:
    """The modules that jobs of a site load, in their order."""
    found = store.select(_MODULES % site) if re.fullmatch(r"[A-Za-z0-9-]+", site) else ()
    names: list[str] = []
    for row in found:
        names += row["module"].split()
    return names


def plan_of(
    program: ParallelProgram,
    workload: Workload,
    scheduler: str,
    store: KnowledgeStore,
    knowledge: Mapping[str, Any],
    where: str,
) -> Plan:
    """The plan: the image, the launcher, and the threads, each because the request asks for it.

    Raises:
        BadInput: no image is known for the library in that version.
    """
    base, why = _base(program, store, where)
    launcher = "srun" if scheduler == "slurm" else "mpirun"
    found = next((row["value"] for row in store.select(_LAUNCHER % launcher)), "")
    asked = Reason("request", "request", "the request asks for it", (SOURCE,))
    bootstrap, reference = _transport(base)
    decisions = [
        DecisionTaken(
            "image_source",
            bootstrap,
            "the image of a registry",
            "image",
            (Application("image", "Bootstrap", bootstrap),),
            (asked,),
        ),
        DecisionTaken(
            "base_image",
            re.sub(r"[^A-Za-z0-9_.+-]", "-", reference),
            base,
            "image",
            (Application("image", "From", reference),),
            (why,),
        ),
        DecisionTaken(
            "launcher", launcher, launcher, "launcher", (Application("launcher", launcher, found),), (asked,)
        ),
    ]
    if program.threads:
        threads = (Application("env", "OMP_NUM_THREADS", str(program.threads)),)
        decisions.append(
            DecisionTaken(
                "threads",
                f"threads-{program.threads}",
                f"{program.threads} threads a process",
                "env",
                threads,
                (asked,),
            )
        )
    if program.flag:
        decisions.append(
            DecisionTaken(
                "accelerator",
                program.flag.lstrip("-"),
                "",
                "flag",
                (Application("flag", program.flag),),
                (asked,),
            )
        )
    description = workload.to_json()
    text = json.dumps([description, [taken.option for taken in decisions], knowledge], sort_keys=True)
    plan_id = hashlib.sha256(text.encode()).hexdigest()[:16]
    return Plan(plan_id, description, {}, "as asked", "exact", tuple(decisions), {}, (), (), dict(knowledge))


def _base(program: ParallelProgram, store: KnowledgeStore, where: str) -> tuple[str, Reason]:
    if program.image:
        return program.image, Reason("request", "container_runtime", "the request names the image", (SOURCE,))
    images = published_images(store, program.library)
    if not images:
        expected = "an image in application: container_runtime"
        raise BadInput(f"{where}: library", f"no image is known for '{program.library}'", expected=expected)
    fitting = [image for image in images if program.version in ("", image.version)]
    if not fitting:
        known = ", ".join(image.version for image in images)
        expected = f"{known}, or an image in application: container_runtime"
        raise BadInput(
            f"{where}: version", f"no image has {program.library} {program.version}", expected=expected
        )
    best = fitting[-1]
    text = f"MODAK's image for {program.library} {best.version}" + (
        f"; its labels are in doubt: {best.doubts}" if best.doubts else ""
    )
    return best.reference, Reason("fact", "published-image", text, (SOURCE,))


def _transport(image: str) -> tuple[str, str]:
    """The definition's `Bootstrap` and `From` for an image as users of Apptainer write it."""
    transport, separator, rest = image.partition("://")
    return (transport, rest) if separator else ("docker", image)
