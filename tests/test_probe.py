"""The probe: dumps of known machines, damaged dumps, this machine, another node."""

from __future__ import annotations

import ast
import http.server
import importlib.util
import json
import os
import re
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kb.errors import BadInput, OntuneError, RunFailed
from kb.probe import (
    collect,
    cores,
    cpu,
    cpuinfo,
    libc,
    memory,
    mpi,
    node,
    recognised,
    registry,
    scheduler,
    storage,
)
from kb.probe.machine import _from_raw, probe

SPEC = importlib.util.find_spec("archspec")
assert SPEC is not None and SPEC.origin is not None
GPU = """<nvidia_smi_log><driver_version>535.54.03</driver_version><cuda_version>12.2</cuda_version>
<gpu><product_name>NVIDIA A100-SXM4-80GB</product_name><fb_memory_usage><total>81920 MiB</total></fb_memory_usage></gpu></nvidia_smi_log>
"""
DUMPS = sorted(
    path
    for path in (Path(SPEC.origin).parent / "json/tests/targets").iterdir()
    if path.name.startswith(("linux-", "bgq-"))
)


def expected(dump: Path) -> str:
    """archspec names each dump after the machine."""
    return dump.name.rsplit("-", 1)[1]


def detected(dump: Path) -> dict[str, object]:
    return cpu.facts(cpuinfo.parse(dump.read_text(), dump.name))


# ---- processors


def test_archspec_ships_the_dumps() -> None:
    assert len(DUMPS) >= 44


@pytest.mark.parametrize("dump", DUMPS, ids=lambda dump: dump.name)
def test_detection_agrees_with_the_name_of_the_dump(dump: Path) -> None:
    found = detected(dump)
    # A processor whose features are hidden is named after its safe level; its likely microarchitecture then
    # has less than full confidence.
    assert expected(dump) in (found["microarchitecture"], found["isa_level"])
    if found["microarchitecture"] != expected(dump):
        assert found["confidence"] is not None and float(str(found["confidence"])) < 1
    assert found["features"] is None or len(found["features"]) > 5  # type: ignore[arg-type]


@pytest.mark.parametrize("dump", DUMPS, ids=lambda dump: dump.name)
def test_the_level_is_an_ancestor_of_the_microarchitecture(dump: Path) -> None:
    # The cpuinfo of POWER does not tell its byte order, so that no level is sure; the name of the dump does.
    order = "little" if expected(dump).endswith("le") else "big"
    found = cpu.facts(cpuinfo.parse(dump.read_text(), dump.name), byte_order=order)
    level, likely = str(found["isa_level"]), str(found["microarchitecture"])
    assert level in cpu.microarchitectures()[likely].ancestors
    assert detected(dump)["isa_level"] in (level, None if "power" in likely else level)


def test_a_virtual_machine_that_hides_features_keeps_both_facts() -> None:
    dump = next(dump for dump in DUMPS if dump.name.endswith("-zen4"))
    text = dump.read_text().replace(" flush_l1d", "").replace(" pku", "")
    found = cpu.facts(cpuinfo.parse(text, "vm"))
    assert (found["isa_level"], found["microarchitecture"]) == ("x86_64_v4", "zen4")
    assert found["confidence"] < 1


def acceptable(dump: Path) -> set[object]:
    """What a damaged dump may still be taken for: unknown, the machine itself, or one of those that it
    descends from.
    """
    known = cpu.microarchitectures()
    name = str(detected(dump)["microarchitecture"])
    return {None, name, name.removesuffix("le"), *known[name].ancestors}


@settings(max_examples=120)
@given(st.sampled_from(DUMPS), st.floats(0, 1))
def test_a_dump_cut_after_any_line_is_never_another_machine(dump: Path, share: float) -> None:
    lines = dump.read_text().splitlines(keepends=True)
    text = "".join(lines[: int(share * len(lines))])
    try:
        found = cpu.facts(cpuinfo.parse(text, dump.name))
    except BadInput as error:
        assert dump.name in str(error)
        return
    assert found["microarchitecture"] in acceptable(dump)
    assert found["cores"] is None or found["cores"] == detected(dump)["cores"]


@settings(max_examples=120)
@given(st.sampled_from(DUMPS), st.integers(0, 40), st.text(max_size=30))
def test_a_dump_with_any_line_replaced_is_an_error_or_partial(dump: Path, place: int, noise: str) -> None:
    lines = dump.read_text().splitlines()
    lines[place % len(lines)] = noise
    try:
        found = cpu.facts(cpuinfo.parse("\n".join(lines) + "\n", dump.name))
    except BadInput as error:
        assert dump.name in str(error)
        return
    assert found["microarchitecture"] in acceptable(dump)


@settings(max_examples=60)
@given(st.text(max_size=300))
def test_any_text_is_an_error_or_says_little(text: str) -> None:
    try:
        found = cpu.facts(cpuinfo.parse(text, "noise"))
    except BadInput as error:
        assert "noise" in str(error)
        return
    assert found["microarchitecture"] is None


LSCPU = """\
Architecture:            aarch64
Byte Order:              Little Endian
CPU(s):                  144
Vendor ID:               ARM
Model name:              Neoverse-V2
Thread(s) per core:      1
Core(s) per socket:      72
Socket(s):               2
NUMA node(s):            2
Flags:                   {flags}
"""


def test_lscpu_text_and_json_say_the_same() -> None:
    dump = next(dump for dump in DUMPS if dump.name == "linux-unknown-neoverse_v2")
    flags = next(
        line.split(":", 1)[1] for line in dump.read_text().splitlines() if line.startswith("Features")
    )
    text = LSCPU.format(flags=flags.strip())
    entries = [
        dict(zip(("field", "data"), map(str.strip, line.split(":", 1)), strict=True))
        for line in text.splitlines()
    ]
    as_json = json.dumps(
        {"lscpu": [{"field": entry["field"] + ":", "data": entry["data"]} for entry in entries]}
    )
    plain, structured = (cpu.facts(cpuinfo.parse(given, "lscpu")) for given in (text, as_json))
    assert plain == structured
    counts = [plain[key] for key in ("cores", "physical_cores", "sockets", "numa_nodes")]
    assert (plain["microarchitecture"], counts) == ("neoverse_v2", [144, 144, 2, 2])


@settings(max_examples=80)
@given(st.integers(0, 300), st.booleans())
def test_lscpu_text_cut_anywhere_is_never_another_machine(length: int, as_lines: bool) -> None:
    text = LSCPU.format(
        flags="fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop asimddp ssbs sve sve2"
    )
    whole = cpu.facts(cpuinfo.parse(text, "lscpu"))
    kept = "".join(text.splitlines(keepends=True)[: length % 11]) if as_lines else text[:length]
    try:
        found = cpu.facts(cpuinfo.parse(kept, "lscpu"))
    except BadInput as error:
        assert "lscpu" in str(error)
        return
    assert found["microarchitecture"] in (
        None,
        whole["microarchitecture"],
        *cpu.microarchitectures()["neoverse_v2"].ancestors,
    )
    assert all(
        found[key] in (None, whole[key]) for key in ("cores", "physical_cores", "sockets", "numa_nodes")
    )


@pytest.mark.parametrize("order", ["Little", "Big"])
def test_lscpu_tells_the_byte_order_of_power(order: str) -> None:
    architecture = "ppc64le" if order == "Little" else "ppc64"
    text = f"Architecture: {architecture}\nByte Order: {order} Endian\nCPU(s): 160\nModel name: POWER9, altivec supported\n"
    found = cpu.facts(cpuinfo.parse(text, "lscpu"))
    assert (found["isa_level"], found["microarchitecture"]) == (
        architecture,
        "power9le" if order == "Little" else "power9",
    )


def test_truncated_lscpu_json_names_the_line() -> None:
    with pytest.raises(BadInput, match=r"cpu\.json:2: malformed JSON"):
        cpuinfo.parse('{"lscpu": [\n  {"field": "CPU(s):"', "cpu.json")


# ---- cores, memory, node


@pytest.mark.parametrize(
    ("limits", "cores_left"),
    [
        ([{"cpu.max": "max 100000\n"}], None),
        ([{"cpu.max": "400000 100000\n"}, {"cpu.max": "250000 100000\n"}], 2),
        ([{"cpu.cfs_quota_us": "-1\n", "cpu.cfs_period_us": "100000\n"}], None),
        ([{"cpu.cfs_quota_us": "50000\n", "cpu.cfs_period_us": "100000\n"}], 1),
    ],
)
def test_quota_of_both_cgroup_versions(limits: list[dict[str, str]], cores_left: int | None) -> None:
    assert cores.quota(limits) == cores_left


def test_usable_cores_are_the_least_of_all() -> None:
    assert cores.usable(192, 192, [], {"SLURM_CPUS_PER_TASK": "16"}) == 16
    assert cores.usable(192, 8, [{"cpu.max": "1200000 100000"}], {}) == 8
    assert cores.usable(None, None, [], {}) is None


def test_memory_is_cut_by_the_tightest_group() -> None:
    assert (
        memory.gib(
            "MemTotal:       16777216 kB\n",
            [{"memory.max": "max"}, {"memory.limit_in_bytes": str(4 * 2**30)}],
        )
        == 4.0
    )
    assert memory.gib("MemTotal:       16777216 kB\n") == 16.0
    assert memory.gib("MemTotal:       16777216 kB\n", [], {"SLURM_MEM_PER_NODE": "8192"}) == 8.0
    assert memory.gib("MemTot") is None


def test_a_node_is_exclusive_only_inside_a_whole_allocation() -> None:
    inside = {"SLURM_JOB_ID": "1", "SLURM_CPUS_ON_NODE": "64"}
    assert node.exclusive(inside, 64, 0.0) is True
    assert node.exclusive(inside, 128, 0.0) is False
    assert node.exclusive({}, 64, 30.0) is False and node.exclusive({}, 64, 3.0) is None
    assert node.exclusive({}, 64, 0.1) is None


def test_the_file_system_of_a_folder_is_that_of_the_deepest_mount() -> None:
    mounts = "1 0 8:1 / / rw - ext4 /dev/sda rw\n2 1 0:5 / /scratch\\040space rw - lustre server rw\n3 1 0:6 / /s rw - tmpfs t rw\n"
    assert storage.filesystem(mounts, "/scratch space/x") == "lustre"
    assert storage.filesystem(mounts, "/scratch") == "ext4"
    assert storage.filesystem("torn line", "/") is None


def test_libc_and_distribution() -> None:
    assert libc.glibc("glibc 2.36") == "2.36"
    assert libc.glibc(None) is None
    assert libc.distribution('NAME="Rocky Linux"\nID="rocky"\nVERSION_ID="9.4"\n') == "rocky 9.4"


@pytest.mark.parametrize(
    ("printed", "environment", "found"),
    [
        (
            "mpirun (Open MPI) 4.1.4\n\nReport bugs to http://www.open-mpi.org/community/help/\n",
            {},
            "openmpi 4.1.4",
        ),
        ("HYDRA build details:\n    Version:                                 4.0.2\n", {}, "mpich 4.0.2"),
        ("Something else 1.0\n", {}, None),
        (None, {}, "none"),
        (None, {"MODULEPATH": "/opt/modules"}, None),
    ],
)
def test_the_mpi_of_the_host(printed: str | None, environment: dict[str, str], found: str | None) -> None:
    assert mpi.implementation(printed, environment) == found


@pytest.mark.parametrize(
    ("printed", "scheduler", "found"),
    [
        (
            "MPI plugin types are...\n\tpmix\n\tnone\n\tpmi2\nspecific pmix plugin versions available: pmix_v4\n",
            "slurm",
            ["pmi2", "pmix"],
        ),
        ("MPI plugin types are...\n\tnone\n", "slurm", None),
        (None, "slurm", None),
        (None, None, None),
        (None, "none", []),
    ],
)
def test_what_srun_offers_to_mpi(printed: str | None, scheduler: str | None, found: list[str] | None) -> None:
    assert mpi.process_management(printed, scheduler) == found


def test_subordinate_ids_of_the_user_only() -> None:
    assert node.subordinate_ids("a:100000:65536\nb:200000:1\nbroken\n", "a") == 65536
    assert node.subordinate_ids("a:100000:65536\n", "c") == 0


SINFO = """\
PARTITION AVAIL TIMELIMIT NODES(A/I/O/T) CPUS MEMORY GRES
gpu*      up    1-00:00:0 3/1/0/4        128  1031000 gpu:8
long      up    7-00:00:0 0/2/0/2        64+  256000  (null)
"""


def test_sinfo_and_pbsnodes(tmp_path: Path) -> None:
    (tmp_path / "s.txt").write_text(
        "PARTITION AVAIL NODES CPUS MEMORY\ngpu* up 4 128 1048576\nlong up 2 64 262144\n"
    )
    found = probe(sinfo=tmp_path / "s.txt").facts
    assert (found["scheduler"], found["nodes"], found["cpu"]["cores"], found["memory_gib"]) == (
        "slurm",
        4,
        128,
        1024.0,
    )
    assert (
        found["partitions"] == ["gpu", "long"]
        and found["gpus"] is None
        and found["cpu"]["usable_cores"] is None
    )
    pbs = "n1\n     state = free\n     np = 40\n     queue = gpu\nn2\n     state = free\n     np = 40\n"
    assert scheduler.parse(pbs, "pbs").facts == {
        "scheduler": "pbs",
        "partitions": ["gpu"],
        "nodes": 2,
        "cpu.cores": 40,
    }
    with pytest.raises(BadInput, match="sinfo with its header"):
        scheduler.parse("nothing\n", "s.txt")


@pytest.mark.parametrize(
    ("programs", "version", "kind"),
    [
        (["pbsnodes"], "pbs_version = 23.06.06\n", "pbspro"),
        (["pbsnodes"], "Version: 6.1.3\nCommit: 4e8ee1\n", "torque"),
        (["pbsnodes"], "version: 4.2.10\n", "torque"),
        (["pbsnodes"], None, "pbs"),
        (["pbsnodes"], "command not understood", "pbs"),
        (["sinfo", "pbsnodes"], "pbs_version = 23.06.06\n", "slurm"),
        ([], None, "none"),
    ],
)
def test_the_kind_of_pbs_is_told_by_its_version(programs: list[str], version: str | None, kind: str) -> None:
    assert scheduler.present(programs, {}, version) == kind
    in_a_job = {"slurm": "pbspro", "none": "pbs"}.get(kind, kind)
    assert scheduler.present([], {"PBS_JOBID": "1"}, version) == in_a_job


def test_sinfo_with_node_states_counts_all_nodes() -> None:
    found = scheduler.parse(SINFO.replace("NODES(A/I/O/T)", "NODES"), "s.txt").facts
    assert found["nodes"] == 4 and found["cpu.cores"] == 128 and found["gpus"] == [{}] * 8
    assert (
        scheduler.parse("PARTITION NODES GRES\ngpu 2 gpu:h100:4(S:0-1),tmpdisk:100\n", "s").facts["gpus"]
        == [{"model": "h100"}] * 4
    )
    assert scheduler.parse("PARTITION NODES GRES\ncpu 2 (null)\n", "s").facts["gpus"] == []
    assert "gpus" not in scheduler.parse("PARTITION NODES GRES\nmix* 2 gpu:4\nmix* 2 (null)\n", "s").facts


PBSNODES = """\
n1
     state = free
     np = 40
     queue = gpu
n2
     state = free
     np = 40
"""
WIDE_SINFO = SINFO.replace("NODES(A/I/O/T)", "NODES")


def shortened(text: str) -> list[str]:
    """The text cut after each line, cut inside each line, and without each line."""
    lines = text.splitlines(keepends=True)
    cuts = ["".join(lines[:kept]) for kept in range(len(lines))]
    torn = ["".join(lines[:kept]) + lines[kept][: len(lines[kept]) // 2] for kept in range(len(lines))]
    return [*cuts, *torn, *("".join(lines[:lost] + lines[lost + 1 :]) for lost in range(len(lines)))]


@pytest.mark.parametrize("whole", [WIDE_SINFO, PBSNODES], ids=["sinfo", "pbsnodes"])
def test_a_damaged_description_of_a_cluster_is_an_error_or_says_less(whole: str) -> None:
    known = scheduler.parse(whole, "s.txt").facts
    for text in shortened(whole):
        try:
            found = scheduler.parse(text, "s.txt").facts
        except BadInput as error:
            assert "s.txt" in str(error)
            continue
        assert found["scheduler"] == known["scheduler"]
        assert found.get("cpu.cores") in (None, *(int(n) for n in re.findall(r"\b(?:40|128|64)\b", whole)))
        assert (found.get("nodes") or 0) <= known["nodes"]
        assert set(found.get("partitions") or []) <= set(known["partitions"])
        assert found.get("gpus") in (None, [], known.get("gpus"))


@pytest.mark.parametrize("place", range(len(WIDE_SINFO.splitlines()) + len(PBSNODES.splitlines())))
@settings(max_examples=20)
@given(noise=st.text(max_size=30))
def test_a_description_of_a_cluster_with_any_line_replaced_is_no_traceback(place: int, noise: str) -> None:
    for whole in (WIDE_SINFO, PBSNODES):
        lines = whole.splitlines()
        lines[place % len(lines)] = noise
        try:
            assert scheduler.parse("\n".join(lines) + "\n", "s.txt").facts["scheduler"] in ("slurm", "pbs")
        except BadInput as error:
            assert "s.txt" in str(error)


# ---- this machine and another


def test_this_machine_is_probed_without_heavy_modules() -> None:
    code = """
        import sys
        from kb.records.targets import load_target
        target = load_target("local")
        assert target.facts["cpu"]["cores"] >= 1 and target.facts["memory_gib"] > 0, target
        heavy = {"archspec", "rdflib", "yaml", "shifty", "pyshacl", "urllib.request", "pip"} & set(sys.modules)
        assert not heavy, heavy
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=True)


def test_affinity_limits_the_usable_cores() -> None:
    code = """
import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
from kb.probe.machine import probe; print(probe().facts["cpu"]["usable_cores"])
"""
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "1"


def test_another_node_is_probed_by_one_script_on_standard_input() -> None:
    here, there = probe().facts, probe(via="env SLURM_CPUS_PER_TASK=1").facts
    assert there["cpu"]["features"] == here["cpu"]["features"] and there["glibc"] == here["glibc"]
    assert there["cpu"]["usable_cores"] == 1


@pytest.mark.parametrize(
    ("via", "error"),
    [
        ("no-such-program-here x", BadInput),
        ("'", BadInput),
        ("", BadInput),
        ("false", RunFailed),
        ("echo", RunFailed),
    ],
)
def test_a_failing_command_is_reported(via: str, error: type[OntuneError]) -> None:
    with pytest.raises(error, match="--via"):
        probe(via=via)


@pytest.mark.slurm
@pytest.mark.parametrize(("options", "exclusive"), [("-n1 -c1", False), ("-n1 --exclusive -c{all}", True)])
def test_slurm_is_probed_from_inside_an_allocation(slurm: None, options: str, exclusive: bool) -> None:
    cores_of_node = probe().facts["cpu"]["cores"]
    # The one node may be busy with the jobs of other tests, which run beside these.
    facts = probe(via=f"srun --immediate=600 {options.format(all=cores_of_node)}").facts
    assert (facts["scheduler"], facts["nodes"], facts["exclusive"]) == (
        "slurm",
        1,
        exclusive or cores_of_node == 1,
    )
    assert facts["cpu"]["usable_cores"] == (cores_of_node if exclusive else 1)


@pytest.mark.slurm
def test_the_output_of_sinfo_describes_its_nodes(slurm: None, tmp_path: Path) -> None:
    for columns in ("%P %a %l %D %t %N", "%P %D %c %m %G"):
        (tmp_path / "sinfo.txt").write_text(
            subprocess.run(["sinfo", "-o", columns], check=True, capture_output=True, text=True).stdout
        )
        facts = probe(sinfo=tmp_path / "sinfo.txt").facts
        assert (facts["scheduler"], facts["nodes"]) == ("slurm", 1)
    assert facts["cpu"]["cores"] == probe().facts["cpu"]["cores"] and facts["gpus"] == []


def test_registries_are_asked_and_a_login_is_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    class Registry(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_error(int(self.path[1:]))

        def log_message(self, format: str, *args: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Registry) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        for status, answer in ((401, True), (403, False), (502, False)):
            monkeypatch.setattr(
                recognised,
                "registries",
                lambda status=status: [f"http://127.0.0.1:{server.server_port}/{status}"],
            )
            assert registry.reached() is answer
        port = server.server_port
        server.shutdown()
    monkeypatch.setattr(recognised, "registries", lambda: [f"http://127.0.0.1:{port}/401"])
    assert registry.reached() is False


def test_pip_configuration_is_read_without_pip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "wheels").mkdir()
    for name in ("torch-2.13.0+cpu-cp311-cp311-manylinux_2_28_x86_64.whl", "notes.txt"):
        (tmp_path / "wheels" / name).touch()
    (tmp_path / "pip.conf").write_text(
        f"[install]\nfind-links =\n    {tmp_path / 'wheels'}\n    https://example.org/wheels\n"
    )
    monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "pip.conf"))
    found = probe().facts["wheels"]
    assert "torch-2.13.0+cpu-cp311-cp311-manylinux_2_28_x86_64.whl" in found and "notes.txt" not in found


def test_a_dump_mixes_nothing_of_this_machine_in(tmp_path: Path) -> None:
    (tmp_path / "smi.xml").write_text(GPU)
    target = probe(cpuinfo=DUMPS[0], nvidia_smi=tmp_path / "smi.xml")
    assert target.name == DUMPS[0].stem and len(target.facts["gpus"]) == 1
    assert {"glibc", "memory_gib", "wheels", "cpu.usable_cores"} <= set(target.unknown())


def test_a_kernel_that_tells_nothing_leaves_facts_unknown() -> None:
    raw = dict(
        collect.collect([]),
        cpuinfo=None,
        meminfo=None,
        loadavg=None,
        mountinfo=None,
        siblings=[],
        os_release=None,
        wheels=None,
    )
    facts = _from_raw(raw)
    assert (facts["cpu"]["microarchitecture"], facts["memory_gib"], facts["os"], facts["wheels"]) == (
        None,
        None,
        None,
        None,
    )
    assert facts["cpu"]["usable_cores"] >= 1


def test_the_collector_is_written_for_old_pythons() -> None:
    ast.parse(Path(collect.__file__).read_text(), feature_version=(3, 6))


def test_the_collector_runs_alone(tmp_path: Path) -> None:
    script = tmp_path / "collect.py"
    script.write_text((Path(__file__).parent.parent / "kb/probe/collect.py").read_text())
    done = subprocess.run(
        [sys.executable, "-I", str(script)],
        check=True,
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={"PATH": os.defpath},
    )
    assert "cpuinfo" in json.loads(done.stdout)


# ---- forms of dumps that people send: trimmed from public issue threads and documentation, names of hosts
# changed

POWER_NODE = """processor\t: 0
cpu\t\t: {cpu}, altivec supported
clock\t\t: 2300.000000MHz
revision\t: 2.2 (pvr 004e 1202)

processor\t: 1
cpu\t\t: {cpu}, altivec supported
clock\t\t: 2300.000000MHz
revision\t: 2.2 (pvr 004e 1202)

timebase\t: 512000000
platform\t: PowerNV
model\t\t: 8335-GTH
"""


@pytest.mark.parametrize(
    ("cpu_line", "likely"),
    [
        ("POWER9", "power9"),
        ("POWER8 (raw)", "power8"),
        ("POWER10 (architected)", "power10"),
        ("Power11 (architected)", "power10"),
    ],
)
def test_a_power_processor_by_its_generation(cpu_line: str, likely: str) -> None:
    processor = cpuinfo.parse(POWER_NODE.format(cpu=cpu_line), "cpuinfo")
    untold = cpu.facts(processor)
    # Its cpuinfo does not tell the byte order, so that no level is sure; the kernel's name of the machine
    # does.
    assert (untold["isa_level"], untold["microarchitecture"], untold["vendor"], untold["cores"]) == (
        None,
        likely,
        "IBM",
        2,
    )
    told = cpu.facts(processor, machine="ppc64le")
    assert (told["isa_level"], told["microarchitecture"]) == ("ppc64le", f"{likely}le")
    assert told["confidence"] == (0.5 if "11" in cpu_line else 1.0)


ARM_CORE = """processor\t: {n}
BogoMIPS\t: 48.00
Features\t: fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop asimddp{more}
CPU implementer\t: 0x41
CPU architecture: 8
CPU variant\t: 0x2
CPU part\t: {part}
CPU revision\t: 0

"""
LSCPU_OF_TWO_KINDS = """Architecture:                    aarch64
CPU op-mode(s):                  32-bit, 64-bit
Byte Order:                      Little Endian
CPU(s):                          8
On-line CPU(s) list:             0-7
Vendor ID:                       ARM
Model name:                      Cortex-A55
Thread(s) per core:              1
Core(s) per socket:              4
Socket(s):                       1
Model name:                      Cortex-A76
Thread(s) per core:              1
Core(s) per socket:              2
Socket(s):                       2
Flags:                           fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop asimddp
"""


def test_a_processor_of_several_kinds_of_cores_is_none_of_them() -> None:
    text = "".join(
        ARM_CORE.format(n=n, part="0xd05" if n < 4 else "0xd0b", more="" if n < 4 else " uscat")
        for n in range(8)
    )
    found = cpu.facts(cpuinfo.parse(text, "cpuinfo"))
    assert (found["isa_level"], found["microarchitecture"], found["cores"], found["vendor"]) == (
        "aarch64",
        None,
        8,
        "ARM",
    )
    # A program may come to run on any core.
    assert "asimddp" in found["features"] and "uscat" not in found["features"]
    listed = cpu.facts(cpuinfo.parse(LSCPU_OF_TWO_KINDS, "lscpu"))
    assert (listed["isa_level"], listed["microarchitecture"], listed["cores"]) == ("aarch64", None, 8)
    assert listed["physical_cores"] is None and listed["model"] is None
    alike = "".join(ARM_CORE.format(n=n, part="0xd0c", more="") for n in range(4))
    assert cpu.facts(cpuinfo.parse(alike, "cpuinfo"))["microarchitecture"] == "neoverse_n1"


@pytest.mark.parametrize(
    ("lines", "counts"),
    [
        (["0,0,0,0,,0,0,0,0", "1,0,0,0,,0,0,0,0", "2,1,0,0,,4,4,1,0", "3,1,0,0,,4,4,1,0"], (4, 2, 1, 1)),
        (["0,0,0,0,,0,0,0,0", "1,1,1,1,,1,1,1,1", "2,2,0,0,,2,2,2,0", "3,3,1,1,,3,3,3,1"], (4, 4, 2, 2)),
    ],
)
def test_the_parsable_form_of_lscpu_tells_the_topology(lines: list[str], counts: tuple[int, ...]) -> None:
    head = "# The following is the parsable format, which can be fed to other\n# programs.\n# CPU,Core,Socket,Node,,L1d,L1i,L2,L3\n"
    found = cpu.facts(cpuinfo.parse(head + "\n".join(lines) + "\n", "lscpu"))
    assert (found["cores"], found["physical_cores"], found["sockets"], found["numa_nodes"]) == counts
    assert found["isa_level"] is None and found["features"] is None


SUMMARY = """PARTITION         AVAIL  TIMELIMIT   NODES(A/I/O/T) NODELIST
cosma               up 3-00:00:00     80/137/7/224 m[7229-7452]
cosma-pauper*       up 1-00:00:00     82/140/2/224 m[7001-7224]
"""
BARS = """PARTITION|AVAIL|TIMELIMIT|NODES|STATE|NODELIST|CPUS(A/I/O/T)|S:C:T|GRES|MEMORY|REASON
gpu*|up|3-00:00:00|50|mixed|g[01-50]|2000/3000/0/5000|2:25:2|gpu:nvidia_a100-sxm4-80gb:8(S:0,1)|512000|not responding
cpu|up|1-00:00:00|50|idle|c[01-50]|0/5000/0/5000|2:50:1|(null)|256000|none
"""
SCONTROL = """NodeName=g1 Arch=x86_64 CoresPerSocket=56
   CPUAlloc=88 CPUEfctv=192 CPUTot=224 CPULoad=18.41
   AvailableFeatures=icelake,mem512GB
   Gres=gpu:nvidia_b200:4(S:0-1)
   NodeAddr=g1 NodeHostName=g1 Version=23.11.3
   OS=Linux 5.14.0-687.24.1.el9_8.x86_64 #1 SMP PREEMPT_DYNAMIC Thu Jul 9 16:32:56 UTC 2026
   RealMemory=2060000 AllocMem=706560 FreeMem=224124 Sockets=2 Boards=1
   State=MIXED ThreadsPerCore=2 TmpDisk=0 Weight=1 Owner=N/A MCS_label=N/A
   Partitions=a,b
   CfgTRES=cpu=192,mem=2060000M,billing=448,gres/gpu=4,gres/gpu:nvidia_b200=4
   Reason=Node start up [root@2026-03-11T11:05:51]
"""
ONE_LINE = " ".join(line.strip() for line in SCONTROL.splitlines()) + "\n"
PBS_PROFESSIONAL = """n001
     Mom = n001.zeus
     ntype = PBS
     state = free
     pcpus = 48
     resources_available.arch = linux
     resources_available.host = n001
     resources_available.mem = 527685384kb
     resources_available.ncpus = 48
     resources_available.ngpus = 4
     resources_available.Qlist = workq,long

n002
     Mom = n002.zeus
     state = job-busy
     resources_available.host = n002
     resources_available.mem = 527685384kb
     resources_available.ncpus = 48
     resources_available.ngpus = 4
     resources_available.Qlist = gpu

n003
     Mom = n003.zeus
     state = down,offline
     resources_available.host = n003
"""
TORQUE = """cloud8
     state = free
     power_state = Running
     np = 40
     properties = batch,gpu
     ntype = cluster
     status = opsys=linux,uname=Linux cloud8 3.10.0-1127.10.1.el7.x86_64 #1 SMP,totmem=135777452kb,physmem=131583152kb,ncpus=40,gres=
     gpus = 1
     gpu_status = gpu[0]=gpu_id=00000000:03:00.0;gpu_product_name=GeForce GTX 1080 Ti;gpu_memory_total=11178 MB,driver_ver=450.51.05
"""


def test_the_summary_of_sinfo_counts_nodes() -> None:
    assert scheduler.parse(SUMMARY, "s").facts == {
        "scheduler": "slurm",
        "partitions": ["cosma", "cosma-pauper"],
        "nodes": 224,
    }


def test_sinfo_with_bars_and_counts_by_state() -> None:
    found = scheduler.parse(BARS, "s").facts
    assert (
        found["nodes"],
        found["cpu.cores"],
        found["cpu.sockets"],
        found["cpu.physical_cores"],
        found["memory_gib"],
    ) == (50, 100, 2, 50, 500.0)
    assert found["gpus"] == [{"model": "nvidia_a100-sxm4-80gb"}] * 8


@pytest.mark.parametrize("text", [SCONTROL, ONE_LINE], ids=["lines", "one line"])
def test_scontrol_describes_nodes(text: str) -> None:
    found = scheduler.parse(text, "s").facts
    assert (found["scheduler"], found["partitions"], found["nodes"]) == ("slurm", ["a", "b"], 1)
    assert (found["cpu.cores"], found["cpu.physical_cores"], found["cpu.isa_level"], found["memory_gib"]) == (
        224,
        112,
        "x86_64",
        2011.7,
    )
    assert found["gpus"] == [{"model": "nvidia_b200"}] * 4
    both = text + text.replace("NodeName=g1", "NodeName=c1").replace(
        "gpu:nvidia_b200:4(S:0-1)", "(null)"
    ).replace("Partitions=a,b", "Partitions=b")
    with pytest.raises(
        BadInput,
        match=r"^s: 2 partitions, and nothing says which one is meant; expected --partition with one of a, b$",
    ):
        scheduler.parse(both, "s")
    assert scheduler.parse(both, "s", "a").facts["gpus"] == [{"model": "nvidia_b200"}] * 4
    mixed = scheduler.parse(both, "s", "b").facts
    assert mixed["nodes"] == 2 and mixed["cpu.cores"] == 224 and "gpus" not in mixed


# As clusters print them: two without a default, of which one counts cores and nodes by state; node by node;
# every column there is.
NO_DEFAULT = """\
PARTITION   AVAIL  TIMELIMIT  NODES  STATE NODELIST
compute     up     1-00:00:00     5  alloc node[01-05]
compute     up     1-00:00:00     3   idle node[06-08]
debug       up     00:30:00       2   idle node[09-10]
"""
BY_STATE = """\
PARTITION           CPUS(A/I/O/T)       NODES(A/I/O/T)
normal*             6336/720/972/8028   196/0/27/223
gpu4090             177/35/44/256       7/0/1/8
gpuh200             90/166/256/512      2/0/2/4
"""
KINDS = """\
PARTITION|AVAIL|TIMELIMIT|NODES|STATE|GRES
general*|up|11-00:00:00|2|idle|(null)
lab|up|11-00:00:00|1|mix-|gpu:nvidia_a100-sxm4-80gb:8
volta-gpu|up|6-00:00:00|8|mix|gpu:tesla_v100-sxm2-16gb:4(S:0-1)
volta-gpu|up|6-00:00:00|1|idle|gpu:tesla_v100-sxm2-16gb:2(S:0-1)
"""
BY_NODE = """\
Mon Nov 30 10:52:47 2026
NODELIST   NODES  PARTITION       STATE CPUS    S:C:T MEMORY TMP_DISK WEIGHT AVAIL_FE REASON
c1             1    normal*        idle   32   2:16:1 128000        0      1   (null) none
c1             1       long        idle   32   2:16:1 128000        0      1   (null) none
c2             1       long        down   32   2:16:1 128000        0      1   (null) Not responding
"""
ALL = """\
AVAIL|CPUS|MEMORY|S:C:T|NODES(A/I) |CPUS(A/I/O/T) |NODES |NODES(A/I/O/T) |GRES |PARTITION |PARTITION |SOCKETS |CORES
up|32|128000|2:16:1|1/0 |32/0/0/32 |1 |1/0/0/1 |(null) |all* |all |2 |16
up|32|128000|2:16:1|0/1 |0/32/0/32 |1 |0/1/0/1 |(null) |cpubase |cpubase |2 |16
"""


def test_of_several_partitions_the_one_is_taken_that_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "s").write_text(KINDS)
    asked = probe(sinfo=tmp_path / "s", partition="lab").facts
    assert (asked["nodes"], [gpu["model"] for gpu in asked["gpus"]]) == (1, ["nvidia_a100-sxm4-80gb"] * 8)
    assert scheduler.parse(BY_STATE, "s", "gpuh200").facts == {
        "scheduler": "slurm", "partitions": ["gpu4090", "gpuh200", "normal"], "nodes": 4, "cpu.cores": 128,
    }  # fmt: skip
    assert [scheduler.parse(BY_NODE, "s", name).facts["nodes"] for name in ("normal", "long")] == [1, 2]
    assert scheduler.parse(BY_NODE, "s", "long").facts["cpu.physical_cores"] == 32
    every = scheduler.parse(ALL, "s").facts
    assert (every["nodes"], every["cpu.cores"], every["memory_gib"], every["gpus"]) == (1, 32, 125.0, [])
    with pytest.raises(
        BadInput,
        match=r"--partition: s has no partition 'lap'; expected general, lab, volta-gpu; did you mean 'lab'\?",
    ):
        scheduler.parse(KINDS, "s", "lap")
    with pytest.raises(BadInput, match="--sinfo with what sinfo says"):
        probe(partition="lab")


def test_of_several_partitions_none_is_taken_in_silence(tmp_path: Path) -> None:
    with pytest.raises(
        BadInput,
        match=r"^s: 2 partitions, and nothing says which one is meant; expected --partition with one of compute, debug$",
    ):
        scheduler.parse(NO_DEFAULT, "s")
    (tmp_path / "s").write_text(BY_STATE)
    told: list[str] = []
    assert probe(sinfo=tmp_path / "s", tell=told.append).facts["nodes"] == 223
    assert told == [
        f"{tmp_path}/s: 3 partitions; these are the nodes of the default one, normal (--partition for another: gpu4090, gpuh200)"
    ]
    assert scheduler.parse(KINDS, "s", "volta-gpu").remarks == (
        "s: the nodes of volta-gpu differ in accelerators (gpu:tesla_v100-sxm2-16gb:4(S:0-1), gpu:tesla_v100-sxm2-16gb:2(S:0-1)),"
        " which is left out: --set what yours has",
    )
    assert scheduler.parse(NO_DEFAULT, "s", "debug").remarks == (
        "s: nothing is said of what a node has; `sinfo -o '%P %D %c %m %G'` does",
    )
    queues = PBS_PROFESSIONAL.replace("ngpus = 4", "ngpus = 2", 1)
    with pytest.raises(BadInput, match="--partition with one of gpu, long, workq"):
        scheduler.parse(queues, "p")
    assert scheduler.parse(queues, "p", "long").facts["partitions"] == ["gpu", "long", "workq"]


def test_both_dialects_of_pbsnodes() -> None:
    found = scheduler.parse(PBS_PROFESSIONAL, "p").facts
    assert (found["nodes"], found["cpu.cores"], found["memory_gib"], found["partitions"]) == (
        3,
        48,
        503.2,
        ["gpu", "long", "workq"],
    )
    assert found["gpus"] == [{}] * 4
    with pytest.raises(BadInput, match="--partition with one of gpu, long, workq"):
        scheduler.parse(PBS_PROFESSIONAL.replace("ngpus = 4", "nmics = 0", 1), "p")  # one node has none
    torque = scheduler.parse(TORQUE, "p").facts
    assert (torque["cpu.cores"], torque["memory_gib"], torque["gpus"]) == (
        40,
        125.5,
        [{"model": "GeForce GTX 1080 Ti", "driver": "450.51.05"}],
    )
    halves = "".join(
        f"n[{n}]\n     state = free\n     resources_available.ncpus = 16\n     resources_available.ngpus = 2\n"
        for n in range(2)
    )
    assert scheduler.parse(halves, "p").facts == {
        "scheduler": "pbs",
        "partitions": None,
        "nodes": 1,
        "cpu.cores": 32,
        "gpus": [{}] * 4,
    }


@pytest.mark.parametrize(
    "whole",
    [SUMMARY, BARS, SCONTROL, PBS_PROFESSIONAL, TORQUE],
    ids=["summary", "bars", "scontrol", "pbs", "torque"],
)
def test_a_damaged_dump_of_a_cluster_is_an_error_or_readable(whole: str) -> None:
    for text in shortened(whole):
        try:
            assert scheduler.parse(text, "s.txt").facts["scheduler"] in ("slurm", "pbs")
        except BadInput as error:
            assert "s.txt" in str(error)


def test_a_scheduler_does_not_overrule_what_the_nodes_own_tools_say(tmp_path: Path) -> None:
    (tmp_path / "smi.xml").write_text(GPU)
    (tmp_path / "lscpu.txt").write_text(LSCPU_OF_TWO_KINDS)
    (tmp_path / "nodes.txt").write_text(SCONTROL)
    found = probe(
        lscpu=tmp_path / "lscpu.txt", nvidia_smi=tmp_path / "smi.xml", sinfo=tmp_path / "nodes.txt"
    ).facts
    assert [each["model"] for each in found["gpus"]] == ["NVIDIA A100-SXM4-80GB"]
    assert (
        found["cpu"]["cores"],
        found["cpu"]["isa_level"],
        found["cpu"]["physical_cores"],
        found["scheduler"],
    ) == (8, "aarch64", 112, "slurm")
