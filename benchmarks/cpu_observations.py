"""Measure what options do to the networks on this CPU, with the workload programs of this repository.

    python benchmarks/cpu_observations.py --python .venv-frameworks/bin/python --output cpu.json --cores 1
    --rounds 5

Every run is a process of its own, because allocators and threads are decided at its start; the variants take
turns in rounds that begin with another one each time, and ratios are paired within a round against
`--baseline`, which is eager fp32 with PyTorch's defaults where none is named. Rates are told per second and
per CPU second: where others computed beside the runs (`foreign_load`), the second says what the first would
have been. A run that fails is listed with its complaint.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench import process
from bench.measure.statistics import paired_ratio
from kb.probe.machine import probe

TRAIN = Path(__file__).resolve().parent.parent / "generators" / "payload" / "train.py"
TCMALLOC = {"LD_PRELOAD": "libtcmalloc_minimal.so.4"}
HUGE_PAGES = {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}
KEPT = ":glibc.malloc.mmap_threshold=4294967296:glibc.malloc.trim_threshold=17179869184:glibc.malloc.top_pad=268435456"
KEPT_HUGE_PAGES = {"GLIBC_TUNABLES": HUGE_PAGES["GLIBC_TUNABLES"] + KEPT}
BF16_LAST = {"precision": "bf16", "memory_format": "channels_last"}
# name: framework, settings, variables
VARIANTS: dict[str, tuple[str, dict[str, str], dict[str, str]]] = {
    "torch": ("pytorch", {}, {}),
    "torch-tcmalloc": ("pytorch", {}, TCMALLOC),
    "torch-fused": ("pytorch", {"optimizer_impl": "fused"}, {}),
    "torch-bf16": ("pytorch", {"precision": "bf16"}, {}),
    "torch-bf16-tcmalloc": ("pytorch", {"precision": "bf16"}, TCMALLOC),
    "torch-bf16-tcmalloc-fused": ("pytorch", {"precision": "bf16", "optimizer_impl": "fused"}, TCMALLOC),
    "torch-channels_last": ("pytorch", {"memory_format": "channels_last"}, {}),
    "torch-channels_last-tcmalloc": ("pytorch", {"memory_format": "channels_last"}, TCMALLOC),
    "torch-bf16-channels_last": ("pytorch", BF16_LAST, {}),
    "torch-bf16-channels_last-tcmalloc": ("pytorch", BF16_LAST, TCMALLOC),
    "torch-bf16-channels_last-tcmalloc-fused": (
        "pytorch",
        {**BF16_LAST, "optimizer_impl": "fused"},
        TCMALLOC,
    ),
    "torch-bf16-channels_last-tcmalloc-mask_bits": (
        "pytorch",
        {**BF16_LAST, "dropout_impl": "mask_bits"},
        TCMALLOC,
    ),
    "torch-bf16-channels_last-tcmalloc-mask_bits-fused": (
        "pytorch",
        {**BF16_LAST, "dropout_impl": "mask_bits", "optimizer_impl": "fused"},
        TCMALLOC,
    ),
    "torch-bf16-channels_last-hugepages-keep": ("pytorch", BF16_LAST, KEPT_HUGE_PAGES),
    "torch-inductor": ("pytorch", {"compiler": "inductor"}, {}),
    "torch-bf16-inductor-tcmalloc": ("pytorch", {"precision": "bf16", "compiler": "inductor"}, TCMALLOC),
    "tf": ("tensorflow", {}, {}),
    "tf-bf16": ("tensorflow", {"precision": "bf16"}, {}),
    "tf-bf16-tcmalloc": ("tensorflow", {"precision": "bf16"}, TCMALLOC),
    "tf-bf16-hugepages": ("tensorflow", {"precision": "bf16"}, HUGE_PAGES),
    "tf-onednn": ("tensorflow", {}, {"TF_ENABLE_ONEDNN_OPTS": "1"}),
    "tf-no-onednn": ("tensorflow", {}, {"TF_ENABLE_ONEDNN_OPTS": "0"}),
    "tf-bf16-onednn": ("tensorflow", {"precision": "bf16"}, {"TF_ENABLE_ONEDNN_OPTS": "1"}),
    "tf-xla": ("tensorflow", {"compiler": "xla"}, {}),
}
WITH_CONVOLUTIONS = ("mnist-cnn", "resnet50")


def main() -> int:
    """Measure, and write after every round, so that a run that is cut short leaves what it has."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--python", required=True, help="the Python that has PyTorch and TensorFlow")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--network", action="append", help="default: mnist-cnn, transformer, mlp")
    parser.add_argument(
        "--variant", action="append", choices=VARIANTS, help="default: all; the baseline always runs"
    )
    parser.add_argument(
        "--baseline",
        default="torch",
        choices=VARIANTS,
        help="what the others are compared with (default: torch)",
    )
    parser.add_argument("--cores", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--window-seconds", type=float, default=0.5)
    options = parser.parse_args()
    document: dict[str, Any] = {
        "date": datetime.now(UTC).isoformat(),
        "host": _host(),
        "cores": options.cores,
        "networks": {},
    }
    document["baseline"] = options.baseline
    for network in options.network or ("mnist-cnn", "transformer", "mlp"):
        names = [
            name
            for name in VARIANTS
            if name == options.baseline or not options.variant or name in options.variant
        ]
        names = [
            name for name in names if "memory_format" not in VARIANTS[name][1] or network in WITH_CONVOLUTIONS
        ]
        runs: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
        for number in range(options.rounds):
            for name in [*names[number % len(names) :], *names[: number % len(names)]]:
                runs[name].append(_run(network, name, options))
            document["networks"][network] = {
                name: _summary(runs[name], runs[options.baseline]) for name in names
            }
            options.output.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
            print(f"{network}: round {number + 1} of {options.rounds}", file=sys.stderr)
    return 0


def _host() -> dict[str, Any]:
    return {
        "cpu": probe().to_json()["cpu"],
        "system": platform.platform(),
        "usable_cpus": len(os.sched_getaffinity(0)),
    }


def _run(network: str, name: str, options: argparse.Namespace) -> dict[str, Any]:
    framework, settings, variables = VARIANTS[name]
    command = [
        options.python,
        str(TRAIN),
        "--framework",
        framework,
        "--network",
        network,
        "--warmup-steps",
        "4",
        "--windows",
        "3",
    ]
    command += [
        "--window-seconds",
        str(options.window_seconds),
        *(word for item in settings.items() for word in ("--setting", "=".join(item))),
    ]
    environment = {**{key: os.environ[key] for key in ("HOME", "PATH") if key in os.environ}, **variables}
    with tempfile.TemporaryDirectory() as folder, process.on_cores(options.cores):
        output = Path(folder, "result.json")
        ended = process.run([*command, "--output", str(output)], 300, environment=environment)
        if ended.code or not output.exists():
            return {"failed": (ended.error_tail.strip().splitlines() or ["timed out"])[-1]}
        result: dict[str, Any] = json.loads(output.read_text(encoding="utf-8"))
    if not all(result["in_effect"]["preloaded"].values()):
        return {"failed": f"{variables['LD_PRELOAD']} is not installed"}
    cpu_seconds = sum(window["cpu_seconds"] for window in result["windows"])
    return {
        "throughput": result["throughput"],
        "per_cpu_second": sum(window["samples"] for window in result["windows"]) / cpu_seconds,
        **{key: result[key] for key in ("first_step_seconds", "peak_memory_mib", "foreign_load", "versions")},
    }


def _summary(runs: list[dict[str, Any]], baseline: list[dict[str, Any]]) -> dict[str, Any]:
    """The ratios to the baseline by both rates, with their intervals, and the runs themselves."""
    found: dict[str, Any] = {}
    for rate in ("throughput", "per_cpu_second"):
        ratio = paired_ratio(
            [run.get(rate) for run in runs], [run.get(rate) for run in baseline[: len(runs)]]
        )
        found[f"ratio_by_{rate}"] = ratio and {
            "value": ratio.value,
            "low": ratio.low,
            "high": ratio.high,
            "pairs": ratio.pairs,
        }
    return {**found, "runs": runs}


if __name__ == "__main__":
    sys.exit(main())
