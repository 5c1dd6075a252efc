"""What leaves: no credential, nothing that steers a terminal, no formula, nothing written through a link."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import plans
import pyoxigraph as ox
import pytest

from bench.measure.observation import Observation, record
from generators.bundle import write_bundle
from kb.clean import Outgoing, cell, clean, cleaned, credentials, held, visible, without_credentials
from kb.errors import BadInput, NoFeasiblePlan, RunFailed
from kb.records.site import complete_site, load_site
from kb.records.target import complete_target
from kb.records.targets import load_target
from kb.records.workload import complete_workload, load_workload
from kb.store.sources import Source
from kb.store.store import KnowledgeStore
from kb.values import replace
from ontune.cli import main
from reasoner.answers.plan import Plan

SECRET = "hunter2hunter2"
LEAKS = {
    "user and password in an address": f"https://me:{SECRET}@index.example/simple",
    "only a name, which is the token": f"see https://{SECRET}@github.com/a/b.git",
    "a database": f"postgresql://me:{SECRET}@db:5432/runs",
    "a proxy": f"http_proxy=http://me:{SECRET}@proxy:3128",
    "git over ssh": f"git+ssh://git:{SECRET}@host/repo",
    "pip's index": f"pip install --index-url https://__token__:{SECRET}@pypi.example/simple torch",
    "an argument": f"python train.py --token {SECRET} --epochs 3",
    "an argument with a sign": f"python train.py --hf-token={SECRET}",
    "a quoted argument": f"train --api-key '{SECRET}'",
    "a password": f"--password={SECRET}",
    "the hub's variable": f"HF_TOKEN={SECRET}",
    "a tracker's variable": f"WANDB_API_KEY: {SECRET}",
    "a cloud's variable": f"export AWS_SECRET_ACCESS_KEY='{SECRET}'",
    "our own variable": f"ONTUNE_ENDPOINT_PASSWORD={SECRET}",
    "JSON": json.dumps({"password": SECRET}),
    "YAML": f"password: {SECRET}",
    "a header": f"Authorization: Bearer {SECRET}",
    "another header": f"'authorization': 'Basic {SECRET}'",
    "a query string": f"https://host/path?a=1&token={SECRET}&b=2",
    "a signed address": f"https://bucket.example/x?X-Amz-Signature={SECRET}",
    "a token by its form": "hf_" + "a1B2" * 8,
    "a token of a forge": "ghp_" + "a1B2" * 9,
    "a web token": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N",
    "a key": f"-----BEGIN OPENSSH PRIVATE KEY-----\n{SECRET}\n-----END OPENSSH PRIVATE KEY-----",
}  # fmt: skip
HARMLESS = (
    "max_tokens=4096", "tokens: 12000", "tokenizer: gpt2", "pad_token=<pad>", "key 'token': expected a text", "--token TEXT", "--token is missing",
    "the token is missing or wrong", "${GITHUB_TOKEN}", "HF_TOKEN=$HF_TOKEN", "https://${TOKEN}@github.com/a", "git@github.com:a/b.git",
    "git+ssh://git@github.com/a/b", "docker.io/library/debian@sha256:" + "a" * 64, "mailto:me@example.org", "http://host:8080/a@b", "a secret",
    "python -m torch.distributed.run --rdzv-endpoint host:29400", "sk-learn", "urn:uuid:3f1791d8-c6fe-47fa-bc0d-f9ba37d5fd4d",
    "https://w3id.org/ontune#token", "ONTUNE_ENDPOINT_TOKEN, or ONTUNE_ENDPOINT_USER", "--token-file FILE", "eos_token_id: 50256",
)  # fmt: skip


def is_secret(text: str) -> bool:
    return SECRET in text or any(
        LEAKS[name] in text for name in ("a token by its form", "a token of a forge", "a web token")
    )


@pytest.mark.parametrize("text", LEAKS.values(), ids=LEAKS)
def test_credentials_are_hidden_wherever_text_leaves(text: str, tmp_path: Path) -> None:
    for said in (f"before {text} after", f'"{text}"', f"({text})", f"a\nb: {text}\nc"):
        assert not is_secret(without_credentials(said)), said
        for error in (
            BadInput(said, said, expected=said, given=said, known=[said]),
            RunFailed(said),
            NoFeasiblePlan(said),
        ):
            assert not is_secret(str(error)) and not is_secret(json.dumps(error.to_json()))
    stream = io.StringIO()
    print(text, file=Outgoing(stream))  # type: ignore[arg-type]
    assert not is_secret(stream.getvalue()) and "***" in stream.getvalue()
    one = Observation(
        series="urn:uuid:1", round=0, variant="plan", plan_id="p", runner="native", cores=2, workload="w", outcome="failed", seconds=1.0,
        started="2026-01-02T03:04:05", complaint=f"Traceback\n{text}", in_effect={"a": [text]},
    )  # fmt: skip
    assert not is_secret(record(one, tmp_path).read_text(encoding="utf-8"))


@pytest.mark.parametrize("text", HARMLESS)
def test_what_is_no_credential_stays(text: str) -> None:
    assert not list(credentials(text))
    assert clean(text) == text


def test_hiding_is_done_once_and_keeps_what_stands_around() -> None:
    text = f"get https://me:{SECRET}@host/path?x=1 with --token {SECRET} now"
    assert without_credentials(text) == "get https://***@host/path?x=1 with --token *** now"
    assert without_credentials(without_credentials(text)) == without_credentials(text)
    assert cleaned({"HF_TOKEN": SECRET, "a": [f"--token {SECRET}"], "n": 1}) == {
        "HF_TOKEN": "***",
        "a": ["--token ***"],
        "n": 1,
    }


def test_long_hostile_texts_are_cleaned_in_time() -> None:
    for text in ("http://" * 30_000, "a:" * 50_000 + "@", "--token" + " " * 50_000, "A" * 50_000 + "TOKEN", "TOKEN" * 20_000, "eyJ" * 30_000,
                 "-----BEGIN PRIVATE KEY-----" * 500, "http://a:b" * 20_000, "token=" * 20_000, "\x1b" * 100_000):  # fmt: skip
        begin = os.times()
        clean(text)
        assert os.times().user - begin.user < 5, text[:20]


# ---- facts hold none: they end in plans, images, jobs


@pytest.mark.parametrize(
    "text", [LEAKS["an argument"], LEAKS["the hub's variable"], LEAKS["user and password in an address"]]
)
def test_a_credential_in_facts_is_refused_by_its_key(text: str, tmp_path: Path) -> None:
    (tmp_path / "job.json").write_text(json.dumps({"command": ["sh", "-c", text]}), encoding="utf-8")
    (tmp_path / "machine.json").write_text(json.dumps({"os": text}), encoding="utf-8")
    (tmp_path / "site.json").write_text(json.dumps({"proxies": {"http": text}}), encoding="utf-8")
    reads: dict[str, Any] = {
        "command": lambda: load_workload(str(tmp_path / "job.json")),
        "os": lambda: load_target(str(tmp_path / "machine.json")),
        "proxies.http": lambda: load_site(str(tmp_path / "site.json")),
    }
    reads |= {
        "build_command": lambda: complete_workload("w", {"build_command": text}, "body"),
        "python": lambda: complete_target("t", {"gpus": []}, "t").with_overrides({"python": text}),
        "packages.python_index": lambda: complete_site({"packages": {"python_index": text}}, "body"),
    }
    for key, read in reads.items():
        with pytest.raises(BadInput, match="holds what looks like a password or a token") as caught:
            read()
        assert key in str(caught.value) and not is_secret(str(caught.value))


def test_a_plan_from_elsewhere_with_a_credential_is_refused() -> None:
    plan = plans.plan(
        "pytorch", "debian-12", plans.taken("more", "x", plans.application("env", "HF_TOKEN", SECRET))
    )
    assert list(held(plan.to_json())) == ["decisions[10].apply[0].HF_TOKEN"]
    with pytest.raises(BadInput, match=r"decisions\[10\]\.apply\[0\]\.HF_TOKEN") as caught:
        Plan.from_json(plan.to_json())
    assert not is_secret(str(caught.value))


def test_an_addition_with_a_credential_is_refused_by_its_line(tmp_path: Path) -> None:
    path = tmp_path / "index.ttl"
    path.write_text(
        f'@prefix on: <https://w3id.org/ontune#> .\n<urn:a> on:value "https://me:{SECRET}@index.example/simple" .\n',
        encoding="utf-8",
    )
    with pytest.raises(BadInput, match=r"index\.ttl:2: holds what looks like a password") as caught:
        KnowledgeStore().load_source(Source(path, "additions/0/index.ttl", added=True))
    assert not is_secret(str(caught.value))


def run(*words: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(words)
    return int(ended.value.code or 0)


ROUTES = {
    "a workload that is none": ("plan", "-w", f"https://me:{SECRET}@host/job.yaml", "-t", "eos-h100"),
    "a wrong option": ("plan", "-w", "mlp", "-t", "eos-h100", "--pin", f"wheel=--token={SECRET}"),
    "an address of an endpoint": (
        "plan",
        "-w",
        "mlp",
        "-t",
        "eos-h100",
        "--endpoint",
        f"http://me:{SECRET}@127.0.0.1:1/sparql",
    ),
    "an endpoint's query": ("query", "ASK {}", "--endpoint", f"http://127.0.0.1:1/sparql?token={SECRET}"),
    "a fact": ("plan", "-w", "mlp", "-t", "eos-h100", "--set", f"python=HF_TOKEN={SECRET}"),
    "an unknown flag": ("plan", f"--password={SECRET}"),
    "a file": ("recipe", "lint", f"/nowhere/--token={SECRET}"),
}


@pytest.mark.parametrize("words", ROUTES.values(), ids=ROUTES)
@pytest.mark.parametrize("more", [(), ("--debug",)])
def test_no_message_repeats_a_credential(
    words: tuple[str, ...], more: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    if more:
        done = subprocess.run(
            [sys.executable, "-m", "ontune", *words, *more], capture_output=True, text=True, check=False
        )
        told = done.stdout + done.stderr
    else:
        assert run(*words, *(("--format", "json") if words[0] == "plan" else ())) == 2
        told = "".join(capsys.readouterr())
    assert told and not is_secret(told)


# ---- what steers a terminal

STEERING = "\x1b[31mred\x9b2J\x07\x00\x7f\u202eevil\u2066\u2028\udcff\U000e0041\rover"


def test_what_steers_is_written_as_an_escape() -> None:
    assert (
        visible(STEERING)
        == "\\u001b[31mred\\u009b2J\\u0007\\u0000\\u007f\\u202eevil\\u2066\\u2028\\udcff\\udb40\\udc41\\u000dover"
    )
    assert visible("a\tb\r\nc ünïcödé 数据 🚀\n") == "a\tb\r\nc ünïcödé 数据 🚀\n"
    assert json.loads(visible(json.dumps(STEERING, ensure_ascii=False))) == STEERING


@pytest.fixture
def named_badly(tmp_path: Path) -> Iterator[list[str]]:
    """Words of commands that print what others wrote."""
    text = STEERING.replace("\x00", "").replace("\udcff", "")
    (tmp_path / "job.json").write_text(
        json.dumps({"name": text, "network": "mlp", "traits": ["Training"]}), encoding="utf-8"
    )
    yield ["plan", "-w", str(tmp_path / "job.json"), "-t", "eos-h100"]


def is_steered(text: str) -> bool:
    return any(
        sign in text for sign in STEERING if not sign.isalnum() and not sign.isspace() and sign not in "["
    )


@pytest.mark.parametrize("more", [(), ("--all",), ("--format", "json")])
def test_a_name_from_a_file_does_not_steer_the_terminal(
    named_badly: list[str], more: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    code = run(*named_badly, *more)
    found = capsys.readouterr()
    assert code in (0, 2)
    assert not is_steered(found.out + found.err)


def test_results_of_queries_do_not_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    query = 'SELECT ?a WHERE { VALUES ?a { "\\u001B[31m\\u009B\\u202E" } }'
    for format in ("table", "json", "csv"):
        assert run("query", query, "--format", format) == 0
        assert not is_steered(capsys.readouterr().out), format


def test_a_name_that_is_no_text_is_told(tmp_path: Path) -> None:
    name = os.fsdecode(b"\xff\xfe.yaml")
    done = subprocess.run(
        [sys.executable, "-m", "ontune", "plan", "-w", str(tmp_path / name)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2 and "\\udcff" in done.stderr


def test_what_an_encoding_lacks_is_an_escape() -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="latin-1", newline="")
    print(json.dumps("é数🚀", ensure_ascii=False), file=Outgoing(stream))
    stream.flush()
    assert json.loads(raw.getvalue().decode("latin-1")) == "é数🚀"


# ---- tables that a spreadsheet opens


def test_formulas_are_quoted_and_numbers_stay() -> None:
    for text in (
        "=1+1",
        "+cmd|' /C calc'!A0",
        "-2+3",
        "@SUM(A1)",
        "\t=1",
        "\r=1",
        "-",
        "+",
        "-5x",
        "=",
        "-1e5e",
    ):
        assert cell(text) == f"'{text}"
    for text in ("-5", "+5", "-5.25", "-1e-5", "+.5", "-INF", "", "a=b", "1+1", " =1", "5"):
        assert cell(text) == text


def test_tables_of_queries_hold_no_formula(capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        run("query", 'SELECT ?a ?b WHERE { VALUES (?a ?b) { ("=1+1" -5) ("x,y" "@a") } }', "--format", "csv")
        == 0
    )
    assert capsys.readouterr().out.replace("\r", "") == "a,b\n'=1+1,-5\n\"x,y\",'@a\n"


def test_tables_of_the_service_hold_no_formula() -> None:
    from ontune.service.results import write

    out = io.BytesIO()
    answer: Any = ox.Store().query('SELECT * WHERE { VALUES (?a ?b) { ("=1+1" -5) (<urn:x> UNDEF) } }')
    write(answer, out, ox.QueryResultsFormat.CSV)  # type: ignore[arg-type]
    assert out.getvalue() == b"a,b\r\n'=1+1,-5\r\nurn:x,\r\n"


# ---- links


def test_a_bundle_is_not_written_through_a_link(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "file").write_text("mine", encoding="utf-8")
    bundle = tmp_path / "bundle"
    write_bundle(plans.plan(), bundle)
    for name in ("run.sh", "plan.json", "sbom.spdx.json"):
        (bundle / name).unlink()
        (bundle / name).symlink_to(precious / "file")
    write_bundle(plans.plan(), bundle, force=True)
    assert (precious / "file").read_text(encoding="utf-8") == "mine"
    assert not any((bundle / name).is_symlink() for name in ("run.sh", "plan.json", "sbom.spdx.json"))
    for name in (bundle / "workload").iterdir():
        name.unlink()
    (bundle / "workload").rmdir()
    (bundle / "workload").symlink_to(precious)
    before = (bundle / "run.sh").read_bytes()
    with pytest.raises(BadInput, match="workload: is a link, through which nothing is written"):
        write_bundle(replace(plans.plan(), plan_id="other"), bundle)
    assert [path.name for path in precious.iterdir()] == ["file"]
    assert (bundle / "run.sh").read_bytes() == before


def test_a_file_that_is_written_replaces_a_link(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "precious").write_text("mine", encoding="utf-8")
    (tmp_path / "out.ttl").symlink_to(tmp_path / "precious")
    assert run("kb", "export", "-o", str(tmp_path / "out.ttl")) == 0
    capsys.readouterr()
    assert (tmp_path / "precious").read_text(encoding="utf-8") == "mine"
    assert not (tmp_path / "out.ttl").is_symlink()
