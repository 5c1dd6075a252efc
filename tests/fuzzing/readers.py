"""Every reader of what others wrote, each by the code that a command runs, with seeds that it accepts."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import test_importers
import test_modak
import test_probe
import test_probe_gpu

from kb.errors import BadInput
from kb.store.store import KnowledgeStore
from ontune.cli.request import RequestArguments, pairs, read_plan
from reasoner.reasoner import Reasoner

WORKLOAD, TARGET = "mlp", "eos-h100"


class World:
    """What all readers share, made once in the parent of all children."""

    def __init__(self) -> None:
        self.reasoner = Reasoner()
        self.full = self.reasoner.full_store
        self.nothing = KnowledgeStore()


@dataclass(frozen=True)
class Reader:
    """One reader.

    Attributes:
        read: reads a file, as a command does.
        seeds: contents that it accepts.
        suffix: how the file's name ends.
        of_file: whether what is crafted may be no file at all.
    """

    read: Callable[[World, Path], object]
    seeds: Callable[[World], list[bytes]]
    suffix: str
    of_file: bool = True


def seeds_of(*texts: str) -> Callable[[World], list[bytes]]:
    return lambda world: [text.encode() for text in texts]


# ---- what a plan is asked for


def planned(world: World, **arguments: Any) -> object:
    asked = RequestArguments(**{"workload": WORKLOAD, "target": TARGET} | arguments)
    return world.reasoner.plan(asked.question(world.reasoner)).to_json()


def lines_of(path: Path) -> list[str]:
    """What is typed: an argument of a command has no NUL."""
    from kb.store.files import read_text

    return [line for line in read_text(path).split("\n")[:20] if line and "\0" not in line]


def set_facts(world: World, path: Path) -> object:
    return planned(world, set_=lines_of(path))


def what_if(world: World, path: Path) -> object:
    asked = RequestArguments(workload=WORKLOAD, target=TARGET).question(world.reasoner)
    return world.reasoner.what_if(pairs(lines_of(path), "KEY=VALUE", "KEY=VALUE"), asked)


def pinned(world: World, path: Path) -> object:
    return planned(world, pin=lines_of(path))


def plan_file(world: World, path: Path) -> object:
    from generators.bundle import files_of

    plan = read_plan(path)
    files_of(plan, ("apptainer", "dockerfile"), ("bash", "slurm", "pbs"), bill=False)
    with contextlib.redirect_stderr(io.StringIO()):
        asked = RequestArguments(plan=path).question(world.reasoner)
    return world.reasoner.plan(asked)


def plan_seeds(world: World) -> list[bytes]:
    return [json.dumps(planned(world)).encode()]


def workload_seeds(world: World) -> list[bytes]:
    from kb.records.workload import load_workload

    own = {
        "name": "job",
        "extends": "mnist-cnn",
        "traits": ["DynamicShapes"],
        "samples": 1000,
        "command": ["python", "train.py", "--epochs", "3"],
    }
    shipped = [load_workload(name, world.reasoner.store).to_json() for name in ("mnist-cnn", "mlp")]
    return [json.dumps(facts).encode() for facts in (own, *shipped)]


def target_seeds(world: World) -> list[bytes]:
    from kb.records.targets import load_target

    return [json.dumps(load_target(name, world.reasoner.store).to_json()).encode() for name in (TARGET,)]


def yaml_seeds(of: Callable[[World], list[bytes]]) -> Callable[[World], list[bytes]]:
    import yaml

    return lambda world: [yaml.safe_dump(json.loads(seed), sort_keys=False).encode() for seed in of(world)]


SITE = {
    "scheduler": "slurm", "account": "project_1", "time_limit": "01:00:00", "partitions": [{"name": "gpu", "gpus": True}],
    "storage": [{"path": "/scratch", "class": "network"}], "proxies": {"http": "http://proxy:3128"}, "modules": ["cuda/12"],
    "packages": {"python_index": "https://index.example/simple"},
}  # fmt: skip


def site(world: World, path: Path) -> object:
    from kb.records.site import load_site

    load_site(str(path), world.reasoner.store)
    return planned(world, site=str(path)) if path.suffix != ".ttl" else None


def target_turtle(world: World) -> list[bytes]:
    from kb.records.targets import load_target

    return [load_target(TARGET, world.reasoner.store).to_turtle().encode()]


# ---- what programs print


def probed(which: str) -> Callable[[World, Path], object]:
    def read(world: World, path: Path) -> object:
        from kb.probe.machine import probe

        dumps: dict[str, Any] = {which: path}
        target = probe(**dumps)
        return target.to_json(), target.to_yaml(), target.to_turtle()

    return read


MODEL = {"field": "Model name:", "data": "x", "children": [{"field": "Flags:", "data": "avx2"}]}
LSCPU_JSON = json.dumps({"lscpu": [{"field": "CPU(s):", "data": "8"}, MODEL]})


def observation(world: World, path: Path) -> object:
    from bench.measure.observation import load
    from kb.observations.recorded import OwnObservations

    with contextlib.redirect_stderr(io.StringIO()):
        return list(load(path.parent)), OwnObservations(path.parent).at("mlp", "", "zen5", 2)


def observation_seeds(world: World) -> list[bytes]:
    from bench.measure.observation import Observation

    one = Observation(
        series="urn:uuid:1", round=0, variant="plan", plan_id="p", runner="native", cores=2, workload="mlp", outcome="done", seconds=3.5,
        microarchitecture="zen5", started="2026-01-02T03:04:05.678+00:00", throughput=12.5, windows=({"seconds": 1.0, "samples": 128,
        "throughput": 128.0},),
        decisions=({"decision": "precision", "option": "bf16"},), versions={"torch": "2.13.0+cpu"}, target_facts={"cpu": {"cores": 2}, "gpus": []},
    )  # fmt: skip
    return [json.dumps(one.to_json()).encode()]


def result_of_a_run(world: World, path: Path) -> object:
    from bench.measure.runners import read_result
    from bench.process import Finished

    return read_result(Finished(0, "", "", 1.0, timed_out=False), path)


# ---- knowledge

ADDITION = """@prefix on: <https://w3id.org/ontune#> . @prefix kb: <https://w3id.org/ontune/kb/> . @prefix sh: <http://www.w3.org/ns/shacl#> .
@prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> .
kb:pool a on:Option ; on:optionOf kb:allocator ; rdfs:label "pool"@en ; on:numerics on:Bitwise ;
  on:appliedBy [ a on:EnvironmentVariable ; on:name "LD_PRELOAD" ; on:value "libpool.so" ] .
<https://w3id.org/ontune/rule/mine> a sh:SPARQLRule , on:ConflictRule ; sh:order 3 ; on:message "{?option} is odd" ;
  sh:construct "CONSTRUCT { $this on:excludes ?option } WHERE { $this on:workload ?w . ?option on:odd true }" .
"""


def addition(world: World, path: Path) -> object:
    from kb.store.sources import Source, content_hash
    from reasoner.check.rule_lint import unknown_terms
    from reasoner.knowledge.shapes import unknown_shacl_terms
    from reasoner.overlay.admission import dangling

    source = Source(path, "additions/0/input.ttl", added=True)
    content_hash([source])
    store = KnowledgeStore()
    store.load_source(source)
    return list(unknown_shacl_terms([path])), list(unknown_terms(store)), list(dangling(store))


def query_file(world: World, path: Path) -> object:
    from kb.store.query_library import check_query, read_query
    from ontune.cli.query import _print_local

    with contextlib.suppress(BadInput):
        check_query(path)
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        return _print_local(world.nothing, read_query(path).filled({}), str(path), "table")


QUERY = """# title: Which?
# parameter: name - a name
SELECT ?a ?b WHERE { VALUES ?name { "x" } ?a <urn:p>/<urn:q>* ?b . FILTER(?b > 3 && REGEX(STR(?a), 'x')) } ORDER BY ?a
"""


def expected_answer(world: World, path: Path) -> object:
    from reasoner.check.questions import read_expected

    return read_expected(path)


def sparql(world: World, path: Path) -> object:
    """The protocol and the worker of the service, over nothing."""
    from kb.store.files import read_bytes
    from ontune.service.protocol import DIRECT, asked
    from ontune.service.query_worker import QueryWorker

    class Kept:
        def __init__(self) -> None:
            self.held = bytearray()

        def sendall(self, data: bytes) -> None:
            self.held += data

    worker = QueryWorker(world.nothing)
    content = read_bytes(path)
    for way in (
        ("POST", "", DIRECT, content, "text/csv"),
        ("GET", content[:4000].decode("latin-1"), "", b"", ""),
    ):
        with contextlib.suppress(BadInput):
            worker._answer(asked(*way, "http://x/"), Kept())  # type: ignore[arg-type]
    worker._answer(asked("POST", "", DIRECT, content, "*/*", "http://x/"), Kept())  # type: ignore[arg-type]
    return None


# ---- recipes, requirements, locks, imports


def linted(world: World, path: Path) -> object:
    from generators.read.lint import lint

    return lint(path)


DOCKERFILE = """# syntax=docker/dockerfile:1
FROM nvidia/cuda:12.4.1-devel-ubuntu22.04 AS build
ARG TOKEN=x
ENV A=1 B="two words"
RUN apt-get update && apt-get install -y python3 \\
    && pip install torch==2.3.0 --index-url https://download.pytorch.org/whl/cu121
COPY --from=build /a /b
RUN <<EOF
echo hello
EOF
CMD ["python", "train.py"]
"""
DEFINITION = """Bootstrap: docker
From: debian:12-slim
%files
    train.py /opt
%post
    apt-get update && apt-get install -y python3
    pip install "torch>=2" 'numpy<2'
%environment
    export A=1
%runscript
    exec python3 /opt/train.py "$@"
"""
REQUIREMENTS = "# what it needs\ntorch>=2.1,<3 ; python_version >= '3.9'\nnumpy[extra]~=1.26 # comment\ntqdm \\\n  ==4.66\n"


def requirements(world: World, path: Path) -> object:
    from kb.records.package_requirements import parsed, read_requirements

    lines = read_requirements(path)
    return [(one.allows("1.0"), one.holds({"python_version": "3.11"})) for one in map(parsed, lines)]


def lock(name: str) -> Callable[[World, Path], object]:
    """The lock of a folder in which the other one of its files is good."""

    def read(world: World, path: Path) -> object:
        from generators.provenance.lock import PYTHON, SYSTEM, Lock

        folder = path.parent / "bundle"
        folder.mkdir()
        for file, good in ((PYTHON, PYTHON_LOCK), (SYSTEM, SYSTEM_LOCK)):
            if file == name:
                (folder / file).symlink_to(path)
            else:
                (folder / file).write_text(good, encoding="utf-8")
        return Lock.read(folder)

    return read


SYSTEM_LOCK = f"""# a lock
vendor debian
suite bookworm
package python3 3.11.2-1+b1 amd64 {"a" * 64}
added g++ 4:12.2 amd64 {"b" * 64}
request abc123
"""
PYTHON_LOCK = f"# Python\ntorch==2.13.0+cpu \\\n    --hash=sha256:{'c' * 64}\n"


def modak(world: World, path: Path) -> object:
    from generators.modak.job_request import read_request

    return read_request(path, world.full)


def imported(
    source: str, name: str = "", beside: Callable[[Path], object] = lambda folder: None
) -> Callable[[World, Path], object]:
    """What an importer makes of a file, or of a folder that holds it under a name."""

    def read(world: World, path: Path) -> object:
        from kb.importers import import_source

        if not name:
            return import_source(source, path)
        folder = path.parent / "data"
        beside(folder)
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).unlink(missing_ok=True)
        (folder / name).symlink_to(path)
        return import_source(source, folder)

    return read


def modak_folder(folder: Path) -> None:
    folder.mkdir()
    test_importers.modak(
        folder,
        [test_importers.image("a/b:2.1.0-gpu-py3", "2.1", "none")],
        {"one.json": json.dumps(test_modak.REQUEST)},
    )


def mlperf_folder(folder: Path) -> None:
    folder.mkdir()
    test_importers.mlperf(folder, {"a": {}}, [("a", 10.0, 100.0)])


def wheel_seeds(world: World) -> list[bytes]:
    found = []
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        held = io.BytesIO()
        with zipfile.ZipFile(held, "w", method) as archive:
            archive.writestr(
                "torch-1.dist-info/METADATA", test_importers.METADATA.format(version="2.99.1+cu130")
            )
            archive.writestr("torch/__init__.py", "x" * 1000)
        found.append(held.getvalue())
    return [*found, encrypted(found[0])]


def encrypted(archive: bytes) -> bytes:
    """The archive with every member marked as encrypted."""
    content = bytearray(archive)
    for mark, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = content.find(mark)
        while at >= 0:
            content[at + flags] |= 1
            at = content.find(mark, at + 4)
    return bytes(content)


def archspec_seeds(world: World) -> list[bytes]:
    from kb.probe.cpu import archspec_data

    known = archspec_data()["microarchitectures"]
    return [
        json.dumps(
            {"microarchitectures": {name: known[name] for name in ("x86_64", "x86_64_v2", "nehalem")}}
        ).encode()
    ]


CONVERGENCE = {
    "framework": "pytorch", "network": "mnist-cnn", "precision": "bf16", "epochs": 3, "data": "digits", "metric": "accuracy", "quality": 0.9,
    "margin": 0.01, "mean_difference": 0.001, "holds": True, "validation_samples": 100, "cpu": "x", "date": "2026-11-30",
    "versions": {"torch": "2.13.0+cpu", "python": "3.11"}, "parameters": {"batch": 64}, "settings": {"precision": "bf16"},
    "pairs": [{"seed": n, "fp32": 0.97, "bf16": 0.968} for n in range(5)],
}  # fmt: skip


# ---- REST


class InProcess:
    """The service's engine without its workers: the same questions, answered here."""

    def __init__(self, world: World) -> None:
        from ontune.service.questions import Questions

        self._questions = Questions(world.reasoner)

    async def start(self) -> None:
        """There is nothing to start."""

    async def stop(self) -> None:
        """Nor to stop."""

    async def question(self, name: str, body: Any) -> bytes:
        """As `Engine.question`; what would be an internal error is raised."""
        return json.dumps(self._questions.answer(name, body), ensure_ascii=False).encode()


def rest(question: str) -> Callable[[World, Path], object]:
    def read(world: World, path: Path) -> object:
        from kb.store.files import read_bytes
        from ontune.service.application import application

        body = read_bytes(path, 4_000_000)
        status = asyncio.run(post(application(InProcess(world)), f"/api/{question}", body))  # type: ignore[arg-type]
        assert status in (200, 400, 409, 413), f"status {status}"
        return status

    return read


async def post(app: Any, path: str, body: bytes) -> int:
    """The status of an answer."""
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST", "path": path, "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "", "scheme": "http", "headers": [(b"content-type", b"application/json")], "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
    }  # fmt: skip
    status = [0]

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            status[0] = message["status"]

    await app(scope, receive, send)
    return status[0]


BODY = {
    "workload": "mlp", "target": TARGET, "pins": {"precision": "fp32"}, "forbid": ["tcmalloc"], "set": {"memory_gib": 64}, "top": 3,
    "numerics": "exact",
}  # fmt: skip
DESCRIBED = {
    "workload": {"name": "mine", "network": "mlp", "traits": ["Training"], "samples": 1000}, "target": {"cpu": {"usable_cores": 4}, "gpus": []},
}  # fmt: skip


def bodies(**more: Any) -> Callable[[World], list[bytes]]:
    return lambda world: [json.dumps(body | more).encode() for body in (BODY, DESCRIBED)]


def readers() -> Iterator[tuple[str, Reader]]:
    """All of them, by name."""
    yield (
        "workload in JSON",
        Reader(lambda world, path: planned(world, workload=str(path)), workload_seeds, ".json"),
    )
    yield (
        "workload in YAML",
        Reader(lambda world, path: planned(world, workload=str(path)), yaml_seeds(workload_seeds), ".yaml"),
    )
    yield (
        "target in JSON",
        Reader(lambda world, path: planned(world, target=str(path)), target_seeds, ".json"),
    )
    yield (
        "target in YAML",
        Reader(lambda world, path: planned(world, target=str(path)), yaml_seeds(target_seeds), ".yaml"),
    )
    yield (
        "target in Turtle",
        Reader(lambda world, path: planned(world, target=str(path)), target_turtle, ".ttl"),
    )
    yield "site in JSON", Reader(site, seeds_of(json.dumps(SITE)), ".json")
    yield "site in YAML", Reader(site, yaml_seeds(seeds_of(json.dumps(SITE))), ".yaml")
    yield "plan", Reader(plan_file, plan_seeds, ".json")
    yield "request to MODAK", Reader(modak, seeds_of(json.dumps(test_modak.REQUEST)), ".json")
    yield (
        "MODAK's language",
        Reader(
            modak, seeds_of('optimization x:\n  enable_opt_build: true\n  app_type: "ai_training"\n'), ".opt"
        ),
    )
    yield "observation", Reader(observation, observation_seeds, ".jsonld")
    result = {"throughput": 1.5, "windows": [{"seconds": 1.0}], "versions": {}}
    yield "result of a run", Reader(result_of_a_run, seeds_of(json.dumps(result)), ".json")
    cpus = [path.read_text(encoding="utf-8") for path in test_probe.DUMPS[::12]]
    yield "cpuinfo", Reader(probed("cpuinfo"), seeds_of(*cpus, test_probe.POWER_NODE, ARM), ".txt")
    yield (
        "lscpu",
        Reader(
            probed("lscpu"),
            seeds_of(test_probe.LSCPU, test_probe.LSCPU_OF_TWO_KINDS, LSCPU_JSON, LSCPU_PARSABLE),
            ".txt",
        ),
    )
    yield "nvidia-smi", Reader(probed("nvidia_smi"), seeds_of(test_probe_gpu.XML, test_probe.GPU), ".xml")
    yield (
        "rocm-smi",
        Reader(
            probed("rocm_smi"),
            seeds_of(json.dumps(test_probe_gpu.ROCM), json.dumps(test_probe_gpu.AMD)),
            ".json",
        ),
    )
    clusters = [
        getattr(test_probe, name)
        for name in ("SINFO", "PBSNODES", "SUMMARY", "BARS", "SCONTROL", "PBS_PROFESSIONAL", "TORQUE")
    ]
    yield "sinfo", Reader(probed("sinfo"), seeds_of(*clusters), ".txt")
    yield "Turtle addition", Reader(addition, seeds_of(ADDITION), ".ttl")
    yield "query file", Reader(query_file, seeds_of(QUERY), ".rq")
    yield "expected answer", Reader(expected_answer, seeds_of("a\tb\nx\ty\n...\nnever\nz\tz\n"), ".tsv")
    yield (
        "SPARQL",
        Reader(
            sparql, seeds_of(QUERY, "ASK { ?s ?p ?o }", "CONSTRUCT { ?s ?p ?o } WHERE { ?s ?p ?o }"), ".rq"
        ),
    )
    yield "Dockerfile", Reader(linted, seeds_of(DOCKERFILE), ".dockerfile")
    yield "definition", Reader(linted, seeds_of(DEFINITION), ".def")
    yield "requirements", Reader(requirements, seeds_of(REQUIREMENTS), ".txt")
    yield "lock of packages", Reader(lock("system.lock"), seeds_of(SYSTEM_LOCK), ".lock")
    yield "lock of Python", Reader(lock("requirements.lock"), seeds_of(PYTHON_LOCK), ".lock")
    yield "wheel", Reader(imported("wheel"), wheel_seeds, ".whl")
    yield (
        "metadata of a wheel",
        Reader(imported("wheel"), seeds_of(test_importers.METADATA.format(version="2.99.1")), ".txt"),
    )
    yield "archspec", Reader(imported("archspec"), archspec_seeds, ".json")
    yield "convergence", Reader(imported("convergence"), seeds_of(json.dumps(CONVERGENCE)), ".json")
    images = json.dumps([test_importers.image("a/b:2.1.0-gpu-py3", "2.1", "none")])
    yield (
        "MODAK's images",
        Reader(imported("modak", "knowledge/containers_29.json", modak_folder), seeds_of(images), ".json"),
    )
    yield (
        "MODAK's sites",
        Reader(
            imported("modak", "knowledge/infrastructures_2020.csv", modak_folder),
            seeds_of(MODAK_SITES),
            ".csv",
        ),
    )
    yield (
        "MODAK's requests",
        Reader(
            imported("modak", "requests/two.json", modak_folder),
            seeds_of(json.dumps(test_modak.REQUEST)),
            ".json",
        ),
    )
    yield (
        "MLPerf's results",
        Reader(
            imported("mlperf", "results.csv", mlperf_folder),
            seeds_of(f"{test_importers.HEADER}\n{MLPERF_ROW}\n"),
            ".csv",
        ),
    )
    described = "systems/v4.1/Somebody/systems/a.json"
    yield (
        "MLPerf's systems",
        Reader(
            imported("mlperf", described, mlperf_folder), seeds_of(json.dumps(test_importers.SYSTEM)), ".json"
        ),
    )
    settings = (
        "memory_gib=64\ncpu.usable_cores=4\n",
        "gpus[0].driver=535.54\nglibc=2.36\n",
        "gpus=[{model: H100}]\n",
    )
    yield "--set", Reader(set_facts, seeds_of(*settings), ".txt", of_file=False)
    yield (
        "--pin",
        Reader(
            pinned,
            seeds_of("precision=bf16\nallocator=tcmalloc\n", "threads=4\n", "compiler=eager\n"),
            ".txt",
            of_file=False,
        ),
    )
    yield (
        "what-if",
        Reader(
            what_if,
            seeds_of("cpu.usable_cores=1\n", "memory_gib=8\ngpus[0].memory_gib=24\n"),
            ".txt",
            of_file=False,
        ),
    )
    yield "REST: plan", Reader(rest("plan"), bodies(), ".json", of_file=False)
    yield "REST: why-not", Reader(rest("why-not"), bodies(option="tcmalloc"), ".json", of_file=False)
    yield "REST: what-if", Reader(rest("what-if"), bodies(changes={"memory_gib": 8}), ".json", of_file=False)
    yield "REST: explain", Reader(rest("explain"), bodies(subject="precision"), ".json", of_file=False)


ARM = test_probe.ARM_CORE.format(n=0, part="0xd0c", more="")
LSCPU_PARSABLE = "# CPU,Core,Socket,Node\n0,0,0,0\n1,1,0,0\n"
MODAK_SITES = "name,num_nodes,desc,scheduler,mpi\negi,10,EGI,torque,openmpi\nodd,1,Odd,fairy,NULL\n"
MLPERF_ROW = (
    'v4.1,Somebody,a,retinanet,5,5,10,9,11,256,100.0,"{""a"": 1}",systems/v4.1/Somebody/systems/a.json'
)
READERS = dict(readers())
