"""Rule cases: for every rule, conflict and effect a request on which it fires and one on which it is silent.

`cases.yaml` holds those of the shipped knowledge; a file of that name in a folder of additions holds those of
the additions. Its `targets` and `workloads` are known ones with some facts changed (`from`, `set`), its
`sites` are whole; a request is one line: a target, a workload, and what is wished for: `numerics=`,
`allow=OPTION`, `site=`, and `DECISION=OPTION` for what is asked to be taken.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from kb.errors import BadInput
from kb.records.site import Site, complete_site, load_site
from kb.records.target import Target
from kb.records.targets import load_target
from kb.records.workload import Workload, load_workload
from kb.store import paths
from kb.store.store import KnowledgeStore
from kb.store.user_files import read_object

FILE_NAME = "cases.yaml"
_PARTS = ("targets", "workloads", "sites", "cases")
_KEYS = {"fires", "silent", "excludes"}
_WISHES = ("numerics", "objective")
_Kind = TypeVar("_Kind")


@dataclass(frozen=True)
class Case:
    """The case of one rule, conflict or effect.

    Attributes:
        rule: its prefixed name, such as `rule:ended`.
        fires, silent: a request on which it fires, and one on which it does not, each as a line.
        excludes: the option whose exclusion tells whether it fires; empty where any conclusion does.
    """

    rule: str
    fires: str
    silent: str
    excludes: str = ""


@dataclass(frozen=True)
class CaseRequest:
    """One request of the table.

    Attributes:
        line: as it is written.
        wishes: further arguments of a request (`allow`, `pins`, `numerics` ...), by name.
    """

    line: str
    workload: Workload
    target: Target
    wishes: Mapping[str, Any]


class CaseTable:
    """The cases of the shipped knowledge and of additions.

    Args:
        store: the knowledge base that knows the targets and workloads.
        folders: folders of additions, whose tables are read too.

    Raises:
        BadInput: a table is malformed; the message names file and key.
    """

    def __init__(self, store: KnowledgeStore, folders: Sequence[Path] = ()) -> None:
        self._store = store
        self._described: dict[str, dict[str, Any]] = {"targets": {}, "workloads": {}, "sites": {}}
        self.cases: dict[str, Case] = {}
        self._read_once: dict[tuple[str, str], Any] = {}
        self._files: dict[str, Path] = {}
        for path in (paths.shipped("") / FILE_NAME, *(folder / FILE_NAME for folder in folders)):
            if path.is_file():
                self._read(path)

    @cached_property
    def requests(self) -> dict[str, CaseRequest]:
        """Every request of the table once, by its line."""
        lines: list[str] = []
        for case in self.cases.values():
            lines += (case.fires, case.silent)
        return {line: self.request(line) for line in dict.fromkeys(lines)}

    def file_of(self, case: Case) -> Path:
        """The table that a case stands in."""
        return self._files[case.rule]

    def request(self, line: str) -> CaseRequest:
        """The request that a line describes.

        Raises:
            BadInput: a target, a workload or a wish is unknown.
        """
        words = line.split()
        if len(words) < 2:
            raise BadInput(FILE_NAME, f"'{line}' is no request", expected="a target, a workload and wishes")
        return CaseRequest(
            line, self._workload(words[1]), self._target(words[0]), self._wishes(line, words[2:])
        )

    def _target(self, name: str) -> Target:
        return self._once("targets", name, load_target, self._changed_target)

    def _changed_target(self, name: str, described: dict[str, Any]) -> Target:
        return Target(name, self._target(described["from"]).with_overrides(described["set"]).facts)

    def _workload(self, name: str) -> Workload:
        return self._once("workloads", name, load_workload, self._changed_workload)

    def _changed_workload(self, name: str, described: dict[str, Any]) -> Workload:
        return Workload(name, self._workload(described["from"]).facts | described["set"])

    def _site(self, name: str) -> Site:
        return self._once("sites", name, load_site, self._described_site)

    def _described_site(self, name: str, described: dict[str, Any]) -> Site:
        return complete_site(described, f"{FILE_NAME}: sites: {name}", name)

    def _once(
        self,
        part: str,
        name: str,
        known: Callable[[str, KnowledgeStore], _Kind],
        described_here: Callable[[str, dict[str, Any]], _Kind],
    ) -> _Kind:
        """What a name in a line means: what a table describes by it, else what the knowledge base knows; read
        when the first line asks for it.
        """
        if (part, name) not in self._read_once:
            described = self._described[part].get(name)
            self._read_once[part, name] = (
                known(name, self._store) if described is None else described_here(name, described)
            )
        found: _Kind = self._read_once[part, name]
        return found

    def _wishes(self, line: str, words: Sequence[str]) -> dict[str, Any]:
        wishes: dict[str, Any] = {"allow": (), "pins": {}}
        for word in words:
            key, equals, value = word.partition("=")
            if not equals:
                raise BadInput(
                    FILE_NAME,
                    f"'{word}' in '{line}' is no wish",
                    expected="numerics=..., allow=OPTION, site=... or DECISION=OPTION",
                )
            if key in _WISHES:
                wishes[key] = value
            elif key == "site":
                wishes["site"] = self._site(value)
            elif key == "allow":
                wishes["allow"] = (*wishes["allow"], value)
            else:
                wishes["pins"][key] = value
        return wishes

    def _read(self, path: Path) -> None:
        table = read_object(path)
        for part, entries in table.items():
            if part not in _PARTS:
                raise BadInput(
                    f"{path}: key '{part}'",
                    "unknown key",
                    expected=" or ".join(_PARTS),
                    given=part,
                    known=_PARTS,
                )
            if not isinstance(entries, dict):
                raise BadInput(
                    f"{path}: key '{part}'", "does not hold an object", expected="lines of `name: {...}`"
                )
            for name, entry in entries.items():
                self._take(path, part, str(name), entry)

    def _take(self, path: Path, part: str, name: str, entry: Any) -> None:
        where = f"{path}: {part}: {name}"
        expected = {"targets": {"from", "set"}, "workloads": {"from", "set"}, "cases": _KEYS}.get(part)
        needed = (expected or set()) - {"excludes"}
        if not isinstance(entry, dict) or (expected is not None and not needed <= entry.keys() <= expected):
            raise BadInput(
                where,
                "is not complete, or has unknown keys",
                expected=", ".join(sorted(needed)) or "the facts of a site",
            )
        if part == "cases":
            self.cases[name] = Case(name, **{key: str(value) for key, value in entry.items()})
            self._files[name] = path
        elif name in self._described[part]:
            raise BadInput(where, "the name is taken", expected="a name that no other table has")
        else:
            self._described[part][name] = entry
