"""Linting: every rule fires on a case and keeps quiet on another, and nothing that is read is run. The grammar: `test_definition.py`."""

from __future__ import annotations

from pathlib import Path

import plans
import pytest
from conftest import ROOT

from generators.bundle import write_bundle
from generators.lint import lint
from kb.errors import BadInput

BASE = "Bootstrap: docker\nFrom: debian:12\n"

# For each rule, a recipe that it fires on and one that it does not.
RULES = {
    "base-tag-moves": ("Bootstrap: docker\nFrom: debian\n", BASE),
    "base-without-digest": (BASE, f"Bootstrap: docker\nFrom: debian:12@sha256:{'ab' * 32}\n"),
    "remote-code-run": (BASE + "%post\n curl -sL https://x | sudo bash -s\n", BASE + "%post\n curl -o x https://x; sha256sum -c sums; bash x\n"),
    "transport-unchecked": (BASE + "%post\n wget -q --no-check-certificate https://x\n", BASE + "%post\n wget https://x\n"),
    "python-package-unpinned": (BASE + "%post\n pip install -q torch\n", BASE + "%post\n pip3 install -r r torch==2.4 'numpy==2.0' && echo a\n"),
    "source-unpinned": (BASE + "%post\n git clone https://x/y\n", BASE + "%post\n git clone https://x/y\n cd y && git checkout abc\n"),
    "tuned-for-the-builder": (BASE + "%post\n gcc -march=native x.c\n", BASE + "%post\n gcc -march=native x.c\n%labels\n isa x86-64-v3\n"),
    "cuda-base-against-wheel": (
        "FROM nvidia/cuda:12.4.1-runtime-ubuntu22.04\nRUN pip install torch==2.4 --index-url https://x/whl/cu118\n",
        "FROM nvidia/cuda:12.4.1-runtime-ubuntu22.04\nRUN pip install torch==2.4 --index-url https://x/whl/cu121\n",
    ),
    "secret-in-recipe": (BASE + "%environment\n export API_KEY=abcdef123\n", BASE + "%environment\n export API_KEY=$API_KEY\n"),
    "variable-lost": ("FROM debian:12\nRUN export A=1\n", "FROM debian:12\nRUN export A=1; make\n"),
    "package-lists-left": (BASE + "%post\n apt-get -q update\n", BASE + "%post\n apt-get update\n rm -rf /var/lib/apt/lists/*\n"),
    "test-missing": (BASE, BASE + "%test\n true\n"),
    "misleading-package-name": (BASE + "%post\n pip install -q numpy==2.0 'tvm>=1'\n", BASE + "%post\n pip install apache-tvm==0.27 tvm-ffi==1\n"),
    "site-variable-in-image": ("FROM debian:12\nENV NCCL_IB_HCA=mlx5_0\n", "FROM debian:12\nENV NCCL_NVLS_ENABLE=0\nRUN NCCL_IB_HCA=mlx5_0 ./test\n"),
    "debugging-variable-in-image": (
        BASE + "%environment\n export NCCL_P2P_DISABLE=1\n",
        BASE + "%environment\n export XLA_FLAGS=--xla_gpu_autotune_level=4\n",
    ),
    "labels-missing": (BASE, "FROM debian:12\nLABEL a=b\n"),
}


def rules_of(tmp_path: Path, text: str) -> set[str]:
    file = tmp_path / ("case.def" if text.lower().startswith("bootstrap") else "Dockerfile")
    file.write_text(text)
    return {smell.rule for smell in lint(file)}


@pytest.mark.parametrize("rule", RULES)
def test_each_rule_fires_and_keeps_quiet(rule: str, tmp_path: Path) -> None:
    fires, quiet = RULES[rule]
    assert rule in rules_of(tmp_path, fires)
    assert rule not in rules_of(tmp_path, quiet)


def test_every_rule_has_its_cases() -> None:
    assert {path.stem for path in (ROOT / "rules" / "recipes").glob("*.rq")} == set(RULES)


@pytest.mark.parametrize("framework", plans.FRAMEWORKS)
@pytest.mark.parametrize("base", plans.BASES)
def test_what_is_generated_has_no_smell_but_the_missing_digest(framework: str, base: str, tmp_path: Path) -> None:
    bundle = write_bundle(plans.plan(framework, base), tmp_path / "bundle")
    found = {smell.rule for name in ("ontune.def", "Dockerfile") for smell in lint(bundle.folder / name)}
    assert found <= {"base-without-digest"}


def test_a_smell_names_its_line_and_masks_the_secret(tmp_path: Path) -> None:
    file = tmp_path / "Dockerfile"
    file.write_text("FROM debian:12\n# a comment\nRUN apt-get install -y \\\n  # inside\n  curl\nENV DB_PASSWORD=hunter2hunter2\n")
    smell = next(smell for smell in lint(file) if smell.rule == "secret-in-recipe")
    assert (smell.line, smell.severity) == (6, "error")
    assert "hunter2" not in smell.text


def test_dockerfiles_are_read_with_stages_and_here_documents(tmp_path: Path) -> None:
    text = "ARG TAG=12\nFROM debian:${TAG} AS build\nRUN <<EOF\ncurl https://x | sh\nEOF\nFROM build\nCOPY --from=build a b\n"
    assert rules_of(tmp_path, text) == {"remote-code-run", "labels-missing"}


@pytest.mark.parametrize("text", ["", "RUN x\nFROM y\n", "FROM x\nRUM y\n", "FROM x\n\0"])
def test_what_is_no_dockerfile_is_refused(text: str, tmp_path: Path) -> None:
    file = tmp_path / "Dockerfile"
    file.write_text(text)
    with pytest.raises(BadInput, match="Dockerfile"):
        lint(file)


def test_nothing_that_is_read_is_run(tmp_path: Path) -> None:
    file = tmp_path / "x.def"
    file.write_text(BASE + f"%setup\n touch {tmp_path}/CANARY\n%post\n $(touch {tmp_path}/CANARY) `touch {tmp_path}/CANARY`\n" + "x" * 60_000 + "\n")
    lint(file)
    assert [path.name for path in tmp_path.iterdir()] == ["x.def"]
