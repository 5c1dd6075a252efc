"""PyTorch: options that only code can apply, applied to a program that says nothing of them, and what it does.

No module of the user's is wrapped, replaced or given a hook that stays: keys of a `state_dict`, pickles, deep
copies and `isinstance` are as they were. What the program does itself is left alone. Its network is known by
the first call that trains: outermost, with gradients, with parameters to be trained.
"""

from __future__ import annotations

import functools
import weakref

from . import say
from .autocast import Autocast
from .layout import Layout
from .network import Network, described
from .optimizers import Optimizers
from .outcome import Outcome
from .record import Record

OBSERVED = 20
"""Steps in which the shapes of the network's inputs are compared."""
LOSSES = 1000
"""Losses that are kept."""
REPORTED_AFTER = 2
"""Steps after which it is said what is in effect: a network is compiled in the second."""
SEVERAL = "several networks train"
OWN_GRADIENTS = "the program takes gradients of its own"
COMPILES_ITSELF = "the program compiles itself"


def attach(torch, asked: dict) -> None:
    """Apply what can be applied at once, and wait for the network.

    Args:
        torch: the module.
        asked: as in `ontune_hook.start`.
    """
    _Job(torch, Outcome(asked.get("settings", {}), asked.get("left", {})), Record(asked))


class _Job:
    """One training program."""

    def __init__(self, torch, outcome: Outcome, record: Record) -> None:
        self._torch, self._outcome, self._record = torch, outcome, record
        self._call = torch.nn.Module.__call__
        self._networks: weakref.WeakValueDictionary = weakref.WeakValueDictionary()
        self._patched: dict = {}
        self._inside = self._compiling = False
        self._inputs: list = []
        self._shapes: set = set()
        self._losses: list = []
        self._optimizer = None
        self._layout = Layout(torch, outcome)
        self._autocast = Autocast(torch, outcome, lambda: self._inside)
        self._optimizers = Optimizers(
            outcome, lambda _: self._autocast.close(), lambda one: self._after_step(one)
        )
        self._set_at_once()
        self._watch_modules()
        self._watch_gradients()
        self._watch_compilation()
        self._watch_loader()
        record.at_end = lambda: {"losses": [float(one) for one in self._losses]}

    # ---- what PyTorch is told at once

    def _set_at_once(self) -> None:
        for name, value in self._outcome.asked.items():
            try:
                self._set(name, value)
            except (RuntimeError, ValueError, AttributeError) as error:
                self._outcome.leave(name, f"{type(error).__name__}: {error}")

    def _set(self, name: str, value: str) -> None:
        torch = self._torch
        if name == "threads":
            torch.set_num_threads(int(value))
        elif name == "determinism":
            torch.use_deterministic_algorithms(value == "on")
        elif name == "flush_denormal":
            if not torch.set_flush_denormal(value == "on"):
                raise RuntimeError("this CPU does not flush denormals")
        elif name == "fp32_mode" and value == "bf16":
            torch.backends.fp32_precision = value
        elif name == "fp32_mode" or (name, value) == ("precision", "tf32"):
            torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = value == "tf32"
        elif (name, value) not in DEFAULTS:
            return
        self._outcome.apply(name)

    # ---- the network

    def _watch_modules(self) -> None:
        """Wait for a call that trains. No global hook: one on every small layer costs a part of its time."""

        @functools.wraps(self._call)
        def call(module, *args, **kwargs):
            if self._inside or not self._trains(module):
                return self._call(module, *args, **kwargs)
            return self._first_call(module, args, kwargs)

        self._torch.nn.Module.__call__ = call

    def _stop_watching_modules(self) -> None:
        self._torch.nn.Module.__call__ = self._call

    def _trains(self, module) -> bool:
        return (
            module.training
            and self._torch.is_grad_enabled()
            and id(module) not in self._networks
            and any(parameter.requires_grad for parameter in module.parameters())
        )

    def _first_call(self, module, args: tuple, kwargs: dict):
        """The first call of a network: know it, prepare it, and from now on see the calls of its class."""
        self._networks[id(module)] = module
        if len(self._networks) > 1:  # a GAN, a teacher that trains: they hang together in ways not seen here
            self._record.seen["networks"] = len(self._networks)
            self._autocast.leave(SEVERAL)
            result = self._run(self._call, module, args, kwargs)
        else:
            self._layout.apply(module)
            with Network(self._torch, module) as network:
                result = self._run(self._call, module, args, kwargs)
            self._record.seen["network"] = network.seen()
        self._watch_calls_of(type(module))
        return result

    def _watch_calls_of(self, kind: type) -> None:
        """See the calls of one class's instances, by the class, so that no instance carries anything."""
        if kind in self._patched:
            return
        own = kind.__dict__.get("__call__")
        called = own or (self._call if kind.__call__ is self._torch.nn.Module.__call__ else kind.__call__)

        @functools.wraps(called)
        def call(module, *args, **kwargs):
            if self._inside or self._networks.get(id(module)) is not module:
                return called(module, *args, **kwargs)
            return self._run(called, module, args, kwargs)

        self._patched[kind] = own
        kind.__call__ = call

    def _stop_watching_calls(self) -> None:
        """Where nothing needs to be done at each call, nothing is left at the calls."""
        for kind, own in self._patched.items():
            if own is None:
                del kind.__call__
            else:
                kind.__call__ = own
        self._patched.clear()

    def _run(self, call, module, args: tuple, kwargs: dict):
        """A call of a network."""
        if self._record.seen["steps"] < OBSERVED and module.training:
            self._inputs.append(described(args, kwargs))
        self._autocast.close()
        if self._autocast.is_wanted and module.training and self._torch.is_grad_enabled():
            self._autocast.open(next(module.parameters()).device.type)
        self._inside = True
        try:
            laid_out, first = self._layout.is_applied, self._record.seen["steps"] == 0
            if not laid_out and not (first and self._autocast.is_open):
                return call(module, *args, **kwargs)
            result = self._bearably(call, module, args, kwargs, first)
            return self._layout.plainly(result) if laid_out else result
        finally:
            self._inside = False

    def _bearably(self, call, module, args: tuple, kwargs: dict, first: bool):
        """A call; where the network cannot bear what was applied (`view` across another layout, a layer that
        has no such type on this device), again without it, from the same state.
        """
        torch = self._torch
        generator = torch.get_rng_state() if first else None
        buffers = [(one, one.clone()) for one in module.buffers()] if first else []
        while True:
            try:
                return call(module, *args, **kwargs)
            except RuntimeError as error:
                told = str(error)
                about_strides = "view" in told or "stride" in told
                if not (first or about_strides) or not self._give_up_one(module, told.partition(". ")[0]):
                    raise
            if generator is not None:
                torch.set_rng_state(generator)
            with torch.no_grad():
                for buffer, before in buffers:
                    buffer.copy_(before)

    def _give_up_one(self, module, told: str) -> bool:
        """Leave the layout, or else the precision, as the program has it; false where it is so already."""
        why = f"the network does not bear it: {told}"
        if self._layout.is_applied:
            self._layout.leave(module, why)
            self._torch.clear_autocast_cache()  # it holds copies of the weights in their layout
        elif self._autocast.is_wanted:
            self._autocast.leave(why)
        else:
            return False
        return True

    # ---- compilation

    def _compile(self, module) -> None:
        """Compile a network in its place; `torch.compile(module)` would give another module."""
        if not self._outcome.wants("compiler", "inductor"):
            return
        if len(self._networks) > 1:
            self._outcome.leave("compiler", SEVERAL)
            return
        import torch._dynamo

        torch._dynamo.config.suppress_errors = True  # what cannot be compiled runs as it would
        mode = self._outcome.asked.get("compile_mode")
        self._compiling = True
        try:
            module.compile(**({"mode": mode} if mode else {}))
        finally:
            self._compiling = False
        self._outcome.apply("compiler")
        if mode:
            self._outcome.apply("compile_mode")

    def _watch_compilation(self) -> None:
        compiled = self._torch.compile

        @functools.wraps(compiled)
        def compile(*args, **kwargs):
            if not self._compiling:
                self._stop_watching_modules()  # what is compiled would hold it
                self._autocast.leave(COMPILES_ITSELF)
                for name in ("compiler", "memory_format"):
                    self._outcome.leave(name, COMPILES_ITSELF)
            return compiled(*args, **kwargs)

        self._torch.compile = compile

    def _compiled(self) -> int:
        import sys

        utils = sys.modules.get("torch._dynamo.utils")
        return utils.counters["stats"].get("unique_graphs", 0) if utils else 0

    # ---- gradients, steps and data

    def _watch_gradients(self) -> None:
        autograd = self._torch.autograd
        backward, grad = autograd.backward, autograd.grad

        @functools.wraps(backward)
        def closing_backward(tensors, *args, **kwargs):
            self._autocast.close()
            if self._torch.is_tensor(tensors) and tensors.numel() == 1 and len(self._losses) < LOSSES:
                # Read when all is over: now it would wait for the device.
                self._losses.append(tensors.detach())
            result = backward(tensors, *args, **kwargs)
            if not self._optimizers.created:  # a program that moves its weights itself
                self._after_step(None)
            return result

        @functools.wraps(grad)
        def closing_grad(*args, **kwargs):
            if not self._inside:
                self._autocast.leave(OWN_GRADIENTS)
                self._outcome.leave("compiler", OWN_GRADIENTS)
            return grad(*args, **kwargs)

        autograd.backward, autograd.grad = closing_backward, closing_grad

    def _after_step(self, optimizer) -> None:
        try:
            self._stepped(optimizer)
        except Exception as error:  # the program matters more
            self._stop_watching_modules()
            self._after_step = lambda _: None
            say(f"observing has ended: {type(error).__name__}: {error}")

    def _stepped(self, optimizer) -> None:
        if optimizer is not None and (self._optimizer is None or self._optimizer() is None):
            self._optimizer = weakref.ref(optimizer)
        if optimizer is not None and self._optimizer() is not optimizer:
            return
        seen, steps = self._record.seen, self._record.seen["steps"] + 1
        self._shapes.update(map(repr, self._inputs))
        if steps == 1:
            seen["inputs"], seen["optimizer"] = self._inputs, type(optimizer).__name__ if optimizer else ""
            for network in list(self._networks.values())[:1]:
                self._compile(network)
        if steps == REPORTED_AFTER:
            self._stop_watching_modules()
            self._report(optimizer)
        if steps == OBSERVED:
            seen["shapes"] = len(self._shapes)  # one where they never change
            if not self._autocast.is_wanted and not self._layout.is_applied:
                self._stop_watching_calls()
        self._inputs = []
        self._record.step()

    def _watch_loader(self) -> None:
        """How long the program waits for data."""
        import time

        from torch.utils.data import dataloader

        take, seen = dataloader._BaseDataLoaderIter.__next__, self._record.seen
        seen["waited_seconds"] = 0.0

        @functools.wraps(take)
        def timed(iterator):
            began = time.perf_counter()
            try:
                return take(iterator)
            finally:
                if seen["steps"] >= 3:
                    seen["waited_seconds"] += time.perf_counter() - began

        dataloader._BaseDataLoaderIter.__next__ = timed

    # ---- what is said

    def _report(self, optimizer) -> None:
        """Say what is in effect of what was asked for, and what is not and why."""
        outcome = self._outcome
        if outcome.done.get("compiler") == "inductor" and not self._compiled():
            outcome.leave("compiler", "nothing of the network could be compiled")
        for name in set(outcome.asked) - set(outcome.done) - set(outcome.left):
            outcome.leave(name, "no network was seen that it could be applied to")
        self._record.seen["in_effect"] = self._in_effect(optimizer)
        self._record.seen["applied"], self._record.seen["left"] = outcome.done, outcome.left
        if set(outcome.asked.items()) - set(DEFAULTS):
            say(outcome.text())

    def _in_effect(self, optimizer) -> dict:
        """What PyTorch itself reports."""
        torch = self._torch
        found = {
            "framework": f"torch {torch.__version__}",
            "threads": torch.get_num_threads(),
            "determinism": "on" if torch.are_deterministic_algorithms_enabled() else "off",
            "optimizer_impl": Optimizers.implementation(optimizer) if optimizer else "",
            "compiled_graphs": self._compiled(),
        }
        for network in list(self._networks.values())[:1]:
            weights = self._layout.weights(network)
            if any(weight.shape[1] > 1 for weight in weights):
                last = any(map(self._layout.is_channels_last, weights))
                found["memory_format"] = "channels_last" if last else "contiguous"
        return found


DEFAULTS = (("precision", "fp32"), ("memory_format", "contiguous"), ("compiler", "eager"))
"""What PyTorch does unasked."""
