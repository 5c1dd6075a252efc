"""Train pairs of runs that differ in the precision only, and say whether the lower one reaches the quality of
fp32.

    python convergence.py --framework pytorch --network mnist-cnn --precision bf16 --seeds 5 --output
    convergence.json

The runs are paired by seed: the same initial weights, the same order of samples. The precision holds where
the mean difference of the validation accuracies is no worse than the margin and every run reaches the quality
that the catalogue states for the network. Exit code 0: it holds; 1: it does not, or a run failed; 2: the
request is wrong.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

from catalogue import RequestError, network

TRAIN = Path(__file__).with_name("train.py")


def main(arguments: list[str] | None = None) -> int:
    """Run the pairs and write the result. Returns the exit code."""
    parser = argparse.ArgumentParser(
        description="Paired training runs: a precision against fp32 on the digits."
    )
    parser.add_argument("--framework", required=True)
    parser.add_argument("--network", required=True)
    parser.add_argument("--precision", default="bf16")
    parser.add_argument("--parameter", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument(
        "--setting",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a setting of all runs, such as threads=1",
    )
    parser.add_argument("--seeds", type=int, default=5, help="number of pairs; at least 5 for evidence")
    parser.add_argument("--epochs", type=int, help="default: the network's own")
    parser.add_argument("--margin", type=float, default=0.01, help="accuracy that may be lost")
    parser.add_argument("--output", type=Path, help="default: standard output")
    options = parser.parse_args(arguments)
    try:
        chosen = network(options.network)
    except RequestError as error:
        print(f"convergence.py: {error}", file=sys.stderr)
        return 2
    pairs = []
    for seed in range(options.seeds):
        pair: dict = {"seed": seed}
        for precision in ("fp32", options.precision):
            run = _train(options, precision, seed)
            if run.returncode:
                complaint = run.stderr.strip().splitlines()[-1] if run.stderr.strip() else "train.py failed"
                print(f"seed {seed}, {precision}: {complaint}", file=sys.stderr)
                return run.returncode
            report = json.loads(run.stdout)
            pair[precision] = report["validation"]["quality"]
        pairs.append(pair)
        print(
            f"seed {seed}: fp32 {pair['fp32']:.4f}, {options.precision} {pair[options.precision]:.4f}",
            file=sys.stderr,
        )
    difference = statistics.mean(pair[options.precision] - pair["fp32"] for pair in pairs)
    reached = all(
        pair[precision] >= chosen.quality for pair in pairs for precision in ("fp32", options.precision)
    )
    result = {
        **{key: report[key] for key in ("framework", "network", "parameters", "versions")},
        "date": datetime.now(UTC).date().isoformat(),
        "cpu": _cpu(),
        "precision": options.precision,
        "settings": {name: value for name, value in report["settings"].items() if name != "precision"},
        "data": "digits",
        "metric": "accuracy",
        "epochs": report["validation"]["epochs"],
        "validation_samples": report["validation"]["samples"],
        "quality": chosen.quality,
        "margin": options.margin,
        "pairs": pairs,
        "mean_difference": difference,
        "holds": difference >= -options.margin and reached,
    }
    text = json.dumps(result, indent=2) + "\n"
    if options.output:
        options.output.write_text(text, encoding="utf-8")
    else:
        sys.stdout.write(text)
    return 0 if result["holds"] else 1


def _cpu() -> str:
    """The CPU as the kernel names it, with family and model, because virtual machines shorten the name."""
    fields = dict(
        line.split("\t: ")
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        if "\t: " in line
    )
    known = {key.strip(): value for key, value in fields.items()}
    return f"{known.get('model name', 'unknown')} (family {known.get('cpu family', '?')}, model {known.get('model', '?')})"


def _train(options: argparse.Namespace, precision: str, seed: int) -> subprocess.CompletedProcess[str]:
    command = [
        sys.executable,
        str(TRAIN),
        "--framework",
        options.framework,
        "--network",
        options.network,
        "--mode",
        "train",
        "--data",
        "digits",
    ]
    command += ["--seed", str(seed)]
    command += [
        word for setting in (*options.setting, f"precision={precision}") for word in ("--setting", setting)
    ]
    # Given ones come last: of two values for one parameter the last one counts.
    parameters = [
        *(f"{name}={value:g}" for name, value in network(options.network).digits.items()),
        *options.parameter,
    ]
    command += [word for parameter in parameters for word in ("--parameter", parameter)]
    if options.epochs:
        command += ["--epochs", str(options.epochs)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


if __name__ == "__main__":
    sys.exit(main())
