"""Measure what options do to the networks on a GPU, with the workload programs of this repository and PyTorch
only.

    python benchmarks/gpu_observations.py --output gpu.json --minutes 8

For every network all variants are made first and then measured in shuffled rounds of short windows, so that a
drifting clock hurts all alike; ratios are paired within a round against eager fp32 with PyTorch's defaults.
What the time does not suffice for is listed under `left_out`.
"""

from __future__ import annotations

import argparse
import json
import platform
import random
import statistics
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "generators" / "payload"))

WORKLOADS = {
    "mnist-cnn": {},
    "transformer": {"batch": 128},
    "resnet50": {"batch": 128, "image_size": 224},
    "mlp": {},
    "lstm": {"batch": 128},
}
WITH_CONVOLUTIONS = {"mnist-cnn", "resnet50"}
BASELINE = "eager-fp32"
VARIANTS = {
    BASELINE: {},
    "fp32-ieee": {"fp32_mode": "ieee"},
    "tf32": {"fp32_mode": "tf32"},
    "bf16": {"precision": "bf16"},
    "fp16": {"precision": "fp16"},
    "fused-adam": {"optimizer_impl": "fused"},
    "channels_last": {"memory_format": "channels_last"},
    "bf16-channels_last": {"precision": "bf16", "memory_format": "channels_last"},
    "inductor": {"compiler": "inductor"},
    "bf16-inductor": {"precision": "bf16", "compiler": "inductor"},
    "bf16-inductor-graphs": {"precision": "bf16", "compiler": "inductor", "compile_mode": "reduce-overhead"},
}


def main() -> int:
    """Measure, and write after every network, so that a run that is cut short leaves what it has.

    Exit code 1 without a GPU.
    """
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=8)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--window-seconds", type=float, default=0.25)
    options = parser.parse_args()
    import torch

    if not torch.cuda.is_available():
        print("gpu_observations.py: PyTorch sees no GPU here", file=sys.stderr)
        return 1
    end = time.monotonic() + 60 * options.minutes
    document: dict[str, Any] = {
        "date": datetime.now(UTC).isoformat(),
        "host": _host(),
        "baseline": BASELINE,
        "networks": {},
        "left_out": [],
    }
    for position, (network, sizes) in enumerate(WORKLOADS.items()):
        # Compiling takes most of the time: each network may start variants for two thirds of an equal share
        # of what is left.
        share = (end - time.monotonic()) / (len(WORKLOADS) - position)
        document["networks"][network] = _network(
            network, sizes, options, time.monotonic() + share * 2 / 3, document["left_out"]
        )
        options.output.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    return 0


def _host() -> dict[str, Any]:
    import torch

    capability = torch.cuda.get_device_capability()
    query = ["nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"]
    return {
        "gpu": torch.cuda.get_device_name(),
        "compute_capability": f"{capability[0]}.{capability[1]}",
        "nvidia_smi": subprocess.run(query, capture_output=True, text=True, check=False).stdout.strip(),
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version(),
        "python": platform.python_version(),
    }


def _network(
    network: str, sizes: dict[str, int], options: argparse.Namespace, last_start: float, left_out: list[str]
) -> dict[str, Any]:
    import catalogue
    import dataset
    import torch

    described = catalogue.NETWORKS[network]
    parameters = {**described.parameters, **sizes}
    samples = dataset.synthetic(described, parameters, 0)
    running, found = {}, {}
    for name, settings in VARIANTS.items():
        if "memory_format" in settings and network not in WITH_CONVOLUTIONS:
            continue
        if name != BASELINE and time.monotonic() > last_start:
            left_out.append(f"{network} {name}")
            continue
        try:
            running[name], found[name] = _started(network, parameters, settings, samples)
        except (RuntimeError, ValueError) as error:
            found[name] = {"settings": settings, "failed": str(error).splitlines()[0]}
    rates: dict[str, list[float]] = {name: [] for name in running}
    for _ in range(options.rounds):
        for name in random.sample(list(running), len(running)):
            trainer, batch = running[name]
            _apply_fp32_mode(VARIANTS[name])
            rates[name].append(_window(trainer, batch, options.window_seconds) * parameters["batch"])
    for name, series in rates.items():
        ratios = sorted(rate / base for rate, base in zip(series, rates[BASELINE], strict=True))
        ratio = {"ratio": statistics.median(ratios), "low": ratios[0], "high": ratios[-1]}
        found[name] |= {"throughput": statistics.median(series), **ratio, "rounds": series}
    running.clear()
    torch._dynamo.reset()
    torch.cuda.empty_cache()
    return {"parameters": parameters, "variants": found}


def _started(
    network: str, parameters: dict[str, float], settings: dict[str, str], samples: Any
) -> tuple[tuple[Any, Any], dict[str, Any]]:
    import pytorch_trainer
    import torch

    _apply_fp32_mode(settings)
    torch.cuda.reset_peak_memory_stats()
    allocated = torch.cuda.memory_allocated()
    trainer = pytorch_trainer.Trainer(network, parameters, settings, 0)
    batch = trainer.prepare(samples.x, samples.y)
    begin = time.perf_counter()
    trainer.step(batch)
    trainer.synchronise()
    first = time.perf_counter() - begin
    for _ in range(5):
        trainer.step(batch)
    trainer.synchronise()
    memory = (torch.cuda.max_memory_allocated() - allocated) / 2**20
    return (trainer, batch), {
        "settings": settings,
        "first_step_seconds": first,
        "peak_memory_mib": memory,
        "in_effect": trainer.in_effect(batch),
    }


def _apply_fp32_mode(settings: dict[str, str]) -> None:
    """The mode is one of the process, not of a trainer; `none` is PyTorch's own default."""
    import torch

    mode = settings.get("fp32_mode", "none")
    torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = mode == "tf32", mode != "ieee"


def _window(trainer: Any, batch: Any, seconds: float) -> float:
    """Steps per second. The device is waited for at the end only, as training programs do; a step count is
    set by a short trial.
    """
    begin = time.perf_counter()
    for _ in range(3):
        trainer.step(batch)
    trainer.synchronise()
    steps = max(3, round(3 * seconds / (time.perf_counter() - begin)))
    begin = time.perf_counter()
    for _ in range(steps):
        trainer.step(batch)
    trainer.synchronise()
    return steps / (time.perf_counter() - begin)


if __name__ == "__main__":
    sys.exit(main())
