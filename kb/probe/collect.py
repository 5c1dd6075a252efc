"""What a machine says about itself, as raw texts. This file is also sent to compute nodes (`--via`), so it
stands alone and runs on Python 3.6.

Nothing is interpreted here and nothing is fetched: the other modules of this package read the texts, from
here or from a user's dumps.
"""

import glob
import json
import os
import platform
import pwd
import shutil
import stat
import sys

ENVIRONMENT = (
    "SLURM_",
    "PBS_",
    "NCPUS",
    "TMPDIR",
    "PIP_",
    "CUDA_VISIBLE_DEVICES",
    "ROCR_VISIBLE_DEVICES",
    "HIP_VISIBLE_DEVICES",
    "MODULEPATH",
)
FILES = {
    "cpuinfo": "/proc/cpuinfo",
    "meminfo": "/proc/meminfo",
    "loadavg": "/proc/loadavg",
    "mountinfo": "/proc/self/mountinfo",
    "cgroup": "/proc/self/cgroup",
    "os_release": "/etc/os-release",
    "subuid": "/etc/subuid",
    "max_user_namespaces": "/proc/sys/user/max_user_namespaces",
    "unprivileged_userns": "/proc/sys/kernel/unprivileged_userns_clone",
    "restrict_userns": "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
}
LARGEST = 64 << 20
SILENT = ("mpiexec.slurm",)
"""Programs that take the name of another one and do not answer its questions, but take as long as a whole
plan to say so.
"""
LIMITS = ("cpu.max", "cpu.cfs_quota_us", "cpu.cfs_period_us", "memory.max", "memory.limit_in_bytes")
QUERIES = {
    "mpi": [["mpirun", "--version"]],
    "slurm_mpi": [["srun", "--mpi=list"]],
    "nvidia_smi": [["nvidia-smi", "-q", "-x"]],
    "nvidia_compute_cap": [["nvidia-smi", "--query-gpu=compute_cap", "--format=csv,noheader"]],
    "rocm_smi": [
        ["amd-smi", "static", "--json"],
        [
            "rocm-smi",
            "--showproductname",
            "--showmeminfo",
            "vram",
            "--showdriverversion",
            "--showhw",
            "--json",
        ],
    ],
}


def read(path: str) -> "str | None":
    """The text of a regular file, or None where it is none, is too large or cannot be read."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
        with os.fdopen(descriptor, errors="replace") as file:
            text = file.read(LARGEST + 1) if stat.S_ISREG(os.fstat(descriptor).st_mode) else None
    except (OSError, ValueError):
        return None
    return text if text is not None and len(text) <= LARGEST else None


def output(command: "list[str]") -> "str | None":
    """What a program prints, or None where it is missing, fails, or hangs."""
    program = shutil.which(command[0])
    if not program or os.path.basename(os.path.realpath(program)) in SILENT:
        return None
    import subprocess

    try:
        done = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL, timeout=60
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.decode("utf-8", "replace") if done.returncode == 0 else None


def cgroup_limits(cgroup: str, mountinfo: str) -> "list[dict[str, str]]":
    """The limit files of the process's control groups and of all groups above, one mapping a group."""
    mounts: "dict[str, tuple[str, str]]" = {}
    for line in mountinfo.splitlines():
        words = line.split()
        if " - cgroup" in line and len(words) > 4:
            kind = line.split(" - ")[1].split()
            for controller in kind[2].split(",") if kind[0] == "cgroup" else [""]:
                mounts[controller] = (words[3], words[4])
    found = []
    for line in cgroup.splitlines():
        controllers, _, path = line.partition(":")[2].partition(":")
        for controller in controllers.split(","):
            if controller not in mounts:
                continue
            root, mount = mounts[controller]
            if root != "/" and path.startswith(root):
                path = path[len(root) :]
            steps = [step for step in path.split("/") if step and step != ".."]
            for depth in range(len(steps) + 1):
                folder = os.path.join(mount, *steps[:depth])
                texts = {name: read(os.path.join(folder, name)) for name in LIMITS}
                found.append({name: text for name, text in texts.items() if text is not None})
    return [limits for limits in found if limits]


def wheels(environment: "dict[str, str]") -> "list[str] | None":
    """File names in the folders that pip is configured to search (`find-links`); None where a folder cannot
    be read.
    """
    home = os.path.expanduser("~")
    base = environment.get("XDG_CONFIG_HOME") or os.path.join(home, ".config")
    own = environment.get("PIP_CONFIG_FILE", "")
    files = [
        "/etc/xdg/pip/pip.conf",
        "/etc/pip.conf",
        os.path.join(home, ".pip/pip.conf"),
        os.path.join(base, "pip/pip.conf"),
    ]
    files += [os.path.join(sys.prefix, "pip.conf"), own]
    links = environment.get("PIP_FIND_LINKS", "").split()
    if own != os.devnull:
        for text in map(read, files):
            if not text:
                continue
            import configparser  # most machines have no such file

            parser = configparser.RawConfigParser()
            try:
                parser.read_string(text)
            except configparser.Error:
                continue
            for section in ("global", "install", "download", "wheel"):
                links += parser.get(section, "find-links", fallback="").split()
    names: "set[str]" = set()
    for link in links:
        folder = os.path.expanduser(link[len("file://") :] if link.startswith("file://") else link)
        if "://" in folder:
            continue
        try:
            names.update(name for name in os.listdir(folder) if name.endswith(".whl"))
        except OSError:
            return None
    return sorted(names)


def devices() -> "list[list[str]]":
    """Class and vendor of each PCI device."""
    found = []
    for path in glob.glob("/sys/bus/pci/devices/*/class"):
        vendor = os.path.join(os.path.dirname(path), "vendor")
        found.append([(read(path) or "").strip(), (read(vendor) or "").strip()])
    return found


def networks() -> "list[str]":
    """Link layers of the InfiniBand ports and names of the network interfaces."""
    layers = [(read(path) or "").strip() for path in glob.glob("/sys/class/infiniband/*/ports/*/link_layer")]
    return sorted(set(layers)) + sorted(
        os.listdir("/sys/class/net") if os.path.isdir("/sys/class/net") else []
    )


def collect(programs: "list[str]") -> "dict[str, object]":
    """All raw texts of this machine.

    Args:
        programs: names of programs to look for in PATH.
    """
    environment = {name: value for name, value in os.environ.items() if name.startswith(ENVIRONMENT)}
    raw: "dict[str, object]" = {name: read(path) for name, path in FILES.items()}
    raw["machine"] = platform.machine()
    raw["byte_order"] = sys.byteorder
    raw["python"] = platform.python_version()
    raw["affinity"] = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    raw["siblings"] = sorted(
        {
            read(path) or ""
            for path in glob.glob("/sys/devices/system/cpu/cpu[0-9]*/topology/thread_siblings_list")
        }
    )
    raw["numa_nodes"] = len(glob.glob("/sys/devices/system/node/node[0-9]*"))
    raw["limits"] = cgroup_limits(read("/proc/self/cgroup") or "", read("/proc/self/mountinfo") or "")
    raw["environment"] = environment
    raw["programs"] = [name for name in programs if shutil.which(name)]
    raw["wheels"] = wheels(dict(os.environ))
    raw["devices"] = devices()
    raw["networks"] = networks()
    temporary = environment.get("TMPDIR") or "/tmp"  # noqa: S108 (only asked for its file system)
    raw["tmpdir"] = os.path.realpath(temporary)
    raw["workdir"] = os.path.realpath(".")
    try:
        raw["libc"] = os.confstr("CS_GNU_LIBC_VERSION")
        raw["user"] = pwd.getpwuid(os.getuid()).pw_name
    except (ValueError, OSError, KeyError):
        pass
    for name, commands in QUERIES.items():
        raw[name] = next((text for text in map(output, commands) if text), None)
    # Slurm brings programs of these names too, which are slow to start.
    raw["pbs_version"] = (
        output(["qstat", "--version"]) if shutil.which("pbsnodes") and not shutil.which("sinfo") else None
    )
    return raw


if __name__ == "__main__":
    print(json.dumps(collect(sys.argv[1:])))
