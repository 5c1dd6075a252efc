"""Learning: from rows of measurements to Effects that an expert can read, correct and overrule.

Nothing here runs while planning.
"""

from __future__ import annotations

from kb.learning.cases import Case, Question, cases, left_out, question, questions, without
from kb.learning.regions import Region, learn
from kb.learning.turtle import turtle

__all__ = [
    "Case",
    "Question",
    "Region",
    "cases",
    "learn",
    "left_out",
    "question",
    "questions",
    "turtle",
    "without",
]
