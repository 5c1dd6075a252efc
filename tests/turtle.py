"""What Turtle of the tests begins with."""

from __future__ import annotations

from kb.store.terms import PREFIXES

PREFIX_LINES = "".join(f"@prefix {prefix}: <{namespace}> .\n" for prefix, namespace in PREFIXES.items())
"""Every prefix of the knowledge base, declared."""
