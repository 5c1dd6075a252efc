"""A user's own training script in a bundle: the script, its files, and the module that applies the plan's
code options to it."""

from __future__ import annotations

from pathlib import Path

from generators.recipe.recipe import Recipe
from generators.writers import run_script
from kb.errors import BadInput
from kb.store.files import read_bytes
from kb.store.program_files import placed

SETTINGS_MODULE = "ontune_settings.py"


def files(recipe: Recipe) -> dict[str, bytes]:
    """The contents of `workload/` by their place in it.

    Raises:
        BadInput: a file is not there or cannot be read, lies outside of the program's folder, or has the
            place of another one.
    """
    program = recipe.program
    folder = Path(program.folder or Path(program.script).parent)
    found = placed(folder, program.files, "workload: files")
    if program.script:
        script = Path(program.script)
        if found.setdefault(program.script_place, script).resolve() != script.resolve():
            raise BadInput(
                str(script),
                f"{found[program.script_place]} has its place in the workload already",
                expected="different names",
            )
    if SETTINGS_MODULE in found:
        problem = "a module of this name is generated with the plan, in the same place"
        raise BadInput(str(found[SETTINGS_MODULE]), problem, expected="another name, or `files` without it")
    return {
        SETTINGS_MODULE: run_script.write_settings(recipe).encode(),
        **{place: _content(file) for place, file in sorted(found.items())},
    }


def _content(path: Path) -> bytes:
    return read_bytes(path)
