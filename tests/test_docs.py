"""What the documents show works."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from ontune.cli import COMMANDS, main

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def blocks(path: Path, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", path.read_text(encoding="utf-8"), re.DOTALL)


def test_the_addition_in_the_guide_changes_the_plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("ONTUNE_DATA_HOME", str(tmp_path / "data"))
    file = tmp_path / "mine.ttl"
    file.write_text(blocks(ROOT / "docs" / "extending.md", "turtle")[0])
    for words in (["kb", "add", str(file)], ["plan", "-w", "mnist-cnn", "--framework", "pytorch", "--set", "gpus=[]", "--format", "json"]):
        with pytest.raises(SystemExit) as ended:
            main(words)
        assert ended.value.code == 0, capsys.readouterr().err
    plan = json.loads(capsys.readouterr().out)
    (allocator,) = [taken for taken in plan["decisions"] if taken["decision"] == "allocator"]
    assert allocator["option"] == "poolalloc"
    assert "https://example.org/poolalloc/measurements" in {source for reason in allocator["reasons"] for source in reason["sources"]}


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_commands_that_are_named_exist(path: Path) -> None:
    named = set(re.findall(r"\bontune ([a-z][a-z-]*)", path.read_text(encoding="utf-8")))
    assert named <= set(COMMANDS)


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_links_to_files_lead_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", path.read_text(encoding="utf-8")):
        assert (path.parent / target).exists(), target
