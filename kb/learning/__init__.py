"""Learning: from rows of measurements to Effects that an expert can read, correct and overrule.

Nothing here runs while planning.
"""

from __future__ import annotations

from kb.learning.cases import Case, Question, cases, left_out, question, questions, without
from kb.learning.elsewhere import Carried, carried, question_elsewhere, quotients
from kb.learning.regions import Region, learn
from kb.learning.turtle import turtle, turtle_of_networks

__all__ = [
    "Carried",
    "Case",
    "Question",
    "Region",
    "carried",
    "cases",
    "learn",
    "left_out",
    "question",
    "question_elsewhere",
    "questions",
    "quotients",
    "turtle",
    "turtle_of_networks",
    "without",
]
