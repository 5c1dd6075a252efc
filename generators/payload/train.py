"""Train a network for a measurement, for its quality, or for a self-check of an installation.

    python train.py --framework pytorch --network mnist-cnn --setting precision=bf16 --output result.json

The result is one JSON object. Exit code 0: done; 1: the installation does not do what was asked; 2: the
request is wrong.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import json
import os
import platform
import sys
from pathlib import Path

import libraries
from catalogue import FRAMEWORKS, NETWORKS, Network, RequestError, network, parameters, settings

# Variables that change how fast a framework trains are part of what was measured.
WATCHED_VARIABLES = (
    "CUDA_",
    "DNNL_",
    "GLIBC_TUNABLES",
    "GOMP_",
    "KMP_",
    "LD_PRELOAD",
    "MALLOC_",
    "MKL_",
    "OMP_",
    "ONEDNN_",
    "TF_",
    "TORCH",
    "XLA_",
)


def main(arguments: list[str] | None = None) -> int:
    """Parse, run and write. Returns the exit code."""
    options = _parser().parse_args(arguments)
    try:
        chosen = network(options.network)
        values = parameters(chosen, options.parameter)
        applied = settings(options.framework, options.setting)
        if options.output is not None and not options.output.absolute().parent.is_dir():
            raise RequestError(f"output {str(options.output)!r}: its folder does not exist")
        result = {
            "framework": options.framework,
            "network": options.network,
            "parameters": values,
            "settings": applied,
        }
        with libraries.speaking() if options.self_check else contextlib.nullcontext([]) as said:
            result |= _run(options, chosen, values, applied)
        if options.self_check:
            result["libraries"] = libraries.report(said)
    except RequestError as error:
        print(f"train.py: {error}", file=sys.stderr)
        return 2
    _write(result, options.output)
    complaints = libraries.contradictions(result["libraries"], applied) if options.self_check else []
    differing = {
        name: (value, result["in_effect"].get(name))
        for name, value in applied.items()
        if not _agrees(result["in_effect"], name, value)
    }
    missing = [name for name, mapped in result["in_effect"]["preloaded"].items() if not mapped]
    if options.self_check and (differing or missing or complaints):
        for name, (asked, found) in differing.items():
            print(f"train.py: setting {name}={asked} is not in effect: found {found}", file=sys.stderr)
        for name in missing:
            print(f"train.py: LD_PRELOAD names {name}, which is not loaded", file=sys.stderr)
        for complaint in complaints:
            print(f"train.py: {complaint}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Train a network and report what was measured as JSON.")
    parser.add_argument("--framework", required=True, help=" or ".join(FRAMEWORKS))
    parser.add_argument("--network", default="mnist-cnn", help=", ".join(NETWORKS))
    parser.add_argument(
        "--parameter",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a parameter of the network, such as batch=128",
    )
    parser.add_argument(
        "--setting",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="an option of the program, such as precision=bf16",
    )
    parser.add_argument(
        "--data", default="synthetic", help="synthetic, digits, or a folder of npz files with arrays x and y"
    )
    parser.add_argument(
        "--mode",
        choices=("benchmark", "train"),
        default="benchmark",
        help="measure throughput, or train for quality",
    )
    parser.add_argument("--windows", type=_positive(int), default=3)
    parser.add_argument("--window-seconds", type=_positive(float), default=1.5)
    parser.add_argument("--warmup-steps", type=_positive(int), default=8)
    parser.add_argument(
        "--epochs",
        type=_positive(int),
        help="passes over the data in train mode; default: what the network needs for the digits",
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--self-check",
        action="store_true",
        help="two steps, then exit 1 unless every setting is in effect by what is reported",
    )
    parser.add_argument("--output", type=Path, help="file for the result; default: standard output")
    return parser


def _positive(kind: type) -> object:
    def convert(text: str) -> float:
        number = kind(text)
        if number <= 0:
            raise argparse.ArgumentTypeError(f"{text!r} is not positive")
        return number

    convert.__name__ = f"positive {kind.__name__}"
    return convert


def _run(
    options: argparse.Namespace, chosen: Network, values: dict[str, float], applied: dict[str, str]
) -> dict:
    # Heavy imports come after the request is known to be right.
    import dataset
    import numpy
    import timing

    train, validation = dataset.load(options.data, chosen, values, options.seed)
    try:
        trainer_module = importlib.import_module(f"{options.framework}_trainer")
    except ImportError as error:
        raise RequestError(f"framework {options.framework!r} cannot be imported here: {error}") from error
    trainer = trainer_module.Trainer(options.network, values, applied, options.seed)
    size = int(values["batch"])
    batches = [trainer.prepare(*batch) for batch in train.batches(size)]
    result: dict = {"parameter_count": trainer.parameter_count}
    if options.mode == "train" and not options.self_check:
        import training

        result |= training.train(
            trainer, train, validation, size, options.epochs or chosen.epochs, options.seed
        )
    else:
        position = 0

        def step() -> None:
            nonlocal position
            trainer.step(batches[position % len(batches)])
            position += 1

        windows, seconds, warmup = (
            (1, 1e-6, 0)
            if options.self_check
            else (options.windows, options.window_seconds, options.warmup_steps)
        )
        result |= timing.measure(step, trainer.synchronise, size, windows, seconds, warmup)
    result |= trainer.device_memory()
    result["in_effect"] = {**trainer.in_effect(batches[0]), **_process()}
    result["versions"] = {
        "python": platform.python_version(),
        "numpy": numpy.__version__,
        **trainer.versions(),
    }
    return result


def _process() -> dict:
    """What holds for the process: libraries asked for by LD_PRELOAD (the loader only warns when one is
    missing), variables, CPUs.
    """
    mapped = Path("/proc/self/maps").read_text(encoding="utf-8", errors="replace")
    preloads = os.environ.get("LD_PRELOAD", "").replace(":", " ").split()
    return {
        "preloaded": {
            name: os.path.realpath(name) in mapped or f"/{Path(name).name}" in mapped for name in preloads
        },
        "environment": {
            name: value for name, value in sorted(os.environ.items()) if name.startswith(WATCHED_VARIABLES)
        },
        "usable_cpus": len(os.sched_getaffinity(0)),
    }


def _agrees(in_effect: dict, name: str, value: str) -> bool:
    """Whether a setting is seen in effect.

    Where the framework offers no way to see one, there is nothing that contradicts it.
    """
    if name not in in_effect or (name == "memory_format" and value == "contiguous"):
        return True
    return str(in_effect[name]) == value


def _write(result: dict, output: Path | None) -> None:
    text = json.dumps(result, indent=2) + "\n"
    if output is None:
        sys.stdout.write(text)
        return
    partial = output.with_name(f"{output.name}.{os.getpid()}.partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(output)


if __name__ == "__main__":
    sys.exit(main())
