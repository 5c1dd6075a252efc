"""Everything that times."""
