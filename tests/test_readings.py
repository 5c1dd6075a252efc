"""What is kept of the rules' texts: shipped with the package, in the user's cache, and never in the place of
another text.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from kb.store import paths
from kb.store.sources import shipped_sources
from kb.store.store import KnowledgeStore
from reasoner.knowledge import kept_readings, readings, shipped_readings
from reasoner.knowledge.closure import closure_texts
from reasoner.knowledge.kept_readings import key_of, sealed, shipped
from reasoner.knowledge.rule_algebra import read_rule
from reasoner.knowledge.rule_reading import RuleReading

TEXT = "CONSTRUCT { $this <urn:p> ?x } WHERE { $this <urn:q> ?x }"
BLANK = "CONSTRUCT { $this <urn:p> ?x } WHERE { $this <urn:q> [ <urn:a> ?x ] , [ <urn:b> [ <urn:c> ?x ] ] , [ <urn:b> 1 ] }"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ONTUNE_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def packaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the readings of the package lie, for a test that writes them."""
    monkeypatch.setattr(kept_readings.shipped, "__defaults__", (tmp_path / "shipped.json",))
    return tmp_path / "shipped.json"


def no_process(*_: object) -> None:
    raise AssertionError("a text was read that is kept")


def test_what_is_shipped_is_what_would_be_read() -> None:
    """Every shipped rule, of knowledge and of the closure, and nothing besides; made twice, by other
    processes, it is the same.
    """
    made = shipped_readings.make()
    store = KnowledgeStore()
    for source in shipped_sources():
        if source.path.suffix == ".ttl":
            store.load_source(source)
    texts = {key_of("rule", text): text for _, text in readings.rule_texts(store)}
    entries = json.loads(made)["entries"]
    assert entries.keys() == texts.keys() | {key_of("closure", text) for text in closure_texts().values()}
    assert all(RuleReading.from_json(entries[key]) == read_rule(text) for key, text in texts.items())


def test_a_text_is_read_alike_by_every_process() -> None:
    """Blank nodes have another name each time, and sets another order."""
    program = f"from reasoner.knowledge.rule_algebra import read_rule; print(read_rule({BLANK!r}).to_json())"
    told = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(told) == 1


def test_a_shipped_reading_is_taken(cache: Path, packaged: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packaged.write_bytes(sealed(readings.lines_of([TEXT])))
    monkeypatch.setattr(readings, "_by_processes", no_process)
    assert readings.readings([TEXT]) == {TEXT: read_rule(TEXT)}
    assert not cache.exists()


@pytest.mark.parametrize(
    "damage", ["the rule changed", "other code", "one byte", "half of it", "nothing", "a list"]
)
def test_a_stale_or_damaged_one_is_not(damage: str, cache: Path, packaged: Path) -> None:
    """Planted readings say something else: were one of them taken, it would show."""
    planted = read_rule(TEXT.replace("urn:q", "urn:planted")).to_json()
    about = {"code": json.loads(sealed({}))["code"], "entries": {key_of("rule", TEXT): planted}}
    if damage == "the rule changed":
        about["entries"] = {key_of("rule", TEXT + " "): planted}
    if damage == "other code":
        about["code"] = "0" * 64
    content = json.dumps(about | {"seal": kept_readings.seal_of(about)}).encode()
    cut = {
        "one byte": content.replace(b"planted", b"plantet"),
        "half of it": content[: len(content) // 2],
        "nothing": b"",
        "a list": b"[1]",
    }
    packaged.write_bytes(cut.get(damage, content))
    assert readings.readings([TEXT]) == {TEXT: read_rule(TEXT)}
    assert shipped(packaged).keys() <= {key_of("rule", TEXT + " ")}


def test_what_is_read_is_kept_in_the_cache(
    cache: Path, packaged: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = readings.readings([TEXT, "no rule"])
    assert isinstance(first["no rule"], str)
    monkeypatch.setattr(readings, "_by_processes", no_process)
    assert readings.readings([TEXT, "no rule"]) == first


def test_what_ended_its_process_is_read_again(
    cache: Path, packaged: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may have been ended from outside, which says nothing of the text."""
    monkeypatch.setattr(readings, "_SERVER", "raise SystemExit(1)")
    assert "cannot be read" in str(readings.readings([TEXT])[TEXT])
    with pytest.raises(ValueError, match="cannot be read"):
        readings.lines_of([TEXT])
    monkeypatch.undo()
    monkeypatch.setenv("ONTUNE_CACHE_HOME", str(cache))
    assert readings.readings([TEXT]) == {TEXT: read_rule(TEXT)}


def test_the_cache_of_others_is_not_read(cache: Path, packaged: Path) -> None:
    readings.readings([TEXT])
    [file] = cache.glob("readings-*.json")
    file.chmod(0o666)
    assert kept_readings.kept() == {}
    assert paths.cache_home() == cache
