"""What `ontune run` has a started Python load: it waits for a framework, and then applies and observes.

`pytorch` (with `network`, `layout`, `autocast` and `optimizers`), `tensorflow` and `keras` are for one framework
each; `outcome` is what became of each setting, `record` what is kept of a job.

Standard library only, and nothing of it, until a framework is imported; Python 3.8 or newer. Whatever goes
wrong here is said in a line, and the program goes on as it would without.
"""

from __future__ import annotations

import os
import sys

FRAMEWORKS = {"torch": "pytorch", "tensorflow": "tensorflow", "keras": "keras"}
"""The modules that are waited for, each with the part of this package that is for it."""


def start(asked: str) -> None:
    """Wait for the frameworks.

    Args:
        asked: JSON, `settings {name: value}` to apply; `left {name: why}`, those that the program did not
            bear before; `record`, the file in which to keep what is observed; `process`, the number of the
            process that the command began as.
    """
    waiting = _Waiting(asked)
    sys.meta_path.insert(0, waiting)
    for name in FRAMEWORKS:
        if name in sys.modules:  # a .pth file may have been earlier
            waiting.attach(name)


def say(text: str) -> None:
    """A line on stderr, from the first of several ranks only."""
    if os.environ.get("RANK", "0") == "0" and sys.stderr is not None:
        try:
            sys.stderr.write("ontune: " + " ".join(text.split()) + "\n")
            sys.stderr.flush()
        except (OSError, ValueError):
            pass


class _Waiting:
    """A finder of modules that finds nothing itself, and is called when a framework has been loaded."""

    def __init__(self, asked: str) -> None:
        self._asked = asked
        self._left = dict(FRAMEWORKS)

    def find_spec(self, name, path=None, target=None):
        """The specification that the other finders have, with a word to be said after loading."""
        if name not in self._left:
            return None
        found = (other.find_spec(name, path, target) for other in sys.meta_path if other is not self)
        spec = next(filter(None, found), None)
        loader = getattr(spec, "loader", None)
        if loader is None:
            return spec
        load = loader.exec_module

        def exec_module(module):
            del loader.exec_module  # as it was
            load(module)
            self.attach(name)

        loader.exec_module = exec_module
        return spec

    def attach(self, name: str) -> None:
        """Let the part for a framework that has been loaded do its work."""
        part = self._left.pop(name, None)
        if part is None:
            return
        try:
            import importlib
            import json

            importlib.import_module("." + part, __name__).attach(sys.modules[name], json.loads(self._asked))
        except Exception as error:  # the program matters more
            say(f"the hook for {name} was not loaded: {type(error).__name__}: {error}")
