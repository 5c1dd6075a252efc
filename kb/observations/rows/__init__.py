"""Rows: what was measured, in one form, as compressed tables that W3C CSVW metadata describes.

Read on demand, never while planning.
"""

from __future__ import annotations

from kb.observations.rows.graph import triples
from kb.observations.rows.table import About, Row, Table, find, form, metadata_of, packed, tables

__all__ = ["About", "Row", "Table", "find", "form", "metadata_of", "packed", "tables", "triples"]
