"""The hook that a started Python loads before a user's own program: the environment variables that tell it.

The hook itself stands alone in `payload/hook`, because it runs in the user's Python.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "payload" / "hook"
TOLD = "ONTUNE_HOOK"
SEARCHED = "PYTHONPATH"


def variables(asked: Mapping[str, Any], search_path: str) -> dict[str, str]:
    """The environment variables by which each Python that a command starts loads the hook.

    Args:
        asked: what it is told; `ontune_hook.start` says what that may be.
        search_path: the value of PYTHONPATH without the hook; it stays behind it.
    """
    places = [str(FOLDER), *([search_path] if search_path else [])]
    return {TOLD: json.dumps(asked, sort_keys=True), SEARCHED: os.pathsep.join(places)}
