"""What builds say is kept without the builder's credentials, however it is said, and from its first moment on
the disk.
"""

from __future__ import annotations

import ast
import json
import re
import sys
from pathlib import Path

import pytest

from bench.images.build import _install
from bench.images.build_log import build_log
from generators.provenance import sbom
from generators.recipe.recipe import Recipe
from kb.errors import RunFailed
from kb.values import replace
from tests import plans
from tests.test_clean import LEAKS, SECRET, is_secret

ROOT = Path(__file__).resolve().parent.parent
KEY = f"-----BEGIN RSA PRIVATE KEY-----\n{SECRET}\n{SECRET}\n-----END RSA PRIVATE KEY-----\n"


@pytest.mark.parametrize("text", LEAKS.values(), ids=LEAKS)
def test_a_log_holds_no_credential_while_the_build_runs_or_after(text: str, tmp_path: Path) -> None:
    """The program waits until its log can be looked at."""
    log, seen = tmp_path / "build.log", tmp_path / "seen"
    more = "print('x' * 100_000, flush=True)"
    program = f"import shutil\nprint({text!r}, flush=True)\n{more}\nshutil.copy({str(log)!r}, {str(seen)!r})\nprint('done')"
    with build_log(log) as said:
        assert said.follow([sys.executable, "-c", program]) == 0
    for found in (log, seen):
        assert not is_secret(found.read_text(encoding="utf-8")) and SECRET not in found.read_text(
            encoding="utf-8"
        )
    assert log.read_text(encoding="utf-8").endswith("done\n")


def test_a_key_of_several_lines_is_hidden(tmp_path: Path) -> None:
    with build_log(tmp_path / "log") as said:
        assert [said.write(line) for line in f"before\n{KEY}after\n".splitlines(keepends=True)][
            -1
        ] == "after\n"
    assert (tmp_path / "log").read_text() == "before\n***\nafter\n"


def test_what_install_says_of_its_indexes_stays_out_of_log_and_message(tmp_path: Path) -> None:
    script = tmp_path / "install.sh"
    script.write_text(
        f"echo 'Looking in indexes: https://me:{SECRET}@index.example/simple'\necho 'PIP_TOKEN={SECRET}' >&2\nexit 3\n"
    )
    with pytest.raises(RunFailed, match="making the virtual environment failed") as failed:
        _install(script, tmp_path / "log")
    for told in (str(failed.value), (tmp_path / "log").read_text()):
        assert SECRET not in told and "Looking in indexes: https://***@index.example/simple" in told
    assert f"whole log: {tmp_path / 'log'}" in str(failed.value)


def test_a_log_is_not_written_through_a_link_and_does_not_fill_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bench.images.build_log._LARGEST", 1000)
    (tmp_path / "precious").write_text("precious")
    (tmp_path / "log").symlink_to(tmp_path / "precious")
    with build_log(tmp_path / "log") as said:
        assert said.follow([sys.executable, "-c", "for n in range(10_000): print(n)"]) == 0
        assert "9999" in str(said.failed("it failed"))
    assert (tmp_path / "precious").read_text() == "precious"
    assert 500 < (tmp_path / "log").stat().st_size < 2000


def test_a_bill_of_materials_holds_none() -> None:
    recipe = Recipe.from_plan(plans.plan("pytorch", "debian-12"))
    address = f"https://me:{SECRET}@registry.example/debian:12"
    headers = tuple(
        replace(entry, value=address) if entry.name == "From" else entry for entry in recipe.headers
    )
    assert SECRET in replace(recipe, headers=headers).base
    text = sbom.write(replace(recipe, headers=headers), {f"token={SECRET}": b""})
    assert SECRET not in text and json.loads(text)["spdxVersion"] == "SPDX-2.3"


def test_every_file_of_what_a_build_says_is_such_a_log() -> None:
    """Nobody in `bench` sends a program's output straight into a file, but for what is read by a program and
    then removed.
    """
    straight = []
    for path in sorted((ROOT / "bench").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if (
                isinstance(node, ast.keyword)
                and node.arg == "stdout"
                and not re.search(r"PIPE|DEVNULL", ast.unparse(node.value))
            ):
                straight.append(str(path.relative_to(ROOT)))
    assert straight == ["bench/process.py"]
