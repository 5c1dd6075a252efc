"""Slow, plain answers to the questions that the reasoner answers fast: what the tests compare it with."""
