"""What this user has added to the knowledge base: Turtle, named queries, tables of measurements; listed by
name and removed by it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from kb.errors import BadInput
from kb.store import paths

_KINDS = {".ttl": "knowledge", ".rq": "query", ".tsv": "expected answer"}
_TABLE, _METADATA = ".csv.gz", ".csv-metadata.json"


@dataclass(frozen=True)
class OwnAddition:
    """Something that a user has added.

    Attributes:
        name: by which it is listed and removed; empty where it is not Ontune that keeps it.
        kind: `knowledge`, `query`, `expected answer` or `table`.
        files: where it lies.
    """

    name: str
    kind: str
    files: tuple[Path, ...]


def own_additions() -> list[OwnAddition]:
    """What lies in the user's data folder, by name; then what lies in the folders of ONTUNE_KB_PATH, which
    has no name here.
    """
    home = paths.data_home()
    found = [OwnAddition(path.name, _KINDS[path.suffix], (path,)) for path in _below(home / "kb")]
    for table in sorted((home / "tables").glob(f"*{_TABLE}")):
        name = table.name.removesuffix(_TABLE)
        found.append(OwnAddition(name, "table", (table, *(table.parent.glob(f"{name}{_METADATA}")))))
    for folder in paths.additions():
        if folder != home / "kb":
            found += [OwnAddition("", _KINDS[path.suffix], (path,)) for path in _below(folder)]
    return found


def removed(names: Sequence[str]) -> list[Path]:
    """Remove additions by their names, all of them or none. Gives the files that are gone.

    Raises:
        BadInput: there is none of a name, or a file cannot be removed.
    """
    known = {one.name: one for one in own_additions() if one.name}
    for name in names:
        if name not in known:
            expected = f"one of {', '.join(known)}" if known else "a name of `ontune kb list`, which has none"
            raise BadInput("kb remove", f"no addition '{name}'", expected=expected, given=name, known=known)
    gone: list[Path] = []
    for name in dict.fromkeys(names):
        gone += known[name].files
    for file in gone:
        try:
            file.unlink(missing_ok=True)
        except OSError as error:
            raise BadInput(
                str(file),
                f"cannot be removed: {error.strerror or error}",
                expected="a file that you may remove",
            ) from error
    return gone


def _below(folder: Path) -> Iterator[Path]:
    found = [folder] if folder.is_file() else sorted(folder.rglob("*"))
    return (path for path in found if path.suffix in _KINDS and path.is_file())
