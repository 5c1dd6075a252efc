"""Everything that builds."""
