import builtins
import sys

builtins.sited = [entry for entry in sys.path if entry.endswith("hook")]
