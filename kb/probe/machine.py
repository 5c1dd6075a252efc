"""The machine probe: this machine, another node, or the dumps that somebody sends, as target facts.

`collect` gathers raw texts; one module a source reads them. What no text settles is null.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kb.counts import positive
from kb.errors import BadInput
from kb.probe import (
    collect,
    cores,
    cpu,
    cpuinfo,
    gpu,
    libc,
    memory,
    mpi,
    node,
    recognised,
    scheduler,
    storage,
    wheels,
)
from kb.records.fact_keys import fact_keys
from kb.store import paths, user_files

if TYPE_CHECKING:
    from kb.records.target import Target

_SCHEDULER_PROGRAMS = ("sinfo", "pbsnodes")


def probe(
    cpuinfo: Path | None = None,
    lscpu: Path | None = None,
    nvidia_smi: Path | None = None,
    rocm_smi: Path | None = None,
    sinfo: Path | None = None,
    overrides: Mapping[str, Any] | None = None,
    via: str | None = None,
    network: bool = False,
    partition: str = "",
    tell: Callable[[str], None] = lambda news: None,
) -> Target:
    """Probe a machine.

    Without a dump and without `via` it is this machine, in a few milliseconds and without the network. A dump
    describes another machine, so nothing of this one is mixed in: what the dumps do not tell is null.

    Args:
        cpuinfo: a file with /proc/cpuinfo or lscpu's output.
        lscpu: a file with the output of `lscpu` or `lscpu -J`.
        nvidia_smi: a file with the XML of `nvidia-smi -q -x`.
        rocm_smi: a file with the JSON of `rocm-smi --json` or `amd-smi static --json`.
        sinfo: a file with the output of `sinfo`, `scontrol show node` or `pbsnodes -a`.
        overrides: facts set by hand, see `Target.with_overrides`.
        via: a command that runs words on another node (`srun -p gpu`); the probe is sent there on standard
            input.
        network: whether to ask container registries if they answer.
        partition: the partition or queue of `sinfo` whose nodes are meant.
        tell: gets what a dump leaves open, a sentence each.

    Raises:
        BadInput: a dump is not what it should be, or an override has an unknown key or a wrong type.
        RunFailed: the command of `via` fails.
    """
    from kb.records.fact_shapes import check_target
    from kb.records.target import Target

    keys = fact_keys("hardware")
    dumps = [dump for dump in (cpuinfo, lscpu, nvidia_smi, rocm_smi, sinfo) if dump]
    if partition and not sinfo:
        raise BadInput(
            "--partition",
            "names a partition of a cluster of which nothing is given",
            expected="--sinfo with what sinfo says, too",
        )
    if dumps:
        facts, name = keys.empty(), user_files.name_of(dumps[0])
        for path, value in _from_dumps(
            cpuinfo or lscpu, nvidia_smi, rocm_smi, sinfo, partition, tell
        ).items():
            facts = keys.assign(facts, path, value)
    else:
        raw = _collected(via)
        facts, name = keys.completed(_from_raw(raw), "probe"), via or "local"
    if network:
        from kb.probe import registry

        facts["registry"] = registry.reached()
    target = Target(name, facts | {"overrides": {}}).with_products()
    if overrides:
        target = target.with_overrides(overrides)
        check_target(target.to_turtle(), "--set")
    return target


def _collected(via: str | None) -> dict[str, Any]:
    """The raw texts of this machine, with the programs of the project's own prefix, or those of the node
    behind `via`.
    """
    programs = [*recognised.programs(), *_SCHEDULER_PROGRAMS]
    if via is not None:
        from kb.probe import remote

        return remote.collect_via(via, programs)
    raw: dict[str, Any] = dict(collect.collect(programs))
    raw["programs"] = [
        *raw["programs"],
        *(path.name for path in paths.tools_home().glob("*/usr/bin/*") if path.name in programs),
    ]
    return raw


def _from_dumps(
    processor: Path | None,
    nvidia: Path | None,
    rocm: Path | None,
    cluster: Path | None,
    partition: str,
    tell: Callable[[str], None],
) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if processor:
        found["cpu"] = cpu.facts(cpuinfo.parse(user_files.read_text(processor), str(processor)))
    if nvidia or rocm:
        found["gpus"] = [
            *(gpu.nvidia(user_files.read_text(nvidia), str(nvidia)) if nvidia else ()),
            *(gpu.rocm(user_files.read_text(rocm), str(rocm)) if rocm else ()),
        ]
    if cluster:
        # A scheduler says less of a node than the node's own tools.
        stated = {
            f"cpu.{name}" for name, value in found.get("cpu", {}).items() if value is not None
        } | found.keys()
        told = scheduler.parse(user_files.read_text(cluster), str(cluster), partition)
        for remark in told.remarks:
            tell(remark)
        found |= {path: value for path, value in told.facts.items() if path not in stated}
    return {path: value for path, value in found.items() if value is not None}


def _from_raw(raw: Mapping[str, Any]) -> dict[str, Any]:
    environment, limits, mounts = raw["environment"], raw["limits"], raw["mountinfo"]
    processor = cpu.facts(_processor(raw["cpuinfo"]), raw["machine"], raw["byte_order"])
    topology = cpuinfo.count(raw["cpuinfo"] or "")
    processor["cores"] = topology
    processor["physical_cores"] = cores.physical(raw["siblings"]) or processor["physical_cores"]
    processor["usable_cores"] = cores.usable(topology, raw["affinity"], limits, environment)
    processor["numa_nodes"] = raw["numa_nodes"] or None
    kind_of = functools.partial(storage.filesystem, mounts)
    class_of = functools.partial(storage.storage_class, classes=recognised.storage_classes())
    foreign, batch = (
        node.load(raw["loadavg"]),
        scheduler.present(raw["programs"], environment, raw.get("pbs_version")),
    )
    return {
        "cpu": processor,
        "gpus": _accelerators(raw),
        "memory_gib": memory.gib(raw["meminfo"], limits, environment),
        "glibc": libc.glibc(raw.get("libc")),
        "os": libc.distribution(raw["os_release"]),
        "python": raw["python"],
        "runtimes": recognised.runtimes(raw["programs"]),
        "scheduler": batch,
        "nodes": positive(environment.get("SLURM_JOB_NUM_NODES")) or 1,
        "exclusive": node.exclusive(environment, topology, foreign),
        "interconnect": node.interconnect(raw["networks"]),
        "mpi": mpi.implementation(raw["mpi"], environment),
        "process_management": mpi.process_management(raw["slurm_mpi"], batch),
        "wheels": wheels.offered(raw["wheels"]),
        "storage": {
            "tmpdir": class_of(kind_of(raw["tmpdir"])),
            "workdir": class_of(kind_of(raw["workdir"])),
            "workdir_filesystem": kind_of(raw["workdir"]),
        },
        "user_namespaces": node.user_namespaces(
            raw["max_user_namespaces"], raw["unprivileged_userns"], raw["restrict_userns"]
        ),
        "subuids": node.subordinate_ids(raw["subuid"], raw.get("user")),
    }


def _processor(text: str | None) -> cpu.Processor:
    """What the running kernel says of its processor: on some systems and in some sandboxes nothing, which is
    no error.
    """
    try:
        return cpuinfo.parse(text or "", "/proc/cpuinfo")
    except BadInput:
        return cpu.Processor({})


def _accelerators(raw: Mapping[str, Any]) -> list[dict[str, Any]] | None:
    found: list[dict[str, Any]] = []
    environment = raw["environment"]
    if raw["nvidia_smi"]:
        found += gpu.visible(
            gpu.nvidia(raw["nvidia_smi"], "nvidia-smi", raw["nvidia_compute_cap"]),
            environment.get("CUDA_VISIBLE_DEVICES"),
        )
    if raw["rocm_smi"]:
        found += gpu.visible(gpu.rocm(raw["rocm_smi"], "rocm-smi"), environment.get("ROCR_VISIBLE_DEVICES"))
    if found:
        return found
    # A device without a tool that describes it is unknown, not absent.
    return None if gpu.on_bus(raw["devices"], recognised.accelerator_makers()) else []
