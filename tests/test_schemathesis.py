"""The running service against schemathesis, which derives requests from its description: cases at the bounds
of every schema, and random ones.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from conftest import require
from test_endpoint import free_port

from tests.serving import Service, ontune_serve, serving

RANDOM_CASES = 25
LONGEST = 120
"""Seconds that a question may take."""
ACCEPTED = """
[checks.positive_data_acceptance]
expected-statuses = ["2xx", "400", "404", "409"]
"""
"""No schema says which names are known: a body that fits its schema may be refused for those in it, but for
nothing else.
"""


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    port = free_port()
    with serving(port, ontune_serve(port)) as running:
        yield running


@pytest.mark.long
def test_the_service_does_what_it_says(service: Service, tmp_path: Path) -> None:
    require("schemathesis", find_spec("schemathesis"), "make venv-dev")
    config = tmp_path / "schemathesis.toml"
    config.write_text(ACCEPTED, encoding="utf-8")
    address = f"http://127.0.0.1:{service.port}/api/openapi.json"
    wishes = [
        "--phases",
        "examples,coverage,fuzzing",
        "--checks",
        "all",
        "--max-examples",
        str(RANDOM_CASES),
        # In two threads Hypothesis parses its own sources at once, which CPython 3.11 answers now and then by
        # "AST constructor recursion depth mismatch" (python/cpython#106905).
        "--workers",
        "1",
        "--seed",
        "1",
    ]
    wishes += ["--request-timeout", str(LONGEST)]
    program = [
        sys.executable,
        "-c",
        "from schemathesis.cli import schemathesis; schemathesis()",
        "--config-file",
        str(config),
    ]
    done = subprocess.run(
        [*program, "run", address, *wishes, "--continue-on-failure", "--warnings", "off", "--no-color"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stdout[-10_000:] + done.stderr[-2000:]
