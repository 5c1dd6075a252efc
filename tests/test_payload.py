"""The workload programs: what they refuse, what they train, what they prove to be in effect."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from holding import holding, message

PAYLOAD = Path(__file__).resolve().parent.parent / "generators" / "payload"


@pytest.fixture(autouse=True)
def _programs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(PAYLOAD))


def run(
    python: Path | str, *arguments: str, program: str = "train.py", **environment: str
) -> subprocess.CompletedProcess[str]:
    command = [str(python), str(PAYLOAD / program), *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=300, env={**os.environ, **environment}
    )


def program(python: Path, text: str, seconds: float = 300) -> str:
    """What a program prints that stands beside those of the bundle."""
    begun = f"import sys; sys.path.insert(0, {str(PAYLOAD)!r})\n{text}"
    done = subprocess.run([str(python), "-c", begun], capture_output=True, text=True, timeout=seconds)
    assert done.returncode == 0, done.stderr
    return done.stdout


def with_settings(*settings: str) -> list[str]:
    return [
        "--self-check",
        "--parameter",
        "batch=8",
        *(word for setting in settings for word in ("--setting", setting)),
    ]


def result(python: Path, *arguments: str, **environment: str) -> dict[str, Any]:
    done = run(python, *arguments, **environment)
    assert done.returncode == 0, done.stderr
    loaded: dict[str, Any] = json.loads(done.stdout)
    return loaded


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--framework", "pytorh"], ["'pytorh'", "did you mean 'pytorch'"]),
        (["--framework", "pytorch", "--network", "mnist"], ["'mnist'", "mnist-cnn"]),
        (["--framework", "pytorch", "--network", "llama-7b"], ["llama-7b", "described"]),
        (
            ["--framework", "pytorch", "--setting", "precison=bf16"],
            ["'precison'", "did you mean 'precision'"],
        ),
        (["--framework", "tensorflow", "--setting", "compiler=inductor"], ["'inductor'", "tf-graph"]),
        (["--framework", "pytorch", "--setting", "threads=0"], ["threads", "positive integer"]),
        (["--framework", "pytorch", "--setting", "threads"], ["NAME=VALUE"]),
        (["--framework", "pytorch", "--parameter", "batch=many"], ["batch", "positive integer"]),
        (["--framework", "pytorch", "--parameter", "sequence=8"], ["'sequence'", "image_size"]),
        (
            ["--framework", "pytorch", "--output", "/no/such/folder/result.json"],
            ["/no/such/folder", "does not exist"],
        ),
    ],
)
def test_a_wrong_request_is_refused_in_one_line_that_says_what_is_known(
    arguments: list[str], expected: list[str]
) -> None:
    done = run(sys.executable, *arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.strip().splitlines()) == 1
    for text in expected:
        assert text in done.stderr


def test_digits_take_the_form_of_every_network() -> None:
    import catalogue
    import dataset

    shapes = {}
    for name, network in catalogue.NETWORKS.items():
        parameters = {**network.parameters, "batch": 8}
        train, validation = dataset.load("digits", network, parameters, 0)
        assert len(train.y) + len(validation.y) == 1797
        assert set(np.unique(train.y)) == set(range(10))
        shapes[name] = train.x.shape[1:]
    assert shapes == {
        "mnist-cnn": (28, 28, 1),
        "resnet50": (64, 64, 3),
        "transformer": (128,),
        "mlp": (28, 28, 1),
        "lstm": (128, 8),
    }


def test_every_seed_is_judged_on_the_same_samples() -> None:
    import catalogue
    import dataset

    network = catalogue.NETWORKS["mlp"]
    first, second = (dataset.load("digits", network, network.parameters, seed)[1] for seed in (0, 1))
    assert np.array_equal(first.x, second.x)
    assert np.array_equal(first.y, second.y)


def test_whole_batches_leave_a_remainder_out_and_parts_do_not() -> None:
    import dataset

    samples = dataset.Samples(np.arange(7), np.arange(7))
    assert [y.tolist() for _, y in samples.batches(3, np.array([6, 5, 4, 3, 2, 1, 0]))] == [
        [6, 5, 4],
        [3, 2, 1],
    ]
    assert [y.tolist() for _, y in samples.parts(3)] == [[0, 1, 2], [3, 4, 5], [6]]


def test_a_folder_of_arrays_is_read_or_refused_by_file(tmp_path: Path) -> None:
    import catalogue
    import dataset

    network = catalogue.NETWORKS["mlp"]
    parameters = {**network.parameters, "batch": 4}
    with pytest.raises(catalogue.RequestError, match="npz files"):
        dataset.load(str(tmp_path), network, parameters, 0)
    np.savez(tmp_path / "a.npz", x=np.zeros((10, 28, 28, 1)), y=np.arange(10))
    train, validation = dataset.load(str(tmp_path), network, parameters, 0)
    assert (len(train.y), len(validation.y)) == (8, 2)
    np.savez(tmp_path / "b.npz", x=np.zeros((10, 8, 8, 1)), y=np.arange(10))
    with pytest.raises(catalogue.RequestError, match=r"b\.npz: x has shape \(10, 8, 8, 1\).*28, 28, 1"):
        dataset.load(str(tmp_path), network, parameters, 0)
    (tmp_path / "b.npz").unlink()
    np.savez(tmp_path / "c.npz", x=np.zeros((10, 28, 28, 1)), y=np.arange(10, 20))
    with pytest.raises(catalogue.RequestError, match="labels from 0 to 19, but classes=10"):
        dataset.load(str(tmp_path), network, parameters, 0)


def test_windows_last_as_long_as_asked_and_count_their_samples() -> None:
    import timing

    measured = timing.measure(
        lambda: time.sleep(0.01), lambda: None, batch=5, windows=3, window_seconds=0.05, warmup_steps=2
    )
    assert len(measured["windows"]) == 3
    for window in measured["windows"]:
        assert window["seconds"] >= 0.05
        assert window["throughput"] == pytest.approx(window["samples"] / window["seconds"])
    assert 0 < measured["throughput"] <= 500
    assert measured["first_step_seconds"] >= 0.01


def test_the_load_of_another_process_on_the_same_cpu_is_seen() -> None:
    import timing

    usable = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(usable)})
        with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as busy:
            time.sleep(0.3)
            start = timing.CpuClock.read()
            time.sleep(0.6)
            foreign = timing.CpuClock.read().foreign_load_since(start)
            busy.kill()
    finally:
        os.sched_setaffinity(0, usable)
    assert foreign > 0.5


COUNTS = """
import json, numpy, catalogue, dataset, {framework}_trainer as module
counts = {{}}
for name, network in catalogue.NETWORKS.items():
    small = {{**network.parameters, "batch": 2, **({{"sequence": 8}} if "sequence" in network.parameters else {{}})}}
    trainer = module.Trainer(name, small, {{}}, 0)
    samples = dataset.synthetic(network, small, 0)
    batch = trainer.prepare(samples.x, samples.y)
    before = trainer.accuracy([batch])
    trainer.step(batch)
    counts[name] = trainer.parameter_count
print(json.dumps(counts))
"""


@pytest.mark.slow
@pytest.mark.parametrize("framework", ["pytorch", "tensorflow"])
def test_every_network_has_its_size_and_takes_a_training_step(frameworks: Path, framework: str) -> None:
    counts = json.loads(program(frameworks, COUNTS.format(framework=framework)))
    assert counts["mnist-cnn"] == 1_199_882
    assert counts["resnet50"] == 25_557_032
    assert counts["mlp"] == 669_706
    # The frameworks differ in the biases of a recurrent layer only: PyTorch has two of 4 x 256 in each of the
    # two layers, Keras has one.
    assert counts["lstm"] == {"pytorch": 801_290, "tensorflow": 799_242}[framework]
    assert counts["transformer"] == 3_260_426 - 120 * 256


@pytest.mark.slow
def test_settings_are_in_effect_in_pytorch(frameworks: Path) -> None:
    chosen = [
        "precision=bf16",
        "memory_format=channels_last",
        "threads=1",
        "optimizer_impl=fused",
        "dropout_impl=mask_bits",
    ]
    chosen += ["flush_denormal=on", "pooling_order=first", "fp32_mode=ieee"]
    done = result(frameworks, "--framework", "pytorch", *with_settings(*chosen))
    for setting in chosen:
        name, value = setting.split("=")
        assert str(done["in_effect"].get(name, value)) == value
    plain = result(frameworks, "--framework", "pytorch", *with_settings())
    assert plain["in_effect"]["precision"] == "fp32"
    assert plain["in_effect"]["memory_format"] == "contiguous"
    assert plain["in_effect"]["optimizer_impl"] == "default"
    assert plain["in_effect"]["flush_denormal"] == "off"


@pytest.mark.slow
def test_settings_are_in_effect_in_tensorflow(frameworks: Path) -> None:
    done = result(
        frameworks,
        "--framework",
        "tensorflow",
        *with_settings("precision=bf16", "threads=1", "fp32_mode=ieee"),
    )
    assert (done["in_effect"]["precision"], done["in_effect"]["compiler"], done["in_effect"]["threads"]) == (
        "bf16",
        "tf-graph",
        1,
    )
    assert done["in_effect"]["fp32_mode"] == "ieee"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("mode", "allowed"), [("ieee", [False, False, "none"]), ("tf32", [True, True, "tf32"])]
)
def test_tf32_is_switched_for_products_and_convolutions_alike(
    frameworks: Path, mode: str, allowed: list[object]
) -> None:
    """`torch.backends.fp32_precision` alone leaves convolutions in TF32 up to PyTorch 2.12, and TorchInductor
    then stops at the switches it reads.
    """
    code = (
        "import json, torch, pytorch_trainer as trainer\n"
        f"trainer._compute_fp32_in({mode!r})\n"
        "print(json.dumps([torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32, torch.backends.cudnn.conv.fp32_precision]))\n"
    )
    assert json.loads(program(frameworks, code)) == allowed


@pytest.mark.slow
def test_a_self_check_fails_where_a_preloaded_library_is_missing(frameworks: Path) -> None:
    done = run(
        frameworks,
        "--framework",
        "pytorch",
        "--network",
        "mlp",
        "--self-check",
        LD_PRELOAD="libno-such-allocator.so.4",
    )
    assert done.returncode == 1
    assert "libno-such-allocator.so.4, which is not loaded" in done.stderr


@pytest.mark.slow
def test_random_mask_bits_drop_the_share_that_was_asked_for(frameworks: Path) -> None:
    text = (
        "import torch, pytorch_networks as n\n"
        "torch.manual_seed(0); x = torch.ones(64, 5, 101, 3, requires_grad=True)\n"
        "for p in (0.25, 0.5):\n"
        "    layer = n.MaskBitsDropout(p); y = layer(x)\n"
        "    assert set(y.unique().tolist()) == {0.0, torch.tensor(1 / (1 - p)).item()}\n"
        "    assert abs((y == 0).float().mean().item() - p) < 0.01\n"
        "    y.sum().backward(); assert torch.equal(x.grad, y); x.grad = None\n"
        "    assert layer.eval()(x) is x\n"
    )
    program(frameworks, text, 120)


@pytest.mark.slow
@pytest.mark.parametrize("network", ["mnist-cnn", "resnet50"])
def test_pooling_first_changes_no_bit(frameworks: Path, network: str) -> None:
    text = (
        "import catalogue, dataset, torch\n"
        "from pytorch_trainer import Trainer\n"
        f"name = {network!r}; about = catalogue.network(name)\n"
        "values = catalogue.parameters(about, ['batch=8', 'image_size=28', 'channels=1', 'classes=10'])\n"
        "train, _ = dataset.load('synthetic', about, values, 0)\n"
        "ended = []\n"
        "for order in ('default', 'first'):\n"
        "    for precision in ('fp32', 'bf16'):\n"
        "        trainer = Trainer(name, values, {'precision': precision, 'pooling_order': order, 'threads': '1'}, 0)\n"
        "        batch = trainer.prepare(*next(iter(train.batches(8))))\n"
        "        torch.manual_seed(1); trainer.step(batch); trainer.step(batch)\n"
        "        assert trainer.in_effect(batch)['pooling_order'] == order\n"
        "        ended.append([weights.clone() for weights in trainer.module.parameters()])\n"
        "for written, first in zip(ended[:2], ended[2:]):\n"
        "    assert all(torch.equal(*pair) for pair in zip(written, first))\n"
    )
    program(frameworks, text)


@pytest.mark.slow
def test_paired_seeds_reach_the_quality_or_are_told_not_to(frameworks: Path, tmp_path: Path) -> None:
    common = ["--framework", "pytorch", "--network", "mlp", "--seeds", "1"]
    enough = run(
        frameworks,
        *common,
        "--output",
        str(tmp_path / "c.json"),
        program="convergence.py",
        OMP_NUM_THREADS="1",
    )
    assert enough.returncode == 0, enough.stderr
    outcome = json.loads((tmp_path / "c.json").read_text())
    assert outcome["holds"]
    assert min(outcome["pairs"][0][precision] for precision in ("fp32", "bf16")) >= outcome["quality"] == 0.95
    short = run(
        frameworks,
        *common,
        "--epochs",
        "1",
        "--setting",
        "threads=1",
        program="convergence.py",
        OMP_NUM_THREADS="1",
    )
    assert short.returncode == 1
    told = json.loads(short.stdout)
    assert not told["holds"] and told["settings"] == {"threads": "1"}


@pytest.mark.slow
def test_a_pair_that_cannot_run_is_named_with_what_stopped_it(frameworks: Path) -> None:
    common = ["--framework", "pytorch", "--network", "lstm", "--seeds", "1", "--epochs", "1"]
    done = run(frameworks, *common, program="convergence.py", OMP_NUM_THREADS="1")
    assert done.returncode == 1
    conflict = "kb:lstm-autocast-bf16"
    if conflict in holding("lstm"):
        assert done.stdout == ""
        assert f"seed 0, bf16: RuntimeError: {message(conflict).rpartition(': ')[2]}" in done.stderr
    else:
        assert json.loads(done.stdout)["parameters"]["sequence"] == 8, (
            "the size for which the quality of the digits is stated"
        )


def test_the_knowledge_says_what_the_programs_can_be_told() -> None:
    """Each option with a setting is taken by a shipped program exactly where its catalogue has the setting;
    the networks are the same, too.
    """
    import catalogue

    from kb.store.terms import on
    from reasoner.reasoner import Reasoner

    store = Reasoner([]).store
    asked = "SELECT ?option ?name ?value WHERE { ?option on:appliedBy ?how . ?how a on:CodeSetting ; on:name ?name ; on:value ?value }"
    settings = store.select(asked)
    everywhere = {"threads", "framework"}  # an argument of their own, whatever the framework
    for program in store.instances(on("ShippedProgram")):
        [framework] = store.objects(program, on("writtenIn"))
        offered = catalogue.SETTINGS[framework.rpartition("/")[2]]
        missing = {
            row["option"]
            for row in settings
            if row["name"] not in everywhere and row["value"] not in offered.get(row["name"], ())
        }
        others = {row["option"] for row in settings if row["name"] == "framework"} - {framework}
        assert (
            set(store.objects(program, on("offersOption")))
            == {row["option"] for row in settings} - missing - others
        )
        assert set(store.objects(program, on("trains"))) == set(catalogue.NETWORKS)
