"""Mixed precision for a program that says nothing of it: open from the call of the network that trains to its
backward, never beyond a step. What was computed so equalled an autocast placed by hand, bit for bit; entered
once for a whole program it would keep the weights of the first step, for its cache is emptied when it is left.
"""

from __future__ import annotations

import functools

NAME = "precision"
DTYPES = {"bf16": "bfloat16"}


class Autocast:
    """PyTorch's autocast around the steps of one network."""

    def __init__(self, torch, outcome, is_inside) -> None:
        """`is_inside` tells whether the network is being called."""
        self._torch, self._outcome, self._is_inside = torch, outcome, is_inside
        self._dtype = getattr(torch, DTYPES.get(outcome.asked.get(NAME), ""), None)
        self._open = None
        self._suspended = False
        if self._dtype is not None:
            for kind in (torch.no_grad, torch.inference_mode):
                self._pause_in(kind)
            self._spare_losses()

    @property
    def is_open(self) -> bool:
        """Whether what is computed now is computed in it."""
        return self._open is not None and not self._suspended

    @property
    def is_wanted(self) -> bool:
        """Whether it was asked for and nothing speaks against it so far."""
        return self._dtype is not None

    def open(self, device: str) -> None:
        """Enter it; where the program has done so, leave that alone."""
        self.close()
        if self._dtype is None:
            return
        if _is_enabled(self._torch, device):
            self.leave("the program does it itself")
            return
        self._open = self._torch.autocast(device, dtype=self._dtype)
        self._open.__enter__()
        self._outcome.apply(NAME)

    def close(self) -> None:
        """Leave it, where it is open."""
        if self.is_open:
            self._open.__exit__(None, None, None)
        self._open, self._suspended = None, False

    def leave(self, why: str) -> None:
        """Leave it for good."""
        self.close()
        self._dtype = None
        self._torch.clear_autocast_cache()
        self._outcome.leave(NAME, why)

    def _pause_in(self, kind) -> None:
        """What runs without gradients between a call and its backward is no part of the step."""
        enter, leave = kind.__enter__, kind.__exit__

        @functools.wraps(enter)
        def entered(context):
            if self.is_open and not self._is_inside():
                self._open.__exit__(None, None, None)
                self._suspended = True
            return enter(context)

        @functools.wraps(leave)
        def left(context, *error):
            result = leave(context, *error)
            if self._suspended and self._torch.is_grad_enabled():
                self._open.__enter__()
                self._suspended = False
            return result

        kind.__enter__, kind.__exit__ = entered, left

    def _spare_losses(self) -> None:
        """A loss that autocast refuses is computed in float32, as its error message advises."""
        functional = self._torch.nn.functional
        loss = functional.binary_cross_entropy

        @functools.wraps(loss)
        def binary_cross_entropy(input, target, *args, **kwargs):
            if not self.is_open:
                return loss(input, target, *args, **kwargs)
            with self._torch.autocast(input.device.type, enabled=False):
                return loss(input.float(), target.float(), *args, **kwargs)

        functional.binary_cross_entropy = binary_cross_entropy


def _is_enabled(torch, device: str) -> bool:
    try:
        return torch.is_autocast_enabled(device)
    except TypeError:  # before PyTorch 2.4
        return torch.is_autocast_cpu_enabled() if device == "cpu" else torch.is_autocast_enabled()
