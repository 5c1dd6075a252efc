"""Floor 4: what is measured (runners, statistics, observations)."""
