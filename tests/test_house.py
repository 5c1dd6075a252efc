"""What `benchmarks/house.py` counts is what it says."""

from __future__ import annotations

import ast
import importlib.util
import itertools
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def house() -> ModuleType:
    import sys

    spec = importlib.util.spec_from_file_location("house", ROOT / "benchmarks" / "house.py")
    assert spec is not None and spec.loader is not None
    module = sys.modules["house"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("text", "faults"),
    [
        ("[a for a in b if a]", [()]),
        ("{a for b in c for a in b}", [("two loops",)]),
        ("[a for a in b if a if c]", [("two conditions",)]),
        ("[{x for x in a} for a in b]", [(), ("standing inside another one",)]),
        ("sorted(a for a in [b for b in c])", [(), ("standing inside another one",)]),
        ("f(a) + [b]", []),
    ],
)
def test_dense_comprehensions_are_found(house: ModuleType, text: str, faults: list[tuple[str, ...]]) -> None:
    assert [each.faults for each in house._comprehensions(ast.parse(text), nested=False)] == faults


def test_circles_are_found_whole_and_once(house: ModuleType) -> None:
    imports = {"a": {"b"}, "b": {"c"}, "c": {"a", "d"}, "d": {"e"}, "e": set(), "f": {"g"}, "g": {"f", "a"}}
    assert house.circles(imports) == [["a", "b", "c"], ["f", "g"]]
    assert house.circles({"a": {"b"}, "b": set()}) == []


def test_imports_for_types_alone_and_of_functions_are_told_apart(
    house: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(house, "ROOT", tmp_path)
    (tmp_path / "kb").mkdir()
    lines = ["from kb import one", "import kb.two", "if TYPE_CHECKING:", "    import kb.three"]
    (tmp_path / "kb" / "names.py").write_text(
        "\n".join([*lines, "def f():", "    from kb.four import x", ""])
    )
    known = dict.fromkeys(("kb", "kb.one", "kb.two", "kb.three", "kb.four", "kb.names"))
    module = house.Module(tmp_path / "kb" / "names.py")
    assert module.name == "kb.names"
    assert module.imports(known, lazy=False) == {"kb", "kb.one", "kb.two"}
    assert module.imports(known, lazy=True) == {"kb", "kb.one", "kb.two", "kb.four"}


def test_departures_from_the_style_have_a_line(house: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "dense.py"
    path.write_text(f"x = 1\ny = '{'z' * 120}'\nw = [a for b in c for a in b]\n")
    assert list(house.departures(path)) == [
        f"{path}:2: the line is longer than 110",
        f"{path}:3: a comprehension of two loops",
    ]


def test_every_file_of_the_house_follows_the_style(house: ModuleType) -> None:
    """One loop and one condition to a comprehension, none inside another one, and lines within 110 columns."""
    assert list(itertools.chain.from_iterable(house.departures(one.path) for one in house.modules())) == []


def test_no_file_imports_itself_by_way_of_others(house: ModuleType) -> None:
    """Not even where a function imports when it is called."""
    known = {module.name: module for module in house.modules()}
    assert house.circles({name: module.imports(known, lazy=True) for name, module in known.items()}) == []
