"""`ontune install`: what it offers is what lies in `tools/`, and it runs that with Ontune's own folder as the
place for programs.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.images import scripts
from kb.errors import BadInput, RunFailed
from tests.documents import ROOT, run


def test_it_offers_every_installer_with_what_it_does(capsys: pytest.CaptureFixture[str]) -> None:
    code, printed = run(["install"], capsys)
    names = [path.stem.removeprefix("install-") for path in (ROOT / "tools").glob("install-*.sh")]
    assert code == 0 and "apptainer" in names
    assert all(any(line.split()[:1] == [name] for line in printed.splitlines()) for name in names)


def test_a_misspelt_name_is_refused_with_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    code, printed = run(["install", "aptainer"], capsys)
    assert code == BadInput.exit_code and "did you mean 'apptainer'?" in printed


@pytest.fixture
def own_script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with one installer of the test's own."""
    monkeypatch.setattr(scripts, "_folder", lambda: tmp_path)
    monkeypatch.setenv("ONTUNE_TOOLS", str(tmp_path / "prefix"))
    return tmp_path / "install-thing.sh"


def test_an_installer_is_told_where_to_and_its_words_are_seen(
    own_script: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own_script.write_text('#!/usr/bin/env bash\n# Install a thing.\necho "into $ONTUNE_TOOLS"\n')
    assert scripts.installers() == {"thing": "Install a thing."}
    assert run(["install", "thing"], capsys) == (0, f"into {own_script.parent / 'prefix'}\n")


def test_a_failed_installation_is_a_failed_run_with_its_last_words(
    own_script: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own_script.write_text('#!/usr/bin/env bash\n# Install a thing.\necho "no package manager" >&2\nexit 7\n')
    code, printed = run(["install", "thing"], capsys)
    assert code == RunFailed.exit_code
    assert printed.endswith("error: thing was not installed\nno package manager\n")
