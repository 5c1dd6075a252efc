"""Learning: from rows of measurements to Effects that an expert can read, correct and overrule.

Nothing here runs while planning.
"""

from __future__ import annotations

from kb.observations.learning.cases import Case, Question, cases, left_out, question, questions, without
from kb.observations.learning.elsewhere import Carried, carried, question_elsewhere, quotients
from kb.observations.learning.regions import Region, learn
from kb.observations.learning.turtle import turtle, turtle_of_networks

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
