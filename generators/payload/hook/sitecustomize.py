"""What a started Python loads first: Ontune's hook, then the `sitecustomize` that it would have loaded without.

Older Pythons load this too, so it keeps to what every Python 3 can read.
"""

import os
import sys


def _start():
    here = os.path.dirname(os.path.abspath(__file__))
    if sys.version_info >= (3, 8) and os.environ.get("ONTUNE_HOOK"):
        import ontune_hook

        ontune_hook.start(os.environ["ONTUNE_HOOK"])
    # The program looks for its modules where it would without the hook; what it starts finds the hook again.
    sys.path[:] = [entry for entry in sys.path if os.path.abspath(entry) != here]


def _chain():
    for finder in sys.meta_path:
        spec = finder.find_spec("sitecustomize", None)
        if spec is not None:
            module = type(sys)("sitecustomize")
            module.__spec__, module.__file__ = spec, spec.origin
            sys.modules["sitecustomize"] = module
            spec.loader.exec_module(module)
            return


_start()
_chain()
