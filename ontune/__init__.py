"""Floor 5: how people and programs reach Ontune."""
