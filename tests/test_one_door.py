"""What users, their programs and other machines wrote is read by `kb.store.files` alone: here the source is
searched for whoever reads past it.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = ("kb", "reasoner", "generators", "bench", "ontune")
READING_METHODS = {
    "open", "read_text", "read_bytes", "fdopen", "fromstring", "safe_load", "full_load", "DictReader", "ZipFile", "TarFile", "bulk_load",
}  # fmt: skip
READING_FUNCTIONS = {  # by their module, for their names alone are too common
    "json": {"load", "loads"}, "yaml": {"load", "load_all", "parse"}, "ox": {"parse"}, "csv": {"reader"}, "tomllib": {"load", "loads"},
    "ElementTree": {"parse"}, "pickle": {"load", "loads"}, "tarfile": {"open"}, "shelve": {"open"}, "marshal": {"load", "loads"},
}  # fmt: skip
SHIPPED = "shipped with Ontune, not written by a user"
OWN = "its own process wrote it a moment ago"
PRIVATE = "between processes of one service, by private pipes"
KERNEL = "the kernel writes it"
WRITES = "opens to write, or a folder, not to read"

ALLOWED = {
    ("kb/records/site.py", "_builder_variables"): SHIPPED,
    ("kb/records/fact_keys.py", "_statements"): SHIPPED,
    ("kb/records/fact_keys.py", "FactKeys.assign"): "a copy of facts that were read",
    ("kb/importers/archspec.py", "_checked"): SHIPPED,
    ("kb/observations/rows/table.py", "form"): SHIPPED,
    ("kb/probe/cpu.py", "archspec_data"): "archspec's data, from its installed package",
    ("kb/probe/remote.py", "collect_via"): SHIPPED,
    ("kb/probe/storage.py", "storage_of"): KERNEL,
    (
        "kb/probe/collect.py",
        "read",
    ): "stands alone, for it is sent to other nodes; it keeps to regular files of bounded size itself",
    ("kb/store/snapshot.py", "_read"): "sealed, and this user's own; else it is made anew",
    ("kb/store/snapshot.py", "read_own"): "sealed, and this user's own; else it is made anew",
    ("kb/store/snapshot.py", "write_own"): WRITES,
    ("kb/store/snapshot.py", "_locked"): WRITES,
    ("kb/store/sources.py", "content_hash"): SHIPPED,
    ("kb/store/store.py", "KnowledgeStore.load_source"): SHIPPED,
    ("kb/store/shards.py", "term_of"): "a part of a sealed snapshot",
    ("kb/store/store.py", "KnowledgeStore.load_quads"): "a part of a sealed snapshot",
    ("reasoner/knowledge/closure.py", "closure_texts"): SHIPPED,
    ("reasoner/answers/explain.py", "_literal"): "a literal of a rule that was read",
    ("reasoner/knowledge/readings.py", "_by_process"): PRIVATE,
    ("generators/provenance/sbom.py", "write"): "what was written in memory the line before",
    ("bench/images/build_log.py", "build_log"): WRITES,
    ("bench/command.py", "Command._interpreter"): "the first line of the program that is to be started",
    ("ontune/cli/own_command.py", "_was_given"): KERNEL,
    ("reasoner/knowledge/readings.py", "serve"): PRIVATE,
    ("reasoner/check/kept_report.py", "key_of"): SHIPPED,
    ("reasoner/check/kept_report.py", "read"): "sealed, and this user's own; else it is made anew",
    ("reasoner/check/kept_report.py", "keep"): "a report of this process, as JSON has it",
    ("reasoner/knowledge/kept_readings.py", "_code"): SHIPPED,
    ("reasoner/knowledge/shipped_readings.py", "make"): SHIPPED,
    ("reasoner/knowledge/kept_readings.py", "shipped"): SHIPPED,
    (
        "reasoner/knowledge/kept_readings.py",
        "_unsealed",
    ): "a file of the package, or one of the cache that is this user's own; else it is made anew",
    ("reasoner/knowledge/rule_reading.py", "RuleReading.from_json"): "a part of a sealed snapshot",
    ("kb/records/shapes.py", "_results"): "the report of the SHACL engine in this process",
    ("reasoner/knowledge/shapes.py", "_shacl_terms"): "the W3C's vocabulary, from its installed package",
    ("reasoner/check/quality.py", "_queries"): SHIPPED,
    ("reasoner/knowledge/compile.py", "_code_hash"): SHIPPED,
    ("reasoner/overlay/judging.py", "judge"): PRIVATE,
    ("reasoner/overlay/judging_process.py", "_serve"): PRIVATE,
    ("generators/read/lint.py", "_smells"): SHIPPED,
    ("generators/bundle.py", "_payload"): SHIPPED,
    ("bench/images/build.py", "_locked"): WRITES,
    ("bench/images/debian.py", "fetch"): "what apt has fetched into an empty folder, only to be hashed",
    ("bench/measure/observation.py", "record"): WRITES,
    ("bench/measure/observation.py", "_sync_folder"): WRITES,
    ("bench/images/scripts.py", "installers"): SHIPPED,
    ("bench/images/inputs.py", "_sum"): "regular files only, hashed in pieces, for an image is large",
    ("ontune/cli/__init__.py", "LazyGroup.invoke"): WRITES,
    ("ontune/cli/query.py", "_print_local"): OWN,
    (
        "ontune/html/facts.py",
        "Stated._read",
    ): "Turtle that was compiled a moment ago, and came through the door",
    ("ontune/html/site.py", "_text_rules"): SHIPPED,
    ("ontune/service/application.py", "application.rows"): PRIVATE,
    ("ontune/service/forkserver.py", "_only_queries"): OWN,
    ("ontune/service/pool.py", "_object"): PRIVATE,
    ("ontune/service/query_worker.py", "QueryWorker.work"): PRIVATE,
    ("ontune/service/query_worker.py", "_size_now"): KERNEL,
    ("ontune/service/question_worker.py", "QuestionWorker.work"): PRIVATE,
}


def sources() -> list[Path]:
    return [
        path for room in ROOMS for path in sorted((ROOT / room).rglob("*.py")) if "payload" not in path.parts
    ]


def reads(path: Path) -> Iterator[tuple[str, str]]:
    """The function in which something is read, and the call."""

    def walk(node: ast.AST, within: tuple[str, ...]) -> Iterator[tuple[str, str]]:
        for child in ast.iter_child_nodes(node):
            named = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
            inner = (*within, child.name) if named else within
            if isinstance(child, ast.Call) and is_reading(child.func):
                yield ".".join(within) or "the module", ast.unparse(child.func)
            yield from walk(child, inner)

    yield from walk(ast.parse(path.read_text(encoding="utf-8")), ())


def is_reading(function: ast.expr) -> bool:
    if isinstance(function, ast.Name):
        return function.id == "open"
    if not isinstance(function, ast.Attribute):
        return False
    holder = function.value.id if isinstance(function.value, ast.Name) else ""
    if holder in ("files", "user_files"):  # the door itself
        return False
    return function.attr in READING_METHODS or function.attr in READING_FUNCTIONS.get(holder, ())


def found() -> dict[tuple[str, str], str]:
    return {
        (path.relative_to(ROOT).as_posix(), where): call
        for path in sources()
        if path not in (ROOT / "kb/store/files.py", ROOT / "kb/store/archives.py")
        for where, call in reads(path)
    }


def test_nothing_is_read_past_the_door() -> None:
    unlisted = {place: call for place, call in found().items() if place not in ALLOWED}
    assert not unlisted, "read it by kb.store.files, or say here why it need not be"


def test_every_exception_is_still_needed() -> None:
    assert not ALLOWED.keys() - found().keys()


@pytest.mark.parametrize(
    ("text", "expected"),
    [("open('f')", True), ("Path('f').read_text()", True), ("json.loads(text)", True), ("files.read_text(path)", False), ("os.open(f, 0)", True),
     ("ox.parse(text)", True), ("tarfile.open(f)", True), ("parser.parse(text)", False)],
)  # fmt: skip
def test_the_search_finds_who_reads(text: str, expected: bool) -> None:
    call = ast.parse(text, mode="eval").body
    assert isinstance(call, ast.Call)
    assert is_reading(call.func) is expected
