"""Reads the shipped rules when the package is built, so that a user's first plan need not: see
`reasoner/knowledge/kept_readings.py`.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class ReadRules(BuildHookInterface):  # type: ignore[type-arg]
    """Puts `reasoner/knowledge/readings.json` into the wheel, and into the checkout where that is what gets installed."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Make the file. Where that fails the package works without: rules are then read when they are first
        used.
        """
        name, root = "reasoner/knowledge/readings.json", Path(self.root)
        file = root / name if version == "editable" else Path(self.directory, "readings.json")
        file.parent.mkdir(parents=True, exist_ok=True)
        paths = os.pathsep.join(filter(None, (self.root, os.environ.get("PYTHONPATH"))))
        done = subprocess.run(
            [sys.executable, "-m", "reasoner.knowledge.shipped_readings", str(file)],
            cwd=root,
            env={**os.environ, "PYTHONPATH": paths},
        )
        if done.returncode:
            self.app.display_warning(
                "the shipped rules could not be read: they will be when they are first used"
            )
        elif version != "editable":
            build_data["force_include"][str(file)] = name
