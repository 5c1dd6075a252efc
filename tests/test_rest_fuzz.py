"""Bodies that nobody would send: every route answers each of them, and none with a fault."""

from __future__ import annotations

import copy
import functools
import json
import random
from collections.abc import Callable
from typing import Any

import pytest
from rest import InThisProcess
from test_openapi import answer_of, body_of, faults

from kb.records.fact_keys import fact_keys
from kb.records.request_fields import FIELDS, QUESTIONS

STATUSES = {200, 400, 409, 413, 415}
FACTS = [path for module in ("workloads", "hardware", "sites") for path in fact_keys(module).all_paths()]
TEXTS = [
    "", " ", "\0", "\ud800", "\u202e", "🙂", "e\u0301", "../../etc/passwd", "/dev/zero", "C:\\x.json", "file:///etc/passwd", "a" * 3000,
    "%s%n{0}", "{cores}", "=", "a=b", "=b", "a=", "precision=fp32", "precision", "fp32", "threads", "threads=3", "threads-3",
    "threads=99999999999999999999", "xla", "tcmalloc", "mlp", "mnist-cnn", "local.", "eos-h100", "lumi", "throughput", "exact", "pytorch",
    "framework=pytorch", "ontune.def:1", "run.sh:99999999999", "run.sh:0", "LD_PRELOAD", "rule:x", "<urn:x>", '"', "'", "\\", "\n", "null",
    "NaN", "[]", "{}", "- a\n- b", "&a [*a]", "!!python/object:os.system", "gpus[0].model", "gpus[999999999]", "gpus[", "cpu..cores", ".",
    "2.36", "1e400", "-1", "torch==9", "torch>=", "git+https://x/y", "-r /etc/passwd",
]  # fmt: skip
NUMBERS: list[Any] = [0, -1, 1, 5, 0.5, 5.0, -0.0, 1e308, 1e-320, 2**63, -(2**63) - 1, 10**30, 10**4000]
OTHERS: list[Any] = [None, True, False, [], {}, [[]], [None], {"": ""}, {"a": {}}, ["mlp"] * 300]
MACHINE = {
    "cpu": {"isa_level": "x86_64_v3", "features": ["avx2"], "cores": 8, "usable_cores": 8, "vendor": "GenuineIntel"}, "glibc": "2.36",
    "gpus": [{"model": "NVIDIA A100-SXM4-80GB", "driver": "535.1"}], "memory_gib": 64, "storage": {"tmpdir": "local"}, "exclusive": True,
}  # fmt: skip
JOB = {
    "network": "mlp",
    "traits": ["training"],
    "frameworks": ["pytorch"],
    "parameters": {"batch": 32},
    "samples": 60000,
    "requires": ["pandas"],
}
PLACE = {
    "account": "p42",
    "partitions": [{"name": "gpu", "gpus": True}],
    "modules": ["a b"],
    "proxies": {"http": "http://p:1"},
    "scheduler": "slurm",
}
WHOLE: dict[str, list[Any]] = {
    "workload": ["mlp", "mnist-cnn", JOB], "target": ["zen5-virtual", "eos-h100", MACHINE, MACHINE], "site": ["lumi", PLACE, PLACE, None],
    "set": [{"cpu.usable_cores": 4}, {"exclusive": True, "gpus[0].driver": "550.1"}, {}], "pins": [{"precision": "fp32"}, {"threads": "3"}, {}],
    "forbid": [["tcmalloc"], "xla"], "allow": [[], ["precision=fp16"]], "numerics": ["exact", "lossy"], "objective": ["throughput", "time"],
    "top": [2, 0], "framework": ["pytorch", "tensorflow"],
}  # fmt: skip


def junk(chance: random.Random, depth: int = 0) -> Any:
    """A value of any kind."""
    kinds: list[Callable[[], Any]] = [
        functools.partial(chance.choice, some) for some in (TEXTS, NUMBERS, OTHERS, [*FIELDS, *FACTS])
    ]
    if depth < 3:
        kinds.append(lambda: [junk(chance, depth + 1) for _ in range(chance.randrange(4))])
        kinds.append(
            lambda: {
                chance.choice([*FIELDS, *FACTS, *TEXTS]): junk(chance, depth + 1)
                for _ in range(chance.randrange(4))
            }
        )
    return copy.deepcopy(chance.choice(kinds)())


def alike(chance: random.Random, value: Any) -> Any:
    """Another value of the same kind."""
    match value:
        case bool():
            return not value
        case int() | float():
            return chance.choice(NUMBERS)
        case str():
            return chance.choice(TEXTS)
        case list():
            return [*value, *(alike(chance, chance.choice(value or [""])) for _ in range(2))]
        case dict():
            return {
                key: alike(chance, part) if chance.random() < 0.2 else part
                for key, part in value.items()
                if chance.random() < 0.8
            }
    return value


def places(value: Any) -> list[tuple[Any, Any]]:
    """Every member of every object and list of a value, as its holder and its key."""
    members = (
        list(value.items())
        if isinstance(value, dict)
        else list(enumerate(value))
        if isinstance(value, list)
        else []
    )
    return [(value, key) for key, _ in members] + [place for _, member in members for place in places(member)]


@functools.cache
def planned() -> dict[str, Any]:
    """A plan, as a body may carry it."""
    found: dict[str, Any] = (
        InThisProcess()
        .send("POST", "/api/plan", {"workload": "mlp", "target": "eos-h100", "forbid": "xla"})
        .json
    )
    return found


def body(chance: random.Random, question: str) -> Any:
    """A body for a question: right but for some places, or nothing like one."""
    if chance.random() < 0.05:
        return junk(chance)
    given = ("plan",) if chance.random() < 0.15 else ("workload", "target")
    whole = {
        **WHOLE,
        "plan": [planned()["request"], planned()["request"], planned()],
        "drop": [["forbid=xla"], "numerics", []],
    }
    wishes = {
        key: chance.choice(whole[key])
        for key in whole
        if key in given or (key not in ("plan", "drop") and chance.random() < 0.3)
    }
    example = {key: value for key, value in body_of(question)["example"].items() if key not in whole}
    made = json.loads(json.dumps({**example, **wishes}))
    if "plan" in given and chance.random() < 0.5:
        made["drop"] = chance.choice(whole["drop"])
    for _ in range(chance.randrange(4)):
        holder, key = chance.choice(places(made))
        holder[key] = alike(chance, holder[key]) if chance.random() < 0.8 else junk(chance)
    if chance.random() < 0.1:
        made[chance.choice([*FIELDS, *TEXTS])] = junk(chance)
    return made


def text(chance: random.Random, value: Any) -> bytes:
    """A value as JSON, now and then damaged."""
    written = json.dumps(value).encode()
    if chance.random() > 0.05:
        return written
    cut = chance.randrange(len(written))
    changed = written[:cut] + bytes([chance.randrange(256)]) + written[cut + 1 :]
    return chance.choice([written[:cut], changed, written * 2, b"[" * 9000, b"\xef\xbb\xbf" + written])


def attack(app: InThisProcess, question: str, seed: int) -> int:
    """Send one body; the status of the answer, which is as the document says."""
    chance = random.Random(f"{question} {seed}")
    sent = text(chance, body(chance, question))
    try:
        answer = app.send("POST", f"/api/{question}", sent, content_type="application/json")
    except Exception as error:
        raise AssertionError(f"{question} {seed}: {sent[:2000]!r}") from error
    assert answer.status in STATUSES, (answer.status, sent[:2000])
    assert faults(answer_of(f"/api/{question}", "post", answer.status), answer.json) == [], sent[:2000]
    return answer.status


@pytest.fixture(scope="module")
def app() -> InThisProcess:
    return InThisProcess()


@pytest.mark.parametrize("question", QUESTIONS)
def test_no_body_is_answered_with_a_fault(app: InThisProcess, question: str) -> None:
    found = [attack(app, question, seed) for seed in range(15)]
    assert {200, 400} <= set(found)


@pytest.mark.long
@pytest.mark.parametrize("question", QUESTIONS)
def test_none_of_two_thousand_bodies_is_answered_with_a_fault(
    app: InThisProcess, question: str, capsys: pytest.CaptureFixture[str]
) -> None:
    found = [attack(app, question, seed) for seed in range(2000)]
    with capsys.disabled():
        print(f"\n{question}: { ({status: found.count(status) for status in sorted(set(found))}) }")
    assert {200, 400, 409} <= set(found)
