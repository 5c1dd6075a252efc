"""What people find at the door is true: files that are named exist, versions agree, and each room's README
names what is in the room.
"""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator

import pytest
import yaml

from kb import __version__
from kb.version import shipped_version
from tests.documents import ROOMS, ROOT

TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
WORKFLOW = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("room", ROOMS)
def test_the_readme_of_a_room_names_what_is_in_it(room: str) -> None:
    """Who moves or adds a module says in the README where it belongs."""
    text = (ROOT / room / "README.md").read_text(encoding="utf-8")
    named = {name.split("/")[0].removesuffix(".py") for name in re.findall(r"`([\w./]+)`", text)}
    there = {path.stem for path in (ROOT / room).glob("*.py") if path.stem != "__init__"}
    folders = {
        path.name
        for path in (ROOT / room).iterdir()
        if path.is_dir() and any(path.iterdir()) and path.name != "__pycache__"
    }
    assert (there | folders) - named == set()


@pytest.mark.parametrize("room", ROOMS)
def test_the_modules_of_an_inner_room_are_named_by_its_readme_or_by_the_room_itself(room: str) -> None:
    text = (ROOT / room / "README.md").read_text(encoding="utf-8")
    for inside in (ROOT / room).rglob("__init__.py"):
        said = text + inside.read_text(encoding="utf-8")
        missing = {path.stem for path in inside.parent.glob("*.py")} - set(re.findall(r"\w+", said))
        assert missing - {"__init__"} == set(), inside.parent


DOORS = (
    "CONTRIBUTING.md",
    "docs/contributing/releasing.md",
    "docs/contributing/style.md",
    *(f"{room}/README.md" for room in ROOMS),
)


@pytest.mark.parametrize("name", DOORS)
def test_files_that_are_named_at_the_door_exist(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    paths = {path for path in re.findall(r"`([\w.*-]+/[\w./*-]*)`", text) if "NAME" not in path}
    beside = (ROOT, (ROOT / name).parent)
    assert [
        path for path in sorted(paths) if not any(list(folder.glob(path.rstrip("/"))) for folder in beside)
    ] == []


def test_make_targets_that_are_named_exist() -> None:
    texts = [
        (ROOT / path).read_text(encoding="utf-8") for path in (*DOORS, ".github/PULL_REQUEST_TEMPLATE.md")
    ]
    texts += [
        f"`{step['run']}`" for job in WORKFLOW["jobs"].values() for step in job["steps"] if "run" in step
    ]
    named = set(re.findall(r"(?:`|^)make ([a-z]+)", "\n".join(texts), re.MULTILINE))
    assert {"quick", "test", "long"} <= named <= TARGETS


def test_the_hosted_workflow_runs_what_the_other_ci_runs() -> None:
    jobs = WORKFLOW["jobs"]
    assert jobs["full"]["steps"][-1]["run"] == ".ci/run" and (ROOT / ".ci" / "run").is_file()
    least = re.match(r">=(3\.\d+)$", PROJECT["project"]["requires-python"])
    assert least is not None and jobs["quick"]["strategy"]["matrix"]["python"][0] == least[1]


def test_hooks_before_a_commit_call_what_make_installs() -> None:
    [local] = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"]
    assert {hook["entry"].split()[0] for hook in local["hooks"]} == {
        ".venv/bin/ruff",
        ".venv/bin/mypy",
        ".venv/bin/ontune",
    }
    patterns = [re.compile(hook["files"]) for hook in local["hooks"] if "files" in hook]
    for path in (
        "kb/facts/allocators.ttl",
        "rules/checks/label-missing-violation.rq",
        "ontune/cli/kb.py",
        "kb/cases.yaml",
    ):
        assert any(pattern.search(path) for pattern in patterns), path


def test_the_citation_is_that_of_this_version() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation.keys() >= {"cff-version", "message", "title", "authors"}  # what the format requires
    assert (citation["version"], citation["license"]) == (__version__, PROJECT["project"]["license"])


def test_the_changelog_tells_of_the_versions_that_are_here() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"Program {__version__}, knowledge {shipped_version()}" in text or f"## [{__version__}]" in text


def test_forms_for_issues_have_what_their_host_asks_for() -> None:
    folder = ROOT / ".github" / "ISSUE_TEMPLATE"
    forms = [
        yaml.safe_load(path.read_text(encoding="utf-8"))
        for path in sorted(folder.glob("*.yml"))
        if path.stem != "config"
    ]
    for form in forms:
        assert form.keys() >= {"name", "description", "body"}
        assert len({field["id"] for field in form["body"]}) == len(form["body"])
        assert all(
            field["type"] in ("input", "textarea", "dropdown", "checkboxes") and field["attributes"]["label"]
            for field in form["body"]
        )
    assert len(forms) == 3


def test_everything_public_has_a_docstring_for_the_pages_of_make_api() -> None:
    missing, seen = [], 0
    for room in (*ROOMS, "ontune"):
        for path in sorted((ROOT / room).rglob("*.py")):
            if "payload" not in path.parts:
                for name, node in public(ast.parse(path.read_text(encoding="utf-8"))):
                    seen += 1
                    missing += [] if ast.get_docstring(node) else [f"{path.relative_to(ROOT)}: {name}"]
    assert (missing, seen > 1000) == ([], True)


Documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def public(node: Documented, name: str = "") -> Iterator[tuple[str, Documented]]:
    """A module, its public classes and functions, and the public methods of these."""
    yield name, node
    if isinstance(node, ast.Module | ast.ClassDef):
        for child in node.body:
            if isinstance(
                child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
            ) and not child.name.startswith("_"):
                yield from public(child, f"{name}.{child.name}".strip("."))


def test_coverage_has_a_floor_that_a_target_holds() -> None:
    floor = PROJECT["tool"]["coverage"]["report"]["fail_under"]
    assert floor >= 60 and "coverage" in TARGETS
