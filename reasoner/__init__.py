"""Floor 2: what follows (closure, rules, shapes, choice, explanation)."""
