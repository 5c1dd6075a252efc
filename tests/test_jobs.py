"""Training programs as people write them, alone and with the hook that `ontune run -- COMMAND` has them load: the
same output, checkpoints and exit codes, and what is said to be applied is.
"""

from __future__ import annotations

import ast
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from generators import hook
from kb.records.observed_job import ObservedJob
from kb.store.terms import on
from reasoner.reasoner import Reasoner

JOBS = Path(__file__).parent / "jobs"
BITWISE = {"fp32_mode": "ieee"}
EXACT = {"memory_format": "channels_last", "optimizer_impl": "fused"}
MIXED = {"precision": "bf16"}
NUMBER = re.compile(r"-?\d+\.\d+(?:e-?\d+)?")
OFFERS = "SELECT ?option ?name ?value WHERE { ?option on:appliedBy ?how . ?how a on:CodeSetting ; on:name ?name ; on:value ?value }"


@dataclass(frozen=True)
class Ran:
    """How a job ended, and what the hook kept of it."""

    code: int
    out: str
    err: str
    seen: dict[str, Any]

    @property
    def numbers(self) -> list[float]:
        return [float(found) for found in NUMBER.findall(self.out)]


@dataclass(frozen=True)
class Jobs:
    """Runs jobs with a Python that has the frameworks."""

    python: Path
    folder: Path

    def plain(self, *words: str, variables: Mapping[str, str] | None = None) -> Ran:
        return self._run(words, {**_surroundings(), **(variables or {})})

    def hooked(
        self, settings: Mapping[str, str], *words: str, variables: Mapping[str, str] | None = None
    ) -> Ran:
        given = {**_surroundings(), **(variables or {})}
        asked = {"settings": dict(settings), "record": str(self.folder / "job.json")}
        return self._run(words, given | hook.variables(asked, given.get("PYTHONPATH", "")))

    def _run(self, words: Sequence[str], variables: Mapping[str, str]) -> Ran:
        record = self.folder / "job.json"
        record.unlink(missing_ok=True)
        done = subprocess.run(
            [str(self.python), *words], cwd=JOBS, env=variables, capture_output=True, text=True, check=False
        )
        seen = json.loads(record.read_text()) if record.exists() else {}
        return Ran(done.returncode, done.stdout, done.stderr, seen)


def _surroundings() -> dict[str, str]:
    """This process's, with one thread: sums in the same order whatever the machine."""
    return {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": "", "TF_CPP_MIN_LOG_LEVEL": "3"}


@pytest.fixture
def jobs(frameworks: Path, tmp_path: Path) -> Jobs:
    return Jobs(frameworks, tmp_path)


def installed(jobs: Jobs, module: str) -> None:
    if jobs.plain("-c", f"import {module}").code:
        pytest.skip(f"{module} is not installed beside the frameworks")


def said(ran: Ran) -> str:
    """What the hook says of what is in effect."""
    [line] = [line for line in ran.err.splitlines() if line.startswith("ontune: in effect in the program: ")]
    return line


LONG = pytest.mark.long
CORPUS = [
    "key_value",
    "own_gpt",
    "vae",
    "ema",
    "gan",
    "accumulate",
    "changing_lengths",
    "penalty",
    "loader_bound",
]


@pytest.mark.parametrize(
    "name", ["argparse_mnist", "by_hand", *(pytest.param(name, marks=LONG) for name in CORPUS)]
)
def test_observing_and_bitwise_options_change_nothing(jobs: Jobs, name: str) -> None:
    plain, hooked = jobs.plain(f"{name}.py"), jobs.hooked(BITWISE, f"{name}.py")
    assert plain.code == hooked.code == 0, hooked.err
    assert hooked.out == plain.out
    assert said(hooked) == "ontune: in effect in the program: fp32_mode=ieee"
    assert hooked.seen["steps"] > 2


@pytest.mark.parametrize(
    "name", ["accumulate", *(pytest.param(name, marks=LONG) for name in ("key_value", "ema", "vae"))]
)
def test_exact_options_change_rounding_alone(jobs: Jobs, name: str) -> None:
    plain, hooked = jobs.plain(f"{name}.py"), jobs.hooked(EXACT, f"{name}.py")
    assert hooked.code == 0, hooked.err
    assert hooked.numbers == pytest.approx(plain.numbers, rel=2e-4, abs=2e-5)
    assert "optimizer_impl=fused" in said(hooked)


HAND = [  # the line of a job that becomes a step in an autocast placed by hand
    pytest.param(
        "key_value", "    loss = torch.nn.functional.cross_entropy(net(", "    loss.backward()", marks=LONG
    ),
    ("accumulate", "    out = model(x)\n    with torch.no_grad():", "    loss.backward()"),
    ("vae", "    recon, mean, log = model(data)", "    loss.backward()"),
]


@pytest.mark.parametrize(("name", "first", "last"), HAND)
def test_autocast_equals_one_placed_by_hand(jobs: Jobs, name: str, first: str, last: str) -> None:
    text = (JOBS / f"{name}.py").read_text()
    begin, end = text.index(first), text.index(last)
    inside = "".join(f"    {line}\n" for line in text[begin:end].splitlines())
    # what has no gradients is no part of the step
    inside = inside.replace(
        "with torch.no_grad():", "with torch.no_grad(), torch.autocast('cpu', enabled=False):"
    )
    by_hand = jobs.folder / "by_hand.py"
    by_hand.write_text(f"{text[:begin]}    with torch.autocast('cpu', torch.bfloat16):\n{inside}{text[end:]}")
    placed, hooked = jobs.plain(str(by_hand)), jobs.hooked(MIXED, f"{name}.py")
    assert placed.code == hooked.code == 0, placed.err + hooked.err
    assert said(hooked) == "ontune: in effect in the program: precision=bf16"
    assert hooked.out == placed.out != jobs.plain(f"{name}.py").out


def test_averages_copies_and_pickles_are_of_the_users_own_modules(jobs: Jobs) -> None:
    """The job itself prints classes, keys and hooks of a deep copy and of a pickle, while all is applied."""
    hooked = jobs.hooked(EXACT | MIXED | {"compiler": "inductor"}, "ema.py")
    plain = jobs.plain("ema.py")
    assert hooked.code == 0, hooked.err
    assert hooked.out.splitlines()[-2:] == plain.out.splitlines()[-2:]
    assert said(hooked).count("=") == 4 and "not " not in said(hooked)


def test_a_whole_model_and_its_optimizer_are_loaded_without_the_hook(jobs: Jobs) -> None:
    kept, alone = jobs.folder / "hooked.pt", jobs.folder / "plain.pt"
    hooked = jobs.hooked(EXACT | {"compiler": "inductor"}, "lstm_whole.py", str(kept))
    assert hooked.code == 0 == jobs.plain("lstm_whole.py", str(alone)).code, hooked.err
    compare = f"""
import sys, torch
sys.argv = ["", {str(jobs.folder / "again.pt")!r}]
exec(open("lstm_whole.py").read())
mine, theirs = (torch.load(path, weights_only=False) for path in ({str(kept)!r}, {str(alone)!r}))
assert type(mine) is type(theirs) is Tagger and list(mine.state_dict()) == list(theirs.state_dict())
assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(mine.state_dict().values(), theirs.state_dict().values()))
mine(torch.randn(8, 12, 16)).sum().backward()
optimizer.load_state_dict(torch.load({str(kept) + ".optimizer"!r})["optimizer"])
"""
    checked = jobs.plain("-c", compare)
    assert checked.code == 0, checked.err


def test_a_checkpoint_has_the_same_keys_and_strides_do_not_matter(jobs: Jobs) -> None:
    folders = [jobs.folder / "hooked", jobs.folder / "plain"]
    hooked = jobs.hooked(EXACT, "argparse_mnist.py", "--output_dir", str(folders[0]))
    plain = jobs.plain("argparse_mnist.py", "--output_dir", str(folders[1]))
    assert hooked.out == plain.out, "`view` is not for another layout, so the network runs in the usual one"
    assert "not memory_format: the network does not bear it: view size is not compatible" in said(hooked)
    loads = "import sys, torch; one, two = (torch.load(f'{path}/mnist_cnn.pt') for path in sys.argv[1:])\n"
    loads += "assert list(one) == list(two) and all(map(torch.equal, one.values(), two.values()))"
    checked = jobs.plain("-c", loads, *map(str, folders))
    assert checked.code == 0, checked.err


@pytest.mark.parametrize(
    ("name", "settings", "why"),
    [
        ("own_gpt", MIXED | {"compiler": "inductor"}, "not precision: the program compiles itself"),
        ("own_gpt", {"optimizer_impl": "fused"}, "not optimizer_impl: the program chooses one itself"),
        ("gan", MIXED | {"compiler": "inductor"}, "not precision: several networks train"),
        ("gan", {"compiler": "inductor"}, "not compiler: several networks train"),
        ("penalty", MIXED | {"compiler": "inductor"}, "not precision: the program takes gradients of its own"),
        ("penalty", {"compiler": "inductor"}, "not compiler: the program takes gradients of its own"),
        ("penalty", {"optimizer_impl": "fused"}, "not optimizer_impl: RMSprop has no such implementation"),
        ("changing_lengths", {"optimizer_impl": "fused"}, "not optimizer_impl: the gradients are sparse"),
        ("vae", {"memory_format": "channels_last"}, "not memory_format: the network has no two-dimensional"),
    ],
    ids=lambda value: value if isinstance(value, str) and " " not in value else "",
)  # fmt: skip
def test_what_cannot_be_applied_is_named_and_left(
    jobs: Jobs, name: str, settings: dict[str, str], why: str
) -> None:
    hooked = jobs.hooked(settings, f"{name}.py")
    assert hooked.code == 0 and why in said(hooked), hooked.err
    assert set(hooked.seen["left"]) | set(hooked.seen["applied"]) == set(settings)


@pytest.mark.parametrize("how", [pytest.param("3", marks=LONG), "SIGTERM", pytest.param("raise", marks=LONG)])
def test_a_program_ends_as_it_would(jobs: Jobs, how: str) -> None:
    plain, hooked = jobs.plain("ends.py", how), jobs.hooked(EXACT, "ends.py", how)
    assert hooked.code == plain.code == {"3": 3, "SIGTERM": -signal.SIGTERM, "raise": 1}[how]
    assert hooked.out == plain.out
    assert [
        line for line in hooked.err.splitlines() if not line.startswith("ontune: ")
    ] == plain.err.splitlines()
    assert hooked.seen["steps"] >= 1  # kept from the first step on, whatever comes


def test_a_package_started_as_a_module(jobs: Jobs) -> None:
    plain, hooked = jobs.plain("-m", "package"), jobs.hooked(EXACT, "-m", "package")
    assert hooked.code == 0 and hooked.numbers == pytest.approx(plain.numbers, rel=1e-4)
    assert hooked.seen["applied"] == EXACT


def test_ranks_under_torchrun(jobs: Jobs) -> None:
    words = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "ddp.py")
    plain, hooked = jobs.plain(*words), jobs.hooked({"fp32_mode": "ieee"}, *words)
    assert plain.code == hooked.code == 0, hooked.err
    assert hooked.out == plain.out and hooked.seen["network"]["class"] == "DistributedDataParallel"
    assert hooked.err.count("ontune: ") == 1, "the first rank speaks for all"


def test_an_own_sitecustomize_is_loaded_as_before(jobs: Jobs) -> None:
    """It prints `sys.path` too, which is as it would be."""
    sited = {"PYTHONPATH": "sited"}
    plain, hooked = (
        jobs.plain("sited/job.py", variables=sited),
        jobs.hooked({}, "sited/job.py", variables=sited),
    )
    assert plain.code == hooked.code == 0 and hooked.out == plain.out and hooked.err == plain.err
    assert hooked.seen["steps"] == 3


def test_where_nothing_trains_nothing_happens() -> None:
    ask = "import sys; print(sorted(sys.modules)); print(sys.path)"
    asked = {"settings": EXACT, "record": "/nowhere/job.json"}
    words = [sys.executable, "-c", ask]
    with_hook = {**os.environ, "PYTHONPATH": ""} | hook.variables(asked, "")
    done = subprocess.run(words, env=with_hook, capture_output=True, text=True, check=True)
    alone = subprocess.run(
        words, env={**os.environ, "PYTHONPATH": ""}, capture_output=True, text=True, check=True
    )
    (modules, path), (before, path_before) = done.stdout.splitlines(), alone.stdout.splitlines()
    assert set(ast.literal_eval(modules)) - set(ast.literal_eval(before)) <= {
        "sitecustomize", "ontune_hook", "__future__",
    }  # fmt: skip
    assert path == path_before and done.stderr == ""


@pytest.mark.parametrize("flag", ["-I", "-E", "-S"])
def test_flags_that_keep_the_hook_out_keep_it_out(jobs: Jobs, flag: str) -> None:
    assert jobs.hooked(EXACT, flag, "-c", "import sys; print('ontune_hook' in sys.modules)").out == "False\n"


def test_the_hook_can_be_read_by_every_python_from_3_8_on() -> None:
    for file in hook.FOLDER.rglob("*.py"):
        ast.parse(file.read_text(), str(file), feature_version=(3, 8))


@pytest.mark.slow
@pytest.mark.parametrize("framework", ["pytorch", pytest.param("tensorflow", marks=LONG)])
def test_the_hook_does_what_the_knowledge_says(jobs: Jobs, framework: str) -> None:
    """On a small network, in rounds with one value of each setting: applied are exactly those that the hook is
    said to offer.
    """
    store = Reasoner([]).store
    [start] = [
        one
        for one in store.instances(on("StartHook"))
        if store.objects(one, on("writtenIn"))[0].endswith(framework)
    ]
    values: dict[str, list[tuple[str, str]]] = {}
    for row in store.select(OFFERS):
        value = row["value"].replace("{cores}", "1").replace("{number}", "1")
        values.setdefault(row["name"], []).append((row["option"], value))
    frameworks = {option for option, _ in values.pop("framework")}
    program = JOBS / {"pytorch": "accumulate.py", "tensorflow": "keras_fit.py"}[framework]
    modes = values.pop("compile_mode")
    rounds = [
        {name: options[number] for name, options in values.items() if number < len(options)}
        for number in range(max(map(len, values.values())))
    ]
    rounds += [{"compiler": ("", "inductor"), "compile_mode": mode} for mode in modes]
    applied: set[str] = set()
    for tried in rounds:
        asked = {name: value for name, (_, value) in tried.items()}
        ran = jobs.hooked(asked, str(program), str(jobs.folder / "k.weights.h5"))
        assert ran.code == 0, (asked, ran.err)
        applied |= {
            option for name, (option, value) in tried.items() if ran.seen["applied"].get(name) == value
        }
    assert applied - {""} == set(store.objects(start, on("offersOption"))) - frameworks


@pytest.mark.parametrize(
    ("name", "facts"),
    [
        ("argparse_mnist", {"traits": ["training", "convolutional", "shallow-convolutional"], "batch": 32}),
        ("own_gpt --plainly", {"traits": ["training", "dense"], "batch": 8}),
        pytest.param(
            "lstm_whole out",
            {"traits": ["training", "long-short-term-memory", "recurrent"], "batch": 8},
            marks=LONG,
        ),
        ("gan", {}),
    ],
)
def test_what_was_observed_describes_the_job(jobs: Jobs, name: str, facts: dict[str, Any]) -> None:
    words = name.replace("out", str(jobs.folder / "model.pt")).split()
    seen = jobs.hooked({}, f"{words[0]}.py", *words[1:]).seen
    found = ObservedJob(Path(), seen).facts(Reasoner([]).store)
    assert found.get("traits") == facts.get("traits")
    assert found.get("parameters", {}).get("batch") == facts.get("batch")


@pytest.mark.slow
def test_keras_fit(jobs: Jobs) -> None:
    kept = [str(jobs.folder / f"{name}.weights.h5") for name in ("hooked", "plain")]
    hooked, plain = (
        jobs.hooked({"fp32_mode": "ieee"}, "keras_fit.py", kept[0]),
        jobs.plain("keras_fit.py", kept[1]),
    )
    assert hooked.code == plain.code == 0 and hooked.out == plain.out, hooked.err
    mixed = jobs.hooked(MIXED, "keras_fit.py", kept[0])
    assert said(mixed) == "ontune: in effect in the program: precision=bf16"
    assert mixed.numbers == pytest.approx(plain.numbers, rel=0.05) and mixed.out != plain.out


@pytest.mark.long
def test_a_gradient_tape_runs_as_it_would(jobs: Jobs) -> None:
    hooked, plain = jobs.hooked({}, "gradient_tape.py"), jobs.plain("gradient_tape.py")
    assert hooked.code == plain.code == 0 and hooked.out == plain.out


@pytest.mark.slow
@pytest.mark.parametrize(
    ("module", "words"),
    [
        ("transformers", "trainer.py out"),
        pytest.param("accelerate", "accelerated.py", marks=LONG),
        pytest.param("lightning", "lightning_job.py out", marks=LONG),
    ],
)
def test_trainers_of_others(jobs: Jobs, module: str, words: str) -> None:
    installed(jobs, module)
    given = words.replace("out", str(jobs.folder / "out")).split()
    plain, hooked = jobs.plain(*given), jobs.hooked(BITWISE, *given)
    assert plain.code == hooked.code == 0 and hooked.out == plain.out, hooked.err
    mixed = jobs.hooked(MIXED, *given)
    assert mixed.code == 0 and "precision=bf16" in said(mixed)
    assert mixed.numbers == pytest.approx(plain.numbers, rel=0.1, abs=0.02) and mixed.out != plain.out
