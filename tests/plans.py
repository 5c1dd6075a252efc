"""Plans made by hand for tests of what is written from a plan: two frameworks on two bases."""

from __future__ import annotations

import zipfile
from pathlib import Path

from kb.values import replace
from reasoner.answers.plan import Application, DecisionTaken, How, Manager, Plan, Reason

LABELS = """sed -n 's/^ *ontune.recipe /ontune.recipe: /p' "$(dirname "$3")/ontune.def\""""
"""What a stand-in for Apptainer runs to tell the label of a bundle's image as `inspect --labels IMAGE` does.
"""


def application(how: How, name: str, value: str = "", manager: Manager = "") -> Application:
    """An application, in one line."""
    return Application(how, name, value, manager)


def taken(decision: str, option: str, *applications: Application) -> DecisionTaken:
    """A decision without anything to reject."""
    reason = Reason("effect", "eff:example", "an example", ("https://example.org/source",))
    return DecisionTaken(
        decision, option, option, applications[0].how if applications else "", applications, (reason,)
    )


FRAMEWORKS = {
    "pytorch": (
        taken("framework", "pytorch", application("code", "framework", "pytorch")),
        taken(
            "wheel",
            "torch-2.13.0-cpu",
            application("package", "torch", "2.13.0+cpu", "pip"),
            application("package", "numpy", "2.4.6", "pip"),
        ),
        taken("compiler", "eager", application("code", "compiler", "eager")),
        taken("precision", "bf16", application("code", "precision", "bf16")),
        taken("memory_format", "channels_last", application("code", "memory_format", "channels_last")),
    ),
    "tensorflow": (
        taken("framework", "tensorflow", application("code", "framework", "tensorflow")),
        taken("wheel", "tensorflow-2.21.0-cpu", application("package", "tensorflow-cpu", "2.21.0", "pip")),
        taken("compiler", "tf-graph", application("code", "compiler", "tf-graph")),
        taken("precision", "bf16", application("code", "precision", "bf16")),
    ),
}

BASES = {
    "debian-12": (
        taken("image_source", "localimage", application("image", "Bootstrap", "localimage")),
        taken(
            "base_image",
            "debian-12",
            application("image", "From", "docker.io/library/debian:12-slim"),
            application("image", "Suite", "bookworm"),
            application("package", "python3", "", "apt"),
            application("package", "python3-venv", "", "apt"),
        ),
    ),
    "python-3.11-slim": (
        taken("image_source", "registry", application("image", "Bootstrap", "docker")),
        taken(
            "base_image",
            "python-3.11-slim",
            application("image", "From", "docker.io/library/python:3.11-slim-bookworm"),
            application("image", "Suite", "bookworm"),
        ),
    ),
}

RUN_TIME = (
    taken(
        "threads",
        "threads-usable",
        application("env", "OMP_NUM_THREADS", "{cores}"),
        application("code", "threads", "{cores}"),
    ),
    taken(
        "allocator",
        "tcmalloc",
        application("package", "libtcmalloc-minimal4", "", "apt"),
        application("env", "LD_PRELOAD", "libtcmalloc_minimal.so.4"),
    ),
    taken("launcher", "python", application("launcher", "python")),
)


def plan(
    framework: str = "pytorch", base: str = "debian-12", *more: DecisionTaken, **workload: object
) -> Plan:
    """A plan for `mnist-cnn`, or for what `workload` says instead."""
    return Plan(
        plan_id="0123456789abcdef",
        workload={"name": "mnist-cnn", "network": "mnist-cnn", "parameters": {"batch": 128}, **workload},
        target={"cpu": {"cores": 4, "usable_cores": 2}, "gpus": []},
        objective="throughput",
        numerics="mixed",
        decisions=(*FRAMEWORKS[framework], *BASES[base], *RUN_TIME, *more),
        prediction={},
        alternatives=(),
        unknowns=(),
        knowledge={"version": "0.1.0", "sha256": "ab" * 32},
    )


def tiny(name: str, version: str, base: str = "debian-12", **workload: object) -> Plan:
    """A plan that wants one small package as its framework, of which nothing more is known, and a Debian
    package beside it.
    """
    given = plan("pytorch", base, **workload)
    others = [
        decision
        for decision in given.decisions
        if decision.decision in ("image_source", "base_image", "allocator", "launcher")
    ]
    framework = taken("framework", name, application("code", "framework", name))
    wheel = taken("wheel", f"{name}-{version}", application("package", name, version, "pip"))
    return replace(given, decisions=(framework, wheel, *others, taken("python", "3.11")))


def make_wheel(folder: Path, name: str, version: str, *requires: str, module: str = "") -> Path:
    """A pure-Python wheel: its metadata, and a module of its name where there is text for one."""
    wheel = folder / f"{name}-{version}-py3-none-any.whl"
    info = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(wheel, "w") as archive:
        metadata = [
            f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
            *(f"Requires-Dist: {other}\n" for other in requires),
        ]
        archive.writestr(f"{info}/METADATA", "".join(metadata))
        archive.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{info}/RECORD", "")
        if module:
            archive.writestr(f"{name}.py", module)
    return wheel
