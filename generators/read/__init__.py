"""Recipes that anybody wrote, read and judged; nothing of them is run."""
