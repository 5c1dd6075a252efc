"""Training for quality: epochs over real samples, then the accuracy on those held out."""

from __future__ import annotations

import resource
import time
from typing import Any

import numpy as np
from dataset import Samples


def train(trainer: Any, samples: Samples, validation: Samples, batch: int, epochs: int, seed: int) -> dict:
    """Train `epochs` times over `samples` in an order that the seed decides; returns the validating part of a
    result.
    """
    random = np.random.default_rng(seed)
    held_out = [trainer.prepare(*part) for part in validation.parts(batch)]
    begin = time.perf_counter()
    qualities = []
    for _ in range(epochs):
        for part in samples.batches(batch, random.permutation(len(samples.y))):
            trainer.step(trainer.prepare(*part))
        qualities.append(trainer.accuracy(held_out))
    seconds = time.perf_counter() - begin
    return {
        "validation": {
            "quality": qualities[-1],
            "metric": "accuracy",
            "epochs": epochs,
            "course": qualities,
            "samples": len(validation.y),
        },
        "training_seconds": seconds,
        "peak_memory_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }
