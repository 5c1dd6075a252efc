"""The files of a bundle as text."""
