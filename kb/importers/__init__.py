"""Importers: what others have published, as Turtle in Ontune's terms, with a report of everything that was
doubtful.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from kb.errors import BadInput, OntuneError
from kb.importers.report import ImportReport
from kb.store import files

__all__ = ["IMPORTERS", "ImportReport", "import_source"]


def _archspec(path: Path) -> ImportReport:
    from kb.importers.archspec import import_archspec

    return import_archspec(path)


def _convergence(path: Path) -> ImportReport:
    from kb.importers.convergence import import_convergence

    return import_convergence(path)


def _wheel(path: Path) -> ImportReport:
    from kb.importers.wheel import import_wheel

    return import_wheel(path)


def _mlperf(path: Path) -> ImportReport:
    from kb.importers.mlperf import import_mlperf

    return import_mlperf(path)


def _modak(path: Path) -> ImportReport:
    from kb.importers.modak import import_modak

    return import_modak(path)


IMPORTERS: dict[str, Callable[[Path], ImportReport]] = {
    "archspec": _archspec,
    "convergence": _convergence,
    "mlperf": _mlperf,
    "modak": _modak,
    "wheel": _wheel,
}


def import_source(name: str, path: Path) -> ImportReport:
    """Read a source of a known kind.

    Args:
        name: `archspec`, `convergence`, `mlperf`, `modak` or `wheel`.
        path: the file, or for `convergence`, `mlperf` and `modak` the folder.

    Raises:
        BadInput: the kind is unknown, or the source is missing or is not of that kind.
    """
    if name not in IMPORTERS:
        raise BadInput(
            "import",
            f"unknown source '{name}'",
            expected=f"one of {', '.join(IMPORTERS)}",
            given=name,
            known=IMPORTERS,
        )
    if not path.exists():
        raise BadInput(str(path), "no such file or folder")
    try:
        report = IMPORTERS[name](path)
        # What is made of a foreign text must be Turtle.
        files.turtle_of(report.turtle, str(path), path.resolve().as_uri())
    except OntuneError:
        raise
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, SyntaxError) as error:
        problem = (
            f"does not fit what is read of it ({type(error).__name__}: {files.printable(str(error)):.80})"
        )
        raise BadInput(str(path), problem, expected=f"data of the kind {name}") from error
    return report
