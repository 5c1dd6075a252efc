"""Learning: from rows of measurements to Effects that an expert can read, correct and overrule.

`published` learns how long published benchmarks take. Nothing here runs while planning.
"""

from __future__ import annotations

from kb.observations.learning.additive import (
    Declared,
    Sample,
    declared_estimator,
    declared_estimators,
    learn_estimator,
    left_out_estimates,
    spreads_of,
)
from kb.observations.learning.cases import Case, Question, cases, left_out, question, questions, without
from kb.observations.learning.elsewhere import Carried, carried, question_elsewhere, quotients
from kb.observations.learning.estimator_turtle import turtle_of_estimator
from kb.observations.learning.rates import short_steps
from kb.observations.learning.regions import Region, learn
from kb.observations.learning.samples import samples, with_short_steps
from kb.observations.learning.turtle import turtle, turtle_of_networks

__all__ = [
    "Carried",
    "Case",
    "Declared",
    "Question",
    "Region",
    "Sample",
    "carried",
    "cases",
    "declared_estimator",
    "declared_estimators",
    "learn",
    "learn_estimator",
    "left_out",
    "left_out_estimates",
    "question",
    "question_elsewhere",
    "questions",
    "quotients",
    "samples",
    "short_steps",
    "spreads_of",
    "turtle",
    "turtle_of_estimator",
    "turtle_of_networks",
    "with_short_steps",
    "without",
]
