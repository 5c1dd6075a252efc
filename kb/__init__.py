"""Floor 1: what is known, and how to get at it (facts, store, snapshots, importers, the machine probe)."""

__version__ = "0.1.0"
