"""The wheel: everything works from it in a clean environment, away from the checkout."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from kb.difference import compare
from kb.edition import read_edition
from kb.version import shipped_version
from reasoner.knowledge.kept_readings import shipped
from reasoner.knowledge.shipped_readings import make

ROOT = Path(__file__).resolve().parent.parent
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", folder, ROOT],
        check=True,
    )
    (built,) = folder.glob("ontune-*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `ontune` of a clean environment."""
    environment = tmp_path_factory.mktemp("clean")
    subprocess.run([sys.executable, "-m", "venv", environment], check=True)
    subprocess.run(
        [environment / "bin" / "python", "-m", "pip", "install", "--quiet", "--no-compile", wheel], check=True
    )
    return environment / "bin" / "ontune"


def run(program: Path, *words: str, home: Path) -> str:
    variables = {"PATH": os.environ["PATH"], "HOME": str(home)}
    return subprocess.run(
        [program, *words], cwd=home, env=variables, capture_output=True, text=True, check=True
    ).stdout


def test_the_wheel_holds_the_packages_and_no_others(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.partition("/")[0] for name in names if ".dist-info/" not in name}
    assert tops == {"kb", "reasoner", "generators", "bench", "ontune"}
    for expected in (
        "kb/ontology/core.ttl",
        "kb/facts/decisions.ttl",
        "ontune/py.typed",
        "ontune/html/templates/style.css",
    ):
        assert expected in names
    for query in (ROOT / "kb" / "queries").rglob("*.*"):
        assert query.relative_to(ROOT).as_posix() in names
    shipped = {name.removeprefix("kb/rules/") for name in names if name.startswith("kb/rules/")}
    assert shipped == {
        path.relative_to(ROOT / "rules").as_posix() for path in (ROOT / "rules").rglob("*") if path.is_file()
    }


def test_the_wheel_brings_what_its_rules_say(wheel: Path, tmp_path: Path) -> None:
    content = zipfile.ZipFile(wheel).read("reasoner/knowledge/readings.json")
    assert content == make()
    (tmp_path / "readings.json").write_bytes(content)
    assert len(shipped(tmp_path / "readings.json")) > 150


def test_the_wheel_says_what_the_checkout_says(wheel: Path) -> None:
    comparison = compare(read_edition(wheel), read_edition(ROOT))
    assert (comparison.differences, comparison.old.version) == ((), shipped_version())


def test_it_plans_and_counts_and_writes_away_from_the_checkout(installed: Path, tmp_path: Path) -> None:
    plan = json.loads(run(installed, "plan", "-w", "mnist-cnn", "--format", "json", home=tmp_path))
    assert {taken["decision"] for taken in plan["decisions"]} >= {"framework", "precision", "allocator"}
    counts = json.loads(run(installed, "kb", "stats", "--format", "json", home=tmp_path))
    assert counts["options"] > 50
    assert counts["queries"] == len(list((ROOT / "kb" / "queries").rglob("*.rq")))
    run(installed, "kb", "export", "--format", "html", "-o", "pages", home=tmp_path)
    assert "development of" in (tmp_path / "pages" / "rules-conflicts-lifecycle.html").read_text(
        encoding="utf-8"
    )
    run(installed, "recipe", "-w", "mnist-cnn", "-o", "bundle", home=tmp_path)
    assert (tmp_path / "bundle" / "workload" / "train.py").is_file()
    assert (tmp_path / "bundle" / "ontune.def").read_text()


def test_it_checks_a_users_additions(installed: Path, tmp_path: Path) -> None:
    additions = tmp_path / "mine"
    additions.mkdir()
    (additions / "broken.ttl").write_text(
        "@prefix on: <https://w3id.org/ontune#> .\n<urn:x> a on:Nonsense .\n"
    )
    with pytest.raises(subprocess.CalledProcessError) as refused:
        run(installed, "check", str(additions), home=tmp_path)
    assert refused.value.returncode == 2
    assert "Nonsense" in refused.value.stdout + refused.value.stderr


def test_it_brings_the_installers_and_they_know_where_to(installed: Path, tmp_path: Path) -> None:
    offered = json.loads(run(installed, "install", "--format", "json", home=tmp_path))
    assert set(offered) == {
        path.stem.removeprefix("install-") for path in (ROOT / "tools").glob("install-*.sh")
    }
    python = installed.with_name("python")
    told = run(python, "-c", "from kb.store.paths import tools_home; print(tools_home())", home=tmp_path)
    assert Path(told.strip()) == tmp_path / ".local" / "share" / "ontune" / "tools"
