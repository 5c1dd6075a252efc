"""MODAK's own requests."""
