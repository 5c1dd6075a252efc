"""Floor 3: what is written from a plan (recipes, run scripts, jobs, locks)."""
