"""Keras: options that only code can apply, where the program says nothing of them, and what it does in `fit`."""

from __future__ import annotations

import functools
import math
import sys
from collections import Counter

from . import say, tensorflow
from .outcome import Outcome
from .record import Record

POLICIES = {"bf16": "mixed_bfloat16", "fp16": "mixed_float16"}
COMPILERS = {"eager": (True, False), "tf-graph": (False, False), "xla": (False, True)}
"""For each compiler, whether Keras runs eagerly and whether it compiles by XLA."""
DEFAULTS = (("precision", "fp32"), ("memory_format", "contiguous"), ("memory_format", "channels_last"))
"""What Keras does unasked; its images are always channels-last."""
REPORTED_AFTER = 2


def attach(keras, asked: dict) -> None:
    """Set the policy of layers that are yet to be made, and wait for `compile` and `fit`.

    Args:
        keras: the module.
        asked: as in `ontune_hook.start`.
    """
    _Job(keras, Outcome(asked.get("settings", {}), asked.get("left", {})), Record(asked))


class _Job:
    """One training program."""

    def __init__(self, keras, outcome: Outcome, record: Record) -> None:
        self._keras, self._outcome, self._record = keras, outcome, record
        self._model = None
        precision = outcome.asked.get("precision")
        if precision in POLICIES:
            keras.mixed_precision.set_global_policy(POLICIES[precision])
        for name, value in DEFAULTS:
            if outcome.wants(name, value):
                outcome.apply(name)
        self._watch_compile()
        self._watch_fit()

    def _watch_compile(self) -> None:
        wanted = self._outcome.asked.get("compiler")
        if wanted not in COMPILERS:
            return
        eagerly, by_xla = COMPILERS[wanted]
        trainer = next(kind for kind in self._keras.Model.__mro__ if "compile" in kind.__dict__)
        original = trainer.compile

        @functools.wraps(original)
        def compile(model, *arguments, **given):
            if "run_eagerly" in given or "jit_compile" in given:
                self._outcome.leave("compiler", "the program chooses one itself")
                return original(model, *arguments, **given)
            return original(model, *arguments, run_eagerly=eagerly, jit_compile=by_xla, **given)

        trainer.compile = compile

    def _watch_fit(self) -> None:
        callbacks = type(self._keras.callbacks.CallbackList([], model=None))
        ended = callbacks.on_train_batch_end

        @functools.wraps(ended)
        def on_train_batch_end(every, batch, logs=None):
            ended(every, batch, logs)
            try:
                self._stepped(every)
            except Exception as error:  # the program matters more
                callbacks.on_train_batch_end = ended
                say(f"observing has ended: {type(error).__name__}: {error}")

        callbacks.on_train_batch_end = on_train_batch_end

    def _stepped(self, callbacks) -> None:
        if self._record.seen["steps"] + 1 == REPORTED_AFTER:
            self._report(callbacks._model)
        self._record.step()

    def _report(self, model) -> None:
        seen, outcome = self._record.seen, self._outcome
        seen["network"], seen["optimizer"] = _network(model), type(model.optimizer).__name__
        dtypes = {layer.compute_dtype for layer in _layers(model) if layer.weights}
        compiler = next(
            (
                one
                for one, chosen in COMPILERS.items()
                if chosen == (model.run_eagerly, bool(model.jit_compile))
            ),
            "",
        )
        found = {"compute_dtypes": sorted(dtypes), "compiler": compiler}
        if "tensorflow" in sys.modules:
            found.update(tensorflow.in_effect(sys.modules["tensorflow"]))
        seen["in_effect"] = found
        reported = dict(found, threads=str(found.get("threads", "")))
        precision = outcome.asked.get("precision", "")
        if POLICIES.get(precision, "mixed_")[6:] in dtypes or precision == found.get("fp32_mode"):
            reported["precision"] = precision
        for name, value in outcome.asked.items():
            if reported.get(name) == value:
                outcome.apply(name)
            elif name not in outcome.done:
                outcome.leave(name, "the program does otherwise")
        seen["applied"], seen["left"] = outcome.done, outcome.left
        if set(outcome.asked.items()) - set(DEFAULTS):
            say(outcome.text())


def _layers(model) -> list:
    """All layers of a model, those inside of others too."""
    return list(model._flatten_layers(include_self=False))


def _network(model) -> dict:
    """As `network.Network.seen`."""
    calls: Counter = Counter()
    macs: Counter = Counter()
    for layer in _layers(model):
        kind = type(layer).__name__
        calls[kind] += 1
        macs[kind] += _work(layer)
    return {
        "class": type(model).__name__,
        "parameters": model.count_params(),
        "trainable": sum(math.prod(weight.shape) for weight in model.trainable_weights),
        "layers": {kind: {"calls": calls[kind], "macs": macs[kind]} for kind in calls},
        "modules": sorted(calls),
    }


def _work(layer) -> int:
    """Multiply-adds of one sample; nothing for layers without products, and where shapes are not known."""
    kernel = getattr(layer, "kernel", None)
    try:
        places = math.prod(layer.output.shape[1:-1])
    except (AttributeError, TypeError, ValueError):
        places = 1
    return 0 if kernel is None else places * math.prod(kernel.shape)
